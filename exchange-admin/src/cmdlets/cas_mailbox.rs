use m365_core::{MailboxAddress, Result};

use super::ews_access::EwsAgents;
use crate::row::Row;

/// The protocol switches of a mailbox. A switch that the answer does not show is `None`, neither on nor off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CasMailbox {
    /// Its main address.
    pub primary_smtp_address: MailboxAddress,
    /// IMAP.
    pub imap_enabled: Option<bool>,
    /// POP.
    pub pop_enabled: Option<bool>,
    /// EWS; `None` also when the organisation's switch decides.
    pub ews_enabled: Option<bool>,
    /// Authenticated SMTP, turned off; `None` also when the organisation's switch decides.
    pub smtp_client_authentication_disabled: Option<bool>,
    /// Its own lists of user agents.
    pub ews_agents: EwsAgents,
}

impl CasMailbox {
    pub(super) const PROPERTIES: &'static [&'static str] = &[
        "PrimarySmtpAddress",
        "EmailAddresses",
        "ExternalDirectoryObjectId",
        "Guid",
        "Name",
        "ImapEnabled",
        "PopEnabled",
        "EwsEnabled",
        "SmtpClientAuthenticationDisabled",
        "EwsApplicationAccessPolicy",
        "EwsAllowList",
        "EwsBlockList",
    ];

    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            primary_smtp_address: row.required_parsed("PrimarySmtpAddress")?,
            imap_enabled: row.truth("ImapEnabled"),
            pop_enabled: row.truth("PopEnabled"),
            ews_enabled: row.truth("EwsEnabled"),
            smtp_client_authentication_disabled: row.truth("SmtpClientAuthenticationDisabled"),
            ews_agents: EwsAgents::read(row),
        })
    }
}
