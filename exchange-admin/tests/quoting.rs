//! A second reading of PowerShell's and OPATH's rules, independent of the code that writes them: no value ends its
//! string, no text ends its comment.
//!
//! There is no parser to ask: tree-sitter-pwsh takes `'a’; Remove-Mailbox b; ‘c'` for one string.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{app, mailbox, object};
use exchange_admin::cmdlets::{
    GetMailboxFolderPermission, NewApplicationAccessPolicy, NewManagementScope, NewServicePrincipal,
    NewSharedMailbox, SetOrganizationConfig, UserAgentPattern,
};
use exchange_admin::{
    AccessRight, Cmdlet as _, FolderIdentity, FolderPath, ManagementScopeName, ObjectName, RecipientFilter,
    Script, Step, comment_text, opath_literal, single_quoted,
};
use proptest::prelude::*;

/// What a PowerShell scanner makes of a text that begins with a string literal: the string's value, and what is left.
fn read_string(text: &str) -> (String, &str) {
    let quote = |c: char| "'\u{2018}\u{2019}\u{201A}\u{201B}".contains(c);
    let mut chars = text.char_indices().peekable();
    assert!(quote(chars.next().expect("a literal").1));
    let mut value = String::new();
    while let Some((at, c)) = chars.next() {
        if !quote(c) {
            value.push(c);
            continue;
        }
        match chars.peek().copied() {
            Some((_, next)) if quote(next) => {
                value.push(next);
                chars.next();
            }
            _ => return (value, &text[at + c.len_utf8()..]),
        }
    }
    panic!("the string has no end: {text}");
}

