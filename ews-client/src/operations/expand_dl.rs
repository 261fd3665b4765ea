use m365_core::{MailboxAddress, Result};

use crate::operation::{EwsOperation, read_messages};
use crate::operations::empty_when_done;
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};
use crate::{EmailAddress, ItemId};

/// Asks who is in a distribution list. Lists within it are named, not opened.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/expanddl-operation>.
#[derive(Clone, Debug)]
pub struct ExpandDl {
    list: EmailAddress,
}

impl ExpandDl {
    /// The list of the directory with this address.
    pub fn new(address: &MailboxAddress) -> Self {
        Self { list: EmailAddress::smtp(address.as_str()) }
    }

    /// A private list, by the id that it has among the contacts.
    pub fn private(id: ItemId) -> Self {
        Self { list: EmailAddress { item_id: Some(id), ..EmailAddress::default() } }
    }
}

impl EwsOperation for ExpandDl {
    const NAME: &'static str = "ExpandDL";
    type Item = Members;

    fn asked(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:ExpandDL><m:Mailbox>");
        self.list.write(writer);
        writer.raw("</m:Mailbox></m:ExpandDL>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Members>>> {
        Ok(empty_when_done(read_messages(cursor, root, |cursor, child, members| {
            if child.is("DLExpansion") {
                *members = Some(Members::read(cursor, child)?);
            }
            Ok(())
        })?))
    }
}

/// Who is in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Members {
    /// People, rooms, contacts, and lists.
    pub members: Vec<EmailAddress>,
    /// Whether the server says that these are all.
    pub is_complete: bool,
}

impl Default for Members {
    /// Nobody.
    fn default() -> Self {
        Self { members: Vec::new(), is_complete: true }
    }
}

impl Members {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let [last, total] = cursor.attributes(element, ["IncludesLastItemInRange", "TotalItemsInView"])?;
        let mut members = Vec::new();
        while let Some(child) = cursor.next_child(element)? {
            if child.is("Mailbox") {
                members.push(EmailAddress::read(cursor, &child)?);
            }
        }
        let says_more = matches!(last.as_deref().map(str::trim_ascii), Some("false" | "0"));
        let total: usize = total.and_then(|text| text.trim_ascii().parse().ok()).unwrap_or(0);
        Ok(Self { is_complete: !says_more && total <= members.len(), members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{message, request};

    fn operation() -> ExpandDl {
        ExpandDl::new(&MailboxAddress::parse("sailors@contoso.example").unwrap())
    }

    fn read(inside: &str) -> Members {
        message(&operation(), "Success", "NoError", inside).unwrap().results.remove(0).into_result().unwrap()
    }

    #[test]
    fn requests() {
        insta::assert_snapshot!("expand_dl", request(&operation()));
        insta::assert_snapshot!("expand_dl_private", request(&ExpandDl::private("AAMk+/=".into())));
    }

    #[test]
    fn members_and_whether_they_are_all() {
        let two = "<t:Mailbox><t:Name>Anna</t:Name><t:EmailAddress>anna@contoso.example</t:EmailAddress><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox><t:Mailbox><t:MailboxType>PublicDL</t:MailboxType></t:Mailbox>";
        let list = |attributes: &str| read(&format!("<m:DLExpansion {attributes}>{two}</m:DLExpansion>"));
        let members = list(r#"TotalItemsInView="2" IncludesLastItemInRange="true""#);
        assert!(members.is_complete);
        assert_eq!(members.members[0].smtp_address(), Some("anna@contoso.example"));
        assert_eq!(members.members[1].mailbox_type.as_deref(), Some("PublicDL"));
        assert!(list("").is_complete);
        assert!(!list(r#"TotalItemsInView="3""#).is_complete);
        assert!(!list(r#"IncludesLastItemInRange="0""#).is_complete);
        assert_eq!(read(""), Members::default());
    }
}
