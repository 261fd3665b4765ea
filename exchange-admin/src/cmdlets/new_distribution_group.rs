use m365_core::{MailboxAddress, Result};

use super::{DistributionGroup, last};
use crate::command::Command;
use crate::row::Row;
use crate::types::ObjectName;
use crate::{Cmdlet, Facts};

/// `New-DistributionGroup -Type Security`: makes a mail-enabled security group that nobody can join by himself. It
/// returns before the group is complete.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-distributiongroup>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDistributionGroup {
    pub(crate) name: ObjectName,
    pub(crate) address: MailboxAddress,
    display_name: Option<String>,
    alias: Option<String>,
}

impl NewDistributionGroup {
    /// A mail-enabled security group with this name and address.
    pub fn security(name: ObjectName, address: MailboxAddress) -> Self {
        Self { name, address, display_name: None, alias: None }
    }

    /// Another displayed name than its name.
    #[must_use]
    pub fn with_display_name(mut self, display_name: &str) -> Self {
        self.display_name = Some(display_name.to_owned());
        self
    }

    /// Another alias than Exchange would choose.
    #[must_use]
    pub fn with_alias(mut self, alias: &str) -> Self {
        self.alias = Some(alias.to_owned());
        self
    }
}

impl Cmdlet for NewDistributionGroup {
    type Output = Option<DistributionGroup>;

    const FACTS: &'static Facts = facts!(
        "New-DistributionGroup",
        "new-distributiongroup",
        ["Distribution Groups", "Security Group Creation and Membership"],
        RecipientManagement,
        NEW_GROUP,
        NotIdempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Type", "Security")
            .with("Name", self.name.as_str())
            .with_some("DisplayName", self.display_name.as_deref())
            .with_some("Alias", self.alias.as_deref())
            .with("PrimarySmtpAddress", self.address.as_str())
            .with("MemberJoinRestriction", "Closed"))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(DistributionGroup::read).collect::<Result<Vec<_>>>().map(last)
    }
}
