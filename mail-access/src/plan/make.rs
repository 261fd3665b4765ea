use std::collections::BTreeSet;
use std::time::Duration;

use exchange_admin::GrantedScope;
use exchange_admin::cmdlets::PolicyApp;
use exchange_admin::{AccessRight, RecipientFilter};
use graph_auth::{Owned, RegistrationStep};
use m365_core::{Error, MailboxAddress, Result};

use super::step::{Action, AppIds, Description, Rights, Step, Window};
use super::{ExchangeChange, Plan};
use crate::access::{Grantee, RecipientId};
use crate::names;
use crate::profile::{AccessProfile, AppProfile, GrantMode, ScopeGroup};
use crate::tenant::{AppState, TenantPicture, key_of};

/// The steps from the tenant as it was read to the tenant as the profile wants it. Pure: it reads and writes nothing.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) with the place in the profile when it names what the
/// tenant does not have, or when what the tenant has contradicts it. Nothing was changed then.
pub fn plan(profile: &AccessProfile, picture: &TenantPicture) -> Result<Plan> {
    let notes = super::impersonation::notes(profile);
    let mut maker = Maker { profile, picture, steps: Vec::new(), notes };
    maker.shared_mailboxes()?;
    for app in &profile.apps {
        maker.app(app)?;
    }
    let rights = rights(&maker.steps);
    Ok(Plan {
        profile: profile.clone(),
        profile_name: profile.name.clone(),
        tenant_id: picture.tenant_id,
        steps: maker.steps,
        notes: maker.notes,
        rights,
        before: picture.digest(),
    })
}

pub(super) struct Maker<'a> {
    pub(super) profile: &'a AccessProfile,
    pub(super) picture: &'a TenantPicture,
    steps: Vec<Step>,
    pub(super) notes: Vec<String>,
}

