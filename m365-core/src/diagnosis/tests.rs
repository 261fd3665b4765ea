use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue};

use super::samples::{DENIED, samples};
use super::when::When;
use super::*;

/// The ids of the family's list of known failures, 92 of them.
const KNOWN: &[&str] = &[
    "AUTH-SECRET-ID",
    "AUTH-SECRET-EXPIRED",
    "AUTH-CERT-UNKNOWN",
    "AUTH-CLOCK-SKEW",
    "AUTH-TENANT-UNKNOWN",
    "AUTH-APP-NOT-IN-TENANT",
    "AUTH-NO-SP",
    "AUTH-NO-CONSENT",
    "AUTH-CA-BLOCK",
    "AUTH-APP-DISABLED",
    "AUTH-SCOPE-DEFAULT",
    "AUTH-COMMON-ENDPOINT",
    "AUTH-CLOUD-MISMATCH",
    "AUTH-RESOURCE-MISSING",
    "AUTH-LOOP",
    "AUTH-STS-TRANSIENT",
    "PROV-SP-REPLICATION",
    "PROV-OBJ-REPLICATION",
    "PROV-SECRET-FORBIDDEN",
    "PROV-SECRET-LIFETIME",
    "PROV-NO-PRIVILEGE",
    "PROV-EXO-CMDLET-UNKNOWN",
    "PROV-EXO-APPONLY-ROLE",
    "PROV-DEHYDRATED",
    "PROV-WRONG-OBJECT-ID",
    "PROV-AAP-NOT-SECURITY-PRINCIPAL",
    "PROV-AAP-FULL",
    "SCOPE-UNION-TRAP",
    "SCOPE-NESTED-GROUP",
    "SCOPE-PROPAGATION-RBAC",
    "SCOPE-PROPAGATION-AAP",
    "GRAPH-RAOP",
    "GRAPH-ACCESS-DENIED",
    "GRAPH-NO-ROLES",
    "GRAPH-WRONG-AUDIENCE",
    "GRAPH-DIR-DENIED",
    "MBX-NOT-REST",
    "MBX-INVALID-USER",
    "MBX-INFO-STALE",
    "MBX-NONEXISTENT",
    "MBX-NONPRIMARY",
    "MBX-DISABLED",
    "MBX-MOVING",
    "MBX-QUOTA",
    "MBX-LICENCE-EWS",
    "EWS-DISABLED",
    "EWS-BLOCKED-POLICY",
    "EWS-SCREAM-TEST",
    "EWS-UA-BLOCKS-GRAPH",
    "EWS-NO-IMPERSONATION",
    "EWS-IMPERSONATE-DENIED",
    "EWS-IMPERSONATION-FAILED",
    "EWS-401-AUDIENCE",
    "EWS-401-NOSCOPE",
    "EWS-401-NTLM-EPA",
    "EWS-403-OTHER",
    "EWS-VERSION",
    "EWS-CROSS-SITE",
    "EWS-FB-DENIED",
    "EWS-FB-CROSSPREM",
    "EWS-WINDOW",
    "EWS-SYNCSTATE",
    "EWS-LOCAL-FOLDER",
    "THR-GRAPH-MBX",
    "THR-GRAPH-RATE",
    "THR-EWS-BUSY",
    "THR-EWS-CONCURRENCY",
    "THR-EWS-SUBS",
    "THR-IMAP",
    "THR-SEND",
    "SUB-VALIDATION",
    "SUB-EXPIRED",
    "SUB-LIMIT",
    "SYNC-DELTA-GONE",
    "EWS-SUB-LOST",
    "EWS-SUB-BATCH",
    "EWS-SUB-OWNER",
    "IMAP-AUTH-FAILED",
    "IMAP-LOGONDENIED",
    "IMAP-BASIC-BLOCKED",
    "IMAP-NOT-CONNECTED",
    "SMTP-AUTH-OFF",
    "SMTP-AUTH-535",
    "SEND-AS-DENIED",
    "SEND-BLOCKED",
    "TIME-ZONE-NAME",
    "TIME-ZONE-NAIVE",
    "ID-CHANGED",
    "NET-PROXY-TLS",
    "DISC-RBAC-AUTODISCOVER",
    "ROT-CRED-OVERLAP",
    "OFFB-LEFTOVER",
];

