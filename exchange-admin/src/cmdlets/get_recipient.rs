use m365_core::{Error, MailboxAddress, Result};
use uuid::Uuid;

use super::absent;
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::{Names, RecipientIdentity, RecipientKind};
use crate::{Cmdlet, Facts};

/// A mailbox, group, contact or any other addressee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its main address; some recipients have none.
    pub primary_smtp_address: Option<MailboxAddress>,
    /// Object id in Entra.
    pub object_id: Option<Uuid>,
    /// Exchange's own id of the object.
    pub guid: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Name for people; two of them may share one.
    pub display_name: String,
    /// What scopes are written with; it changes when the object is renamed.
    pub distinguished_name: String,
    /// What it is.
    pub kind: RecipientKind,
    /// Whether permissions and access policies can name it.
    pub is_valid_security_principal: Option<bool>,
    names: Names,
}

impl Recipient {
    pub(super) const PROPERTIES: &'static [&'static str] = &[
        "PrimarySmtpAddress",
        "EmailAddresses",
        "ExternalDirectoryObjectId",
        "Guid",
        "ExchangeGuid",
        "RecipientTypeDetails",
        "Identity",
        "DistinguishedName",
        "DisplayName",
        "Name",
        "Alias",
        "WindowsLiveID",
        "IsValidSecurityPrincipal",
    ];

    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            primary_smtp_address: row.parsed("PrimarySmtpAddress"),
            object_id: row.parsed("ExternalDirectoryObjectId"),
            guid: row.parsed("Guid"),
            name: row.required("Name")?.to_owned(),
            display_name: row.owned("DisplayName"),
            distinguished_name: row.owned("DistinguishedName"),
            kind: RecipientKind::read(row.required("RecipientTypeDetails")?),
            is_valid_security_principal: row.truth("IsValidSecurityPrincipal"),
            names: Names::of_recipient(row),
        })
    }

    /// All names under which Exchange may echo it.
    pub fn names(&self) -> &Names {
        &self.names
    }
}

/// `Get-Recipient -Identity`: whatever bears this address or id.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-recipient>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRecipient {
    identity: RecipientIdentity,
}

impl GetRecipient {
    /// By address or id.
    pub fn new(identity: impl Into<RecipientIdentity>) -> Self {
        Self { identity: identity.into() }
    }
}

impl Cmdlet for GetRecipient {
    type Output = Option<Recipient>;

    const FACTS: &'static Facts = facts!(
        "Get-Recipient",
        "get-recipient",
        ["View-Only Recipients", "Mail Recipients"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.identity).selecting(Recipient::PROPERTIES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.identity.to_string();
        let all = rows.iter().filter(|r| Names::of_recipient(r).contain(&wanted));
        only(all.map(Recipient::read).collect::<Result<_>>()?, &wanted, |_| true)
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}
