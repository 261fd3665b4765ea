use std::collections::BTreeSet;

use exchange_admin::{OnPremisesMailboxes, OrganizationalUnit, RecipientFilter, Shell, ThrottlingPolicyName};
use m365_core::{Error, MailboxAddress, Result};

use super::{AccessProfile, SourceMap, parse_on_premises};

/// A profile as a file declares it: for apps in Microsoft 365 (`[[app]]`), or for a service account of an Exchange Server
/// (`[account]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Apps in a tenant of Microsoft 365.
    Cloud(AccessProfile),
    /// A service account of an Exchange Server.
    OnPremises(OnPremisesProfile),
}

impl Profile {
    /// Reads a profile of either kind. `file` only names the source in errors.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) with file and line, as
    /// [`AccessProfile::from_toml`] and [`OnPremisesProfile::from_toml`]; also for a file that has both tables.
    pub fn from_toml(file: &str, text: &str) -> Result<Self> {
        match parse_on_premises::has_account(file, text)? {
            true => OnPremisesProfile::from_toml(file, text).map(Self::OnPremises),
            false => AccessProfile::from_toml(file, text).map(Self::Cloud),
        }
    }
}

/// What a product needs on an Exchange Server: a service account, what it may reach, and how. There is no app, no consent and
/// no REST route there: its plan is a script for the Exchange Management Shell.
///
/// ```
/// use mail_access::OnPremisesProfile;
/// let profile = OnPremisesProfile::from_toml("displays.toml", r#"
/// name = "room-displays"
/// summary = "Displays beside the doors show who has the room."
///
/// [account]
/// name = 'CONTOSO\svc-displays'
/// server = "exchange-2013-to-se"
///
/// [account.access]
/// grant = "calendar-reviewer"
/// mailboxes = ["room1@contoso.example", "room2@contoso.example"]
/// canary = "ceo@contoso.example"
/// "#)?;
/// let plan = profile.plan()?;
/// assert_eq!(plan.steps.len(), 1);
/// assert!(plan.scripts()[0].render()?.contains("-AccessRights Reviewer"));
/// # Ok::<(), m365_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnPremisesProfile {
    /// Short name; the management scope and the role assignment are named after it.
    pub name: String,
    /// One sentence for the reader of a plan.
    pub summary: String,
    /// The service account: an address, a user principal name or `DOMAIN\name`.
    pub account: String,
    /// The Exchange Server whose shell runs the script.
    pub server: Shell,
    /// What the account gets.
    pub access: OnPremisesAccess,
    /// A throttling policy of its own, when it shall have one.
    pub throttling_policy: Option<ThrottlingPolicyName>,
    /// Mailboxes in reach by which the access is tried; of a list of mailboxes, its first two.
    pub probes: Vec<MailboxAddress>,
    /// A mailbox out of reach that must stay closed. None only when every mailbox is in reach.
    pub canary: Option<MailboxAddress>,
    source: SourceMap,
}

/// What the account gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPremisesAccess {
    /// ApplicationImpersonation: it acts in the owners' names. From Exchange 2010 on.
    Impersonation(ImpersonationReach),
    /// FullAccess, mailbox by mailbox.
    FullAccess(OnPremisesMailboxes),
    /// Reviewer on the default calendar, mailbox by mailbox. From Exchange 2010 on.
    CalendarReviewer(OnPremisesMailboxes),
}

/// Whose names an impersonating account may use. The whole organisation has to be spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImpersonationReach {
    /// The direct members of a group that exists.
    Group(MailboxAddress),
    /// The mailboxes that a filter holds.
    Filter(RecipientFilter),
    /// The mailboxes in a unit of Active Directory.
    OrganizationalUnit(OrganizationalUnit),
    /// Every mailbox.
    Organization,
}

impl OnPremisesProfile {
    /// A profile made in code.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) naming what contradicts itself or what the server does
    /// not have.
    pub fn new(
        name: impl Into<String>,
        account: impl Into<String>,
        server: Shell,
        access: OnPremisesAccess,
        probes: Vec<MailboxAddress>,
        canary: Option<MailboxAddress>,
    ) -> Result<Self> {
        let profile = Self {
            name: name.into(),
            summary: String::new(),
            account: account.into(),
            server,
            access,
            throttling_policy: None,
            probes,
            canary,
            source: SourceMap::default(),
        };
        profile.checked()
    }

    /// With a sentence for the reader of a plan.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// With a throttling policy of its own.
    ///
    /// # Errors
    /// As [`OnPremisesProfile::new`].
    pub fn with_throttling_policy(mut self, name: ThrottlingPolicyName) -> Result<Self> {
        self.throttling_policy = Some(name);
        self.checked()
    }

