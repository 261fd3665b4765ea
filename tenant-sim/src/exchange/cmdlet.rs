//! What a cmdlet is, and how its parameters are bound.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::envelope::{Failure, Row};
use super::table::TABLE;
use crate::state::State;

/// What a cmdlet works on.
pub(super) struct Run<'a> {
    /// The tenant.
    pub(super) state: &'a mut State,
    /// Its time.
    pub(super) now: Timestamp,
    /// What to tell besides the output.
    pub(super) warnings: Vec<String>,
}

/// A cmdlet of the table.
pub(super) struct Cmdlet {
    /// Name in Exchange's spelling.
    pub(super) name: &'static str,
    /// Own parameters, mandatory ones with a leading `!`.
    pub(super) parameters: &'static [&'static str],
    /// Management roles of which any contains the cmdlet.
    pub(super) roles: &'static [&'static str],
    /// The work.
    pub(super) run: fn(&mut Run<'_>, &Params) -> Result<Vec<Row>, Failure>,
}

impl Cmdlet {
    /// The cmdlet with this name, without regard to case.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|c| c.name.eq_ignore_ascii_case(name))
    }
}

/// Parameters that every cmdlet takes.
pub(super) const COMMON: [&str; 8] = [
    "Confirm",
    "WhatIf",
    "ErrorAction",
    "WarningAction",
    "InformationAction",
    "Verbose",
    "Debug",
    "DomainController",
];

/// Bound parameters: names in the table's spelling.
#[derive(Clone, Debug)]
pub(super) struct Params(Vec<(&'static str, Value)>);

impl Params {
    /// Binds what the request brings to the cmdlet's parameters; unknown, doubled and missing ones are errors.
    pub(super) fn bind(cmdlet: &Cmdlet, given: &Map<String, Value>) -> Result<Self, Failure> {
        let mut bound: Vec<(&'static str, Value)> = vec![];
        for (name, value) in given {
            let own = cmdlet.parameters.iter().map(|p| p.trim_start_matches('!'));
            let known = own.chain(COMMON).find(|p| p.eq_ignore_ascii_case(name));
            match known {
                Some(known) if bound.iter().all(|(b, _)| *b != known) => bound.push((known, value.clone())),
                _ => return Err(Failure::parameter_set(name)),
            }
        }
        let params = Self(bound);
        // A read without mandatory identity and a null identity are the same; for all others null is "missing".
        let missing: Vec<&str> = cmdlet
            .parameters
            .iter()
            .filter_map(|p| p.strip_prefix('!'))
            .filter(|p| params.value(p).is_none())
            .collect();
        if missing.is_empty() {
            Ok(params)
        } else {
            Err(Failure::bad_request(
                "",
                "System.Management.Automation.ParameterBindingException",
                &format!(
                    "Cannot process command because of one or more missing mandatory parameters: {}.",
                    missing.join(", ")
                ),
            ))
        }
    }

    /// The parameters that were given, in the table's spelling.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// The value, unless it is absent or null.
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| v).filter(|v| !v.is_null())
    }

    /// True when the parameter was given as null, which clears a property.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.0.iter().any(|(n, v)| *n == name && v.is_null())
    }

    /// A list to be changed: a hash table adds and removes, null empties, an array replaces. `None` when not given.
    pub(super) fn changed_list(&self, name: &str, before: &[String]) -> Result<Option<Vec<String>>, Failure> {
        if self.is_null(name) {
            return Ok(Some(vec![]));
        }
        let Some(Value::Object(table)) = self.value(name) else {
            return self.value(name).is_some().then(|| self.list(name)).transpose();
        };
        let part = |key: &str| -> Vec<String> {
            let items =
                table.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).and_then(|(_, v)| v.as_array());
            items.into_iter().flatten().filter_map(|i| i.as_str().map(str::to_owned)).collect()
        };
        let (add, remove) = (part("add"), part("remove"));
        let mut list: Vec<String> = match (add.is_empty(), remove.is_empty()) {
            // A table that adds and removes nothing empties the list.
            (true, true) => vec![],
            _ => {
                before.iter().filter(|b| !remove.iter().any(|r| r.eq_ignore_ascii_case(b))).cloned().collect()
            }
        };
        list.extend(add.into_iter().filter(|a| !before.iter().any(|b| b.eq_ignore_ascii_case(a))));
        Ok(Some(list))
    }

    /// A string that must not be empty.
    pub(super) fn text(&self, name: &str) -> Result<String, Failure> {
        self.optional(name)?.ok_or_else(|| Failure::parameter_set(name))
    }

    /// A string, if it is there.
    pub(super) fn optional(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Err(Failure::bad_request(
                "",
                "System.Management.Automation.ParameterBindingException",
                &format!("Cannot bind argument to parameter '{name}' because it is an empty string."),
            )),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(Failure::transformation(name, &other.to_string(), "a string")),
        }
    }

    /// A free text that may be empty.
    pub(super) fn free_text(&self, name: &str) -> Option<String> {
        self.value(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// One string or several, also separated by commas as flag enums are.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, Failure> {
        let items = match self.value(name) {
            None => vec![],
            Some(Value::String(text)) => text.split(',').map(|t| t.trim().to_owned()).collect(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|i| i.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| Failure::transformation(name, "System.Object[]", "strings"))?,
            Some(other) => return Err(Failure::transformation(name, &other.to_string(), "strings")),
        };
        Ok(items)
    }

    /// A GUID that must be there.
    pub(super) fn guid(&self, name: &str) -> Result<Uuid, Failure> {
        let text = self.text(name)?;
        Uuid::parse_str(&text).map_err(|_| Failure::transformation(name, &text, "a GUID"))
    }

    /// A switch or truth value.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(Failure::transformation(name, &other.to_string(), "True, False")),
        }
    }

    /// True when the switch is on.
    pub(super) fn switch(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.boolean(name)?.unwrap_or(false))
    }

    /// One of these values, in their spelling.
    pub(super) fn choice(&self, name: &str, valid: &[&'static str]) -> Result<Option<&'static str>, Failure> {
        let Some(text) = self.optional(name)? else {
            return Ok(None);
        };
        match valid.iter().copied().find(|v| v.eq_ignore_ascii_case(&text)) {
            Some(value) => Ok(Some(value)),
            None => Err(Failure::transformation(name, &text, &valid.join(", "))),
        }
    }

    /// Applies `-ResultSize`: a number cuts the output, and says so; `Unlimited` and no value leave it to the pages.
    pub(super) fn limit_result(&self, rows: &mut Vec<Row>, warnings: &mut Vec<String>) {
        let limit = match self.value("ResultSize") {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let Some(limit) = limit.and_then(|l| usize::try_from(l).ok()) else {
            return;
        };
        if rows.len() > limit {
            rows.truncate(limit);
            warnings.push(
                "There are more results available than are currently displayed. To view them, increase the value for the ResultSize parameter."
                    .to_owned(),
            );
        }
    }

    /// Name, sorted parameter names, and the identities among their values.
    pub(super) fn journal_line(&self, cmdlet: &str) -> String {
        let mut names: Vec<&str> = self.0.iter().map(|(n, _)| *n).collect();
        names.sort_unstable();
        let mut line = format!("{cmdlet} {}", names.join(","));
        for name in names {
            let identity =
                ["Identity", "User", "Member", "AppId", "ObjectId", "App", "Role", "Resource", "Name"];
            if !identity.contains(&name) {
                continue;
            }
            if let Some(value) = self.value(name) {
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                line.push_str(&format!(" {name}={}", shown.escape_debug()));
            }
        }
        line
    }
}
