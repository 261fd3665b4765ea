use crate::ItemId;
use crate::xml::{Cursor, Element, Writer, XmlError};

/// A person, a room or a list, as Exchange names them (`t:EmailAddressType`).
///
/// The address is kept as the server wrote it: with [`routing_type`](Self::routing_type) `EX` it is a legacy distinguished
/// name, which no SMTP server takes.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/mailbox>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EmailAddress {
    /// Name for people.
    pub name: Option<Box<str>>,
    /// The address; FindItem leaves it out.
    pub address: Option<Box<str>>,
    /// `SMTP` when absent.
    pub routing_type: Option<Box<str>>,
    /// `Mailbox`, `PublicDL`, `PrivateDL`, `Contact`, `OneOff`, `Unknown` …
    pub mailbox_type: Option<Box<str>>,
    /// Where a contact or a private list is kept.
    pub item_id: Option<ItemId>,
}

impl EmailAddress {
    /// Somebody by the SMTP address alone.
    pub fn smtp(address: impl Into<Box<str>>) -> Self {
        Self { address: Some(address.into()), ..Self::default() }
    }

    /// The address, if mail can be sent to it.
    ///
    /// ```
    /// use ews_client::EmailAddress;
    /// let anna = EmailAddress::smtp("anna@contoso.example");
    /// assert_eq!(anna.smtp_address(), Some("anna@contoso.example"));
    /// ```
    pub fn smtp_address(&self) -> Option<&str> {
        let smtp = self.routing_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("SMTP"));
        self.address.as_deref().filter(|address| smtp && address.contains('@'))
    }

    /// Reads the children of an element of this type, whatever its name is (`t:Mailbox`, `t:Room`, `t:Address`).
    pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut read = Self::default();
        while let Some(child) = cursor.next_child(element)? {
            read.take(cursor, &child)?;
        }
        Ok(read)
    }

    /// Takes in one child.
    pub(crate) fn take<'a>(&mut self, cursor: &mut Cursor<'a>, child: &Element<'a>) -> Result<(), XmlError> {
        match child.ews() {
            "Name" => self.name = Some(cursor.boxed(child)?),
            "EmailAddress" => self.address = Some(cursor.value(child)?.into()),
            "RoutingType" => self.routing_type = Some(cursor.value(child)?.into()),
            "MailboxType" => self.mailbox_type = Some(cursor.value(child)?.into()),
            "ItemId" => self.item_id = cursor.attribute(child, "Id")?.map(Into::into),
            _ => {}
        }
        Ok(())
    }

    /// Writes the children, in the schema's order, between tags that the caller writes.
    pub(crate) fn write(&self, writer: &mut Writer) {
        for (name, value) in [
            ("t:Name", &self.name),
            ("t:EmailAddress", &self.address),
            ("t:RoutingType", &self.routing_type),
            ("t:MailboxType", &self.mailbox_type),
        ] {
            if let Some(value) = value {
                writer.leaf(name, value);
            }
        }
        if let Some(id) = &self.item_id {
            writer.empty("t:ItemId", &[("Id", id.as_str())]);
        }
    }
}
