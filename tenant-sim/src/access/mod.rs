//! Enforcement: who may open which mailbox, over Graph, EWS, IMAP and SMTP.
//!
//! Over Graph an app's reach is a union: the permissions in its token, limited by application access policies, and the
//! roles that RBAC for Applications gives it inside their scopes. IMAP looks at neither of the two limits: there a
//! protocol permission, Exchange's own service principal and a FullAccess entry on the mailbox must meet.
//! <https://learn.microsoft.com/exchange/permissions-exo/application-rbac>

pub(crate) mod ews;
pub(crate) mod filter;
pub(crate) mod folder;
mod imap;
pub(crate) mod policy;
pub(crate) mod rbac;
mod smtp;
pub(crate) mod switches;

pub use folder::effective_folder_rights;
pub(crate) use folder::{folder_delegate_sees_private, full_access};
pub(crate) use imap::{ImapLogin, check_imap};
pub(crate) use smtp::{SmtpLogin, SmtpRefusal, check_smtp, sender as smtp_sender};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::Caller;
use crate::state::{MailboxRecipient, State, Timed};

/// Why a mailbox call over Graph is refused; each has its own answer on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Neither the token nor a role of the app opens this mailbox: 403 `ErrorAccessDenied`, "Access is denied".
    NoPermission,
    /// The token would, but an application access policy closes the mailbox: 403 with the `[RAOP]` text.
    BlockedByPolicy,
    /// No mailbox of this tenant's cloud: 404 `MailboxNotEnabledForRESTAPI`.
    NoMailbox,
}

/// Which of a record's two truths counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What administrators see, the state after all propagation.
    Configured,
    /// What is enforced at this instant.
    At(Timestamp),
}

impl View {
    /// True when the record exists in this view.
    pub(crate) fn sees<T>(self, record: &Timed<T>) -> bool {
        match self {
            Self::Configured => record.is_configured(),
            Self::At(at) => record.is_effective(at),
        }
    }

    /// The view of somebody who learns of changes `by` later. Group members carry no delay of their own, because the
    /// same membership reaches policies, roles and permissions at different times.
    pub(crate) fn delayed(self, by: SignedDuration) -> Self {
        match self {
            Self::Configured => Self::Configured,
            Self::At(at) => Self::At(at.checked_sub(by).unwrap_or(Timestamp::MIN)),
        }
    }
}

/// Decides a mailbox call over Graph and counts it as an inbound call of the app.
///
/// `mailbox` is the object id of the mailbox's user; `needed` names the permissions of which any suffices.
pub(crate) fn check_graph_mailbox(
    state: &mut State,
    caller: &Caller,
    mailbox: Uuid,
    needed: &[&str],
    now: Timestamp,
) -> Result<(), Refusal> {
    rbac::drop_orphans(state, now);
    let picture = rbac::picture_at_call(state, caller.object_id, now);
    if caller.tenant_id != state.tenant_id || !is_graph_audience(&caller.audience) {
        return Err(Refusal::NoPermission);
    }
    let recipient = cloud_mailbox(state, mailbox, View::At(now)).ok_or(Refusal::NoMailbox)?;
    let held: Vec<&str> = needed.iter().copied().filter(|p| caller.has_role(p)).collect();
    graph_verdict(
        state,
        (caller.app_id, caller.object_id),
        recipient,
        &held,
        needed,
        View::At(now),
        View::At(picture),
    )
}

/// True when the app reaches the mailbox with this permission once everything configured is enforced.
///
/// `app_object_id` is the enterprise application's object id (a token's `oid`), `client_id` the application id, `mailbox`
/// the object id of the mailbox's user, `permission` a Graph permission name, `IMAP.AccessAsApp`, `full_access_as_app` or
/// `EWS.AccessAsApp` (EWS), or `SMTP.SendAsApp`, `consented_roles` the
/// application permissions that a fresh token would carry. Nothing is changed, and no cache is looked at: vendors' tests
/// use this to prove that a set-up opens what it should and nothing else.
pub fn effective_access(
    state: &State,
    app_object_id: Uuid,
    client_id: Uuid,
    mailbox: Uuid,
    permission: &str,
    consented_roles: &[String],
) -> bool {
    let Some(recipient) = cloud_mailbox(state, mailbox, View::Configured) else {
        return false;
    };
    let consented = consented_roles.iter().any(|role| role == permission);
    if permission == imap::PERMISSION {
        return consented
            && recipient.imap_enabled
            && imap::mailbox_grant(state, app_object_id, recipient, View::Configured).is_ok();
    }
    if switches::EWS_PERMISSIONS.contains(&permission) {
        let app = (client_id, app_object_id);
        let consented = consented_roles.iter().any(|role| role == "full_access_as_app");
        return switches::ews_grant(state, app, recipient, consented, View::Configured);
    }
    if permission == switches::SMTP_PERMISSION {
        return switches::smtp_grant(state, app_object_id, recipient, consented, View::Configured);
    }
    let held: &[&str] = if consented { &[permission] } else { &[] };
    let app = (client_id, app_object_id);
    graph_verdict(state, app, recipient, held, &[permission], View::Configured, View::Configured).is_ok()
}

/// The union rule. `held` are the needed permissions that the token carries.
fn graph_verdict(
    state: &State,
    (client_id, object_id): (Uuid, Uuid),
    mailbox: &MailboxRecipient,
    held: &[&str],
    needed: &[&str],
    policies: View,
    roles: View,
) -> Result<(), Refusal> {
    if held.iter().any(|permission| !policy::covers(permission)) {
        return Ok(());
    }
    let mut refusal = Refusal::NoPermission;
    if !held.is_empty() {
        if policy::allows(state, client_id, mailbox.object_id, policies) {
            return Ok(());
        }
        refusal = Refusal::BlockedByPolicy;
    }
    if rbac::grants(state, object_id, mailbox, needed, roles) { Ok(()) } else { Err(refusal) }
}

/// The mailbox of this user, unless it lives on premises.
fn cloud_mailbox(state: &State, user: Uuid, view: View) -> Option<&MailboxRecipient> {
    let found = state.exchange.index.find(&user.to_string(), &state.exchange.mailboxes, |m| {
        view.sees(m) && m.value.object_id == user && !m.value.remote
    });
    found.map(|m| &m.value)
}

/// True for the audiences of Microsoft Graph, by name (any cloud) or by application id.
pub(crate) fn is_graph_audience(audience: &str) -> bool {
    let host = audience_host(audience);
    host == "00000003-0000-0000-c000-000000000000"
        || host.starts_with("graph.microsoft.")
        || host.starts_with("dod-graph.microsoft.")
        || host == "microsoftgraph.chinacloudapi.cn"
}

/// True for the audiences of Exchange Online, by name (any cloud) or by application id.
pub(crate) fn is_exchange_audience(audience: &str) -> bool {
    let host = audience_host(audience);
    host == "00000002-0000-0ff1-ce00-000000000000"
        || host.starts_with("outlook.office")
        || host.starts_with("outlook-dod.office")
        || host == "partner.outlook.cn"
}

fn audience_host(audience: &str) -> String {
    audience.trim_start_matches("https://").trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
