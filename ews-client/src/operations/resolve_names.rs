use std::fmt;

use m365_core::{Error, MailboxAddress, Result};

use crate::EmailAddress;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::empty_when_done;
use crate::response_code::ResponseCode;
use crate::soap::{FolderRef, ItemResult, RequestContext, ResponseClass};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Looks for people, rooms and lists by a part of their name or address.
///
/// It is a search: the beginning of a name matches as well as the whole, and of several the first 100 come. Several come as a
/// warning with data, none as `ErrorNameResolutionNoResults` with an empty [`Resolutions`]: see [`Resolutions::of`].
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/resolvenames-operation>.
#[derive(Clone, Debug)]
pub struct ResolveNames {
    entry: Box<str>,
    scope: SearchScope,
    contact_data: bool,
    folder: Option<FolderRef>,
}

impl ResolveNames {
    /// Whoever matches this text in the directory.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the text is blank.
    pub fn new(entry: impl Into<Box<str>>) -> Result<Self> {
        let entry = entry.into();
        if entry.trim().is_empty() {
            return Err(Error::invalid("names are resolved from a text that is not blank"));
        }
        Ok(Self { entry, scope: SearchScope::ActiveDirectory, contact_data: false, folder: None })
    }

    /// Whoever has this address, be it primary or one of the others: `smtp:` stands in front of it on the wire. Without that a
    /// server looks at primary addresses only.
    pub fn address(address: &MailboxAddress) -> Self {
        Self {
            entry: format!("smtp:{}", address.as_str()).into(),
            scope: SearchScope::ActiveDirectory,
            contact_data: false,
            folder: None,
        }
    }

    /// Where to look, unless in the directory alone.
    #[must_use]
    pub fn with_scope(mut self, scope: SearchScope) -> Self {
        self.scope = scope;
        self
    }

    /// Asks for a [`Contact`] with each.
    #[must_use]
    pub fn with_contact_data(mut self) -> Self {
        self.contact_data = true;
        self
    }

    /// The folder of contacts to look in, such as another user's; it counts only in a scope that has contacts.
    #[must_use]
    pub fn with_contacts_of(mut self, folder: FolderRef) -> Self {
        self.folder = Some(folder);
        self
    }
}

/// Where names are looked for, and in which order.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/resolvenames>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SearchScope {
    /// The directory.
    #[default]
    ActiveDirectory,
    /// The directory, then the mailbox's contacts.
    ActiveDirectoryContacts,
    /// The mailbox's contacts.
    Contacts,
    /// The mailbox's contacts, then the directory.
    ContactsActiveDirectory,
}

impl SearchScope {
    fn as_str(self) -> &'static str {
        match self {
            Self::ActiveDirectory => "ActiveDirectory",
            Self::ActiveDirectoryContacts => "ActiveDirectoryContacts",
            Self::Contacts => "Contacts",
            Self::ContactsActiveDirectory => "ContactsActiveDirectory",
        }
    }
}

impl EwsOperation for ResolveNames {
    const NAME: &'static str = "ResolveNames";
    type Item = Resolutions;

    fn asked(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        writer.raw("<m:ResolveNames ReturnFullContactData=\"");
        writer.raw(if self.contact_data { "true" } else { "false" });
        writer.raw("\" SearchScope=\"");
        writer.raw(self.scope.as_str());
        writer.raw("\">");
        if let Some(folder) = &self.folder {
            writer.raw("<m:ParentFolderIds>");
            folder.write(writer, context.target());
            writer.raw("</m:ParentFolderIds>");
        }
        writer.leaf("m:UnresolvedEntry", &self.entry);
        writer.raw("</m:ResolveNames>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Resolutions>>> {
        let mut results = read_messages(cursor, root, |cursor, child, resolutions| {
            if child.is("ResolutionSet") {
                *resolutions = Some(Resolutions::read(cursor, child)?);
            }
            Ok(())
        })?;
        for result in &mut results {
            if result.code == ResponseCode::ERROR_NAME_RESOLUTION_NO_RESULTS {
                result.value.get_or_insert_default();
            }
        }
        Ok(empty_when_done(results))
    }
}

/// Who matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolutions {
    /// Them, at most 100.
    pub found: Vec<Resolution>,
    /// Whether there are no more: false when the server says so, and at 100.
    pub is_complete: bool,
}

