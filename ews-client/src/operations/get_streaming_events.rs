use m365_core::{Error, ErrorKind, Result};

use crate::ids::SubscriptionId;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::notification::{Notification, read_subscription_id};
use crate::response_code::ResponseCode;
use crate::soap::{Details, ItemResult, Opened, RequestContext, ResponseClass, SchemaVersion, open_body};
use crate::xml::{Cursor, Document, Element, Writer, XmlError};

/// Opens a connection on which the server tells what happens in up to 200 subscriptions, for up to 30 minutes.
///
/// The answer does not end: it is one envelope after another. Cut it apart with [`EnvelopeFramer`](crate::EnvelopeFramer)
/// and read each with [`StreamingMessage::read`]. About every 45 seconds one comes without news; when none came for two of
/// those, the connection is dead.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getstreamingevents-operation>.
#[derive(Clone, Debug)]
pub struct GetStreamingEvents {
    subscriptions: Vec<SubscriptionId>,
    minutes: u8,
}

impl GetStreamingEvents {
    /// The most subscriptions that one connection takes.
    pub const MAX_SUBSCRIPTIONS: usize = 200;

    /// These subscriptions, for so many minutes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no subscription, more than 200, or minutes outside 1 to 30.
    pub fn new(subscriptions: impl IntoIterator<Item = SubscriptionId>, minutes: u8) -> Result<Self> {
        let subscriptions: Vec<_> = subscriptions.into_iter().collect();
        if subscriptions.is_empty() || subscriptions.len() > Self::MAX_SUBSCRIPTIONS {
            return Err(Error::invalid(format!(
                "a stream is about 1 to {} subscriptions, not {}",
                Self::MAX_SUBSCRIPTIONS,
                subscriptions.len()
            )));
        }
        if !(1..=30).contains(&minutes) {
            return Err(Error::invalid("a stream lasts 1 to 30 minutes"));
        }
        Ok(Self { subscriptions, minutes })
    }

    /// The subscriptions.
    pub fn subscriptions(&self) -> &[SubscriptionId] {
        &self.subscriptions
    }

    /// The same without the ones that a server named as bad, which silence the good ones; `None` when none is left.
    pub fn without(&self, bad: &[SubscriptionId]) -> Option<Self> {
        let subscriptions: Vec<_> =
            self.subscriptions.iter().filter(|id| !bad.contains(id)).cloned().collect();
        (!subscriptions.is_empty()).then_some(Self { subscriptions, minutes: self.minutes })
    }
}

impl EwsOperation for GetStreamingEvents {
    const NAME: &'static str = "GetStreamingEvents";
    type Item = StreamingMessage;

    /// One: the connection. Each envelope of it is about all subscriptions.
    fn asked(&self) -> usize {
        1
    }

    fn since(&self) -> SchemaVersion {
        SchemaVersion::Exchange2010Sp2
    }

    fn size_hint(&self) -> usize {
        256 + self.subscriptions.iter().map(|id| id.as_str().len() + 40).sum::<usize>()
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetStreamingEvents><m:SubscriptionIds>");
        for id in &self.subscriptions {
            writer.leaf("t:SubscriptionId", id.as_str());
        }
        writer.raw("</m:SubscriptionIds><m:ConnectionTimeout>");
        writer.number(self.minutes.into());
        writer.raw("</m:ConnectionTimeout></m:GetStreamingEvents>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<StreamingMessage>>> {
        let message = read_message(cursor, root)?;
        Ok(vec![ItemResult {
            class: message.class,
            code: message.code.clone(),
            details: message.details.clone(),
            value: Some(message),
        }])
    }
}

wire_enum! {
    /// Whether the server keeps the connection.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/connectionstatus>.
    ConnectionStatus {
        /// It goes on.
        Ok = "OK",
        /// This was the last envelope: the minutes are over, or the server wants to be asked anew.
        Closed = "Closed",
    }
}

/// One envelope of a stream.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getstreamingeventsresponsemessage>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamingMessage {
    /// What happened, by subscription. Empty, or with status events only, in an envelope that shows no more than that the
    /// server is there.
    pub notifications: Vec<Notification>,
    /// The subscriptions that are at fault, when [`code`](Self::code) says so. Servers may leave them out.
    pub error_subscription_ids: Vec<SubscriptionId>,
    /// Whether the connection goes on; absent when it does. It says nothing about subscriptions: servers were seen that say
    /// `OK` for ever while the code says that a subscription is gone.
    pub connection_status: Option<ConnectionStatus>,
    /// Success, or not.
    pub class: ResponseClass,
    /// What failed.
    pub code: ResponseCode,
    /// What else was said.
    pub details: Option<Box<Details>>,
    /// Characters replaced because XML does not allow them.
    pub replaced: u64,
}

