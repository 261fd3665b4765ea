use m365_core::{Acted, Error, ErrorKind, Result};

use super::{Ensured, Found, conflict};
use crate::cmdlets::{
    AddDistributionGroupMember, DistributionGroup, GetDistributionGroup, GetDistributionGroupMember,
    GetRecipient, NewDistributionGroup, Recipient,
};
use crate::types::RecipientIdentity;
use crate::{Cmdlet, ExchangeAdmin};

impl ExchangeAdmin {
    /// Has a mail-enabled security group at this address, complete with the distinguished name that scopes need.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the address is that of a distribution list, which permissions cannot name;
    /// [`ErrorKind::AlreadyExists`] when something else bears the address or the name; [`ErrorKind::NotReady`].
    pub async fn ensure_security_group(
        &self,
        wanted: &NewDistributionGroup,
    ) -> Result<Ensured<DistributionGroup>> {
        let judge = |found: Option<DistributionGroup>| match found {
            None => Ok(Found::Absent),
            Some(group) if !group.is_security_group() => Err(conflict(format!(
                "{} is a {}, not a mail-enabled security group",
                wanted.address, group.kind
            ))),
            Some(group) if group.distinguished_name.is_empty() => Ok(Found::Incomplete),
            Some(group) => Ok(Found::There(group)),
        };
        self.ensure(&GetDistributionGroup::new(wanted.address.clone()), judge, wanted).await
    }

    /// Has this recipient as a direct member of this group.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such group or recipient; [`ErrorKind::NotReady`].
    pub async fn ensure_group_member(
        &self,
        wanted: &AddDistributionGroupMember,
    ) -> Result<Ensured<Recipient>> {
        let member = self.known_recipient(&wanted.member, AddDistributionGroupMember::NAME.as_str()).await?;
        let judge = |members: Vec<Recipient>| {
            let found = members.into_iter().find(|m| same_object(m, &member));
            Ok(found.map_or(Found::Absent, Found::There))
        };
        self.ensure(&GetDistributionGroupMember::new(wanted.group.clone()), judge, wanted).await
    }

    /// The recipient that this identity names.
    pub(super) async fn known_recipient(
        &self,
        identity: &RecipientIdentity,
        operation: &'static str,
    ) -> Result<Recipient> {
        self.run(&GetRecipient::new(identity.clone())).await?.value.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("Exchange does not know {identity}"))
                .with_acted(Acted::No)
                .with_operation(operation)
        })
    }
}

/// By id; display names and aliases say nothing.
fn same_object(a: &Recipient, b: &Recipient) -> bool {
    let same = |x: Option<uuid::Uuid>, y: Option<uuid::Uuid>| x.is_some() && x == y;
    same(a.guid, b.guid)
        || same(a.object_id, b.object_id)
        || (a.primary_smtp_address.is_some() && a.primary_smtp_address == b.primary_smtp_address)
}
