//! Which cmdlets an app may run: directory roles, and role groups of Exchange.
//! <https://learn.microsoft.com/powershell/exchange/app-only-auth-powershell-v2>

use super::cmdlet::Cmdlet;
use crate::Caller;
use crate::state::State;

/// What a caller may run.
#[derive(Clone, Debug)]
pub(super) enum Rights {
    /// Every cmdlet.
    Everything,
    /// The cmdlets of these management roles.
    Roles(Vec<String>),
}

impl Rights {
    /// The caller's rights; `None` when it holds no supported directory role and is in no role group.
    pub(super) fn of(state: &State, caller: &Caller) -> Option<Self> {
        let mut roles: Vec<String> = vec![];
        for (_, directory_role) in
            state.directory.directory_roles.iter().filter(|(sp, _)| *sp == caller.object_id)
        {
            let granted: &[&str] = match directory_role.as_str() {
                "Exchange Administrator" | "Global Administrator" => return Some(Self::Everything),
                "Exchange Recipient Administrator" => &[
                    "Mail Recipients",
                    "Mail Recipient Creation",
                    "Distribution Groups",
                    "View-Only Recipients",
                ],
                "Global Reader" | "Security Reader" => &["View-Only Recipients", "View-Only Configuration"],
                "Helpdesk Administrator" => &["View-Only Recipients"],
                _ => continue,
            };
            roles.extend(granted.iter().map(|r| (*r).to_owned()));
        }
        for group in state.exchange.role_groups.iter().filter(|g| g.members.contains(&caller.object_id)) {
            roles.extend(group.roles.iter().cloned());
        }
        (!roles.is_empty()).then_some(Self::Roles(roles))
    }

    /// True when one of the caller's roles contains the cmdlet.
    pub(super) fn allow(&self, cmdlet: &Cmdlet) -> bool {
        match self {
            Self::Everything => true,
            Self::Roles(held) => {
                cmdlet.roles.iter().any(|role| held.iter().any(|h| h.eq_ignore_ascii_case(role)))
            }
        }
    }
}
