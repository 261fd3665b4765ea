//! SMTP submission's own rule: who may sign in as a mailbox, and whose address may then be the sender.
//! <https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth>

use jiff::Timestamp;
use uuid::Uuid;

use super::switches::{self, SMTP_PERMISSION, SmtpGate};
use super::{View, imap, is_exchange_audience, rbac};
use crate::Caller;
use crate::state::{MailboxRecipient, State};

/// A login that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SmtpLogin {
    /// Object id of the mailbox's user.
    pub(crate) mailbox: Uuid,
    /// Object id of the app.
    pub(crate) app: Uuid,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmtpRefusal {
    /// The token is for another tenant or another API.
    WrongAudience,
    /// `user=` is neither UPN nor primary address of a mailbox here.
    NotTheMailbox,
    /// Authenticated SMTP is off for the organisation.
    OffForTenant,
    /// Authenticated SMTP is off for the mailbox.
    OffForMailbox,
    /// The app has neither the consent nor the role in a scope that holds the mailbox.
    NoRole,
    /// The app has the consent, and the mailbox has no entry for it: FullAccess or Send As.
    NoMailboxPermission,
}

/// Decides a login to the mailbox at `address`. A consent brings a look at the mailbox's own entries with it, also for an
/// app that has the role.
pub(crate) fn check_smtp(
    state: &mut State,
    caller: &Caller,
    address: &str,
    now: Timestamp,
) -> Result<SmtpLogin, SmtpRefusal> {
    rbac::drop_orphans(state, now);
    let picture = View::At(rbac::picture_at_call(state, caller.object_id, now));
    let view = View::At(now);
    if caller.tenant_id != state.tenant_id || !is_exchange_audience(&caller.audience) {
        return Err(SmtpRefusal::WrongAudience);
    }
    let mailbox = find(state, address, now).ok_or(SmtpRefusal::NotTheMailbox)?;
    let login = SmtpLogin { mailbox: mailbox.object_id, app: caller.object_id };
    match switches::smtp_gate(state, mailbox.object_id, view) {
        SmtpGate::On => {}
        SmtpGate::OffForTenant => return Err(SmtpRefusal::OffForTenant),
        SmtpGate::OffForMailbox => return Err(SmtpRefusal::OffForMailbox),
    }
    if caller.user_roles.is_some() {
        return Err(SmtpRefusal::NoRole);
    }
    if caller.has_role(SMTP_PERMISSION) {
        let lets_in = imap::mailbox_grant(state, caller.object_id, mailbox, view).is_ok()
            || switches::sends_as(state, caller.object_id, mailbox.object_id, view);
        return if lets_in { Ok(login) } else { Err(SmtpRefusal::NoMailboxPermission) };
    }
    if rbac::grants(state, caller.object_id, mailbox, &[SMTP_PERMISSION], picture) {
        Ok(login)
    } else {
        Err(SmtpRefusal::NoRole)
    }
}

/// The mailbox as whose message this one goes out: the login's own, or one that it, or the app, has Send As on.
pub(crate) fn sender(state: &State, login: SmtpLogin, address: &str, now: Timestamp) -> Option<Uuid> {
    let view = View::At(now);
    let named = state
        .exchange
        .mailboxes
        .iter()
        .filter(|m| m.is_effective(now))
        .map(|m| &m.value)
        .find(|m| {
            m.primary_smtp_address.eq_ignore_ascii_case(address)
                || m.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(address))
        })
        .map(|m| m.object_id)
        .or_else(|| {
            let mut groups = state.exchange.groups.iter().filter(|g| g.is_effective(now));
            groups
                .find(|g| g.value.primary_smtp_address.eq_ignore_ascii_case(address))
                .map(|g| g.value.object_id)
        })?;
    let may = named == login.mailbox
        || [login.mailbox, login.app].into_iter().any(|who| switches::sends_as(state, who, named, view));
    may.then_some(named)
}

fn find<'a>(state: &'a State, address: &str, now: Timestamp) -> Option<&'a MailboxRecipient> {
    let mut mailboxes =
        state.exchange.mailboxes.iter().filter(|m| m.is_effective(now) && !m.value.remote).map(|m| &m.value);
    mailboxes
        .find(|m| m.upn.eq_ignore_ascii_case(address) || m.primary_smtp_address.eq_ignore_ascii_case(address))
}
