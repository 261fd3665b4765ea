//! Evidence as it arrives, and the row that must explain it.

use http::{HeaderMap, HeaderValue};

use super::Evidence;

pub(super) const DENIED: &str = "Authorization_RequestDenied";

/// A sample and the row that must explain it.
pub(super) struct Sample {
    pub(super) id: &'static str,
    pub(super) evidence: Evidence<'static>,
    header: Option<(&'static str, &'static str)>,
}

fn sample(id: &'static str) -> Sample {
    Sample { id, evidence: Evidence::new(), header: None }
}

impl Sample {
    fn aadsts(mut self, numbers: &'static [u32]) -> Self {
        self.evidence.aadsts = numbers;
        self
    }

    fn http(mut self, status: u16, code: &'static str, text: &'static str) -> Self {
        self.evidence = self.evidence.with_status(status).with_code(code).with_text(text);
        self
    }

    fn status(mut self, status: u16) -> Self {
        self.evidence.status = Some(status);
        self
    }

    fn path(mut self, path: &'static str) -> Self {
        self.evidence.path = path;
        self
    }

    fn line(mut self, text: &'static str) -> Self {
        self.evidence.text = text;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn check<T>(&self, look: impl FnOnce(&Evidence<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        look(&self.evidence.with_headers(&headers))
    }
}

/// The published samples first, then one for every row that they leave out.
pub(super) fn samples() -> Vec<Sample> {
    let diag = "x-ms-diagnostics";
    let reason = "x-ews-policy-reason";
    let soap = |id, code| sample(id).http(500, code, "");
    vec![
        sample("GRAPH-RAOP").http(
            403,
            "ErrorAccessDenied",
            "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.",
        ),
        sample("GRAPH-RAOP").http(403, "ErrorAccessDenied", "Access to OData is disabled."),
        sample("GRAPH-ACCESS-DENIED").http(
            403,
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ),
        sample("MBX-NOT-REST").http(
            404,
            "MailboxNotEnabledForRESTAPI",
            "REST API is not yet supported for this mailbox.",
        ),
        sample("MBX-NOT-REST").http(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        ),
        sample("EWS-DISABLED").status(403).header(reason, "EWS is disabled for this user or tenant"),
        sample("EWS-BLOCKED-POLICY").status(403).header(reason, "EWS is blocked by policy for this user or tenant"),
        sample("EWS-401-AUDIENCE").status(401).header(
            diag,
            r#"2000003;reason="The audience claim value is invalid 'aud'.";error_category="invalid_resource""#,
        ),
        sample("EWS-401-AUDIENCE").status(401).header(
            diag,
            r#"2000003;reason="The hostname component of the audience claim value is invalid.";error_category="invalid_resource""#,
        ),
        sample("THR-GRAPH-MBX").http(
            429,
            "ApplicationThrottled",
            "Application is over its MailboxConcurrency limit.",
        ),
        sample("THR-GRAPH-RATE").http(429, "TooManyRequests", ""),
        sample("AUTH-NO-SP").aadsts(&[7000229]),
        sample("AUTH-SECRET-ID").aadsts(&[7000215]),
        sample("IMAP-AUTH-FAILED").line("A0001 NO AUTHENTICATE failed."),
        sample("IMAP-LOGONDENIED")
            .line(r#"NO AUTHENTICATE failed. Error="AuthFailed:LogonDenied-None-OAuthLog:AuthExc_Auth Failed.""#),
        sample("IMAP-BASIC-BLOCKED").line(
            "[AUTHENTICATIONFAILED] AuthFailed:LogonDenied-BasicAuthBlocked-<UserType:OutlookCom> LogonFailed-BasicAuthBlocked",
        ),
        sample("IMAP-NOT-CONNECTED").line("* BAD User is authenticated but not connected."),
        sample("THR-IMAP").line("BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds"),
        sample("SMTP-AUTH-OFF").line(
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
        ),
        sample("SMTP-AUTH-OFF").line(
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        ),
        sample("SMTP-AUTH-535").line("535 5.7.3 Authentication unsuccessful [host.example]"),
        soap("EWS-NO-IMPERSONATION", "ErrorInvalidExchangeImpersonationHeaderData"),
        soap("THR-EWS-BUSY", "ErrorServerBusy"),
        sample("MBX-INFO-STALE").http(503, "MailboxInfoStale", ""),
        sample("SYNC-DELTA-GONE").http(410, "syncStateNotFound", ""),
        sample("PROV-SP-REPLICATION").http(400, "NoBackingApplicationObject", ""),
        sample("PROV-SECRET-LIFETIME").http(400, "CredentialInvalidLifetimeAsPerAppPolicy", ""),
        sample("PROV-EXO-CMDLET-UNKNOWN")
            .line("The term 'new-serviceprincipal' is not recognized as the name of a cmdlet"),
        sample("PROV-EXO-APPONLY-ROLE")
            .line("The role assigned to application x isn't supported in this scenario."),
        sample("PROV-DEHYDRATED")
            .line("This operation isn't available. You first need to run the command: Enable-OrganizationCustomization."),
        sample("SUB-VALIDATION").http(400, "InvalidRequest", "Subscription validation request failed. Timed out."),
        sample("GRAPH-WRONG-AUDIENCE").http(
            401,
            "InvalidAuthenticationToken",
            "Access token validation failure. Invalid audience.",
        ),
        sample("SEND-AS-DENIED").http(403, "ErrorSendAsDenied", ""),
        // One for each remaining row.
        sample("AUTH-SECRET-EXPIRED").aadsts(&[7000222]),
        sample("AUTH-CERT-UNKNOWN").aadsts(&[700027]),
        sample("AUTH-CLOCK-SKEW").aadsts(&[700024]),
        sample("AUTH-TENANT-UNKNOWN").aadsts(&[90002]),
        sample("AUTH-APP-NOT-IN-TENANT").aadsts(&[700016]),
        sample("AUTH-NO-CONSENT").aadsts(&[65001]),
        sample("AUTH-CA-BLOCK").aadsts(&[53003]),
        sample("AUTH-APP-DISABLED").aadsts(&[7000112]),
        sample("AUTH-SCOPE-DEFAULT").aadsts(&[1002012]),
        sample("AUTH-COMMON-ENDPOINT").aadsts(&[9001023]),
        sample("AUTH-CLOUD-MISMATCH").aadsts(&[900382]),
        sample("AUTH-RESOURCE-MISSING").aadsts(&[500011]),
        sample("AUTH-LOOP").aadsts(&[50196]),
        sample("AUTH-STS-TRANSIENT").aadsts(&[90033]),
        sample("AUTH-STS-TRANSIENT").http(503, "temporarily_unavailable", "busy"),
        sample("AUTH-CREDENTIAL-MISSING").aadsts(&[7000218]),
        sample("AUTH-FEDERATION-MISMATCH").aadsts(&[700213]),
        sample("AUTH-ASSIGNMENT-REQUIRED").aadsts(&[501051]),
        sample("PROV-SP-REPLICATION").http(
            400,
            "Request_BadRequest",
            "The appId 'a' of the service principal does not reference a valid application object.",
        ),
        sample("PROV-SECRET-FORBIDDEN").http(403, "CredentialTypeNotAllowedAsPerAppPolicy", ""),
        sample("PROV-NO-PRIVILEGE").http(403, DENIED, "Insufficient privileges").path("/v1.0/applications"),
        sample("PROV-NO-PRIVILEGE").http(403, DENIED, "").path("/v1.0/servicePrincipals(appId='a')"),
        sample("GRAPH-DIR-DENIED").http(403, DENIED, "").path("/v1.0/users?$top=5"),
        sample("GRAPH-DIR-DENIED").http(403, DENIED, "").path("/v1.0/groups/g/members"),
        sample("PROV-AAP-FULL").line("The total size of App Access Policies exceeded the limit of 1 KB."),
        sample("PROV-EXO-BLANK-403").status(403).line("\0\0\0").path("/adminapi/beta/t/InvokeCommand"),
        sample("GRAPH-NO-ROLES").http(401, "NoPermissionsInAccessToken", ""),
        sample("GRAPH-NO-ROLES").http(403, "Forbidden", "The token contains no permissions."),
        sample("MBX-INVALID-USER").http(404, "ErrorInvalidUser", ""),
        soap("MBX-NONEXISTENT", "ErrorNonExistentMailbox"),
        soap("MBX-NONPRIMARY", "ErrorNonPrimarySmtpAddress"),
        soap("MBX-DISABLED", "ErrorAccountDisabled"),
        soap("MBX-MOVING", "ErrorMailboxFailover"),
        soap("MBX-QUOTA", "ErrorQuotaExceeded"),
        soap("EWS-IMPERSONATE-DENIED", "ErrorImpersonateUserDenied"),
        soap("EWS-IMPERSONATION-FAILED", "ErrorImpersonationFailed"),
        sample("EWS-401-NOSCOPE").status(401).header(diag, r#"2000008;reason="The token has not enough scope.""#),
        soap("EWS-VERSION", "ErrorInvalidServerVersion"),
        soap("EWS-CROSS-SITE", "ErrorProxyRequestNotAllowed"),
        soap("EWS-FB-DENIED", "ErrorNoFreeBusyAccess"),
        soap("EWS-FB-CROSSPREM", "ErrorMailRecipientNotFound"),
        soap("EWS-WINDOW", "ErrorTimeIntervalTooBig"),
        soap("EWS-SYNCSTATE", "ErrorInvalidSyncStateData"),
        soap("EWS-SUB-LOST", "ErrorInvalidWatermark"),
        soap("EWS-SUB-BATCH", "ErrorInvalidSubscriptionRequest"),
        soap("EWS-SUB-OWNER", "ErrorSubscriptionAccessDenied"),
        soap("THR-EWS-CONCURRENCY", "ErrorExceededConnectionCount"),
        soap("THR-EWS-SUBS", "ErrorExceededSubscriptionCount"),
        sample("THR-OTHER").status(429).path("/11111111-1111-1111-1111-111111111111/oauth2/v2.0/token"),
        sample("SEND-AS-DENIED")
            .line("550 5.7.60 SMTP; Client does not have permissions to send as this sender"),
        sample("SEND-AS-DENIED").line("554 5.2.252 SendAsDenied; a@fabrikam.example not allowed"),
        sample("SEND-BLOCKED").http(403, "ErrorMessageSubmissionBlocked", ""),
        sample("TIME-ZONE-NAME").http(400, "TimeZoneNotSupportedException", ""),
        sample("ID-CHANGED").http(404, "ErrorItemNotFound", ""),
        sample("POP-AUTH-FAILED").line("-ERR Authentication failure: unknown user name or bad password."),
        sample("SMTP-POLICY-BLOCK").line(
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.",
        ),
        sample("SMTP-BASIC-BLOCKED")
            .line("550 5.7.30 Basic authentication is not supported for Client Submission."),
        sample("SASL-MALFORMED").line("501 5.5.124 Invalid XOAUTH2 auth data"),
        sample("SMTP-CONCURRENCY").line("432 4.3.2 Concurrent connections limit exceeded."),
    ]
}
