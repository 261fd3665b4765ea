use super::*;
use crate::fixture::{
    APP, APP_OID, GRAPH, OUTLOOK, assignment, caller, group, mailbox, minutes, policy, start, tenant,
};
use crate::state::{
    AgentLists, Folder, FolderGrantee, FolderPermission, MailboxSwitches, OrganizationSwitches, PolicyRight,
    Propagation, ResourceScope, Timed,
};

const CONSENT: &[&str] = &["full_access_as_app"];
const AGENT: &str = "acme-connector/2.4";

fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<soap:Envelope xmlns:soap="{SOAP}" xmlns:t="{}" xmlns:m="{MESSAGES}"><soap:Header><t:RequestServerVersion Version="Exchange2016"/>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"#,
        TYPES
    )
}

fn as_mailbox(kind: &str, id: &str) -> String {
    format!(
        "<t:ExchangeImpersonation><t:ConnectingSID><t:{kind}>{id}</t:{kind}></t:ConnectingSID></t:ExchangeImpersonation>"
    )
}

fn get(folder: &str) -> String {
    format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>{folder}</m:FolderIds></m:GetFolder>"
    )
}

const INBOX: &str = r#"<t:DistinguishedFolderId Id="inbox"/>"#;

struct Answered {
    status: u16,
    reason: String,
    diagnostics: String,
    body: String,
}

fn send(state: &mut State, caller: Result<Caller, TokenFault>, body: &str, now: Timestamp) -> Answered {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/EWS/Exchange.asmx")
        .header("user-agent", AGENT)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let reply = handle(state, caller, &request, now, &mut Line::default());
    let header =
        |name: &str| reply.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    Answered {
        status: reply.status().as_u16(),
        reason: header("x-ews-policy-reason"),
        diagnostics: header("x-ms-diagnostics"),
        body: String::from_utf8(reply.body().to_vec()).unwrap(),
    }
}

/// Anna's inbox with a consent.
fn anna(state: &mut State, now: Timestamp) -> Answered {
    let body = envelope(&as_mailbox("PrimarySmtpAddress", "anna@adatum.example"), &get(INBOX));
    send(state, Ok(caller(OUTLOOK, CONSENT)), &body, now)
}

fn code(answered: &Answered) -> String {
    let tree = soap::parse(answered.body.as_bytes()).unwrap();
    let fault = &tree.child(SOAP, "Body").unwrap().children[0];
    assert_eq!((answered.status, fault.name.as_str()), (500, "Fault"), "{}", answered.body);
    fault.children.iter().find(|c| c.name == "detail").unwrap().children[0].text.clone()
}

fn organization(state: &mut State, now: Timestamp, switches: OrganizationSwitches) {
    let delay = state.propagation.organization_switch;
    for record in &mut state.exchange.organization_switches {
        record.delete(now, delay);
    }
    state.exchange.organization_switches.push(Timed::new(switches, now, delay));
}

#[test]
fn a_consented_app_reads_a_folder_of_the_impersonated_mailbox() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let read = anna(&mut state, start());
    assert_eq!(read.status, 200, "{}", read.body);
    assert!(
        read.body.contains("<t:DisplayName>Inbox</t:DisplayName>")
            && read.body.contains("<t:Read>true</t:Read>")
    );
    for (kind, id) in [("PrincipalName", "ANNA@adatum.example"), ("SmtpAddress", "anna.alias@adatum.example")]
    {
        let body = envelope(&as_mailbox(kind, id), &get(INBOX));
        assert_eq!(send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &body, start()).status, 200, "{kind}");
    }
    let alias = envelope(&as_mailbox("PrimarySmtpAddress", "anna.alias@adatum.example"), &get(INBOX));
    let refused = send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &alias, start());
    assert_eq!(code(&refused), "ErrorNonPrimarySmtpAddress");
    assert!(refused.body.contains(r#"<t:Value Name="Primary">anna@adatum.example</t:Value>"#));
    for id in ["nobody@adatum.example", "S-1-5-21-1"] {
        let body =
            envelope(&as_mailbox(if id.starts_with('S') { "SID" } else { "SmtpAddress" }, id), &get(INBOX));
        assert_eq!(
            code(&send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &body, start())),
            "ErrorNonExistentMailbox"
        );
    }
}

