use m365_core::{Error, Result};

use crate::ids::{SubscriptionId, Watermark};
use crate::operation::{EwsOperation, read_messages};
use crate::operations::notification::{EventType, read_subscription_id, read_watermark};
use crate::soap::{FolderRef, ItemResult, RequestContext, SchemaVersion};
use crate::xml::{Cursor, Element, Writer};

/// Asks a mailbox to tell what happens in it: as a stream, or when it is asked.
///
/// One subscription is about one mailbox, and only who made it may read it. A delegate cannot subscribe to somebody
/// else's folders. A subscription that nobody reads ends by itself: that is why an answer that was lost may be asked for
/// again.
///
/// ```
/// use ews_client::{DistinguishedFolder, EventType, Subscribe};
/// let stream = Subscribe::streaming([DistinguishedFolder::Calendar.into()], EventType::CALENDAR)?;
/// let pull = Subscribe::pull([DistinguishedFolder::Calendar.into()], [EventType::Modified], 10)?;
/// let everything = Subscribe::streaming([], [EventType::NewMail])?;
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/subscribe-operation>.
#[derive(Clone, Debug)]
pub struct Subscribe {
    folders: Vec<FolderRef>,
    events: Vec<EventType>,
    /// Minutes, for a pull subscription.
    pull: Option<u16>,
}

impl Subscribe {
    /// To be read with [`GetStreamingEvents`](crate::GetStreamingEvents). No folder at all means every folder of the
    /// mailbox.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no type of event.
    pub fn streaming(
        folders: impl IntoIterator<Item = FolderRef>,
        events: impl IntoIterator<Item = EventType>,
    ) -> Result<Self> {
        Self::new(folders, events, None)
    }

    /// To be read with [`GetEvents`](crate::GetEvents) at least every so many minutes, from 1 to 1,440. No folder at all
    /// means every folder of the mailbox.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no type of event, or other minutes.
    pub fn pull(
        folders: impl IntoIterator<Item = FolderRef>,
        events: impl IntoIterator<Item = EventType>,
        timeout_minutes: u16,
    ) -> Result<Self> {
        if !(1..=1440).contains(&timeout_minutes) {
            return Err(Error::invalid("a pull subscription lasts 1 to 1440 minutes between two questions"));
        }
        Self::new(folders, events, Some(timeout_minutes))
    }

    fn new(
        folders: impl IntoIterator<Item = FolderRef>,
        events: impl IntoIterator<Item = EventType>,
        pull: Option<u16>,
    ) -> Result<Self> {
        let events: Vec<_> = events.into_iter().collect();
        if events.is_empty() {
            return Err(Error::invalid("a subscription is about one type of event at least"));
        }
        Ok(Self { folders: folders.into_iter().collect(), events, pull })
    }
}

impl EwsOperation for Subscribe {
    const NAME: &'static str = "Subscribe";
    type Item = Subscription;

    fn asked(&self) -> usize {
        1
    }

    fn since(&self) -> SchemaVersion {
        match self.pull {
            None => SchemaVersion::Exchange2010Sp2,
            Some(_) if self.events.contains(&EventType::FreeBusyChanged) => SchemaVersion::Exchange2010,
            Some(_) => SchemaVersion::Exchange2007Sp1,
        }
    }