/// Those of them that nothing on the wire proves.
const BY_ID_ONLY: &[&str] = &[
    "PROV-OBJ-REPLICATION",
    "PROV-WRONG-OBJECT-ID",
    "PROV-AAP-NOT-SECURITY-PRINCIPAL",
    "SCOPE-UNION-TRAP",
    "SCOPE-NESTED-GROUP",
    "SCOPE-PROPAGATION-RBAC",
    "SCOPE-PROPAGATION-AAP",
    "MBX-LICENCE-EWS",
    "EWS-SCREAM-TEST",
    "EWS-UA-BLOCKS-GRAPH",
    "EWS-401-NTLM-EPA",
    "EWS-403-OTHER",
    "EWS-LOCAL-FOLDER",
    "THR-SEND",
    "SUB-EXPIRED",
    "SUB-LIMIT",
    "TIME-ZONE-NAIVE",
    "NET-PROXY-TLS",
    "DISC-RBAC-AUTODISCOVER",
    "ROT-CRED-OVERLAP",
    "OFFB-LEFTOVER",
];

/// Rows that the list lacks, for answers that are documented or were seen.
const ADDED: &[&str] = &[
    "AUTH-CREDENTIAL-MISSING",
    "AUTH-FEDERATION-MISMATCH",
    "AUTH-ASSIGNMENT-REQUIRED",
    "PROV-EXO-BLANK-403",
    "POP-AUTH-FAILED",
    "SMTP-POLICY-BLOCK",
    "SMTP-BASIC-BLOCKED",
    "SASL-MALFORMED",
    "SMTP-CONCURRENCY",
    "THR-OTHER",
];

const AUTHORITIES: &[(Authority, &str)] = &[
    (Authority::EntraToken, "PLAIN-TOKEN"),
    (Authority::EntraConsent, "PLAIN-CONSENT"),
    (Authority::EntraDirectory, "PLAIN-DIRECTORY"),
    (Authority::ExchangeScoping, "PLAIN-EXCHANGE"),
    (Authority::ProtocolSwitch, "PLAIN-SWITCH"),
    (Authority::Mailbox, "PLAIN-MAILBOX"),
    (Authority::Service, "PLAIN-SERVICE"),
    (Authority::Network, "PLAIN-NETWORK"),
    (Authority::Caller, "PLAIN-CALLER"),
];

const BACKING: &str = "When using this permission, the backing application of the service principal being created must in the local tenant";

#[test]
fn every_sample_matches_exactly_its_row() {
    for sample in samples() {
        let found: Vec<_> = sample.check(|evidence| {
            catalogue().filter(|row| row.when.holds(evidence)).map(Diagnosis::id).collect()
        });
        assert_eq!(found, [sample.id], "{:?}", sample.evidence);
        assert_eq!(sample.check(diagnose).map(Diagnosis::id), Some(sample.id));
    }
}

#[test]
fn every_row_with_a_matcher_has_a_sample_and_no_other() {
    let sampled: BTreeSet<_> = samples().iter().map(|sample| sample.id).collect();
    let matchable: BTreeSet<_> =
        catalogue().filter(|row| !matches!(row.when, When::ByIdOnly)).map(Diagnosis::id).collect();
    assert_eq!(sampled, matchable);
}

#[test]
fn the_catalogue_holds_the_known_rows_the_added_and_the_plain_ones_once_each() {
    let ids: Vec<_> = catalogue().map(Diagnosis::id).collect();
    let unique: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "an id occurs twice");
    let plain = AUTHORITIES.iter().map(|(_, id)| *id);
    let wanted: BTreeSet<_> = KNOWN.iter().chain(ADDED).copied().chain(plain).collect();
    assert_eq!(unique, wanted);
    assert_eq!((KNOWN.len(), BY_ID_ONLY.len()), (92, 21));
    assert_eq!(ids.len(), KNOWN.len() + ADDED.len() + AUTHORITIES.len());
    for id in ids {
        assert_eq!(by_id(id).map(Diagnosis::id), Some(id));
    }
    assert_eq!(by_id("auth-secret-id"), None);
    assert_eq!(by_id(""), None);
}

#[test]
fn what_nothing_on_the_wire_proves_is_reachable_by_id_only() {
    let without: BTreeSet<_> = catalogue()
        .filter(|row| matches!(row.when, When::ByIdOnly) && !row.id.starts_with("PLAIN-"))
        .map(Diagnosis::id)
        .collect();
    assert_eq!(without, BY_ID_ONLY.iter().copied().collect());
}