impl Maker<'_> {
    fn shared_mailboxes(&mut self) -> Result<()> {
        for mailbox in &self.profile.shared_mailboxes {
            let address = &mailbox.address;
            match self.picture.mailboxes.get(address).and_then(|m| m.recipient.as_ref()) {
                Some(found) if names::is_cloud_mailbox(found) => {}
                Some(found) => {
                    return Err(self.profile.complain(
                        address.as_str(),
                        format!(
                            "{address} is not a mailbox but a {}: it cannot be made a shared mailbox",
                            found.kind
                        ),
                    ));
                }
                None => {
                    let change = ExchangeChange::NewSharedMailbox {
                        address: address.clone(),
                        display_name: mailbox.display_name.clone(),
                    };
                    self.exchange(format!("mailbox/{address}"), None, &AppIds::default(), change)?;
                }
            }
        }
        Ok(())
    }

    fn app(&mut self, app: &AppProfile) -> Result<()> {
        let Some(state) = self.picture.apps.get(&app.unique_name) else {
            return Err(Error::invalid(format!("the tenant was not read for {}", app.unique_name)));
        };
        self.check(app, state)?;
        for more in crate::verify::surplus(app, self.picture)? {
            self.notes.push(format!(
                "{} holds more than its profile asks for, and it is left alone: {more}.",
                app.unique_name
            ));
        }
        let ids = AppIds {
            application: state.registration.application_id(),
            client: state.registration.client_id(),
            service_principal: state.registration.service_principal_id(),
        };
        let desired = names::registration_with_secret(app, state.held.as_ref(), &self.picture.installation)?;
        if names::uses_ews(app) {
            self.check_ews(app)?;
        }
        let (last, first): (Vec<_>, Vec<_>) = graph_auth::plan(&desired, &state.registration)
            .map_err(|error| self.placed(app, &error))?
            .into_iter()
            .partition(comes_last);

        // Narrow before broad: the app exists, then its limits, then what they limit, then its credential.
        for step in first {
            self.registration(app, step)?;
        }
        self.group(app, &ids)?;
        match app.scope.grant {
            GrantMode::Rbac => {
                self.roles(app, state, &ids)?;
                self.ews(app, &ids)?;
            }
            GrantMode::MailboxPermission => self.permissions(app, state, &ids)?,
            GrantMode::AccessPolicy => self.policy(app, &ids)?,
        }
        let consents = |step: &RegistrationStep| matches!(step, RegistrationStep::GrantAppRole { .. });
        if app.scope.grant == GrantMode::AccessPolicy && last.iter().any(consents) {
            self.await_policy(app);
        }
        for step in last {
            self.registration(app, step)?;
        }
        Ok(())
    }

    /// What the tenant has that contradicts the profile, named before anything is changed.
    fn check(&mut self, app: &AppProfile, state: &AppState) -> Result<()> {
        for address in app.scope.mailboxes.iter().chain([&app.scope.canary]) {
            self.check_mailbox(address)?;
        }
        if app.scope.grant != GrantMode::AccessPolicy {
            self.check_pointer(app, state)?;
        }
        if let Some(group) = &app.scope.group {
            let state = self.picture.groups.get(&group.address);
            let found = state.and_then(|g| g.group.as_ref());
            let wrong = match (found, state.and_then(|g| g.other.as_ref())) {
                (Some(found), _) if !found.is_security_group() => Some(&found.kind),
                (None, Some(other)) => Some(&other.kind),
                _ => None,
            };
            if let Some(kind) = wrong {
                return Err(self
                    .profile
                    .complain(
                        group.address.as_str(),
                        format!(
                            "{} is a {kind}: the scope needs a mail-enabled security group",
                            group.address
                        ),
                    )
                    .with_diagnosis("PROV-AAP-NOT-SECURITY-PRINCIPAL"));
            }
            if found.is_none() && !group.create {
                return Err(self.profile.complain(
                    group.address.as_str(),
                    format!(
                        "there is no group {} in the tenant, and the profile does not say create = true",
                        group.address
                    ),
                ));
            }
            self.check_members(app, group)?;
        }
        if app.scope.grant == GrantMode::Rbac && self.picture.dehydrated {
            return Err(Error::invalid(
                "the tenant still has Microsoft's shared default configuration: run Enable-OrganizationCustomization once, wait 10 to 60 minutes, and plan again",
            )
            .with_diagnosis("PROV-DEHYDRATED"));
        }
        Ok(())
    }

    /// An error about one of an app's permissions, with the permission's place in the profile.
    fn placed(&self, app: &AppProfile, error: &Error) -> Error {
        let named = app.permissions.iter().filter(|p| error.message().contains(p.as_str()));
        // Of two names that fit, one is the beginning of the other.
        let place = named.max_by_key(|p| p.len()).unwrap_or(&app.unique_name);
        self.profile.complain(place, error.message()).with_diagnosis(error.diagnosis().id())
    }

    fn check_mailbox(&self, address: &MailboxAddress) -> Result<()> {
        if self.profile.shared_mailboxes.iter().any(|m| m.address == *address) {
            return Ok(());
        }
        match self.picture.mailboxes.get(address).and_then(|m| m.recipient.as_ref()) {
            Some(found) if names::is_cloud_mailbox(found) => match &found.primary_smtp_address {
                Some(primary) if primary != address => Err(self.profile.complain(
                    address.as_str(),
                    format!(
                        "{address} is a further address of {primary}: name the mailbox by its primary one"
                    ),
                )),
                _ => Ok(()),
            },
            Some(found) => Err(self
                .profile
                .complain(
                    address.as_str(),
                    format!("{address} is a {}, not a mailbox of Exchange Online", found.kind),
                )
                .with_diagnosis("MBX-NOT-REST")),
            None => Err(self
                .profile
                .complain(address.as_str(), format!("there is no mailbox {address} in the tenant"))
                .with_diagnosis("MBX-INVALID-USER")),
        }
    }

    /// The classic mistake: Exchange was told the object id of the registration.
    fn check_pointer(&self, app: &AppProfile, state: &AppState) -> Result<()> {
        match (&state.pointer, state.registration.service_principal_id()) {
            (Some(pointer), Some(right)) if pointer.object_id != right => Err(self
                .profile
                .complain(
                    &app.unique_name,
                    format!(
                        "Exchange knows {} by the object id {}, but its enterprise application is {right}: remove that service principal in Exchange and plan again",
                        app.unique_name, pointer.object_id
                    ),
                )
                .with_diagnosis("PROV-WRONG-OBJECT-ID")),
            _ => Ok(()),
        }
    }

    /// Members of the group that the profile does not name would be in scope too; the canary never may be.
    fn check_members(&mut self, app: &AppProfile, scope: &ScopeGroup) -> Result<()> {
        let group = &scope.address;
        let strangers = self.picture.strangers(app);
        if self.picture.is_member(group, &app.scope.canary) {
            return Err(self.profile.complain(
                app.scope.canary.as_str(),
                format!("the canary {} is a member of {group}: it would be in scope", app.scope.canary),
            ));
        }
        if !strangers.is_empty() && !scope.allow_other_members {
            return Err(self.profile.complain(
                group.as_str(),
                format!(
                    "{group} has members that the profile does not name, and the app would reach them too: {}; name them, take them out, or write allow_other_members = true",
                    strangers.join(", ")
                ),
            ));
        }
        if !strangers.is_empty() {
            self.notes.push(format!(
                "{group} has members that the profile does not name, and they are in scope too: {}. They are left alone.",
                strangers.join(", ")
            ));
        }
        Ok(())
    }

    fn group(&mut self, app: &AppProfile, ids: &AppIds) -> Result<()> {
        let Some(group) = &app.scope.group else { return Ok(()) };
        let state = self.picture.groups.get(&group.address);
        if state.and_then(|s| s.group.as_ref()).is_none() {
            let change = ExchangeChange::NewSecurityGroup {
                address: group.address.clone(),
                display_name: group.display_name.clone(),
            };
            self.exchange(format!("group/{}", group.address), Some(app), ids, change)?;
        }
        for mailbox in &app.scope.mailboxes {
            let recipient = self.picture.mailboxes.get(mailbox).and_then(|m| m.recipient.as_ref());
            if state.is_some_and(|s| names::holds(&s.members, recipient)) {
                continue;
            }
            let change =
                ExchangeChange::AddGroupMember { group: group.address.clone(), member: mailbox.clone() };
            self.exchange(format!("group/{}/{mailbox}", group.address), Some(app), ids, change)?;
        }
        Ok(())
    }

    fn pointer(&mut self, app: &AppProfile, state: &AppState, ids: &AppIds) -> Result<()> {
        if state.pointer.is_some() {
            return Ok(());
        }
        let change = ExchangeChange::NewServicePrincipal { display_name: app.display_name.clone() };
        self.exchange(format!("{}/exchange-service-principal", app.unique_name), Some(app), ids, change)
    }

    fn roles(&mut self, app: &AppProfile, state: &AppState, ids: &AppIds) -> Result<()> {
        let wanted = names::roles(app);
        let Some(group) = app.scope.group.as_ref().filter(|_| !wanted.is_empty()) else { return Ok(()) };
        self.pointer(app, state, ids)?;

        let name = names::scope(app)?;
        let dn = self
            .picture
            .groups
            .get(&group.address)
            .and_then(|g| g.group.as_ref())
            .map(|g| g.distinguished_name.clone())
            .filter(|dn| !dn.is_empty());
        match state.scopes.get(name.as_str()).and_then(Option::as_ref) {
            None => {
                let change = ExchangeChange::NewManagementScope {
                    name: name.clone(),
                    group: group.address.clone(),
                    distinguished_name: dn,
                };
                self.exchange(format!("{}/scope", app.unique_name), Some(app), ids, change)?;
            }
            Some(found) => {
                let wanted = dn.as_ref().map(|dn| RecipientFilter::members_of([dn])).transpose()?;
                let fits = match (&found.filter, &wanted) {
                    (Some(found), Some(wanted)) => found.same_as(wanted),
                    _ => false,
                };
                if !fits || found.exclusive {
                    return Err(self.profile.complain(
                        group.address.as_str(),
                        format!("the management scope \"{name}\" exists and is not the members of {}: rename or remove it, and plan again", group.address),
                    ));
                }
            }
        }
        for (permission, role) in wanted {
            let there = state.assignments.iter().any(|a| {
                a.enabled
                    && a.role == Some(role)
                    && matches!(&a.scope, GrantedScope::Custom(scope) if scope.eq_ignore_ascii_case(name.as_str()))
            });
            if !there {
                let change = ExchangeChange::NewRoleAssignment {
                    name: names::assignment(app, &permission)?,
                    role,
                    scope: name.clone(),
                };
                self.exchange(format!("{}/role/{permission}", app.unique_name), Some(app), ids, change)?;
            }
        }
        Ok(())
    }

    fn permissions(&mut self, app: &AppProfile, state: &AppState, ids: &AppIds) -> Result<()> {
        self.pointer(app, state, ids)?;
        let held = self.picture.access_picture(&app.unique_name).mailboxes;
        for mailbox in &app.scope.mailboxes {
            let key = self.picture.mailboxes.get(mailbox).and_then(|m| m.recipient.as_ref()).and_then(key_of);
            let entries =
                key.and_then(|key| held.get(&RecipientId::new(key))).and_then(|m| m.full_access.as_ref());
            let there =
                entries.into_iter().flatten().any(|p| !p.deny && matches!(p.grantee, Grantee::App(_)));
            if !there {
                let change = ExchangeChange::AddMailboxPermission { mailbox: mailbox.clone() };
                self.exchange(format!("{}/full-access/{mailbox}", app.unique_name), Some(app), ids, change)?;
            }
        }
        Ok(())
    }

    fn policy(&mut self, app: &AppProfile, ids: &AppIds) -> Result<()> {
        let Some(group) = &app.scope.group else { return Ok(()) };
        let key = self.picture.groups.get(&group.address).and_then(names::group_key);
        let there = self.picture.policies.iter().any(|p| {
            matches!(p.policy.app, PolicyApp::App(client) if Some(client) == ids.client)
                && p.policy.right == Some(AccessRight::Restrict)
                && p.scope.is_some()
                && p.scope == key
        });
        if there {
            return Ok(());
        }
        let change = ExchangeChange::NewAccessPolicy {
            group: group.address.clone(),
            description: format!("{}: only {}", app.unique_name, group.address),
        };
        self.exchange(format!("{}/policy", app.unique_name), Some(app), ids, change)
    }

    fn await_policy(&mut self, app: &AppProfile) {
        let hour = Duration::from_secs(3600);
        let description = Description {
            sentence:
                "Wait until the access policy is enforced: a consent before that would open every mailbox."
                    .to_owned(),
            role: String::new(),
            call: String::new(),
            powershell: "# Wait 2 hours after the policy was made.".to_owned(),
            window: Window { earliest: Duration::ZERO, likely: hour / 2, latest: 2 * hour },
            inverse: String::new(),
            inverse_powershell: String::new(),
        };
        self.steps.push(Step {
            id: format!("{}/await-policy", app.unique_name),
            app: Some(app.unique_name.clone()),
            description,
            action: Action::AwaitPolicy,
        });
    }

    pub(super) fn exchange(
        &mut self,
        id: String,
        app: Option<&AppProfile>,
        ids: &AppIds,
        change: ExchangeChange,
    ) -> Result<()> {
        // Two apps may share a group: one step serves both.
        if self.steps.iter().any(|s| s.id == id) {
            return Ok(());
        }
        self.steps.push(Step {
            id,
            app: app.map(|a| a.unique_name.clone()),
            description: change.describe(ids)?,
            action: Action::Exchange(change),
        });
        Ok(())
    }

    fn registration(&mut self, app: &AppProfile, step: RegistrationStep) -> Result<()> {
        let window = step.window();
        let inverse = step.inverse()?;
        let description = Description {
            sentence: step.sentence(),
            role: step.minimum_role().name().to_owned(),
            call: step.rest_call().to_string(),
            powershell: step.powershell()?,
            window: Window { earliest: window.earliest, likely: window.likely, latest: window.latest },
            inverse: inverse.sentence,
            inverse_powershell: inverse.powershell,
        };
        self.steps.push(Step {
            id: format!("{}/{}", app.unique_name, word(&step)),
            app: Some(app.unique_name.clone()),
            description,
            action: Action::Registration(step),
        });
        Ok(())
    }
}

