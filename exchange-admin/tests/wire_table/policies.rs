//! Application access policies and authentication policies.

use exchange_admin::cmdlets::*;
use exchange_admin::{AccessRight, AuthenticationPolicyName, Removal};
use serde_json::{Value, json};

use crate::case::{Case, Kind, case};
use crate::common::{APP, NOT_FOUND, app, mailbox};

const POLICY: &str = "9f8e7d6c-0000-4000-8000-000000000001\\6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d:S-1-5-21-1-2-3-4;aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

fn policy() -> Value {
    json!({
        "Identity": POLICY, "AppId": APP.to_uppercase(), "AccessRight": "RestrictAccess", "ScopeName": "Queues",
        "ScopeIdentity": "Queues20250304", "Description": "Acme reads the queues", "IsValid": "True",
    })
}

pub(crate) fn cases() -> Vec<Case> {
    of_apps().into_iter().chain(of_sign_in()).collect()
}

fn of_apps() -> Vec<Case> {
    let identity = || AccessPolicyIdentity::parse(POLICY).unwrap();
    vec![
        case(
            Kind::ReadsOne,
            GetApplicationAccessPolicy::new(identity()),
            json!({"Identity": POLICY}),
            json!([policy()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!((found.app, found.right), (PolicyApp::App(app()), Some(AccessRight::Restrict)));
                assert_eq!((found.scope_name.as_str(), found.is_valid), ("Queues", Some(true)));
                assert_eq!(found.identity.scope_sid(), Some("S-1-5-21-1-2-3-4"));
            },
        ),
        // That there is none at all arrives as an error.
        case(Kind::Lists, ListApplicationAccessPolicies::new(), json!({}), json!([policy()]), |found| {
            assert_eq!(found[0].description, "Acme reads the queues");
        })
        .absences(&[(NOT_FOUND, "[]")]),
        case(
            Kind::Creates,
            NewApplicationAccessPolicy::new(app(), mailbox("queues@contoso.example"), AccessRight::Restrict)
                .with_description("Acme reads the queues"),
            json!({
                "AppId": [APP], "PolicyScopeGroupId": "queues@contoso.example", "AccessRight": "RestrictAccess",
                "Description": "Acme reads the queues",
            }),
            json!([policy()]),
            |made| assert_eq!(made.as_ref().unwrap().right, Some(AccessRight::Restrict)),
        ),
        case(
            Kind::Changes,
            SetApplicationAccessPolicy::new(identity(), "Executives"),
            json!({"Identity": POLICY, "Description": "Executives", "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveApplicationAccessPolicy::new(identity()),
            json!({"Identity": POLICY, "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
        case(
            Kind::NeedsARow,
            TestApplicationAccessPolicy::new(app(), mailbox("anna@contoso.example")),
            json!({"Identity": "anna@contoso.example", "AppId": APP}),
            json!([{"AppId": APP, "Mailbox": "anna", "MailboxId": "0f3c2b1a-1111-4222-8333-444455556666", "AccessCheckResult": "Denied"}]),
            |check| {
                assert_eq!((&check.result, check.mailbox.as_str()), (&AccessCheckResult::Denied, "anna"));
            },
        ),
    ]
}

fn of_sign_in() -> Vec<Case> {
    let name = || AuthenticationPolicyName::parse("Acme sign-in").unwrap();
    let policy = || {
        json!({
            "Name": "Acme sign-in", "Identity": "Acme sign-in", "AllowBasicAuthSmtp": "True",
            "AllowBasicAuthImap": false, "BlockLegacyAuthRpc": null,
        })
    };
    vec![
        case(
            Kind::ReadsOne,
            GetAuthenticationPolicy::new(name()),
            json!({"Identity": "Acme sign-in"}),
            json!([policy()]),
            |found| {
                let rules = &found.as_ref().unwrap().rules;
                assert_eq!(rules.basic_allowed, [BasicAuthProtocol::Smtp].into());
                assert!(rules.legacy_blocked.is_empty());
            },
        ),
        case(Kind::Lists, ListAuthenticationPolicies::new(), json!({}), json!([policy()]), |found| {
            assert_eq!(found[0].name, "Acme sign-in");
        }),
        case(
            Kind::Creates,
            NewAuthenticationPolicy::new(
                name(),
                SignInRules { basic_allowed: [BasicAuthProtocol::Smtp].into(), ..SignInRules::default() },
            ),
            json!({"Name": "Acme sign-in", "AllowBasicAuthSmtp": true}),
            json!([policy()]),
            |made| assert_eq!(made.as_ref().unwrap().name, "Acme sign-in"),
        ),
        // "Off" must be said: a switch that is left out keeps its state.
        case(
            Kind::Changes,
            SetAuthenticationPolicy::new(name())
                .with_basic_allowed(BasicAuthProtocol::Smtp, true)
                .with_basic_allowed(BasicAuthProtocol::Imap, false),
            json!({
                "Identity": "Acme sign-in", "AllowBasicAuthSmtp": true, "AllowBasicAuthImap": false, "Confirm": false,
            }),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveAuthenticationPolicy::new(name()),
            json!({"Identity": "Acme sign-in", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
    ]
}
