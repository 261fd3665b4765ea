//! Recipients in general: Get-Recipient, and how identities are resolved.

use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::{group, mailbox, service_principal};
use crate::access::filter::Filter;
use crate::access::{View, rbac};
use crate::state::{GroupKind, GroupRecipient, MailboxKind, MailboxRecipient, State};

/// `Get-Recipient`: mailboxes, mail users and groups of every kind.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let identity = params.optional("Identity")?;
    let kinds = params.list("RecipientTypeDetails")?;
    let filter = parse_filter(params)?;
    let wanted = |details: &str| kinds.is_empty() || kinds.iter().any(|k| k.eq_ignore_ascii_case(details));
    let mut rows: Vec<Row> = configured_mailboxes(state)
        .filter(|m| identity.as_deref().is_none_or(|i| names_mailbox(state, m, i)))
        .filter(|m| wanted(m.recipient_type_details()))
        .filter(|m| filter.as_ref().is_none_or(|f| rbac::matches_filter(state, f, m, View::Configured)))
        .map(|m| mailbox::row(state, m).boolean("IsValidSecurityPrincipal", m.kind == MailboxKind::User))
        .collect();
    if filter.is_none() {
        rows.extend(
            configured_groups(state)
                .filter(|g| identity.as_deref().is_none_or(|i| names_group(state, g, i)))
                .filter(|g| wanted(group::type_details(g.kind)))
                .map(|g| group::row(state, g, run.now)),
        );
    }
    match identity {
        Some(identity) if rows.is_empty() => Err(Failure::not_found(&identity)),
        Some(identity) if rows.len() > 1 => Err(Failure::ambiguous(&identity)),
        _ => Ok(rows),
    }
}

/// The `-Filter` parameter.
pub(super) fn parse_filter(params: &Params) -> Result<Option<Filter>, Failure> {
    params
        .optional("Filter")?
        .map(|text| {
            Filter::parse(&text).map_err(|error| {
                Failure::bad_request("Ex4D2B90", "Microsoft.Exchange.Data.ParsingException", &error)
            })
        })
        .transpose()
}

/// The mailboxes that administrators see, those on premises included.
pub(super) fn configured_mailboxes(state: &State) -> impl Iterator<Item = &MailboxRecipient> {
    state.exchange.mailboxes.iter().filter(|m| m.is_configured()).map(|m| &m.value)
}

/// The groups that administrators see.
pub(super) fn configured_groups(state: &State) -> impl Iterator<Item = &GroupRecipient> {
    state.exchange.groups.iter().filter(|g| g.is_configured()).map(|g| &g.value)
}

/// Spares big tenants the writing of every recipient's distinguished name.
fn is_distinguished(identity: &str) -> bool {
    identity.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("CN="))
}

fn names_mailbox(state: &State, mailbox: &MailboxRecipient, identity: &str) -> bool {
    mailbox.answers_to(identity)
        || (is_distinguished(identity)
            && mailbox.distinguished_name(state.initial_domain()).eq_ignore_ascii_case(identity))
}

fn names_group(state: &State, group: &GroupRecipient, identity: &str) -> bool {
    group.answers_to(identity)
        || (is_distinguished(identity)
            && group.distinguished_name(state.initial_domain()).eq_ignore_ascii_case(identity))
}

/// The one cloud mailbox that answers to the identity.
pub(super) fn mailbox_named(state: &State, identity: &str) -> Result<MailboxRecipient, Failure> {
    one(identity, configured_mailboxes(state).filter(|m| !m.remote && names_mailbox(state, m, identity)))
}

/// The one group that answers to the identity.
pub(super) fn group_named(state: &State, identity: &str) -> Result<GroupRecipient, Failure> {
    one(identity, configured_groups(state).filter(|g| names_group(state, g, identity)))
}

fn one<'a, T: Clone + 'a>(identity: &str, mut found: impl Iterator<Item = &'a T>) -> Result<T, Failure> {
    let first = found.next().ok_or_else(|| Failure::not_found(identity))?;
    if found.next().is_some() { Err(Failure::ambiguous(identity)) } else { Ok(first.clone()) }
}

/// Object id of the mailbox or group that answers to the identity, for group membership.
pub(super) fn member_named(state: &State, identity: &str) -> Result<Uuid, Failure> {
    let mailboxes =
        configured_mailboxes(state).filter(|m| names_mailbox(state, m, identity)).map(|m| &m.object_id);
    let groups = configured_groups(state).filter(|g| names_group(state, g, identity)).map(|g| &g.object_id);
    one(identity, mailboxes.chain(groups))
}

/// Object id of somebody who can hold a permission: a user, a mail-enabled security group, or a service principal that
/// Exchange knows.
pub(super) fn grantee_named(state: &State, identity: &str) -> Result<Uuid, Failure> {
    let mut found: Vec<Uuid> = configured_mailboxes(state)
        .filter(|m| names_mailbox(state, m, identity))
        .map(|m| m.object_id)
        .chain(
            state
                .directory
                .users
                .iter()
                .filter(|u| u.is_configured() && u.value.upn.eq_ignore_ascii_case(identity))
                .map(|u| u.value.id),
        )
        .chain(
            configured_groups(state)
                .filter(|g| g.kind == GroupKind::MailEnabledSecurity && names_group(state, g, identity))
                .map(|g| g.object_id),
        )
        .chain(service_principal::named(state, identity).map(|p| p.object_id))
        .collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => Err(Failure::not_found(identity)),
        [one] => Ok(*one),
        _ => Err(Failure::ambiguous(identity)),
    }
}

/// SID of a user: none is kept, so one is derived that is the same every time.
pub(super) fn user_sid(object_id: Uuid) -> String {
    let (high, low) = object_id.as_u64_pair();
    format!("S-1-5-21-{}-{}-{}-{}", high >> 32, high & 0xffff_ffff, low >> 32, low & 0xffff_ffff)
}
