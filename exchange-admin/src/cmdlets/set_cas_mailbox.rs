use m365_core::{Error, Result};

use super::ews_access::{EwsAgentPolicy, EwsChange, EwsSwitch, UserAgentPattern};
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::RecipientIdentity;
use crate::{Cmdlet, Facts};

/// `Set-CASMailbox`: turns protocols of one mailbox on or off.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/set-casmailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetCasMailbox {
    mailbox: RecipientIdentity,
    imap: Option<bool>,
    pop: Option<bool>,
    smtp_disabled: Option<Option<bool>>,
    ews: EwsChange,
}

impl SetCasMailbox {
    /// Of this mailbox; say at least one switch.
    pub fn new(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self {
            mailbox: mailbox.into(),
            imap: None,
            pop: None,
            smtp_disabled: None,
            ews: EwsChange::default(),
        }
    }

    pub(crate) fn mailbox(&self) -> &RecipientIdentity {
        &self.mailbox
    }

    /// IMAP on or off.
    #[must_use]
    pub fn with_imap_enabled(mut self, enabled: bool) -> Self {
        self.imap = Some(enabled);
        self
    }

    /// POP on or off.
    #[must_use]
    pub fn with_pop_enabled(mut self, enabled: bool) -> Self {
        self.pop = Some(enabled);
        self
    }

    /// Authenticated SMTP turned off (`Some(true)`), on (`Some(false)`), or as the organisation says (`None`).
    #[must_use]
    pub fn with_smtp_client_authentication_disabled(mut self, disabled: Option<bool>) -> Self {
        self.smtp_disabled = Some(disabled);
        self
    }

    /// EWS on, off, or as the organisation says. On here is of no use while the organisation says off.
    #[must_use]
    pub fn with_ews(mut self, switch: EwsSwitch) -> Self {
        self.ews.switch = Some(switch);
        self
    }

    /// Which of the mailbox's lists of user agents counts.
    #[must_use]
    pub fn with_ews_agent_policy(mut self, policy: EwsAgentPolicy) -> Self {
        self.ews.policy = Some(policy);
        self
    }

    /// One user agent more on the mailbox's list of those that pass.
    #[must_use]
    pub fn with_ews_agent_allowed(mut self, agent: &UserAgentPattern) -> Self {
        self.ews.allow.0.push(agent.as_str().to_owned());
        self
    }

    /// One user agent less on the mailbox's list of those that pass.
    #[must_use]
    pub fn without_ews_agent_allowed(mut self, agent: &UserAgentPattern) -> Self {
        self.ews.allow.1.push(agent.as_str().to_owned());
        self
    }
}

impl Cmdlet for SetCasMailbox {
    type Output = ();

    const FACTS: &'static Facts = facts!(
        "Set-CASMailbox",
        "set-casmailbox",
        ["Organization Client Access", "Mail Recipients"],
        RecipientManagement,
        PROTOCOL_SWITCH,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        if self.imap.is_none() && self.pop.is_none() && self.smtp_disabled.is_none() && self.ews.is_empty() {
            return Err(Error::invalid("no switch of the mailbox is to be set"));
        }
        let smtp = self.smtp_disabled.map(|disabled| disabled.map_or(Value::Null, Value::Bool));
        let command = Command::new(Self::FACTS)
            .with("Identity", &self.mailbox)
            .with_some("ImapEnabled", self.imap)
            .with_some("PopEnabled", self.pop)
            .with_some("SmtpClientAuthenticationDisabled", smtp);
        Ok(self.ews.command(command).anchored(self.mailbox.anchor()))
    }

    fn read(&self, _rows: Vec<Row>) -> Result<()> {
        Ok(())
    }
}