impl Default for Resolutions {
    /// Nobody.
    fn default() -> Self {
        Self { found: Vec::new(), is_complete: true }
    }
}

impl Resolutions {
    /// Those of an answer. That nobody matches is an empty list.
    ///
    /// # Errors
    /// As [`ItemResult::into_result`], but for `ErrorNameResolutionNoResults`.
    pub fn of(mut result: ItemResult<Self>) -> Result<Self> {
        if result.code == ResponseCode::ERROR_NAME_RESOLUTION_NO_RESULTS {
            result.class = ResponseClass::Success;
        }
        result.into_result()
    }

    fn read<'a>(cursor: &mut Cursor<'a>, set: &Element<'a>) -> Result<Self, XmlError> {
        let last = cursor.attribute(set, "IncludesLastItemInRange")?;
        let mut found = Vec::new();
        while let Some(resolution) = cursor.next_child(set)? {
            if !resolution.is("Resolution") {
                continue;
            }
            let (mut mailbox, mut contact) = (None, None);
            while let Some(child) = cursor.next_child(&resolution)? {
                match child.ews() {
                    "Mailbox" => mailbox = Some(EmailAddress::read(cursor, &child)?),
                    "Contact" => contact = Some(Box::new(Contact::read(cursor, &child)?)),
                    _ => {}
                }
            }
            let mailbox = mailbox.ok_or_else(|| resolution.missing("the Mailbox"))?;
            found.push(Resolution { mailbox, contact });
        }
        let says_more = matches!(last.as_deref().map(str::trim_ascii), Some("false" | "0"));
        Ok(Self { is_complete: !says_more && found.len() < 100, found })
    }
}

/// One who matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolution {
    /// Name, address, and whether it is a mailbox, a list or a contact.
    pub mailbox: EmailAddress,
    /// More, where it was asked for and the server has it.
    pub contact: Option<Box<Contact>>,
}

/// What the directory, or a folder of contacts, says of somebody. `Debug` shows the name alone.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/contact>.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contact {
    /// Name for people.
    pub display_name: Option<Box<str>>,
    /// Given name.
    pub given_name: Option<Box<str>>,
    /// Family name.
    pub surname: Option<Box<str>>,
    /// Company.
    pub company_name: Option<Box<str>>,
    /// Department.
    pub department: Option<Box<str>>,
    /// What they do.
    pub job_title: Option<Box<str>>,
    /// Where they sit.
    pub office_location: Option<Box<str>>,
    /// The directory's short name.
    pub alias: Option<Box<str>>,
    /// Where it was found: `ActiveDirectory` or `Store`.
    pub source: Option<Box<str>>,
    /// Addresses as they were written: `SMTP:` in front of the primary one, `smtp:` of the others, or another kind.
    pub addresses: Vec<Box<str>>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("display_name", &self.display_name).finish_non_exhaustive()
    }
}

