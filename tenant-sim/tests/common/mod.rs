//! What the stories share: a tenant, a client, tokens.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a failure shall stop the test, and not every test uses everything"
)]

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tenant_sim::{Propagation, Scenario, Tenant};

pub const GRAPH: &str = "https://graph.microsoft.com/.default";
pub const EXCHANGE: &str = "https://outlook.office365.com/.default";
pub const GRAPH_API: &str = "00000003-0000-0000-c000-000000000000";
pub const EXCHANGE_API: &str = "00000002-0000-0ff1-ce00-000000000000";

/// A tenant and a client that signs in as the set-up identity.
pub struct World {
    pub tenant: Tenant,
    pub http: Client,
    pub token: String,
}

/// An answer with its body, JSON or not.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl World {
    pub async fn instant() -> Self {
        Self::with(Propagation::instant()).await
    }

    pub async fn realistic() -> Self {
        Self::with(Propagation::realistic()).await
    }

    pub async fn with(propagation: Propagation) -> Self {
        Self::of(Scenario::contoso(), propagation).await
    }

    pub async fn of(scenario: Scenario, propagation: Propagation) -> Self {
        let tenant =
            Tenant::builder().scenario(scenario).propagation(propagation).start().await.expect("starts");
        let http = Client::builder().no_proxy().no_gzip().build().expect("client");
        let mut world = Self { tenant, http, token: String::new() };
        let setup = world.tenant.setup_identity();
        world.token =
            world.sign_in(&setup.client_id.to_string(), &setup.secret, GRAPH).await.expect("signs in");
        world
    }

    pub fn token_url(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.tenant.http_url(), self.tenant.tenant_id())
    }

    pub async fn token_request(&self, fields: &[(&str, &str)]) -> Answer {
        answer(self.http.post(self.token_url()).form(fields)).await
    }

    pub async fn sign_in(&self, client: &str, secret: &str, scope: &str) -> Result<String, u64> {
        let answer = self
            .token_request(&[
                ("grant_type", "client_credentials"),
                ("client_id", client),
                ("client_secret", secret),
                ("scope", scope),
            ])
            .await;
        match answer.body["access_token"].as_str() {
            Some(token) => Ok(token.to_owned()),
            None => Err(answer.body["error_codes"][0].as_u64().expect("an AADSTS number")),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/v1.0{path}", self.tenant.http_url())).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        answer(self.request(Method::DELETE, path)).await
    }

    pub async fn upsert(&self, unique: &str, body: Value) -> Answer {
        let path = format!("/applications(uniqueName='{unique}')");
        answer(self.request(Method::PATCH, &path).header("Prefer", "create-if-missing").json(&body)).await
    }

    /// A registered app with an enterprise application, these Graph roles and a secret: (client id, secret, SP id).
    pub async fn product_app(&self, name: &str, roles: &[&str]) -> (String, String, String) {
        let made = self.upsert(name, json!({"displayName": name, "signInAudience": "AzureADMyOrg"})).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let (id, app_id) = (text(&made.body["id"]), text(&made.body["appId"]));
        let principal = text(&self.post("/servicePrincipals", json!({"appId": app_id})).await.body["id"]);
        self.grant(&principal, GRAPH_API, roles).await;
        let secret = self.post(&format!("/applications/{id}/addPassword"), json!({})).await;
        (app_id, text(&secret.body["secretText"]), principal)
    }

    /// Consents to these roles of an API for the enterprise application.
    pub async fn grant(&self, principal: &str, api: &str, roles: &[&str]) {
        let api = self.get(&format!("/servicePrincipals(appId='{api}')")).await;
        assert_eq!(api.status, StatusCode::OK, "{api:?}");
        let api = api.body;
        for role in roles {
            let role = role_id(&api, role);
            let grant = json!({"principalId": principal, "resourceId": api["id"], "appRoleId": role});
            let path = format!("/servicePrincipals/{}/appRoleAssignedTo", text(&api["id"]));
            assert_eq!(self.post(&path, grant).await.status, StatusCode::CREATED);
        }
    }

    /// A token of the set-up identity for the Admin API.
    pub async fn admin_token(&self) -> String {
        let setup = self.tenant.setup_identity();
        self.sign_in(&setup.client_id.to_string(), &setup.secret, EXCHANGE).await.expect("signs in")
    }

    pub fn invoke_url(&self) -> String {
        format!("{}/adminapi/beta/{}/InvokeCommand", self.tenant.http_url(), self.tenant.tenant_id())
    }

    /// One cmdlet as the caller with this token.
    pub fn cmdlet(&self, token: &str, name: &str, parameters: &Value) -> RequestBuilder {
        self.http
            .post(self.invoke_url())
            .bearer_auth(token)
            .header("Accept-Language", "en-US")
            .json(&json!({"CmdletInput": {"CmdletName": name, "Parameters": parameters}}))
    }

    /// The rows of a cmdlet that succeeds, as the set-up identity.
    pub async fn rows(&self, name: &str, parameters: Value) -> Vec<Value> {
        let done = answer(self.cmdlet(&self.admin_token().await, name, &parameters)).await;
        assert_eq!(done.status, StatusCode::OK, "{name} {parameters}: {done:?}");
        done.body["value"].as_array().cloned().unwrap_or_default()
    }

    /// Waits on the tenant's clock.
    pub fn minutes(&self, minutes: i64) {
        self.tenant.clock().advance(jiff::SignedDuration::from_mins(minutes));
    }

    /// Status of a mailbox read over Graph with this token.
    pub async fn opens(&self, token: &str, mailbox: &str) -> u16 {
        let url = format!("{}/v1.0/users/{mailbox}@contoso.example/messages?$top=1", self.tenant.http_url());
        answer(self.http.get(url).bearer_auth(token)).await.status.as_u16()
    }

    /// The same world seen by another app.
    pub async fn sign_in_as(mut self, client: &str, secret: &str) -> Self {
        self.token = self.sign_in(client, secret, GRAPH).await.expect("signs in");
        self
    }
}

pub fn role_id(api: &Value, role: &str) -> Value {
    let roles = api["appRoles"].as_array().expect("roles");
    roles.iter().find(|r| r["value"] == role && r["isEnabled"] == true).expect("known role")["id"].clone()
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.expect("a body");
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer { status, headers, body }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

pub fn code(answer: &Answer) -> String {
    text(&answer.body["error"]["code"])
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine;
    let part = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url"))
        .expect("JSON")
}
