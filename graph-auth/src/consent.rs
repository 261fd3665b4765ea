//! Admin consent by URL: a human act, which this module begins and whose end it reads.

use std::fmt;

use m365_core::{ClientId, Cloud, Error, ErrorKind, Resource, Result, TenantId, TenantName};
use url::{Url, form_urlencoded};
use uuid::Uuid;

use crate::registration::check_redirect_uri;

/// The address at which an administrator consents to what an application declares, for a whole tenant.
///
/// The library builds the address and reads what comes back; the consent itself stays an administrator's. It grants
/// **exactly** what the application declares at that moment: a re-consent after the list became shorter takes permissions
/// back, see [`consent_would_revoke`](crate::consent_would_revoke). What comes back is only a message through a browser;
/// prove the consent by a fresh token of the tenant ([`prove_roles`](crate::prove_roles)).
///
/// <https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>
///
/// ```
/// use graph_auth::AdminConsent;
/// use m365_core::{ClientId, Cloud};
///
/// let client = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// let consent = AdminConsent::new(Cloud::public(), client, "https://acme.example/consented")?;
/// let begun = consent.begin();
/// // Keep begun.state() in the administrator's session, lead the browser to begun.url(), and when it comes back:
/// let back = format!(
///     "https://acme.example/consented?admin_consent=True&tenant=0f0e0d0c-0b0a-4908-8706-050403020100&state={}",
///     begun.state(),
/// );
/// let answer = consent.read_redirect(begun.state(), &back)?;
/// assert_eq!(answer.tenant.to_string(), "0f0e0d0c-0b0a-4908-8706-050403020100");
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdminConsent {
    cloud: Cloud,
    client: ClientId,
    redirect_uri: String,
    tenant: Option<TenantName>,
    expected: Option<TenantId>,
    scope: Option<String>,
}

impl AdminConsent {
    /// For an application and one of its declared redirect addresses, in whichever tenant the administrator signs in.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when the address is not one that Entra takes.
    pub fn new(cloud: Cloud, client: ClientId, redirect_uri: impl Into<String>) -> Result<Self> {
        let redirect_uri = redirect_uri.into();
        check_redirect_uri(&redirect_uri)?;
        let scope = Some(cloud.scope(&Resource::Graph));
        Ok(Self { cloud, client, redirect_uri, tenant: None, expected: None, scope })
    }

    /// In this tenant. Named by GUID, an answer of any other tenant is refused.
    #[must_use]
    pub fn for_tenant(mut self, tenant: TenantName) -> Self {
        self.expected = tenant.id().or(self.expected);
        self.tenant = Some(tenant);
        self
    }

    /// Refuses the answer of any other tenant, for one named by domain or not at all.
    #[must_use]
    pub fn expecting(mut self, tenant: TenantId) -> Self {
        self.expected = Some(tenant);
        self
    }

    /// Names this resource in the scope instead of Microsoft Graph; for applications of several tenants that use IMAP or
    /// POP, Microsoft's page names `https://ps.outlook.com`, which [`Resource::Other`] can say.
    #[must_use]
    pub fn with_resource(mut self, resource: &Resource) -> Self {
        self.scope = Some(self.cloud.scope(resource));
        self
    }

    /// The older address without scope.
    #[must_use]
    pub fn with_v1(mut self) -> Self {
        self.scope = None;
        self
    }

    /// Begins a consent with a state of its own, from the system's source of random numbers (244 bits).
    pub fn begin(&self) -> ConsentBegun {
        let state = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        ConsentBegun { url: self.url(&state), state }
    }

