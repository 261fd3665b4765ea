//! Owners, federated credentials, redirect addresses and the tenant's policies: what is read of them, and the steps.

use jiff::Timestamp;
use m365_core::{ClientId, Error, ErrorKind, Pipeline, Result, TenantId};
use url::Url;

use super::federated::{MOST_FEDERATED, check_federated_name};
use super::policy::{Allowance, WantedCredential, allowed, allowed_audience};
use super::state::{MOST_ROWS, list_young};
use super::{
    AppManagementPolicies, AppRegistration, FederatedCredential, Owned, RegistrationState, RegistrationStep,
    SecretPolicy, WhereRestricted,
};
use crate::directory::{
    DeletedApplication, FederatedIdentityCredential, ListDeletedApplications, ListFederatedCredentials,
    ListOwners, ListedOwner, NewCertificate, OwnedObject, Owner,
};
use crate::{Api, Convergence, Permission};

impl AppRegistration {
    /// With these owners; others stay. People or apps, such as the team that looks after the connector. An app-only
    /// caller owns what it registers without being named.
    #[must_use]
    pub fn with_owners(mut self, owners: impl IntoIterator<Item = Owner>) -> Self {
        self.owners.extend(owners);
        self
    }

    /// Without these owners, as long as another one is left.
    #[must_use]
    pub fn with_former_owners(mut self, owners: impl IntoIterator<Item = Owner>) -> Self {
        self.former_owners.extend(owners);
        self
    }

    /// With owners on the enterprise application as well as on the application.
    #[must_use]
    pub fn with_owners_of_principal(mut self) -> Self {
        self.owners_of_principal = true;
        self
    }

    /// With these federated credentials; others stay. One of the same name is ours and is corrected.
    #[must_use]
    pub fn with_federated(mut self, credentials: impl IntoIterator<Item = FederatedCredential>) -> Self {
        self.federated.extend(credentials);
        self
    }

    /// Without the federated credentials of these names. The last credential that can sign in is never removed: a plan that
    /// would do so is refused.
    #[must_use]
    pub fn with_former_federated<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.former_federated.extend(names.into_iter().map(Into::into));
        self
    }

    /// With these addresses that consent and sign-in may lead back to; others stay. An application of several tenants
    /// needs one for its consent by URL.
    #[must_use]
    pub fn with_redirect_uris<S: Into<String>>(mut self, uris: impl IntoIterator<Item = S>) -> Self {
        self.redirect_uris.extend(uris.into_iter().map(Into::into));
        self
    }

    /// An application of several tenants, registered in another one: this tenant gets its enterprise application and the
    /// consents, and nothing else of the registration is looked at or changed. Whoever makes it needs to be Cloud
    /// Application Administrator; [`AdminConsent`](crate::AdminConsent) makes it too.
    #[must_use]
    pub fn of_another_tenant(client_id: ClientId) -> Self {
        let name = client_id.to_string();
        // A GUID is a name of the right form.
        Self {
            unique_name: name.clone(),
            display_name: name,
            audience: crate::directory::Audience::MultiTenant,
            home_elsewhere: Some(client_id),
            ..Self::blank()
        }
    }

    /// Registered in this tenant; any other is a difference that [`drift`](crate::drift) finds.
    #[must_use]
    pub fn with_home_tenant(mut self, tenant: TenantId) -> Self {
        self.home_tenant = Some(tenant);
        self
    }

    /// Published by this verified publisher; any other is a difference that [`drift`](crate::drift) finds.
    #[must_use]
    pub fn with_publisher(mut self, verified_publisher_id: impl Into<String>) -> Self {
        self.publisher = Some(verified_publisher_id.into());
        self
    }

    /// The same registration with every consent withdrawn: its plan takes them back, and declares them no longer. Tokens
    /// that were issued before keep their roles until they expire, some 90 minutes and with continuous access evaluation
    /// up to 28 hours; prove the end by [`prove_revoked`](crate::prove_revoked).
    #[must_use]
    pub fn with_consent_withdrawn(mut self) -> Self {
        self.not_consented.append(&mut self.consented);
        self
    }
}

