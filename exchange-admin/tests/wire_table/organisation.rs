//! Settings of the organisation, of protocols, and of Exchange Server.

use exchange_admin::cmdlets::*;
use exchange_admin::{Removal, ThrottlingPolicyName};
use serde_json::json;

use crate::case::{Case, Kind, case};
use crate::common::{APP, app, mailbox};

pub(crate) fn cases() -> Vec<Case> {
    settings().into_iter().chain(throttling()).collect()
}

fn settings() -> Vec<Case> {
    let anna = || mailbox("anna@contoso.example");
    let agent = UserAgentPattern::parse("acme-connector/*").unwrap();
    vec![
        case(
            Kind::Lists,
            ListAcceptedDomains::new(),
            json!({}),
            json!([
                {"Name": "contoso.example", "DomainName": "contoso.example", "DomainType": "Authoritative", "Default": true},
                {"Name": "old", "DomainName": "old.example", "DomainType": "InternalRelay", "Default": "False"},
                {"Name": "all", "DomainName": "*", "DomainType": "Sonstige", "Default": null},
            ]),
            |found| {
                assert_eq!((found[0].domain.as_str(), found[0].default), ("contoso.example", true));
                assert_eq!((&found[1].kind, found[1].default), (&DomainKind::InternalRelay, false));
                assert_eq!(found[2].kind, DomainKind::Other("Sonstige".to_owned()));
            },
        ),
        case(Kind::Changes, EnableOrganizationCustomization::new(), json!({}), json!([]), |()| {}),
        case(
            Kind::NeedsARow,
            GetOrganizationConfig::new().with_ews_allowed_apps(),
            json!({"RetrieveEwsOperationAccessPolicy": true}),
            json!([{
                "Name": "contoso", "IsDehydrated": "False", "EwsEnabled": true, "EwsAllowedAppIDs": APP.to_uppercase(),
                "EwsApplicationAccessPolicy": "EnforceAllowList", "EwsAllowList": ["acme-connector/*"], "EwsBlockList": null,
            }]),
            |found| {
                assert_eq!((found.is_dehydrated, found.ews_enabled), (Some(false), Some(true)));
                assert!(found.ews_allowed_apps.as_ref().unwrap().contains(app()));
                assert!(found.ews_agents.pass("acme-connector/2.4") && !found.ews_agents.pass("other"));
            },
        ),
        case(
            Kind::Changes,
            SetOrganizationConfig::new()
                .with_ews(EwsSwitch::Unset)
                .with_ews_allowed_apps([app()].into_iter().collect())
                .with_ews_agent_policy(EwsAgentPolicy::AllowList)
                .with_ews_agent_allowed(&agent),
            json!({
                "EwsEnabled": null, "EwsAllowedAppIDs": APP, "EwsApplicationAccessPolicy": "EnforceAllowList",
                "EwsAllowList": {"@odata.type": "#Exchange.GenericHashTable", "add": ["acme-connector/*"]},
                "Confirm": false,
            }),
            json!([]),
            |()| {},
        ),
        case(
            Kind::NeedsARow,
            GetTransportConfig::new(),
            json!({}),
            json!([{"Name": "Transport Settings", "SmtpClientAuthenticationDisabled": "True"}]),
            |found| assert_eq!(found.smtp_client_authentication_disabled, Some(true)),
        ),
        case(
            Kind::Changes,
            SetTransportConfig::smtp_client_authentication_disabled(true),
            json!({"SmtpClientAuthenticationDisabled": true, "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::ReadsOne,
            GetCasMailbox::new(anna()),
            json!({"Identity": "anna@contoso.example"}),
            json!([{
                "PrimarySmtpAddress": "anna@contoso.example", "Name": "anna", "ImapEnabled": true, "PopEnabled": "False",
                "EwsEnabled": null, "SmtpClientAuthenticationDisabled": null,
            }]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!((found.imap_enabled, found.pop_enabled), (Some(true), Some(false)));
                // Not set at the mailbox: the organisation's setting holds.
                assert_eq!((found.ews_enabled, found.smtp_client_authentication_disabled), (None, None));
            },
        )
        .anchored("SMTP:anna@contoso.example"),
        case(
            Kind::Changes,
            SetCasMailbox::new(anna()).with_imap_enabled(true).with_smtp_client_authentication_disabled(None),
            json!({
                "Identity": "anna@contoso.example", "ImapEnabled": true, "SmtpClientAuthenticationDisabled": null,
                "Confirm": false,
            }),
            json!([]),
            |()| {},
        )
        .anchored("SMTP:anna@contoso.example"),
    ]
}

fn throttling() -> Vec<Case> {
    let name = || ThrottlingPolicyName::parse("Acme EWS").unwrap();
    let service = || mailbox("svc@contoso.example");
    let row = || {
        json!({
            "Name": "Acme EWS", "EwsMaxConcurrency": 27, "EwsMaxBurst": "300000", "EwsRechargeRate": "Unlimited",
            "EwsCutoffBalance": null,
        })
    };
    vec![
        case(
            Kind::ReadsOne,
            GetThrottlingPolicy::new(name()),
            json!({"Identity": "Acme EWS"}),
            json!([row()]),
            |found| {
                let ews = found.as_ref().unwrap().ews;
                assert_eq!(ews.max_concurrency, Some(Budget::Limit(27)));
                assert_eq!(ews.max_burst, Some(Budget::Limit(300_000)));
                assert_eq!((ews.recharge_rate, ews.cutoff_balance), (Some(Budget::Unlimited), None));
            },
        ),
        case(Kind::Lists, ListThrottlingPolicies::new(), json!({}), json!([row()]), |found| {
            assert_eq!(found[0].name, "Acme EWS");
        }),
        case(
            Kind::Creates,
            NewThrottlingPolicy::new(name(), EwsBudget::unlimited()),
            json!({
                "Name": "Acme EWS", "ThrottlingPolicyScope": "Regular", "EwsMaxConcurrency": "Unlimited",
                "EwsMaxBurst": "Unlimited", "EwsRechargeRate": "Unlimited", "EwsCutoffBalance": "Unlimited",
                "EwsMaxSubscriptions": 5000,
            }),
            json!([row()]),
            |made| assert_eq!(made.as_ref().unwrap().name, "Acme EWS"),
        ),
        case(
            Kind::Changes,
            SetThrottlingPolicy::new(
                name(),
                EwsBudget { max_concurrency: Some(Budget::Limit(27)), ..EwsBudget::default() },
            ),
            json!({"Identity": "Acme EWS", "EwsMaxConcurrency": 27, "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveThrottlingPolicy::new(name()),
            json!({"Identity": "Acme EWS", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
        // An account that is not there is not an account without a policy.
        case(
            Kind::ReadsOne,
            GetThrottlingPolicyAssociation::new(service()),
            json!({"Identity": "svc@contoso.example"}),
            json!([{"ObjectId": "x", "Identity": "svc@contoso.example", "ThrottlingPolicyId": "Acme EWS"}]),
            |found| assert_eq!(found.as_deref(), Some("Acme EWS")),
        )
        .absences(&[]),
        case(
            Kind::Changes,
            SetThrottlingPolicyAssociation::new(service(), name()),
            json!({"Identity": "svc@contoso.example", "ThrottlingPolicy": "Acme EWS", "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Changes,
            SetThrottlingPolicyAssociation::to_default(service()),
            json!({"Identity": "svc@contoso.example", "ThrottlingPolicy": null, "Confirm": false}),
            json!([]),
            |()| {},
        ),
    ]
}
