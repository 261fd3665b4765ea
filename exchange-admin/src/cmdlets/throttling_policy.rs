use m365_core::{Error, Result};

use crate::command::{Command, Value};
use crate::row::Row;

/// A limit of a throttling policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// This much: connections, subscriptions, or milliseconds of server time, by the setting.
    Limit(u32),
    /// No limit.
    Unlimited,
}

impl Budget {
    fn value(self) -> Value {
        match self {
            Self::Limit(limit) => Value::Int(i64::from(limit)),
            Self::Unlimited => Value::Text("Unlimited".to_owned()),
        }
    }

    fn read(row: &Row, name: &str) -> Option<Self> {
        match row.as_map().get(name)? {
            serde_json::Value::Number(number) => {
                number.as_u64().and_then(|n| u32::try_from(n).ok()).map(Self::Limit)
            }
            serde_json::Value::String(text) if text.eq_ignore_ascii_case("unlimited") => {
                Some(Self::Unlimited)
            }
            serde_json::Value::String(text) => text.trim().parse().ok().map(Self::Limit),
            _ => None,
        }
    }
}

/// What a throttling policy says about EWS: the limits that an account meets which impersonates many mailboxes. `None`:
/// that of the default policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EwsBudget {
    /// Connections at the same time.
    pub max_concurrency: Option<Budget>,
    /// Milliseconds for which more than the share may be used.
    pub max_burst: Option<Budget>,
    /// Milliseconds per hour by which the budget grows.
    pub recharge_rate: Option<Budget>,
    /// Milliseconds of debt at which the account is shut out for a while.
    pub cutoff_balance: Option<Budget>,
    /// Push, pull and streaming subscriptions at the same time.
    pub max_subscriptions: Option<Budget>,
}

impl EwsBudget {
    /// What makers of calendar connectors ask for on an impersonating account: no limits but on subscriptions, of which it
    /// has 5000. It can load a server as heavily as its programs like, so it belongs on one account only.
    pub const fn unlimited() -> Self {
        Self {
            max_concurrency: Some(Budget::Unlimited),
            max_burst: Some(Budget::Unlimited),
            recharge_rate: Some(Budget::Unlimited),
            cutoff_balance: Some(Budget::Unlimited),
            max_subscriptions: Some(Budget::Limit(5000)),
        }
    }

    pub(super) fn command(&self, command: Command) -> Result<Command> {
        let settings = [
            ("EwsMaxConcurrency", self.max_concurrency),
            ("EwsMaxBurst", self.max_burst),
            ("EwsRechargeRate", self.recharge_rate),
            ("EwsCutoffBalance", self.cutoff_balance),
            ("EwsMaxSubscriptions", self.max_subscriptions),
        ];
        if settings.iter().all(|(_, budget)| budget.is_none()) {
            return Err(Error::invalid("the throttling policy says nothing that the default does not"));
        }
        Ok(settings
            .into_iter()
            .fold(command, |command, (name, budget)| command.with_some(name, budget.map(Budget::value))))
    }

    pub(super) fn read(row: &Row) -> Self {
        Self {
            max_concurrency: Budget::read(row, "EwsMaxConcurrency"),
            max_burst: Budget::read(row, "EwsMaxBurst"),
            recharge_rate: Budget::read(row, "EwsRechargeRate"),
            cutoff_balance: Budget::read(row, "EwsCutoffBalance"),
            max_subscriptions: Budget::read(row, "EwsMaxSubscriptions"),
        }
    }
}
