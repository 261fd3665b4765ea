//! Who may open which mailbox.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{Caller, state::State};

/// Why a mailbox call is refused.
#[allow(dead_code, reason = "the enforcement module constructs every variant")]
pub(crate) enum Refusal {
    NoPermission,
    BlockedByPolicy,
    NoMailbox,
}

/// Entra permissions only.
pub(crate) fn check_graph_mailbox(
    state: &mut State,
    caller: &Caller,
    mailbox: Uuid,
    needed: &[&str],
    now: Timestamp,
) -> Result<(), Refusal> {
    match state.mailbox(&mailbox.to_string(), now) {
        Some(found) if !found.remote => {}
        _ => return Err(Refusal::NoMailbox),
    }
    if needed.iter().any(|role| caller.has_role(role)) { Ok(()) } else { Err(Refusal::NoPermission) }
}
