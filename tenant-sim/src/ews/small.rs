//! The directory's operations: `ResolveNames`, `ExpandDL`, `GetRoomLists`, `GetRooms`.

use super::soap::{Element, Fault, MESSAGES, TYPES, escaped};
use super::subscribe::failed;
use super::{Context, message, schema_violation};
use crate::state::{GroupKind, GroupRecipient, MailboxKind, MailboxRecipient};

/// Names found at most.
const MOST: usize = 100;

enum Recipient<'a> {
    Mailbox(&'a MailboxRecipient),
    Group(&'a GroupRecipient),
}

impl Recipient<'_> {
    fn mailbox(&self) -> String {
        match self {
            Self::Mailbox(m) => address("Mailbox", &m.display_name, &m.primary_smtp_address, "Mailbox"),
            Self::Group(g) => address("Mailbox", &g.display_name, &g.primary_smtp_address, "PublicDL"),
        }
    }
}

fn address(tag: &str, name: &str, address: &str, kind: &str) -> String {
    format!(
        "<t:{tag}><t:Name>{}</t:Name><t:EmailAddress>{}</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>{kind}</t:MailboxType></t:{tag}>",
        escaped(name),
        escaped(address)
    )
}

fn mailboxes<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a MailboxRecipient> {
    let now = context.now;
    context.state.exchange.mailboxes.iter().filter(move |m| m.is_effective(now)).map(|m| &m.value)
}

fn groups<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a GroupRecipient> {
    let now = context.now;
    context.state.exchange.groups.iter().filter(move |g| g.is_effective(now)).map(|g| &g.value)
}

/// An ambiguous search: the beginning of a name, alias or address; behind `smtp:` of every address.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/resolvenames-operation>
pub(super) fn resolve_names(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let entry = operation
        .child(MESSAGES, "UnresolvedEntry")
        .filter(|e| !e.text.is_empty())
        .ok_or_else(|| schema_violation("ResolveNames needs an UnresolvedEntry."))?;
    let wanted = entry.text.to_lowercase();
    let (wanted, every) = match wanted.strip_prefix("smtp:") {
        Some(rest) => (rest.to_owned(), true),
        None => (wanted, false),
    };
    let begins = |text: &str| text.to_lowercase().starts_with(&wanted);
    let word = |text: &str| text.to_lowercase().split_whitespace().any(|w| w.starts_with(&wanted));
    let mut found: Vec<Recipient<'_>> = mailboxes(context)
        .filter(|m| {
            begins(&m.primary_smtp_address)
                || every && m.aliases.iter().any(|a| begins(a))
                || !every && (begins(&m.alias) || begins(&m.display_name) || word(&m.display_name))
        })
        .map(Recipient::Mailbox)
        .collect();
    found.extend(
        groups(context)
            .filter(|g| {
                begins(&g.primary_smtp_address)
                    || !every && (begins(&g.alias) || begins(&g.display_name) || word(&g.display_name))
            })
            .map(Recipient::Group),
    );
    let all = found.len();
    if all == 0 {
        return Ok(failed("ResolveNames", "ErrorNameResolutionNoResults", "No results were found."));
    }
    found.truncate(MOST);
    let resolutions: String =
        found.iter().map(|f| format!("<t:Resolution>{}</t:Resolution>", f.mailbox())).collect();
    let set = format!(
        r#"<m:ResolutionSet TotalItemsInView="{}" IncludesLastItemInRange="{}">{resolutions}</m:ResolutionSet>"#,
        found.len(),
        all <= MOST
    );
    if all == 1 {
        return Ok(message("ResolveNames", "", &set));
    }
    let text = "<m:MessageText>Multiple results were found.</m:MessageText><m:ResponseCode>ErrorNameResolutionMultipleResults</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>";
    Ok(super::response("ResolveNames", "Warning", text, "", &set))
}

/// Direct members of a list.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/expanddl-operation>
pub(super) fn expand_dl(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let mailbox =
        operation.child(MESSAGES, "Mailbox").ok_or_else(|| schema_violation("ExpandDL needs a Mailbox."))?;
    let named = mailbox.child(TYPES, "EmailAddress").map(|e| e.text.as_str()).unwrap_or_default();
    let Some(group) = groups(context).find(|g| g.primary_smtp_address.eq_ignore_ascii_case(named)) else {
        return Ok(failed("ExpandDL", "ErrorNameResolutionNoResults", "No results were found."));
    };
    let members: Vec<String> = members(context, group).iter().map(Recipient::mailbox).collect();
    Ok(message(
        "ExpandDL",
        "",
        &format!(
            r#"<m:DLExpansion TotalItemsInView="{}" IncludesLastItemInRange="true">{}</m:DLExpansion>"#,
            members.len(),
            members.concat()
        ),
    ))
}

fn members<'a>(context: &Context<'a>, group: &'a GroupRecipient) -> Vec<Recipient<'a>> {
    let of = |id| {
        mailboxes(context)
            .find(|m| m.object_id == id)
            .map(Recipient::Mailbox)
            .or_else(|| groups(context).find(|g| g.object_id == id).map(Recipient::Group))
    };
    group.members.iter().filter(|m| m.is_effective(context.now)).filter_map(|m| of(m.value)).collect()
}

/// A distribution list of rooms and nothing else serves as a list of rooms.
fn rooms<'a>(context: &Context<'a>, group: &'a GroupRecipient) -> Option<Vec<&'a MailboxRecipient>> {
    if group.kind != GroupKind::Distribution || group.members.is_empty() {
        return None;
    }
    members(context, group)
        .into_iter()
        .map(|m| match m {
            Recipient::Mailbox(room) if room.kind == MailboxKind::Room => Some(room),
            _ => None,
        })
        .collect()
}

/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getroomlists-operation>
pub(super) fn get_room_lists(context: &Context<'_>) -> String {
    let lists: String = groups(context)
        .filter(|g| rooms(context, g).is_some())
        .map(|g| address("Address", &g.display_name, &g.primary_smtp_address, "PublicDL"))
        .collect();
    bare("GetRoomLists", &format!("<m:RoomLists>{lists}</m:RoomLists>"))
}

/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getrooms-operation>
pub(super) fn get_rooms(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    let list = operation
        .child(MESSAGES, "RoomList")
        .and_then(|l| l.child(TYPES, "EmailAddress"))
        .ok_or_else(|| schema_violation("GetRooms needs a RoomList with its address."))?;
    let found = groups(context)
        .find(|g| g.primary_smtp_address.eq_ignore_ascii_case(&list.text))
        .and_then(|g| rooms(context, g));
    let Some(rooms) = found else {
        return Ok(format!(
            r#"<m:GetRoomsResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}" ResponseClass="Error"><m:MessageText>The room list was not found.</m:MessageText><m:ResponseCode>ErrorNameResolutionNoResults</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey></m:GetRoomsResponse>"#
        ));
    };
    let rooms: String = rooms
        .iter()
        .map(|r| {
            format!("<t:Room>{}</t:Room>", address("Id", &r.display_name, &r.primary_smtp_address, "Mailbox"))
        })
        .collect();
    Ok(bare("GetRooms", &format!("<m:Rooms>{rooms}</m:Rooms>")))
}

/// These two have no messages: class and code sit on the answer itself.
fn bare(operation: &str, content: &str) -> String {
    format!(
        r#"<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}" ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{content}</m:{operation}Response>"#
    )
}
