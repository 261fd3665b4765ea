//! Application permissions: resolved by name from the tenant, cross-checked with a table.

use std::fmt;

use m365_core::{AppRoleId, ClientId, Error, ErrorKind, Resource, Result};
use serde::{Deserialize, Serialize};

use crate::directory::AppRole;

/// An API that offers application permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Api {
    /// Microsoft Graph.
    Graph,
    /// Office 365 Exchange Online: EWS, IMAP, POP, SMTP and the Exchange Admin API.
    Exchange,
}

impl Api {
    /// Every API, in the order in which plans name them.
    pub const ALL: [Self; 2] = [Self::Graph, Self::Exchange];

    /// The client id under which the API has its service principal in every tenant.
    pub const fn client_id(self) -> ClientId {
        match self {
            Self::Graph => ClientId::MICROSOFT_GRAPH,
            Self::Exchange => ClientId::EXCHANGE_ONLINE,
        }
    }

    /// The resource to ask a token for.
    pub const fn resource(self) -> Resource {
        match self {
            Self::Graph => Resource::Graph,
            Self::Exchange => Resource::Exchange,
        }
    }

    /// Its name as the portal shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graph => "Microsoft Graph",
            Self::Exchange => "Office 365 Exchange Online",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An application permission: a name **of an API**. The same name may mean different things on two APIs, and has
/// different ids there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Permission {
    /// The API that offers it.
    pub api: Api,
    /// Its name there, such as `Mail.Read`.
    pub name: String,
}

impl Permission {
    /// A permission of this API.
    pub fn new(api: Api, name: impl Into<String>) -> Self {
        Self { api, name: name.into() }
    }

    /// One of Microsoft Graph.
    pub fn graph(name: impl Into<String>) -> Self {
        Self::new(Api::Graph, name)
    }

    /// One of Exchange Online.
    pub fn exchange(name: impl Into<String>) -> Self {
        Self::new(Api::Exchange, name)
    }

    /// Its id according to the built-in table, for what the table knows.
    ///
    /// ```
    /// use graph_auth::Permission;
    /// let known = Permission::exchange("IMAP.AccessAsApp").known_id();
    /// assert_eq!(known.map(|id| id.to_string()).as_deref(), Some("5e5addcd-3e8d-4e90-baf5-964efab2b20a"));
    /// assert!(Permission::graph("IMAP.AccessAsApp").known_id().is_none());
    /// ```
    pub fn known_id(&self) -> Option<AppRoleId> {
        let table = match self.api {
            Api::Graph => GRAPH,
            Api::Exchange => EXCHANGE,
        };
        table
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, id)| AppRoleId::from_bytes(id.to_be_bytes()))
    }

    /// Its id in a tenant: the one enabled application role of this name, which must be the table's where the table
    /// knows the name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the API offers no such role, or only disabled or delegated ones;
    /// [`ErrorKind::Conflict`] naming both ids when there are two, or when tenant and table disagree.
    pub fn resolve(&self, offered: &[AppRole]) -> Result<AppRoleId> {
        let named = || offered.iter().filter(|role| role.value.as_deref() == Some(&*self.name));
        let mut usable = named().filter(|role| role.is_usable());
        let Some(role) = usable.next() else {
            let why = if named().any(|role| !role.is_enabled) {
                "the role is disabled there"
            } else if named().next().is_some() {
                "it is not an application permission"
            } else {
                "no such application permission is offered"
            };
            return Err(Error::new(ErrorKind::NotFound, format!("{self}: {why}")).with_transient(false));
        };
        if let Some(second) = usable.find(|other| other.id != role.id) {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{self}: two roles bear this name, {} and {}; neither was chosen",
                    role.id, second.id
                ),
            ));
        }
        match self.known_id() {
            Some(known) if known != role.id => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "{self}: the tenant says {}, the published id is {known}; neither was chosen",
                    role.id
                ),
            )),
            _ => Ok(role.id),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.api)
    }
}

/// The delegated `User.Read` that the portal adds to each registration:
/// <https://learn.microsoft.com/graph/permissions-reference#userread>.
pub(crate) const USER_READ: uuid::Uuid = uuid::Uuid::from_u128(0xe1fe6dd8_ba31_4d61_89e7_88639da4683d);

