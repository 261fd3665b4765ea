use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use graph_auth::RegistrationStep;
use jiff::Timestamp;
use m365_core::{ApplicationObjectId, ClientId, Error, ServicePrincipalObjectId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ExchangeChange;

/// When a change is enforced, counted from the moment it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Not before.
    #[serde(rename = "earliest_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub earliest: Duration,
    /// When it usually is.
    #[serde(rename = "likely_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub likely: Duration,
    /// When a refusal stops being "not yet".
    #[serde(rename = "latest_seconds", serialize_with = "seconds", deserialize_with = "from_seconds")]
    pub latest: Duration,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

fn from_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.latest.is_zero() {
            return f.write_str("effective at once");
        }
        write!(f, "effective after about {}, at the latest {}", span(self.likely), span(self.latest))
    }
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// One step as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Description {
    /// What it does, in one sentence.
    pub sentence: String,
    /// The minimum role of whoever runs it by hand.
    pub role: String,
    /// The call that is made.
    pub call: String,
    /// The same as a line of PowerShell.
    pub powershell: String,
    /// When it is enforced.
    pub window: Window,
    /// How to take it back, in one sentence.
    pub inverse: String,
    /// The same in PowerShell; empty when there is nothing to run.
    pub inverse_powershell: String,
}

/// One step of a plan.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Stable id, the same in every plan of the profile.
    pub id: String,
    /// Unique name of the app it is for; none for steps that serve several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What it does.
    #[serde(flatten)]
    pub description: Description,
    #[serde(skip)]
    pub(crate) action: Action,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description.sentence)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Registration(RegistrationStep),
    Exchange(ExchangeChange),
    /// Nothing broader may be granted before the policies of this app are enforced.
    AwaitPolicy,
}

/// What is known of an app's ids; they appear while the plan is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppIds {
    pub(crate) application: Option<ApplicationObjectId>,
    pub(crate) client: Option<ClientId>,
    pub(crate) service_principal: Option<ServicePrincipalObjectId>,
}

/// What became of a step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StepResult {
    /// It was done.
    Applied,
    /// It was done already.
    AlreadyThere,
    /// It was only a wait, and that is over; nothing was changed.
    Waited,
    /// It was done and is not complete before this time.
    Pending(Timestamp),
    /// It failed, and the call that failed changed nothing. A step that makes several calls may have made some of them;
    /// running the plan again goes on from there.
    Failed(Arc<Error>),
    /// It failed in a way that does not tell whether the server acted; running the plan again finds out.
    Unknown(Arc<Error>),
}

/// The least rights that a set-up identity needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rights {
    /// Application permissions on Microsoft Graph.
    pub graph: BTreeSet<String>,
    /// Application permissions on Office 365 Exchange Online.
    pub exchange: BTreeSet<String>,
    /// Role groups of Exchange (or a directory role that holds them).
    pub role_groups: BTreeSet<String>,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        write!(f, "Microsoft Graph: {}", list(&self.graph))?;
        if !self.exchange.is_empty() {
            write!(f, "; Exchange Online: {}", list(&self.exchange))?;
        }
        if !self.role_groups.is_empty() {
            write!(f, "; in Exchange: {}", list(&self.role_groups))?;
        }
        Ok(())
    }
}
