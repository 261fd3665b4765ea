//! People sign in to the simulated tenant: by device code, by a browser, and by refresh tokens that rotate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use base64::Engine as _;
use jiff::SignedDuration;
use serde_json::Value;
use tenant_sim::{Scenario, SignInError, Tenant};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE: &str = "https://graph.microsoft.com/.default offline_access";
const ADMIN: &str = "dave@contoso.example";

struct Client {
    tenant: Tenant,
    http: reqwest::Client,
    id: String,
}

impl Client {
    async fn new() -> Self {
        let tenant = Tenant::start(Scenario::contoso()).await.unwrap();
        tenant.assign_directory_role(ADMIN, "Global Administrator").unwrap();
        let id = tenant.register_public_client("Set-up tool", &["http://localhost"]).to_string();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { tenant, http, id }
    }

    async fn post(&self, operation: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/organizations/oauth2/v2.0/{operation}", self.tenant.http_url());
        let mut fields = fields.to_vec();
        fields.push(("client_id", &self.id));
        let answer = self.http.post(url).form(&fields).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn start(&self) -> (String, String) {
        let (status, started) = self.post("devicecode", &[("scope", SCOPE)]).await;
        assert_eq!((status, &started["interval"]), (200, &5.into()));
        assert!(started["message"].as_str().unwrap().contains(started["user_code"].as_str().unwrap()));
        let text = |name: &str| started[name].as_str().unwrap().to_owned();
        (text("device_code"), text("user_code"))
    }

    async fn poll(&self, device_code: &str) -> (u16, Value) {
        self.post("token", &[("grant_type", DEVICE), ("device_code", device_code)]).await
    }

    async fn refresh(&self, token: &Value, scope: &str) -> (u16, Value) {
        let token = token["refresh_token"].as_str().unwrap();
        self.post("token", &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)])
            .await
    }

    async fn sign_in(&self, upn: &str) -> Value {
        let (device_code, user_code) = self.start().await;
        self.tenant.approve_device_code(&user_code, upn).unwrap();
        let (status, token) = self.poll(&device_code).await;
        assert_eq!(status, 200, "{token}");
        token
    }
}

