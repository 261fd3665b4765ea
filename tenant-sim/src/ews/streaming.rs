//! `GetStreamingEvents`: one answer that goes on for minutes.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getstreamingevents-operation>

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;

use super::affinity::Affinity;
use super::get_events::rendered;
use super::quirks::{self, EwsQuirk};
use super::server::{EwsServer, Heartbeat, Kind, Reader};
use super::soap::{self, Element, Fault, MESSAGES, TYPES, escaped};
use super::throttle::concurrency;
use super::{Context, schema_violation};
use crate::SimClock;
use crate::server::Dropped;
use crate::server::reply::{self, Reply};

/// How much longer than asked a server with that quirk keeps a stream open.
const LATE: SignedDuration = SignedDuration::from_secs(33);

/// A stream that was let in: what [`run`] needs. It travels in the answer's extensions, from under the state's lock.
#[derive(Clone)]
pub(crate) struct Stream {
    server: EwsServer,
    /// What its answers say of the server.
    header: &'static str,
    ids: Vec<String>,
    /// Bad ids, the code that says why, and what else is told.
    bad: Option<(Vec<String>, &'static str)>,
    ends: Timestamp,
    reader: Arc<Reader>,
    _hanging: Arc<Hanging>,
}

/// One open stream in the count of its account and mailbox.
struct Hanging {
    server: EwsServer,
    key: (String, Uuid),
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let hanging = &mut self.server.core().hanging;
        if let Some(count) = hanging.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                hanging.remove(&self.key);
            }
        }
    }
}

/// Lets a stream in, or says why not.
pub(super) fn open(context: &Context<'_>, operation: &Element) -> Result<Reply, Fault> {
    let ids = operation
        .child(MESSAGES, "SubscriptionIds")
        .map(|ids| ids.children.as_slice())
        .filter(|ids| {
            !ids.is_empty() && ids.iter().all(|i| i.namespace == TYPES && i.name == "SubscriptionId")
        })
        .ok_or_else(|| {
            schema_violation("GetStreamingEvents needs SubscriptionIds with t:SubscriptionId in it.")
        })?;
    let minutes = operation
        .child(MESSAGES, "ConnectionTimeout")
        .and_then(|t| t.text.parse::<i64>().ok())
        .filter(|minutes| (1..=30).contains(minutes))
        .ok_or_else(|| schema_violation("The ConnectionTimeout is from 1 to 30 minutes."))?;
    let server = &context.state.ews;
    let back_end = Affinity::of(context).back_end;
    let mut core = server.core();
    if ids.len() > core.limits.ids_per_stream {
        return Err(Fault::new("ErrorInvalidSubscription", "The request names too many subscriptions."));
    }
    let limit = core.limits.hanging_connections;
    // Whoever impersonates spends the budget of the mailbox.
    let key = (context.caller.clone(), context.mailbox);
    let count = core.hanging.entry(key.clone()).or_default();
    if *count >= limit {
        return Err(concurrency("HangingConnectionLimit", limit));
    }
    *count += 1;

    let reader = Arc::new(Reader::default());
    let (mut unknown, mut foreign) = (Vec::new(), Vec::new());
    for id in ids {
        if core.subscriptions.get(&id.text).is_some_and(|s| s.has_expired(context.now)) {
            core.remove(&id.text);
        }
        match core.subscriptions.get(&id.text) {
            Some(s) if s.owner != context.caller => foreign.push(id.text.clone()),
            Some(s) if s.back_end == back_end && s.kind == Kind::Streaming => {}
            _ => unknown.push(id.text.clone()),
        }
    }
    let bad = if !unknown.is_empty() {
        Some((unknown, "ErrorInvalidSubscription"))
    } else {
        (!foreign.is_empty()).then_some((foreign, "ErrorSubscriptionAccessDenied"))
    };
    let late = core.quirks.contains(&EwsQuirk::StreamEndsLate);
    let lossy = core.quirks.contains(&EwsQuirk::EventsLostBetweenConnections);
    let mut good = Vec::new();
    if bad.is_none() {
        for id in ids {
            if let Some(subscription) = core.subscriptions.get_mut(&id.text) {
                // A later stream takes a subscription over.
                subscription.reader = Arc::downgrade(&reader);
                if lossy {
                    subscription.waiting.clear();
                }
                good.push(id.text.clone());
            }
        }
    }
    drop(core);
    let hanging = Arc::new(Hanging { server: server.clone(), key });
    reader.ready.lock().unwrap_or_else(PoisonError::into_inner).extend(good.iter().cloned());
    let length = SignedDuration::from_mins(minutes) + if late { LATE } else { SignedDuration::ZERO };
    let stream = Stream {
        server: server.clone(),
        header: context.server,
        ids: good,
        bad,
        ends: context.now.checked_add(length).unwrap_or(Timestamp::MAX),
        reader,
        _hanging: hanging,
    };
    let mut reply = reply::bytes(StatusCode::OK, "text/xml; charset=utf-8", "");
    reply.extensions_mut().insert(stream);
    Ok(reply)
}

