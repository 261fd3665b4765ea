use m365_core::Result;

use crate::command::Command;
use crate::row::{Row, only};
use crate::types::{Names, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// `Get-ThrottlingPolicyAssociation -Identity`: the throttling policy that an account of Exchange Server has of its own;
/// `None` when the default one decides.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-throttlingpolicyassociation>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetThrottlingPolicyAssociation {
    account: RecipientIdentity,
}

impl GetThrottlingPolicyAssociation {
    /// Of this account.
    pub fn new(account: impl Into<RecipientIdentity>) -> Self {
        Self { account: account.into() }
    }
}

impl Cmdlet for GetThrottlingPolicyAssociation {
    type Output = Option<String>;

    const FACTS: &'static Facts = facts!(
        "Get-ThrottlingPolicyAssociation",
        "get-throttlingpolicyassociation",
        ["View-Only Recipients", "Recipient Policies"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        OnPremises
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.account))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.account.to_string();
        // The rows of this cmdlet hold few names; one row is the answer, several are sorted by name.
        let one = match rows.as_slice() {
            [row] => Some(row.clone()),
            _ => only(rows, &wanted, |row| Names::of_recipient(row).contain(&wanted))?,
        };
        Ok(one.and_then(|row| row.text("ThrottlingPolicyId").map(str::to_owned)))
    }
}