    /// The address with this state; [`AdminConsent::begin`] makes a good one.
    pub fn url(&self, state: &str) -> Url {
        // Entra wants no `common` here.
        let tenant = self.tenant.as_ref().map_or("organizations", TenantName::as_str);
        let mut url = self.cloud.login().clone();
        url.set_path(&match self.scope {
            Some(_) => format!("/{tenant}/v2.0/adminconsent"),
            None => format!("/{tenant}/adminconsent"),
        });
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &self.client.to_string());
            if let Some(scope) = &self.scope {
                query.append_pair("scope", scope);
            }
            query.append_pair("redirect_uri", &self.redirect_uri).append_pair("state", state);
        }
        url
    }

    /// Reads the address that the browser came back with, or its query alone. `state` is the one that was kept when the
    /// consent began.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the state is another one: then nothing else of the answer is believed, an error
    /// included. [`ErrorKind::PermissionDenied`] when the administrator declined or may not consent, with Entra's code;
    /// [`ErrorKind::Unavailable`] when Entra could not just now, [`ErrorKind::Rejected`] for its other errors.
    /// [`ErrorKind::Conflict`] when another tenant consented than expected. [`ErrorKind::InvalidResponse`] when the answer
    /// says neither yes nor no, or something twice.
    pub fn read_redirect(&self, state: &str, redirect: &str) -> Result<ConsentAnswer> {
        let answer = Answer::read(redirect)?;
        let told = answer.state.as_deref().unwrap_or_default();
        if state.is_empty() || !same(state.as_bytes(), told.as_bytes()) {
            return Err(Error::new(
                ErrorKind::Rejected,
                "the state that came back is not the one sent: this answer belongs to another request",
            )
            .with_operation("admin consent"));
        }
        if let Some(code) = &answer.error {
            return Err(refusal(code, answer.description.as_deref().unwrap_or_default()));
        }
        if !answer.consented.as_deref().is_some_and(|said| said.eq_ignore_ascii_case("true")) {
            return Err(Error::unreadable("the answer does not say that consent was given"));
        }
        let tenant = answer.tenant.as_deref().and_then(|id| TenantId::parse(id).ok());
        let tenant =
            tenant.ok_or_else(|| Error::unreadable("the answer does not say which tenant consented"))?;
        if let Some(expected) = self.expected.filter(|expected| *expected != tenant) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "tenant {tenant} consented, and not {expected}: the administrator is signed in elsewhere"
                ),
            )
            .with_operation("admin consent"));
        }
        Ok(ConsentAnswer { tenant, scope: answer.scope })
    }
}

/// A consent that was begun.
#[derive(Clone)]
pub struct ConsentBegun {
    url: Url,
    state: String,
}

impl ConsentBegun {
    /// Where the administrator's browser is led to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What must come back. Keep it in the administrator's session: who knows it can answer in their place.
    pub fn state(&self) -> &str {
        &self.state
    }
}

impl fmt::Debug for ConsentBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentBegun").finish_non_exhaustive()
    }
}

/// That an administrator consented, as the browser tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsentAnswer {
    /// The tenant: take it from here, never from a form.
    pub tenant: TenantId,
    /// The scope, where the answer names it.
    pub scope: Option<String>,
}

#[derive(Default)]
struct Answer {
    consented: Option<String>,
    tenant: Option<String>,
    state: Option<String>,
    scope: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

impl Answer {
    fn read(redirect: &str) -> Result<Self> {
        let query = redirect.split_once('?').map_or(redirect, |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "admin_consent" => &mut answer.consented,
                "tenant" => &mut answer.tenant,
                "state" => &mut answer.state,
                "scope" => &mut answer.scope,
                "error" => &mut answer.error,
                "error_description" => &mut answer.description,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(Error::unreadable(format!("the answer says {name} twice")));
            }
        }
        Ok(answer)
    }
}

/// Compares all of it, whatever differs first.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}