pub(super) fn check(registration: &AppRegistration) -> Result<()> {
    let of_application = registration.secret.is_some()
        || !registration.certificates.is_empty()
        || !registration.retired_certificates.is_empty()
        || !registration.federated.is_empty()
        || !registration.former_federated.is_empty()
        || !registration.owners.is_empty()
        || !registration.former_owners.is_empty()
        || !registration.redirect_uris.is_empty();
    if registration.home_elsewhere.is_some() && of_application {
        return Err(Error::invalid(
            "credentials, owners and addresses belong to the registration, which is in another tenant",
        ));
    }
    if let Some(both) = registration.owners.iter().find(|o| registration.former_owners.contains(o)) {
        return Err(Error::invalid(format!("{both} is both a wanted and a former owner")));
    }
    for name in &registration.former_federated {
        check_federated_name(name)?;
    }
    for (n, credential) in registration.federated.iter().enumerate() {
        credential.check()?;
        if registration.former_federated.contains(&credential.name) {
            return Err(Error::invalid(format!(
                "the federated credential \"{}\" is both wanted and unwanted",
                credential.name
            )));
        }
        let clashes = |other: &FederatedCredential| {
            other.name == credential.name
                || (other.issuer == credential.issuer && other.subject == credential.subject)
        };
        if registration.federated.iter().skip(n + 1).any(clashes) {
            return Err(Error::invalid(format!(
                "two federated credentials have the name, or issuer and subject, of \"{}\"",
                credential.name
            )));
        }
    }
    for uri in &registration.redirect_uris {
        check_redirect_uri(uri)?;
    }
    Ok(())
}

