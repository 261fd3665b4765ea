//! Whole scripts, read by a second implementation of PowerShell's lexical rules: whatever a name holds, the script keeps its
//! shape, and the name comes out as a string's value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{address, app, mailbox, object};
use exchange_admin::cmdlets::*;
use exchange_admin::{
    AccessRight, ApplicationRole, FolderRole, MailboxRight, ManagementRoleName, ManagementScopeName,
    ObjectName, OnPremisesGrant, OnPremisesMailboxes, OnPremisesScope, OnPremisesScript, OrganizationalUnit,
    RecipientFilter, ResourceScope, Result, RoleAssignmentName, RoleGroupName, Script, Shell, Step,
    ThrottlingPolicyName,
};
use proptest::prelude::*;

/// What PowerShell's scanner sees. Texts of comments and of single-quoted strings are apart from the shape.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    /// Everything else, verbatim, with a mark where a string or a comment was.
    shape: String,
    strings: Vec<String>,
}

const SINGLE: &str = "'\u{2018}\u{2019}\u{201A}\u{201B}";
const DOUBLE: &str = "\"\u{201C}\u{201D}\u{201E}";

fn read(script: &str) -> Read {
    let chars: Vec<char> = script.chars().collect();
    let mut out = Read { shape: String::new(), strings: Vec::new() };
    let end = statements(&chars, 0, None, &mut out);
    assert_eq!(end, chars.len(), "the script ends before its end");
    out
}

/// Reads up to the closing bracket that ends a sub-expression, or to the end.
fn statements(chars: &[char], mut at: usize, until: Option<char>, out: &mut Read) -> usize {
    let mut open: Vec<char> = Vec::new();
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied();
        if c == '<' && next == Some('#') {
            at += 2;
            while !(chars[at] == '#' && chars[at + 1] == '>') {
                at += 1;
            }
            at += 2;
            out.shape.push_str("<##>");
        } else if c == '#' && (at == 0 || " \n;{}()".contains(chars[at - 1])) {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
            out.shape.push('#');
        } else if c == '@' && next.is_some_and(|n| SINGLE.contains(n) || DOUBLE.contains(n)) {
            panic!("a here-string");
        } else if SINGLE.contains(c) {
            at = single(chars, at + 1, out);
        } else if DOUBLE.contains(c) {
            at = double(chars, at + 1, out);
        } else if c == '`' {
            // Only ever the end of a line of ours.
            assert_eq!(next, Some('\n'), "an escape outside of strings");
            out.shape.push('`');
            at += 1;
        } else {
            match c {
                '(' => open.push(')'),
                '{' => open.push('}'),
                '[' => open.push(']'),
                ')' | '}' | ']' => match open.pop() {
                    Some(wanted) => assert_eq!(c, wanted, "brackets do not pair: {}", out.shape),
                    None if Some(c) == until => return at + 1,
                    None => panic!("a bracket too many: {}", out.shape),
                },
                _ => assert!(c.is_ascii(), "{c:?} outside of strings and comments"),
            }
            out.shape.push(c);
            at += 1;
        }
    }
    assert!(open.is_empty() && until.is_none(), "a bracket is open at the end");
    at
}

fn single(chars: &[char], mut at: usize, out: &mut Read) -> usize {
    let mut value = String::new();
    loop {
        let c = chars[at];
        if SINGLE.contains(c) {
            match chars.get(at + 1) {
                Some(&twin) if SINGLE.contains(twin) => {
                    value.push(twin);
                    at += 2;
                    continue;
                }
                _ => break,
            }
        }
        value.push(c);
        at += 1;
    }
    out.strings.push(value);
    out.shape.push_str("''");
    at + 1
}

/// Our own texts only, with variables and sub-expressions in them.
fn double(chars: &[char], mut at: usize, out: &mut Read) -> usize {
    out.shape.push('"');
    loop {
        let c = chars[at];
        if DOUBLE.contains(c) {
            if chars.get(at + 1).is_some_and(|n| DOUBLE.contains(*n)) {
                out.shape.push_str("\"\"");
                at += 2;
                continue;
            }
            out.shape.push('"');
            return at + 1;
        }
        if c == '`' {
            panic!("an escape inside of a string of ours");
        }
        if c == '$' && chars.get(at + 1) == Some(&'(') {
            out.shape.push_str("$(");
            at = statements(chars, at + 2, Some(')'), out);
            out.shape.push(')');
            continue;
        }
        assert!(c.is_ascii(), "{c:?} in a string of ours");
        out.shape.push(c);
        at += 1;
    }
}

