use std::fmt;

use m365_core::ClientId;

use crate::command::Value;

/// A role of RBAC for Applications: what an app may do with the mailboxes of the scope it is assigned with.
///
/// <https://learn.microsoft.com/exchange/permissions-exo/application-rbac#supported-application-roles>
///
/// There is no role for `Calendars.ReadBasic`, IMAP or POP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the roles' names; `name` and `permissions` say the rest")]
#[non_exhaustive]
pub enum ApplicationRole {
    MailRead,
    MailReadBasic,
    MailReadWrite,
    MailSend,
    MailboxSettingsRead,
    MailboxSettingsReadWrite,
    CalendarsRead,
    CalendarsReadWrite,
    ContactsRead,
    ContactsReadWrite,
    MailboxFolderRead,
    MailboxFolderReadWrite,
    MailboxItemRead,
    MailboxItemReadWrite,
    MailboxItemExport,
    MailboxItemImportExport,
    MailFullAccess,
    ExchangeFullAccess,
    EwsAccessAsApp,
    SmtpSendAsApp,
    MailboxConfigItemRead,
    MailboxConfigItemReadWrite,
    MailTipsReadBasicAll,
    MailAdvancedReadWriteAll,
}

/// Role, name, permissions as `Test-ServicePrincipalAuthorization` lists them.
type Entry = (ApplicationRole, &'static str, &'static [&'static str]);

const ROLES: [Entry; 24] = {
    use ApplicationRole as R;
    [
        (R::MailRead, "Application Mail.Read", &["Mail.Read"]),
        (R::MailReadBasic, "Application Mail.ReadBasic", &["Mail.ReadBasic"]),
        (R::MailReadWrite, "Application Mail.ReadWrite", &["Mail.ReadWrite"]),
        (R::MailSend, "Application Mail.Send", &["Mail.Send"]),
        (R::MailboxSettingsRead, "Application MailboxSettings.Read", &["MailboxSettings.Read"]),
        (
            R::MailboxSettingsReadWrite,
            "Application MailboxSettings.ReadWrite",
            &["MailboxSettings.ReadWrite"],
        ),
        (R::CalendarsRead, "Application Calendars.Read", &["Calendars.Read"]),
        (R::CalendarsReadWrite, "Application Calendars.ReadWrite", &["Calendars.ReadWrite"]),
        (R::ContactsRead, "Application Contacts.Read", &["Contacts.Read"]),
        (R::ContactsReadWrite, "Application Contacts.ReadWrite", &["Contacts.ReadWrite"]),
        (R::MailboxFolderRead, "Application MailboxFolder.Read", &["MailboxFolder.Read"]),
        (R::MailboxFolderReadWrite, "Application MailboxFolder.ReadWrite", &["MailboxFolder.ReadWrite"]),
        (R::MailboxItemRead, "Application MailboxItem.Read", &["MailboxItem.Read"]),
        (R::MailboxItemReadWrite, "Application MailboxItem.ReadWrite", &["MailboxItem.ReadWrite"]),
        (R::MailboxItemExport, "Application MailboxItem.Export", &["MailboxItem.Export"]),
        (R::MailboxItemImportExport, "Application MailboxItem.ImportExport", &["MailboxItem.ImportExport"]),
        (R::MailFullAccess, "Application Mail Full Access", &["Mail.ReadWrite", "Mail.Send"]),
        (
            R::ExchangeFullAccess,
            "Application Exchange Full Access",
            &[
                "Mail.ReadWrite",
                "Mail.Send",
                "MailboxSettings.ReadWrite",
                "Calendars.ReadWrite",
                "Contacts.ReadWrite",
            ],
        ),
        (R::EwsAccessAsApp, "Application EWS.AccessAsApp", &["EWS.AccessAsApp"]),
        (R::SmtpSendAsApp, "Application SMTP.SendAsApp", &["SMTP.SendAsApp"]),
        (R::MailboxConfigItemRead, "Application MailboxConfigItem.Read", &["MailboxConfigItem.Read"]),
        (
            R::MailboxConfigItemReadWrite,
            "Application MailboxConfigItem.ReadWrite",
            &["MailboxConfigItem.ReadWrite"],
        ),
        (R::MailTipsReadBasicAll, "Application MailTips.ReadBasic.All", &["MailTips.ReadBasic.All"]),
        (
            R::MailAdvancedReadWriteAll,
            "Application Mail-Advanced.ReadWrite.All",
            &["Mail-Advanced.ReadWrite.All"],
        ),
    ]
};

impl ApplicationRole {
    /// All roles.
    pub fn all() -> impl Iterator<Item = Self> {
        ROLES.iter().map(|(role, ..)| *role)
    }

    fn entry(self) -> Option<&'static Entry> {
        ROLES.iter().find(|(role, ..)| *role == self)
    }

    /// The role's name in Exchange.
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |(_, name, _)| name)
    }

    /// The permissions that it stands for, as `Test-ServicePrincipalAuthorization` lists them.
    pub fn permissions(self) -> &'static [&'static str] {
        self.entry().map_or(&[], |(.., permissions)| permissions)
    }

    /// The role of this name, without case.
    pub fn read(name: &str) -> Option<Self> {
        ROLES.iter().find_map(|(role, n, _)| n.eq_ignore_ascii_case(name.trim()).then_some(*role))
    }

    /// The role that grants the same as this application permission of this resource API, if there is one.
    ///
    /// The resource matters: Office 365 Exchange Online still offers roles named like Graph's (`Mail.Read`), for an API
    /// that is gone.
    ///
    /// ```
    /// use exchange_admin::{ApplicationRole, ClientId};
    /// let role = |name| ApplicationRole::from_permission(ClientId::MICROSOFT_GRAPH, name);
    /// assert_eq!(role("Mail.ReadBasic.All"), Some(ApplicationRole::MailReadBasic));
    /// assert_eq!(role("Calendars.ReadBasic"), None);
    /// assert_eq!(ApplicationRole::from_permission(ClientId::EXCHANGE_ONLINE, "Mail.Read"), None);
    /// ```
    pub fn from_permission(resource: ClientId, permission: &str) -> Option<Self> {
        if resource == ClientId::EXCHANGE_ONLINE {
            return match permission {
                "full_access_as_app" => Some(Self::EwsAccessAsApp),
                "SMTP.SendAsApp" => Some(Self::SmtpSendAsApp),
                _ => None,
            };
        }
        if resource != ClientId::MICROSOFT_GRAPH || matches!(permission, "EWS.AccessAsApp" | "SMTP.SendAsApp")
        {
            return None;
        }
        let single = |wanted: &str| {
            ROLES.iter().find_map(|(role, _, permissions)| match permissions {
                [only] if *only == wanted => Some(*role),
                _ => None,
            })
        };
        single(permission).or_else(|| permission.strip_suffix(".All").and_then(single))
    }
}

