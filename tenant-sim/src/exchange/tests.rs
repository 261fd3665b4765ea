use proptest::prelude::*;

use super::*;
use crate::access::effective_access;
use crate::fixture::{APP, APP_OID, GRAPH, OUTLOOK, TENANT, caller, group, mailbox, minutes, start, tenant};
use crate::state::{Application, GroupKind, MailboxKind, Propagation, RoleGroup, ServicePrincipal, Timed};

const ADMIN: &str = "Exchange Administrator";

pub(super) fn admin_tenant() -> State {
    let mut state = tenant(Propagation::instant());
    state.directory.directory_roles.push((APP_OID, ADMIN.to_owned()));
    state
}

fn request(name: &str, parameters: Value) -> Request<Bytes> {
    let mut body = json!({ "CmdletInput": { "CmdletName": name } });
    body["CmdletInput"]["Parameters"] = parameters;
    Request::post(format!("/AdminApi/beta/{TENANT}/InvokeCommand"))
        .header("host", "127.0.0.1:8443")
        .header("x-sim-scheme", "https")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

fn send_at(state: &mut State, request: &Request<Bytes>, now: Timestamp) -> (u16, Value) {
    let app = caller(OUTLOOK, &["Exchange.ManageAsApp"]);
    let response = handle(state, Some(&app), request, now, &mut vec![]);
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

pub(super) fn run(state: &mut State, name: &str, parameters: Value) -> (u16, Value) {
    send_at(state, &request(name, parameters), start())
}

pub(super) fn rows(state: &mut State, name: &str, parameters: Value) -> Vec<Value> {
    let (status, body) = run(state, name, parameters);
    assert_eq!(status, 200, "{name}: {body}");
    body["value"].as_array().unwrap().clone()
}

/// Exception type of a refused cmdlet, without its namespace.
pub(super) fn refusal(state: &mut State, name: &str, parameters: Value) -> String {
    let (status, body) = run(state, name, parameters);
    assert!(status >= 400, "{name}: {body}");
    let message = body["error"]["details"][0]["message"].as_str().unwrap();
    let exception = message.split('|').nth(1).unwrap();
    exception.rsplit('.').next().unwrap().to_owned()
}

#[test]
fn the_ladder_of_rights() {
    let mut state = tenant(Propagation::instant());
    let read = request("Get-Mailbox", json!({}));
    let status = |app: Option<&Caller>, state: &mut State| {
        handle(state, app, &read, start(), &mut vec![]).status().as_u16()
    };
    assert_eq!(status(None, &mut state), 401);
    assert_eq!(status(Some(&caller(GRAPH, &["Exchange.ManageAsApp"])), &mut state), 401);
    assert_eq!(status(Some(&caller(OUTLOOK, &["Exchange.ManageAsAppV2"])), &mut state), 401);
    let app = caller(OUTLOOK, &["Exchange.ManageAsApp"]);
    assert_eq!(status(Some(&app), &mut state), 403);
    state.exchange.role_groups.push(RoleGroup {
        name: "Set-up".to_owned(),
        roles: vec!["View-Only Recipients".to_owned()],
        members: vec![APP_OID],
        write_scope: None,
    });
    assert_eq!(status(Some(&app), &mut state), 200);
    assert_eq!(run(&mut state, "Set-CASMailbox", json!({"Identity": "x"})).0, 403);
}

#[test]
fn trap_unknown_and_unauthorised_cmdlets_answer_nul_bytes() {
    let mut state = admin_tenant();
    let app = caller(OUTLOOK, &["Exchange.ManageAsApp"]);
    let response = handle(&mut state, Some(&app), &request("Get-Nothing", json!({})), start(), &mut vec![]);
    assert_eq!(response.status(), 403);
    assert!(response.body().iter().all(|b| *b == 0) && !response.body().is_empty());
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(response.headers()["x-ms-diagnostics"].to_str().unwrap().starts_with("2000003;reason="));
}

#[test]
fn probe_lists_the_cmdlets_of_this_caller() {
    let mut state = tenant(Propagation::instant());
    state.directory.directory_roles.push((APP_OID, "Helpdesk Administrator".to_owned()));
    let mut probe = request("Get-Mailbox", json!({}));
    probe.headers_mut().insert("CommandName", "*".parse().unwrap());
    let (_, body) = send_at(&mut state, &probe, start());
    let names = body["value"]["exportedCmdlets"].as_array().unwrap();
    assert!(
        names.contains(&json!("Get-MailboxPermission")) && !names.contains(&json!("Add-MailboxPermission"))
    );
}

#[test]
fn trap_parameters_are_checked() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    assert_eq!(refusal(&mut state, "Get-Mailbox", json!({"Foo": 1})), "AmbiguousParameterSetException");
    assert_eq!(refusal(&mut state, "Get-MailboxPermission", json!({})), "ParameterBindingException");
    let (status, body) = run(&mut state, "Get-Mailbox", Value::Null);
    assert_eq!((status, body["error"]["message"].as_str()), (400, Some("Invalid Operation")));
    let path = format!("/adminapi/v1.0/{TENANT}/InvokeCommand");
    let mut old = request("Get-Mailbox", json!({}));
    *old.uri_mut() = path.parse().unwrap();
    assert_eq!(send_at(&mut state, &old, start()).0, 405);
    *old.uri_mut() = "/adminapi/beta/adatum.example/InvokeCommand".parse().unwrap();
    assert_eq!(send_at(&mut state, &old, start()).0, 400);
}

#[test]
fn trap_registration_object_id_is_accepted_and_a_stranger_is_not() {
    let mut state = admin_tenant();
    state.exchange.service_principals.clear();
    let registration = Uuid::from_u128(0xbad);
    state.directory.applications.push(Timed::always(Application {
        id: registration,
        app_id: APP,
        unique_name: None,
        display_name: "Archive".to_owned(),
        sign_in_audience: "AzureADMyOrg".to_owned(),
        required_resource_access: vec![],
        passwords: vec![],
        keys: vec![],
        owners: vec![],
        notes: None,
        tags: vec![],
    }));
    let new = |object: Uuid| json!({"AppId": APP.to_string(), "ObjectId": object.to_string()});
    assert_eq!(
        refusal(&mut state, "New-ServicePrincipal", new(Uuid::from_u128(1))),
        "RecipientTaskException"
    );
    let stranger = json!({"AppId": Uuid::from_u128(2).to_string(), "ObjectId": APP_OID.to_string()});
    assert_eq!(refusal(&mut state, "New-ServicePrincipal", stranger), "RecipientTaskException");
    assert_eq!(rows(&mut state, "New-ServicePrincipal", new(registration)).len(), 1);
    assert_eq!(refusal(&mut state, "New-ServicePrincipal", new(APP_OID)), "ADObjectAlreadyExistsException");
    rows(&mut state, "Remove-ServicePrincipal", json!({"Identity": APP.to_string()}));
    let made = rows(&mut state, "New-ServicePrincipal", new(APP_OID));
    assert_eq!(made[0]["ObjectId"], json!(APP_OID.to_string()));
}

#[test]
fn trap_unknown_identity_lists_every_service_principal() {
    let mut state = admin_tenant();
    for identity in [json!(null), json!("nobody")] {
        assert_eq!(rows(&mut state, "Get-ServicePrincipal", json!({"Identity": identity})).len(), 1);
    }
    assert_eq!(
        refusal(&mut state, "Get-Mailbox", json!({"Identity": "nobody"})),
        "ManagementObjectNotFoundException"
    );
}

#[test]
fn mailbox_permissions_are_added_shown_and_removed() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    let entry = json!({"Identity": "anna@adatum.example", "User": APP.to_string(), "AccessRights": ["FullAccess", "readpermission"], "AutoMapping": false});
    assert_eq!(
        rows(&mut state, "Add-MailboxPermission", entry.clone())[0]["User"],
        json!(APP_OID.to_string())
    );
    let (_, again) = run(&mut state, "Add-MailboxPermission", entry);
    assert!(again["@adminapi.warnings"][0].as_str().unwrap().contains("already present"));
    let shown = rows(&mut state, "Get-MailboxPermission", json!({"Identity": anna.to_string()}));
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["User"], json!("NT AUTHORITY\\SELF"));
    assert_eq!(shown[1]["AccessRights"], json!(["FullAccess", "ReadPermission"]));
    let consented = ["IMAP.AccessAsApp".to_owned()];
    assert!(effective_access(&state, APP_OID, APP, anna, "IMAP.AccessAsApp", &consented));
    let gone = json!({"Identity": "anna", "User": APP_OID.to_string(), "AccessRights": "FullAccess"});
    rows(&mut state, "Remove-MailboxPermission", gone.clone());
    assert!(!effective_access(&state, APP_OID, APP, anna, "IMAP.AccessAsApp", &consented));
    let left =
        rows(&mut state, "Get-MailboxPermission", json!({"Identity": "anna", "User": APP_OID.to_string()}));
    assert_eq!(left[0]["AccessRights"], json!(["ReadPermission"]));
    let (_, body) = run(&mut state, "Remove-MailboxPermission", gone);
    assert!(body["@adminapi.warnings"][0].as_str().unwrap().contains("doesn't exist"));
    let bad = json!({"Identity": "anna", "User": APP.to_string(), "AccessRights": ["Full"]});
    assert_eq!(refusal(&mut state, "Add-MailboxPermission", bad), "ParameterTransformationException");
}

