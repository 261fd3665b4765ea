//! Which route can carry which cmdlet, as data.

use std::fmt;

use crate::command::{Command, Value};

/// A way on which a cmdlet reaches Exchange.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Route {
    /// `POST …/adminapi/beta/{tenant}/InvokeCommand`: every cmdlet that the caller's roles hold. Needs the application
    /// permission `Exchange.ManageAsApp`. Microsoft's own PowerShell module takes it; it is not documented.
    #[default]
    InvokeCommand,
    /// `POST …/adminapi/v2.0/{tenant}/{Endpoint}`: the documented endpoints, in preview. Needs
    /// `Exchange.ManageAsAppV2` (<https://learn.microsoft.com/exchange/reference/admin-api-endpoints-reference>).
    AdminApiV2,
    /// `…/beta/roleManagement/exchange/` of Graph: roles of RBAC for Applications and their scopes. Needs
    /// `RoleManagement.ReadWrite.Exchange`
    /// (<https://learn.microsoft.com/graph/api/rbacapplication-post-roleassignments>).
    Graph,
    /// A PowerShell script that a person reviews and runs.
    Script,
}

impl Route {
    /// Its name for people and for the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvokeCommand => "InvokeCommand",
            Self::AdminApiV2 => "Admin API v2.0",
            Self::Graph => "Graph roleManagement",
            Self::Script => "PowerShell",
        }
    }

    /// The application permission that its token must hold; none for a script.
    pub const fn permission(self) -> Option<&'static str> {
        match self {
            Self::InvokeCommand => Some("Exchange.ManageAsApp"),
            Self::AdminApiV2 => Some("Exchange.ManageAsAppV2"),
            Self::Graph => Some("RoleManagement.ReadWrite.Exchange"),
            Self::Script => None,
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of one cmdlet on the routes besides `InvokeCommand` and the script, which carry all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSupport {
    /// The cmdlet.
    pub cmdlet: &'static str,
    /// The endpoint of the Admin API v2.0 that runs it.
    pub endpoint: Option<&'static str>,
    /// The parameters that the endpoint documents; it refuses others.
    pub parameters: &'static [&'static str],
    /// The collection below Graph's `roleManagement/exchange` that holds its objects.
    pub graph: Option<&'static str>,
    /// What the other routes cannot do.
    pub limits: &'static str,
}

const fn endpoint(
    cmdlet: &'static str,
    endpoint: &'static str,
    parameters: &'static [&'static str],
    limits: &'static str,
) -> RouteSupport {
    RouteSupport { cmdlet, endpoint: Some(endpoint), parameters, graph: None, limits }
}

const fn graph(cmdlet: &'static str, collection: &'static str, limits: &'static str) -> RouteSupport {
    RouteSupport { cmdlet, endpoint: None, parameters: &[], graph: Some(collection), limits }
}

/// The table. A cmdlet that is not in it goes over `InvokeCommand` or into a script.
pub(crate) const ROUTES: &[RouteSupport] = &[
    endpoint("Get-AcceptedDomain", "AcceptedDomain", &["Identity", "ResultSize"], ""),
    endpoint(
        "Get-DistributionGroupMember",
        "DistributionGroupMember",
        &["Identity", "ResultSize"],
        "reads only",
    ),
    endpoint(
        "Get-DynamicDistributionGroupMember",
        "DynamicDistributionGroupMember",
        &["Identity", "ResultSize"],
        "reads only",
    ),
    endpoint(
        "Get-Mailbox",
        "Mailbox",
        &["Identity", "ResultSize", "IncludeGrantSendOnBehalfTowithDisplayNames"],
        "no filter, no choice of kinds",
    ),
    endpoint("Set-Mailbox", "Mailbox", &["Identity", "GrantSendOnBehalfTo"], "send-on-behalf only"),
    endpoint(
        "Add-MailboxFolderPermission",
        "MailboxFolderPermission",
        &["Identity", "User", "AccessRights", "SharingPermissionFlags", "SendNotificationToUser"],
        "",
    ),
    endpoint(
        "Get-MailboxFolderPermission",
        "MailboxFolderPermission",
        &["Identity", "User", "ResultSize"],
        "",
    ),
    endpoint(
        "Set-MailboxFolderPermission",
        "MailboxFolderPermission",
        &["Identity", "User", "AccessRights", "SharingPermissionFlags", "SendNotificationToUser"],
        "",
    ),
    endpoint(
        "Remove-MailboxFolderPermission",
        "MailboxFolderPermission",
        &["Identity", "User", "SendNotificationToUser"],
        "",
    ),
    endpoint("Get-OrganizationConfig", "OrganizationConfig", &[], "reads only, without the EWS app list"),
    graph(
        "Get-ManagementRoleAssignment",
        "roleAssignments",
        "by assignee only: Graph's assignments have ids, not names",
    ),
    graph(
        "New-ManagementRoleAssignment",
        "roleAssignments",
        "groups and administrative units by object id; the name is not kept",
    ),
    graph("Get-ManagementScope", "customAppScopes", "by name"),
    graph("New-ManagementScope", "customAppScopes", "filters only, never exclusive"),
];