impl StreamingMessage {
    /// Reads one envelope of a stream.
    ///
    /// ```
    /// use ews_client::{ConnectionStatus, StreamingMessage};
    /// let message = StreamingMessage::read(br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>
    ///   <GetStreamingEventsResponse xmlns="http://schemas.microsoft.com/exchange/services/2006/messages"><ResponseMessages>
    ///     <GetStreamingEventsResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode>
    ///       <ConnectionStatus>OK</ConnectionStatus></GetStreamingEventsResponseMessage>
    ///   </ResponseMessages></GetStreamingEventsResponse></Body></Envelope>"#)?;
    /// assert_eq!(message.connection_status, Some(ConnectionStatus::Ok));
    /// assert!(message.is_heartbeat());
    /// # Ok::<(), ews_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// A fault, as [`Fault::to_error`](crate::Fault::to_error) says;
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for what cannot be read, with the offset within the envelope,
    /// and for an answer to another operation. That a subscription failed is no error here.
    pub fn read(envelope: &[u8]) -> Result<Self> {
        Self::parse(envelope).map_err(|error| error.with_operation(GetStreamingEvents::NAME))
    }

    fn silent() -> Self {
        Self {
            notifications: Vec::new(),
            error_subscription_ids: Vec::new(),
            connection_status: None,
            class: ResponseClass::Success,
            code: ResponseCode::NO_ERROR,
            details: None,
            replaced: 0,
        }
    }

    fn parse(envelope: &[u8]) -> Result<Self> {
        let document = Document::new(envelope)?;
        let mut cursor = document.cursor();
        let answer = open_body(&mut cursor)?;
        let mut message = match answer.body {
            Opened::Fault(fault) => return Err(fault.to_error(None)),
            Opened::Empty => return Err(Error::unreadable("the body of the envelope is empty")),
            Opened::Root(root) if root.is("GetStreamingEventsResponse") => read_message(&mut cursor, &root)?,
            Opened::Root(root) => {
                return Err(Error::new(
                    ErrorKind::InvalidResponse,
                    format!("an envelope of the stream is {}", root.local),
                ));
            }
        };
        cursor.skip(&answer.envelope)?;
        cursor.finish()?;
        message.replaced = cursor.replaced();
        Ok(message)
    }

    /// Whether the server ends the connection with this envelope.
    pub fn is_closed(&self) -> bool {
        self.connection_status == Some(ConnectionStatus::Closed)
    }

    /// Whether it shows no more than that the server is there.
    pub fn is_heartbeat(&self) -> bool {
        self.class == ResponseClass::Success
            && !self.is_closed()
            && !self.notifications.iter().any(Notification::has_changes)
    }
}

/// An envelope has one message as a rule. Several are taken as one: everything that happened, and the first failure.
fn read_message<'a>(cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<StreamingMessage> {
    let results = read_messages(cursor, root, read_part)?;
    let mut whole = StreamingMessage::silent();
    for result in results {
        // What happened is in there: who cannot read it must take it for lost, and close the gap.
        if let Some(unreadable) = result.unreadable() {
            return Err(unreadable.clone().into());
        }
        if whole.class == ResponseClass::Success {
            (whole.class, whole.code, whole.details) = (result.class, result.code, result.details);
        }
        let Some(part) = result.value else { continue };
        if whole.notifications.is_empty() {
            whole.notifications = part.notifications;
        } else {
            whole.notifications.extend(part.notifications);
        }
        whole.error_subscription_ids.extend(part.error_subscription_ids);
        if !whole.is_closed() {
            whole.connection_status = part.connection_status.or(whole.connection_status);
        }
    }
    Ok(whole)
}