#[test]
fn trap_a_new_group_has_no_distinguished_name_yet() {
    let mut state = admin_tenant();
    state.propagation = Propagation::realistic();
    let anna = mailbox(&mut state, "anna");
    let new = json!({"Name": "Queue", "Type": "Security", "PrimarySmtpAddress": "queue@adatum.example"});
    let made = rows(&mut state, "New-DistributionGroup", new.clone());
    assert_eq!(
        (&made[0]["DistinguishedName"], &made[0]["IsValidSecurityPrincipal"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(state.directory.groups.len(), 1);
    let (_, later) =
        send_at(&mut state, &request("Get-DistributionGroup", json!({"Identity": "queue"})), minutes(1));
    assert!(later["value"][0]["DistinguishedName"].as_str().unwrap().starts_with("CN=Queue,"));
    let member = json!({"Identity": "Queue", "Member": "anna@adatum.example"});
    assert!(rows(&mut state, "Add-DistributionGroupMember", member.clone()).is_empty());
    assert_eq!(
        refusal(&mut state, "Add-DistributionGroupMember", member.clone()),
        "MemberAlreadyExistsException"
    );
    let members = rows(&mut state, "Get-DistributionGroupMember", json!({"Identity": "Queue"}));
    assert_eq!(members[0]["ExternalDirectoryObjectId"], json!(anna.to_string()));
    assert_eq!(state.directory.groups[0].value.members, [anna]);
    rows(&mut state, "Remove-DistributionGroupMember", member.clone());
    assert_eq!(refusal(&mut state, "Remove-DistributionGroupMember", member), "MemberNotFoundException");
    assert_eq!(refusal(&mut state, "New-DistributionGroup", new.clone()), "ProxyAddressExistsException");
    rows(&mut state, "Remove-DistributionGroup", json!({"Identity": "Queue"}));
    assert!(!state.directory.groups[0].is_configured());
    assert_eq!(rows(&mut state, "New-DistributionGroup", new).len(), 1);
}

#[test]
fn shared_mailboxes_are_made_with_their_user() {
    let mut state = admin_tenant();
    let new = json!({"Shared": true, "Name": "Support", "PrimarySmtpAddress": "support@adatum.example"});
    let made = rows(&mut state, "New-Mailbox", new.clone());
    assert_eq!(made[0]["RecipientTypeDetails"], json!("SharedMailbox"));
    assert_eq!(made[0]["ExchangeGuid@odata.type"], json!("#Guid"));
    assert!(!state.directory.users[0].value.account_enabled);
    assert_eq!(refusal(&mut state, "New-Mailbox", new.clone()), "ProxyAddressExistsException");
    rows(&mut state, "Remove-Mailbox", json!({"Identity": "support@adatum.example"}));
    assert!(!state.directory.users[0].is_configured());
    rows(&mut state, "New-Mailbox", new);
    let clash = json!({"Shared": true, "Name": "B", "MicrosoftOnlineServicesID": "b@adatum.example"});
    assert_eq!(refusal(&mut state, "New-Mailbox", clash), "AmbiguousParameterSetException");
    let foreign = json!({"Shared": true, "Name": "B", "PrimarySmtpAddress": "b@contoso.example"});
    assert_eq!(refusal(&mut state, "New-Mailbox", foreign), "NotAcceptedDomainException");
    assert_eq!(refusal(&mut state, "New-Mailbox", json!({"Name": "B"})), "AmbiguousParameterSetException");
}

#[test]
fn trap_no_access_policy_at_all_is_an_error() {
    let mut state = admin_tenant();
    assert_eq!(
        refusal(&mut state, "Get-ApplicationAccessPolicy", json!({})),
        "ManagementObjectNotFoundException"
    );
}

#[test]
fn trap_texts_are_localised_and_types_are_not() {
    let mut state = admin_tenant();
    let mut read = request("Get-ApplicationAccessPolicy", json!({}));
    let message = |body: &Value| body["error"]["details"][0]["message"].as_str().unwrap().to_owned();
    let foreign = message(&send_at(&mut state, &read, start()).1);
    read.headers_mut().insert("Accept-Language", "en-US".parse().unwrap());
    let english = message(&send_at(&mut state, &read, start()).1);
    assert!(english.contains("couldn't be found") && !foreign.contains("couldn't be found"));
    assert_eq!(english.split('|').nth(1), foreign.split('|').nth(1));
}

#[test]
fn access_policies_need_a_security_principal_and_are_tested_ahead_of_enforcement() {
    let mut state = admin_tenant();
    state.propagation = Propagation::realistic();
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    group(&mut state, "queue", &[anna]);
    group(&mut state, "list", &[anna]);
    state.exchange.groups[1].value.kind = GroupKind::Distribution;
    let new = |scope: &str| json!({"AppId": [APP.to_string()], "PolicyScopeGroupId": scope, "AccessRight": "RestrictAccess", "Description": "d"});
    assert_eq!(refusal(&mut state, "New-ApplicationAccessPolicy", new("list")), "RecipientTaskException");
    state.exchange.mailboxes[1].value.kind = MailboxKind::Shared;
    assert_eq!(refusal(&mut state, "New-ApplicationAccessPolicy", new("bert")), "RecipientTaskException");
    let made = rows(&mut state, "New-ApplicationAccessPolicy", new("queue@adatum.example"));
    let identity = made[0]["Identity"].as_str().unwrap().to_owned();
    let queue = &state.exchange.groups[0].value;
    let organisation = state.exchange.organization_id;
    assert_eq!(identity, format!("{organisation}\\{APP}:{};{}", queue.sid, queue.guid));
    assert_eq!(
        refusal(&mut state, "New-ApplicationAccessPolicy", new("queue")),
        "ADObjectAlreadyExistsException"
    );
    let mut verdict = |user: &str| {
        let test = json!({"Identity": user, "AppId": APP.to_string()});
        rows(&mut state, "Test-ApplicationAccessPolicy", test)[0]["AccessCheckResult"].clone()
    };
    assert_eq!((verdict("anna"), verdict("bert")), (json!("Granted"), json!("Denied")));
    let app = caller(GRAPH, &["Mail.Read"]);
    let check =
        |state: &mut State, now| crate::access::check_graph_mailbox(state, &app, bert, &["Mail.Read"], now);
    assert!(check(&mut state, minutes(44)).is_ok(), "enforcement lags behind the test cmdlet");
    assert!(check(&mut state, minutes(45)).is_err());
    rows(&mut state, "Set-ApplicationAccessPolicy", json!({"Identity": identity, "Description": "new"}));
    assert_eq!(rows(&mut state, "Get-ApplicationAccessPolicy", json!({}))[0]["Description"], json!("new"));
    rows(&mut state, "Remove-ApplicationAccessPolicy", json!({"Identity": identity}));
    assert_eq!(
        refusal(&mut state, "Get-ApplicationAccessPolicy", json!({})),
        "ManagementObjectNotFoundException"
    );
}

#[test]
fn the_policy_store_fills_up() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    group(&mut state, "queue", &[anna]);
    let new = |n: usize| json!({"AppId": Uuid::from_u128(n as u128).to_string(), "PolicyScopeGroupId": "queue", "AccessRight": "DenyAccess", "Description": " "});
    for n in 0..300 {
        rows(&mut state, "New-ApplicationAccessPolicy", new(n));
    }
    let (_, body) = run(&mut state, "New-ApplicationAccessPolicy", new(300));
    assert!(body.to_string().contains("The total size of App Access Policies exceeded the limit."));
}

#[test]
fn scopes_and_role_assignments() {
    let mut state = admin_tenant();
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    group(&mut state, "queue", &[anna]);
    let dn = state.exchange.groups[0].value.distinguished_name(state.initial_domain());
    let scope =
        json!({"Name": "Queue scope", "RecipientRestrictionFilter": format!("memberofgroup -EQ '{dn}'")});
    let made = rows(&mut state, "New-ManagementScope", scope.clone());
    assert_eq!(made[0]["RecipientFilter"], json!(format!("MemberOfGroup -eq '{dn}'")));
    assert_eq!(refusal(&mut state, "New-ManagementScope", scope), "ADObjectAlreadyExistsException");
    let broken = json!({"Name": "x", "RecipientRestrictionFilter": "MemberOfGroup"});
    assert_eq!(refusal(&mut state, "New-ManagementScope", broken), "ParsingException");

    let new = json!({"App": APP_OID.to_string(), "Role": "application mail.read", "CustomResourceScope": "queue SCOPE"});
    let made = rows(&mut state, "New-ManagementRoleAssignment", new.clone());
    let name = made[0]["Name"].as_str().unwrap().to_owned();
    assert!(name.len() <= 64 && made[0]["CustomResourceScope"] == json!("Queue scope"));
    assert_eq!(refusal(&mut state, "New-ManagementRoleAssignment", new), "ADObjectAlreadyExistsException");
    let long = json!({"Name": "n".repeat(65), "App": APP_OID.to_string(), "Role": "Application Mail.Send"});
    assert_eq!(refusal(&mut state, "New-ManagementRoleAssignment", long), "DataValidationException");
    let none = json!({"App": APP_OID.to_string(), "Role": "Application IMAP.AccessAsApp"});
    assert_eq!(
        refusal(&mut state, "New-ManagementRoleAssignment", none),
        "ManagementObjectNotFoundException"
    );

    let mut verdicts = |resource: Value| {
        let test = json!({"Identity": APP.to_string(), "Resource": resource});
        rows(&mut state, "Test-ServicePrincipalAuthorization", test)[0]["InScope"].clone()
    };
    assert_eq!((verdicts(json!("anna")), verdicts(json!("bert"))), (json!("True"), json!("False")));
    assert_eq!(verdicts(Value::Null), json!("Not Run"));
    assert!(effective_access(&state, APP_OID, APP, anna, "Mail.Read", &[]));
    assert!(!effective_access(&state, APP_OID, APP, bert, "Mail.Read", &[]));
    let in_use = json!({"Identity": "Queue scope"});
    assert_eq!(
        refusal(&mut state, "Remove-ManagementScope", in_use.clone()),
        "TaskInvalidOperationException"
    );
    rows(
        &mut state,
        "Set-ManagementScope",
        json!({"Identity": "Queue scope", "RecipientRestrictionFilter": "Alias -eq 'bert'"}),
    );
    assert!(effective_access(&state, APP_OID, APP, bert, "Mail.Read", &[]));
    rows(&mut state, "Remove-ManagementRoleAssignment", json!({"Identity": name, "Confirm": false}));
    rows(&mut state, "Remove-ManagementScope", in_use);
    assert!(!effective_access(&state, APP_OID, APP, bert, "Mail.Read", &[]));
}

#[test]
fn trap_without_scope_parameter_a_role_is_organisation_wide() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    let new = json!({"App": APP.to_string(), "Role": "Application Mail.Read"});
    let made = rows(&mut state, "New-ManagementRoleAssignment", new);
    assert_eq!(made[0]["RecipientWriteScope"], json!("Organization"));
    assert!(effective_access(&state, APP_OID, APP, anna, "Mail.Read", &[]));
}

#[test]
fn a_dehydrated_tenant_refuses_scopes_and_assignments_until_enabled_once() {
    let mut state = admin_tenant();
    state.exchange.dehydrated = true;
    let new = json!({"App": APP.to_string(), "Role": "Application Mail.Read"});
    let (_, body) = run(&mut state, "New-ManagementRoleAssignment", new.clone());
    assert!(body.to_string().contains("first need to run the command: Enable-OrganizationCustomization"));
    assert_eq!(rows(&mut state, "Get-OrganizationConfig", json!({}))[0]["IsDehydrated"], json!(true));
    rows(&mut state, "Enable-OrganizationCustomization", json!({}));
    rows(&mut state, "New-ManagementRoleAssignment", new);
    assert_eq!(
        refusal(&mut state, "Enable-OrganizationCustomization", json!({})),
        "TaskInvalidOperationException"
    );
}

#[test]
fn cas_switches_warn_when_nothing_changes() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    rows(&mut state, "Set-CASMailbox", json!({"Identity": "anna", "ImapEnabled": false}));
    assert_eq!(
        rows(&mut state, "Get-CASMailbox", json!({"Identity": "anna"}))[0]["ImapEnabled"],
        json!(false)
    );
    let (_, body) = run(&mut state, "Set-CASMailbox", json!({"Identity": "anna", "ImapEnabled": false}));
    assert!(
        body["@adminapi.warnings"][0].as_str().unwrap().contains("no settings of 'anna' have been modified")
    );
}

