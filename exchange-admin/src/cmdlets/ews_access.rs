use std::collections::BTreeSet;

use m365_core::{ClientId, Error, Result};

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::word;

word!(
    /// What a list of user agents does.
    EwsAgentPolicy {
        /// Only agents on the list pass.
        AllowList = "EnforceAllowList",
        /// Agents on the list do not pass.
        BlockList = "EnforceBlockList",
    }
);

/// A pattern for the `User-Agent` of programs: text with `*` for anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserAgentPattern(String);

impl UserAgentPattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is empty or holds a control character.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Error::invalid("the user agent pattern is empty or holds a control character"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a program that calls itself so is meant, without case.
    pub fn matches(&self, agent: &str) -> bool {
        let (pattern, agent) = (self.0.to_lowercase(), agent.to_lowercase());
        let parts: Vec<&str> = pattern.split('*').collect();
        let [first, middle @ .., last] = parts.as_slice() else {
            return pattern == agent;
        };
        let Some(mut rest) = agent.strip_prefix(first) else {
            return false;
        };
        for part in middle {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Lists of user agents, of the organisation or of one mailbox. They hold for REST and Graph as well as for EWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EwsAgents {
    /// Which list counts; `None`: neither, or the answer does not say.
    pub policy: Option<EwsAgentPolicy>,
    /// Who passes under [`EwsAgentPolicy::AllowList`].
    pub allowed: BTreeSet<UserAgentPattern>,
    /// Who does not under [`EwsAgentPolicy::BlockList`].
    pub blocked: BTreeSet<UserAgentPattern>,
}

impl EwsAgents {
    pub(super) fn read(row: &Row) -> Self {
        let list =
            |name: &str| row.list(name).iter().filter_map(|a| UserAgentPattern::parse(a).ok()).collect();
        Self {
            policy: row.text("EwsApplicationAccessPolicy").and_then(EwsAgentPolicy::read),
            allowed: list("EwsAllowList"),
            blocked: list("EwsBlockList"),
        }
    }

    /// Whether a program that calls itself so passes.
    pub fn pass(&self, agent: &str) -> bool {
        let on = |list: &BTreeSet<UserAgentPattern>| list.iter().any(|p| p.matches(agent));
        match self.policy {
            Some(EwsAgentPolicy::AllowList) => on(&self.allowed),
            Some(EwsAgentPolicy::BlockList) => !on(&self.blocked),
            None => true,
        }
    }
}

/// `EwsAllowedAppIDs`: the apps whose EWS calls pass while EWS is on. On the wire one text with commas.
///
/// ```
/// use exchange_admin::cmdlets::EwsAllowedApps;
/// use exchange_admin::ClientId;
/// let app = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// let old = EwsAllowedApps::parse("cc15fd57-2c6c-4117-a88c-83b1d56b4bbe, 6C2F7B1E-0D55-4C0B-9A55-0F2F3A4B5C6D")?;
/// assert!(old.contains(app));
/// assert_eq!(old.with(app), old);
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EwsAllowedApps(BTreeSet<ClientId>);

impl EwsAllowedApps {
    /// Reads Exchange's text; an empty one is the empty list.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when a part is no id: a list that was not
    /// understood must not be written back.
    pub fn parse(text: &str) -> Result<Self> {
        text.split([',', ';'])
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                ClientId::parse(part)
                    .map_err(|_| Error::unreadable("the list of apps allowed for EWS holds what is no id"))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Whether it holds this app.
    pub fn contains(&self, app: ClientId) -> bool {
        self.0.contains(&app)
    }

    /// The apps.
    pub fn iter(&self) -> impl Iterator<Item = ClientId> {
        self.0.iter().copied()
    }

    /// Whether it holds none. With EWS on, an empty list is to be taken for "nobody passes".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With this app besides.
    #[must_use]
    pub fn with(&self, app: ClientId) -> Self {
        let mut apps = self.0.clone();
        apps.insert(app);
        Self(apps)
    }

    /// Without this app.
    #[must_use]
    pub fn without(&self, app: ClientId) -> Self {
        let mut apps = self.0.clone();
        apps.remove(&app);
        Self(apps)
    }

    fn value(&self) -> Value {
        match self.0.len() {
            0 => Value::Null,
            _ => Value::Text(self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl FromIterator<ClientId> for EwsAllowedApps {
    fn from_iter<I: IntoIterator<Item = ClientId>>(apps: I) -> Self {
        Self(apps.into_iter().collect())
    }
}

/// A switch with three states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EwsSwitch {
    /// On. The list of apps counts only then.
    On,
    /// Off, for everybody and whatever a mailbox says.
    Off,
    /// As if it had never been set: open, and the list of apps counts for nothing.
    Unset,
}

/// What a cmdlet changes about EWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EwsChange {
    pub(super) switch: Option<EwsSwitch>,
    pub(super) apps: Option<EwsAllowedApps>,
    pub(super) policy: Option<EwsAgentPolicy>,
    pub(super) allow: (Vec<String>, Vec<String>),
    pub(super) block: (Vec<String>, Vec<String>),
}

impl EwsChange {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn command(&self, command: Command) -> Command {
        let delta = |(add, remove): &(Vec<String>, Vec<String>)| {
            (!add.is_empty() || !remove.is_empty())
                .then(|| Value::Delta { add: add.clone(), remove: remove.clone() })
        };
        command
            .with_some(
                "EwsEnabled",
                self.switch.map(|switch| match switch {
                    EwsSwitch::On => Value::Bool(true),
                    EwsSwitch::Off => Value::Bool(false),
                    EwsSwitch::Unset => Value::Null,
                }),
            )
            .with_some("EwsAllowedAppIDs", self.apps.as_ref().map(EwsAllowedApps::value))
            .with_some("EwsApplicationAccessPolicy", self.policy)
            .with_some("EwsAllowList", delta(&self.allow))
            .with_some("EwsBlockList", delta(&self.block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn trap_18_agents_on_a_list_are_patterns() {
        let pattern = |text| UserAgentPattern::parse(text).unwrap();
        assert!(pattern("acme-connector/*").matches("Acme-Connector/2.4 (linux)"));
        assert!(!pattern("acme-connector/*").matches("my acme-connector/2.4"));
        assert!(pattern("*Outlook*16*").matches("Microsoft Outlook 16.0"));
        assert!(!pattern("ab*ba").matches("aba"));
        assert!(pattern("acme").matches("ACME") && !pattern("acme").matches("acme2"));
        let agents = EwsAgents {
            policy: Some(EwsAgentPolicy::AllowList),
            allowed: BTreeSet::from([pattern("acme*")]),
            blocked: BTreeSet::new(),
        };
        assert!(agents.pass("acme/1") && !agents.pass("other/1"));
        assert!(EwsAgents::default().pass("other/1"));
    }

    #[test]
    fn trap_17_a_list_that_is_not_understood_is_not_written_back() {
        assert!(EwsAllowedApps::parse("").unwrap().is_empty());
        assert!(EwsAllowedApps::parse("cc15fd57-2c6c-4117-a88c-83b1d56b4bbe,Acme").is_err());
    }

    proptest! {
        /// Against the plainest recursive reading of `*`.
        #[test]
        fn patterns_match_like_the_plain_reading(pattern in "[ab*]{1,8}", agent in "[ab]{0,10}") {
            fn plain(p: &[u8], a: &[u8]) -> bool {
                match (p.split_first(), a.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) if plain(rest, a) => true,
                    (Some((b'*', _)), Some((_, a))) => plain(p, a),
                    (Some((x, p)), Some((y, a))) => x == y && plain(p, a),
                    _ => false,
                }
            }
            let ours = UserAgentPattern::parse(&pattern).unwrap().matches(&agent);
            prop_assert_eq!(ours, plain(pattern.as_bytes(), agent.as_bytes()));
        }
    }
}
