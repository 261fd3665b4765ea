//! Mailboxes, users, groups.

use exchange_admin::cmdlets::*;
use exchange_admin::{AuthenticationPolicyName, ObjectName, RecipientKind, Removal};
use serde_json::{Value, json};

use crate::case::{Case, Kind, case};
use crate::common::{address, mailbox};
use crate::failures::MEMBER_NOT_FOUND;

const ANNA: &str = "SMTP:anna@contoso.example";

fn anna() -> Value {
    json!({
        "UserPrincipalName": "anna@contoso.example", "PrimarySmtpAddress": "a.smith@contoso.example",
        "EmailAddresses": ["SMTP:a.smith@contoso.example", "smtp:anna@contoso.example", "X500:/o=x/cn=anna"],
        "ExternalDirectoryObjectId": "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b",
        "ExchangeGuid": "0f3c2b1a-1111-4222-8333-444455556666", "RecipientTypeDetails": "SharedMailbox",
        "DisplayName": "Anna Smith", "Name": "anna", "Alias": "anna",
    })
}

fn queues() -> Value {
    json!({
        "Name": "Queues", "Alias": "queues", "DisplayName": "Queues",
        "PrimarySmtpAddress": "queues@contoso.example", "EmailAddresses": ["SMTP:queues@contoso.example"],
        "ExternalDirectoryObjectId": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        "Guid": "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee", "Identity": "Queues",
        "DistinguishedName": "CN=Queues,OU=contoso,DC=prod", "RecipientTypeDetails": "MailUniversalSecurityGroup",
    })
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

pub(crate) fn cases() -> Vec<Case> {
    let who = || mailbox("anna@contoso.example");
    mailboxes(who()).into_iter().chain(groups(who())).collect()
}

fn mailboxes(who: exchange_admin::RecipientIdentity) -> Vec<Case> {
    vec![
        case(
            Kind::ReadsOne,
            GetMailbox::new(who.clone()),
            json!({"Identity": "anna@contoso.example"}),
            json!([anna()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!(found.primary_smtp_address.as_str(), "a.smith@contoso.example");
                assert_eq!(found.kind, RecipientKind::SharedMailbox);
                assert_eq!(found.user_principal_name, "anna@contoso.example");
                assert!(found.exchange_guid.is_some() && found.object_id.is_some());
                assert!(found.names().contain("ANNA@contoso.example"));
            },
        ),
        case(Kind::Lists, ListMailboxes::new(), json!({"ResultSize": "Unlimited"}), json!([anna()]), |found| {
            assert_eq!(found.len(), 1);
        }),
        case(
            Kind::Creates,
            NewSharedMailbox::new(name("anna"), address("anna@contoso.example")).with_alias("anna"),
            json!({"Shared": true, "Name": "anna", "Alias": "anna", "PrimarySmtpAddress": "anna@contoso.example"}),
            json!([anna()]),
            |made| assert_eq!(made.as_ref().unwrap().display_name, "Anna Smith"),
        ),
        case(
            Kind::Creates,
            NewResourceMailbox::room(name("Room 1"), address("room1@contoso.example")),
            json!({"Room": true, "Name": "Room 1", "PrimarySmtpAddress": "room1@contoso.example"}),
            json!([{"PrimarySmtpAddress": "room1@contoso.example", "RecipientTypeDetails": "RoomMailbox"}]),
            |made| assert_eq!(made.as_ref().unwrap().kind, RecipientKind::RoomMailbox),
        ),
        case(
            Kind::Changes,
            SetMailbox::new(who.clone())
                .with_send_on_behalf(&mailbox("bob@contoso.example"))
                .with_hidden_from_address_lists(true),
            json!({
                "Identity": "anna@contoso.example",
                "GrantSendOnBehalfTo": {"@odata.type": "#Exchange.GenericHashTable", "add": ["bob@contoso.example"]},
                "HiddenFromAddressListsEnabled": true, "Confirm": false,
            }),
            json!([]),
            |()| {},
        )
        .anchored(ANNA),
        case(
            Kind::Removes,
            RemoveMailbox::new(who.clone()),
            json!({"Identity": "anna@contoso.example", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .anchored(ANNA),
        case(
            Kind::ReadsOne,
            GetUser::new(who.clone()),
            json!({"Identity": "anna@contoso.example"}),
            json!([{
                "UserPrincipalName": "anna@contoso.example", "Name": "anna",
                "AuthenticationPolicy": "Acme sign-in", "RemotePowerShellEnabled": "False",
            }]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!(found.authentication_policy.as_deref(), Some("Acme sign-in"));
                assert_eq!(found.remote_powershell_enabled, Some(false));
            },
        ),
        case(
            Kind::Changes,
            SetUser::with_authentication_policy(
                who.clone(),
                AuthenticationPolicyName::parse("Acme sign-in").unwrap(),
            ),
            json!({"Identity": "anna@contoso.example", "AuthenticationPolicy": "Acme sign-in", "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Changes,
            SetUser::without_authentication_policy(who.clone()),
            json!({"Identity": "anna@contoso.example", "AuthenticationPolicy": null, "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::ReadsOne,
            GetRecipient::new(who),
            json!({"Identity": "anna@contoso.example"}),
            json!([{
                "Name": "anna", "DisplayName": "Anna Smith", "PrimarySmtpAddress": "a.smith@contoso.example",
                "EmailAddresses": ["SMTP:a.smith@contoso.example", "smtp:anna@contoso.example"],
                "Guid": "0f3c2b1a-1111-4222-8333-444455556666", "RecipientTypeDetails": "UserMailbox",
                "DistinguishedName": "CN=anna,OU=contoso,DC=prod", "IsValidSecurityPrincipal": true,
            }]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!((found.name.as_str(), found.kind.clone()), ("anna", RecipientKind::UserMailbox));
                assert_eq!(found.is_valid_security_principal, Some(true));
                assert_eq!(found.distinguished_name, "CN=anna,OU=contoso,DC=prod");
            },
        ),
    ]
}

fn groups(who: exchange_admin::RecipientIdentity) -> Vec<Case> {
    let group = || mailbox("queues@contoso.example");
    vec![
        case(
            Kind::ReadsOne,
            GetDistributionGroup::new(group()),
            json!({"Identity": "queues@contoso.example"}),
            json!([queues()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert!(found.is_security_group() && found.object_id.is_some());
                assert_eq!(found.distinguished_name, "CN=Queues,OU=contoso,DC=prod");
            },
        ),
        case(
            Kind::Lists,
            ListDistributionGroups::new(),
            json!({"ResultSize": "Unlimited"}),
            json!([queues()]),
            |found| assert_eq!(found[0].name, "Queues"),
        ),
        case(
            Kind::Creates,
            NewDistributionGroup::security(name("Queues"), address("queues@contoso.example")),
            json!({
                "Type": "Security", "Name": "Queues", "PrimarySmtpAddress": "queues@contoso.example",
                "MemberJoinRestriction": "Closed",
            }),
            json!([queues()]),
            |made| assert_eq!(made.as_ref().unwrap().name, "Queues"),
        ),
        case(
            Kind::Removes,
            RemoveDistributionGroup::new(group()),
            json!({
                "Identity": "queues@contoso.example", "BypassSecurityGroupManagerCheck": true, "Confirm": false,
            }),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
        case(
            Kind::Lists,
            GetDistributionGroupMember::new(group()),
            json!({"Identity": "queues@contoso.example", "ResultSize": "Unlimited"}),
            json!([{"Name": "anna", "RecipientTypeDetails": "UserMailbox", "PrimarySmtpAddress": "anna@contoso.example"}]),
            |found| assert_eq!(found[0].name, "anna"),
        ),
        case(
            Kind::Lists,
            GetDynamicDistributionGroupMember::new(mailbox("everybody@contoso.example")),
            json!({"Identity": "everybody@contoso.example", "ResultSize": "Unlimited"}),
            json!([
                {"Name": "anna", "RecipientTypeDetails": "UserMailbox", "PrimarySmtpAddress": "anna@contoso.example"},
                {"Name": "partner", "RecipientTypeDetails": "MailContact", "PrimarySmtpAddress": "p@fabrikam.example"},
            ]),
            |found| {
                assert_eq!(found[0].kind, RecipientKind::UserMailbox);
                assert_eq!(found[1].primary_smtp_address.as_ref().unwrap().as_str(), "p@fabrikam.example");
            },
        ),
        case(
            Kind::Changes,
            AddDistributionGroupMember::new(group(), who.clone()),
            json!({
                "Identity": "queues@contoso.example", "Member": "anna@contoso.example",
                "BypassSecurityGroupManagerCheck": true,
            }),
            json!([]),
            |()| {},
        ),
        // A group that is not there is no member that is gone.
        case(
            Kind::Removes,
            RemoveDistributionGroupMember::new(group(), who),
            json!({
                "Identity": "queues@contoso.example", "Member": "anna@contoso.example",
                "BypassSecurityGroupManagerCheck": true, "Confirm": false,
            }),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .absences(&[(MEMBER_NOT_FOUND, "AlreadyGone")]),
    ]
}