#[test]
fn trap_pages_are_posted_again_and_links_expire() {
    let mut state = admin_tenant();
    for n in 0..5 {
        mailbox(&mut state, &format!("user{n}"));
    }
    let mut read = request("Get-Mailbox", json!({"ResultSize": "Unlimited"}));
    read.headers_mut().insert("Prefer", "odata.maxpagesize=2;odata.continue-on-error".parse().unwrap());
    *read.uri_mut() = format!("{}?$select=Name", read.uri()).parse().unwrap();
    let mut names = vec![];
    let mut links = vec![];
    loop {
        let (status, body) = send_at(&mut state, &read, start());
        assert_eq!(status, 200, "{body}");
        for row in body["value"].as_array().unwrap() {
            assert_eq!(row.as_object().unwrap().len(), 1);
            names.push(row["Name"].as_str().unwrap().to_owned());
        }
        let Some(link) = body["@odata.nextLink"].as_str() else { break };
        assert!(link.starts_with("https://127.0.0.1:8443/AdminApi/beta/"), "{link}");
        links.push(link.to_owned());
        *read.uri_mut() = link.parse().unwrap();
    }
    assert_eq!((names.len(), links.len()), (5, 2));
    *read.uri_mut() = links[0].parse().unwrap();
    assert_eq!(send_at(&mut state, &read, minutes(5)).0, 200);
    let (status, body) = send_at(&mut state, &read, minutes(6));
    assert_eq!(status, 400);
    assert!(
        body.to_string().contains("Expired or Invalid pagination request. Default Expiry time is 00:30:00")
    );
    for (anchor, expected) in
        [("APP:SystemMailbox{1}@adatum.example", 400), (&*format!("APP:SystemMailbox{{1}}@{TENANT}"), 200)]
    {
        read.headers_mut().insert("X-AnchorMailbox", anchor.parse().unwrap());
        assert_eq!(send_at(&mut state, &read, start()).0, expected, "{anchor}");
    }
}

