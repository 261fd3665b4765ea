use m365_core::Result;

use crate::ids::{SubscriptionId, Watermark};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::notification::Notification;
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// Asks a pull subscription what happened since a watermark. It also keeps the subscription alive.
///
/// The next question bears [`Notification::watermark`]; when [`Notification::more_events`] is true it is due at once.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getevents-operation>.
#[derive(Clone, Debug)]
pub struct GetEvents {
    subscription: SubscriptionId,
    watermark: Watermark,
}

impl GetEvents {
    /// What happened in this subscription since this watermark.
    pub fn new(subscription: SubscriptionId, watermark: Watermark) -> Self {
        Self { subscription, watermark }
    }
}

impl EwsOperation for GetEvents {
    const NAME: &'static str = "GetEvents";
    type Item = Notification;

    fn asked(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetEvents>");
        writer.leaf("m:SubscriptionId", self.subscription.as_str());
        writer.leaf("m:Watermark", self.watermark.as_str());
        writer.raw("</m:GetEvents>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Notification>>> {
        let mut results = read_messages(cursor, root, |cursor, child, notification| {
            if child.is("Notification") {
                *notification = Some(Notification::read(cursor, child)?);
            }
            Ok(())
        })?;
        for result in &mut results {
            // The schema lets a server say by silence that nothing happened.
            if result.is_done() && result.value.is_none() {
                result.value = Some(Notification {
                    subscription_id: Some(self.subscription.clone()),
                    previous_watermark: Some(self.watermark.clone()),
                    more_events: false,
                    events: Vec::new(),
                });
            }
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::notification::{NotificationEventType, ObjectId};
    use crate::operations::testing::{failure, message, request};
    use crate::{CodeClass, xs};

    fn operation() -> GetEvents {
        GetEvents::new("f6bc-1".into(), "AAAAAMAG==".into())
    }

    fn read(inside: &str) -> Notification {
        let mut answer = message(&operation(), "Success", "NoError", inside).unwrap();
        answer.results.remove(0).into_result().unwrap()
    }

    #[test]
    fn request_with_the_ids_of_pull() {
        insta::assert_snapshot!("get_events", request(&operation()));
    }

    #[test]
    fn every_kind_of_event_is_typed_and_an_unknown_one_kept() {
        let notification = read(
            r#"<m:Notification><t:SubscriptionId>f6bc-1</t:SubscriptionId><t:PreviousWatermark>AAA1</t:PreviousWatermark><t:MoreEvents>true</t:MoreEvents>
            <t:MovedEvent><t:Watermark>AAA2</t:Watermark><t:TimeStamp>2026-11-23T04:31:29.1234567Z</t:TimeStamp><t:ItemId Id="NEW" ChangeKey="C2"/><t:ParentFolderId Id="F2"/><t:OldItemId Id="OLD"/><t:OldParentFolderId Id="F1" ChangeKey="x"/></t:MovedEvent>
            <t:CopiedEvent><t:Watermark>AAA3</t:Watermark><t:TimeStamp>2026-11-23T04:31:30Z</t:TimeStamp><t:FolderId Id="G2"/><t:ParentFolderId Id="F2"/><t:OldFolderId Id="G1"/><t:OldParentFolderId Id="F2"/></t:CopiedEvent>
            <t:ModifiedEvent><t:Watermark>AAA4</t:Watermark><t:TimeStamp>2026-11-23T04:31:31Z</t:TimeStamp><t:FolderId Id="F2"/><t:ParentFolderId Id="R"/><t:UnreadCount>7</t:UnreadCount></t:ModifiedEvent>
            <t:ShreddedEvent><t:Watermark>AAA5</t:Watermark><t:ItemId Id="S"/></t:ShreddedEvent><t:Later/>
            <t:CreatedEvent/><t:DeletedEvent/><t:NewMailEvent/><t:FreeBusyChangedEvent/><t:StatusEvent><t:Watermark>AAA6</t:Watermark></t:StatusEvent></m:Notification>"#,
        );
        assert_eq!(notification.subscription_id, Some("f6bc-1".into()));
        assert!(notification.more_events && notification.has_changes());
        assert_eq!(notification.watermark(), Some(&"AAA6".into()));
        let events = &notification.events;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(
            kinds.join(" "),
            "MovedEvent CopiedEvent ModifiedEvent ShreddedEvent CreatedEvent DeletedEvent NewMailEvent \
             FreeBusyChangedEvent StatusEvent"
        );
        assert_eq!(events[0].object, Some(ObjectId::Item("NEW".into(), Some("C2".into()))));
        assert_eq!(events[0].old_object, Some(ObjectId::Item("OLD".into(), None)));
        assert_eq!((&events[0].parent, &events[0].old_parent), (&Some("F2".into()), &Some("F1".into())));
        assert_eq!(
            events[0].at.and_then(|at: xs::DateTime| at.instant()).unwrap().to_string(),
            "2026-11-23T04:31:29.1234567Z"
        );
        assert_eq!(events[1].old_object, Some(ObjectId::Folder("G1".into(), None)));
        assert_eq!(events[2].unread, Some(7));
        assert_eq!(events[3].kind, NotificationEventType::Other("ShreddedEvent".into()));
        assert!(events[8].is_status() && !events[7].is_status());
    }

    #[test]
    fn without_events_the_watermark_stays() {
        let silent = read("");
        assert_eq!(silent.watermark(), Some(&"AAAAAMAG==".into()));
        assert!(!silent.has_changes());
        let empty = read("<m:Notification><t:PreviousWatermark>AAA1</t:PreviousWatermark></m:Notification>");
        assert_eq!(empty.watermark(), Some(&"AAA1".into()));
    }

    #[test]
    fn trap_08_missed_events_are_a_failure_with_its_code() {
        let answer = message(&operation(), "Error", "ErrorMissedNotificationEvents", "").unwrap();
        assert_eq!(answer.results[0].code.class(), CodeClass::StartAnew);
        assert!(answer.results[0].value.is_none());
    }

    #[test]
    fn an_event_without_its_id_or_with_a_bad_time_is_an_error_with_a_place() {
        for bad in ["<t:ItemId/>", "<t:TimeStamp>soon</t:TimeStamp>", "<t:UnreadCount>x</t:UnreadCount>"] {
            let inside = format!("<m:Notification><t:CreatedEvent>{bad}</t:CreatedEvent></m:Notification>");
            let error = failure(message(&operation(), "Success", "NoError", &inside));
            assert!(error.to_string().contains("at byte"), "{error}");
        }
    }
}
