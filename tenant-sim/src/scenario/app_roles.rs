//! The application permissions that the two resource APIs offer, with the ids that Microsoft gave them.
//!
//! Source: the `appRoles` of these service principals, as published in
//! <https://learn.microsoft.com/graph/permissions-reference>.

use uuid::{Uuid, uuid};

/// Client id of Microsoft Graph.
pub(crate) const GRAPH_APP_ID: Uuid = uuid!("00000003-0000-0000-c000-000000000000");
/// Client id of Office 365 Exchange Online.
pub(crate) const EXCHANGE_APP_ID: Uuid = uuid!("00000002-0000-0ff1-ce00-000000000000");
/// Delegated `User.Read` of Microsoft Graph, which the portal adds to every registration.
pub(crate) const USER_READ: Uuid = uuid!("e1fe6dd8-ba31-4d61-89e7-88639da4683d");

/// Roles of Microsoft Graph.
pub(crate) const GRAPH: &[(&str, Uuid)] = &[
    ("Mail.Read", uuid!("810c84a8-4a9e-49e6-bf7d-12d183f40d01")),
    ("Mail.ReadBasic", uuid!("6be147d2-ea4f-4b5a-a3fa-3eab6f3c140a")),
    ("Mail.ReadBasic.All", uuid!("693c5e45-0940-467d-9b8a-1022fb9d42ef")),
    ("Mail.ReadWrite", uuid!("e2a3a72e-5f79-4c64-b1b1-878b674786c9")),
    ("Mail.Send", uuid!("b633e1c5-b582-4048-a93e-9f11b44c7e96")),
    ("Mail-Advanced.ReadWrite.All", uuid!("e118f1da-5c1c-46cf-bff6-8858d786f46f")),
    ("Calendars.Read", uuid!("798ee544-9d2d-430c-a058-570e29e34338")),
    ("Calendars.ReadBasic.All", uuid!("8ba4a692-bc31-4128-9094-475872af8a53")),
    ("Calendars.ReadWrite", uuid!("ef54d2bf-783f-4e0f-bca1-3210c0444d99")),
    ("Contacts.Read", uuid!("089fe4d0-434a-44c5-8827-41ba8a0b17f5")),
    ("Contacts.ReadWrite", uuid!("6918b873-d17a-4dc1-b314-35f528134491")),
    ("MailboxSettings.Read", uuid!("40f97065-369a-49f4-947c-6a255697ae91")),
    ("MailboxSettings.ReadWrite", uuid!("6931bccd-447a-43d1-b442-00a195474933")),
    ("MailboxFolder.Read.All", uuid!("99280d24-a782-4793-93cc-0888549957f6")),
    ("MailboxFolder.ReadWrite.All", uuid!("fef87b92-8391-4589-9da7-eb93dab7dc8a")),
    ("MailboxItem.Read.All", uuid!("7d9f353d-a7bd-4fbb-822a-26d5dd39a3ce")),
    ("User.Read.All", uuid!("df021288-bdef-4463-88db-98f22de89214")),
    ("User.ReadBasic.All", uuid!("97235f07-e226-4f63-ace3-39588e11d3a1")),
    ("Group.Read.All", uuid!("5b567255-7703-4780-807c-7be8301ae99b")),
    ("Group.ReadWrite.All", uuid!("62a82d76-70ea-41e2-9197-370581804d09")),
    ("Group.Create", uuid!("bf7b1a76-6e77-406b-b258-bf5c7720e98f")),
    ("GroupMember.Read.All", uuid!("98830695-27a2-44f7-8c18-0c3ebc9698f6")),
    ("GroupMember.ReadWrite.All", uuid!("dbaae8cf-10b5-4b86-a4a1-f871c94c6695")),
    ("Directory.Read.All", uuid!("7ab1d382-f21e-4acd-a863-ba3e13f7da61")),
    ("Organization.Read.All", uuid!("498476ce-e0fe-48b0-b801-37ba7e2685c6")),
    ("Domain.Read.All", uuid!("dbb9058a-0e50-45d7-ae91-66909b5d4664")),
    ("Place.Read.All", uuid!("913b9306-0ce1-42b8-9137-6a7df690a760")),
    ("Presence.ReadWrite.All", uuid!("83cded22-8297-4ff6-a7fa-e97e9545a259")),
    ("Policy.Read.All", uuid!("246dd0d5-5bd0-4def-940b-0421030a5b68")),
    ("Application.Read.All", uuid!("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30")),
    ("Application.ReadWrite.All", uuid!("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9")),
    ("Application.ReadWrite.OwnedBy", uuid!("18a4783c-866b-4cc7-a460-3d5e5662c884")),
    ("AppRoleAssignment.ReadWrite.All", uuid!("06b708a9-e830-4db3-a914-8e69da51d44f")),
    ("DelegatedPermissionGrant.ReadWrite.All", uuid!("8e8e4742-1d95-4f68-9d56-6ee75648c72a")),
    ("RoleManagement.ReadWrite.Exchange", uuid!("025d3225-3f02-4882-b4c0-cd5b541a4e80")),
];