fn refusal(code: &str, description: &str) -> Error {
    let kind = match code {
        "access_denied" | "consent_required" | "interaction_required" | "login_required" => {
            ErrorKind::PermissionDenied
        }
        "temporarily_unavailable" | "server_error" => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    };
    let numbers = description.split("AADSTS").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    });
    let message = match description.split("Trace ID").next().map(str::trim) {
        Some(text) if !text.is_empty() => text,
        _ => code,
    };
    Error::new(kind, message)
        .with_code(code)
        .with_authority(m365_core::Authority::EntraConsent)
        .with_aadsts(numbers.collect())
        .with_operation("admin consent")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
    const TENANT: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

    fn consent(cloud: Cloud) -> AdminConsent {
        AdminConsent::new(cloud, ClientId::parse(CLIENT).unwrap(), "https://acme.example/back?x=1").unwrap()
    }

    #[test]
    fn trap_10_golden_addresses_of_each_cloud() {
        for (cloud, login, graph) in [
            (Cloud::public(), "login.microsoftonline.com", "graph.microsoft.com"),
            (Cloud::us_gov_l4(), "login.microsoftonline.us", "graph.microsoft.us"),
            (Cloud::us_gov_dod(), "login.microsoftonline.us", "dod-graph.microsoft.us"),
            (Cloud::china(), "login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn"),
        ] {
            let tail = "redirect_uri=https%3A%2F%2Facme.example%2Fback%3Fx%3D1&state=s";
            assert_eq!(
                consent(cloud.clone()).url("s").as_str(),
                format!(
                    "https://{login}/organizations/v2.0/adminconsent?client_id={CLIENT}&scope=https%3A%2F%2F{graph}%2F.default&{tail}"
                )
            );
            let tenant = TenantName::parse("contoso.example").unwrap();
            assert_eq!(
                consent(cloud).for_tenant(tenant).with_v1().url("s").as_str(),
                format!("https://{login}/contoso.example/adminconsent?client_id={CLIENT}&{tail}")
            );
        }
        let imap = Resource::Other("https://ps.outlook.com".into());
        let url = consent(Cloud::public()).with_resource(&imap).url("s");
        assert!(url.as_str().contains("&scope=https%3A%2F%2Fps.outlook.com%2F.default&"), "{url}");
    }

    #[test]
    fn trap_10_a_wrong_state_is_refused_before_anything_else_is_believed() {
        let consent = consent(Cloud::public());
        let begun = consent.begin();
        assert_ne!(begun.state(), consent.begin().state());
        assert_eq!(begun.state().len(), 64);
        assert!(!format!("{begun:?}").contains(begun.state()));
        for wrong in ["", "x", &begun.state()[1..], &format!("{}0", begun.state())] {
            for rest in [format!("admin_consent=True&tenant={TENANT}"), "error=access_denied".to_owned()] {
                let error =
                    consent.read_redirect(begun.state(), &format!("{rest}&state={wrong}")).unwrap_err();
                assert_eq!((error.kind(), error.service_code()), (ErrorKind::Rejected, None));
            }
        }
        let nothing = format!("admin_consent=True&tenant={TENANT}&state=");
        assert!(consent.read_redirect("", &nothing).is_err(), "no state matches no state");
    }

    #[test]
    fn trap_10_the_tenant_comes_from_the_answer_and_errors_are_mapped() {
        let consent = consent(Cloud::public());
        let read =
            |query: &str| consent.read_redirect("s", &format!("https://acme.example/back?{query}&state=s"));
        let answer = read(&format!("admin_consent=True&tenant={TENANT}&scope=a%20b")).unwrap();
        assert_eq!((answer.tenant.to_string().as_str(), answer.scope.as_deref()), (TENANT, Some("a b")));
        let declined = read(
            "error=access_denied&error_description=AADSTS65004%3a+User+declined+to+consent.%0d%0aTrace+ID%3a+1&admin_consent=True&tenant=x",
        )
        .unwrap_err();
        assert_eq!(declined.kind(), ErrorKind::PermissionDenied);
        assert_eq!((declined.service_code(), declined.aadsts()), (Some("access_denied"), &[65004][..]));
        assert_eq!(declined.message(), "AADSTS65004: User declined to consent.");
        assert_eq!(read("error=temporarily_unavailable").unwrap_err().kind(), ErrorKind::Unavailable);
        for bad in [
            String::new(),
            format!("admin_consent=False&tenant={TENANT}"),
            "admin_consent=True".to_owned(),
            "admin_consent=True&tenant=common".to_owned(),
            format!("admin_consent=True&tenant={TENANT}&tenant={TENANT}"),
        ] {
            assert_eq!(read(&bad).unwrap_err().kind(), ErrorKind::InvalidResponse, "{bad}");
        }
    }

    #[test]
    fn trap_10_another_tenant_than_the_expected_one_is_refused() {
        let other = "10000000-0000-4000-8000-000000000001";
        let expected = consent(Cloud::public()).for_tenant(TenantName::parse(TENANT).unwrap());
        let read = |tenant: &str| {
            expected.read_redirect("s", &format!("admin_consent=true&tenant={tenant}&state=s"))
        };
        assert!(read(TENANT).is_ok());
        assert_eq!(read(other).unwrap_err().kind(), ErrorKind::Conflict);
    }

    proptest! {
        #[test]
        fn never_panics_and_never_believes(redirect in ".*", state in "[a-z]{0,8}") {
            let consent = consent(Cloud::public());
            let _read = consent.read_redirect(&state, &redirect);
            prop_assert!(consent.read_redirect("0123456789abcdef", &redirect).is_err());
        }
    }
}