#[test]
fn tokens_are_refused_before_anything_else_is_looked_at() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let body = "not even XML";
    let wrong = send(&mut state, Ok(caller(GRAPH, CONSENT)), body, start());
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.diagnostics.starts_with("2000003;")
            && wrong.diagnostics.contains("audience claim value is invalid")
    );
    let bare = send(&mut state, Ok(caller(OUTLOOK, &["IMAP.AccessAsApp"])), body, start());
    assert_eq!(bare.status, 401);
    assert!(bare.diagnostics.contains("not enough scope"));
    let missing = send(&mut state, Err(TokenFault::Missing), body, start());
    assert_eq!((missing.status, missing.diagnostics.as_str()), (401, ""));
    let person = Caller { user_roles: Some(vec![]), ..caller(OUTLOOK, CONSENT) };
    assert_eq!(send(&mut state, Ok(person), body, start()).status, 401);
}

#[test]
fn an_app_must_impersonate() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let send = |state: &mut State, body: &str| send(state, Ok(caller(OUTLOOK, CONSENT)), body, start());
    assert_eq!(
        code(&send(&mut state, &envelope("", &get(INBOX)))),
        "ErrorInvalidExchangeImpersonationHeaderData"
    );
    for bad in [
        "<x/>",
        "<!DOCTYPE a><a/>",
        &envelope("<t:ExchangeImpersonation/>", &get(INBOX)),
        &envelope(&as_mailbox("Nickname", "anna"), &get(INBOX)),
        &envelope(&as_mailbox("SmtpAddress", "anna@adatum.example"), "<m:GetFolder/>"),
        &envelope(&as_mailbox("SmtpAddress", "anna@adatum.example"), ""),
    ] {
        assert_eq!(code(&send(&mut state, bad)), "ErrorSchemaValidation", "{bad}");
    }
    let other = envelope(&as_mailbox("SmtpAddress", "anna@adatum.example"), "<m:DeleteItem/>");
    assert_eq!(code(&send(&mut state, &other)), "ErrorInvalidRequest");
}

#[test]
fn trap_17_the_switch_the_list_and_their_delays() {
    let mut state = tenant(Propagation::realistic());
    mailbox(&mut state, "anna");
    assert_eq!(anna(&mut state, start()).status, 200, "unset counts as on, and no list is in force");
    let on = |apps: &[Uuid]| OrganizationSwitches {
        ews_enabled: Some(true),
        ews_allowed_apps: apps.iter().copied().collect(),
        ..OrganizationSwitches::default()
    };
    organization(&mut state, start(), on(&[]));
    assert_eq!(anna(&mut state, minutes(59)).status, 200, "the switch takes about an hour");
    let blocked = anna(&mut state, minutes(60));
    assert_eq!((blocked.status, blocked.reason.as_str(), blocked.body.as_str()), (403, BLOCKED, ""));

    organization(&mut state, minutes(60), on(&[APP]));
    assert_eq!(anna(&mut state, minutes(60 + 24 * 60 - 1)).reason, BLOCKED, "the list takes a day");
    assert_eq!(anna(&mut state, minutes(60 + 24 * 60)).status, 200);

    let off = OrganizationSwitches { ews_enabled: Some(false), ..on(&[APP]) };
    organization(&mut state, minutes(2000), off);
    assert_eq!(anna(&mut state, minutes(2060)).reason, DISABLED);
}

#[test]
fn organisation_and_mailbox_must_both_allow() {
    let mut state = tenant(Propagation::realistic());
    let id = mailbox(&mut state, "anna");
    let delay = state.propagation.mailbox_switch;
    let off = MailboxSwitches { ews_enabled: Some(false), ..MailboxSwitches::untouched(id) };
    state.exchange.mailbox_switches.push(Timed::new(off, start(), delay));
    assert_eq!(anna(&mut state, minutes(14)).status, 200);
    assert_eq!(anna(&mut state, minutes(15)).reason, DISABLED);
}

