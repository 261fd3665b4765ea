use m365_core::{MailboxAddress, Result};

use crate::row::Row;

/// The protocol switches of a mailbox. A switch that the answer does not show is `None`, neither on nor off.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    ];

    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            primary_smtp_address: row.required_parsed("PrimarySmtpAddress")?,
            imap_enabled: row.truth("ImapEnabled"),
            pop_enabled: row.truth("PopEnabled"),
            ews_enabled: row.truth("EwsEnabled"),
            smtp_client_authentication_disabled: row.truth("SmtpClientAuthenticationDisabled"),
        })
    }
}
