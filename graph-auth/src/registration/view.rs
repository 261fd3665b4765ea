use crate::Permission;

use super::RegistrationState;

impl RegistrationState {
    /// The application permissions consented to the app, by name. One whose name the tenant does not tell is shown by
    /// its id: it must not be overlooked. Permissions of other APIs than ours are left out.
    pub fn consented(&self) -> Vec<Permission> {
        self.assignments
            .iter()
            .filter_map(|assignment| {
                let (api, principal) = self.apis.iter().find_map(|(api, sp)| {
                    sp.as_ref().filter(|sp| sp.id == assignment.resource_id).map(|sp| (*api, sp))
                })?;
                let name = principal
                    .app_roles
                    .iter()
                    .find(|role| role.id == assignment.app_role_id)
                    .and_then(|role| role.value.clone())
                    .unwrap_or_else(|| assignment.app_role_id.to_string());
                Some(Permission::new(api, name))
            })
            .collect()
    }

    /// Whether the enterprise application exists and may sign in.
    pub fn is_enabled(&self) -> bool {
        self.service_principal.as_ref().is_some_and(|sp| sp.account_enabled != Some(false))
    }
}
