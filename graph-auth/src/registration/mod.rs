//! The desired state of an app's registration, what a tenant has of it, and the steps between.

mod apply;
mod certificates;
mod drift;
mod federated;
mod inventory;
mod lifecycle;
mod offboarding;
mod plan;
mod policy;
mod script;
mod state;
mod step;
mod step_words;
mod view;

use std::time::Duration;

use m365_core::{ClientId, Error, KeyId, Result, TenantId};

use crate::directory::{Audience, NewCertificate, Owner};
use crate::{Permission, PublicCertificate};

pub use apply::{StepOutcome, apply_step, offboard_step};
pub(crate) use certificates::Certificates;
pub use drift::{Difference, Drift, Finding, drift};
pub use federated::{FederatedCredential, exchange_audience};
pub use inventory::{Begun, INVENTORY_SCHEMA, Made, MadeConsent, RegistrationInventory};
pub(crate) use lifecycle::check_redirect_uri;
pub use lifecycle::consent_would_revoke;
pub use offboarding::{
    Extent, Foreign, ForeignEntry, Offboarding, OffboardingStep, foreign_entries, plan_offboarding,
};
pub use plan::plan;
pub use policy::{
    Allowance, AppManagementPolicies, PolicyRefusal, WantedCredential, allowed, allowed_audience,
};
pub use script::powershell_prelude;
pub use state::RegistrationState;
pub use step::{Declared, Owned, RegistrationStep};
pub use step_words::{DirectoryRole, Inverse, RestCall, Window};

/// How an app should be registered. Declarative: [`RegistrationState::read`] says what a tenant has, [`plan`] names the
/// steps between, [`apply_step`] takes them one by one.
///
/// Only what is named here is ever changed. Foreign declarations, credentials and grants stay.
///
/// ```
/// use graph_auth::{AppRegistration, Permission, SecretPolicy};
/// use std::time::Duration;
///
/// let desired = AppRegistration::new("acme-connector", "Acme connector")?
///     .with_consented([Permission::exchange("IMAP.AccessAsApp")])
///     .with_secret(SecretPolicy::new("acme", Duration::from_secs(180 * 86_400))?);
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppRegistration {
    /// The name under which it is found again, whatever it is displayed as. It cannot be changed later.
    pub unique_name: String,
    /// Displayed name.
    pub display_name: String,
    /// The tenants in which it can be used; its own by default.
    pub audience: Audience,
    /// Application permissions that it needs and that are consented tenant-wide.
    pub consented: Vec<Permission>,
    /// Application permissions that must **not** be consented, because a scoped Exchange role grants them: rights from
    /// both places add up, so a consent would open every mailbox. One that exists is revoked.
    pub not_consented: Vec<Permission>,
    /// Whether the delegated `User.Read` that the portal adds is removed, declaration and grant. It is, by default.
    pub remove_default_user_read: bool,
    /// The secret that it should have, if any.
    pub secret: Option<SecretPolicy>,
    /// The Secret ID of the one that the caller holds. Other secrets with the policy's name are taken for lost ones.
    pub held_secret: Option<KeyId>,
    /// The certificates that it should trust. Others of the registration stay.
    pub certificates: Vec<NewCertificate>,
    /// SHA-1 thumbprints of certificates of ours that it should no longer trust.
    pub retired_certificates: Vec<String>,
    /// Who shall own it. Other owners stay.
    pub owners: Vec<Owner>,
    /// Who shall own it no longer, such as the one-off identity that set it up. The last owner is never removed.
    pub former_owners: Vec<Owner>,
    /// Whether owners of the application own the enterprise application as well. They do not, by default.
    pub owners_of_principal: bool,
    /// Foreign issuers whose tokens stand for the app. Others stay; ours are told by name.
    pub federated: Vec<FederatedCredential>,
    /// Names of federated credentials that shall be there no longer.
    pub former_federated: Vec<String>,
    /// Addresses that consent and sign-in may lead back to. Others stay.
    pub redirect_uris: Vec<String>,
    /// The client id, where the application is registered in another tenant: then only its enterprise application and its
    /// consents are this tenant's.
    pub home_elsewhere: Option<ClientId>,
    /// The tenant in which it must be registered, for [`drift`] to compare.
    pub home_tenant: Option<TenantId>,
    /// The verified publisher's id, for [`drift`] to compare.
    pub publisher: Option<String>,
}

impl AppRegistration {
    /// A registration for its own tenant, without permissions and without secret.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when a name is empty, longer than 120 characters or
    /// holds control characters.
    pub fn new(unique_name: impl Into<String>, display_name: impl Into<String>) -> Result<Self> {
        let (unique_name, display_name) = (unique_name.into(), display_name.into());
        check_name("unique name", &unique_name)?;
        check_name("displayed name", &display_name)?;
        Ok(Self { unique_name, display_name, ..Self::blank() })
    }

    const fn blank() -> Self {
        Self {
            unique_name: String::new(),
            display_name: String::new(),
            audience: Audience::SingleTenant,
            consented: Vec::new(),
            not_consented: Vec::new(),
            remove_default_user_read: true,
            secret: None,
            held_secret: None,
            certificates: Vec::new(),
            retired_certificates: Vec::new(),
            owners: Vec::new(),
            former_owners: Vec::new(),
            owners_of_principal: false,
            federated: Vec::new(),
            former_federated: Vec::new(),
            redirect_uris: Vec::new(),
            home_elsewhere: None,
            home_tenant: None,
            publisher: None,
        }
    }

