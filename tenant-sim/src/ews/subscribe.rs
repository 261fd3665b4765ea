//! `Subscribe` (streaming and pull) and `Unsubscribe`.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/subscribe-operation>

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Weak,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::SignedDuration;
use uuid::Uuid;

use super::affinity::Affinity;
use super::server::{ChangeKind, Kind, Subscription};
use super::soap::{self, Element, Fault, MESSAGES, TYPES, escaped};
use super::{Context, Site, folders, message, schema_violation};
use crate::server::reply::Reply;

/// Makes one subscription for one mailbox.
pub(super) fn subscribe(context: &Context<'_>, operation: &Element) -> Result<Reply, Fault> {
    let asked = operation.children.first().ok_or_else(|| schema_violation("Subscribe holds no request."))?;
    let kind = match asked.name.as_str() {
        "StreamingSubscriptionRequest" => Kind::Streaming,
        "PullSubscriptionRequest" => Kind::Pull(timeout(asked)?),
        "PushSubscriptionRequest" => {
            return Ok(soap::answer_of(
                context.server,
                &failed(
                    "Subscribe",
                    "ErrorInvalidPushSubscriptionUrl",
                    "The push subscription URL is invalid.",
                ),
            ));
        }
        other => return Err(schema_violation(format!("{other} is no kind of subscription."))),
    };
    let events = asked
        .child(TYPES, "EventTypes")
        .map(|types| {
            types.children.iter().map(|t| ChangeKind::named(&t.text)).collect::<Option<BTreeSet<_>>>()
        })
        .ok_or_else(|| schema_violation("The subscription needs EventTypes."))?
        .filter(|events| !events.is_empty())
        .ok_or_else(|| schema_violation("The EventTypes are empty or hold what cannot be subscribed to."))?;
    let (folders, mailbox) = match chosen_folders(context, asked) {
        Ok(found) => found,
        Err((code, text)) => return Ok(soap::answer_of(context.server, &failed("Subscribe", code, text))),
    };
    let affinity = Affinity::of(context);
    let limits = context.state.ews.limits();
    let most = match context.site {
        Site::Cloud => limits.subscriptions_online,
        Site::OnPremises => limits.subscriptions_on_premises,
    };
    // What happened before is told to those who are there already.
    context.state.ews.catch_up(context.state, mailbox);
    let mut core = context.state.ews.core();
    if core.count_of(mailbox, context.now) >= most {
        let text = "You have exceeded the available subscriptions for your account. Remove unnecessary subscriptions and try your request again.";
        return Ok(soap::answer_of(
            context.server,
            &failed("Subscribe", "ErrorExceededSubscriptionCount", text),
        ));
    }
    let last_read = core.last_event();
    drop(core);
    let id = subscription_id(affinity.back_end, mailbox, Uuid::new_v4(), kind);
    let life = match kind {
        Kind::Streaming => limits.idle_subscription,
        Kind::Pull(life) => life,
    };
    context.state.ews.subscribe(
        id.clone(),
        Subscription {
            owner: context.caller.clone(),
            mailbox,
            folders,
            events,
            kind,
            back_end: affinity.back_end,
            expires: context.now.checked_add(life).ok(),
            waiting: VecDeque::new(),
            last_read,
            missed: false,
            reader: Weak::new(),
        },
        context.state.store.last_change(mailbox),
    );
    let watermark = match kind {
        Kind::Streaming => String::new(),
        Kind::Pull(_) => format!("<m:Watermark>{}</m:Watermark>", watermark(last_read)),
    };
    let body = message(
        "Subscribe",
        "",
        &format!("<m:SubscriptionId>{}</m:SubscriptionId>{watermark}", escaped(&id)),
    );
    let mut reply = soap::answer_of(context.server, &body);
    affinity.tell(&mut reply);
    Ok(reply)
}