/// The tokens of one rendered line: bare words and strings. Anything that would begin another statement, a
/// sub-expression, a variable of the caller's or a comment outside of a string is refused.
fn words_and_strings(line: &str) -> (Vec<String>, Vec<String>) {
    let (mut words, mut strings) = (vec![String::new()], Vec::new());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if "'\u{2018}\u{2019}\u{201A}\u{201B}".contains(c) {
            let (value, after) = read_string(rest);
            strings.push(value);
            rest = after;
            continue;
        }
        assert!(c.is_ascii(), "outside of strings a line is ASCII: {line}");
        assert!(!";|&`\"#{}\r\n".contains(c), "{c:?} outside of a string: {line}");
        if c == ' ' {
            words.push(String::new());
        } else {
            words.last_mut().unwrap().push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    words.retain(|w| !w.is_empty());
    (words, strings)
}

/// What people and attackers put into names.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "'", "\u{2018}", "\u{2019}", "\u{201A}", "\u{201B}", "\"", "\u{201C}", "\u{201D}", "\u{201E}", "`", "$()", "$(Get-Mailbox)",
            "; Remove-Mailbox b; ", "#>", "<#", "#", "@'", "'@", "O\u{2019}Brien", "O'Neill", "\u{2013}", "\u{2014}", "\\", "/", "{", "}", "%", "&",
            "|", "''", "\u{2019}\u{2018}", "-Confirm:$true", "$null", " ", "`'", "\u{FF07}",
        ])
        .prop_map(str::to_owned),
        1 => "[a-zA-Z0-9äöüßé漢 ]{0,6}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trap_25_no_value_ends_its_string(text in hostile()) {
        let literal = single_quoted(&text).unwrap();
        let (value, rest) = read_string(&literal);
        prop_assert_eq!((value.as_str(), rest), (text.as_str(), ""));
    }

    #[test]
    fn no_value_changes_the_words_of_its_command(text in hostile()) {
        let plain = NewServicePrincipal::new(app(), object(), "x").command().unwrap().to_powershell().unwrap();
        let command = NewServicePrincipal::new(app(), object(), &text).command().unwrap();
        let (words, strings) = words_and_strings(&command.to_powershell().unwrap());
        let trimmed = text.trim();
        if trimmed.is_empty() {
            prop_assert_eq!(strings.len(), 2);
        } else {
            prop_assert_eq!(words, words_and_strings(&plain).0);
            prop_assert_eq!(strings[2].as_str(), trimmed);
        }
    }

    #[test]
    fn no_value_changes_a_list(text in hostile()) {
        let command = NewApplicationAccessPolicy::new(app(), mailbox("q@contoso.example"), AccessRight::Restrict)
            .with_description(&text)
            .command()
            .unwrap();
        let (_, strings) = words_and_strings(&command.to_powershell().unwrap().replace("@(", "").replace(")", ""));
        prop_assert_eq!(strings.last().unwrap().as_str(), text.replace("@(", "").replace(')', ""));
    }

    #[test]
    fn two_levels_of_quotes_come_apart_again(text in hostile()) {
        let dn = format!("CN={text},OU=contoso");
        let filter = RecipientFilter::members_of([&dn]).unwrap();
        let scope = NewManagementScope::new(ManagementScopeName::parse("Acme").unwrap(), filter.clone());
        let (_, strings) = words_and_strings(&scope.command().unwrap().to_powershell().unwrap());
        prop_assert_eq!(strings[1].as_str(), filter.as_str());
        // OPATH: only the ASCII apostrophe is a quote.
        let inner = strings[1].strip_prefix("MemberOfGroup -eq '").unwrap().strip_suffix('\'').unwrap();
        prop_assert!(!inner.replace("''", "").contains('\''));
        prop_assert_eq!(inner.replace("''", "'"), dn);
    }

    #[test]
    fn folders_user_agents_and_tables_come_out_as_they_went_in(text in hostile()) {
        let Ok(path) = FolderPath::parse(&text) else { return Ok(()) };
        let folder = FolderIdentity::at(mailbox("q@contoso.example"), path.clone());
        let get = GetMailboxFolderPermission::new(folder).command().unwrap();
        let (words, strings) = words_and_strings(&get.to_powershell().unwrap());
        prop_assert_eq!(words, ["Get-MailboxFolderPermission", "-Identity", "-ResultSize"]);
        prop_assert_eq!(strings[0].clone(), format!("q@contoso.example:\\{}", path.as_str()));
        let agent = UserAgentPattern::parse(&text).unwrap();
        let set = SetOrganizationConfig::new().with_ews_agent_allowed(&agent).command().unwrap();
        let line = set.to_powershell().unwrap();
        let table = line.strip_prefix("Set-OrganizationConfig -EwsAllowList @{Add=@(").unwrap();
        let (value, rest) = read_string(table);
        prop_assert_eq!((value.as_str(), rest), (agent.as_str(), ")} -Confirm:$false"));
        let body: serde_json::Value = serde_json::from_slice(&set.to_invoke_body().unwrap()).unwrap();
        prop_assert_eq!(&body["CmdletInput"]["Parameters"]["EwsAllowList"]["add"][0], agent.as_str());
    }

    #[test]
    fn no_text_ends_a_comment(text in "(#>|#|>|`|\r|\n|\t|\u{2028}|[a-z '\u{2019}$();]){0,20}") {
        let comment = comment_text(&text);
        prop_assert!(!comment.contains("#>"), "{}", comment);
        prop_assert!(!comment.contains(['\r', '\n', '\u{2028}']), "a line break");
        let script = Script::new(&text, app()).with_note(&text).render().unwrap();
        // The first end of a comment is the script's own.
        let (_, after) = script.split_once("#>").unwrap();
        prop_assert!(after.starts_with("\nparam("), "{}", script);
    }

    #[test]
    fn characters_that_a_reviewer_does_not_see_are_refused(
        before in "[a-z']{0,4}",
        bad in prop::sample::select(vec!['\0', '\r', '\n', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202E}', '\u{2066}', '\u{FEFF}']),
        after in "[a-z']{0,4}",
    ) {
        let text = format!("{before}{bad}{after}");
        prop_assert!(single_quoted(&text).is_err());
        let mailbox = NewSharedMailbox::new(ObjectName::parse("x").unwrap(), common::address("x@contoso.example"))
            .with_display_name(&text);
        let error = mailbox.command().unwrap().to_powershell().unwrap_err();
        prop_assert!(error.to_string().contains("DisplayName"), "{}", error);
        prop_assert!(Script::new("x", app()).with_step(Step::shared_mailbox(&mailbox).unwrap()).render().is_err());
    }
}

#[test]
fn the_tokenizer_of_this_test_sees_the_injection_that_naive_quoting_allows() {
    let naive = "'a\u{2019}; Remove-Mailbox b; \u{2018}c'";
    let (value, rest) = read_string(naive);
    assert_eq!((value.as_str(), rest), ("a", "; Remove-Mailbox b; \u{2018}c'"));
    let (value, rest) = read_string("'O\u{2019}\u{2019}Brien' x");
    assert_eq!((value.as_str(), rest), ("O\u{2019}Brien", " x"));
}

#[test]
fn opath_literals_refuse_what_would_match_too_much() {
    assert!(opath_literal(" ").is_err() && opath_literal("a\0").is_err());
    assert_eq!(opath_literal("O'Neill O\u{2019}Brien").unwrap(), "'O''Neill O\u{2019}Brien'");
}