#[test]
fn a_result_size_cuts_the_list_and_says_so() {
    let mut state = admin_tenant();
    for n in 0..3 {
        mailbox(&mut state, &format!("user{n}"));
    }
    let (_, body) = run(&mut state, "Get-Mailbox", json!({"ResultSize": 2}));
    assert_eq!(body["value"].as_array().unwrap().len(), 2);
    assert!(
        body["@adminapi.warnings"][0]
            .as_str()
            .unwrap()
            .contains("increase the value for the ResultSize parameter")
    );
}

#[test]
fn trap_a_batch_is_read_by_id_and_successes_without_output_are_absent() {
    let mut state = admin_tenant();
    let anna = mailbox(&mut state, "anna");
    group(&mut state, "queue", &[]);
    let item = |id: &str, name: &str, parameters: Value| {
        json!({"id": id, "method": "POST", "url": format!("https://x.example/adminapi/beta/{TENANT}/InvokeCommand"),
            "body": {"CmdletInput": {"CmdletName": name, "Parameters": parameters}}})
    };
    let member = json!({"Identity": "queue", "Member": anna.to_string()});
    let body = json!({"requests": [
        item("1", "Add-DistributionGroupMember", member.clone()),
        item("2", "Add-DistributionGroupMember", member),
        item("3", "Get-CASMailbox", json!({"Identity": "anna"})),
    ]});
    let mut batch = request("", json!({}));
    *batch.uri_mut() = format!("/adminapi/beta/{TENANT}/$batch").parse().unwrap();
    *batch.body_mut() = Bytes::from(body.to_string());
    let (status, answer) = send_at(&mut state, &batch, start());
    let responses = answer["responses"].as_array().unwrap();
    assert_eq!((status, responses.len()), (200, 2));
    assert_eq!((&responses[0]["id"], &responses[0]["status"]), (&json!("2"), &json!(400)));
    assert_eq!((&responses[1]["id"], &responses[1]["status"]), (&json!("3"), &json!(200)));
    let many: Vec<Value> = (0..11).map(|n| item(&n.to_string(), "Get-CASMailbox", json!({}))).collect();
    *batch.body_mut() = Bytes::from(json!({ "requests": many }).to_string());
    assert_eq!(send_at(&mut state, &batch, start()).0, 400);
}

