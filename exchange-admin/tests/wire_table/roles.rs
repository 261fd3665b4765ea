//! Service principals, scopes, roles, role groups.

use exchange_admin::cmdlets::*;
use exchange_admin::{
    ApplicationRole, Cmdlet as _, GrantedScope, ManagementRoleName, ManagementScopeName, Names,
    RecipientFilter, Removal, ResourceScope, RoleAssignmentName, RoleGroupName,
};
use serde_json::{Value, json};

use crate::case::{Case, Kind, case};
use crate::common::{APP, OBJECT, app, mailbox, object};
use crate::failures::MEMBER_NOT_FOUND;

const FILTER: &str = "MemberOfGroup -eq 'CN=Queue''s,OU=contoso,DC=prod'";

fn pointer() -> Value {
    json!({"AppId": APP.to_uppercase(), "ObjectId": OBJECT, "DisplayName": "Acme", "Identity": OBJECT, "Sid": "S-1-5-21-9"})
}

fn scope_row() -> Value {
    json!({
        "Name": "Acme queues", "Identity": "Acme queues", "RecipientFilter": FILTER, "Exclusive": "False",
        "ScopeRestrictionType": "RecipientScope", "RecipientRoot": null,
    })
}

fn assignment_row() -> Value {
    json!({
        "Name": "Acme Mail.Read", "Role": "Application Mail.Read", "App": OBJECT, "RoleAssigneeName": OBJECT,
        "RoleAssigneeType": "ServicePrincipal", "CustomResourceScope": "Acme queues",
        "RecipientWriteScope": "CustomRecipientScope", "Enabled": "True",
    })
}

pub(crate) fn cases() -> Vec<Case> {
    [apps(), scopes(), assignments(), groups(), roles(), holders()].into_iter().flatten().collect()
}

