use std::fmt;
use std::time::Duration;

use m365_core::{Error, Idempotency, Result};

use crate::command::{CmdletName, Command};
use crate::row::Row;

/// A typed cmdlet: how its call looks, and what its answer says. No I/O.
///
/// Every file below `cmdlets` holds one; all of them go the same two ways, over a
/// [`CmdletTransport`](crate::CmdletTransport) or into a [`Script`](crate::Script).
pub trait Cmdlet: Send + Sync {
    /// What a success gives.
    type Output: Send;

    /// What is known of the cmdlet.
    const FACTS: &'static Facts;

    /// Its name.
    const NAME: CmdletName = Self::FACTS.name;

    /// The call. Published limits are checked here, before anything is sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) or [`ErrorKind::Limit`](crate::ErrorKind::Limit).
    fn command(&self) -> Result<Command>;

    /// Reads the rows of a success.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when a property that identifies the object is
    /// missing; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when an identity fits several objects.
    fn read(&self, rows: Vec<Row>) -> Result<Self::Output>;

    /// Failures that are an answer: an object that is surely absent, a member that is already gone. Told by the
    /// exception type alone.
    ///
    /// # Errors
    /// The failure itself, unless it is an answer to this cmdlet.
    fn recover(&self, error: Error) -> Result<Self::Output> {
        Err(error)
    }

    /// The smallest built-in role group whose members may run it.
    fn minimum_role_group() -> RoleGroup {
        Self::FACTS.role_group
    }

    /// When its effect is enforced.
    fn window() -> PropagationWindow {
        Self::FACTS.window
    }

    /// Whether it may be repeated when the server may have acted.
    fn idempotency() -> Idempotency {
        Self::FACTS.idempotency
    }
}

/// What is known of a cmdlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub name: CmdletName,
    /// Its page on learn.microsoft.com.
    pub page: &'static str,
    /// The management roles that hold it; any one of them suffices. The tenant's own truth is
    /// `Get-ManagementRole -Cmdlet <name>`.
    pub roles: &'static [&'static str],
    /// The smallest built-in role group with such a role.
    pub role_group: RoleGroup,
    /// When its effect is enforced.
    pub window: PropagationWindow,
    /// Whether it may be repeated when the server may have acted.
    pub idempotency: Idempotency,
    /// Where it exists.
    pub premises: Premises,
}

/// Where a cmdlet exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Premises {
    /// In Exchange Online and in Exchange Server.
    Both,
    /// In Exchange Online only.
    Online,
    /// In Exchange Server only: fit for a script in the Exchange Management Shell, unknown to every cloud route.
    OnPremises,
}

/// Built-in role groups, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RoleGroup {
    /// Reads everything.
    ViewOnlyOrganizationManagement,
    /// Recipients, groups, mailbox permissions.
    RecipientManagement,
    /// Policies, roles, service principals. In Entra's terms: Exchange Administrator.
    OrganizationManagement,
}

impl RoleGroup {
    /// Its name in Exchange.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ViewOnlyOrganizationManagement => "View-Only Organization Management",
            Self::RecipientManagement => "Recipient Management",
            Self::OrganizationManagement => "Organization Management",
        }
    }
}

impl fmt::Display for RoleGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When a change is enforced, counted from the moment at which the cmdlet returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PropagationWindow {
    /// Not before.
    pub earliest: Duration,
    /// When it usually is.
    pub likely: Duration,
    /// When a refusal stops being "not yet".
    pub latest: Duration,
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

impl PropagationWindow {
    /// For reads.
    pub const IMMEDIATE: Self =
        Self { earliest: Duration::ZERO, likely: Duration::ZERO, latest: Duration::ZERO };
    /// Service principals and mailbox permissions, until IMAP, POP and SMTP look at them.
    pub(crate) const PERMISSION: Self =
        Self { earliest: Duration::ZERO, likely: minutes(5), latest: minutes(60) };
    /// Roles, scopes, and the members of a group that a scope names. The cache of an app lives 30 minutes when it stays
    /// quiet and up to two hours when it calls.
    pub(crate) const APPLICATION_RBAC: Self =
        Self { earliest: Duration::ZERO, likely: minutes(30), latest: minutes(120) };
    /// Application access policies.
    pub(crate) const ACCESS_POLICY: Self =
        Self { earliest: Duration::ZERO, likely: minutes(30), latest: minutes(120) };
    /// Protocol switches of a mailbox.
    pub(crate) const PROTOCOL_SWITCH: Self =
        Self { earliest: Duration::ZERO, likely: minutes(5), latest: minutes(24 * 60) };
    /// The organisation's EWS switch and the list of apps beside it.
    pub(crate) const EWS_SWITCH: Self =
        Self { earliest: Duration::ZERO, likely: minutes(60), latest: minutes(24 * 60) };
    /// An administrator's roles, until its next session has them.
    pub(crate) const ADMIN_ROLE: Self =
        Self { earliest: Duration::ZERO, likely: minutes(5), latest: minutes(30) };
    /// Room for own roles and scopes in a fresh tenant.
    pub(crate) const CUSTOMIZATION: Self =
        Self { earliest: minutes(1), likely: minutes(10), latest: minutes(60) };
    /// Settings of Exchange Server, until the directory has replicated and caches have expired.
    pub(crate) const SERVER_SETTING: Self =
        Self { earliest: Duration::ZERO, likely: minutes(15), latest: minutes(120) };
    /// A new mailbox, until it can be opened.
    pub(crate) const NEW_MAILBOX: Self =
        Self { earliest: Duration::ZERO, likely: minutes(5), latest: minutes(24 * 60) };
    /// A new group, until other cmdlets find it.
    pub(crate) const NEW_GROUP: Self =
        Self { earliest: Duration::ZERO, likely: Duration::from_secs(12), latest: minutes(15) };
}

/// What removing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It was there and is gone now.
    Removed,
    /// It was not there.
    AlreadyGone,
}
