//! What happens to registrations over their life: foreign credentials, owners, policies, consent by URL, the recycle bin.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Application, Timed};

/// Beside the registrations themselves.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    /// Federated credentials with the object id of their registration.
    pub federated: Vec<(Uuid, Timed<FederatedCredential>)>,
    /// Redirect addresses with the object id of their registration.
    pub redirect_uris: Vec<(Uuid, Vec<String>)>,
    /// Owners of service principals: (service principal, owner).
    pub principal_owners: Vec<(Uuid, Uuid)>,
    /// Foreign issuers whose keys Entra can fetch.
    pub issuers: Vec<IssuerKey>,
    /// What the administrator at the consent page does.
    pub admin: AdminDecision,
    /// The tenant's default app management policy, as Graph shows it.
    pub default_policy: Value,
    /// App management policies assigned to registrations, by object id.
    pub app_policies: Vec<(Uuid, Value)>,
    /// Registrations that were deleted for good.
    pub purged: Vec<Uuid>,
    /// Applications of several tenants that are registered in another one, with that tenant's id.
    pub guests: Vec<(Uuid, Application)>,
    /// When the tokens of an app (client id) that are out were revoked.
    pub revoked_tokens: Vec<(Uuid, Timestamp)>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            federated: Vec::new(),
            redirect_uris: Vec::new(),
            principal_owners: Vec::new(),
            issuers: Vec::new(),
            admin: AdminDecision::Approve,
            default_policy: json!({
                "id": "00000000-0000-0000-0000-000000000000", "displayName": "Default app management tenant policy",
                "isEnabled": false,
                "applicationRestrictions": {"passwordCredentials": [], "keyCredentials": []},
                "servicePrincipalRestrictions": {"passwordCredentials": [], "keyCredentials": []},
            }),
            app_policies: Vec::new(),
            purged: Vec::new(),
            guests: Vec::new(),
            revoked_tokens: Vec::new(),
        }
    }
}

/// A federated credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique on the registration.
    pub name: String,
    /// `iss` of the tokens, compared letter by letter.
    pub issuer: String,
    /// `sub` of the tokens, compared letter by letter.
    pub subject: String,
    /// `aud` of the tokens.
    pub audiences: Vec<String>,
    /// For people.
    pub description: Option<String>,
}

/// The public key of a foreign issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKey {
    /// `iss` of its tokens.
    pub issuer: String,
    /// PKCS#1 `RSAPublicKey`, DER.
    pub public_key: Vec<u8>,
}

/// What the administrator at the consent page does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminDecision {
    /// Accepts.
    #[default]
    Approve,
    /// Declines.
    Decline,
}

impl Lifecycle {
    /// Redirect addresses of a registration.
    pub fn redirect_uris_of(&self, application: Uuid) -> &[String] {
        self.redirect_uris.iter().find(|(id, _)| *id == application).map_or(&[], |(_, uris)| uris)
    }

    /// Federated credentials of a registration as administrators see them.
    pub fn federated_of(&self, application: Uuid) -> impl Iterator<Item = &Timed<FederatedCredential>> {
        self.federated.iter().filter(move |(id, c)| *id == application && c.is_configured()).map(|(_, c)| c)
    }

    /// The restriction of this type that is in force for a registration created at `created`: its own policy's, or the
    /// tenant's default. `on` is `passwordCredentials` or `keyCredentials`.
    pub(crate) fn restriction(
        &self,
        application: Uuid,
        on: &str,
        kind: &str,
        created: Timestamp,
    ) -> Option<&Value> {
        let named = |policy: &'_ Value, restrictions: &str| -> Option<usize> {
            let list = policy.get(restrictions)?.get(on)?.as_array()?;
            list.iter().position(|r| r.get("restrictionType").and_then(Value::as_str) == Some(kind))
        };
        let enabled = |policy: &Value| policy.get("isEnabled").and_then(Value::as_bool) == Some(true);
        let own = self
            .app_policies
            .iter()
            .filter(|(id, p)| *id == application && enabled(p))
            .map(|(_, p)| (p, "restrictions"));
        let default =
            Some(&self.default_policy).filter(|p| enabled(p)).map(|p| (p, "applicationRestrictions"));
        let (policy, restrictions, at) =
            own.chain(default).find_map(|(p, name)| Some((p, name, named(p, name)?)))?;
        let found = policy.get(restrictions)?.get(on)?.get(at)?;
        in_force(found, created).then_some(found)
    }

    /// Whether applications of several tenants are forbidden.
    pub(crate) fn forbids_multi_tenant(&self, created: Timestamp) -> bool {
        self.default_policy.get("isEnabled").and_then(Value::as_bool) == Some(true)
            && self
                .default_policy
                .pointer("/applicationRestrictions/audiences/azureAdMultipleOrgs")
                .is_some_and(|r| in_force(r, created))
    }
}

fn in_force(restriction: &Value, created: Timestamp) -> bool {
    let text = |name: &str| restriction.get(name).and_then(Value::as_str);
    let since = text("restrictForAppsCreatedAfterDateTime").and_then(|t| t.parse::<Timestamp>().ok());
    text("state") != Some("disabled") && since.is_none_or(|since| created >= since)
}
