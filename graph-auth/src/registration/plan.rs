use m365_core::{AppRoleId, Error, ErrorKind, Result};

use super::state::{holds, orphans};
use super::{AppRegistration, Declared, RegistrationState, RegistrationStep, lifecycle};
use crate::directory::{Application, KeyCredential};
use crate::permissions::USER_READ;
use crate::{Api, Permission};

/// The steps from what a tenant has to what is desired; none when nothing is to be done. Pure: it reads and changes
/// nothing.
///
/// The order is one that works. Consent is taken back before any is given, so that no moment is wider than before and
/// after.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] when the registration contradicts itself; [`ErrorKind::NotFound`] when an API offers no
/// usable permission of a wanted name, [`ErrorKind::Conflict`] when it offers two or another than the published one, and
/// when the last credential that can sign in would be taken away. [`ErrorKind::PermissionDenied`] when a policy of the
/// tenant forbids what is wanted; [`PolicyRefusal`](crate::PolicyRefusal) tells which.
pub fn plan(registration: &AppRegistration, state: &RegistrationState) -> Result<Vec<RegistrationStep>> {
    registration.check()?;
    let wanted = registration
        .consented
        .iter()
        .map(|permission| {
            Ok(Declared { app_role_id: resolve(permission, state)?, permission: permission.clone() })
        })
        .collect::<Result<Vec<_>>>()?;
    let wanted = deduplicated(wanted);
    let unwanted = deduplicated(unwanted(registration, state)?);

    let mut steps = Vec::new();
    lifecycle::check_policies(registration, state)?;
    application_steps(registration, state, &mut steps);
    for (api, principal) in &state.apis {
        if principal.is_none() && wanted.iter().any(|d| d.permission.api == *api) {
            steps.push(RegistrationStep::CreateApiServicePrincipal { api: *api });
        }
    }
    if state.service_principal.is_none() {
        steps.push(RegistrationStep::CreateServicePrincipal);
    }
    if registration.remove_default_user_read && has_user_read(state) {
        steps.push(RegistrationStep::RemoveDefaultUserRead);
    }
    let declared = |d: &Declared| state.application.as_ref().is_some_and(|a| declares(a, d));
    let add: Vec<Declared> = wanted.iter().filter(|d| !declared(d)).cloned().collect();
    let remove: Vec<Declared> = unwanted.iter().filter(|d| declared(d)).cloned().collect();
    if registration.home_elsewhere.is_none() && (!add.is_empty() || !remove.is_empty()) {
        steps.push(RegistrationStep::DeclarePermissions { add, remove });
    }
    for Declared { permission: Permission { api, name }, app_role_id } in unwanted {
        if is_granted(state, api, app_role_id) {
            steps.push(RegistrationStep::RevokeAppRole { api, name, app_role_id });
        }
    }
    for Declared { permission: Permission { api, name }, app_role_id } in wanted {
        if !is_granted(state, api, app_role_id) {
            steps.push(RegistrationStep::GrantAppRole { api, name, app_role_id });
        }
    }
    certificate_steps(registration, state, &mut steps)?;
    lifecycle::federated_steps(registration, state, &mut steps)?;
    secret_steps(registration, state, &mut steps)?;
    lifecycle::owner_steps(registration, state, &mut steps)?;
    lifecycle::check_last_credential(state, &steps)?;
    Ok(steps)
}

/// What comes is added before anything is taken away.
fn certificate_steps(
    registration: &AppRegistration,
    state: &RegistrationState,
    steps: &mut Vec<RegistrationStep>,
) -> Result<()> {
    let known = state.application.as_ref().map_or(&[][..], |a| &a.key_credentials);
    for new in &registration.certificates {
        let planned = |step: &RegistrationStep| matches!(step, RegistrationStep::AddCertificate { certificate } if certificate.certificate == new.certificate);
        if !known.iter().any(|key| key.is(&new.certificate)) && !steps.iter().any(planned) {
            lifecycle::check_certificate_policy(new, state)?;
            steps.push(RegistrationStep::AddCertificate { certificate: new.clone() });
        }
    }
    let retired = |key: &&KeyCredential| {
        registration.retired_certificates.iter().any(|thumbprint| key.has_thumbprint(thumbprint))
    };
    steps.extend(known.iter().filter(retired).map(|key| RegistrationStep::RemoveCertificate {
        display_name: key.display_name.clone().unwrap_or_default(),
        key_id: key.key_id,
    }));
    Ok(())
}