/// What one turn of the loop found.
#[derive(Default)]
struct Found {
    /// Notifications with events.
    notifications: String,
    /// Subscriptions that are no more.
    gone: Vec<String>,
    /// Subscriptions that lost events.
    missed: Vec<String>,
    /// More than fits in one notification waits.
    more: bool,
}

/// Writes the stream until its time is over, its connection ends, or somebody cuts it. Holds no lock while it waits.
pub(crate) async fn run(stream: Stream, clock: SimClock, out: mpsc::Sender<Result<Bytes, Dropped>>) {
    let mut cut = stream.server.streams_end();
    let mut writer =
        Writer { stream: &stream, out: &out, clock: &clock, first: true, sent: Sent::now(&clock) };
    let written = tokio::select! {
        written = writer.write() => written,
        _ = cut.changed() => None,
    };
    if written.is_none() {
        // The receiver may be gone already: then there is nobody to tell.
        drop(out.send(Err(Dropped)).await);
    }
    stream.release(clock.now());
}

impl Stream {
    fn release(&self, now: Timestamp) {
        let core = &mut *self.server.core();
        let idle = core.limits.idle_subscription;
        for id in &self.ids {
            if let Some(s) = core.subscriptions.get_mut(id)
                && std::ptr::eq(s.reader.as_ptr(), Arc::as_ptr(&self.reader))
            {
                s.reader = std::sync::Weak::new();
                s.expires = now.checked_add(idle).ok();
            }
        }
    }

    /// What waits for the subscriptions that called.
    fn take(&self) -> Found {
        let ready = std::mem::take(&mut *self.reader.ready.lock().unwrap_or_else(PoisonError::into_inner));
        let core = &mut *self.server.core();
        let limit = core.limits.events_per_notification;
        let mut found = Found::default();
        for id in ready {
            let Some(subscription) = core.subscriptions.get_mut(&id) else {
                found.gone.push(id);
                continue;
            };
            if std::mem::take(&mut subscription.missed) {
                found.missed.push(id.clone());
            }
            let waiting = subscription.waiting.len();
            let events: String =
                subscription.waiting.drain(..waiting.min(limit)).map(|e| rendered(&e.change, "")).collect();
            if !events.is_empty() {
                found.notifications.push_str(&format!(
                    "<m:Notification><t:SubscriptionId>{}</t:SubscriptionId>{events}</m:Notification>",
                    escaped(&id)
                ));
            }
            if waiting > limit {
                found.more = true;
                self.reader.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            }
        }
        found
    }
}

struct Writer<'a> {
    stream: &'a Stream,
    out: &'a mpsc::Sender<Result<Bytes, Dropped>>,
    clock: &'a SimClock,
    first: bool,
    sent: Sent,
}

/// When something was sent last, on both clocks: the next heartbeat counts from there.
#[derive(Clone, Copy)]
struct Sent {
    tenant: Timestamp,
    real: Instant,
}

impl Sent {
    fn now(clock: &SimClock) -> Self {
        Self { tenant: clock.now(), real: Instant::now() }
    }
}

