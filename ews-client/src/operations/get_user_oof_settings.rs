use std::fmt;

use m365_core::{MailboxAddress, Result};

use crate::operation::{EwsOperation, read_messages};
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer, XmlError};
use crate::xs;

/// Asks what a mailbox answers while its owner is out of office.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseroofsettings-operation>.
#[derive(Clone, Debug)]
pub struct GetUserOofSettings {
    mailbox: MailboxAddress,
}

impl GetUserOofSettings {
    /// Of this mailbox. The request's [`Target`](crate::Target) must be allowed to see it, which is its owner as a rule.
    pub fn new(mailbox: MailboxAddress) -> Self {
        Self { mailbox }
    }
}

impl EwsOperation for GetUserOofSettings {
    const NAME: &'static str = "GetUserOofSettings";
    type Item = OofSettings;

    fn asked(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        // Like GetUserAvailability it bears `Request` in its name, and calls the address otherwise.
        writer.raw("<m:GetUserOofSettingsRequest><t:Mailbox>");
        writer.leaf("t:Address", self.mailbox.as_str());
        writer.raw("</t:Mailbox></m:GetUserOofSettingsRequest>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<OofSettings>>> {
        let mut allowed = None;
        let mut results = read_messages(cursor, root, |cursor, child, settings| {
            match child.ews() {
                "OofSettings" => *settings = Some(OofSettings::read(cursor, child)?),
                "AllowExternalOof" => allowed = Some(ExternalAudience::new(&cursor.value(child)?)),
                _ => {}
            }
            Ok(())
        })?;
        if let [ItemResult { value: Some(settings), .. }] = results.as_mut_slice() {
            settings.allowed_audience = allowed;
        }
        Ok(results)
    }
}

wire_enum! {
    /// Whether the mailbox answers.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/oofstate>.
    OofState {
        /// It does not.
        Disabled = "Disabled",
        /// It does.
        Enabled = "Enabled",
        /// It does from a time until a time.
        Scheduled = "Scheduled",
    }
}

wire_enum! {
    /// Which outsiders are answered.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/externalaudience>.
    ExternalAudience {
        /// None.
        None = "None",
        /// Those among the contacts.
        Known = "Known",
        /// All.
        All = "All",
    }
}

/// What a mailbox answers while its owner is out of office. `Debug` does not show the texts.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/oofsettings>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OofSettings {
    /// Whether it answers.
    pub state: OofState,
    /// Which outsiders are answered.
    pub external_audience: Option<ExternalAudience>,
    /// Which outsiders the administrator allows to be answered.
    pub allowed_audience: Option<ExternalAudience>,
    /// From when, which counts in [`OofState::Scheduled`]. Servers write it without offset.
    pub start: Option<xs::DateTime>,
    /// Until when.
    pub end: Option<xs::DateTime>,
    /// The text for colleagues, in HTML as a rule.
    pub internal_reply: Option<Box<str>>,
    /// The text for outsiders.
    pub external_reply: Option<Box<str>>,
}

impl fmt::Debug for OofSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OofSettings")
            .field("state", &self.state)
            .field("external_audience", &self.external_audience)
            .field("start", &self.start)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl OofSettings {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut state = None;
        let (mut external_audience, mut start, mut end) = (None, None, None);
        let (mut internal_reply, mut external_reply) = (None, None);
        while let Some(child) = cursor.next_child(element)? {
            match child.ews() {
                "OofState" => state = Some(OofState::new(&cursor.value(&child)?)),
                "ExternalAudience" => external_audience = Some(ExternalAudience::new(&cursor.value(&child)?)),
                "Duration" => {
                    while let Some(part) = cursor.next_child(&child)? {
                        match part.ews() {
                            "StartTime" => start = Some(time(cursor, &part)?),
                            "EndTime" => end = Some(time(cursor, &part)?),
                            _ => {}
                        }
                    }
                }
                "InternalReply" => internal_reply = read_reply(cursor, &child)?,
                "ExternalReply" => external_reply = read_reply(cursor, &child)?,
                _ => {}
            }
        }
        Ok(Self {
            state: state.ok_or_else(|| element.missing("the OofState"))?,
            external_audience,
            allowed_audience: None,
            start,
            end,
            internal_reply,
            external_reply,
        })
    }
}

fn time<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<xs::DateTime, XmlError> {
    xs::parse_date_time(&cursor.value(element)?).map_err(|_| element.bad_value("dateTime"))
}

fn read_reply<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Option<Box<str>>, XmlError> {
    let mut text = None;
    while let Some(child) = cursor.next_child(element)? {
        if child.is("Message") {
            text = Some(cursor.boxed(&child)?);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answer, request};

    fn operation() -> GetUserOofSettings {
        GetUserOofSettings::new(MailboxAddress::parse("anna@contoso.example").unwrap())
    }

    #[test]
    fn request_with_its_own_naming() {
        insta::assert_snapshot!("get_user_oof_settings", request(&operation()));
    }

    #[test]
    fn settings_are_typed_and_their_texts_not_shown() {
        let body = r#"<m:GetUserOofSettingsResponse><m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:ResponseMessage>
            <m:AllowExternalOof>Known</m:AllowExternalOof><t:OofSettings><t:OofState>Scheduled</t:OofState><t:ExternalAudience>Friends</t:ExternalAudience><t:Duration><t:StartTime>2026-12-20T17:00:00</t:StartTime><t:EndTime>2027-01-04T07:00:00Z</t:EndTime></t:Duration><t:InternalReply xml:lang="de"><t:Message>&lt;p&gt;At sea&lt;/p&gt;</t:Message></t:InternalReply><t:ExternalReply/></t:OofSettings></m:GetUserOofSettingsResponse>"#;
        let settings = answer(&operation(), body).unwrap().results.remove(0).into_result().unwrap();
        assert_eq!(settings.state, OofState::Scheduled);
        assert_eq!(settings.external_audience, Some(ExternalAudience::Other("Friends".into())));
        assert_eq!(settings.allowed_audience, Some(ExternalAudience::Known));
        assert!(matches!(settings.start, Some(xs::DateTime::Local(_))));
        assert!(settings.end.unwrap().instant().is_some());
        assert_eq!(settings.internal_reply.as_deref(), Some("<p>At sea</p>"));
        assert_eq!(settings.external_reply, None);
        assert!(!format!("{settings:?}").contains("sea"));
    }

    #[test]
    fn a_refusal_has_no_settings() {
        let body = r#"<m:GetUserOofSettingsResponse><m:ResponseMessage ResponseClass="Error"><m:ResponseCode>ErrorAccessDenied</m:ResponseCode></m:ResponseMessage></m:GetUserOofSettingsResponse>"#;
        let refused = answer(&operation(), body).unwrap().results.remove(0);
        assert_eq!(refused.into_result().unwrap_err().kind(), crate::ErrorKind::PermissionDenied);
    }
}