#[test]
fn trap_18_lists_of_user_agents_close_ews_and_a_mailbox_has_its_own() {
    let mut state = tenant(Propagation::realistic());
    let id = mailbox(&mut state, "anna");
    let allow = |patterns: &[&str]| AgentLists {
        allow_list_counts: Some(true),
        allowed: patterns.iter().map(|p| (*p).to_owned()).collect(),
        blocked: vec![],
    };
    let agents = allow(&["OWA/*"]);
    organization(&mut state, start(), OrganizationSwitches { agents, ..OrganizationSwitches::default() });
    assert_eq!(anna(&mut state, minutes(9)).status, 200, "lists of agents take some minutes");
    assert_eq!(anna(&mut state, minutes(10)).reason, BLOCKED);
    let delay = state.propagation.mailbox_switch;
    let own = MailboxSwitches { agents: allow(&["acme*"]), ..MailboxSwitches::untouched(id) };
    state.exchange.mailbox_switches.push(Timed::new(own, minutes(10), delay));
    assert_eq!(anna(&mut state, minutes(19)).reason, BLOCKED);
    assert_eq!(anna(&mut state, minutes(20)).status, 200);
}

#[test]
fn rights_are_a_consent_limited_by_policies_or_a_role_in_its_scope() {
    let mut state = tenant(Propagation::instant());
    let (one, two) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    let open = group(&mut state, "open", &[two]);
    policy(&mut state, Some(APP), open, PolicyRight::Restrict);
    assert_eq!(code(&anna(&mut state, start())), "ErrorAccessDenied");
    let scoped = group(&mut state, "scoped", &[one]);
    assignment(&mut state, "Application EWS.AccessAsApp", ResourceScope::Group(scoped));
    assert_eq!(anna(&mut state, start()).status, 200, "a role goes past the policy");
    let as_bert = envelope(&as_mailbox("SmtpAddress", "bert@adatum.example"), &get(INBOX));
    let refused = send(&mut state, Ok(caller(OUTLOOK, &[])), &as_bert, start());
    assert_eq!(code(&refused), "ErrorImpersonateUserDenied", "the role's scope does not hold bert");
    assert_eq!(send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &as_bert, start()).status, 200);
    assert_eq!(state.exchange.role_assignments[0].value.app, APP_OID);
}

#[test]
fn a_delegate_sees_what_the_folders_entries_allow() {
    let mut state = tenant(Propagation::instant());
    let (owner, delegate) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    state.exchange.folder_languages.insert(owner, "de".to_owned());
    let calendar = get(
        r#"<t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>anna@adatum.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"#,
    );
    let body = envelope(&as_mailbox("SmtpAddress", "bert@adatum.example"), &calendar);
    let send = |state: &mut State| send(state, Ok(caller(OUTLOOK, CONSENT)), &body, start());
    let refused = send(&mut state);
    assert_eq!(refused.status, 200, "a refusal of one folder is no fault");
    assert!(refused.body.contains("ErrorAccessDenied"), "Default sees free and busy only: {}", refused.body);
    state.exchange.folder_permissions.push(Timed::always(FolderPermission {
        mailbox: owner,
        folder: Folder::Calendar,
        grantee: FolderGrantee::Recipient(delegate),
        rights: ["FolderVisible", "ReadItems"].map(str::to_owned).into(),
        delegate: false,
        private_items: false,
    }));
    let read = send(&mut state).body;
    assert!(
        read.contains("<t:DisplayName>Kalender</t:DisplayName>") && read.contains("<t:CalendarFolder>"),
        "{read}"
    );
    assert!(
        read.contains("<t:Read>true</t:Read>") && read.contains("<t:CreateContents>false</t:CreateContents>")
    );
}