/// Ends a subscription of either kind.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/unsubscribe-operation>
pub(super) fn unsubscribe(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let id = operation
        .child(MESSAGES, "SubscriptionId")
        .ok_or_else(|| schema_violation("Unsubscribe needs a SubscriptionId."))?;
    let back_end = Affinity::of(context).back_end;
    let mut core = context.state.ews.core();
    match core.subscriptions.get(&id.text) {
        Some(found) if found.owner != context.caller => Ok(failed(
            "Unsubscribe",
            "ErrorSubscriptionAccessDenied",
            "Access is denied. Only the subscription owner may access the subscription.",
        )),
        Some(found) if found.back_end == back_end && !found.has_expired(context.now) => {
            core.remove(&id.text);
            Ok(message("Unsubscribe", "", ""))
        }
        _ => Ok(failed(
            "Unsubscribe",
            "ErrorSubscriptionNotFound",
            "The specified subscription was not found.",
        )),
    }
}

/// Minutes that a pull subscription lives without being read.
fn timeout(asked: &Element) -> Result<SignedDuration, Fault> {
    asked
        .child(TYPES, "Timeout")
        .and_then(|t| t.text.parse::<i64>().ok())
        .filter(|minutes| (1..=1440).contains(minutes))
        .map(SignedDuration::from_mins)
        .ok_or_else(|| schema_violation("The Timeout is from 1 to 1440 minutes."))
}

type Chosen = (Option<Vec<String>>, Uuid);

/// Ids of the folders and the mailbox that they lie in.
fn chosen_folders(context: &Context<'_>, asked: &Element) -> Result<Chosen, (&'static str, &'static str)> {
    const NOT_ONE: &str = "A subscription is for folders of one mailbox, or for all of them.";
    let ids = asked.child(TYPES, "FolderIds").map(|f| f.children.as_slice()).unwrap_or_default();
    let all = asked.attribute("SubscribeToAllFolders").is_some_and(|v| v == "true" || v == "1");
    if all != ids.is_empty() {
        return Err(("ErrorInvalidSubscriptionRequest", NOT_ONE));
    }
    if all {
        return Ok((None, context.mailbox));
    }
    let mut folders = Vec::new();
    for id in ids {
        let (owner, folder) = folders::named(context, id)?;
        if owner != context.mailbox {
            return Err((
                "ErrorSubscriptionDelegateAccessNotSupported",
                "Subscriptions are not supported for delegate user access.",
            ));
        }
        folders.push(folder);
    }
    Ok((Some(folders), context.mailbox))
}

/// What a pull subscription has been read up to.
pub(super) fn watermark(number: u64) -> String {
    let mut bytes = vec![0, 0, 0, 0];
    bytes.extend(number.to_be_bytes());
    bytes.extend([0, 0, 1]);
    BASE64_STANDARD.encode(bytes)
}

/// The number in a watermark; none for what is none.
pub(super) fn watermark_number(text: &str) -> Option<u64> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let number = bytes.strip_prefix(&[0, 0, 0, 0])?.strip_suffix(&[0, 0, 1])?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

/// Streaming ids name their server and mailbox; those of pull subscriptions are bare GUIDs.
fn subscription_id(back_end: u32, mailbox: Uuid, own: Uuid, kind: Kind) -> String {
    if let Kind::Pull(_) = kind {
        return own.hyphenated().to_string();
    }
    let server = super::affinity::server_name(back_end);
    let mut bytes = u16::try_from(server.len()).unwrap_or_default().to_le_bytes().to_vec();
    bytes.extend(server.as_bytes());
    for id in [own, mailbox] {
        bytes.extend([16, 0, 0, 0]);
        bytes.extend(id.as_bytes());
    }
    BASE64_STANDARD.encode(bytes)
}

/// An answer that says why not.
pub(super) fn failed(operation: &str, code: &str, text: &str) -> String {
    super::failure(operation, &Fault::new(code, text), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermarks_hold_their_number_and_nothing_else_is_one() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(watermark_number(&watermark(number)), Some(number));
        }
        for bad in ["", "AAAA", "!", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(watermark_number(bad), None, "{bad}");
        }
    }
}