impl fmt::Display for ApplicationRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<ApplicationRole> for Value {
    fn from(role: ApplicationRole) -> Self {
        Self::Text(role.name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_one_row_and_reads_back() {
        assert_eq!(ApplicationRole::all().count(), 24);
        for role in ApplicationRole::all() {
            assert_eq!(ApplicationRole::read(role.name()), Some(role));
            assert!(role.name().starts_with("Application ") && !role.permissions().is_empty());
        }
    }

    #[test]
    fn permissions_drop_all_except_the_two_roles_that_keep_it() {
        let graph = |p| ApplicationRole::from_permission(ClientId::MICROSOFT_GRAPH, p);
        for (permission, role) in [
            ("Mail.ReadWrite", Some(ApplicationRole::MailReadWrite)),
            ("Mail.Send", Some(ApplicationRole::MailSend)),
            ("MailboxFolder.Read.All", Some(ApplicationRole::MailboxFolderRead)),
            ("MailTips.ReadBasic.All", Some(ApplicationRole::MailTipsReadBasicAll)),
            ("Mail-Advanced.ReadWrite.All", Some(ApplicationRole::MailAdvancedReadWriteAll)),
            ("User.Read.All", None),
            ("IMAP.AccessAsApp", None),
            ("SMTP.SendAsApp", None),
        ] {
            assert_eq!(graph(permission), role, "{permission}");
        }
        let exchange = |p| ApplicationRole::from_permission(ClientId::EXCHANGE_ONLINE, p);
        assert_eq!(exchange("full_access_as_app"), Some(ApplicationRole::EwsAccessAsApp));
        assert_eq!(exchange("IMAP.AccessAsApp"), None);
    }
}
