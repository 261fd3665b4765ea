//! The table of cmdlets in README.md is made from the crate's own data. To write it anew after a change:
//! `UPDATE_README=1 cargo test -p exchange-admin --test readme_table`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use common::{address, app, mailbox, object};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, Cmdlet as _, CmdletName, FolderRole, MailboxRight, ManagementRoleName,
    ManagementScopeName, ObjectName, Premises, RecipientFilter, ResourceScope, RoleAssignmentName,
    RoleGroupName, RouteSupport, Step,
};

const BEGIN: &str = "<!-- cmdlets: made by tests/readme_table.rs -->";
const END: &str = "<!-- end of cmdlets -->";

/// The methods that read, compare, and write only what differs.
const ENSURES: [(&str, CmdletName); 13] = [
    ("ensure_application_access_policy", NewApplicationAccessPolicy::NAME),
    ("ensure_ews_allowed_app", SetOrganizationConfig::NAME),
    ("ensure_folder_permission", AddMailboxFolderPermission::NAME),
    ("ensure_group_member", AddDistributionGroupMember::NAME),
    ("ensure_mailbox_permission", AddMailboxPermission::NAME),
    ("ensure_management_role", NewManagementRole::NAME),
    ("ensure_management_role_assignment", NewManagementRoleAssignment::NAME),
    ("ensure_management_scope", NewManagementScope::NAME),
    ("ensure_role_group", NewRoleGroup::NAME),
    ("ensure_security_group", NewDistributionGroup::NAME),
    ("ensure_send_as", AddRecipientPermission::NAME),
    ("ensure_service_principal", NewServicePrincipal::NAME),
    ("ensure_shared_mailbox", NewSharedMailbox::NAME),
];

/// The forms that read before they write, within the script.
fn steps() -> Vec<Step> {
    let name = || ObjectName::parse("a").unwrap();
    let at = || address("a@contoso.example");
    let who = || mailbox("a@contoso.example");
    let scope = || ManagementScopeName::parse("s").unwrap();
    let filter = RecipientFilter::members_of(["CN=a"]).unwrap();
    let assignment = RoleAssignmentName::parse("n").unwrap();
    let group = || RoleGroupName::parse("g").unwrap();
    let reader = || ManagementRoleName::parse("Acme reader").unwrap();
    let parent = || ManagementRoleName::parse("Mail Recipients").unwrap();
    let role = NewManagementRoleAssignment::new(
        assignment,
        object(),
        ApplicationRole::MailRead,
        ResourceScope::Custom(scope()),
    );
    [
        Step::service_principal(&NewServicePrincipal::new(app(), object(), "a")),
        Step::shared_mailbox(&NewSharedMailbox::new(name(), at())),
        Step::mailbox_permission(&AddMailboxPermission::new(who(), object(), MailboxRight::FullAccess)),
        Step::security_group(&NewDistributionGroup::security(name(), at())),
        Step::group_member(&AddDistributionGroupMember::new(who(), who())),
        Step::application_access_policy(&NewApplicationAccessPolicy::new(
            app(),
            who(),
            AccessRight::Restrict,
        )),
        Step::management_scope(&NewManagementScope::new(scope(), filter)),
        Step::management_role_assignment(&role),
        Step::management_role(&NewManagementRole::new(reader(), parent(), [GetMailbox::NAME])),
        Step::management_role_entry(&reader(), GetMailbox::NAME, &BTreeSet::new()),
        Step::role_group(&NewRoleGroup::new(group(), [parent()])),
        Step::role_group_member(&AddRoleGroupMember::new(group(), object())),
        Step::calendar_permission(&at(), &at(), FolderRole::Reviewer),
        Step::send_as(&AddRecipientPermission::send_as(who(), who())),
        Step::ews_allowed_app(app()),
        Step::mailbox_switches(&SetCasMailbox::new(who()).with_imap_enabled(true)),
        Step::organization_switches(&SetOrganizationConfig::new().with_ews(EwsSwitch::On)),
    ]
    .into_iter()
    .collect::<exchange_admin::Result<_>>()
    .unwrap()
}

fn table() -> String {
    let steps = steps();
    let applied: BTreeSet<_> = steps.iter().map(|step| step.apply().name()).collect();
    let checked: BTreeSet<_> = steps.iter().map(|step| step.check().name()).collect();
    let mut table = String::from(
        "| cmdlet | `InvokeCommand`, undocumented | Admin API v2.0, preview | Graph, beta | script | smallest role group | `ensure_…` |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for facts in ALL {
        let name = facts.name.as_str();
        let invoke = match facts.premises {
            Premises::OnPremises => "on premises only",
            _ => "yes",
        };
        let routes = RouteSupport::of(name);
        let cell = |place: Option<&str>| match (place, routes.map_or("", |r| r.limits)) {
            (None, _) => String::new(),
            (Some(place), "") => format!("`{place}`"),
            (Some(place), limits) => format!("`{place}`: {limits}"),
        };
        let script = match (applied.contains(&facts.name), checked.contains(&facts.name)) {
            (true, _) => "step",
            (_, true) => "check of a step",
            _ => "line",
        };
        let ensure = ENSURES.iter().find(|(_, cmdlet)| *cmdlet == facts.name);
        writeln!(
            table,
            "| [{name}]({}) | {invoke} | {} | {} | {script} | {} | {} |",
            facts.page,
            cell(routes.and_then(|r| r.endpoint)),
            cell(routes.and_then(|r| r.graph)),
            facts.role_group,
            ensure.map_or(String::new(), |(method, _)| format!("`{method}`")),
        )
        .unwrap();
    }
    table
}

#[test]
fn the_table_in_the_readme_is_the_crates_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the table");
    let (shown, after) = rest.split_once(END).expect("the mark after the table");
    let made = format!("\n\n{}\n", table());
    if shown == made {
        return;
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    let missing: Vec<_> = made.lines().filter(|line| !shown.contains(*line)).collect();
    let stale: Vec<_> = shown.lines().filter(|line| !made.contains(*line)).collect();
    panic!("README.md lacks {missing:#?} and has {stale:#?}; UPDATE_README=1 writes the table anew");
}

#[test]
fn every_method_that_ensures_is_in_the_table() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ensure");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for (at, begin) in text.match_indices("pub async fn ensure_") {
            let name = text[at + "pub async fn ".len()..].split('(').next().unwrap();
            assert!(begin.ends_with("ensure_"));
            // The same, for a grantee whose names are known.
            found.insert(name.strip_suffix("_of").unwrap_or(name).to_owned());
        }
    }
    let listed: BTreeSet<_> = ENSURES.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn every_form_of_a_step_is_in_the_table() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/script");
    let made: usize = ["step.rs", "step/access.rs", "step/roles.rs"]
        .map(|file| std::fs::read_to_string(directory.join(file)).unwrap())
        .iter()
        .flat_map(|text| text.split("pub fn ").skip(1))
        .filter(|function| function.split('{').next().is_some_and(|head| head.contains("-> Result<Self>")))
        .count();
    assert_eq!(made, steps().len());
}

#[test]
fn every_cmdlet_of_the_route_table_with_a_type_is_spelt_the_same() {
    let names: BTreeSet<_> = ALL.iter().map(|facts| facts.name.as_str()).collect();
    let without_type: Vec<_> =
        RouteSupport::all().iter().map(|row| row.cmdlet).filter(|name| !names.contains(name)).collect();
    assert!(without_type.is_empty(), "{without_type:?}");
}
