use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::types::{Grantee, Names, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// Who sends as a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientPermission {
    /// The trustee as Exchange echoes it: a display name, a UPN, a SID.
    pub trustee: String,
    /// Whether the entry is for sending as the recipient: the one right there is.
    pub send_as: bool,
    /// Deny entries go before the others.
    pub deny: bool,
    /// From above, not of this recipient.
    pub inherited: bool,
}

impl RecipientPermission {
    fn read(row: &Row) -> Result<Self> {
        let control = row.text("AccessControlType").unwrap_or("Allow");
        Ok(Self {
            trustee: row.required("Trustee")?.to_owned(),
            send_as: row.list("AccessRights").iter().any(|r| r.eq_ignore_ascii_case("SendAs")),
            // Anything but a plain "Allow" is no permission.
            deny: !control.eq_ignore_ascii_case("Allow"),
            inherited: row.truth("IsInherited").unwrap_or(false),
        })
    }

    /// Whether it lets somebody with these names send as the recipient.
    pub fn lets(&self, names: &Names) -> bool {
        self.send_as && !self.deny && names.contain(&self.trustee)
    }
}

/// `Get-RecipientPermission`: who sends as a recipient. Exchange's page calls the answer unreliable for trustees with
/// several SIDs.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-recipientpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRecipientPermission {
    recipient: RecipientIdentity,
    trustee: Option<Grantee>,
}

impl GetRecipientPermission {
    /// All entries of this recipient.
    pub fn new(recipient: impl Into<RecipientIdentity>) -> Self {
        Self { recipient: recipient.into(), trustee: None }
    }

    /// Asks for one trustee's entries. Compare what comes back all the same.
    #[must_use]
    pub fn with_trustee(mut self, trustee: impl Into<Grantee>) -> Self {
        self.trustee = Some(trustee.into());
        self
    }
}

impl Cmdlet for GetRecipientPermission {
    type Output = Vec<RecipientPermission>;

    const FACTS: &'static Facts = facts!(
        "Get-RecipientPermission",
        "get-recipientpermission",
        ["Mail Recipients"],
        RecipientManagement,
        IMMEDIATE,
        Idempotent,
        Online
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", &self.recipient)
            .with_some("Trustee", self.trustee.as_ref())
            .with("ResultSize", "Unlimited")
            .anchored(self.recipient.anchor()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(RecipientPermission::read).collect()
    }
}
