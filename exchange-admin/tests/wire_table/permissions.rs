//! Permissions of mailboxes, recipients and folders.

use exchange_admin::cmdlets::*;
use exchange_admin::{
    CalendarSharing, DistinguishedName, FolderAccess, FolderGrantee, FolderIdentity, FolderPath, FolderRole,
    FolderType, Inheritance, MailboxRight, Names, ObjectName, RecipientIdentity, Removal,
};
use serde_json::{Value, json};

use crate::case::{Case, Kind, case};
use crate::common::{OBJECT, address, mailbox, object};
use crate::failures::NO_ENTRY;

const ANNA: &str = "SMTP:anna@contoso.example";
const CALENDAR: &str = "anna@contoso.example:\\Kalender";

pub(crate) fn cases() -> Vec<Case> {
    let of_anna = of_mailboxes().into_iter().chain(of_folders()).map(|case| case.anchored(ANNA));
    of_anna.chain(of_the_directory()).collect()
}

/// Of Exchange Server alone; the call is the same.
fn of_the_directory() -> Vec<Case> {
    let anna = || {
        RecipientIdentity::DistinguishedName(
            DistinguishedName::parse("CN=Anna,OU=Sales,DC=adatum,DC=example").unwrap(),
        )
    };
    let service = || RecipientIdentity::Name(ObjectName::parse("svc-acme").unwrap());
    vec![
        case(
            Kind::Lists,
            GetAdPermission::new(anna()).with_user(service()),
            json!({"Identity": "CN=Anna,OU=Sales,DC=adatum,DC=example", "User": "svc-acme"}),
            json!([
                {"User": "ADATUM\\svc-acme", "ExtendedRights": ["Send-As"], "Deny": false, "IsInherited": "False"},
                {"User": "ADATUM\\svc-acme", "ExtendedRights": ["ms-Exch-EPI-May-Impersonate"], "Deny": "True", "IsInherited": true},
                // Whether it denies was not read.
                {"User": "ADATUM\\svc-acme", "ExtendedRights": null, "Deny": null, "IsInherited": null},
            ]),
            |found| {
                let names = Names::new(["adatum\\SVC-acme"]);
                assert!(found[0].gives(ExtendedRight::SendAs, &names) && !found[0].inherited);
                assert!(!found[0].gives(ExtendedRight::MayImpersonate, &names));
                assert!(found[1].inherited && !found[1].gives(ExtendedRight::MayImpersonate, &names));
                assert!(found[2].deny && found[2].extended_rights.is_empty());
            },
        ),
        case(
            Kind::Changes,
            AddAdPermission::new(anna(), service(), ExtendedRight::MayImpersonate),
            json!({
                "Identity": "CN=Anna,OU=Sales,DC=adatum,DC=example", "User": "svc-acme",
                "AccessRights": ["ExtendedRight"], "ExtendedRights": ["ms-Exch-EPI-May-Impersonate"],
            }),
            json!([{"User": "ADATUM\\svc-acme", "ExtendedRights": ["ms-Exch-EPI-May-Impersonate"], "Deny": false}]),
            |()| {},
        ),
        case(
            Kind::Changes,
            RemoveAdPermission::new(anna(), service(), ExtendedRight::SendAs),
            json!({
                "Identity": "CN=Anna,OU=Sales,DC=adatum,DC=example", "User": "svc-acme",
                "ExtendedRights": ["Send As"], "Confirm": false,
            }),
            json!([]),
            |()| {},
        ),
    ]
}