/// Entra takes https, and http for the machine itself.
pub(crate) fn check_redirect_uri(uri: &str) -> Result<()> {
    let fine = Url::parse(uri).is_ok_and(|url| {
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        (url.scheme() == "https" || (url.scheme() == "http" && is_local))
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if fine && uri.len() <= 256 {
        return Ok(());
    }
    Err(Error::invalid(
        "a redirect address is https (http for localhost only), of 256 characters at most, without fragment and user",
    ))
}

/// What is read beyond the application and its consents.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    owners: bool,
    principal_owners: bool,
    federated: bool,
    policies: bool,
    deleted: bool,
}

impl Wanted {
    pub(super) const EVERYTHING: Self =
        Self { owners: true, principal_owners: true, federated: true, policies: true, deleted: true };

    /// What may have been made, as far as it goes with its object.
    pub(super) const OWN_ENTRIES: Self =
        Self { owners: true, principal_owners: true, federated: true, policies: false, deleted: false };

    pub(super) fn of(registration: &AppRegistration) -> Self {
        let owners = !registration.owners.is_empty() || !registration.former_owners.is_empty();
        Self {
            owners,
            principal_owners: owners && registration.owners_of_principal,
            // Whoever takes a credential away must know which others there are.
            federated: !registration.federated.is_empty()
                || !registration.former_federated.is_empty()
                || !registration.retired_certificates.is_empty(),
            policies: registration.secret.is_some()
                || !registration.certificates.is_empty()
                || (registration.audience == crate::directory::Audience::MultiTenant
                    && registration.home_elsewhere.is_none()),
            deleted: false,
        }
    }
}

impl RegistrationState {
    /// Reads what is wanted and was not read yet.
    pub(super) async fn read_lifecycle(&mut self, pipeline: &Pipeline, wanted: Wanted) -> Result<()> {
        let young = self.is_young(pipeline.clock().now());
        let convergence = Convergence::new(pipeline.clock().clone());
        let (application, principal) = (self.application_id(), self.service_principal_id());
        if wanted.owners && self.owners.is_none() {
            self.owners = Some(match application {
                Some(id) => {
                    let list = ListOwners { of: OwnedObject::Application(id) };
                    list_young(pipeline, &convergence, young, &list).await?
                }
                None => Vec::new(),
            });
        }
        if wanted.principal_owners && self.principal_owners.is_none() {
            self.principal_owners = Some(match principal {
                Some(id) => {
                    let list = ListOwners { of: OwnedObject::ServicePrincipal(id) };
                    list_young(pipeline, &convergence, young, &list).await?
                }
                None => Vec::new(),
            });
        }
        if wanted.federated && self.federated.is_none() {
            self.federated = Some(match application {
                Some(application) => {
                    list_young(pipeline, &convergence, young, &ListFederatedCredentials { application })
                        .await?
                }
                None => Vec::new(),
            });
        }
        if wanted.policies && self.policies.is_none() {
            self.policies = Some(AppManagementPolicies::read(pipeline, application).await?);
        }
        if wanted.deleted
            && self.deleted.is_none()
            && self.application.is_none()
            && self.home_elsewhere.is_none()
        {
            let mut deleted = pipeline.list(&ListDeletedApplications, MOST_ROWS).await?;
            deleted.retain(|a| a.unique_name.as_deref() == Some(&*self.unique_name));
            self.deleted = Some(deleted);
        }
        Ok(())
    }

    /// Owners of the application, where they were read.
    pub fn owners(&self) -> Option<&[ListedOwner]> {
        self.owners.as_deref()
    }

    /// Owners of the enterprise application, where they were read.
    pub fn principal_owners(&self) -> Option<&[ListedOwner]> {
        self.principal_owners.as_deref()
    }

    /// Federated credentials, where they were read.
    pub fn federated_credentials(&self) -> Option<&[FederatedIdentityCredential]> {
        self.federated.as_deref()
    }

    /// The tenant's policies, where they were asked for; single ones may be unknown.
    pub fn policies(&self) -> Option<&AppManagementPolicies> {
        self.policies.as_ref()
    }

    /// Applications of this unique name in the recycle bin, where it was looked into.
    pub fn deleted_applications(&self) -> Option<&[DeletedApplication]> {
        self.deleted.as_deref()
    }

    pub(super) fn owners_of(&self, of: Owned) -> Option<&Vec<ListedOwner>> {
        match of {
            Owned::Application => self.owners.as_ref(),
            Owned::ServicePrincipal => self.principal_owners.as_ref(),
        }
    }
}

/// The tenant's policies are asked before anything is changed, not after a step has failed.
pub(super) fn check_policies(registration: &AppRegistration, state: &RegistrationState) -> Result<()> {
    if registration.home_elsewhere.is_some() {
        return Ok(());
    }
    let changes = state
        .application()
        .is_none_or(|a| a.sign_in_audience.as_deref() != Some(registration.audience.as_str()));
    let Some(policies) = state.policies.as_ref().filter(|_| changes) else { return Ok(()) };
    match allowed_audience(policies, registration.audience, created(state)) {
        Allowance::Forbidden => Err(Error::new(
            ErrorKind::PermissionDenied,
            "a policy of the tenant forbids applications of several tenants: register it in the vendor's own tenant, or ask the administrator for an exemption",
        )
        .with_code("SignInAudienceNotAllowedAsPerAppPolicy")
        .with_acted(m365_core::Acted::No)),
        _ => Ok(()),
    }
}

/// The secret that the tenant's policies allow: the wanted one, a shorter one, or none, as the policy of the secret says.
pub(super) fn within_policy(
    registration: &AppRegistration,
    policy: &SecretPolicy,
    state: &RegistrationState,
) -> Result<Option<SecretPolicy>> {
    let Some(policies) = &state.policies else { return Ok(Some(policy.clone())) };
    let verdict = allowed(policies, WantedCredential::Secret(policy.lifetime), created(state));
    let remedy = verdict.remedy().unwrap_or_default();
    match verdict {
        // What cannot be known is tried; the refusal, if one comes, is typed.
        Allowance::Allowed | Allowance::Unknown => Ok(Some(policy.clone())),
        Allowance::LifetimeTooLong { max } if policy.where_restricted == WhereRestricted::Refuse => {
            Err(refused_lifetime(format!(
                "a policy of the tenant allows secrets of {} days and not of {}; nothing was changed: {remedy}",
                max.as_secs() / 86_400,
                policy.lifetime.as_secs() / 86_400
            )))
        }
        Allowance::LifetimeTooLong { max } => {
            // The end is counted from when the secret is added, the policy's from when the service takes it.
            let margin = std::time::Duration::from_secs(300).min(max / 10);
            Ok(Some(SecretPolicy { lifetime: max.saturating_sub(margin), ..policy.clone() }))
        }
        Allowance::Forbidden
            if policy.where_restricted == WhereRestricted::ShortenOrOmit
                && !(registration.federated.is_empty() && registration.certificates.is_empty()) =>
        {
            Ok(None)
        }
        Allowance::Forbidden => Err(refused(
            "CredentialTypeNotAllowedAsPerAppPolicy",
            format!("a policy of the tenant forbids secrets; nothing was changed: {remedy}"),
        )
        .with_diagnosis("PROV-SECRET-FORBIDDEN")),
    }
}

/// Refuses a certificate that the tenant's policies do not take. Its life is counted from its own beginning, as the
/// registration shows it.
pub(super) fn check_certificate_policy(new: &NewCertificate, state: &RegistrationState) -> Result<()> {
    let Some(policies) = &state.policies else { return Ok(()) };
    let certificate = &new.certificate;
    let life = m365_core::until(certificate.not_before(), certificate.not_after());
    let wanted = if certificate.is_self_signed() {
        WantedCredential::SelfSignedCertificate(life)
    } else {
        WantedCredential::Certificate(life)
    };
    match allowed(policies, wanted, created(state)) {
        Allowance::Allowed | Allowance::Unknown => Ok(()),
        Allowance::LifetimeTooLong { max } => Err(refused_lifetime(format!(
            "a policy of the tenant allows certificates of {} days, and \"{}\" is one of {} days; nothing was changed: \
             have one made that lives no longer, and rotate that much earlier",
            max.as_secs() / 86_400,
            new.display_name,
            life.as_secs().div_ceil(86_400)
        ))),
        Allowance::Forbidden => Err(refused(
            "CredentialTypeNotAllowedAsPerAppPolicy",
            format!(
                "a policy of the tenant takes certificates of trusted authorities only, and \"{}\" vouches for itself; \
                 nothing was changed: have one issued by such an authority, use a federated credential, or ask for an \
                 exemption",
                new.display_name
            ),
        )),
    }
}

fn refused(code: &str, text: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, text)
        .with_code(code)
        .with_acted(m365_core::Acted::No)
        .with_operation("plan")
}

