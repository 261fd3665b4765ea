//! EWS: whether an app gets in at all, past the switches and lists, and into a mailbox.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange>

use jiff::Timestamp;
use uuid::Uuid;

use super::switches::{self, EwsGate};
use super::{View, cloud_mailbox, policy, rbac};
use crate::Caller;
use crate::state::State;

const CONSENT: &str = "full_access_as_app";
const ROLE: &str = "EWS.AccessAsApp";

/// Why an EWS call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EwsRefusal {
    /// `EwsEnabled` is off for the organisation or the mailbox.
    Disabled,
    /// The app is not on the organisation's list, or a list of user agents closes.
    BlockedByPolicy,
    /// Neither a consent nor a role whose scope holds the mailbox.
    NoRight,
    /// A consent, which an application access policy closes for this mailbox.
    AccessPolicy,
}

/// True when the app has some right to EWS at all, for whichever mailbox.
pub(crate) fn may_knock(state: &mut State, caller: &Caller, now: Timestamp) -> bool {
    rbac::drop_orphans(state, now);
    let picture = View::At(rbac::picture_at_call(state, caller.object_id, now));
    caller.user_roles.is_none()
        && (caller.has_role(CONSENT) || rbac::holds(state, caller.object_id, ROLE, picture))
}

/// The organisation's switch and list of apps.
pub(crate) fn check_organization(state: &State, client_id: Uuid, now: Timestamp) -> Result<(), EwsRefusal> {
    gate(switches::ews_organization(state, client_id, View::At(now)))
}

/// The lists of user agents; before a mailbox is known, the organisation's.
pub(crate) fn check_agent(
    state: &State,
    mailbox: Option<Uuid>,
    agent: &str,
    now: Timestamp,
) -> Result<(), EwsRefusal> {
    if switches::agent_passes(state, mailbox, agent, View::At(now)) {
        Ok(())
    } else {
        Err(EwsRefusal::BlockedByPolicy)
    }
}

/// The mailbox's switch, then the app's right to it: a union, as over Graph.
pub(crate) fn check_mailbox(
    state: &mut State,
    caller: &Caller,
    mailbox: Uuid,
    now: Timestamp,
) -> Result<(), EwsRefusal> {
    gate(switches::ews_mailbox(state, mailbox, View::At(now)))?;
    let picture = View::At(rbac::picture_at_call(state, caller.object_id, now));
    let recipient = cloud_mailbox(state, mailbox, View::At(now)).ok_or(EwsRefusal::NoRight)?;
    let consented = caller.has_role(CONSENT);
    if consented && policy::allows(state, caller.app_id, mailbox, View::At(now))
        || rbac::grants(state, caller.object_id, recipient, &[ROLE], picture)
    {
        return Ok(());
    }
    Err(if consented { EwsRefusal::AccessPolicy } else { EwsRefusal::NoRight })
}

fn gate(gate: EwsGate) -> Result<(), EwsRefusal> {
    match gate {
        EwsGate::Open => Ok(()),
        EwsGate::Off => Err(EwsRefusal::Disabled),
        EwsGate::NotListed => Err(EwsRefusal::BlockedByPolicy),
    }
}