/// Two scripts of the same shape, whatever the name; and the name is a value in the hostile one.
fn same_shape(name: &str, render: impl Fn(&str) -> Result<String>) {
    let plain = render("Acme").unwrap();
    // A name that no script may hold is refused, and then there is nothing to read.
    let Ok(hostile) = render(name) else { return };
    let (plain, hostile) = (read(&plain), read(&hostile));
    assert_eq!(plain.shape, hostile.shape, "{name}");
    assert_eq!(plain.strings.len(), hostile.strings.len());
    let differing: Vec<_> = plain.strings.iter().zip(&hostile.strings).filter(|(a, b)| a != b).collect();
    assert!(name.trim() == "Acme" || !differing.is_empty());
    for (plain, hostile) in differing {
        // The second level of quotes is OPATH's, which doubles the ASCII one alone; a filter is compared without blanks and
        // parentheses.
        let bare = |text: &str| {
            text.chars().filter(|c| !c.is_whitespace() && !"()".contains(*c)).collect::<String>()
        };
        let fits = |name: &str| bare(&plain.replace("Acme", name)) == bare(hostile);
        assert!(fits(name.trim()) || fits(&name.trim().replace('\'', "''")), "{plain}\n{hostile}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "'", "\u{2018}", "\u{2019}", "\u{201A}", "\u{201B}", "\"", "\u{201C}", "\u{201D}", "\u{201E}", "`", "`'", "``",
            "$(Remove-Mailbox b)", "${x}", "$_", "; Remove-Mailbox b; ", "#>", "<#", " # ", "@'", "'@", "@\"", "\"@", "O\u{2019}Brien",
            "\u{2013}", "\u{2014}", "\\", "{", "}", "(", ")", "[", "]", "|", "&", "%", "''", "$$NAME$$", "$$ON$$", "$$SCOPE$$", "$$", "\u{FF07}",
        ])
        .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\n", "\r\n", "\t", "\0", "\u{202E}", "\u{2066}", "\u{2028}", "\u{FEFF}"]).prop_map(str::to_owned),
        3 => "[a-zA-Z0-9äß漢 ]{1,6}",
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

fn on_premises(name: &str) -> Result<String> {
    let scope = ManagementScopeName::parse(name)?;
    OnPremisesScript::new(name, Shell::Exchange2013ToSe, &format!("CONTOSO\\{name}"))?
        .with_grant(OnPremisesGrant::FullAccess(OnPremisesMailboxes::All))?
        .with_grant(OnPremisesGrant::CalendarReviewer(OnPremisesMailboxes::Listed(vec![address(
            "o'neill@contoso.example",
        )])))?
        .with_grant(OnPremisesGrant::ManagementScope {
            name: scope.clone(),
            members: OnPremisesScope::Filter(RecipientFilter::members_of([format!(
                "CN={},DC=x",
                name.trim()
            )])?),
        })?
        .with_grant(OnPremisesGrant::ManagementScope {
            name: scope.clone(),
            members: OnPremisesScope::Group(address("o'neill@contoso.example")),
        })?
        .with_grant(OnPremisesGrant::Impersonation {
            name: RoleAssignmentName::parse(name)?,
            scope: ImpersonationScope::Custom(scope),
        })?
        .with_grant(OnPremisesGrant::Impersonation {
            name: RoleAssignmentName::parse(name)?,
            scope: ImpersonationScope::OrganizationalUnit(OrganizationalUnit::parse(name)?),
        })?
        .with_grant(OnPremisesGrant::ThrottlingPolicy { name: ThrottlingPolicyName::parse(name)? })?
        .render()
}

fn undo(name: &str) -> Result<String> {
    let name = name.trim();
    let account = format!("CONTOSO\\{name}");
    let script = OnPremisesScript::new(name, Shell::Exchange2010, &account)?
        .with_grant(OnPremisesGrant::FullAccess(OnPremisesMailboxes::All))?
        .with_grant(OnPremisesGrant::ThrottlingPolicy { name: ThrottlingPolicyName::parse(name)? })?;
    let steps = serde_json::json!([
        {"title": format!("FullAccess on o'neill@contoso.example for {account}"), "cmdlet": "Add-MailboxPermission",
            "result": "Applied", "on": "o'neill@contoso.example"},
        {"title": format!("Throttling policy {name}"), "cmdlet": "New-ThrottlingPolicy", "result": "Applied"},
        {"title": format!("Throttling policy {name} for {account}"), "cmdlet": "Set-ThrottlingPolicyAssociation", "result": "Applied"},
    ]);
    let receipt = serde_json::json!({"receipt": "exchange-admin/1", "app": account, "apply": true, "completed": true,
        "finishedAt": "2026-11-21T09:00:00Z", "steps": steps});
    script.undo(&script.read_receipt(receipt.to_string().as_bytes())?)
}

fn online(name: &str) -> Result<String> {
    let name = name.trim();
    let alice = address("o'neill@contoso.example");
    let scope = ManagementScopeName::parse(name)?;
    let agent = UserAgentPattern::parse(name)?;
    let group = RoleGroupName::parse(name)?;
    let role = NewManagementRoleAssignment::new(
        RoleAssignmentName::parse(name)?,
        object(),
        ApplicationRole::EwsAccessAsApp,
        ResourceScope::Custom(scope.clone()),
    );
    let filter = RecipientFilter::members_of([format!("CN={name},DC=x")])?;
    let shared = NewSharedMailbox::new(ObjectName::parse(name)?, alice.clone()).with_display_name(name);
    let policy =
        NewApplicationAccessPolicy::new(app(), alice.clone(), AccessRight::Restrict).with_description(name);
    let switches = SetOrganizationConfig::new().with_ews(EwsSwitch::On).with_ews_agent_allowed(&agent);
    let steps = [
        Step::service_principal(&NewServicePrincipal::new(app(), object(), name))?,
        Step::shared_mailbox(&shared)?,
        Step::security_group(&NewDistributionGroup::security(ObjectName::parse(name)?, alice.clone()))?,
        Step::group_member(&AddDistributionGroupMember::new(alice.clone(), alice.clone()))?,
        Step::mailbox_permission(&AddMailboxPermission::new(
            alice.clone(),
            object(),
            MailboxRight::FullAccess,
        ))?,
        Step::application_access_policy(&policy)?,
        Step::management_scope(&NewManagementScope::new(scope, filter))?,
        Step::management_role_assignment(&role)?,
        Step::calendar_permission(&alice, &address("o'brien@contoso.example"), FolderRole::Reviewer)?,
        Step::send_as(&AddRecipientPermission::send_as(
            mailbox("o'neill@contoso.example"),
            mailbox("b@contoso.example"),
        ))?,
        Step::ews_allowed_app(app())?,
        Step::mailbox_switches(
            &SetCasMailbox::new(alice)
                .with_imap_enabled(true)
                .with_ews(EwsSwitch::Unset)
                .with_ews_agent_allowed(&agent),
        )?,
        Step::organization_switches(&switches)?,
        Step::role_group(
            &NewRoleGroup::new(group.clone(), [ManagementRoleName::parse(name)?]).with_description(name),
        )?,
        Step::role_group_member(&AddRoleGroupMember::new(group, object()))?.with_title(name),
    ];
    let script = Script::new(name, app()).with_note(name);
    steps.into_iter().fold(script, Script::with_step).render()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trap_25_no_name_changes_the_shape_of_a_script_on_premises(name in hostile()) {
        same_shape(&name, on_premises);
    }

    #[test]
    fn trap_25_no_name_changes_the_shape_of_an_undo(name in hostile()) {
        same_shape(&name, undo);
    }

    #[test]
    fn trap_25_no_name_changes_the_shape_of_a_script_for_the_cloud(name in hostile()) {
        same_shape(&name, online);
    }
}

#[test]
fn the_reader_of_this_test_sees_what_naive_quoting_allows() {
    let naive = |name: &str| Ok(format!("Get-Mailbox -Identity '{name}'\n"));
    for evil in ["a\u{2019}; Remove-Mailbox b; \u{2018}c", "a'; Remove-Mailbox b; 'c"] {
        let caught = std::panic::catch_unwind(|| same_shape(evil, naive));
        assert!(caught.is_err(), "{evil}");
    }
    let expanded = |name: &str| Ok(format!("Get-Mailbox -Identity \"{name}\"\n"));
    assert!(std::panic::catch_unwind(|| same_shape("$(Remove-Mailbox b)", expanded)).is_err());
    let comment = |name: &str| Ok(format!("<# {name} #>\nGet-Mailbox\n"));
    assert!(std::panic::catch_unwind(|| same_shape("#> Remove-Mailbox b <#", comment)).is_err());
    // In a double-quoted comment of ours, and in a literal that is doubled, nothing is wrong.
    let read = read("# it's\n<# \" #> 'O\u{2019}\u{2019}Brien' \"a $($_.Name) ''\"\n");
    assert_eq!(read.strings, ["O\u{2019}Brien"]);
}

#[test]
fn exchange_2007_has_powershell_1_and_its_script_needs_no_more() {
    let script = OnPremisesScript::new("x", Shell::Exchange2007Sp1, "CONTOSO\\svc")
        .unwrap()
        .with_grant(OnPremisesGrant::FullAccess(OnPremisesMailboxes::All))
        .unwrap();
    let shape = read(&script.render().unwrap()).shape;
    for later in
        ["try {", "catch {", "finally {", "-split", "-join", "[ordered]", "<##>", "@{", "ConvertTo-Json "]
    {
        assert!(!shape.contains(later), "{later} came after PowerShell 1.0");
    }
    assert!(shape.is_ascii());
}
