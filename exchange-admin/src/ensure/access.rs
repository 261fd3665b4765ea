use m365_core::{Acted, Error, ErrorKind, Result};

use super::{Ensured, Found, conflict};
use crate::cmdlets::{
    ApplicationAccessPolicy, GetManagementScope, GetServicePrincipal, ListApplicationAccessPolicies,
    ListManagementRoleAssignments, ManagementRoleAssignment, ManagementScope, NewApplicationAccessPolicy,
    NewManagementRoleAssignment, NewManagementScope, PolicyApp,
};
use crate::types::{GrantedScope, Names, RecipientIdentity, ResourceScope};
use crate::{Cmdlet as _, ExchangeAdmin};

impl ExchangeAdmin {
    /// Has this access policy.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the app has another kind of policy with the same group, or the group is of a kind that
    /// policies cannot name; [`ErrorKind::NotFound`] when there is no such group; [`ErrorKind::Limit`] when the tenant's
    /// store of policies is full; [`ErrorKind::NotReady`].
    pub async fn ensure_application_access_policy(
        &self,
        wanted: &NewApplicationAccessPolicy,
    ) -> Result<Ensured<ApplicationAccessPolicy>> {
        let operation = NewApplicationAccessPolicy::NAME.as_str();
        let scope = self.known_recipient(&wanted.scope, operation).await?;
        if scope.is_valid_security_principal == Some(false) {
            return Err(conflict(format!(
                "an access policy cannot name {}, which is a {}: take a mail-enabled security group",
                wanted.scope, scope.kind
            ))
            .with_operation(operation));
        }
        let judge = |policies: Vec<ApplicationAccessPolicy>| {
            let same_scope = |p: &ApplicationAccessPolicy| {
                p.app == PolicyApp::App(wanted.app) && p.scope_is(scope.names())
            };
            match policies.into_iter().find(same_scope) {
                None => Ok(Found::Absent),
                Some(policy) if policy.right == Some(wanted.right) => Ok(Found::There(policy)),
                Some(policy) => Err(conflict(format!(
                    "app {} has a policy with {} that does not say {} ({})",
                    wanted.app,
                    wanted.scope,
                    wanted.right.as_str(),
                    policy.identity
                ))),
            }
        };
        self.ensure(&ListApplicationAccessPolicies::new(), judge, wanted).await
    }

    /// Has a management scope of this name with this filter.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when a scope of this name has another filter, or is exclusive: it is left as it is;
    /// [`ErrorKind::Unsupported`] when the tenant needs `Enable-OrganizationCustomization` first; [`ErrorKind::NotReady`].
    pub async fn ensure_management_scope(
        &self,
        wanted: &NewManagementScope,
    ) -> Result<Ensured<ManagementScope>> {
        let judge = |found: Option<ManagementScope>| match found {
            None => Ok(Found::Absent),
            Some(scope) if scope.exclusive => Err(conflict(format!(
                "management scope \"{}\" is exclusive, and exclusive scopes do not restrict apps",
                scope.name
            ))),
            Some(scope) if scope.filter.as_ref().is_some_and(|f| f.same_as(&wanted.filter)) => {
                Ok(Found::There(scope))
            }
            Some(scope) => Err(conflict(format!(
                "management scope \"{}\" exists with another filter than the one wanted",
                scope.name
            ))),
        };
        self.ensure(&GetManagementScope::new(wanted.name.clone()), judge, wanted).await
    }

    /// Has this role assigned to this app for exactly this scope.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when an assignment of this name gives the app another role or another scope;
    /// [`ErrorKind::AlreadyExists`] when somebody else's assignment bears the name; [`ErrorKind::NotFound`] when Exchange has
    /// no pointer to the app, or the group of the scope does not exist; [`ErrorKind::NotReady`].
    pub async fn ensure_management_role_assignment(
        &self,
        wanted: &NewManagementRoleAssignment,
    ) -> Result<Ensured<ManagementRoleAssignment>> {
        let operation = NewManagementRoleAssignment::NAME.as_str();
        let app = self.run(&GetServicePrincipal::of_object(wanted.app)).await?.value;
        let app = app.ok_or_else(|| {
            let what = format!("Exchange has no pointer to enterprise application {}", wanted.app);
            Error::new(ErrorKind::NotFound, what).with_acted(Acted::No).with_operation(operation)
        })?;
        let group = match &wanted.scope {
            ResourceScope::Group(group) => self.known_recipient(group, operation).await?.names().clone(),
            _ => Names::default(),
        };
        let judge = |assignments: Vec<ManagementRoleAssignment>| {
            let named =
                |a: &ManagementRoleAssignment| a.name.to_lowercase() == wanted.name.as_str().to_lowercase();
            let fits = |a: &ManagementRoleAssignment| {
                a.enabled && a.role == Some(wanted.role) && is_scope(&a.scope, &wanted.scope, &group)
            };
            let (mine, others): (Vec<_>, Vec<_>) =
                assignments.into_iter().filter(|a| a.is_of_app(&app)).partition(named);
            match mine.into_iter().next() {
                Some(assignment) if fits(&assignment) => Ok(Found::There(assignment)),
                Some(assignment) => Err(conflict(format!(
                    "role assignment \"{}\" exists with another role or scope than wanted ({}, {:?})",
                    assignment.name, assignment.role_name, assignment.scope
                ))),
                None => Ok(others.into_iter().find(fits).map_or(Found::Absent, Found::There)),
            }
        };
        match self.ensure(&ListManagementRoleAssignments::of_app(wanted.app), judge, wanted).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Err(error.with_operation(operation)),
            other => other,
        }
    }
}

/// Exactly this scope: a wider one is another one.
fn is_scope(granted: &GrantedScope, wanted: &ResourceScope, group: &Names) -> bool {
    let same = |a: &str, b: &str| Names::new([b]).contain(a);
    match (granted, wanted) {
        (GrantedScope::Organization, ResourceScope::Organization) => true,
        (GrantedScope::Custom(granted), ResourceScope::Custom(wanted)) => same(granted, wanted.as_str()),
        (GrantedScope::AdministrativeUnit(granted), ResourceScope::AdministrativeUnit(wanted)) => {
            same(granted, wanted.as_str())
        }
        (GrantedScope::Group(granted), ResourceScope::Group(wanted)) => {
            group.contain(granted) || same(granted, &RecipientIdentity::to_string(wanted))
        }
        _ => false,
    }
}
