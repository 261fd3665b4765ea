use std::fmt;

use m365_core::{Authority, Diagnosis, Error, Owner};
use serde::Serialize;

/// What a check looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CheckKind {
    /// What the configuration says.
    Configuration,
    /// What a fresh token holds.
    Token,
    /// What a call to the mailbox did.
    Live,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding {
    /// As wanted.
    Proven,
    /// Not as wanted.
    Failed,
    /// Not as wanted yet; inside the window of a change.
    NotYet,
    /// Not to be told.
    Unknown,
    /// Not tried: proven by configuration only.
    NotTried,
}

/// One check of a proof.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Unique name of the app, or the service account on an Exchange Server.
    pub app: String,
    /// What it looked at.
    pub kind: CheckKind,
    /// The mailbox or object.
    pub subject: String,
    /// What it found.
    pub finding: Finding,
    /// One sentence.
    pub text: String,
    /// What it means, when it is not as wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<CheckDiagnosis>,
}

/// What a failed check means.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CheckDiagnosis {
    /// Row of the catalogue.
    pub id: &'static str,
    /// Which authority.
    pub authority: String,
    /// Why.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// Who must do it.
    pub owner: String,
}

impl From<&'static Diagnosis> for CheckDiagnosis {
    fn from(diagnosis: &'static Diagnosis) -> Self {
        Self {
            id: diagnosis.id(),
            authority: authority(diagnosis.authority()),
            cause: diagnosis.cause(),
            remedy: diagnosis.remedy(),
            owner: owner(diagnosis.owner()),
        }
    }
}

fn authority(authority: Authority) -> String {
    authority.to_string()
}

fn owner(owner: Owner) -> String {
    owner.to_string()
}

impl Check {
    pub(super) fn new(
        app: &str,
        kind: CheckKind,
        subject: impl fmt::Display,
        finding: Finding,
        text: impl Into<String>,
    ) -> Self {
        Self {
            app: app.to_owned(),
            kind,
            subject: subject.to_string(),
            finding,
            text: text.into(),
            diagnosis: None,
        }
    }

    pub(super) fn because(mut self, error: &Error) -> Self {
        self.diagnosis = Some(error.diagnosis().into());
        self
    }

    pub(super) fn diagnosed(mut self, id: &str) -> Self {
        self.diagnosis = m365_core::diagnosis::by_id(id).map(Into::into);
        self
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.finding {
            Finding::Proven => "ok     ",
            Finding::Failed => "FAILED ",
            Finding::NotYet => "not yet",
            Finding::Unknown => "unknown",
            Finding::NotTried => "untried",
        };
        write!(f, "{mark} {}: {}", self.subject, self.text)?;
        match &self.diagnosis {
            Some(d) => write!(f, " [{}] {} → {} ({})", d.id, d.cause, d.remedy, d.owner),
            None => Ok(()),
        }
    }
}

/// Every check that was made. It proves something only as a whole.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Proof {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl Proof {
    /// True when every check that was made is as wanted; an unknown is not. What was not tried does not count:
    /// [`Proof::untried`] names it.
    pub fn is_proven(&self) -> bool {
        self.checks.iter().any(|c| c.finding == Finding::Proven) && self.open_points().next().is_none()
    }

    /// What was left to the configuration alone, such as sending without a test message.
    pub fn untried(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| c.finding == Finding::NotTried)
    }

    /// The checks that are not as wanted.
    pub fn open_points(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| !matches!(c.finding, Finding::Proven | Finding::NotTried))
    }
}
