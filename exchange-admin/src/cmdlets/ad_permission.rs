use m365_core::{Error, Result};

use crate::command::{Command, Value};
use crate::row::Row;
use crate::types::{Grantee, Names, RecipientIdentity};
use crate::{Cmdlet, Facts};

/// An extended right in Active Directory that opens mailboxes of Exchange Server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExtendedRight {
    /// To send as the recipient.
    SendAs,
    /// Exchange 2007: to open, on a Client Access server, mailboxes in their owners' name at all.
    Impersonation,
    /// Exchange 2007: to open this mailbox, or those of this database, in their owners' name.
    MayImpersonate,
}

impl ExtendedRight {
    /// As Active Directory names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendAs => "Send As",
            Self::Impersonation => "ms-Exch-EPI-Impersonation",
            Self::MayImpersonate => "ms-Exch-EPI-May-Impersonate",
        }
    }
}

/// An entry on an object of Active Directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdPermission {
    /// To whom, as Exchange echoes it: `DOMAIN\\account`.
    pub user: String,
    /// The extended rights, as Active Directory names them.
    pub extended_rights: Vec<String>,
    /// Deny entries go before the others.
    pub deny: bool,
    /// From above, not of this object.
    pub inherited: bool,
}

impl AdPermission {
    /// Whether it gives somebody with these names this right.
    pub fn gives(&self, right: ExtendedRight, names: &Names) -> bool {
        // Active Directory shows the right of sending with a dash.
        let same = |own: &str| own.replace('-', " ").eq_ignore_ascii_case(&right.as_str().replace('-', " "));
        !self.deny && names.contain(&self.user) && self.extended_rights.iter().any(|r| same(r))
    }
}

/// These cmdlets find an object by its distinguished name or by its name alone.
fn object(identity: &RecipientIdentity) -> Result<Value> {
    match identity {
        RecipientIdentity::DistinguishedName(_) | RecipientIdentity::Name(_) => Ok(Value::from(identity)),
        _ => Err(Error::invalid(format!(
            "permissions in Active Directory name an object by its distinguished name or its name, not as {identity}"
        ))),
    }
}

macro_rules! changes {
    ($name:ident, $cmdlet:literal, $page:literal, $does:literal, $idempotency:ident, $access:expr) => {
        #[doc = concat!("`", $cmdlet, " -ExtendedRights`: ", $does, " In Exchange Server only.")]
        #[doc = ""]
        #[doc = concat!("<https://learn.microsoft.com/powershell/module/exchangepowershell/", $page, ">")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            object: RecipientIdentity,
            user: Grantee,
            right: ExtendedRight,
        }

        impl $name {
            /// This right on an object, named by distinguished name or name, and whose it is.
            pub fn new(
                object: impl Into<RecipientIdentity>,
                user: impl Into<Grantee>,
                right: ExtendedRight,
            ) -> Self {
                Self { object: object.into(), user: user.into(), right }
            }
        }

        impl Cmdlet for $name {
            type Output = ();

            const FACTS: &'static Facts = facts!(
                $cmdlet,
                $page,
                ["Active Directory Permissions"],
                OrganizationManagement,
                SERVER_SETTING,
                $idempotency,
                OnPremises
            );

            fn command(&self) -> Result<Command> {
                Ok(Command::new(Self::FACTS)
                    .with("Identity", object(&self.object)?)
                    .with("User", &self.user)
                    .with_some("AccessRights", $access)
                    .with("ExtendedRights", Value::List(vec![self.right.as_str().to_owned()])))
            }

            fn read(&self, _rows: Vec<Row>) -> Result<()> {
                Ok(())
            }
        }
    };
}

changes!(
    AddAdPermission,
    "Add-ADPermission",
    "add-adpermission",
    "gives an extended right.",
    NotIdempotent,
    Some(vec!["ExtendedRight".to_owned()])
);
changes!(
    RemoveAdPermission,
    "Remove-ADPermission",
    "remove-adpermission",
    "takes an extended right back.",
    Idempotent,
    None::<Value>
);

/// `Get-ADPermission`: the entries on an object of Active Directory. In Exchange Server only.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-adpermission>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAdPermission {
    object: RecipientIdentity,
    user: Option<Grantee>,
}

impl GetAdPermission {
    /// All entries on this object, named by distinguished name or name.
    pub fn new(object: impl Into<RecipientIdentity>) -> Self {
        Self { object: object.into(), user: None }
    }

    /// Asks for one account's entries.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Grantee>) -> Self {
        self.user = Some(user.into());
        self
    }
}

impl Cmdlet for GetAdPermission {
    type Output = Vec<AdPermission>;

    const FACTS: &'static Facts = facts!(
        "Get-ADPermission",
        "get-adpermission",
        ["View-Only Configuration", "Active Directory Permissions"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent,
        OnPremises
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS)
            .with("Identity", object(&self.object)?)
            .with_some("User", self.user.as_ref()))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter()
            .map(|row| {
                Ok(AdPermission {
                    user: row.required("User")?.to_owned(),
                    extended_rights: row.list("ExtendedRights"),
                    // An entry of which this was not read is no permission.
                    deny: row.truth("Deny").unwrap_or(true),
                    inherited: row.truth("IsInherited").unwrap_or(false),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ObjectName;

    #[test]
    fn an_entry_gives_what_it_says_and_nothing_when_it_denies() {
        let row = |value: serde_json::Value| match value {
            serde_json::Value::Object(object) => Row::new(object),
            other => panic!("{other}"),
        };
        let named = || ObjectName::parse("Invoices").unwrap();
        let read = |value| GetAdPermission::new(named()).read(vec![row(value)]).unwrap().remove(0);
        let svc = Names::new(["ADATUM\\svc"]);
        let entry = |deny| {
            read(serde_json::json!({"User": "adatum\\svc", "ExtendedRights": ["Send-As"], "Deny": deny}))
        };
        assert!(entry(serde_json::json!(false)).gives(ExtendedRight::SendAs, &svc));
        assert!(!entry(serde_json::json!(false)).gives(ExtendedRight::MayImpersonate, &svc));
        assert!(!entry(serde_json::json!(true)).gives(ExtendedRight::SendAs, &svc));
        assert!(!entry(serde_json::Value::Null).gives(ExtendedRight::SendAs, &svc));
        let address = crate::MailboxAddress::parse("a@adatum.example").unwrap();
        assert!(GetAdPermission::new(address).command().is_err());
    }
}
