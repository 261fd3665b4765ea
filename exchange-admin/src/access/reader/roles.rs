use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use crate::access::{
    AppPicture, AssignmentPicture, AssignmentScope, ExchangePointer, ExchangeSays, Part, scope_filter,
};
use crate::cmdlets::{
    GetManagementScope, GetServicePrincipal, ListManagementRoleAssignments, ListServicePrincipals,
    ServicePrincipal, TestApplicationAccessPolicy, TestServicePrincipalAuthorization,
};
use crate::types::GrantedScope;
use crate::{DistinguishedName, ManagementScopeName, ObjectName, RecipientFilter};

/// An assignment, and the attributes that its scope's filter asks for.
pub(super) struct Assignment {
    pub(super) picture: AssignmentPicture,
    pub(super) properties: Vec<String>,
}

impl Reader<'_> {
    /// Exchange's service principal of each app: `None` where that could not be read.
    pub(super) async fn pointers(&mut self) -> Vec<Option<Option<ServicePrincipal>>> {
        let apps = self.query.apps.clone();
        if let [app] = apps.as_slice() {
            let Some(client) = app.client_id else { return vec![None] };
            return vec![self.run(Part::ServicePrincipal, &GetServicePrincipal::of_app(client)).await];
        }
        let all = self.run(Part::ServicePrincipal, &ListServicePrincipals::new()).await;
        apps.iter()
            .map(|app| {
                let (all, client) = (all.as_ref()?, app.client_id?);
                Some(all.iter().find(|p| p.app_id == client).cloned())
            })
            .collect()
    }

    /// The enabled assignments of one app and of nobody else.
    pub(super) async fn assignments(&mut self, app: &ServicePrincipal) -> Option<Vec<Assignment>> {
        let cmdlet = ListManagementRoleAssignments::of_app(app.object_id);
        let read = self.run(Part::Assignments, &cmdlet).await?;
        let mut scopes = BTreeMap::new();
        let mut found = Vec::new();
        for assignment in read.into_iter().filter(|a| a.enabled && a.is_of_app(app)) {
            let (scope, exclusive, properties) = self.scope(&assignment.scope, &mut scopes).await;
            found.push(Assignment {
                picture: AssignmentPicture { name: assignment.name, role: assignment.role, scope, exclusive },
                properties,
            });
        }
        Some(found)
    }

    async fn scope(
        &mut self,
        scope: &GrantedScope,
        known: &mut BTreeMap<String, (AssignmentScope, bool, Vec<String>)>,
    ) -> (AssignmentScope, bool, Vec<String>) {
        let plain = |scope| (scope, false, Vec::new());
        match scope {
            GrantedScope::Organization => plain(AssignmentScope::Organization),
            GrantedScope::AdministrativeUnit(unit) => {
                plain(AssignmentScope::AdministrativeUnit(unit.clone()))
            }
            GrantedScope::Group(name) => {
                let id = match ObjectName::parse(name) {
                    Ok(identity) => self.named(identity.into()).await,
                    Err(_) => None,
                };
                plain(match id {
                    // What bears the name may be no group after all: its members are then unread.
                    Some(id) => AssignmentScope::MembersOf(BTreeSet::from([id])),
                    None => AssignmentScope::Opaque(format!("the group {name}, which could not be read")),
                })
            }
            GrantedScope::Custom(name) => match known.get(name) {
                Some(scope) => scope.clone(),
                None => {
                    let read = self.custom_scope(name).await;
                    known.insert(name.clone(), read.clone());
                    read
                }
            },
            GrantedScope::Unknown(kind) => {
                plain(AssignmentScope::Opaque(format!("a scope of the kind {kind}")))
            }
        }
    }

    async fn custom_scope(&mut self, name: &str) -> (AssignmentScope, bool, Vec<String>) {
        let opaque = |why: &str| {
            (AssignmentScope::Opaque(format!("the management scope {name}, {why}")), false, Vec::new())
        };
        let Ok(identity) = ManagementScopeName::parse(name) else { return opaque("whose name is no name") };
        let read = self.run(Part::Scope(name.to_owned()), &GetManagementScope::new(identity)).await;
        let scope = match read {
            Some(Some(scope)) => scope,
            Some(None) => return opaque("which is not there"),
            None => return opaque("which could not be read"),
        };
        let Some(filter) = scope.filter else { return opaque("whose filter could not be read") };
        let properties = self.groups_of(&filter).await;
        (AssignmentScope::Filter(filter), scope.exclusive, properties)
    }

    /// Reads the groups that a filter names, and gives the attributes that it asks for.
    async fn groups_of(&mut self, filter: &RecipientFilter) -> Vec<String> {
        let (properties, groups) = scope_filter::mentions(filter);
        for dn in groups {
            let known = self.groups.values().any(|g| g.distinguished_name.eq_ignore_ascii_case(&dn));
            // Exchange finds a recipient by its distinguished name as by any other identity.
            if let (false, Ok(identity)) = (known, DistinguishedName::parse(&dn)) {
                self.named(identity.into()).await;
            }
        }
        properties
    }

    /// What Exchange's own tests say of an app and a mailbox.
    pub(super) async fn tests(
        &mut self,
        mailbox: &super::mailboxes::Mailbox,
        app: &AppPicture,
    ) -> ExchangeSays {
        let mut says = ExchangeSays::default();
        let Some(identity) = mailbox.identity() else { return says };
        if let Some(client) = app.client_id
            && self.query.any(&[super::Way::Graph, super::Way::Ews])
        {
            let part = Part::PolicyTest(mailbox.address.clone());
            let cmdlet = TestApplicationAccessPolicy::new(client, identity.clone());
            says.policies = self.run(part, &cmdlet).await.map(|check| check.result);
        }
        if let ExchangePointer::To(object) = app.pointer
            && self.query.any(&[super::Way::Graph, super::Way::Ews, super::Way::Smtp])
        {
            let part = Part::RoleTest(mailbox.address.clone());
            let cmdlet = TestServicePrincipalAuthorization::new(object).with_resource(identity);
            says.roles = self.run(part, &cmdlet).await;
        }
        says
    }
}
