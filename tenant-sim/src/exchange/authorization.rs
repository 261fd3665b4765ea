//! Which cmdlets an app may run, with which parameters and on which recipients: directory roles, and role groups of
//! Exchange with built-in and custom roles. <https://learn.microsoft.com/powershell/exchange/app-only-auth-powershell-v2>

use super::cmdlet::{Cmdlet, Params};
use super::envelope::Failure;
use super::management_role;
use super::recipient::{group_named, mailbox_named};
use crate::Caller;
use crate::access::{View, rbac};
use crate::state::{ManagementRole, ResourceScope, State};

/// Kinds of recipients that cmdlets write to.
const RECIPIENTS: [&str; 8] = [
    "Mailbox",
    "MailboxPermission",
    "MailboxFolderPermission",
    "RecipientPermission",
    "CASMailbox",
    "DistributionGroup",
    "DistributionGroupMember",
    "User",
];

/// What a caller may run.
#[derive(Clone, Debug)]
pub(super) enum Rights {
    /// Every cmdlet.
    Everything,
    /// The cmdlets of these management roles.
    Roles(Vec<Held>),
}

/// A management role in somebody's hands.
#[derive(Clone, Debug)]
pub(super) struct Held {
    role: String,
    /// The role's entries, when it is a custom one.
    custom: Option<ManagementRole>,
    write_scope: Option<String>,
}

impl Held {
    fn holds(&self, cmdlet: &Cmdlet) -> bool {
        match &self.custom {
            None => cmdlet.roles.iter().any(|role| role.eq_ignore_ascii_case(&self.role)),
            Some(role) => management_role::entry(role, cmdlet.name).is_some(),
        }
    }

    fn permits(&self, cmdlet: &Cmdlet, parameter: &str) -> bool {
        match &self.custom {
            None => true,
            Some(role) => management_role::entry(role, cmdlet.name)
                .is_some_and(|e| e.parameters.iter().any(|p| p.eq_ignore_ascii_case(parameter))),
        }
    }
}

impl Rights {
    /// The caller's rights; `None` when it holds no supported directory role and is in no role group.
    pub(super) fn of(state: &State, caller: &Caller) -> Option<Self> {
        let mut roles: Vec<Held> = vec![];
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
            roles.extend(granted.iter().map(|r| Held {
                role: (*r).to_owned(),
                custom: None,
                write_scope: None,
            }));
        }
        for group in state.exchange.role_groups.iter().filter(|g| g.members.contains(&caller.object_id)) {
            roles.extend(group.roles.iter().map(|role| Held {
                role: role.clone(),
                custom: management_role::custom(state, role).cloned(),
                write_scope: group.write_scope.clone(),
            }));
        }
        (!roles.is_empty()).then_some(Self::Roles(roles))
    }

    /// True when one of the caller's roles contains the cmdlet.
    pub(super) fn allow(&self, cmdlet: &Cmdlet) -> bool {
        match self {
            Self::Everything => true,
            Self::Roles(held) => held.iter().any(|h| h.holds(cmdlet)),
        }
    }

    /// Refuses parameters that no role with the cmdlet has, and recipients outside of all write scopes.
    pub(super) fn check(&self, state: &State, cmdlet: &Cmdlet, params: &Params) -> Result<(), Failure> {
        let Self::Roles(held) = self else {
            return Ok(());
        };
        let held: Vec<&Held> = held.iter().filter(|h| h.holds(cmdlet)).collect();
        for parameter in params.names() {
            if !held.iter().any(|h| h.permits(cmdlet, parameter)) {
                return Err(Failure::bad_request(
                    "",
                    "Microsoft.Exchange.Configuration.Authorization.CmdletAccessDeniedException",
                    &format!(
                        "The parameter \"{parameter}\" of cmdlet \"{}\" is not present in the role definition of the current user.",
                        cmdlet.name
                    ),
                ));
            }
        }
        let (verb, noun) = cmdlet.name.split_once('-').unwrap_or((cmdlet.name, ""));
        if matches!(verb, "Get" | "Test") || !RECIPIENTS.contains(&noun) {
            return Ok(());
        }
        let scopes: Option<Vec<&str>> = held.iter().map(|h| h.write_scope.as_deref()).collect();
        // One role without a scope writes everywhere.
        let Some(scopes) = scopes else {
            return Ok(());
        };
        let identity = params.optional("Identity")?.unwrap_or_default();
        let target = identity.split_once(":\\").map_or(identity.as_str(), |(mailbox, _)| mailbox);
        let inside = match mailbox_named(state, target) {
            Ok(mailbox) => scopes.iter().any(|scope| {
                rbac::in_scope(state, &ResourceScope::Custom((*scope).to_owned()), &mailbox, View::Configured)
            }),
            // What does not exist is for the cmdlet to say; a group, and what is still to be made, is in no scope here.
            Err(_) => verb != "New" && group_named(state, target).is_err(),
        };
        if inside {
            return Ok(());
        }
        Err(Failure::bad_request(
            "Ex1F0C6B",
            "Microsoft.Exchange.Configuration.Tasks.OperationNotAllowedException",
            &format!(
                "The operation couldn't be performed because the object '{target}' is out of the current user's write scope."
            ),
        ))
    }
}
