//! What a tenant's app management policies allow, asked before anything is changed.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use m365_core::{ApplicationObjectId, Error, ErrorKind, Pipeline, Result};

use super::state::{MOST_ROWS, absent};
use crate::directory::{
    AppManagementPolicy, AppRestrictions, Audience, CredentialRestriction, GetDefaultAppManagementPolicy,
    ListAppManagementPolicies,
};

/// A tenant's policies as far as they could be read. What could not be read is `None`: it is unknown, and not absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppManagementPolicies {
    /// The tenant's default.
    pub default: Option<AppManagementPolicy>,
    /// Those of this application, which override the default in what they name. Empty for an application that does not
    /// exist yet.
    pub assigned: Option<Vec<AppManagementPolicy>>,
}

impl AppManagementPolicies {
    /// Policies that were read.
    pub fn new(default: AppManagementPolicy, assigned: Vec<AppManagementPolicy>) -> Self {
        Self { default: Some(default), assigned: Some(assigned) }
    }

    /// Reads the tenant's default policy and those of an application. A caller without `Policy.Read.All` is the usual
    /// case: then they stay unknown.
    ///
    /// # Errors
    /// Failures that pass by themselves; refusals and a tenant that does not serve these calls leave the policies unknown.
    pub async fn read(pipeline: &Pipeline, application: Option<ApplicationObjectId>) -> Result<Self> {
        let default = known(pipeline.run(&GetDefaultAppManagementPolicy).await)?;
        let assigned = match application {
            None => Some(Vec::new()),
            Some(id) => {
                known(pipeline.list(&ListAppManagementPolicies::of_application(id), MOST_ROWS).await)?
            }
        };
        Ok(Self { default, assigned })
    }
}

fn known<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if error.is_transient() => Err(error),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::Rejected | ErrorKind::Unsupported
            ) =>
        {
            Ok(None)
        }
        other => absent(other),
    }
}

/// A credential that somebody wants to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WantedCredential {
    /// A secret of this lifetime.
    Secret(Duration),
    /// A certificate that an authority issued, of this lifetime.
    Certificate(Duration),
    /// A certificate that vouches for itself, of this lifetime.
    SelfSignedCertificate(Duration),
    /// A federated credential; no restriction of these policies concerns it.
    Federated,
}

/// What the tenant's policies say of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allowance {
    /// It is allowed.
    Allowed,
    /// It is forbidden, however short it lives.
    Forbidden,
    /// It is allowed for at most this long.
    LifetimeTooLong {
        /// The longest allowed life.
        max: Duration,
    },
    /// The policies could not be read, or have a restriction that this crate does not know: only trying tells.
    Unknown,
}

impl Allowance {
    /// What to do about it; none when it is allowed.
    pub fn remedy(self) -> Option<String> {
        match self {
            Self::Allowed => None,
            Self::Forbidden => Some(
                "use a certificate or a federated credential instead, or ask for an exemption: an app management policy \
                 of its own for this application"
                    .to_owned(),
            ),
            Self::LifetimeTooLong { max } => {
                Some(format!("ask for {} days at most, and rotate that much earlier", max.as_secs() / 86_400))
            }
            Self::Unknown => {
                Some("the tenant's app management policies are not known: grant Policy.Read.All to see them first, or just try".to_owned())
            }
        }
    }
}

