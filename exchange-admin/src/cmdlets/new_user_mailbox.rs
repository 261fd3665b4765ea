use m365_core::{MailboxAddress, Result};

use super::{Mailbox, NewSharedMailbox, last};
use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{ObjectName, OrganizationalUnit};
use crate::{Cmdlet, Facts};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Home {
    Online,
    OnPremises(Option<OrganizationalUnit>),
}

/// `New-Mailbox -Password`: makes a user with a mailbox, such as a service account. In a script only: whoever runs it types
/// the password, and it is never in our hands. Over REST it is refused.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/new-mailbox>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUserMailbox {
    name: ObjectName,
    sign_in_name: MailboxAddress,
    home: Home,
    display_name: Option<String>,
}

impl NewUserMailbox {
    /// In Exchange Online, signing in as `sign_in_name`. It needs a licence besides.
    pub fn online(name: ObjectName, sign_in_name: MailboxAddress) -> Self {
        Self { name, sign_in_name, home: Home::Online, display_name: None }
    }

    /// In Exchange Server, in this unit of Active Directory or in the default one.
    pub fn on_premises(
        name: ObjectName,
        sign_in_name: MailboxAddress,
        unit: Option<OrganizationalUnit>,
    ) -> Self {
        Self { name, sign_in_name, home: Home::OnPremises(unit), display_name: None }
    }

    /// Another name for people.
    #[must_use]
    pub fn with_display_name(mut self, display_name: &str) -> Self {
        self.display_name = Some(display_name.to_owned());
        self
    }
}

impl Cmdlet for NewUserMailbox {
    type Output = Option<Mailbox>;

    const FACTS: &'static Facts = NewSharedMailbox::FACTS;

    fn command(&self) -> Result<Command> {
        let command = Command::new(Self::FACTS)
            .with("Name", self.name.as_str())
            .with_some("DisplayName", self.display_name.as_deref());
        let command = match &self.home {
            Home::Online => command.with("MicrosoftOnlineServicesID", self.sign_in_name.as_str()),
            Home::OnPremises(unit) => command
                .with("UserPrincipalName", self.sign_in_name.as_str())
                .with_some("OrganizationalUnit", unit.as_ref().map(OrganizationalUnit::as_str)),
        };
        Ok(command.with("Password", Value::SecretPrompt("Password of the new mailbox")))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter().map(Mailbox::read).collect::<Result<Vec<_>>>().map(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn trap_7_a_password_is_prompted_for_in_scripts_and_refused_over_rest() {
        let name = ObjectName::parse("svc-presence").unwrap();
        let account = MailboxAddress::parse("svc-presence@contoso.example").unwrap();
        let command = NewUserMailbox::online(name.clone(), account.clone()).command().unwrap();
        assert_eq!(command.to_invoke_body().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(
            command.to_powershell().unwrap(),
            "New-Mailbox -Name 'svc-presence' -MicrosoftOnlineServicesID 'svc-presence@contoso.example' -Password (Read-Host -AsSecureString -Prompt 'Password of the new mailbox')"
        );
        let unit = OrganizationalUnit::parse("contoso.example/Service").unwrap();
        let line = NewUserMailbox::on_premises(name, account, Some(unit)).command().unwrap().to_powershell();
        assert!(line.unwrap().contains(
            "-UserPrincipalName 'svc-presence@contoso.example' -OrganizationalUnit 'contoso.example/Service' -Password (Read-Host"
        ));
    }
}