impl RouteSupport {
    /// The row of a cmdlet, if it has one.
    pub fn of(cmdlet: &str) -> Option<&'static Self> {
        ROUTES.iter().find(|row| row.cmdlet.eq_ignore_ascii_case(cmdlet))
    }

    /// All rows.
    pub fn all() -> &'static [Self] {
        ROUTES
    }
}

/// Whether this route says the same as the command does; one that would drop a restriction does not.
pub(crate) fn carries(route: Route, command: &Command) -> bool {
    let row = RouteSupport::of(command.name().as_str());
    match route {
        Route::InvokeCommand => true,
        Route::Script => false,
        Route::AdminApiV2 => row.is_some_and(|row| {
            row.endpoint.is_some()
                && command
                    .parameters()
                    .iter()
                    .filter(|(name, _)| name.as_str() != "Confirm")
                    .all(|(name, _)| row.parameters.contains(&name.as_str()))
        }),
        Route::Graph => row.is_some_and(|row| row.graph.is_some()) && graph_understands(command),
    }
}

/// Graph addresses by id what Exchange takes by any name.
fn graph_understands(command: &Command) -> bool {
    let is_id = |name: &str| match command.parameter(name) {
        Some(Value::Text(text)) => uuid::Uuid::parse_str(text).is_ok(),
        Some(_) => false,
        None => true,
    };
    let only =
        |allowed: &[&str]| command.parameters().iter().all(|(name, _)| allowed.contains(&name.as_str()));
    let has = |name: &str| matches!(command.parameter(name), Some(Value::Text(_)));
    match command.name().as_str() {
        "New-ManagementRoleAssignment" => {
            let [custom, group, unit] =
                ["CustomResourceScope", "RecipientGroupScope", "RecipientAdministrativeUnitScope"];
            let named =
                [custom, group, unit].iter().filter(|scope| command.parameter(scope).is_some()).count();
            only(&["Name", "App", "Role", custom, group, unit])
                && named <= 1
                && has("App")
                && has("Role")
                && is_id("App")
                && is_id(group)
                && is_id(unit)
        }
        "Get-ManagementRoleAssignment" => {
            only(&["RoleAssignee"]) && has("RoleAssignee") && is_id("RoleAssignee")
        }
        "New-ManagementScope" => {
            only(&["Name", "RecipientRestrictionFilter"]) && has("Name") && has("RecipientRestrictionFilter")
        }
        "Get-ManagementScope" => only(&["Identity"]) && has("Identity"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdlets::{
        GetMailbox, GetManagementRoleAssignment, ListDistributionGroups, ListMailboxes,
        ListManagementRoleAssignments, NewManagementRoleAssignment,
    };
    use crate::types::{ApplicationRole, ResourceScope, RoleAssignmentName};
    use crate::{Cmdlet, MailboxAddress, ServicePrincipalObjectId};

    fn routes(cmdlet: &impl Cmdlet) -> Vec<Route> {
        let command = cmdlet.command().unwrap();
        [Route::InvokeCommand, Route::AdminApiV2, Route::Graph]
            .into_iter()
            .filter(|route| carries(*route, &command))
            .collect()
    }

    #[test]
    fn a_route_carries_a_cmdlet_only_with_all_its_parameters() {
        let address = MailboxAddress::parse("anna@contoso.example").unwrap();
        let app = ServicePrincipalObjectId::parse("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b").unwrap();
        let name = || RoleAssignmentName::parse("Acme").unwrap();
        let both = [Route::InvokeCommand, Route::AdminApiV2];
        assert_eq!(routes(&GetMailbox::new(address.clone())), both);
        assert_eq!(routes(&ListMailboxes::new()), both);
        assert_eq!(routes(&ListDistributionGroups::new()), [Route::InvokeCommand]);
        // By name Graph would find nothing, and nothing found would read as absent.
        assert_eq!(routes(&GetManagementRoleAssignment::new(name())), [Route::InvokeCommand]);
        assert_eq!(routes(&ListManagementRoleAssignments::of_app(app)), [Route::InvokeCommand, Route::Graph]);
        // A group that is named by its address must not become an assignment without a scope.
        let scoped = |scope| NewManagementRoleAssignment::new(name(), app, ApplicationRole::MailRead, scope);
        assert_eq!(routes(&scoped(ResourceScope::Group(address.into()))), [Route::InvokeCommand]);
        assert_eq!(routes(&scoped(ResourceScope::Organization)), [Route::InvokeCommand, Route::Graph]);
    }
}