fn read_part<'a>(
    cursor: &mut Cursor<'a>,
    child: &Element<'a>,
    part: &mut Option<StreamingMessage>,
) -> Result<(), XmlError> {
    let part = part.get_or_insert_with(StreamingMessage::silent);
    match child.ews() {
        "Notifications" => {
            while let Some(notification) = cursor.next_child(child)? {
                if notification.is("Notification") {
                    part.notifications.push(Notification::read(cursor, &notification)?);
                }
            }
        }
        "ErrorSubscriptionIds" => {
            while let Some(id) = cursor.next_child(child)? {
                if id.is("SubscriptionId") {
                    part.error_subscription_ids.extend(read_subscription_id(cursor, &id)?);
                }
            }
        }
        "ConnectionStatus" => part.connection_status = Some(ConnectionStatus::new(&cursor.value(child)?)),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operations::notification::ObjectId;
    use crate::operations::testing::{envelope, is_written_for, request};
    use crate::{CodeClass, EnvelopeFramer};

    fn body(class: &str, code: &str, inside: &str) -> String {
        envelope(&format!(
            r#"<m:GetStreamingEventsResponse><m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode>{inside}</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse>"#
        ))
    }

    fn read(class: &str, code: &str, inside: &str) -> StreamingMessage {
        StreamingMessage::read(body(class, code, inside).as_bytes()).unwrap()
    }

    const CREATED: &str = r#"<t:SubscriptionId>JgBj</t:SubscriptionId><t:CreatedEvent><t:TimeStamp>2026-11-23T04:31:29Z</t:TimeStamp><t:ItemId Id="AAMkAD0=" ChangeKey="CQ=="/><t:ParentFolderId Id="AQMk"/></t:CreatedEvent>"#;
    const STATUS: &str = "<t:SubscriptionId>JgBj</t:SubscriptionId><t:StatusEvent/>";

    #[test]
    fn request_with_the_ids_of_streams() {
        let operation = GetStreamingEvents::new(["JgBj".into(), "a<b".into()], 30).unwrap();
        insta::assert_snapshot!("get_streaming_events", request(&operation));
        assert!(!is_written_for(&operation, SchemaVersion::Exchange2010));
    }

    #[test]
    fn trap_08_201_subscriptions_are_two_groups_and_one_bad_one_is_left_out() {
        let ids = |count: usize| (0..count).map(|n| SubscriptionId::from(format!("s{n}")));
        assert_eq!(GetStreamingEvents::new(ids(201), 30).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(GetStreamingEvents::new(ids(0), 30).is_err());
        assert!(GetStreamingEvents::new(ids(1), 0).is_err());
        assert!(GetStreamingEvents::new(ids(1), 31).is_err());
        let whole = GetStreamingEvents::new(ids(200), 30).unwrap();
        let answer = read(
            "Error",
            "ErrorInvalidSubscription",
            "<m:ErrorSubscriptionIds><t:SubscriptionId>s7</t:SubscriptionId></m:ErrorSubscriptionIds><m:ConnectionStatus>Closed</m:ConnectionStatus>",
        );
        let rest = whole.without(&answer.error_subscription_ids).unwrap();
        assert_eq!(rest.subscriptions().len(), 199);
        assert!(!rest.subscriptions().contains(&"s7".into()));
        let one = GetStreamingEvents::new(["s7".into()], 1).unwrap();
        assert!(one.without(&answer.error_subscription_ids).is_none());
    }

    #[test]
    fn trap_07_both_spellings_of_a_notification_are_read() {
        let spellings = [
            format!("<m:Notifications><m:Notification>{CREATED}</m:Notification></m:Notifications>"),
            format!("<m:Notifications><t:Notification>{CREATED}</t:Notification></m:Notifications>"),
        ];
        for spelling in spellings {
            let message = read("Success", "NoError", &spelling);
            let [notification] = message.notifications.as_slice() else { panic!("{message:?}") };
            assert_eq!(notification.subscription_id, Some("JgBj".into()));
            assert_eq!(
                notification.events[0].object,
                Some(ObjectId::Item("AAMkAD0=".into(), Some("CQ==".into())))
            );
            assert!(!message.is_heartbeat());
        }
        for prefix in ["m", "t"] {
            let ids = format!(
                "<m:ErrorSubscriptionIds><{prefix}:SubscriptionId>x</{prefix}:SubscriptionId></m:ErrorSubscriptionIds>"
            );
            let message = read("Error", "ErrorSubscriptionNotFound", &ids);
            assert_eq!(message.error_subscription_ids, ["x".into()]);
        }
    }

    #[test]
    fn trap_07_heartbeats_in_each_form() {
        for inside in [
            String::new(),
            "<m:ConnectionStatus>OK</m:ConnectionStatus>".to_owned(),
            "<m:Notifications/><m:ErrorSubscriptionIds/><m:ConnectionStatus>OK</m:ConnectionStatus>"
                .to_owned(),
            format!("<m:Notifications><m:Notification>{STATUS}</m:Notification></m:Notifications>"),
        ] {
            let message = read("Success", "NoError", &inside);
            assert!(message.is_heartbeat() && !message.is_closed(), "{inside}");
            assert!(message.error_subscription_ids.is_empty());
        }
        let closed = read("Success", "NoError", "<m:ConnectionStatus>Closed</m:ConnectionStatus>");
        assert!(closed.is_closed() && !closed.is_heartbeat());
        let unknown = read("Success", "NoError", "<m:ConnectionStatus>Dozing</m:ConnectionStatus>");
        assert_eq!(unknown.connection_status, Some(ConnectionStatus::Other("Dozing".into())));
    }

    #[test]
    fn trap_07_a_lost_subscription_is_told_even_when_the_connection_is_ok() {
        let message =
            read("Error", "ErrorInvalidSubscription", "<m:ConnectionStatus>OK</m:ConnectionStatus>");
        assert_eq!(message.code.class(), CodeClass::StartAnew);
        assert!(!message.is_heartbeat());
    }

    #[test]
    fn several_messages_in_one_envelope_lose_nothing() {
        let one = |class: &str, code: &str, inside: &str| {
            format!(r#"<m:X ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode>{inside}</m:X>"#)
        };
        let created =
            format!("<m:Notifications><m:Notification>{CREATED}</m:Notification></m:Notifications>");
        let parts = [
            one("Success", "NoError", &created),
            one(
                "Error",
                "ErrorReadEventsFailed",
                "<m:ErrorSubscriptionIds><t:SubscriptionId>x</t:SubscriptionId></m:ErrorSubscriptionIds><m:ConnectionStatus>Closed</m:ConnectionStatus>",
            ),
            one("Success", "NoError", &format!("{created}<m:ConnectionStatus>OK</m:ConnectionStatus>")),
        ];
        let xml = envelope(&format!(
            "<m:GetStreamingEventsResponse><m:ResponseMessages>{}</m:ResponseMessages></m:GetStreamingEventsResponse>",
            parts.concat()
        ));
        let message = StreamingMessage::read(xml.as_bytes()).unwrap();
        assert_eq!((message.notifications.len(), message.error_subscription_ids.len()), (2, 1));
        assert_eq!(message.code.as_str(), "ErrorReadEventsFailed");
        assert!(message.is_closed());
    }

    #[test]
    fn an_event_that_cannot_be_read_is_no_silence() {
        for class in ["Success", "Error"] {
            let broken = CREATED.replace("2026-11-23T04:31:29Z", "soon");
            let inside =
                format!("<m:Notifications><m:Notification>{broken}</m:Notification></m:Notifications>");
            let error = StreamingMessage::read(body(class, "NoError", &inside).as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse);
            assert!(error.to_string().contains("TimeStamp is no dateTime, at byte"), "{error}");
        }
    }

    #[test]
    fn a_fault_or_another_answer_within_the_stream_is_an_error() {
        let fault = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>ErrorServerBusy</faultcode><faultstring>x</faultstring></s:Fault></s:Body></s:Envelope>"#;
        let error = StreamingMessage::read(fault.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Throttled);
        let other = envelope("<m:GetEventsResponse/>");
        assert_eq!(StreamingMessage::read(other.as_bytes()).unwrap_err().kind(), ErrorKind::InvalidResponse);
        assert!(StreamingMessage::read(envelope("").as_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// However a stream arrives, the same events are read from it; and nothing in it is read as an event that is none.
        #[test]
        fn trap_07_chunks_mean_nothing(cuts in prop::collection::vec(0_usize..4_000, 0..12), junk in ".{0,40}") {
            let junk: String = junk.chars().filter(|c| !matches!(c, '<' | '&' | '\u{0}'..='\u{1f}')).collect();
            let created = format!("<m:Notifications><m:Notification>{CREATED}</m:Notification></m:Notifications>");
            let envelopes = [
                body("Success", "NoError", "<m:ConnectionStatus>OK</m:ConnectionStatus>"),
                body("Success", "NoError", &created),
                body("Error", "ErrorMissedNotificationEvents", &format!("<m:MessageText>{junk}</m:MessageText>")),
                body("Success", "NoError", "<m:ConnectionStatus>Closed</m:ConnectionStatus>"),
            ];
            let stream = envelopes.join("\r\n<?xml version=\"1.0\"?>");
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < stream.len()).collect();
            cuts.sort_unstable();
            let mut framer = EnvelopeFramer::new();
            let mut messages = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([stream.len()]) {
                framer.push(&stream.as_bytes()[from..cut]);
                from = cut;
                while let Some(envelope) = framer.next_envelope().unwrap() {
                    messages.push(StreamingMessage::read(&envelope).unwrap());
                }
            }
            let whole: Vec<_> = envelopes.iter().map(|e| StreamingMessage::read(e.as_bytes()).unwrap()).collect();
            prop_assert_eq!(messages, whole);
        }

        /// A damaged envelope is an error or a message, never a panic.
        #[test]
        fn damage_never_panics(at in 0_usize..1_200, with in any::<u8>()) {
            let created = format!("<m:Notifications><m:Notification>{CREATED}</m:Notification></m:Notifications>");
            let mut bytes = body("Success", "NoError", &created).into_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
            _ = StreamingMessage::read(&bytes);
            _ = StreamingMessage::read(&bytes[..at.min(bytes.len())]);
        }
    }
}
