//! The token endpoint: client credentials with a secret or an assertion.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{Request, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    EXCHANGE_AUDIENCE, GRAPH_AUDIENCE, Refused, assertion, continuous, federated, is_multi_tenant, jwt::Jwt,
    known_tenant,
};
use crate::{
    scenario::app_roles::{EXCHANGE_APP_ID, GRAPH_APP_ID},
    server::{Line, Shared, lock, origin, uuid},
    state::{Application, ServicePrincipal, State},
};

/// Fields of a client-credentials request; the strict mode refuses every other one.
const FIELDS: [&str; 7] = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "grant_type",
    "scope",
    "claims",
];
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Checks the request and issues a token, or says why not.
pub(crate) fn issue(
    shared: &Shared,
    tenant: &str,
    request: &Request<Bytes>,
    line: &mut Line,
) -> Result<Value, Refused> {
    let now = shared.clock.now();
    let state = lock(&shared.state);
    known_tenant(&state, tenant)?;
    let form = Form::read(request, shared.strict)?;

    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(other) => {
            let text = format!("The app requested an unsupported grant type '{other}'.");
            return Err(Refused::new(400, "unsupported_grant_type", 70003, &text));
        }
        None => return Err(missing("grant_type")),
    }
    if is_multi_tenant(tenant) {
        return Err(Refused::new(
            400,
            "invalid_request",
            9_001_023,
            "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
        ));
    }
    let client = form.get("client_id").ok_or_else(|| missing("client_id"))?;
    let application = find_application(&state, client, now)?;
    line.app_id = Some(application.app_id);
    let resource = Resource::of_scope(form.get("scope").unwrap_or_default())?;

    let by_certificate = authenticate(shared, &state, application, tenant, request, &form, now)?;
    let principal = find_principal(&state, application, now)?;
    let resource_principal = state
        .directory
        .service_principals
        .iter()
        .find(|sp| sp.is_configured() && sp.value.app_id == resource.app_id)
        .ok_or_else(|| resource.absent(&state))?;
    let roles = roles(&state, principal.id, &resource_principal.value, now);

    let mut rng = lock(&shared.rng);
    let for_graph = resource.audience == GRAPH_AUDIENCE;
    let long = continuous::applies(form.get("claims"), application, for_graph);
    let life = if long { rng.i64(continuous::LIFE) } else { rng.i64(3600..=5100) };
    let (tid, issued) = (state.tenant_id, now.as_second());
    let mut claims = json!({
        "aud": resource.audience, "iss": super::jwt::issuer(tid), "iat": issued, "nbf": issued, "exp": issued + life,
        "aio": "E2NgYNjF8PPVt1kcAA==", "app_displayname": application.display_name,
        "appid": application.app_id, "appidacr": if by_certificate { "2" } else { "1" },
        "idp": super::jwt::issuer(tid), "idtyp": "app", "oid": principal.id, "sub": principal.id, "tid": tid,
        "uti": uuid(&mut rng).simple().to_string(), "ver": "1.0",
    });
    if !roles.is_empty()
        && let Some(object) = claims.as_object_mut()
    {
        object.insert("roles".to_owned(), json!(roles));
    }
    if long && let Some(object) = claims.as_object_mut() {
        object.insert("xms_cc".to_owned(), json!(["cp1"]));
    }
    let token = shared.key.sign(&claims).ok_or_else(|| {
        Refused::new(
            503,
            "temporarily_unavailable",
            90033,
            "A transient error has occurred. Please try again.",
        )
    })?;
    // Entra counts `expires_in` one second short of the token's life.
    let mut answer = json!({"token_type": "Bearer", "expires_in": life - 1, "ext_expires_in": life - 1, "access_token": token});
    if long && let Some(object) = answer.as_object_mut() {
        object.insert("refresh_in".to_owned(), json!(life / 2));
    }
    Ok(answer)
}

/// True when the client proved itself by a certificate, false by a secret.
fn authenticate(
    shared: &Shared,
    state: &State,
    application: &Application,
    tenant: &str,
    request: &Request<Bytes>,
    form: &Form,
    now: Timestamp,
) -> Result<bool, Refused> {
    if let Some(text) = form.get("client_assertion") {
        if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(missing("client_assertion_type"));
        }
        if let Some(jwt) = Jwt::decode(text).filter(federated::is_foreign) {
            federated::verify(state, application, &jwt, now)?;
            return Ok(true);
        }
        let mut audiences = Vec::new();
        let mut names = vec![tenant.to_owned(), state.tenant_id.to_string()];
        names.extend(state.domains.iter().cloned());
        for base in [origin(request), "https://login.microsoftonline.com".to_owned()] {
            for name in &names {
                audiences.push(format!("{base}/{name}/oauth2/v2.0/token"));
                if !shared.strict {
                    audiences.push(format!("{base}/{name}/v2.0"));
                }
            }
        }
        let expected = assertion::Expected { application, audiences, now, strict: shared.strict };
        let jti = assertion::verify(text, &expected)?;
        if shared.strict {
            let fresh = jti.is_some_and(|jti| lock(&shared.used_assertions).insert(jti));
            if !fresh {
                return Err(Refused::new(
                    401,
                    "invalid_client",
                    700_027,
                    "The client assertion has been used before or has no 'jti'. (strict mode)",
                ));
            }
        }
        return Ok(true);
    }
    let Some(secret) = form.get("client_secret") else {
        return Err(Refused::new(
            401,
            "invalid_client",
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ));
    };
    let matching = application.passwords.iter().find(|p| p.is_effective(now) && p.value.secret == secret);
    match matching {
        Some(found) if found.value.end <= now => Err(Refused::new(
            401,
            "invalid_client",
            7_000_222,
            &format!(
                "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new keys for your app.",
                application.app_id
            ),
        )),
        Some(_) => Ok(false),
        None => Err(Refused::new(
            401,
            "invalid_client",
            7_000_215,
            &format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                application.app_id
            ),
        )),
    }
}