fn application_steps(
    registration: &AppRegistration,
    state: &RegistrationState,
    steps: &mut Vec<RegistrationStep>,
) {
    if registration.home_elsewhere.is_some() {
        return;
    }
    let Some(application) = &state.application else {
        steps.push(RegistrationStep::CreateApplication {
            unique_name: registration.unique_name.clone(),
            display_name: registration.display_name.clone(),
            audience: registration.audience,
        });
        lifecycle::redirect_steps(registration, state, steps);
        return;
    };
    let display_name =
        (application.display_name != registration.display_name).then(|| registration.display_name.clone());
    let audience = (application.sign_in_audience.as_deref() != Some(registration.audience.as_str()))
        .then_some(registration.audience);
    if display_name.is_some() || audience.is_some() {
        steps.push(RegistrationStep::UpdateApplication { display_name, audience });
    }
    lifecycle::redirect_steps(registration, state, steps);
}

fn secret_steps(
    registration: &AppRegistration,
    state: &RegistrationState,
    steps: &mut Vec<RegistrationStep>,
) -> Result<()> {
    let Some(policy) = &registration.secret else { return Ok(()) };
    let held = registration.held_secret;
    let mut works = false;
    if let Some(application) = &state.application {
        let display_name = &policy.display_name;
        steps.extend(orphans(application, display_name, held).map(|secret| {
            RegistrationStep::RemoveOrphanSecret { display_name: display_name.clone(), key_id: secret.key_id }
        }));
        works = held.is_some_and(|held| {
            holds(application, held)
                && !application.password_credentials.iter().any(|secret| {
                    secret.key_id == held && secret.end_date_time.is_some_and(|end| end <= state.read_at)
                })
        });
    }
    if !works && let Some(policy) = lifecycle::within_policy(registration, policy, state)? {
        steps.push(RegistrationStep::AddSecret { policy, held });
    }
    Ok(())
}

/// The id in the tenant; of the table when the tenant lacks the API so far.
fn resolve(permission: &Permission, state: &RegistrationState) -> Result<AppRoleId> {
    match state.api(permission.api) {
        Some(api) => permission.resolve(&api.app_roles),
        None => permission.known_id().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("{permission}: the tenant has no service principal of {}", permission.api),
            )
            .with_transient(false)
            .with_diagnosis("AUTH-RESOURCE-MISSING")
        }),
    }
}

/// A permission that the tenant does not offer cannot be consented, so there is nothing to take back. A disabled role
/// can still be assigned, so here it counts.
fn unwanted(registration: &AppRegistration, state: &RegistrationState) -> Result<Vec<Declared>> {
    let mut all = Vec::new();
    for permission in &registration.not_consented {
        let offered = state.api(permission.api).map_or(&[][..], |api| &api.app_roles);
        let named = offered.iter().filter(|role| {
            role.value.as_deref() == Some(&*permission.name)
                && role.allowed_member_types.iter().any(|kind| kind == "Application")
        });
        all.extend(named.map(|role| Declared { permission: permission.clone(), app_role_id: role.id }));
    }
    let wanted = |d: &Declared| registration.consented.contains(&d.permission);
    match all.iter().find(|d| wanted(d)) {
        Some(both) => Err(Error::invalid(format!("{} is both wanted and unwanted", both.permission))),
        None => Ok(all),
    }
}

fn deduplicated(list: Vec<Declared>) -> Vec<Declared> {
    let mut out: Vec<Declared> = Vec::with_capacity(list.len());
    for item in list {
        if !out.iter().any(|d| d.permission.api == item.permission.api && d.app_role_id == item.app_role_id) {
            out.push(item);
        }
    }
    out
}

fn declares(application: &Application, declared: &Declared) -> bool {
    application
        .required_resource_access
        .iter()
        .filter(|entry| entry.resource_app_id == declared.permission.api.client_id())
        .flat_map(|entry| &entry.resource_access)
        .any(|access| access.is_role(declared.app_role_id))
}

fn is_granted(state: &RegistrationState, api: Api, role: AppRoleId) -> bool {
    state
        .api(api)
        .is_some_and(|api| state.assignments.iter().any(|a| a.resource_id == api.id && a.app_role_id == role))
}

fn has_user_read(state: &RegistrationState) -> bool {
    let declared = state.application.as_ref().is_some_and(|application| {
        application
            .required_resource_access
            .iter()
            .filter(|entry| entry.resource_app_id == Api::Graph.client_id())
            .flat_map(|entry| &entry.resource_access)
            .any(|access| access.kind == "Scope" && access.id == USER_READ)
    });
    let graph = state.api(Api::Graph).map(|graph| graph.id);
    declared
        || state
            .grants
            .iter()
            .any(|grant| Some(grant.resource_id) == graph && grant.scopes().any(|s| s == "User.Read"))
}