    /// Reads a profile. `file` only names the source in errors.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) with file and line: unknown keys, wrong types, names and
    /// addresses that are none, contradictions, and what the server does not have.
    pub fn from_toml(file: &str, text: &str) -> Result<Self> {
        parse_on_premises::from_toml(file, text)?.checked()
    }

    pub(super) fn from_parts(
        names: (String, String, String),
        server: Shell,
        access: OnPremisesAccess,
        throttling_policy: Option<ThrottlingPolicyName>,
        tried: (Vec<MailboxAddress>, Option<MailboxAddress>),
        source: SourceMap,
    ) -> Self {
        let ((name, summary, account), (probes, canary)) = (names, tried);
        Self { name, summary, account, server, access, throttling_policy, probes, canary, source }
    }

    /// `file:line` of a value of this profile, when it came from a file.
    pub fn place_of(&self, value: &str) -> Option<String> {
        self.source.place_of(value)
    }

    fn complain(&self, value: &str, message: impl std::fmt::Display) -> Error {
        match self.place_of(value) {
            Some(place) => Error::invalid(format!("{place}: {message}")),
            None => Error::invalid(message.to_string()),
        }
    }

    fn checked(mut self) -> Result<Self> {
        if !super::validate::is_plain(&self.name) || self.name.len() > 48 {
            let text =
                format!("\"{}\" is no profile name here: 1 to 48 letters, digits, - _ or .", self.name);
            return Err(self.complain(&self.name, text));
        }
        self.check_server()?;
        let every = match &self.access {
            OnPremisesAccess::FullAccess(mailboxes) | OnPremisesAccess::CalendarReviewer(mailboxes) => {
                match mailboxes {
                    OnPremisesMailboxes::Listed(listed) => {
                        self.check_list(listed)?;
                        if self.probes.is_empty() {
                            self.probes = listed.iter().take(2).cloned().collect();
                        }
                        false
                    }
                    _ => true,
                }
            }
            OnPremisesAccess::Impersonation(reach) => *reach == ImpersonationReach::Organization,
        };
        self.check_tried(every)?;
        Ok(self)
    }

    /// What the server does not have.
    fn check_server(&self) -> Result<()> {
        if self.server != Shell::Exchange2007Sp1 {
            return Ok(());
        }
        match &self.access {
            OnPremisesAccess::FullAccess(_) => {}
            OnPremisesAccess::CalendarReviewer(_) => {
                return Err(self.complain(
                    "calendar-reviewer",
                    "Exchange 2007 has no cmdlet for folder permissions: write grant = \"full-access\" there",
                ));
            }
            OnPremisesAccess::Impersonation(_) => {
                return Err(self.complain(
                    "impersonation",
                    "Exchange 2007 has no management roles: impersonation there takes extended rights of Active Directory, on servers and on users, which this version does not set because nothing vouches for their exact form; write grant = \"full-access\" there",
                ));
            }
        }
        match &self.throttling_policy {
            Some(policy) => Err(self.complain(
                policy.as_str(),
                "Exchange 2007 has no throttling policies: leave throttling_policy out",
            )),
            None => Ok(()),
        }
    }

    fn check_list(&self, listed: &[MailboxAddress]) -> Result<()> {
        if listed.is_empty() {
            return Err(self.complain(
                &self.account,
                "the list of mailboxes is empty: an empty list is never taken for all of them (write mailboxes = \"all\" for that)",
            ));
        }
        let mut seen = BTreeSet::new();
        for mailbox in listed {
            if !seen.insert(mailbox) {
                return Err(self.complain(mailbox.as_str(), format!("{mailbox} is listed twice")));
            }
        }
        if let Some(stranger) = self.probes.iter().find(|p| !seen.contains(p)) {
            return Err(self.complain(
                stranger.as_str(),
                format!("{stranger} is to be tried and is not one of the mailboxes"),
            ));
        }
        if let Some(canary) = self.canary.as_ref().filter(|c| seen.contains(c)) {
            return Err(self.complain(
                canary.as_str(),
                format!(
                    "the canary {canary} is one of the mailboxes: a proof that it stays closed cannot succeed"
                ),
            ));
        }
        Ok(())
    }

    fn check_tried(&self, every: bool) -> Result<()> {
        if self.probes.is_empty() {
            return Err(self.complain(
                &self.account,
                "name one or two mailboxes in reach as probes: which they are is not known before the script runs",
            ));
        }
        match &self.canary {
            Some(canary) if every => Err(self.complain(
                canary.as_str(),
                format!("every mailbox is in reach, and so is the canary {canary}: leave it out, or narrow the reach"),
            )),
            Some(canary) if self.probes.contains(canary) => Err(self.complain(
                canary.as_str(),
                format!("the canary {canary} is also to be tried as a mailbox in reach"),
            )),
            None if !every => {
                Err(self.complain(&self.account, "name a canary: a mailbox out of reach that must stay closed"))
            }
            _ => Ok(()),
        }
    }
}