/// Whether a credential may be added to an application that was, or will be, created at `created`. Pure.
///
/// A policy assigned to the application overrides the tenant's default in each restriction that it names, a disabled one
/// included: that is how exemptions are made. A restriction with a date concerns applications created since then.
///
/// <https://learn.microsoft.com/graph/api/resources/applicationauthenticationmethodpolicy>
pub fn allowed(policies: &AppManagementPolicies, wanted: WantedCredential, created: Timestamp) -> Allowance {
    let (addition, lifetime, wish) = match wanted {
        WantedCredential::Federated => return Allowance::Allowed,
        WantedCredential::Secret(wish) => ("passwordAddition", "passwordLifetime", wish),
        WantedCredential::Certificate(wish) | WantedCredential::SelfSignedCertificate(wish) => {
            ("trustedCertificateAuthority", "asymmetricKeyLifetime", wish)
        }
    };
    let is_secret = matches!(wanted, WantedCredential::Secret(_));
    let find = |name: &str| effective(policies, is_secret, name);
    let in_force = |found: &CredentialRestriction| {
        applies(found.state.as_deref(), found.restrict_for_apps_created_after_date_time, created)
    };

    // Whether a certificate's authority is one of the trusted ones, is not told here.
    let is_issued = matches!(wanted, WantedCredential::Certificate(_));
    let of_trusted_only = match find(addition) {
        Found::Unknown => return Allowance::Unknown,
        Found::Restriction(found) if in_force(found) && !is_issued => return Allowance::Forbidden,
        Found::Restriction(found) => in_force(found),
        Found::Nothing => false,
    };
    match find(lifetime) {
        Found::Unknown => Allowance::Unknown,
        Found::Restriction(found) if in_force(found) => {
            match found.max_lifetime.as_deref().map(|text| longest(text, created)) {
                Some(Some(max)) if wish > max => Allowance::LifetimeTooLong { max },
                Some(Some(_)) if !of_trusted_only => Allowance::Allowed,
                Some(_) | None => Allowance::Unknown,
            }
        }
        Found::Restriction(_) | Found::Nothing if of_trusted_only => Allowance::Unknown,
        Found::Restriction(_) | Found::Nothing => Allowance::Allowed,
    }
}

/// Whether an application for these tenants may be registered, or changed to them.
pub fn allowed_audience(
    policies: &AppManagementPolicies,
    audience: Audience,
    created: Timestamp,
) -> Allowance {
    if audience == Audience::SingleTenant {
        return Allowance::Allowed;
    }
    let restriction = |policy: &AppManagementPolicy| {
        restrictions(policy).and_then(|r| r.audiences.as_ref()).and_then(|a| a.multi_tenant.clone())
    };
    let Some(assigned) = &policies.assigned else { return Allowance::Unknown };
    let found = match assigned.iter().find_map(restriction) {
        Some(found) => Some(found),
        None => match &policies.default {
            None => return Allowance::Unknown,
            Some(default) => restriction(default),
        },
    };
    match found {
        Some(found)
            if applies(found.state.as_deref(), found.restrict_for_apps_created_after_date_time, created) =>
        {
            Allowance::Forbidden
        }
        _ => Allowance::Allowed,
    }
}

enum Found<'a> {
    Restriction(&'a CredentialRestriction),
    Nothing,
    Unknown,
}

fn effective<'a>(policies: &'a AppManagementPolicies, is_secret: bool, name: &str) -> Found<'a> {
    let named = |policy: &'a AppManagementPolicy| {
        let list = restrictions(policy)
            .map(|r| if is_secret { &r.password_credentials } else { &r.key_credentials });
        list.into_iter().flatten().find(|restriction| restriction.restriction_type == name)
    };
    let Some(assigned) = &policies.assigned else { return Found::Unknown };
    if let Some(own) = assigned.iter().find_map(named) {
        return Found::Restriction(own);
    }
    match &policies.default {
        None => Found::Unknown,
        Some(default) => named(default).map_or(Found::Nothing, Found::Restriction),
    }
}

fn restrictions(policy: &AppManagementPolicy) -> Option<&AppRestrictions> {
    policy.application_restrictions.as_ref().filter(|_| policy.is_enabled)
}

fn applies(state: Option<&str>, since: Option<Timestamp>, created: Timestamp) -> bool {
    state != Some("disabled") && since.is_none_or(|since| created >= since)
}

