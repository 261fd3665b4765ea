//! `Get-AcceptedDomain` and `Get-DynamicDistributionGroupMember`.
//! <https://learn.microsoft.com/exchange/reference/admin-api-endpoints-reference>

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::mailbox;
use super::recipient::configured_mailboxes;
use crate::access::filter::Filter;
use crate::access::{View, rbac};

/// `Get-AcceptedDomain`; the domain that was added last is the default.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let identity = params.optional("Identity")?;
    let wanted = |domain: &&String| identity.as_deref().is_none_or(|i| i.eq_ignore_ascii_case(domain));
    let rows: Vec<Row> = state
        .domains
        .iter()
        .filter(wanted)
        .map(|domain| {
            Row::default()
                .text("Name", domain)
                .text("Identity", domain)
                .text("DomainName", domain)
                .text("DomainType", "Authoritative")
                .boolean("Default", state.domains.last() == Some(domain))
                .boolean("InitialDomain", state.domains.first() == Some(domain))
        })
        .collect();
    match identity {
        Some(identity) if rows.is_empty() => Err(Failure::not_found(&identity)),
        _ => Ok(rows),
    }
}

/// `Get-DynamicDistributionGroupMember`; here the list is never older than the question.
pub(super) fn dynamic_members(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let identity = params.text("Identity")?;
    let group = state
        .exchange
        .dynamic_groups
        .iter()
        .find(|g| {
            g.name.eq_ignore_ascii_case(&identity) || g.primary_smtp_address.eq_ignore_ascii_case(&identity)
        })
        .ok_or_else(|| Failure::not_found(&identity))?;
    let filter = Filter::parse(&group.recipient_filter).map_err(|e| Failure::invalid_operation(&e))?;
    Ok(configured_mailboxes(state)
        .filter(|m| rbac::matches_filter(state, &filter, m, View::Configured))
        .map(|m| mailbox::row(state, m))
        .collect())
}
