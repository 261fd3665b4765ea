use m365_core::{Error, Result};

use super::absent;
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::{Names, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// A user as Exchange sees it, with or without a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Sign-in name.
    pub user_principal_name: String,
    /// The authentication policy of its own; `None` when the organisation's decides.
    pub authentication_policy: Option<String>,
    /// Whether it may use remote PowerShell; `None` when the answer does not say.
    pub remote_powershell_enabled: Option<bool>,
    names: Names,
}

impl User {
    /// All names under which Exchange may echo it.
    pub fn names(&self) -> &Names {
        &self.names
    }

    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            user_principal_name: row.required("UserPrincipalName")?.to_owned(),
            authentication_policy: row.text("AuthenticationPolicy").map(str::to_owned),
            remote_powershell_enabled: row.truth("RemotePowerShellEnabled"),
            names: Names::of_recipient(row),
        })
    }
}

/// `Get-User -Identity`: one user.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-user>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetUser {
    user: RecipientIdentity,
}

impl GetUser {
    /// By sign-in name, address or id.
    pub fn new(user: impl Into<RecipientIdentity>) -> Self {
        Self { user: user.into() }
    }
}

impl Cmdlet for GetUser {
    type Output = Option<User>;

    const FACTS: &'static Facts = facts!(
        "Get-User",
        "get-user",
        ["View-Only Recipients", "Mail Recipients"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.user))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.user.to_string();
        let all = rows.iter().filter(|r| Names::of_recipient(r).contain(&wanted));
        only(all.map(User::read).collect::<Result<_>>()?, &wanted, |_| true)
    }

    fn recover(&self, error: Error) -> Result<Self::Output> {
        absent(error)
    }
}