    /// For these tenants.
    #[must_use]
    pub fn with_audience(mut self, audience: Audience) -> Self {
        self.audience = audience;
        self
    }

    /// With these permissions, consented tenant-wide.
    #[must_use]
    pub fn with_consented(mut self, permissions: impl IntoIterator<Item = Permission>) -> Self {
        self.consented.extend(permissions);
        self
    }

    /// Without consent to these permissions.
    #[must_use]
    pub fn with_not_consented(mut self, permissions: impl IntoIterator<Item = Permission>) -> Self {
        self.not_consented.extend(permissions);
        self
    }

    /// Leaves the portal's delegated `User.Read` alone.
    #[must_use]
    pub fn with_default_user_read_kept(mut self) -> Self {
        self.remove_default_user_read = false;
        self
    }

    /// With a secret.
    #[must_use]
    pub fn with_secret(mut self, policy: SecretPolicy) -> Self {
        self.secret = Some(policy);
        self
    }

    /// The Secret ID that the caller holds the text of.
    #[must_use]
    pub fn with_held_secret(mut self, key_id: Option<KeyId>) -> Self {
        self.held_secret = key_id;
        self
    }

    /// With a certificate, shown under this name. Several may stand beside each other, as they must while one follows
    /// another.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the name is empty, longer than the 90 characters
    /// that Graph keeps, or holds control characters.
    pub fn with_certificate(
        mut self,
        display_name: impl Into<String>,
        certificate: PublicCertificate,
    ) -> Result<Self> {
        let new = NewCertificate { display_name: display_name.into(), certificate };
        check_certificate(&new)?;
        self.certificates.push(new);
        Ok(self)
    }

    /// Without a certificate of ours that was replaced, named by its SHA-1 thumbprint in hexadecimal digits. It is removed at
    /// once: for one that is in use, [`rotate`](crate::rotate) waits until its follower is accepted and it is drained. The last
    /// credential that can sign in is never removed: a plan that would do so is refused.
    #[must_use]
    pub fn with_retired_certificate(mut self, thumbprint: impl Into<String>) -> Self {
        self.retired_certificates.push(thumbprint.into());
        self
    }

    /// Refuses a registration that contradicts itself.
    pub(crate) fn check(&self) -> Result<()> {
        check_name("unique name", &self.unique_name)?;
        check_name("displayed name", &self.display_name)?;
        if let Some(both) = self.consented.iter().find(|p| self.not_consented.contains(p)) {
            return Err(Error::invalid(format!("{both} is both wanted and unwanted")));
        }
        for permission in self.consented.iter().chain(&self.not_consented) {
            check_name("permission name", &permission.name)?;
        }
        for new in &self.certificates {
            check_certificate(new)?;
            let thumbprint = new.certificate.thumbprint();
            if self.retired_certificates.iter().any(|t| t.eq_ignore_ascii_case(thumbprint)) {
                return Err(Error::invalid(format!(
                    "the certificate {thumbprint} is both wanted and retired"
                )));
            }
        }
        for thumbprint in &self.retired_certificates {
            if thumbprint.len() != 40 || !thumbprint.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(Error::invalid("a thumbprint is 40 hexadecimal digits"));
            }
        }
        lifecycle::check(self)
    }
}

/// How the app's secret is named and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretPolicy {
    /// Displayed name; by it our own secrets are told from others.
    pub display_name: String,
    /// How long it works.
    pub lifetime: Duration,
    /// What is planned where the tenant's policy allows less.
    pub where_restricted: WhereRestricted,
}

/// What is planned for a secret where the tenant's policy restricts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhereRestricted {
    /// No plan is made; the error names what is allowed.
    #[default]
    Refuse,
    /// A secret with the longest allowed life. Where secrets are forbidden, no plan is made.
    Shorten,
    /// As `Shorten`; and where secrets are forbidden none is added, provided that the registration has a certificate or a
    /// federated credential to take its place.
    ShortenOrOmit,
}

impl SecretPolicy {
    /// A secret of this name and lifetime.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the name is empty, longer than 120 characters or
    /// holds control characters, or when the lifetime is shorter than an hour.
    pub fn new(display_name: impl Into<String>, lifetime: Duration) -> Result<Self> {
        let display_name = display_name.into();
        check_name("secret's name", &display_name)?;
        if lifetime < Duration::from_secs(3600) {
            return Err(Error::invalid("a secret must live for an hour at least"));
        }
        Ok(Self { display_name, lifetime, where_restricted: WhereRestricted::Refuse })
    }

    /// What is planned where the tenant's policy allows less.
    #[must_use]
    pub fn with_where_restricted(mut self, choice: WhereRestricted) -> Self {
        self.where_restricted = choice;
        self
    }
}

fn check_certificate(new: &NewCertificate) -> Result<()> {
    check_name("certificate's name", &new.display_name)?;
    if new.display_name.chars().count() > 90 {
        return Err(Error::invalid("the certificate's name is longer than 90 characters"));
    }
    Ok(())
}

pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let why = if name.trim().is_empty() {
        "is empty"
    } else if name.chars().count() > 120 {
        "is longer than 120 characters"
    } else if name.chars().any(char::is_control) {
        "holds a control character"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("the {what} {why}")))
}
