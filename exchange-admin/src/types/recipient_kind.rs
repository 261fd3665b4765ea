use std::fmt;

/// `RecipientTypeDetails`: what a recipient is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecipientKind {
    /// A person's mailbox.
    UserMailbox,
    /// A mailbox without a person.
    SharedMailbox,
    /// A room.
    RoomMailbox,
    /// A device.
    EquipmentMailbox,
    /// The mailbox of a Microsoft 365 group.
    GroupMailbox,
    /// A user whose mailbox is on premises.
    RemoteUserMailbox,
    /// A user with an address elsewhere.
    MailUser,
    /// A guest.
    GuestMailUser,
    /// A contact.
    MailContact,
    /// A mail-enabled security group: the one kind of group that permissions and access policies take.
    MailUniversalSecurityGroup,
    /// A distribution list.
    MailUniversalDistributionGroup,
    /// A distribution list whose members follow from a filter.
    DynamicDistributionGroup,
    /// A kind without a name here, as Exchange writes it.
    Other(String),
}

impl RecipientKind {
    /// As Exchange writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::UserMailbox => "UserMailbox",
            Self::SharedMailbox => "SharedMailbox",
            Self::RoomMailbox => "RoomMailbox",
            Self::EquipmentMailbox => "EquipmentMailbox",
            Self::GroupMailbox => "GroupMailbox",
            Self::RemoteUserMailbox => "RemoteUserMailbox",
            Self::MailUser => "MailUser",
            Self::GuestMailUser => "GuestMailUser",
            Self::MailContact => "MailContact",
            Self::MailUniversalSecurityGroup => "MailUniversalSecurityGroup",
            Self::MailUniversalDistributionGroup => "MailUniversalDistributionGroup",
            Self::DynamicDistributionGroup => "DynamicDistributionGroup",
            Self::Other(name) => name,
        }
    }

    /// Reads Exchange's word; an unknown one becomes [`RecipientKind::Other`].
    pub fn read(text: &str) -> Self {
        const KNOWN: [RecipientKind; 12] = [
            RecipientKind::UserMailbox,
            RecipientKind::SharedMailbox,
            RecipientKind::RoomMailbox,
            RecipientKind::EquipmentMailbox,
            RecipientKind::GroupMailbox,
            RecipientKind::RemoteUserMailbox,
            RecipientKind::MailUser,
            RecipientKind::GuestMailUser,
            RecipientKind::MailContact,
            RecipientKind::MailUniversalSecurityGroup,
            RecipientKind::MailUniversalDistributionGroup,
            RecipientKind::DynamicDistributionGroup,
        ];
        KNOWN
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
            .unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    /// Whether it is a group of some kind.
    pub fn is_group(&self) -> bool {
        matches!(
            self,
            Self::GroupMailbox
                | Self::MailUniversalSecurityGroup
                | Self::MailUniversalDistributionGroup
                | Self::DynamicDistributionGroup
        )
    }
}

impl fmt::Display for RecipientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