/// Roles of Office 365 Exchange Online.
pub(crate) const EXCHANGE: &[(&str, Uuid)] = &[
    ("full_access_as_app", uuid!("dc890d15-9560-4a4c-9b7f-a736ec74ec40")),
    ("Exchange.ManageAsApp", uuid!("dc50a0fb-09a3-484d-be87-e023b12c6440")),
    ("Exchange.ManageAsAppV2", uuid!("ea3d980d-ebc7-4be4-8298-a167e5b8797c")),
    ("IMAP.AccessAsApp", uuid!("5e5addcd-3e8d-4e90-baf5-964efab2b20a")),
    ("POP.AccessAsApp", uuid!("cb842b43-da6e-4506-86fe-bb12199c656d")),
    ("SMTP.SendAsApp", uuid!("7146a1f0-8703-45b3-9eae-527a64c00995")),
    ("Mailbox.Migration", uuid!("f7264778-fba9-422d-8e9e-2675a2c4b513")),
    ("Calendars.Read.All", uuid!("2dfdc6dc-2fa7-4a2c-a922-dbd4f85d17be")),
    ("Calendars.ReadWrite.All", uuid!("ef54d2bf-783f-4e0f-bca1-3210c0444d99")),
    ("MailboxSettings.Read", uuid!("d45fa9f8-36e5-4cd2-b601-b063c7cf9ac2")),
    ("MailboxSettings.ReadWrite", uuid!("f9156939-25cd-4ba8-abfe-7fabcf003749")),
    ("User.Read.All", uuid!("bf24470f-10c1-436d-8d53-7b997eb473be")),
    ("User.ReadBasic.All", uuid!("77e65b5a-ceae-48b3-9490-50a86a038a48")),
    ("Mail.Read", uuid!("810c84a8-4a9e-49e6-bf7d-12d183f40d01")),
    ("Mail.ReadWrite", uuid!("e2a3a72e-5f79-4c64-b1b1-878b674786c9")),
    ("Mail.Send", uuid!("b633e1c5-b582-4048-a93e-9f11b44c7e96")),
    ("Calendars.Read", uuid!("798ee544-9d2d-430c-a058-570e29e34338")),
    ("Contacts.Read", uuid!("089fe4d0-434a-44c5-8827-41ba8a0b17f5")),
    ("Contacts.ReadWrite", uuid!("6918b873-d17a-4dc1-b314-35f528134491")),
];

/// Second ids that public lists know for these names; disabled here, so a client that ignores `isEnabled` stumbles.
pub(crate) const EXCHANGE_DISABLED: &[(&str, Uuid)] = &[
    ("IMAP.AccessAsApp", uuid!("28b54159-e98b-4a00-9d52-10c8c7cbd7f3")),
    ("POP.AccessAsApp", uuid!("de49976f-4890-467b-967d-b3847b062f21")),
    ("SMTP.SendAsApp", uuid!("ce81e10f-fda1-4348-8947-f7fdb6c649ad")),
];