/// Application roles of Microsoft Graph: <https://learn.microsoft.com/graph/permissions-reference>.
#[rustfmt::skip]
const GRAPH: &[(&str, u128)] = &[
    ("Mail.Read", 0x810c84a8_4a9e_49e6_bf7d_12d183f40d01),
    ("Mail.ReadBasic", 0x6be147d2_ea4f_4b5a_a3fa_3eab6f3c140a),
    ("Mail.ReadBasic.All", 0x693c5e45_0940_467d_9b8a_1022fb9d42ef),
    ("Mail.ReadWrite", 0xe2a3a72e_5f79_4c64_b1b1_878b674786c9),
    ("Mail.Send", 0xb633e1c5_b582_4048_a93e_9f11b44c7e96),
    ("Mail-Advanced.ReadWrite.All", 0xe118f1da_5c1c_46cf_bff6_8858d786f46f),
    ("Calendars.Read", 0x798ee544_9d2d_430c_a058_570e29e34338),
    ("Calendars.ReadBasic.All", 0x8ba4a692_bc31_4128_9094_475872af8a53),
    ("Calendars.ReadWrite", 0xef54d2bf_783f_4e0f_bca1_3210c0444d99),
    ("Contacts.Read", 0x089fe4d0_434a_44c5_8827_41ba8a0b17f5),
    ("Contacts.ReadWrite", 0x6918b873_d17a_4dc1_b314_35f528134491),
    ("MailboxSettings.Read", 0x40f97065_369a_49f4_947c_6a255697ae91),
    ("MailboxSettings.ReadWrite", 0x6931bccd_447a_43d1_b442_00a195474933),
    ("MailboxFolder.Read.All", 0x99280d24_a782_4793_93cc_0888549957f6),
    ("MailboxFolder.ReadWrite.All", 0xfef87b92_8391_4589_9da7_eb93dab7dc8a),
    ("MailboxItem.Read.All", 0x7d9f353d_a7bd_4fbb_822a_26d5dd39a3ce),
    ("MailboxItem.Export.All", 0x937550e9_33a3_494b_88ae_d9cd394b1fbb),
    ("MailboxItem.ImportExport.All", 0x76577085_e73d_4f1d_b26a_85fb33892327),
    ("User.Read.All", 0xdf021288_bdef_4463_88db_98f22de89214),
    ("User.ReadBasic.All", 0x97235f07_e226_4f63_ace3_39588e11d3a1),
    ("Group.Read.All", 0x5b567255_7703_4780_807c_7be8301ae99b),
    ("Group.ReadWrite.All", 0x62a82d76_70ea_41e2_9197_370581804d09),
    ("Group.Create", 0xbf7b1a76_6e77_406b_b258_bf5c7720e98f),
    ("GroupMember.Read.All", 0x98830695_27a2_44f7_8c18_0c3ebc9698f6),
    ("GroupMember.ReadWrite.All", 0xdbaae8cf_10b5_4b86_a4a1_f871c94c6695),
    ("Directory.Read.All", 0x7ab1d382_f21e_4acd_a863_ba3e13f7da61),
    ("Organization.Read.All", 0x498476ce_e0fe_48b0_b801_37ba7e2685c6),
    ("Domain.Read.All", 0xdbb9058a_0e50_45d7_ae91_66909b5d4664),
    ("Place.Read.All", 0x913b9306_0ce1_42b8_9137_6a7df690a760),
    ("Presence.ReadWrite.All", 0x83cded22_8297_4ff6_a7fa_e97e9545a259),
    ("Policy.Read.All", 0x246dd0d5_5bd0_4def_940b_0421030a5b68),
    ("Application.Read.All", 0x9a5d68dd_52b0_4cc2_bd40_abcf44ac3a30),
    ("Application.ReadWrite.All", 0x1bfefb4e_e0b5_418b_a88f_73c46d2cc8e9),
    ("Application.ReadWrite.OwnedBy", 0x18a4783c_866b_4cc7_a460_3d5e5662c884),
    ("AppRoleAssignment.ReadWrite.All", 0x06b708a9_e830_4db3_a914_8e69da51d44f),
    ("RoleManagement.ReadWrite.Exchange", 0x025d3225_3f02_4882_b4c0_cd5b541a4e80),
];