fn apps() -> Vec<Case> {
    vec![
        case(
            Kind::ReadsOne,
            GetServicePrincipal::of_app(app()),
            json!({"Identity": APP}),
            json!([pointer()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!((found.app_id, found.object_id), (app(), object()));
                assert_eq!(found.sid.as_deref(), Some("S-1-5-21-9"));
            },
        ),
        // Older rings call the object's id ServiceId.
        case(
            Kind::ReadsOne,
            GetServicePrincipal::of_object(object()),
            json!({"Identity": OBJECT}),
            json!([{"AppId": APP, "ServiceId": OBJECT, "ObjectId": null, "DisplayName": "Acme"}]),
            |found| assert_eq!(found.as_ref().unwrap().object_id, object()),
        ),
        case(Kind::Lists, ListServicePrincipals::new(), json!({}), json!([pointer()]), |found| {
            assert_eq!(found[0].display_name, "Acme");
        }),
        case(
            Kind::Creates,
            NewServicePrincipal::new(app(), object(), "Acme"),
            json!({"AppId": APP, "ObjectId": OBJECT, "DisplayName": "Acme"}),
            json!([pointer()]),
            |made| assert_eq!(made.as_ref().unwrap().object_id, object()),
        ),
        case(
            Kind::Removes,
            RemoveServicePrincipal::new(object()),
            json!({"Identity": OBJECT, "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
        case(
            Kind::Lists,
            TestServicePrincipalAuthorization::new(object()).with_resource(mailbox("anna@contoso.example")),
            json!({"Identity": OBJECT, "Resource": "anna@contoso.example"}),
            json!([
                {"RoleName": "Application Mail.Read", "GrantedPermissions": "Mail.Read", "AllowedResourceScope": "Acme queues",
                 "ScopeType": "CustomRecipientScope", "InScope": "True"},
                {"RoleName": "Application Mail Full Access", "GrantedPermissions": "Mail.ReadWrite, Mail.Send",
                 "AllowedResourceScope": "Organization", "ScopeType": "Organization", "InScope": "Not Run"},
            ]),
            |found| {
                assert_eq!(
                    (found[0].role, &found[0].in_scope),
                    (Some(ApplicationRole::MailRead), &InScope::Yes)
                );
                assert_eq!(found[1].granted_permissions, ["Mail.ReadWrite", "Mail.Send"]);
                assert_eq!(found[1].in_scope, InScope::NotRun);
            },
        ),
    ]
}

fn scopes() -> Vec<Case> {
    let name = || ManagementScopeName::parse("Acme queues").unwrap();
    let filter = || RecipientFilter::parse(FILTER).unwrap();
    vec![
        case(
            Kind::ReadsOne,
            GetManagementScope::new(name()),
            json!({"Identity": "Acme queues"}),
            json!([scope_row()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!(found.filter, Some(RecipientFilter::parse(FILTER).unwrap()));
                assert!(!found.exclusive);
            },
        ),
        case(Kind::Lists, ListManagementScopes::new(), json!({}), json!([scope_row()]), |found| {
            assert_eq!(found[0].name, "Acme queues");
        }),
        case(
            Kind::Creates,
            NewManagementScope::new(name(), filter()),
            json!({"Name": "Acme queues", "RecipientRestrictionFilter": FILTER}),
            json!([scope_row()]),
            |made| assert!(made.is_some()),
        ),
        case(
            Kind::Changes,
            SetManagementScope::new(name(), filter()),
            json!({"Identity": "Acme queues", "RecipientRestrictionFilter": FILTER, "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveManagementScope::new(name()),
            json!({"Identity": "Acme queues", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
    ]
}

fn assignments() -> Vec<Case> {
    let name = || RoleAssignmentName::parse("Acme Mail.Read").unwrap();
    let scope = || ManagementScopeName::parse("Acme queues").unwrap();
    vec![
        case(
            Kind::ReadsOne,
            GetManagementRoleAssignment::new(name()),
            json!({"Identity": "Acme Mail.Read"}),
            json!([assignment_row()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!(found.role, Some(ApplicationRole::MailRead));
                assert_eq!(found.scope, GrantedScope::Custom("Acme queues".to_owned()));
                assert!(found.enabled && found.assignees.iter().all(|a| a == OBJECT));
            },
        ),
        case(
            Kind::Lists,
            ListManagementRoleAssignments::of_app(object()),
            json!({"RoleAssignee": OBJECT}),
            json!([assignment_row(), {"Name": "b", "Role": "Application Mail.Send", "RecipientWriteScope": "Organization", "Enabled": "False"}]),
            |found| assert_eq!((&found[1].scope, found[1].enabled), (&GrantedScope::Organization, false)),
        ),
        case(
            Kind::Creates,
            NewManagementRoleAssignment::new(
                name(),
                object(),
                ApplicationRole::MailRead,
                ResourceScope::Custom(scope()),
            ),
            json!({
                "Name": "Acme Mail.Read", "App": OBJECT, "Role": "Application Mail.Read",
                "CustomResourceScope": "Acme queues",
            }),
            json!([assignment_row()]),
            |made| assert_eq!(made.as_ref().unwrap().name, "Acme Mail.Read"),
        ),
        case(
            Kind::Creates,
            NewManagementRoleAssignment::new(
                name(),
                object(),
                ApplicationRole::MailRead,
                ResourceScope::Group(mailbox("queues@contoso.example")),
            ),
            json!({
                "Name": "Acme Mail.Read", "App": OBJECT, "Role": "Application Mail.Read",
                "RecipientGroupScope": "queues@contoso.example",
            }),
            json!([{"Name": "Acme Mail.Read", "Role": "Application Mail.Read", "RecipientGroupScope": "Queues", "RecipientWriteScope": "Group"}]),
            |made| assert_eq!(made.as_ref().unwrap().scope, GrantedScope::Group("Queues".to_owned())),
        ),
        // A role of Exchange Server; the call is the same.
        case(
            Kind::Creates,
            NewImpersonationAssignment::to_user(
                name(),
                mailbox("svc@contoso.example"),
                ImpersonationScope::Custom(scope()),
            ),
            json!({
                "Name": "Acme Mail.Read", "Role": "ApplicationImpersonation", "User": "svc@contoso.example",
                "CustomRecipientWriteScope": "Acme queues",
            }),
            json!([{
                "Name": "Acme Mail.Read", "Role": "ApplicationImpersonation", "RoleAssigneeName": "svc",
                "RecipientWriteScope": "CustomRecipientScope", "CustomRecipientWriteScope": "Acme queues",
            }]),
            |made| {
                let made = made.as_ref().unwrap();
                assert_eq!((made.role, made.role_name.as_str()), (None, "ApplicationImpersonation"));
                assert_eq!(made.scope, GrantedScope::Custom("Acme queues".to_owned()));
            },
        ),
        case(
            Kind::Removes,
            RemoveManagementRoleAssignment::new(name()),
            json!({"Identity": "Acme Mail.Read", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
    ]
}

fn groups() -> Vec<Case> {
    let name = || RoleGroupName::parse("Acme set-up").unwrap();
    let row = || {
        json!({
            "Name": "Acme set-up", "Roles": ["contoso.example/Roles/Mail Recipients", "Role Management"],
            "Members": ["Acme"], "Description": "Sets up Acme",
        })
    };
    vec![
        case(
            Kind::ReadsOne,
            GetRoleGroup::new(name()),
            json!({"Identity": "Acme set-up"}),
            json!([row()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!(found.roles, ["Mail Recipients", "Role Management"]);
                assert_eq!(found.members, ["Acme"]);
            },
        ),
        case(Kind::Lists, ListRoleGroups::new(), json!({}), json!([row()]), |found| {
            assert_eq!(found[0].name, "Acme set-up");
        }),
        case(
            Kind::Creates,
            NewRoleGroup::new(name(), [ManagementRoleName::parse("Mail Recipients").unwrap()])
                .with_member(object()),
            json!({"Name": "Acme set-up", "Roles": ["Mail Recipients"], "Members": [OBJECT]}),
            json!([row()]),
            |made| assert_eq!(made.as_ref().unwrap().name, "Acme set-up"),
        ),
        case(
            Kind::Removes,
            RemoveRoleGroup::new(name()),
            json!({"Identity": "Acme set-up", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
        case(
            Kind::Lists,
            GetRoleGroupMember::new(name()),
            json!({"Identity": "Acme set-up", "ResultSize": "Unlimited"}),
            json!([{"Name": OBJECT, "DisplayName": "Acme", "RecipientType": "ServicePrincipal", "AppId": APP}]),
            |found| {
                assert!(found[0].is(APP) && found[0].is("acme"));
                assert_eq!(found[0].kind, "ServicePrincipal");
            },
        ),
        case(
            Kind::Changes,
            AddRoleGroupMember::new(name(), object()),
            json!({"Identity": "Acme set-up", "Member": OBJECT}),
            json!([]),
            |()| {},
        ),
        // A role group that is not there is no member that is gone.
        case(
            Kind::Removes,
            RemoveRoleGroupMember::new(name(), object()),
            json!({"Identity": "Acme set-up", "Member": OBJECT, "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        )
        .absences(&[(MEMBER_NOT_FOUND, "AlreadyGone")]),
        case(
            Kind::Lists,
            GetManagementRole::with_parameters(SetOrganizationConfig::NAME, &["EwsAllowedAppIDs"]),
            json!({"Cmdlet": "Set-OrganizationConfig", "CmdletParameters": ["EwsAllowedAppIDs"]}),
            json!([{"Name": "Organization Configuration", "RoleType": "OrganizationConfiguration"}]),
            |found| assert_eq!(found[0].role_type, "OrganizationConfiguration"),
        ),
    ]
}

fn roles() -> Vec<Case> {
    let name = || ManagementRoleName::parse("Acme reader").unwrap();
    let parent = || ManagementRoleName::parse("Mail Recipients").unwrap();
    let row = || {
        json!({
            "Name": "Acme reader", "RoleType": "MailRecipients", "Description": "Reads",
            "Parent": "contoso.example\\Mail Recipients", "IsRootRole": "False", "IsEndUserRole": false,
        })
    };
    let entry = |cmdlet: &str, parameters: &Value| json!({"Role": "Acme reader", "Name": cmdlet, "Parameters": parameters, "Type": "Cmdlet"});
    // Their names come from commands alone.
    let parameters = || {
        let list = GetDistributionGroupMember::new(mailbox("g@contoso.example")).command().unwrap();
        list.parameters().iter().map(|(name, _)| *name).collect::<Vec<_>>()
    };
    vec![
        case(
            Kind::ReadsOne,
            FindManagementRole::new(name()),
            json!({"Identity": "Acme reader"}),
            json!([row()]),
            |found| {
                let found = found.as_ref().unwrap();
                assert_eq!(found.parent.as_deref(), Some("Mail Recipients"));
                assert_eq!(found.role_type, "MailRecipients");
            },
        ),
        case(
            Kind::Creates,
            NewManagementRole::new(name(), parent(), [GetMailbox::NAME, GetUser::NAME])
                .with_description("Reads"),
            json!({
                "Name": "Acme reader", "Parent": "Mail Recipients", "EnabledCmdlets": ["Get-Mailbox", "Get-User"],
                "Description": "Reads",
            }),
            json!([row()]),
            |made| assert_eq!(made.as_ref().unwrap().name, "Acme reader"),
        ),
        case(
            Kind::Removes,
            RemoveManagementRole::new(name()),
            json!({"Identity": "Acme reader", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
        // A role that is not there is not a role without entries.
        case(
            Kind::Lists,
            GetManagementRoleEntry::of_role(name()),
            json!({"Identity": "Acme reader\\*", "ResultSize": "Unlimited"}),
            json!([
                entry("Get-Mailbox", &json!(["Identity", "resultsize"])),
                entry("Get-User", &Value::Null),
            ]),
            |found| {
                assert!(found[0].is_of(GetMailbox::NAME) && !found[0].is_of(GetUser::NAME));
                assert_eq!((found[0].role.as_str(), found[0].parameters.len()), ("Acme reader", 2));
                assert!(found[1].permits_exactly(&[].into()));
            },
        ),
        case(
            Kind::Changes,
            AddManagementRoleEntry::new(name(), GetMailbox::NAME, parameters()),
            json!({"Identity": "Acme reader\\Get-Mailbox", "Parameters": ["Identity", "ResultSize"]}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Changes,
            SetManagementRoleEntry::new(name(), GetMailbox::NAME, parameters()),
            json!({
                "Identity": "Acme reader\\Get-Mailbox", "Parameters": ["Identity", "ResultSize"], "Confirm": false,
            }),
            json!([]),
            |()| {},
        ),
        // No parameter at all is said, not left out: that would leave what there is.
        case(
            Kind::Changes,
            SetManagementRoleEntry::new(name(), GetMailbox::NAME, []),
            json!({"Identity": "Acme reader\\Get-Mailbox", "Parameters": null, "Confirm": false}),
            json!([]),
            |()| {},
        ),
        case(
            Kind::Removes,
            RemoveManagementRoleEntry::new(name(), GetMailbox::NAME),
            json!({"Identity": "Acme reader\\Get-Mailbox", "Confirm": false}),
            json!([]),
            |removal| assert_eq!(*removal, Removal::Removed),
        ),
    ]
}

fn holders() -> Vec<Case> {
    let role = || ManagementRoleName::parse("Mail Recipients").unwrap();
    let row = || {
        json!({
            "Name": "Mail Recipients-Acme set-up", "Role": "Mail Recipients", "RoleAssigneeName": "Acme set-up",
            "RoleAssigneeType": "RoleGroup", "RecipientWriteScope": "CustomRecipientScope",
            "CustomRecipientWriteScope": "Acme queues", "Enabled": true,
        })
    };
    vec![
        case(
            Kind::Lists,
            ListRoleAssignments::of_role(role()),
            json!({"Role": "Mail Recipients", "Delegating": false}),
            json!([row()]),
            |found| {
                assert_eq!((found[0].role, found[0].role_name.as_str()), (None, "Mail Recipients"));
                assert_eq!(found[0].assignees, ["Acme set-up"]);
                assert_eq!(found[0].scope, GrantedScope::Custom("Acme queues".to_owned()));
            },
        ),
        case(
            Kind::Lists,
            ListRoleAssignments::of_role_group(RoleGroupName::parse("Acme set-up").unwrap()),
            json!({"RoleAssignee": "Acme set-up", "Delegating": false}),
            json!([row(), {"Name": "b", "Role": "Role Management", "RoleAssigneeName": "Others", "Enabled": true}]),
            |found| {
                let own = Names::new(["Acme set-up"]);
                assert!(found[0].is_of(&own) && !found[1].is_of(&own), "others' come with it");
            },
        ),
        case(
            Kind::Lists,
            ListEffectiveRoleUsers::of_role(role()),
            json!({"Role": "Mail Recipients", "Delegating": false, "GetEffectiveUsers": true}),
            json!([{
                "Name": "Mail Recipients-Acme set-up", "Role": "Mail Recipients", "RoleAssigneeName": "Acme set-up",
                "EffectiveUserName": "Kim", "Enabled": "False",
            }]),
            |found| {
                assert_eq!(found[0].user, "Kim");
                assert!(!found[0].assignment.enabled);
            },
        ),
    ]
}