    fn size_hint(&self) -> usize {
        640 + 256 * self.folders.len()
    }

    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>) {
        let name =
            if self.pull.is_some() { "PullSubscriptionRequest" } else { "StreamingSubscriptionRequest" };
        writer.raw("<m:Subscribe><m:");
        writer.raw(name);
        if self.folders.is_empty() {
            writer.raw(" SubscribeToAllFolders=\"true\">");
        } else {
            writer.raw("><t:FolderIds>");
            for folder in &self.folders {
                folder.write(writer, context.target());
            }
            writer.raw("</t:FolderIds>");
        }
        writer.raw("<t:EventTypes>");
        for event in &self.events {
            writer.raw("<t:EventType>");
            writer.raw(event.as_str());
            writer.raw("</t:EventType>");
        }
        writer.raw("</t:EventTypes>");
        if let Some(minutes) = self.pull {
            writer.raw("<t:Timeout>");
            writer.number(minutes.into());
            writer.raw("</t:Timeout>");
        }
        writer.raw("</m:");
        writer.raw(name);
        writer.raw("></m:Subscribe>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Subscription>>> {
        let mut watermark = None;
        let mut results = read_messages(cursor, root, |cursor, child, subscription| {
            match child.ews() {
                "SubscriptionId" => {
                    *subscription =
                        read_subscription_id(cursor, child)?.map(|id| Subscription { id, watermark: None });
                }
                "Watermark" => watermark = read_watermark(cursor, child)?,
                _ => {}
            }
            Ok(())
        })?;
        if let [ItemResult { value: Some(subscription), .. }] = results.as_mut_slice() {
            subscription.watermark = watermark;
        }
        Ok(results)
    }
}

/// A subscription that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// Where a pull subscription begins; a streaming one has none.
    pub watermark: Option<Watermark>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{is_written_for, message, request};
    use crate::{DistinguishedFolder, ErrorKind, FolderId};

    fn calendar() -> FolderRef {
        DistinguishedFolder::Calendar.into()
    }

    #[test]
    fn requests() {
        let folders = [calendar(), FolderRef::Id(FolderId::from("AQMkAD<="))];
        let stream = Subscribe::streaming(folders, EventType::CALENDAR).unwrap();
        insta::assert_snapshot!("subscribe_streaming", request(&stream));
        let pull = Subscribe::pull([calendar()], [EventType::Modified, EventType::NewMail], 1440).unwrap();
        insta::assert_snapshot!("subscribe_pull", request(&pull));
        let all = Subscribe::streaming([], [EventType::Created]).unwrap();
        insta::assert_snapshot!("subscribe_all_folders", request(&all));
    }

    #[test]
    fn what_no_server_takes_is_not_sent() {
        for refused in [
            Subscribe::streaming([calendar()], []),
            Subscribe::pull([calendar()], [], 10),
            Subscribe::pull([calendar()], [EventType::Moved], 0),
            Subscribe::pull([calendar()], [EventType::Moved], 1441),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let stream = Subscribe::streaming([], [EventType::Moved]).unwrap();
        assert!(!is_written_for(&stream, SchemaVersion::Exchange2010));
        assert!(is_written_for(&stream, SchemaVersion::Exchange2010Sp2));
        let pull = |event| Subscribe::pull([], [event], 1).unwrap();
        assert!(is_written_for(&pull(EventType::Moved), SchemaVersion::Exchange2007Sp1));
        assert!(!is_written_for(&pull(EventType::FreeBusyChanged), SchemaVersion::Exchange2007Sp1));
    }

    #[test]
    fn an_answer_has_an_id_and_perhaps_a_watermark_in_any_order() {
        let pull = Subscribe::pull([], [EventType::Moved], 1).unwrap();
        let made = |inside: &str| {
            message(&pull, "Success", "NoError", inside).unwrap().results.remove(0).into_result()
        };
        let id = "<m:SubscriptionId> GAB4 </m:SubscriptionId>";
        let mark = "<m:Watermark>AQAA</m:Watermark>";
        let both = Subscription { id: "GAB4".into(), watermark: Some("AQAA".into()) };
        assert_eq!(made(&format!("{id}{mark}")).unwrap(), both);
        assert_eq!(made(&format!("{mark}<m:Later/>{id}")).unwrap(), both);
        assert_eq!(made(id).unwrap(), Subscription { watermark: None, ..both });
        assert_eq!(made("<m:SubscriptionId/>").unwrap_err().kind(), ErrorKind::InvalidResponse);
        let refused = message(&pull, "Error", "ErrorSubscriptionDelegateAccessNotSupported", "").unwrap();
        let refused = refused.results[0].clone().into_result().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }
}