/// Application roles of Office 365 Exchange Online, as its service principal offers them.
#[rustfmt::skip]
const EXCHANGE: &[(&str, u128)] = &[
    ("full_access_as_app", 0xdc890d15_9560_4a4c_9b7f_a736ec74ec40),
    ("Exchange.ManageAsApp", 0xdc50a0fb_09a3_484d_be87_e023b12c6440),
    ("Exchange.ManageAsAppV2", 0xea3d980d_ebc7_4be4_8298_a167e5b8797c),
    ("IMAP.AccessAsApp", 0x5e5addcd_3e8d_4e90_baf5_964efab2b20a),
    ("POP.AccessAsApp", 0xcb842b43_da6e_4506_86fe_bb12199c656d),
    ("SMTP.SendAsApp", 0x7146a1f0_8703_45b3_9eae_527a64c00995),
    ("Mailbox.Migration", 0xf7264778_fba9_422d_8e9e_2675a2c4b513),
    ("Calendars.Read.All", 0x2dfdc6dc_2fa7_4a2c_a922_dbd4f85d17be),
    ("Calendars.ReadWrite.All", 0xef54d2bf_783f_4e0f_bca1_3210c0444d99),
    ("MailboxSettings.Read", 0xd45fa9f8_36e5_4cd2_b601_b063c7cf9ac2),
    ("MailboxSettings.ReadWrite", 0xf9156939_25cd_4ba8_abfe_7fabcf003749),
    ("User.Read.All", 0xbf24470f_10c1_436d_8d53_7b997eb473be),
    ("User.ReadBasic.All", 0x77e65b5a_ceae_48b3_9490_50a86a038a48),
    ("Place.Read.All", 0x4830e04b_48ac_4de5_bbd9_8aceb58e506b),
    ("Mail.Read", 0x810c84a8_4a9e_49e6_bf7d_12d183f40d01),
    ("Mail.ReadWrite", 0xe2a3a72e_5f79_4c64_b1b1_878b674786c9),
    ("Mail.Send", 0xb633e1c5_b582_4048_a93e_9f11b44c7e96),
    ("Calendars.Read", 0x798ee544_9d2d_430c_a058_570e29e34338),
    ("Contacts.Read", 0x089fe4d0_434a_44c5_8827_41ba8a0b17f5),
    ("Contacts.ReadWrite", 0x6918b873_d17a_4dc1_b314_35f528134491),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn role(value: &str, id: &str, enabled: bool, member: &str) -> AppRole {
        serde_json::from_value(serde_json::json!({
            "id": id, "value": value, "displayName": value, "isEnabled": enabled, "allowedMemberTypes": [member]
        }))
        .unwrap()
    }

    const MAIL_READ: &str = "810c84a8-4a9e-49e6-bf7d-12d183f40d01";
    const OTHER: &str = "aaaaaaaa-0000-4000-8000-000000000001";

    #[test]
    fn names_are_unique_per_api() {
        for table in [GRAPH, EXCHANGE] {
            let names: std::collections::HashSet<_> = table.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), table.len());
        }
        assert_ne!(
            Permission::graph("User.Read.All").known_id(),
            Permission::exchange("User.Read.All").known_id()
        );
    }

    #[test]
    fn trap_9_two_roles_of_one_name_are_refused_with_both_ids() {
        let offered = [
            role("Custom.Do", OTHER, true, "Application"),
            role("Custom.Do", MAIL_READ, true, "Application"),
        ];
        let error = Permission::graph("Custom.Do").resolve(&offered).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains(OTHER) && error.message().contains(MAIL_READ), "{error}");
    }

    #[test]
    fn trap_9_disabled_and_delegated_roles_are_not_chosen() {
        let wanted = Permission::graph("Mail.Read");
        let good = role("Mail.Read", MAIL_READ, true, "Application");
        let disabled = role("Mail.Read", OTHER, false, "Application");
        let delegated = role("Mail.Read", OTHER, true, "User");
        assert_eq!(
            wanted.resolve(&[disabled.clone(), delegated.clone(), good]).unwrap().to_string(),
            MAIL_READ
        );
        for (offered, why) in [
            (disabled, "disabled"),
            (delegated, "not an application"),
            (role("X", OTHER, true, "Application"), "no such"),
        ] {
            let error = wanted.resolve(&[offered]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.message().contains(why), "{error}");
        }
    }

    #[test]
    fn trap_9_a_mismatch_with_the_table_is_refused_with_both_ids() {
        let error = Permission::graph("Mail.Read")
            .resolve(&[role("Mail.Read", OTHER, true, "Application")])
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains(OTHER) && error.message().contains(MAIL_READ), "{error}");
    }
}
