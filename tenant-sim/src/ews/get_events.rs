//! `GetEvents`: what a pull subscription has to tell.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getevents-operation>

use super::affinity::Affinity;
use super::server::{Change, Kind};
use super::soap::{Element, Fault, MESSAGES, escaped};
use super::subscribe::{failed, watermark, watermark_number};
use super::{Context, message, schema_violation};

/// Answers with the events after the watermark, and forgets those up to it.
pub(super) fn run(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let text = |name| operation.child(MESSAGES, name).map(|e| e.text.as_str());
    let (Some(id), Some(mark)) = (text("SubscriptionId"), text("Watermark")) else {
        return Err(schema_violation("GetEvents needs a SubscriptionId and a Watermark."));
    };
    let back_end = Affinity::of(context).back_end;
    let core = &mut *context.state.ews.core();
    let limit = core.limits.events_per_notification;
    let known = core.subscriptions.get_mut(id).filter(|s| s.back_end == back_end);
    let Some(subscription) = known else {
        return Ok(failed(
            "GetEvents",
            "ErrorSubscriptionNotFound",
            "The specified subscription was not found.",
        ));
    };
    if subscription.owner != context.caller {
        let text = "Access is denied. Only the subscription owner may access the subscription.";
        return Ok(failed("GetEvents", "ErrorSubscriptionAccessDenied", text));
    }
    let Kind::Pull(life) = subscription.kind else {
        let text = "The subscription is not a pull subscription.";
        return Ok(failed("GetEvents", "ErrorInvalidPullSubscriptionId", text));
    };
    if subscription.has_expired(context.now) {
        core.remove(id);
        return Ok(failed("GetEvents", "ErrorExpiredSubscription", "The subscription has expired."));
    }
    let oldest = subscription.last_read;
    let Some(read) = watermark_number(mark).filter(|n| *n >= oldest) else {
        return Ok(failed("GetEvents", "ErrorInvalidWatermark", "The watermark is invalid."));
    };
    if std::mem::take(&mut subscription.missed) {
        return Ok(failed("GetEvents", "ErrorMissedNotificationEvents", "Some events were lost."));
    }
    subscription.expires = context.now.checked_add(life).ok();
    while subscription.waiting.front().is_some_and(|e| e.number <= read) {
        subscription.waiting.pop_front();
    }
    subscription.last_read = read;
    let mut events = String::new();
    for event in subscription.waiting.iter().take(limit) {
        events.push_str(&rendered(
            &event.change,
            &format!("<t:Watermark>{}</t:Watermark>", watermark(event.number)),
        ));
    }
    if events.is_empty() {
        events = format!("<t:StatusEvent><t:Watermark>{}</t:Watermark></t:StatusEvent>", watermark(read));
    }
    let more = subscription.waiting.len() > limit;
    Ok(message(
        "GetEvents",
        "",
        &format!(
            "<m:Notification><t:SubscriptionId>{}</t:SubscriptionId><t:PreviousWatermark>{}</t:PreviousWatermark><t:MoreEvents>{more}</t:MoreEvents>{events}</m:Notification>",
            escaped(id),
            escaped(mark),
        ),
    ))
}

/// One event; `watermark` is its element, or nothing.
pub(super) fn rendered(change: &Change, watermark: &str) -> String {
    let name = change.kind.name();
    let item = |tag: &str, id: &str, key: &str| format!(r#"<t:{tag} Id="{}"{key}/>"#, escaped(id));
    let key = format!(r#" ChangeKey="{}""#, escaped(&change.change_key));
    let folder_key = r#" ChangeKey="AQAAAA==""#;
    let old = change.old.as_ref().map_or_else(String::new, |(old, from)| {
        item("OldItemId", old, &key) + &item("OldParentFolderId", from, folder_key)
    });
    format!(
        "<t:{name}>{watermark}<t:TimeStamp>{}</t:TimeStamp>{}{}{old}</t:{name}>",
        change.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        item("ItemId", &change.item, &key),
        item("ParentFolderId", &change.folder, folder_key),
    )
}