pub(super) fn find_application<'a>(
    state: &'a State,
    client: &str,
    now: Timestamp,
) -> Result<&'a Application, Refused> {
    let id: Option<Uuid> = client.parse().ok();
    state
        .directory
        .applications
        .iter()
        .filter(|a| a.is_effective(now))
        .map(|a| &a.value)
        .chain(state.directory.lifecycle.guests.iter().map(|(_, a)| a))
        .find(|a| Some(a.app_id) == id)
        .ok_or_else(|| {
            Refused::new(
                400,
                "unauthorized_client",
                700_016,
                &format!(
                    "Application with identifier '{client}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.",
                    state.name
                ),
            )
        })
}

fn find_principal<'a>(
    state: &'a State,
    application: &Application,
    now: Timestamp,
) -> Result<&'a ServicePrincipal, Refused> {
    let found = state
        .directory
        .service_principals
        .iter()
        .filter(|sp| sp.is_effective(now))
        .map(|sp| &sp.value)
        .find(|sp| sp.app_id == application.app_id);
    match found {
        Some(principal) if principal.account_enabled => Ok(principal),
        Some(_) => Err(Refused::new(
            400,
            "unauthorized_client",
            7_000_112,
            &format!("Application '{}'({}) is disabled.", application.app_id, application.display_name),
        )),
        None => Err(Refused::new(
            401,
            "invalid_client",
            7_000_229,
            &format!(
                "The client application {} is missing service principal in the tenant {}.",
                application.app_id, state.tenant_id
            ),
        )),
    }
}

/// Names of the roles that are granted on this resource and have replicated, in the order of the resource's list.
fn roles(state: &State, principal: Uuid, resource: &ServicePrincipal, now: Timestamp) -> Vec<String> {
    let granted: Vec<Uuid> = state
        .directory
        .app_role_assignments
        .iter()
        .filter(|a| {
            a.is_effective(now) && a.value.principal_id == principal && a.value.resource_id == resource.id
        })
        .map(|a| a.value.app_role_id)
        .collect();
    resource.app_roles.iter().filter(|r| granted.contains(&r.id)).map(|r| r.value.clone()).collect()
}

/// The API that a token is asked for.
struct Resource {
    audience: String,
    app_id: Uuid,
}

impl Resource {
    fn of_scope(scope: &str) -> Result<Self, Refused> {
        let scope = scope.trim();
        let malformed = |text: String| Refused::new(400, "invalid_scope", 70011, &text);
        if scope.is_empty() {
            return Err(missing("scope"));
        }
        if scope.contains(char::is_whitespace) {
            return Err(malformed(format!(
                "The provided value for the input parameter 'scope' is not valid. The scope {scope} names more than one resource."
            )));
        }
        let Some(resource) = scope.strip_suffix("/.default") else {
            return Err(Refused::new(
                400,
                "invalid_scope",
                1_002_012,
                &format!(
                    "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
                ),
            ));
        };
        let app_id = match resource {
            GRAPH_AUDIENCE | "00000003-0000-0000-c000-000000000000" => GRAPH_APP_ID,
            EXCHANGE_AUDIENCE
            | "https://outlook.office.com"
            | "https://ps.outlook.com"
            | "00000002-0000-0ff1-ce00-000000000000" => EXCHANGE_APP_ID,
            _ if resource.contains("://") || resource.parse::<Uuid>().is_ok() => Uuid::nil(),
            _ => {
                return Err(malformed(format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
                )));
            }
        };
        Ok(Self { audience: resource.to_owned(), app_id })
    }

    fn absent(&self, state: &State) -> Refused {
        Refused::new(
            400,
            "invalid_resource",
            500_011,
            &format!(
                "The resource principal named {} was not found in the tenant named {}.",
                self.audience, state.name
            ),
        )
    }
}

struct Form(BTreeMap<String, String>);

impl Form {
    fn read(request: &Request<Bytes>, strict: bool) -> Result<Self, Refused> {
        let mut fields: BTreeMap<String, String> =
            form_urlencoded::parse(request.body()).into_owned().collect();
        let basic = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Basic "));
        let refuse = |what: &str| {
            Err(Refused::new(
                400,
                "invalid_request",
                900_144,
                &format!("The request has {what}. (strict mode)"),
            ))
        };
        if strict {
            if basic.is_some() {
                return refuse("an Authorization header");
            }
            if request.uri().query().is_some() {
                return refuse("a query string");
            }
            if let Some(field) = fields.keys().find(|k| !FIELDS.contains(&k.as_str())) {
                return refuse(&format!("the unknown field '{field}'"));
            }
        }
        let pair = basic.and_then(|b| String::from_utf8(BASE64_STANDARD.decode(b).ok()?).ok());
        if let Some((id, secret)) = pair.as_deref().and_then(|p| p.split_once(':')) {
            let decode =
                |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
            fields.entry("client_id".to_owned()).or_insert_with(|| decode(id));
            fields.entry("client_secret".to_owned()).or_insert_with(|| decode(secret));
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

fn missing(field: &str) -> Refused {
    let text = format!("The request body must contain the following parameter: '{field}'.");
    Refused::new(400, "invalid_request", 900_144, &text)
}
