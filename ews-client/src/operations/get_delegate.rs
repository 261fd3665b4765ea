use m365_core::{MailboxAddress, Result};

use crate::operation::EwsOperation;
use crate::soap::{ItemResult, RequestContext, read_single};
use crate::xml::{Cursor, Element, Writer, XmlError};

/// Asks who acts for the owner of a mailbox, and with which rights in its folders. For diagnosis: what an app itself may do
/// stands in [`EffectiveRights`](crate::EffectiveRights).
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getdelegate-operation>.
#[derive(Clone, Debug)]
pub struct GetDelegate {
    mailbox: MailboxAddress,
    users: Vec<MailboxAddress>,
}

impl GetDelegate {
    /// All delegates of this mailbox.
    pub fn new(mailbox: MailboxAddress) -> Self {
        Self { mailbox, users: Vec::new() }
    }

    /// This one, and others that were added so, instead of all.
    #[must_use]
    pub fn with_user(mut self, user: MailboxAddress) -> Self {
        self.users.push(user);
        self
    }
}

impl EwsOperation for GetDelegate {
    const NAME: &'static str = "GetDelegate";
    type Item = Delegates;

    /// One: the mailbox. Who has how many delegates is known to the server alone.
    fn asked(&self) -> usize {
        1
    }

    fn size_hint(&self) -> usize {
        512 + 128 * self.users.len()
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetDelegate IncludePermissions=\"true\"><m:Mailbox>");
        writer.leaf("t:EmailAddress", self.mailbox.as_str());
        writer.raw("</m:Mailbox>");
        if !self.users.is_empty() {
            writer.raw("<m:UserIds>");
            for user in &self.users {
                writer.raw("<t:UserId>");
                writer.leaf("t:PrimarySmtpAddress", user.as_str());
                writer.raw("</t:UserId>");
            }
            writer.raw("</m:UserIds>");
        }
        writer.raw("</m:GetDelegate>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Delegates>>> {
        // The class of the whole stands on the response itself, and beside it one message for each delegate.
        let mut result = read_single(cursor, root, |cursor, child, delegates: &mut Option<Delegates>| {
            let delegates = delegates.get_or_insert_default();
            match child.ews() {
                "ResponseMessages" => {
                    while let Some(message) = cursor.next_child(child)? {
                        delegates.users.push(read_single(cursor, &message, |cursor, child, user| {
                            if child.is("DelegateUser") {
                                *user = Some(DelegateUser::read(cursor, child)?);
                            }
                            Ok(())
                        })?);
                    }
                }
                "DeliverMeetingRequests" => {
                    delegates.deliver_meeting_requests =
                        Some(DeliverMeetingRequests::new(&cursor.value(child)?));
                }
                _ => {}
            }
            Ok(())
        })?;
        if result.is_done() {
            result.value.get_or_insert_default();
        }
        Ok(vec![result])
    }
}

wire_enum! {
    /// Who gets the invitations that are sent to the owner.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/delivermeetingrequests>.
    DeliverMeetingRequests {
        /// The delegates.
        DelegatesOnly = "DelegatesOnly",
        /// The delegates and the owner.
        DelegatesAndMe = "DelegatesAndMe",
        /// The delegates, and the owner for information.
        DelegatesAndSendInformationToMe = "DelegatesAndSendInformationToMe",
        /// The owner.
        NoForward = "NoForward",
    }
}

/// Who acts for the owner of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delegates {
    /// Each, or why nothing is said of them.
    pub users: Vec<ItemResult<DelegateUser>>,
    /// Who gets the invitations.
    pub deliver_meeting_requests: Option<DeliverMeetingRequests>,
}

/// One who acts for the owner.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/delegateuser>.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegateUser {
    /// Security identifier.
    pub sid: Option<Box<str>>,
    /// Primary SMTP address.
    pub address: Option<Box<str>>,
    /// Name for people.
    pub display_name: Option<Box<str>>,
    /// The level in each folder, by the folder's name on the wire (`Calendar`, `Inbox`, `Tasks`, `Contacts`, `Notes`,
    /// `Journal`): `None`, `Editor`, `Reviewer`, `Author` or `Custom`.
    pub permissions: Vec<(Box<str>, Box<str>)>,
    /// Whether they get copies of messages about meetings.
    pub receives_copies: Option<bool>,
    /// Whether they may see private items, in every folder.
    pub view_private_items: Option<bool>,
}

