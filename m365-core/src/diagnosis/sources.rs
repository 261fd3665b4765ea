//! The pages that several rows stand on.

pub(super) const ACCESS_POLICY: &str = "https://learn.microsoft.com/graph/auth-limit-mailbox-access";
pub(super) const ACCESS_POLICY_CMDLET: &str =
    "https://learn.microsoft.com/powershell/module/exchangepowershell/new-applicationaccesspolicy";
pub(super) const APP_RBAC: &str = "https://learn.microsoft.com/exchange/permissions-exo/application-rbac";
pub(super) const ENTRA_CODES: &str =
    "https://learn.microsoft.com/entra/identity-platform/reference-error-codes";
pub(super) const EWS_ACCESS: &str = "https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange";
pub(super) const EWS_CODES: &str =
    "https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode";
pub(super) const EWS_NOTIFICATIONS: &str = "https://learn.microsoft.com/exchange/client-developer/exchange-web-services/handling-notification-related-errors-in-ews-in-exchange";
pub(super) const EWS_THROTTLING: &str =
    "https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-throttling-in-exchange";
pub(super) const GRAPH_AUTH: &str = "https://learn.microsoft.com/graph/resolve-auth-errors";
pub(super) const GRAPH_LIMITS: &str =
    "https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits";
pub(super) const GRAPH_NOTIFICATIONS: &str =
    "https://learn.microsoft.com/graph/outlook-change-notifications-overview";
pub(super) const MAIL_OAUTH: &str = "https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth";
pub(super) const PUBLIC_REPORT: &str = "public report";