/// Steps that open or close something, or hand out the credential: after the limits are in place.
fn comes_last(step: &RegistrationStep) -> bool {
    matches!(
        step,
        RegistrationStep::GrantAppRole { .. }
            | RegistrationStep::RevokeAppRole { .. }
            | RegistrationStep::AddSecret { .. }
            | RegistrationStep::RemoveOrphanSecret { .. }
            | RegistrationStep::AddCertificate { .. }
            | RegistrationStep::RemoveCertificate { .. }
            | RegistrationStep::AddFederatedCredential { .. }
            | RegistrationStep::UpdateFederatedCredential { .. }
            | RegistrationStep::RemoveFederatedCredential { .. }
            | RegistrationStep::AddOwner { .. }
            | RegistrationStep::RemoveOwner { .. }
            | RegistrationStep::EnableServicePrincipal
    )
}

fn word(step: &RegistrationStep) -> String {
    match step {
        RegistrationStep::CreateApplication { .. } => "application".to_owned(),
        RegistrationStep::UpdateApplication { .. } => "application/update".to_owned(),
        RegistrationStep::CreateApiServicePrincipal { api } => format!("api/{api}"),
        RegistrationStep::CreateServicePrincipal => "service-principal".to_owned(),
        RegistrationStep::RemoveDefaultUserRead => "remove-user-read".to_owned(),
        RegistrationStep::DeclarePermissions { .. } => "declare".to_owned(),
        RegistrationStep::RevokeAppRole { name, .. } => format!("revoke/{name}"),
        RegistrationStep::GrantAppRole { name, .. } => format!("consent/{name}"),
        RegistrationStep::RemoveOrphanSecret { key_id, .. } => format!("orphan-secret/{key_id}"),
        RegistrationStep::AddSecret { .. } => "secret".to_owned(),
        RegistrationStep::AddCertificate { certificate } => {
            format!("certificate/{}", certificate.certificate.thumbprint())
        }
        RegistrationStep::RemoveCertificate { key_id, .. } => format!("retired-certificate/{key_id}"),
        RegistrationStep::AddRedirectUris { .. } => "redirect-uris".to_owned(),
        RegistrationStep::AddFederatedCredential { credential } => format!("federated/{}", credential.name),
        RegistrationStep::UpdateFederatedCredential { credential } => {
            format!("federated/{}/update", credential.name)
        }
        RegistrationStep::RemoveFederatedCredential { name } => format!("former-federated/{name}"),
        RegistrationStep::AddOwner { of, owner } => format!("owner/{}/{owner}", owned(*of)),
        RegistrationStep::RemoveOwner { of, owner } => format!("former-owner/{}/{owner}", owned(*of)),
        RegistrationStep::EnableServicePrincipal => "service-principal/enable".to_owned(),
        RegistrationStep::RestoreApplication { .. } => "application/restore".to_owned(),
        // A step of a later version; its sentence names what it is about.
        other => format!("registration/{}", other.sentence()),
    }
}