impl Writer<'_> {
    /// None when the connection is gone.
    async fn write(&mut self) -> Option<()> {
        if let Some((ids, code)) = &self.stream.bad {
            return self.refuse(ids, code).await;
        }
        self.send(&success("", self.status_events(), "OK")).await?;
        loop {
            let found = self.stream.take();
            if !found.missed.is_empty() {
                self.send(&error("ErrorMissedNotificationEvents", &found.missed, "OK")).await?;
            }
            if !found.notifications.is_empty() {
                self.send(&success(&found.notifications, String::new(), "")).await?;
            }
            if !found.gone.is_empty() {
                return self.refuse(&found.gone, "ErrorSubscriptionNotFound").await;
            }
            if found.more {
                continue;
            }
            tokio::select! {
                () = self.stream.reader.wake.notified() => {}
                () = self.pause() => {
                    if self.clock.now() >= self.stream.ends {
                        return self.send(&success("", String::new(), "Closed")).await;
                    }
                    self.send(&success("", self.status_events(), "OK")).await?;
                }
                () = self.out.closed() => return None,
            }
        }
    }

    /// Until the next heartbeat, or the end.
    async fn pause(&self) {
        let heartbeat = self.stream.server.core().heartbeat;
        let ends = self.stream.ends;
        match heartbeat {
            Heartbeat::Tenant(every) => {
                let at = self.sent.tenant.checked_add(every).unwrap_or(Timestamp::MAX);
                self.clock.sleep_until(at.min(ends)).await;
            }
            Heartbeat::Real(every) => tokio::select! {
                () = self.clock.sleep_until(ends) => {}
                () = tokio::time::sleep_until(self.sent.real + every) => {}
            },
        }
    }

    /// Names bad subscriptions; the good ones of the stream fall silent with them.
    async fn refuse(&mut self, ids: &[String], code: &str) -> Option<()> {
        if !self.stream.server.has(EwsQuirk::InvalidSubscriptionStaysOpen) {
            return self.send(&error(code, ids, "Closed")).await;
        }
        loop {
            self.send(&error(code, ids, "OK")).await?;
            tokio::select! {
                () = self.pause() => {}
                () = self.out.closed() => return None,
            }
            if self.clock.now() >= self.stream.ends {
                return self.send(&error(code, ids, "Closed")).await;
            }
        }
    }

    fn status_events(&self) -> String {
        if !self.stream.server.has(EwsQuirk::HeartbeatIsStatusEvent) {
            return String::new();
        }
        let one = |id: &String| {
            format!(
                "<m:Notification><t:SubscriptionId>{}</t:SubscriptionId><t:StatusEvent/></m:Notification>",
                escaped(id)
            )
        };
        self.stream.ids.iter().map(one).collect()
    }

    async fn send(&mut self, message: &str) -> Option<()> {
        let quirks = self.stream.server.quirks();
        let body = format!(
            r#"<m:GetStreamingEventsResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><m:ResponseMessages>{message}</m:ResponseMessages></m:GetStreamingEventsResponse>"#
        );
        let reply = quirks::rewrite(&quirks, None, soap::streamed(self.stream.header, &body));
        self.sent = Sent::now(self.clock);
        for piece in quirks::framed(&quirks, reply.into_body(), self.first) {
            self.out.send(Ok(piece)).await.ok()?;
        }
        self.first = false;
        Some(())
    }
}

fn success(notifications: &str, status_events: String, status: &str) -> String {
    let notifications = if notifications.is_empty() { status_events } else { notifications.to_owned() };
    let notifications = if notifications.is_empty() {
        notifications
    } else {
        format!("<m:Notifications>{notifications}</m:Notifications>")
    };
    let status = if status.is_empty() {
        String::new()
    } else {
        format!("<m:ConnectionStatus>{status}</m:ConnectionStatus>")
    };
    format!(
        r#"<m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{notifications}{status}</m:GetStreamingEventsResponseMessage>"#
    )
}

fn error(code: &str, ids: &[String], status: &str) -> String {
    let ids: String =
        ids.iter().map(|id| format!("<t:SubscriptionId>{}</t:SubscriptionId>", escaped(id))).collect();
    let text = match code {
        "ErrorMissedNotificationEvents" => "Some events were lost.",
        "ErrorSubscriptionAccessDenied" => {
            "Access is denied. Only the subscription owner may access the subscription."
        }
        _ => "The specified subscription was not found.",
    };
    format!(
        r#"<m:GetStreamingEventsResponseMessage ResponseClass="Error"><m:MessageText>{text}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:ErrorSubscriptionIds>{ids}</m:ErrorSubscriptionIds><m:ConnectionStatus>{status}</m:ConnectionStatus></m:GetStreamingEventsResponseMessage>"#
    )
}