#[test]
fn the_journal_names_cmdlet_parameters_and_identities() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    let app = caller(OUTLOOK, &["Exchange.ManageAsApp"]);
    let mut journal = vec![];
    let call = request("get-casmailbox", json!({"ResultSize": "Unlimited", "identity": "anna"}));
    handle(&mut state, Some(&app), &call, start(), &mut journal);
    assert_eq!(journal, ["Get-CASMailbox Identity,ResultSize Identity=anna"]);
}

#[test]
fn two_apps_of_one_name_are_ambiguous() {
    let mut state = admin_tenant();
    mailbox(&mut state, "anna");
    let (app_id, id) = (Uuid::from_u128(21), Uuid::from_u128(22));
    state.directory.service_principals.push(Timed::always(ServicePrincipal {
        id,
        app_id,
        display_name: "Archive".to_owned(),
        account_enabled: true,
        app_roles: vec![],
    }));
    let new = json!({"AppId": app_id.to_string(), "ServiceId": id.to_string(), "DisplayName": "Archive"});
    rows(&mut state, "New-ServicePrincipal", new);
    let entry = json!({"Identity": "anna", "User": "Archive", "AccessRights": ["FullAccess"]});
    assert_eq!(refusal(&mut state, "Add-MailboxPermission", entry), "ManagementObjectAmbiguousException");
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!([])),
        Just(json!(["FullAccess", 1])),
        Just(json!({"@odata.type": "#Exchange.GenericHashTable"})),
        prop_oneof![
            Just("anna"),
            Just("queue"),
            Just("*"),
            Just(""),
            Just("RestrictAccess"),
            Just("Application Mail.Read")
        ]
        .prop_map(Value::from),
        Just(json!(APP.to_string())),
        ".{0,20}".prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn no_parameters_break_a_cmdlet(
        which in 0..table::TABLE.len(),
        values in proptest::collection::vec(value(), 12),
        leave in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let mut state = admin_tenant();
        let anna = mailbox(&mut state, "anna");
        group(&mut state, "queue", &[anna]);
        let cmdlet = &table::TABLE[which];
        let parameters: Map<String, Value> = cmdlet
            .parameters
            .iter()
            .zip(values)
            .zip(leave)
            .filter(|((name, _), leave)| name.starts_with('!') || !leave)
            .map(|((name, value), _)| (name.trim_start_matches('!').to_owned(), value))
            .collect();
        let (status, body) = run(&mut state, cmdlet.name, Value::Object(parameters));
        prop_assert!(matches!(status, 200 | 400 | 404), "{} {}", status, body);
        prop_assert_eq!(status == 200, body.get("error").is_none());
    }
}