fn refused_lifetime(text: String) -> Error {
    refused("CredentialInvalidLifetimeAsPerAppPolicy", text).with_diagnosis("PROV-SECRET-LIFETIME")
}

/// Refuses a plan after which nothing could sign in that can sign in now. What the plan itself adds does not count: nobody
/// has proven yet that it is accepted, and a product that still uses the old one would stand without.
pub(super) fn check_last_credential(state: &RegistrationState, steps: &[RegistrationStep]) -> Result<()> {
    let Some(application) = &state.application else { return Ok(()) };
    let works = |start: Option<Timestamp>, end: Option<Timestamp>| {
        start.is_none_or(|start| start <= state.read_at) && end.is_none_or(|end| state.read_at < end)
    };
    let (mut takes_away, mut left) = (false, 0_usize);
    for key in &application.key_credentials {
        let goes = steps.iter().any(
            |step| matches!(step, RegistrationStep::RemoveCertificate { key_id, .. } if *key_id == key.key_id),
        );
        if works(key.start_date_time, key.end_date_time) {
            takes_away |= goes;
            left += usize::from(!goes);
        }
    }
    for listed in state.federated.iter().flatten() {
        let goes = steps.iter().any(
            |step| matches!(step, RegistrationStep::RemoveFederatedCredential { name } if *name == listed.name),
        );
        takes_away |= goes;
        left += usize::from(!goes);
    }
    left += application
        .password_credentials
        .iter()
        .filter(|secret| works(secret.start_date_time, secret.end_date_time))
        .filter(|secret| {
            !steps.iter().any(|step| {
                matches!(step, RegistrationStep::RemoveOrphanSecret { key_id, .. } if *key_id == secret.key_id)
            })
        })
        .count();
    if !takes_away || left > 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "the plan would take away the last credential that can sign in; nothing was changed: rotate it (`rotate`, `rotate_own`), \
         or add another one first and take this one away when that one is in use",
    )
    .with_acted(m365_core::Acted::No)
    .with_operation("plan"))
}

/// When the application was, or will be, created.
fn created(state: &RegistrationState) -> Timestamp {
    state.application().and_then(|a| a.created_date_time).unwrap_or(state.read_at)
}

pub(super) fn redirect_steps(
    registration: &AppRegistration,
    state: &RegistrationState,
    steps: &mut Vec<RegistrationStep>,
) {
    let there =
        state.application().and_then(|a| a.web.as_ref()).map(|web| &*web.redirect_uris).unwrap_or_default();
    let mut add: Vec<String> = Vec::new();
    for uri in &registration.redirect_uris {
        if !there.contains(uri) && !add.contains(uri) {
            add.push(uri.clone());
        }
    }
    if !add.is_empty() {
        steps.push(RegistrationStep::AddRedirectUris { add });
    }
}

