use m365_core::{GroupObjectId, MailboxAddress, Result};
use uuid::Uuid;

use crate::row::Row;
use crate::types::{Names, RecipientKind};

/// A distribution group; with `-Type Security` a mail-enabled security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistributionGroup {
    /// Its name.
    pub name: String,
    /// Its main address.
    pub primary_smtp_address: Option<MailboxAddress>,
    /// Object id in Entra; `None` while the group is still being made.
    pub object_id: Option<GroupObjectId>,
    /// Exchange's own id.
    pub guid: Option<Uuid>,
    /// What scopes are written with; empty while the group is still being made. It changes when the group is renamed.
    pub distinguished_name: String,
    /// Security group or list.
    pub kind: RecipientKind,
    names: Names,
}

impl DistributionGroup {
    pub(super) const PROPERTIES: &'static [&'static str] = &[
        "Name",
        "Alias",
        "DisplayName",
        "PrimarySmtpAddress",
        "EmailAddresses",
        "ExternalDirectoryObjectId",
        "Guid",
        "Identity",
        "DistinguishedName",
        "RecipientTypeDetails",
    ];

    pub(crate) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            name: row.required("Name")?.to_owned(),
            primary_smtp_address: row.parsed("PrimarySmtpAddress"),
            object_id: row.parsed("ExternalDirectoryObjectId"),
            guid: row.parsed("Guid"),
            distinguished_name: row.owned("DistinguishedName"),
            kind: RecipientKind::read(row.text("RecipientTypeDetails").unwrap_or_default()),
            names: Names::of_recipient(row),
        })
    }

    /// All names under which Exchange may echo it.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Whether permissions and access policies can name it.
    pub fn is_security_group(&self) -> bool {
        self.kind == RecipientKind::MailUniversalSecurityGroup
    }
}
