use std::collections::BTreeSet;

use m365_core::{ClientId, Error, MailboxAddress, Result, ServicePrincipalObjectId};
use uuid::Uuid;

use super::{Group, Member, PolicyTarget};
use crate::cmdlets::{ApplicationAccessPolicy, ManagementRoleAssignment, ManagementScope, ServicePrincipal};
use crate::types::{ApplicationRole, ManagementScopeName, ObjectName, RoleAssignmentName};

/// An application permission that an app was granted in Entra.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consent {
    /// Client id of the API, since two APIs have permissions of one name.
    pub resource: ClientId,
    /// Name of the permission; the role's id when its name could not be read.
    pub permission: String,
}

impl Consent {
    /// Consent to a permission of this API.
    pub fn new(resource: ClientId, permission: &str) -> Self {
        Self { resource, permission: permission.to_owned() }
    }

    /// Whether policies limit it, or may: as long as it is there, they must stay.
    pub fn may_be_limited_by_policies(&self) -> bool {
        matches!(self.kind(), ConsentKind::Limited(_) | ConsentKind::Unmappable)
    }

    pub(super) fn kind(&self) -> ConsentKind {
        let name = self.permission.as_str();
        let covered = ["Mail.", "MailboxSettings.", "Calendars.", "Contacts."];
        let nameless = Uuid::parse_str(name).is_ok();
        let role = ApplicationRole::from_permission(self.resource, name);
        if self.resource == ClientId::MICROSOFT_GRAPH {
            return match role {
                _ if nameless => ConsentKind::Unmappable,
                Some(role) if covered.iter().any(|area| name.starts_with(area)) => ConsentKind::Limited(role),
                None if covered.iter().any(|area| name.starts_with(area)) => ConsentKind::Unmappable,
                Some(_) => ConsentKind::NeverLimited,
                None => ConsentKind::Unrelated,
            };
        }
        if self.resource == ClientId::EXCHANGE_ONLINE {
            return match name {
                "full_access_as_app" => ConsentKind::Limited(ApplicationRole::EwsAccessAsApp),
                "Exchange.ManageAsApp" | "Exchange.ManageAsAppV2" => ConsentKind::Unrelated,
                // SMTP.SendAsApp has a role, but that one sends as every mailbox of its scope, and the consent only
                // as those that gave the app Send As: it would be wider. The rest has no role at all.
                _ => ConsentKind::Unmappable,
            };
        }
        ConsentKind::Unrelated
    }

    pub(super) fn api(&self) -> &'static str {
        match self.resource {
            ClientId::MICROSOFT_GRAPH => "Microsoft Graph",
            ClientId::EXCHANGE_ONLINE => "Office 365 Exchange Online",
            _ => "another API",
        }
    }
}

impl std::fmt::Display for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.permission, self.api())
    }
}

/// What a consent means to a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConsentKind {
    /// Policies limit it, and this role grants the same.
    Limited(ApplicationRole),
    /// Policies limit it, or may, and no role grants the same.
    Unmappable,
    /// It concerns mailboxes, and policies never limited it.
    NeverLimited,
    /// It concerns no mailbox.
    Unrelated,
}

/// A policy of the tenant, and what its scope is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPolicy {
    /// As Exchange listed it.
    pub policy: ApplicationAccessPolicy,
    /// Its scope's object; `None` when it was not found or not read.
    pub target: Option<PolicyTarget>,
}

/// The group that a migration may make for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnGroup {
    /// Nobody has that address, or none was asked for.
    Absent,
    /// It is there.
    There(Group),
    /// Something else bears the address: its kind.
    Other(String),
}

/// What was read of the tenant for the migration of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationInput {
    /// The app.
    pub app: ClientId,
    /// Object id of its *enterprise application*.
    pub object: ServicePrincipalObjectId,
    /// Its name for people.
    pub display_name: String,
    /// The policies of the tenant, those of other apps too.
    pub policies: Vec<ReadPolicy>,
    /// The app's consents on Microsoft Graph and Office 365 Exchange Online; `None`: not read, which is not the same as
    /// none.
    pub consents: Option<BTreeSet<Consent>>,
    /// Exchange's pointer to the enterprise application.
    pub pointer: Option<ServicePrincipal>,
    /// The management scope that bears the name the migration would use.
    pub scope: Option<ManagementScope>,
    /// The app's roles in Exchange.
    pub assignments: Vec<ManagementRoleAssignment>,
    /// What bears the address of the migration's own group.
    pub own_group: OwnGroup,
    /// A mailbox that must stay closed.
    pub canary: Member,
    /// Whether the tenant needs `Enable-OrganizationCustomization` before it takes scopes; `None`: not read.
    pub dehydrated: Option<bool>,
    /// Mailboxes and groups to narrow to when no policy says which: ignored as long as one does.
    pub named_targets: Vec<PolicyTarget>,
}