/// What goes first, so that no moment trusts more than before and after.
pub(super) fn federated_steps(
    registration: &AppRegistration,
    state: &RegistrationState,
    steps: &mut Vec<RegistrationStep>,
) -> Result<()> {
    if registration.federated.is_empty() && registration.former_federated.is_empty() {
        return Ok(());
    }
    let there = known(state.federated.as_ref(), state)?;
    let find = |name: &str| there.iter().find(|listed| listed.name == name);
    let mut count = there.len();
    let mut gone: Vec<&str> = Vec::new();
    for name in &registration.former_federated {
        if find(name).is_some() && !gone.contains(&name.as_str()) {
            gone.push(name);
            count -= 1;
            steps.push(RegistrationStep::RemoveFederatedCredential { name: name.clone() });
        }
    }
    for credential in &registration.federated {
        // Entra takes issuer and subject once on an application.
        let twin = there.iter().find(|listed| {
            listed.name != credential.name
                && listed.issuer == credential.issuer
                && listed.subject.as_deref() == Some(&*credential.subject)
                && !gone.contains(&listed.name.as_str())
        });
        if let Some(twin) = twin {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the federated credential {credential} is there already under the name \"{}\": use that name, or have it removed",
                    twin.name
                ),
            ));
        }
        match find(&credential.name) {
            Some(listed) if credential.matches(listed) => {}
            Some(_) => {
                steps.push(RegistrationStep::UpdateFederatedCredential { credential: credential.clone() });
            }
            None => {
                count += 1;
                steps.push(RegistrationStep::AddFederatedCredential { credential: credential.clone() });
            }
        }
    }
    if count > MOST_FEDERATED {
        return Err(Error::new(
            ErrorKind::Limit,
            format!(
                "the application would have {count} federated credentials; {MOST_FEDERATED} are the most"
            ),
        ));
    }
    Ok(())
}

/// Owners come before former ones go, so that somebody always owns it.
pub(super) fn owner_steps(
    registration: &AppRegistration,
    state: &RegistrationState,
    steps: &mut Vec<RegistrationStep>,
) -> Result<()> {
    if registration.owners.is_empty() && registration.former_owners.is_empty() {
        return Ok(());
    }
    let objects: &[Owned] = if registration.owners_of_principal {
        &[Owned::Application, Owned::ServicePrincipal]
    } else {
        &[Owned::Application]
    };
    for of in objects.iter().copied() {
        let there = known(state.owners_of(of), state)?;
        let mut left: Vec<String> = there.iter().map(|listed| listed.id.to_string()).collect();
        for owner in &registration.owners {
            if !left.contains(&owner.to_string()) {
                left.push(owner.to_string());
                steps.push(RegistrationStep::AddOwner { of, owner: *owner });
            }
        }
        for owner in &registration.former_owners {
            if left.contains(&owner.to_string()) && left.len() > 1 {
                left.retain(|id| *id != owner.to_string());
                steps.push(RegistrationStep::RemoveOwner { of, owner: *owner });
            }
        }
    }
    Ok(())
}

fn known<'a, T>(list: Option<&'a Vec<T>>, state: &RegistrationState) -> Result<&'a [T]> {
    match list {
        Some(list) => Ok(list),
        None if state.application.is_none() => Ok(&[]),
        None => Err(Error::invalid("the state was read for another registration: read it again")),
    }
}

/// The application permissions of an API that a consent by URL would take back: consented, and no longer declared. A
/// consent for the whole tenant grants exactly what is declared; a shorter list removes.
pub fn consent_would_revoke(state: &RegistrationState, api: Api) -> Vec<Permission> {
    let Some(principal) = state.api(api) else { return Vec::new() };
    let declared = |role: m365_core::AppRoleId| {
        state.application().is_some_and(|application| {
            application
                .required_resource_access
                .iter()
                .filter(|entry| entry.resource_app_id == api.client_id())
                .flat_map(|entry| &entry.resource_access)
                .any(|access| access.is_role(role))
        })
    };
    let lost = state.assignments.iter().filter(|a| a.resource_id == principal.id && !declared(a.app_role_id));
    let name = |role: m365_core::AppRoleId| {
        let offered = principal.app_roles.iter().find(|r| r.id == role);
        offered.and_then(|r| r.value.clone()).unwrap_or_else(|| role.to_string())
    };
    lost.map(|a| Permission::new(api, name(a.app_role_id))).collect()
}
