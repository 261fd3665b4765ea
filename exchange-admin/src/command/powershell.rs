//! Exact quoting for PowerShell.
//!
//! PowerShell's scanner knows five single quotes, not one: `'` and U+2018, U+2019, U+201A, U+201B. Any of them ends a
//! string that any of them began, so a typographic apostrophe in a name is code injection unless it is doubled
//! (PowerShell, `CharTraits.cs` and `CodeGeneration.cs`).

use std::fmt::Write as _;

use m365_core::Error;

use super::invoke::refuse_empty_delta;
use super::{Command, Value};
use crate::Result;

/// A single-quoted string literal: every character of the single-quote class doubled.
///
/// ```
/// use exchange_admin::single_quoted;
/// assert_eq!(single_quoted("O'Neill")?, "'O''Neill'");
/// assert_eq!(single_quoted("O\u{2019}Brien")?, "'O\u{2019}\u{2019}Brien'");
/// assert!(single_quoted("a\r\nb").is_err());
/// # Ok::<(), exchange_admin::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for control characters, line and paragraph separators,
/// and characters that change the direction of writing: a reviewer would not see what runs.
pub fn single_quoted(text: &str) -> Result<String> {
    if let Some(bad) = text.chars().find(|c| is_hidden(*c)) {
        return Err(Error::invalid(format!(
            "a value holds the character {}, which has no place in a script that people review",
            bad.escape_unicode()
        )));
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        out.push(c);
        if is_single_quote(c) {
            out.push(c);
        }
    }
    out.push('\'');
    Ok(out)
}

/// The text of a block comment: one line, and nothing in it ends the comment. Characters that would be refused in a
/// value become blanks.
///
/// ```
/// use exchange_admin::comment_text;
/// assert_eq!(comment_text("Run\r\nme #> Get-Mailbox"), "Run me #`> Get-Mailbox");
/// ```
pub fn comment_text(text: &str) -> String {
    let visible: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    let mut out = String::with_capacity(visible.len());
    for word in visible.split(' ').filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.replace("#>", "#`>")
}

fn is_single_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}')
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

pub(super) fn line(command: &Command) -> Result<String> {
    let mut out = command.name().as_str().to_owned();
    for (name, value) in &command.parameters {
        let name = name.as_str();
        refuse_empty_delta(name, value)?;
        let rendered = match value {
            // The colon binds the value to the parameter; without it a switch would leave `$true` over as an argument.
            Value::Bool(value) => format!(":${value}"),
            Value::Switch(true) => ":$true".to_owned(),
            Value::Switch(false) => continue,
            Value::Text(text) => format!(" {}", quoted(name, text)?),
            Value::Int(number) => format!(" {number}"),
            Value::List(list) => format!(" {}", array(name, list)?),
            Value::Flags(flags) => format!(" {}", quoted(name, &flags.join(","))?),
            Value::SecretPrompt(text) => {
                format!(" (Read-Host -AsSecureString -Prompt {})", quoted(name, text)?)
            }
            Value::Null => " $null".to_owned(),
            Value::Delta { add, remove } => {
                let entries = [("Add", add), ("Remove", remove)]
                    .into_iter()
                    .filter(|(_, list)| !list.is_empty())
                    .map(|(key, list)| Ok(format!("{key}={}", array(name, list)?)))
                    .collect::<Result<Vec<_>>>()?;
                format!(" @{{{}}}", entries.join(";"))
            }
        };
        let _infallible = write!(out, " -{name}{rendered}");
    }
    Ok(out)
}

fn quoted(name: &str, text: &str) -> Result<String> {
    single_quoted(text).map_err(|e| Error::invalid(format!("parameter {name}: {}", e.message())))
}

fn array(name: &str, list: &[String]) -> Result<String> {
    let items = list.iter().map(|item| quoted(name, item)).collect::<Result<Vec<_>>>()?;
    Ok(format!("@({})", items.join(",")))
}