/// Months and years are counted from when the application was created, which differs from Entra's own count by days at
/// most.
fn longest(text: &str, created: Timestamp) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let from = created.to_zoned(TimeZone::UTC);
    let to = from.checked_add(span).ok()?.timestamp();
    Duration::try_from(to.duration_since(created)).ok()
}

/// Which policy refused a call: the typed form of the codes that Graph answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// Credentials of this kind are forbidden: use a certificate or a federated credential.
    CredentialType,
    /// The credential was to live longer than allowed.
    Lifetime,
    /// Applications for these tenants are forbidden.
    Audience,
}

impl PolicyRefusal {
    /// Reads it from the error of a call or a step; `None` for every other failure.
    pub fn of(error: &Error) -> Option<Self> {
        match error.service_code()? {
            "CredentialTypeNotAllowedAsPerAppPolicy" => Some(Self::CredentialType),
            "CredentialInvalidLifetimeAsPerAppPolicy" => Some(Self::Lifetime),
            "SignInAudienceNotAllowedAsPerAppPolicy" => Some(Self::Audience),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::AudienceRestriction;

    const DAY: u64 = 86_400;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn policy(password: &str, key: &str) -> AppManagementPolicy {
        serde_json::from_str(&format!(
            r#"{{"id":"p","isEnabled":true,"applicationRestrictions":{{"passwordCredentials":[{password}],"keyCredentials":[{key}]}}}}"#
        ))
        .unwrap()
    }

    const NO_SECRETS: &str = r#"{"restrictionType":"passwordAddition","maxLifetime":null,"restrictForAppsCreatedAfterDateTime":"2026-06-01T00:00:00Z"}"#;
    const NINETY_DAYS: &str = r#"{"restrictionType":"passwordLifetime","maxLifetime":"P90D"}"#;

    fn secret(days: u64) -> WantedCredential {
        WantedCredential::Secret(Duration::from_secs(days * DAY))
    }

    #[test]
    fn a_restriction_with_a_date_spares_older_applications() {
        let policies = AppManagementPolicies::new(policy(NO_SECRETS, ""), Vec::new());
        assert_eq!(allowed(&policies, secret(30), at("2026-06-01T00:00:00Z")), Allowance::Forbidden);
        assert_eq!(allowed(&policies, secret(30), at("2026-05-31T23:59:59Z")), Allowance::Allowed);
        let certificate = WantedCredential::Certificate(Duration::from_secs(DAY));
        assert_eq!(allowed(&policies, certificate, at("2026-11-21T00:00:00Z")), Allowance::Allowed);
        assert_eq!(
            allowed(&policies, WantedCredential::Federated, at("2026-11-21T00:00:00Z")),
            Allowance::Allowed
        );
    }

    #[test]
    fn a_policy_of_the_applications_own_exempts_it_from_what_it_names() {
        let now = at("2026-11-21T00:00:00Z");
        let default = policy(&format!("{NO_SECRETS},{NINETY_DAYS}"), "");
        let exempt = policy(r#"{"restrictionType":"passwordAddition","state":"disabled"}"#, "");
        let policies = AppManagementPolicies::new(default.clone(), vec![exempt.clone()]);
        assert_eq!(allowed(&policies, secret(90), now), Allowance::Allowed);
        // What it does not name stays with the default.
        assert_eq!(
            allowed(&policies, secret(91), now),
            Allowance::LifetimeTooLong { max: Duration::from_secs(90 * DAY) }
        );
        let disabled = AppManagementPolicy { is_enabled: false, ..exempt };
        let policies = AppManagementPolicies::new(default, vec![disabled]);
        assert_eq!(
            allowed(&policies, secret(90), now),
            Allowance::Forbidden,
            "a disabled policy exempts nobody"
        );
    }

    #[test]
    fn unread_is_unknown_and_not_allowed() {
        let now = at("2026-11-21T00:00:00Z");
        assert_eq!(allowed(&AppManagementPolicies::default(), secret(1), now), Allowance::Unknown);
        let unknown_default =
            AppManagementPolicies { default: None, assigned: Some(vec![policy(NO_SECRETS, "")]) };
        assert_eq!(
            allowed(&unknown_default, secret(1), now),
            Allowance::Forbidden,
            "the own policy is known"
        );
        let unknown_own = AppManagementPolicies { default: Some(policy(NO_SECRETS, "")), assigned: None };
        assert_eq!(allowed(&unknown_own, secret(1), now), Allowance::Unknown, "it may be exempt");
        let garbled = policy(r#"{"restrictionType":"passwordLifetime","maxLifetime":"soon"}"#, "");
        assert_eq!(
            allowed(&AppManagementPolicies::new(garbled, Vec::new()), secret(1), now),
            Allowance::Unknown
        );
    }

    #[test]
    fn lifetimes_of_certificates_and_in_months() {
        let now = at("2026-11-21T00:00:00Z");
        let half_year = policy("", r#"{"restrictionType":"asymmetricKeyLifetime","maxLifetime":"P6M"}"#);
        let policies = AppManagementPolicies::new(half_year, Vec::new());
        let certificate = |days: u64| WantedCredential::Certificate(Duration::from_secs(days * DAY));
        assert_eq!(allowed(&policies, certificate(181), now), Allowance::Allowed);
        assert!(matches!(allowed(&policies, certificate(182), now), Allowance::LifetimeTooLong { .. }));
        let trusted = policy("", r#"{"restrictionType":"trustedCertificateAuthority"}"#);
        assert_eq!(
            allowed(&AppManagementPolicies::new(trusted.clone(), Vec::new()), certificate(1), now),
            Allowance::Unknown
        );
        let own = WantedCredential::SelfSignedCertificate(Duration::from_secs(DAY));
        assert_eq!(allowed(&AppManagementPolicies::new(trusted, Vec::new()), own, now), Allowance::Forbidden);
        assert_eq!(allowed(&policies, own, now), Allowance::Allowed);
        let both = policy(
            "",
            r#"{"restrictionType":"trustedCertificateAuthority"},{"restrictionType":"asymmetricKeyLifetime","maxLifetime":"P6M"}"#,
        );
        let policies = AppManagementPolicies::new(both, Vec::new());
        assert_eq!(allowed(&policies, certificate(1), now), Allowance::Unknown);
        assert!(matches!(allowed(&policies, certificate(182), now), Allowance::LifetimeTooLong { .. }));
    }

    #[test]
    fn audiences_may_be_forbidden_too() {
        let now = at("2026-11-21T00:00:00Z");
        let mut default = policy("", "");
        let restrictions = default.application_restrictions.as_mut().unwrap();
        restrictions.audiences = Some(crate::directory::AudienceRestrictions {
            multi_tenant: Some(AudienceRestriction::default()),
        });
        let policies = AppManagementPolicies::new(default, Vec::new());
        assert_eq!(allowed_audience(&policies, Audience::MultiTenant, now), Allowance::Forbidden);
        assert_eq!(allowed_audience(&policies, Audience::SingleTenant, now), Allowance::Allowed);
        assert_eq!(
            allowed_audience(&AppManagementPolicies::default(), Audience::MultiTenant, now),
            Allowance::Unknown
        );
    }

    #[test]
    fn the_three_codes_are_typed() {
        let refusal =
            |code: &str| PolicyRefusal::of(&Error::new(ErrorKind::PermissionDenied, "x").with_code(code));
        assert_eq!(refusal("CredentialTypeNotAllowedAsPerAppPolicy"), Some(PolicyRefusal::CredentialType));
        assert_eq!(refusal("CredentialInvalidLifetimeAsPerAppPolicy"), Some(PolicyRefusal::Lifetime));
        assert_eq!(refusal("SignInAudienceNotAllowedAsPerAppPolicy"), Some(PolicyRefusal::Audience));
        assert_eq!(refusal("Authorization_RequestDenied"), None);
    }
}