impl DelegateUser {
    /// The level in the calendar.
    pub fn calendar(&self) -> Option<&str> {
        let found = self.permissions.iter().find(|(folder, _)| folder.as_ref() == "Calendar");
        found.map(|(_, level)| level.as_ref())
    }

    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut user = Self::default();
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "UserId" => {
                    while let Some(part) = cursor.next_child(&child)? {
                        match part.ews() {
                            "SID" => user.sid = Some(cursor.value(&part)?.into()),
                            "PrimarySmtpAddress" => user.address = Some(cursor.value(&part)?.into()),
                            "DisplayName" => user.display_name = Some(cursor.boxed(&part)?),
                            _ => {}
                        }
                    }
                }
                "DelegatePermissions" => {
                    while let Some(part) = cursor.next_child(&child)? {
                        if let Some(folder) = part.ews().strip_suffix("FolderPermissionLevel") {
                            user.permissions.push((folder.into(), cursor.value(&part)?.into()));
                        }
                    }
                }
                "ReceiveCopiesOfMeetingMessages" => user.receives_copies = Some(cursor.boolean(&child)?),
                "ViewPrivateItems" => user.view_private_items = Some(cursor.boolean(&child)?),
                _ => {}
            }
        }
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answer, request};

    fn address(text: &str) -> MailboxAddress {
        MailboxAddress::parse(text).unwrap()
    }

    fn operation() -> GetDelegate {
        GetDelegate::new(address("anna@contoso.example"))
    }

    #[test]
    fn requests() {
        insta::assert_snapshot!("get_delegate", request(&operation()));
        let some =
            operation().with_user(address("bo@contoso.example")).with_user(address("cy@contoso.example"));
        insta::assert_snapshot!("get_delegate_of_some", request(&some));
    }

    #[test]
    fn one_of_them_may_fail_alone() {
        let body = r#"<m:GetDelegateResponse ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:ResponseMessages>
            <m:DelegateUserResponseMessageType ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:DelegateUser><t:UserId><t:SID>S-1-5-21-1</t:SID><t:PrimarySmtpAddress>bo@contoso.example</t:PrimarySmtpAddress><t:DisplayName>Bo</t:DisplayName></t:UserId><t:DelegatePermissions><t:TasksFolderPermissionLevel>None</t:TasksFolderPermissionLevel><t:CalendarFolderPermissionLevel>Editor</t:CalendarFolderPermissionLevel></t:DelegatePermissions><t:ReceiveCopiesOfMeetingMessages>true</t:ReceiveCopiesOfMeetingMessages><t:ViewPrivateItems>0</t:ViewPrivateItems></m:DelegateUser></m:DelegateUserResponseMessageType>
            <m:DelegateUserResponseMessageType ResponseClass="Error"><m:MessageText>Not one.</m:MessageText><m:ResponseCode>ErrorNotDelegate</m:ResponseCode></m:DelegateUserResponseMessageType>
            </m:ResponseMessages><m:DeliverMeetingRequests>NoForward</m:DeliverMeetingRequests></m:GetDelegateResponse>"#;
        let delegates = answer(&operation(), body).unwrap().results.remove(0).into_result().unwrap();
        assert_eq!(delegates.deliver_meeting_requests, Some(DeliverMeetingRequests::NoForward));
        let [bo, other] = delegates.users.as_slice() else { panic!("{delegates:?}") };
        let bo = bo.value.as_ref().unwrap();
        assert_eq!((bo.calendar(), bo.address.as_deref()), (Some("Editor"), Some("bo@contoso.example")));
        assert_eq!((bo.receives_copies, bo.view_private_items), (Some(true), Some(false)));
        assert_eq!(bo.permissions.len(), 2);
        assert_eq!(other.code.as_str(), "ErrorNotDelegate");
    }

    #[test]
    fn nobody_and_a_refusal() {
        let of = |class: &str, code: &str| {
            let body = format!(
                r#"<m:GetDelegateResponse ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode></m:GetDelegateResponse>"#
            );
            answer(&operation(), &body).unwrap().results.remove(0).into_result()
        };
        assert_eq!(of("Success", "NoError").unwrap(), Delegates::default());
        assert_eq!(of("Error", "ErrorAccessDenied").unwrap_err().kind(), crate::ErrorKind::PermissionDenied);
    }
}