fn of_mailboxes() -> Vec<Case> {
    let anna = || mailbox("anna@contoso.example");
    vec![
        case(
            Kind::Lists,
            GetMailboxPermission::new(anna()).with_user(object()),
            json!({"Identity": "anna@contoso.example", "User": OBJECT, "ResultSize": "Unlimited"}),
            json!([
                {"User": "NT AUTHORITY\\SELF", "AccessRights": ["FullAccess", "ReadPermission"], "IsInherited": "False"},
                {"User": "Acme", "AccessRights": ["FullAccess"], "IsInherited": "False", "Deny": "False", "InheritanceType": "All"},
            ]),
            |found| {
                assert_eq!(found.len(), 1, "the owner's own entry is left out");
                assert_eq!((found[0].user.as_str(), found[0].deny), ("Acme", false));
                assert_eq!(found[0].rights, [MailboxRight::FullAccess]);
                assert_eq!(found[0].inheritance, Some(Inheritance::All));
            },
        ),
        case(
            Kind::Changes,
            AddMailboxPermission::new(anna(), object(), MailboxRight::FullAccess),
            json!({
                "Identity": "anna@contoso.example", "User": OBJECT, "AccessRights": ["FullAccess"],
                "InheritanceType": "All", "AutoMapping": false,
            }),
            json!([{"User": "Acme", "AccessRights": ["FullAccess"]}]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveMailboxPermission::new(anna(), object(), MailboxRight::FullAccess),
            json!({
                "Identity": "anna@contoso.example", "User": OBJECT, "AccessRights": ["FullAccess"],
                "InheritanceType": "All", "Confirm": false,
            }),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .absences(&[(NO_ENTRY, "AlreadyGone")]),
        case(
            Kind::Lists,
            GetRecipientPermission::new(anna()).with_trustee(object()),
            json!({"Identity": "anna@contoso.example", "Trustee": OBJECT, "ResultSize": "Unlimited"}),
            json!([
                {"Trustee": "Acme", "AccessControlType": "Allow", "AccessRights": ["SendAs"], "IsInherited": "False"},
                {"Trustee": "Bob", "AccessControlType": "Deny", "AccessRights": ["SendAs"], "IsInherited": "True"},
            ]),
            |found| {
                assert!(found[0].send_as && !found[0].deny && !found[0].inherited);
                assert!(found[1].deny && found[1].inherited);
            },
        ),
        case(
            Kind::Changes,
            AddRecipientPermission::send_as(anna(), object()),
            json!({
                "Identity": "anna@contoso.example", "AccessRights": ["SendAs"], "Trustee": OBJECT, "Confirm": false,
            }),
            json!([{"Trustee": "Acme", "AccessRights": ["SendAs"]}]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveRecipientPermission::send_as(anna(), object()),
            json!({
                "Identity": "anna@contoso.example", "AccessRights": ["SendAs"], "Trustee": OBJECT, "Confirm": false,
            }),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .absences(&[]),
    ]
}

fn entry(user: &str, rights: &[&str], flags: &Value) -> Value {
    json!({
        "FolderName": "Kalender", "User": user, "AccessRights": rights, "SharingPermissionFlags": flags,
        "IsValid": true,
    })
}

fn of_folders() -> Vec<Case> {
    let calendar =
        || FolderIdentity::at(mailbox("anna@contoso.example"), FolderPath::parse("Kalender").unwrap());
    let bob = || FolderGrantee::from(address("bob@contoso.example"));
    vec![
        case(
            Kind::Lists,
            GetMailboxFolderPermission::new(calendar()),
            json!({"Identity": CALENDAR, "ResultSize": "Unlimited"}),
            json!([
                entry("Default", &["AvailabilityOnly"], &Value::Null),
                entry("Anonymous", &["None"], &Value::Null),
                entry("Bob", &["Editor"], &json!("Delegate, CanViewPrivateItems")),
                entry("NT:S-1-5-21-1", &["ReadItems", "SomethingNew"], &Value::Null),
            ]),
            |found| {
                assert_eq!(found[0].user, FolderUser::Default);
                assert_eq!(
                    (&found[1].user, &found[1].access),
                    (&FolderUser::Anonymous, &FolderAccess::none())
                );
                assert_eq!(found[2].access, FolderRole::Editor.into());
                assert_eq!(found[2].sharing, Some(CalendarSharing::DelegateWithPrivateItems));
                assert_eq!(found[3].other_rights, ["SomethingNew"]);
            },
        ),
        // One entry: that there is none is an answer.
        case(
            Kind::Lists,
            GetMailboxFolderPermission::new(calendar()).with_user(bob()),
            json!({"Identity": CALENDAR, "User": "bob@contoso.example"}),
            json!([entry("Bob", &["Reviewer"], &Value::Null)]),
            |found| assert_eq!(found[0].access, FolderRole::Reviewer.into()),
        )
        .absences(&[(NO_ENTRY, "[]")]),
        case(
            Kind::Creates,
            AddMailboxFolderPermission::new(calendar(), bob(), FolderRole::Editor)
                .with_sharing(CalendarSharing::DelegateWithPrivateItems),
            json!({
                "Identity": CALENDAR, "User": "bob@contoso.example", "AccessRights": ["Editor"],
                "SharingPermissionFlags": "Delegate,CanViewPrivateItems",
            }),
            json!([entry("Bob", &["Editor"], &json!("Delegate, CanViewPrivateItems"))]),
            |made| assert_eq!(made.as_ref().unwrap().access, FolderRole::Editor.into()),
        ),
        case(
            Kind::Changes,
            SetMailboxFolderPermission::new(calendar(), FolderGrantee::Default, FolderAccess::none()),
            json!({"Identity": CALENDAR, "User": "Default", "AccessRights": ["None"], "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveMailboxFolderPermission::new(calendar(), bob()),
            json!({"Identity": CALENDAR, "User": "bob@contoso.example", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .absences(&[(NO_ENTRY, "AlreadyGone")]),
        case(
            Kind::Removes,
            RemoveMailboxFolderPermission::reset_delegates(calendar()),
            json!({"Identity": CALENDAR, "ResetDelegateUserCollection": true, "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .absences(&[(NO_ENTRY, "AlreadyGone")]),
        case(
            Kind::Lists,
            GetMailboxFolderStatistics::of_calendars(mailbox("anna@contoso.example")),
            json!({"Identity": "anna@contoso.example", "FolderScope": "Calendar"}),
            json!([
                {"Name": "Kalender", "FolderPath": "/Kalender", "FolderType": "Calendar", "FolderId": "LgAAAAB/+Q=="},
                {"Name": "Feiertage", "FolderPath": "/Kalender/Feiertage", "FolderType": "User Created", "FolderId": "LgAAAAB/+R=="},
            ]),
            |found| {
                assert_eq!(found[0].folder_type, FolderType::Calendar);
                let calendar = MailboxFolder::calendar(found.clone()).unwrap();
                assert_eq!((calendar.name.as_str(), calendar.path.as_str()), ("Kalender", "/Kalender"));
            },
        ),
    ]
}
