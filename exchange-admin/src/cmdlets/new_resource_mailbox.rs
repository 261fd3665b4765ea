use m365_core::{MailboxAddress, Result};

use super::{Mailbox, NewSharedMailbox, last};
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::ObjectName;
use crate::{Cmdlet, Facts};

/// `New-Mailbox -Room` or `-Equipment`: makes the mailbox of a room or a device. It needs no password.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-mailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResourceMailbox {
    name: ObjectName,
    address: MailboxAddress,
    equipment: bool,
    display_name: Option<String>,
}

impl NewResourceMailbox {
    /// A room.
    pub fn room(name: ObjectName, address: MailboxAddress) -> Self {
        Self { name, address, equipment: false, display_name: None }
    }

    /// A device.
    pub fn equipment(name: ObjectName, address: MailboxAddress) -> Self {
        Self { name, address, equipment: true, display_name: None }
    }

    /// Another name for people.
    #[must_use]
    pub fn with_display_name(mut self, display_name: &str) -> Self {
        self.display_name = Some(display_name.to_owned());
        self
    }
}

impl Cmdlet for NewResourceMailbox {
    type Output = Option<Mailbox>;

    const FACTS: &'static Facts = NewSharedMailbox::FACTS;

    fn command(&self) -> Result<Command> {
        let kind = if self.equipment { "Equipment" } else { "Room" };
        Ok(Command::new(Self::FACTS)
            .with(kind, Value::Switch(true))
            .with("Name", self.name.as_str())
            .with_some("DisplayName", self.display_name.as_deref())
            .with("PrimarySmtpAddress", self.address.as_str()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(Mailbox::read).collect::<Result<Vec<_>>>().map(last)
    }
}
