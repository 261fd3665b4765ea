use m365_core::{Idempotency, Result};

use super::read_created;
use crate::item::{ItemBody, ItemHead};
use crate::operation::EwsOperation;
use crate::operations::MessageDisposition;
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// What is answered to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeetingResponse {
    /// `AcceptItem`.
    Accept,
    /// `TentativelyAcceptItem`.
    TentativelyAccept,
    /// `DeclineItem`: the meeting leaves the calendar.
    Decline,
}

impl MeetingResponse {
    fn element(self) -> &'static str {
        match self {
            Self::Accept => "t:AcceptItem",
            Self::TentativelyAccept => "t:TentativelyAcceptItem",
            Self::Decline => "t:DeclineItem",
        }
    }
}

/// Answers an invitation: the calendar follows, and unless the disposition is
/// [`SaveOnly`](MessageDisposition::SaveOnly) the organizer is told.
///
/// ```
/// use ews_client::{ItemHead, MeetingResponse, MessageDisposition, RespondToMeeting};
/// let invitation = ItemHead::new("AAMkAD0=").with_change_key("CwAAAB");
/// let yes = RespondToMeeting::new(MeetingResponse::Accept, MessageDisposition::SendAndSaveCopy, invitation);
/// ```
///
/// Sources: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/acceptitem>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/tentativelyacceptitem>,
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/declineitem>.
#[derive(Clone, Debug)]
pub struct RespondToMeeting {
    response: MeetingResponse,
    disposition: MessageDisposition,
    meeting: ItemHead,
    body: Option<ItemBody>,
}

impl RespondToMeeting {
    /// Answers this invitation, or this meeting of the calendar.
    pub fn new(response: MeetingResponse, disposition: MessageDisposition, meeting: ItemHead) -> Self {
        Self { response, disposition, meeting, body: None }
    }

    /// With a text for the organizer.
    #[must_use]
    pub fn with_body(mut self, body: ItemBody) -> Self {
        self.body = Some(body);
        self
    }
}

impl EwsOperation for RespondToMeeting {
    const NAME: &'static str = "CreateItem";
    /// The ids of what came of it: the meeting in the calendar, the kept answer.
    type Item = Vec<ItemHead>;

    fn asked(&self) -> usize {
        1
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NotIdempotent
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.open_with("m:CreateItem", &[("MessageDisposition", self.disposition.as_str())]);
        writer.raw("<m:Items>");
        writer.open(self.response.element());
        if let Some(body) = &self.body {
            body.write("t:Body", writer);
        }
        self.meeting.write("t:ReferenceItemId", writer);
        writer.close(self.response.element());
        writer.raw("</m:Items></m:CreateItem>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<Vec<ItemHead>>>> {
        read_created(cursor, root)
    }
}

/// Calls off a meeting of one's own, and tells the attendees.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/cancelcalendaritem>.
#[derive(Clone, Debug)]
pub struct CancelMeeting {
    meeting: ItemHead,
    body: Option<ItemBody>,
}

impl CancelMeeting {
    /// Calls this meeting off. A copy of the message is kept in sent items.
    pub fn new(meeting: ItemHead) -> Self {
        Self { meeting, body: None }
    }

    /// With a text for the attendees.
    #[must_use]
    pub fn with_body(mut self, body: ItemBody) -> Self {
        self.body = Some(body);
        self
    }
}

impl EwsOperation for CancelMeeting {
    const NAME: &'static str = "CreateItem";
    /// The ids of what came of it.
    type Item = Vec<ItemHead>;

    fn asked(&self) -> usize {
        1
    }

    fn idempotency(&self) -> Idempotency {
        Idempotency::NotIdempotent
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:CreateItem MessageDisposition=\"SendAndSaveCopy\"><m:Items><t:CancelCalendarItem>");
        self.meeting.write("t:ReferenceItemId", writer);
        if let Some(body) = &self.body {
            body.write("t:NewBodyContent", writer);
        }
        writer.raw("</t:CancelCalendarItem></m:Items></m:CreateItem>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<Vec<ItemHead>>>> {
        read_created(cursor, root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{answers, own_request, success};

    fn invitation() -> ItemHead {
        ItemHead::new("AAMkAD0=").with_change_key("CwAAAB")
    }

    #[test]
    fn create_item_meeting_responses() {
        for (name, response) in [
            ("create_item_accept", MeetingResponse::Accept),
            ("create_item_tentatively_accept", MeetingResponse::TentativelyAccept),
            ("create_item_decline", MeetingResponse::Decline),
        ] {
            let operation =
                RespondToMeeting::new(response, MessageDisposition::SendAndSaveCopy, invitation())
                    .with_body(ItemBody::text("Looking forward."));
            insta::assert_snapshot!(name, own_request(&operation));
            assert_eq!(operation.idempotency(), Idempotency::NotIdempotent);
        }
    }

    #[test]
    fn create_item_cancel_meeting() {
        let operation = CancelMeeting::new(invitation()).with_body(ItemBody::text("Another time."));
        insta::assert_snapshot!(own_request(&operation));
        assert_eq!(operation.idempotency(), Idempotency::NotIdempotent);
        let text = success(
            "CreateItem",
            r#"<m:Items><t:CalendarItem><t:ItemId Id="A"/></t:CalendarItem></m:Items>"#,
        );
        let ids = answers(&operation, &text).unwrap().results.remove(0).into_result().unwrap();
        assert_eq!(ids, [ItemHead::new("A")]);
    }
}