fn claims(token: &Value) -> Value {
    let payload = token["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn error(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_device_code_is_pending_until_somebody_answers_and_serves_once() {
    let client = Client::new().await;
    let (device_code, user_code) = client.start().await;
    assert_eq!(error(&client.poll(&device_code).await), (400, "authorization_pending"));
    client.tenant.approve_device_code(&user_code, ADMIN).unwrap();
    let (_, token) = client.poll(&device_code).await;
    let claims = claims(&token);
    assert_eq!(claims["upn"], ADMIN);
    assert!(claims["scp"].as_str().unwrap().contains("Application.ReadWrite.All"));
    assert!(claims.get("roles").is_none() && claims["idtyp"] == "user");
    assert!(claims["wids"].as_array().unwrap().iter().any(|id| id == "62e90394-69f5-4237-9190-012177145e10"));
    assert_eq!(error(&client.poll(&device_code).await), (400, "bad_verification_code"));

    let (declined, user_code) = client.start().await;
    client.tenant.decline_device_code(&user_code).unwrap();
    assert_eq!(error(&client.poll(&declined).await), (400, "authorization_declined"));

    let (expired, user_code) = client.start().await;
    client.tenant.clock().advance(SignedDuration::from_secs(900));
    assert_eq!(error(&client.poll(&expired).await), (400, "expired_token"));
    assert_eq!(client.tenant.approve_device_code(&user_code, ADMIN), Err(SignInError::UnknownCode));
    let (early, user_code) = client.start().await;
    client.tenant.expire_device_code(&user_code).unwrap();
    assert_eq!(error(&client.poll(&early).await), (400, "expired_token"));
}

#[tokio::test]
async fn a_refresh_token_rotates_and_a_used_one_ends_the_family() {
    let client = Client::new().await;
    let first = client.sign_in(ADMIN).await;
    let (status, second) = client.refresh(&first, "https://outlook.office365.com/.default").await;
    assert_eq!((status, &claims(&second)["aud"]), (200, &"https://outlook.office365.com".into()));
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let other = client.sign_in(ADMIN).await;
    let reused = client.refresh(&first, SCOPE).await;
    assert_eq!(error(&reused), (400, "invalid_grant"));
    assert_eq!(reused.1["suberror"], "bad_token");
    assert_eq!(error(&client.refresh(&second, SCOPE).await), (400, "invalid_grant"), "the family is dead");
    let (status, other) = client.refresh(&other, SCOPE).await;
    assert_eq!(status, 200, "another sign-in lives on");
    client.tenant.revoke_sign_ins(ADMIN).unwrap();
    assert_eq!(error(&client.refresh(&other, SCOPE).await), (400, "invalid_grant"));
}

#[tokio::test]
async fn graph_does_for_a_person_what_the_person_may_do() {
    let client = Client::new().await;
    client.tenant.assign_directory_role("carol@contoso.example", "Cloud Application Administrator").unwrap();
    let graph = |method: reqwest::Method, path: &str, token: &Value, body: Value| {
        let url = format!("{}/v1.0{path}", client.tenant.http_url());
        let token = token["access_token"].as_str().unwrap().to_owned();
        let request = client.http.request(method, url).bearer_auth(token).json(&body);
        async move { request.send().await.unwrap() }
    };
    let (admin, carol, bob) = (
        client.sign_in(ADMIN).await,
        client.sign_in("carol@contoso.example").await,
        client.sign_in("bob@contoso.example").await,
    );
    let create = serde_json::json!({"displayName": "x", "signInAudience": "AzureADMyOrg"});
    let post = reqwest::Method::POST;
    assert_eq!(graph(post.clone(), "/applications", &bob, create.clone()).await.status(), 403, "no consent");
    let made = graph(post.clone(), "/applications", &carol, create).await;
    assert_eq!(made.status(), 201);
    let app_id = made.json::<Value>().await.unwrap()["appId"].clone();
    client.tenant.clock().advance(SignedDuration::from_mins(5));
    let principal =
        graph(post.clone(), "/servicePrincipals", &carol, serde_json::json!({ "appId": app_id })).await;
    let principal = principal.json::<Value>().await.unwrap()["id"].clone();
    client.tenant.clock().advance(SignedDuration::from_mins(5));
    let resource = |id: &str| format!("/servicePrincipals(appId='{id}')");
    let get = reqwest::Method::GET;
    for (api, role, by_carol) in [
        ("00000002-0000-0ff1-ce00-000000000000", "5e5addcd-3e8d-4e90-baf5-964efab2b20a", 201),
        ("00000003-0000-0000-c000-000000000000", "810c84a8-4a9e-49e6-bf7d-12d183f40d01", 403),
    ] {
        let found = graph(get.clone(), &resource(api), &carol, Value::Null).await;
        let api = found.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
        let body = serde_json::json!({"principalId": principal, "resourceId": api, "appRoleId": role});
        let path = format!("/servicePrincipals/{api}/appRoleAssignedTo");
        assert_eq!(graph(post.clone(), &path, &carol, body.clone()).await.status(), by_carol);
        if by_carol == 403 {
            assert_eq!(graph(post.clone(), &path, &admin, body).await.status(), 201);
        }
    }
    // A person's token opens no mailbox tenant-wide.
    let mail = graph(get, "/users/ceo@contoso.example/messages", &admin, Value::Null).await;
    assert_eq!(mail.status(), 403);
}

#[tokio::test]
async fn a_browser_brings_a_code_that_needs_its_proof_key_and_serves_once() {
    let client = Client::new().await;
    let (verifier, redirect) = ("v".repeat(43), "http://localhost:53123");
    let challenge = base64::prelude::BASE64_URL_SAFE_NO_PAD
        .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes()));
    let authorize = async |redirect: &str| {
        let url = format!("{}/organizations/oauth2/v2.0/authorize", client.tenant.http_url());
        let query = [
            ("client_id", client.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", redirect),
            ("scope", SCOPE),
            ("state", "s"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        client.http.get(url).query(&query).send().await.unwrap()
    };
    assert_eq!(authorize(redirect).await.status(), 200, "nobody is signed in: the page stays");
    client.tenant.sign_in_browser(Some(ADMIN));
    assert_eq!(authorize("http://attacker.example").await.status(), 400);
    let code = async || {
        let answer = authorize(redirect).await;
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let (base, query) = location.split_once('?').unwrap();
        assert_eq!((answer.status().as_u16(), base), (302, redirect));
        let pairs: std::collections::BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(pairs["state"], "s");
        pairs["code"].clone()
    };
    let redeem = async |code: &str, verifier: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
        ];
        client.post("token", &fields).await
    };
    assert_eq!(error(&redeem(&code().await, "wrong").await), (400, "invalid_grant"));
    let good = code().await;
    let (status, token) = redeem(&good, &verifier).await;
    assert_eq!((status, &claims(&token)["upn"]), (200, &ADMIN.into()));
    assert_eq!(error(&redeem(&good, &verifier).await), (400, "invalid_grant"));
    assert_eq!(error(&client.refresh(&token, SCOPE).await), (400, "invalid_grant"), "a code used twice");
}

#[tokio::test]
async fn an_app_with_a_secret_is_no_public_client() {
    let client = Client::new().await;
    let id = client.tenant.setup_identity().client_id.to_string();
    let client = Client { id, ..client };
    assert_eq!(error(&client.post("devicecode", &[("scope", SCOPE)]).await), (401, "invalid_client"));
    let tools = Client { id: "14d82eec-204b-4c2f-b7e8-296a70dab67e".to_owned(), ..client };
    assert_eq!(tools.post("devicecode", &[("scope", SCOPE)]).await.0, 200);
}