impl Contact {
    /// The addresses that mail can be sent to, without what stands in front of them on the wire.
    pub fn smtp_addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().filter_map(|address| match address.split_once(':') {
            Some((kind, address)) => kind.eq_ignore_ascii_case("smtp").then_some(address),
            None => address.contains('@').then_some(address.as_ref()),
        })
    }

    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut contact = Self::default();
        while let Some(child) = cursor.next_child(element)? {
            let field = match child.ews() {
                "DisplayName" => &mut contact.display_name,
                "GivenName" => &mut contact.given_name,
                "Surname" => &mut contact.surname,
                "CompanyName" => &mut contact.company_name,
                "Department" => &mut contact.department,
                "JobTitle" => &mut contact.job_title,
                "OfficeLocation" => &mut contact.office_location,
                "Alias" => &mut contact.alias,
                "ContactSource" => &mut contact.source,
                "EmailAddresses" => {
                    while let Some(entry) = cursor.next_child(&child)? {
                        if entry.is("Entry") {
                            contact.addresses.push(cursor.value(&entry)?.into());
                        }
                    }
                    continue;
                }
                _ => continue,
            };
            *field = Some(cursor.boxed(&child)?);
        }
        Ok(contact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{message, request};
    use crate::{DistinguishedFolder, ErrorKind};

    fn operation() -> ResolveNames {
        ResolveNames::new("Berg").unwrap()
    }

    fn answer(class: &str, code: &str, inside: &str) -> ItemResult<Resolutions> {
        message(&operation(), class, code, inside).unwrap().results.remove(0)
    }

    const TWO: &str = r#"<m:ResolutionSet TotalItemsInView="2" IncludesLastItemInRange="true">
        <t:Resolution><t:Mailbox><t:Name>Anna Berg</t:Name><t:EmailAddress>anna@contoso.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>
          <t:Contact><t:DisplayName>Anna Berg</t:DisplayName><t:EmailAddresses><t:Entry Key="EmailAddress1">SMTP:anna@contoso.example</t:Entry><t:Entry Key="EmailAddress2">smtp:a.berg@contoso.example</t:Entry><t:Entry Key="EmailAddress3">X500:/o=x</t:Entry></t:EmailAddresses><t:Department>Sea</t:Department><t:PhoneNumbers/></t:Contact></t:Resolution>
        <t:Resolution><t:Mailbox><t:Name>Berglist</t:Name><t:EmailAddress>/o=x/cn=list</t:EmailAddress><t:RoutingType>EX</t:RoutingType><t:MailboxType>PrivateDL</t:MailboxType><t:ItemId Id="AAMk"/></t:Mailbox></t:Resolution></m:ResolutionSet>"#;

    #[test]
    fn requests() {
        insta::assert_snapshot!("resolve_names", request(&operation()));
        let anna = MailboxAddress::parse("anna@contoso.example").unwrap();
        let contacts = ResolveNames::address(&anna)
            .with_scope(SearchScope::ContactsActiveDirectory)
            .with_contact_data()
            .with_contacts_of(DistinguishedFolder::Contacts.into());
        insta::assert_snapshot!("resolve_names_by_address", request(&contacts));
        assert_eq!(ResolveNames::new(" ").unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn several_are_a_warning_with_data() {
        let result = answer("Warning", "ErrorNameResolutionMultipleResults", TWO);
        let resolutions = Resolutions::of(result).unwrap();
        assert!(resolutions.is_complete);
        let [anna, list] = resolutions.found.as_slice() else { panic!("{resolutions:?}") };
        assert_eq!(anna.mailbox.smtp_address(), Some("anna@contoso.example"));
        let contact = anna.contact.as_ref().unwrap();
        let addresses: Vec<_> = contact.smtp_addresses().collect();
        assert_eq!(addresses, ["anna@contoso.example", "a.berg@contoso.example"]);
        assert_eq!((contact.addresses.len(), contact.department.as_deref()), (3, Some("Sea")));
        assert!(!format!("{contact:?}").contains("Sea"));
        assert_eq!((list.mailbox.smtp_address(), &list.contact), (None, &None));
        assert_eq!(list.mailbox.item_id, Some("AAMk".into()));
    }

    #[test]
    fn nobody_is_an_empty_list_and_no_failure() {
        let none = answer("Error", "ErrorNameResolutionNoResults", "");
        assert_eq!(none.code.kind(), ErrorKind::NotFound);
        assert_eq!(Resolutions::of(none).unwrap(), Resolutions::default());
        assert_eq!(Resolutions::of(answer("Success", "NoError", "")).unwrap(), Resolutions::default());
        assert!(Resolutions::of(answer("Error", "ErrorAccessDenied", "")).is_err());
    }

    #[test]
    fn a_hundred_may_be_more() {
        let many = |count: usize, last: &str| {
            let one = "<t:Resolution><t:Mailbox><t:Name>B</t:Name></t:Mailbox></t:Resolution>";
            let set = format!(
                "<m:ResolutionSet IncludesLastItemInRange=\"{last}\">{}</m:ResolutionSet>",
                one.repeat(count)
            );
            Resolutions::of(answer("Success", "NoError", &set)).unwrap().is_complete
        };
        assert!(many(99, "true"));
        assert!(!many(100, "true"));
        assert!(!many(3, "false"));
    }
}