/// What becomes of members of groups inside a policy's group. Policies count them, roles do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NestedGroups {
    /// Such a migration is not planned; the mailboxes that would lose access are named.
    #[default]
    Refuse,
    /// The scope names the inner groups beside the outer one. Later changes of any of their members are followed; a group
    /// that is put into one of them later is not.
    Filter,
    /// A group of the migration's own holds a copy of all members. It stays as it is when the old groups change: fit for
    /// groups that are about to go.
    Copy,
}

/// What becomes of permissions without a role, such as `Calendars.ReadBasic` and those of IMAP and POP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unmappable {
    /// Nothing is planned.
    #[default]
    Refuse,
    /// They stay consented, and the policies stay for them; everything else moves.
    KeepPolicies,
}

/// What takes the place of `full_access_as_app`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EwsTarget {
    /// `Application EWS.AccessAsApp`, for as long as EWS is there.
    #[default]
    Ews,
    /// These roles of Graph: what the product does with EWS today. The product must have moved before.
    Graph(BTreeSet<ApplicationRole>),
}

/// How to migrate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationOptions {
    /// The first word of the names of everything that is made, such as the product's.
    pub name: String,
    /// What becomes of members of groups inside groups.
    pub nested: NestedGroups,
    /// Address of a group of the migration's own, in case it needs one: for copied members, and for policies that name a
    /// single mailbox.
    pub own_group: Option<MailboxAddress>,
    /// What becomes of permissions without a role.
    pub unmappable: Unmappable,
    /// What takes the place of EWS.
    pub ews: EwsTarget,
}

impl MigrationOptions {
    /// The careful choices: nothing nested, nothing without a role.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.trim().to_owned(),
            nested: NestedGroups::default(),
            own_group: None,
            unmappable: Unmappable::default(),
            ews: EwsTarget::default(),
        }
    }

    /// Members of inner groups are treated like this.
    #[must_use]
    pub fn with_nested(mut self, nested: NestedGroups) -> Self {
        self.nested = nested;
        self
    }

    /// A group of the migration's own may be made at this address.
    #[must_use]
    pub fn with_own_group(mut self, address: MailboxAddress) -> Self {
        self.own_group = Some(address);
        self
    }

    /// Permissions without a role keep the policies, and the rest moves.
    #[must_use]
    pub fn with_policies_kept(mut self) -> Self {
        self.unmappable = Unmappable::KeepPolicies;
        self
    }

    /// These roles take the place of EWS.
    #[must_use]
    pub fn with_ews(mut self, target: EwsTarget) -> Self {
        self.ews = target;
        self
    }

    /// Name of the management scope.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) without a name, and
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit) when it becomes too long; so for all three.
    pub fn scope_name(&self) -> Result<ManagementScopeName> {
        self.check()?;
        ManagementScopeName::parse(&format!("{} mailboxes", self.name))
    }

    /// Name of the assignment of a role.
    ///
    /// # Errors
    /// As [`MigrationOptions::scope_name`].
    pub fn assignment_name(&self, role: ApplicationRole) -> Result<RoleAssignmentName> {
        self.check()?;
        let role = role.name().strip_prefix("Application ").unwrap_or(role.name());
        RoleAssignmentName::parse(&format!("{} {role}", self.name))
    }

    /// Name of the migration's own group.
    ///
    /// # Errors
    /// As [`MigrationOptions::scope_name`].
    pub fn group_name(&self) -> Result<ObjectName> {
        self.check()?;
        ObjectName::parse(&format!("{} mailboxes", self.name))
    }

    fn check(&self) -> Result<()> {
        if self.name.is_empty() {
            return Err(Error::invalid("the migration needs a name for what it makes"));
        }
        Ok(())
    }
}
