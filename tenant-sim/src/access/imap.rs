//! IMAP's own rule: protocol permission in the token, Exchange's service principal, and FullAccess on the mailbox.
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>

use jiff::Timestamp;
use uuid::Uuid;

use super::{View, is_exchange_audience, policy, rbac};
use crate::Caller;
use crate::state::{GroupKind, MailboxRecipient, State};

/// The application permission for IMAP, on Office 365 Exchange Online.
pub(super) const PERMISSION: &str = "IMAP.AccessAsApp";

/// A login that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImapLogin {
    /// Object id of the mailbox's user.
    pub(crate) mailbox: Uuid,
    /// False when the protocol is switched off for the mailbox: the login works, opening a folder does not.
    pub(crate) connected: bool,
}

/// Why a login is refused; the client is told none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImapRefusal {
    /// The token is for another tenant or another API.
    WrongAudience,
    /// The token lacks `IMAP.AccessAsApp`.
    RoleMissing,
    /// `user=` is neither UPN nor primary address of a mailbox here.
    NotTheMailbox,
    /// Exchange has no service principal whose object id is the token's `oid`.
    NoServicePrincipal,
    /// No FullAccess entry lets the app in, or one denies it.
    NoFullAccess,
}

/// Decides a login to the mailbox at `address`.
pub(crate) fn check_imap(
    state: &mut State,
    caller: &Caller,
    address: &str,
    now: Timestamp,
) -> Result<ImapLogin, ImapRefusal> {
    rbac::drop_orphans(state, now);
    if caller.tenant_id != state.tenant_id || !is_exchange_audience(&caller.audience) {
        return Err(ImapRefusal::WrongAudience);
    }
    if !caller.has_role(PERMISSION) {
        return Err(ImapRefusal::RoleMissing);
    }
    let mailbox = state
        .exchange
        .mailboxes
        .iter()
        .filter(|m| m.is_effective(now) && !m.value.remote)
        .map(|m| &m.value)
        .find(|m| m.upn.eq_ignore_ascii_case(address) || m.primary_smtp_address.eq_ignore_ascii_case(address))
        .ok_or(ImapRefusal::NotTheMailbox)?;
    mailbox_grant(state, caller.object_id, mailbox, View::At(now))?;
    Ok(ImapLogin { mailbox: mailbox.object_id, connected: mailbox.imap_enabled })
}

/// The Exchange side of the rule: pointer and permission entry, a deny before any allow.
pub(super) fn mailbox_grant(
    state: &State,
    app: Uuid,
    mailbox: &MailboxRecipient,
    view: View,
) -> Result<(), ImapRefusal> {
    let exchange = &state.exchange;
    let has_pointer = exchange.service_principals.iter().any(|p| {
        view.sees(p)
            && p.value.object_id == app
            && state
                .directory
                .service_principals
                .iter()
                .any(|sp| sp.is_configured() && sp.value.app_id == p.value.app_id)
    });
    if !has_pointer {
        return Err(ImapRefusal::NoServicePrincipal);
    }
    let members = view.delayed(state.propagation.mailbox_permission);
    let through_group = |grantee: Uuid| {
        exchange.groups.iter().any(|g| {
            g.is_configured()
                && g.value.object_id == grantee
                && g.value.kind == GroupKind::MailEnabledSecurity
        }) && policy::is_nested_member(state, grantee, app, members)
    };
    let entries: Vec<bool> = exchange
        .mailbox_permissions
        .iter()
        .filter(|e| view.sees(e) && e.value.mailbox == mailbox.object_id)
        .map(|e| &e.value)
        .filter(|e| e.rights.iter().any(|r| r.eq_ignore_ascii_case("FullAccess")))
        .filter(|e| e.grantee == app || through_group(e.grantee))
        .map(|e| e.deny)
        .collect();
    if entries.is_empty() || entries.contains(&true) { Err(ImapRefusal::NoFullAccess) } else { Ok(()) }
}
