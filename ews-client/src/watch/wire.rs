//! The machine's actions as calls.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};
use m365_core::{Body, Error, MailboxAddress, Result};

use super::event::Change;
use super::machine::{Page, Pulled, Said, SubKind, Subscribed};
use crate::{
    CallOptions, ConnectingSid, DistinguishedFolder, EnvelopeFramer, EventType, EwsClient, EwsOperation,
    FolderRef, GetEvents, GetStreamingEvents, ResponseClass, ResponseCode, StreamingMessage, Subscribe,
    SubscriptionId, SyncChange, SyncFolderItems, SyncState, Target, Unsubscribe, Watermark,
};

/// Everything that servers since 2007 tell of.
const PLAIN: [EventType; 5] =
    [EventType::Created, EventType::Deleted, EventType::Modified, EventType::Moved, EventType::Copied];

pub(super) fn target(address: &MailboxAddress) -> Target {
    Target::Impersonate(ConnectingSid::PrimarySmtpAddress(address.clone()))
}

/// The one answer of an operation about one thing.
async fn one<O>(
    client: &EwsClient,
    operation: &O,
    target: &Target,
    options: &CallOptions,
) -> Result<(O::Item, Option<crate::BackEndCookie>)>
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    let answer = client.call_with(operation, target, options).await?;
    let result = answer.results.into_iter().next();
    let result = result.ok_or_else(|| Error::unreadable("the answer is empty").with_operation(O::NAME))?;
    Ok((result.into_result().map_err(|error| error.with_operation(O::NAME))?, answer.back_end))
}

pub(super) async fn subscribe(
    client: &EwsClient,
    target: &Target,
    folder: FolderRef,
    (kind, minutes): (SubKind, u16),
    options: &CallOptions,
) -> Result<Subscribed> {
    let calendar = folder == FolderRef::Distinguished(DistinguishedFolder::Calendar);
    let operation = match kind {
        SubKind::Streaming if calendar => Subscribe::streaming([folder], EventType::CALENDAR)?,
        SubKind::Streaming => Subscribe::streaming([folder], PLAIN)?,
        SubKind::Pull => Subscribe::pull([folder], PLAIN, minutes)?,
    };
    let (made, cookie) = one(client, &operation, target, options).await?;
    if kind == SubKind::Pull && made.watermark.is_none() {
        return Err(
            Error::unreadable("a pull subscription without a watermark").with_operation(Subscribe::NAME)
        );
    }
    Ok(Subscribed { id: made.id, watermark: made.watermark, cookie })
}

pub(super) async fn pull(
    client: &EwsClient,
    target: &Target,
    (id, watermark): (SubscriptionId, Watermark),
    options: &CallOptions,
) -> Result<Pulled> {
    let (notification, _) = one(client, &GetEvents::new(id, watermark), target, options).await?;
    Ok(Pulled {
        watermark: notification.watermark().cloned(),
        any: notification.has_changes(),
        more: notification.more_events,
    })
}

pub(super) async fn unsubscribe(
    client: &EwsClient,
    target: &Target,
    id: SubscriptionId,
    options: &CallOptions,
) -> Result<()> {
    one(client, &Unsubscribe::new(id), target, options).await.map(|_| ())
}

pub(super) async fn sync(
    client: &EwsClient,
    target: &Target,
    folder: FolderRef,
    (state, page): (Option<SyncState>, u16),
    options: &CallOptions,
) -> Result<Page> {
    let mut operation = SyncFolderItems::new(folder).with_max_changes(page.into());
    if let Some(state) = state {
        operation = operation.with_state(state);
    }
    let (page, _) = one(client, &operation, target, options).await?;
    let state = page.state.ok_or_else(|| {
        Error::unreadable("a page of changes without a sync state")
            .with_operation(SyncFolderItems::NAME)
            .with_transient(true)
    })?;
    let change = |change| match change {
        SyncChange::Created(item) => Change::Created(item.head().id),
        SyncChange::Updated(item) => Change::Updated(item.head().id),
        SyncChange::Deleted(id) => Change::Deleted(id),
        SyncChange::ReadFlagChanged { item, is_read } => {
            Change::ReadFlagChanged { item: item.id, read: Some(is_read) }
        }
        SyncChange::Other(_) => Change::Other,
    };
    Ok(Page { changes: page.changes.into_iter().map(change).collect(), state, last: page.includes_last })
}

/// What is heard of a connection.
pub(super) enum Heard {
    Said(Said),
    /// The last of it.
    Ended(Option<Error>),
}

/// A streaming connection from its opening to its end.
pub(super) fn connection(
    client: EwsClient,
    target: Target,
    (ids, minutes): (Vec<SubscriptionId>, u8),
    options: CallOptions,
) -> impl Stream<Item = Heard> + Send {
    let opened = async move { open(&client, &target, ids, minutes, &options).await };
    stream::once(opened).flat_map(|opened| match opened {
        Ok(body) => hear(body).left_stream(),
        Err(error) => stream::iter([Heard::Ended(Some(error))]).right_stream(),
    })
}

fn hear(body: Body) -> impl Stream<Item = Heard> + Send {
    stream::unfold(Some((body, EnvelopeFramer::new())), |state| async {
        let (mut body, mut framer) = state?;
        let ended = |error: Option<Error>| {
            Some((Heard::Ended(error.map(|e| e.with_operation(GetStreamingEvents::NAME))), None))
        };
        match next_envelope(&mut body, &mut framer).await {
            Ok(Some(envelope)) => match StreamingMessage::read(&envelope) {
                Ok(message) => Some((Heard::Said(said(message)), Some((body, framer)))),
                Err(error) => ended(Some(error)),
            },
            Ok(None) => ended(None),
            Err(error) => ended(Some(error)),
        }
    })
}

async fn open(
    client: &EwsClient,
    target: &Target,
    ids: Vec<SubscriptionId>,
    minutes: u8,
    options: &CallOptions,
) -> Result<Body> {
    let operation = GetStreamingEvents::new(ids, minutes)?;
    Ok(client.open(&operation, target, options).await?.into_body())
}

async fn next_envelope(body: &mut Body, framer: &mut EnvelopeFramer) -> Result<Option<Bytes>> {
    loop {
        if let Some(envelope) = framer.next_envelope()? {
            return Ok(Some(envelope));
        }
        match body.next().await {
            Some(chunk) => framer.push(&chunk?),
            None => {
                std::mem::take(framer).finish()?;
                return Ok(None);
            }
        }
    }
}

fn said(message: StreamingMessage) -> Said {
    let closed = message.is_closed();
    let back_off = message.details.as_ref().and_then(|details| details.xml.back_off());
    let mut failure = (message.class == ResponseClass::Error || message.code != ResponseCode::NO_ERROR)
        .then_some((message.code, back_off));
    let changed = message.notifications.into_iter().filter(|notification| notification.has_changes());
    let (mut touched, mut unnamed) = (Vec::new(), false);
    for notification in changed {
        match notification.subscription_id {
            Some(id) => touched.push(id),
            None => unnamed = true,
        }
    }
    if unnamed && failure.is_none() {
        // Whose it is was not said: then it may be anybody's.
        failure = Some((ResponseCode::ERROR_MISSED_NOTIFICATION_EVENTS, None));
    }
    Said { touched, named: message.error_subscription_ids, failure, closed }
}
