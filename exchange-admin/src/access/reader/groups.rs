use std::collections::BTreeSet;

use super::Reader;
use crate::access::{GroupPicture, Part, RecipientId};
use crate::cmdlets::{GetDistributionGroupMember, GetRecipient, Recipient};
use crate::{RecipientIdentity, RecipientKind};

/// Most groups followed below policies and scopes; those beyond count as unread.
const MOST_GROUPS: usize = 1000;

/// The id under which pictures name a recipient.
pub(super) fn id_of(recipient: &Recipient) -> Option<RecipientId> {
    recipient.object_id.or(recipient.guid).map(|id| RecipientId::new(id.to_string()))
}

pub(super) fn address_of(recipient: &Recipient) -> String {
    recipient.primary_smtp_address.as_ref().map_or_else(|| recipient.name.clone(), ToString::to_string)
}

impl Reader<'_> {
    /// The recipient of this name; a group is read with everything below it.
    pub(super) async fn named(&mut self, identity: RecipientIdentity) -> Option<RecipientId> {
        let part = Part::Group(identity.to_string());
        let recipient = self.run(part, &GetRecipient::new(identity)).await??;
        let id = id_of(&recipient)?;
        self.follow(recipient).await;
        Some(id)
    }

    /// Reads the members of a group and of every group below it. Groups may hold each other in circles.
    async fn follow(&mut self, recipient: Recipient) {
        let mut open = vec![recipient];
        while let Some(next) = open.pop() {
            let Some(id) = id_of(&next) else { continue };
            if !next.kind.is_group() {
                self.members.insert(id, next);
                continue;
            }
            if self.groups.contains_key(&id) {
                continue;
            }
            let members = self.members_of(&next).await;
            let picture = GroupPicture {
                address: address_of(&next),
                distinguished_name: next.distinguished_name.clone(),
                is_security_principal: next.kind == RecipientKind::MailUniversalSecurityGroup,
                members: members
                    .as_deref()
                    // A member without any id could be anybody: the list is then not known.
                    .and_then(|m| m.iter().map(id_of).collect::<Option<BTreeSet<_>>>()),
            };
            self.groups.insert(id, picture);
            open.extend(members.unwrap_or_default());
        }
    }

    async fn members_of(&mut self, group: &Recipient) -> Option<Vec<Recipient>> {
        let part = Part::Group(address_of(group));
        // Other kinds have no list that the cmdlet reads, and somewhere following must end: unread, not empty.
        let readable = matches!(
            group.kind,
            RecipientKind::MailUniversalSecurityGroup | RecipientKind::MailUniversalDistributionGroup
        ) && self.groups.len() < MOST_GROUPS;
        if !readable {
            let reason = format!("the members of a {} are not listed by this reader", group.kind);
            return self.gap(part, &m365_core::Error::new(m365_core::ErrorKind::Unsupported, reason));
        }
        let identity: RecipientIdentity = match (group.guid, &group.primary_smtp_address) {
            (Some(guid), _) => RecipientIdentity::ExchangeGuid(guid),
            (None, Some(address)) => address.clone().into(),
            (None, None) => {
                return self.gap(part, &m365_core::Error::unreadable("the group has neither id nor address"));
            }
        };
        self.run(part, &GetDistributionGroupMember::new(identity)).await
    }
}