#[test]
fn every_authority_has_its_plain_row() {
    for (authority, id) in AUTHORITIES {
        assert_eq!(plain(*authority).id(), *id);
        assert_eq!(plain(*authority).authority(), *authority);
        assert!(!authority.to_string().is_empty());
    }
}

#[test]
fn texts_are_whole_sentences_on_one_line() {
    for row in catalogue() {
        for text in [row.cause, row.check, row.remedy] {
            assert!(text.len() > 15, "{}: {text}", row.id);
            assert!(text.ends_with('.'), "{}: {text}", row.id);
            assert!(!text.contains("  ") && !text.chars().any(char::is_control), "{}: {text}", row.id);
        }
        assert!(row.source.starts_with("https://") || !row.source.is_empty() && row.source.len() < 20);
        assert!(row.id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'));
        let shown = row.to_string();
        assert_eq!(shown, format!("{}: {} Remedy: {} ({})", row.id, row.cause, row.remedy, row.owner));
    }
}

#[test]
fn waits_and_owners_fit_the_retry_advice() {
    for row in catalogue() {
        if let Some(wait) = row.wait {
            assert!(wait.earliest < wait.latest, "{}", row.id);
            assert_ne!(row.retry, RetryAdvice::Never, "{}: a wait for something that never helps", row.id);
        }
        if row.retry == RetryAdvice::AfterRemedy {
            assert_ne!(row.owner, Owner::Nobody, "{}: a remedy that nobody applies", row.id);
        }
        if row.owner == Owner::Nobody && row.retry == RetryAdvice::Automatic {
            assert!(row.remedy.starts_with("None needed"), "{}", row.id);
        }
    }
}

/// The sentences by which a row knows the server's words (single identifiers are language-neutral).
fn sentences(when: &When, found: &mut Vec<&'static str>) {
    match when {
        When::All(parts) | When::Any(parts) => parts.iter().for_each(|part| sentences(part, found)),
        When::Not(part) => sentences(part, found),
        When::Says(text) | When::HeaderSays { text, .. } | When::Header { value: text, .. } => {
            found.push(text);
        }
        When::InOrder(parts) | When::InOrderAnyCase(parts) => found.extend(*parts),
        When::Number { before, .. } => found.push(before),
        _ => {}
    }
}

#[test]
fn no_text_of_ours_repeats_the_servers_sentences() {
    let mut found = Vec::new();
    catalogue().for_each(|row| sentences(&row.when, &mut found));
    found.retain(|sentence| sentence.trim().contains(' '));
    assert!(found.len() > 10, "the walk over the matchers finds nothing");
    for row in catalogue() {
        for sentence in &found {
            let all = [row.cause, row.check, row.remedy].join("\n").to_lowercase();
            assert!(!all.contains(&sentence.trim().to_lowercase()), "{} repeats: {sentence}", row.id);
        }
    }
}

#[test]
fn a_translated_message_still_has_a_diagnosis_by_its_code() {
    for (status, code, text, id) in [
        (403, "ErrorAccessDenied", "Der Zugriff wurde verweigert.", "GRAPH-ACCESS-DENIED"),
        (403, "ErrorAccessDenied", "Zugriff gesperrt: [RAOP]", "GRAPH-RAOP"),
        (404, "MailboxNotEnabledForRESTAPI", "La boîte aux lettres est inactive.", "MBX-NOT-REST"),
        (500, "ErrorImpersonateUserDenied", "El usuario no tiene derechos.", "EWS-IMPERSONATE-DENIED"),
        (535, "", "535 5.7.3 Authentification impossible [host.example]", "SMTP-AUTH-535"),
    ] {
        let evidence = Evidence::new().with_status(status).with_code(code).with_text(text);
        assert_eq!(diagnose(&evidence).map(Diagnosis::id), Some(id), "{text}");
    }
}

#[test]
fn trap_a_wide_code_does_not_hide_the_precise_word_in_it() {
    for (text, id) in [
        ("The token contains no permissions.", "GRAPH-NO-ROLES"),
        ("Submission failed: SendAsDenied", "SEND-AS-DENIED"),
    ] {
        let evidence = Evidence::new().with_status(403).with_code("ErrorAccessDenied").with_text(text);
        assert_eq!(diagnose(&evidence).unwrap().id(), id);
    }
}

#[test]
fn trap_403_for_a_fresh_application_is_replication_and_no_missing_right() {
    for path in ["/v1.0/servicePrincipals", "", "/v1.0/applications/x"] {
        let fresh = Evidence::new().with_status(403).with_code(DENIED).with_path(path).with_text(BACKING);
        let found = diagnose(&fresh).unwrap();
        assert_eq!((found.id(), found.retry()), ("PROV-SP-REPLICATION", RetryAdvice::Automatic));
    }
    let other = Evidence::new()
        .with_status(403)
        .with_code(DENIED)
        .with_path("/v1.0/servicePrincipals")
        .with_text("Insufficient privileges to complete the operation.");
    assert_eq!(diagnose(&other).unwrap().id(), "PROV-NO-PRIVILEGE");
}

#[test]
fn trap_app_role_assignments_of_a_user_are_provisioning() {
    for path in ["/v1.0/users/u/appRoleAssignments", "/groups/g/approleassignments?$top=1"] {
        let evidence = Evidence::new().with_status(403).with_code(DENIED).with_path(path);
        let both = catalogue().filter(|row| row.when.holds(&evidence)).count();
        assert_eq!(both, 2, "the order decides only while both rows hold");
        assert_eq!(diagnose(&evidence).unwrap().id(), "PROV-NO-PRIVILEGE", "{path}");
    }
}

#[test]
fn trap_a_mailbox_named_like_a_resource_is_not_that_resource() {
    for path in ["/users/applications@fabrikam.example", "/users/x?$search=/applications/"] {
        let evidence = Evidence::new().with_status(403).with_code(DENIED).with_path(path);
        assert_eq!(diagnose(&evidence).unwrap().id(), "GRAPH-DIR-DENIED", "{path}");
    }
    let evidence = Evidence::new().with_status(403).with_code(DENIED).with_path("/organization/groups@x");
    assert_eq!(diagnose(&evidence), None);
}

#[test]
fn trap_an_ews_403_without_the_header_is_not_a_switch() {
    let mut headers = HeaderMap::new();
    headers.insert("Restrict-Access-Confirm", HeaderValue::from_static("1"));
    let evidence = Evidence::new().with_status(403).with_path("/EWS/Exchange.asmx").with_headers(&headers);
    assert_eq!(diagnose(&evidence), None);
    headers.insert("X-EWS-Policy-Reason", HeaderValue::from_static("EWS is something else"));
    assert_eq!(diagnose(&Evidence::new().with_status(403).with_headers(&headers)), None);
}

#[test]
fn trap_a_throttled_imap_answer_is_no_credential_failure() {
    for (text, id) in [
        ("A3 BAD Request is throttled. Suggested Backoff Time: 1 milliseconds", Some("THR-IMAP")),
        (
            "NO AUTHENTICATE failed. Request is throttled. Suggested Backoff Time: 7 milliseconds",
            Some("THR-IMAP"),
        ),
        ("BAD Request is throttled. Suggested Backoff Time:  milliseconds", None),
        ("BAD Request is throttled. Suggested Backoff Time: soon milliseconds", None),
        (r#"NO AUTHENTICATE failed. 1 Error="AuthFailed:LogonDenied-None""#, Some("IMAP-LOGONDENIED")),
        (r#"NO AUTHENTICATE failed. Error="AuthFailed:Other""#, Some("IMAP-AUTH-FAILED")),
        ("* BYE Connection closed. 14", None),
    ] {
        assert_eq!(diagnose(&Evidence::new().with_text(text)).map(Diagnosis::id), id, "{text}");
    }
}

#[test]
fn an_smtp_reply_split_into_number_and_text_is_the_same_reply() {
    let split =
        |status, text| diagnose(&Evidence::new().with_status(status).with_text(text)).map(Diagnosis::id);
    assert_eq!(split(535, "5.7.3 Authentication unsuccessful"), Some("SMTP-AUTH-535"));
    assert_eq!(split(535, "5.7.139 Authentication unsuccessful, criteria"), Some("SMTP-POLICY-BLOCK"));
    assert_eq!(split(550, "5.7.30 Basic authentication"), Some("SMTP-BASIC-BLOCKED"));
    assert_eq!(split(250, "5.7.3 is the section to read"), None);
}

#[test]
fn throttling_is_told_apart_by_service() {
    let at = |path| diagnose(&Evidence::new().with_status(429).with_path(path)).map(Diagnosis::id);
    assert_eq!(at("/v1.0/users/u/messages"), Some("THR-GRAPH-RATE"));
    assert_eq!(at("/adminapi/beta/t/InvokeCommand"), Some("THR-OTHER"));
    assert_eq!(at("/ews/exchange.asmx"), Some("THR-OTHER"));
}

#[test]
fn a_closed_mouth_is_only_explained_where_it_means_something() {
    let blank = Evidence::new().with_status(403).with_text("\0 \r\n");
    assert_eq!(diagnose(&blank), None);
    let spoken = blank.with_path("/adminapi/beta/t/InvokeCommand").with_text("{\"error\":{}}");
    assert_eq!(diagnose(&spoken), None);
}

#[test]
fn a_server_that_varies_the_cmdlet_or_its_case_is_understood() {
    for text in [
        "The term 'New-ServicePrincipal' is not recognized as a name of a cmdlet, function",
        "THE TERM 'ADD-MAILBOXPERMISSION' IS NOT RECOGNIZED AS THE NAME OF A CMDLET",
        "new-managementscope : is not recognized as name of a cmdlet",
    ] {
        assert_eq!(diagnose(&Evidence::new().with_text(text)).unwrap().id(), "PROV-EXO-CMDLET-UNKNOWN");
    }
}

#[test]
fn what_is_unknown_gives_none() {
    let headers = HeaderMap::new();
    for evidence in [
        Evidence::new(),
        Evidence::new().with_aadsts(&[1, 0, u32::MAX]),
        Evidence::new().with_status(503),
        Evidence::new().with_status(403).with_code("errorAccessDenied"),
        Evidence::new().with_status(200).with_code("ErrorAccessDenied"),
        Evidence::new().with_status(404).with_code("Request_ResourceNotFound"),
        Evidence::new().with_code("invalid_client").with_headers(&headers),
        Evidence::new().with_text("no authenticate FAILED."),
    ] {
        assert_eq!(diagnose(&evidence), None, "{evidence:?}");
    }
}

#[test]
fn odd_input_never_panics() {
    let odd = [
        "",
        " ",
        "\0",
        "\u{feff}",
        "5.7.139 ",
        "5.7.139",
        "💥",
        "ß is not recognized as ",
        "name of a cmdlet",
        "Suggested Backoff Time: ",
        "Request is throttled. Suggested Backoff Time: ",
        "(((('",
        "/(/?#",
        "é/users(é)",
        "99999999999999999999 milliseconds",
        "AUTHENTICATE failed.",
        "\r\n",
        "2000003;",
        "The role assigned to application ",
    ];
    for text in odd {
        for other in odd {
            let joined = format!("{text}{other}{text}");
            for cut in joined.char_indices().map(|(at, _)| at).chain([joined.len()]) {
                let (left, right) = joined.split_at(cut);
                let mut headers = HeaderMap::new();
                if let Ok(value) = HeaderValue::from_bytes(right.as_bytes()) {
                    headers.append("x-ms-diagnostics", value.clone());
                    headers.append("X-EWS-Policy-Reason", value);
                }
                let evidence = Evidence::new()
                    .with_code(left)
                    .with_text(right)
                    .with_path(&joined)
                    .with_headers(&headers);
                for status in [0, 401, 403, 429, u16::MAX] {
                    let found = diagnose(&evidence.with_status(status));
                    assert!(found.is_none_or(|row| by_id(row.id()) == Some(row)));
                }
            }
        }
    }
}

#[test]
fn debug_of_evidence_shows_no_words_of_the_server() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer hidden"));
    let evidence = Evidence::new()
        .with_status(401)
        .with_text("hidden")
        .with_path("/users/hidden@fabrikam.example")
        .with_headers(&headers);
    let shown = format!("{evidence:?}");
    assert!(shown.contains("401") && !shown.contains("hidden"), "{shown}");
}

#[test]
fn rows_are_equal_by_id() {
    assert_eq!(by_id("THR-IMAP"), by_id("THR-IMAP"));
    assert_ne!(by_id("THR-IMAP"), by_id("THR-SEND"));
    assert!(format!("{:?}", plain(Authority::Network)).contains("PLAIN-NETWORK"));
}