const fn owned(of: Owned) -> &'static str {
    match of {
        Owned::Application => "application",
        Owned::ServicePrincipal => "service-principal",
    }
}

/// What the set-up identity needs: reading is always part of it, the rest follows from the steps.
fn rights(steps: &[Step]) -> Rights {
    let mut rights = Rights::default();
    let graph =
        |rights: &mut Rights, names: &[&str]| rights.graph.extend(names.iter().map(|n| (*n).to_owned()));
    // Reading the tenant's name and domains, registrations, and the permissions that the APIs offer.
    graph(&mut rights, &["Organization.Read.All", "Application.Read.All"]);
    rights.exchange.insert("Exchange.ManageAsApp".to_owned());
    let mut groups = BTreeSet::from(["View-Only Organization Management".to_owned()]);
    for step in steps {
        match &step.action {
            Action::Registration(change) => graph(&mut rights, change.least_rights()),
            Action::Exchange(_) => {
                groups.insert(step.description.role.clone());
            }
            Action::AwaitPolicy => {}
        }
    }
    rights.role_groups = groups;
    rights
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use graph_auth::directory::{Audience, NewCertificate, Owner};
    use graph_auth::{Api, FederatedCredential, SecretPolicy};
    use m365_core::KeyId;

    use super::*;

    fn certificate(n: u8) -> NewCertificate {
        let certificate = serde_json::json!({"der": "MAA=", "thumbprint": format!("{n:040X}"), "subject": "CN=acme",
            "notBefore": "2026-11-21T00:00:00Z", "notAfter": "2027-11-21T00:00:00Z"});
        NewCertificate {
            display_name: "acme".to_owned(),
            certificate: serde_json::from_value(certificate).unwrap(),
        }
    }

    /// Every kind of step, two of each kind of which a plan may hold several.
    fn steps() -> Vec<RegistrationStep> {
        let id = |n: u8| KeyId::from_bytes([n; 16]);
        let display_name = || "acme".to_owned();
        let mut all = vec![
            RegistrationStep::CreateApplication {
                unique_name: "acme".to_owned(),
                display_name: display_name(),
                audience: Audience::SingleTenant,
            },
            RegistrationStep::UpdateApplication { display_name: Some(display_name()), audience: None },
            RegistrationStep::CreateServicePrincipal,
            RegistrationStep::RemoveDefaultUserRead,
            RegistrationStep::DeclarePermissions { add: Vec::new(), remove: Vec::new() },
            RegistrationStep::AddSecret {
                policy: SecretPolicy::new("acme", Duration::from_secs(86_400)).unwrap(),
                held: None,
            },
            RegistrationStep::AddRedirectUris { add: vec!["https://acme.example/".to_owned()] },
            RegistrationStep::EnableServicePrincipal,
            RegistrationStep::RestoreApplication {
                id: "a0000000-0000-4000-8000-000000000001".parse().unwrap(),
            },
        ];
        all.extend(Api::ALL.map(|api| RegistrationStep::CreateApiServicePrincipal { api }));
        for n in [1, 2] {
            let credential =
                FederatedCredential::new(format!("ci-{n}"), "https://ci.example", format!("{n}")).unwrap();
            let name = format!("Mail.{n}");
            let app_role_id = "810c84a8-4a9e-49e6-bf7d-12d183f40d01".parse().unwrap();
            all.extend([
                RegistrationStep::GrantAppRole { api: Api::Graph, name: name.clone(), app_role_id },
                RegistrationStep::RevokeAppRole { api: Api::Graph, name, app_role_id },
                RegistrationStep::RemoveOrphanSecret { display_name: display_name(), key_id: id(n) },
                RegistrationStep::AddCertificate { certificate: certificate(n) },
                RegistrationStep::RemoveCertificate { display_name: display_name(), key_id: id(n) },
                RegistrationStep::RemoveFederatedCredential { name: credential.name.clone() },
                RegistrationStep::UpdateFederatedCredential { credential: credential.clone() },
                RegistrationStep::AddFederatedCredential { credential },
            ]);
            let owner = Owner::User(format!("0a000000-0000-4000-8000-00000000000{n}").parse().unwrap());
            for of in [Owned::Application, Owned::ServicePrincipal] {
                all.push(RegistrationStep::AddOwner { of, owner });
                all.push(RegistrationStep::RemoveOwner { of, owner });
            }
        }
        all
    }

    #[test]
    fn no_two_steps_share_an_id() {
        let all = steps();
        let words: BTreeSet<String> = all.iter().map(word).collect();
        assert_eq!(words.len(), all.len(), "{words:#?}");
        assert!(!words.iter().any(|word| word.starts_with("registration")), "{words:#?}");
    }

    #[test]
    fn what_lets_somebody_in_comes_after_the_limits() {
        for step in steps() {
            let opens = matches!(
                word(&step).split('/').next(),
                Some("certificate" | "federated" | "owner" | "secret" | "consent")
            ) || step == RegistrationStep::EnableServicePrincipal;
            assert!(!opens || comes_last(&step), "{step:?}");
            // Nothing that has to be there first may wait.
            let makes = matches!(step.rest_call().path, "/servicePrincipals")
                || matches!(
                    step,
                    RegistrationStep::CreateApplication { .. } | RegistrationStep::RestoreApplication { .. }
                );
            assert!(!makes || !comes_last(&step), "{step:?}");
        }
    }
}
