//! `*-DistributionGroup` and `*-DistributionGroupMember`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/new-distributiongroup>

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::mailbox::{self, address_of, alias_of};
use super::recipient::{configured_groups, configured_mailboxes, group_named, member_named, user_sid};
use crate::access::rbac;
use crate::state::{DirectoryGroup, GroupKind, GroupRecipient, State, Timed};

/// `Get-DistributionGroup`; Microsoft 365 groups have their own cmdlet.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    if let Some(identity) = params.optional("Identity")? {
        return Ok(vec![row(state, &distribution_group(state, &identity)?, run.now)]);
    }
    let kinds = params.list("RecipientTypeDetails")?;
    Ok(configured_groups(state)
        .filter(|g| g.kind != GroupKind::Microsoft365)
        .filter(|g| kinds.is_empty() || kinds.iter().any(|k| k.eq_ignore_ascii_case(type_details(g.kind))))
        .map(|g| row(state, g, run.now))
        .collect())
}

/// `New-DistributionGroup`. It returns before the group is complete: the distinguished name comes later.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let name = params.text("Name")?;
    let kind = match params.choice("Type", &["Distribution", "Security"])? {
        Some("Security") => GroupKind::MailEnabledSecurity,
        _ => GroupKind::Distribution,
    };
    let alias = match params.optional("Alias")? {
        Some(alias) => alias,
        None => alias_of(&name),
    };
    let restriction = params
        .choice("MemberJoinRestriction", &["Open", "Closed", "ApprovalRequired"])?
        .unwrap_or(if kind == GroupKind::MailEnabledSecurity { "Closed" } else { "Open" });
    let address = address_of(run.state, params, &alias)?;
    if configured_groups(run.state)
        .any(|g| g.name.eq_ignore_ascii_case(&name) || g.alias.eq_ignore_ascii_case(&alias))
    {
        return Err(Failure::already_exists(&name));
    }
    let members = params
        .list("Members")?
        .iter()
        .map(|member| member_named(run.state, member))
        .collect::<Result<Vec<_>, _>>()?;
    let group = GroupRecipient {
        object_id: Uuid::new_v4(),
        guid: Uuid::new_v4(),
        sid: user_sid(Uuid::new_v4()),
        display_name: params.optional("DisplayName")?.unwrap_or_else(|| name.clone()),
        name,
        alias,
        primary_smtp_address: address.clone(),
        kind,
        member_join_restriction: restriction.to_owned(),
        members: members.iter().map(|m| Timed::new(*m, run.now, SignedDuration::ZERO)).collect(),
    };
    let in_directory = DirectoryGroup {
        id: group.object_id,
        display_name: group.display_name.clone(),
        mail: Some(address),
        security_enabled: kind == GroupKind::MailEnabledSecurity,
        mail_enabled: true,
        members,
    };
    let delay = run.state.propagation.group;
    let object_id = group.object_id;
    run.state.directory.groups.push(Timed::new(in_directory, run.now, delay));
    run.state.exchange.groups.push(Timed::new(group, run.now, delay));
    Ok(configured_groups(run.state)
        .filter(|g| g.object_id == object_id)
        .map(|g| row(run.state, g, run.now))
        .collect())
}

/// `Remove-DistributionGroup`; what referred to the group refers to nothing from then on.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let group = distribution_group(run.state, &params.text("Identity")?)?;
    rbac::about_to_change(run.state, run.now);
    for record in run.state.exchange.groups.iter_mut().filter(|g| g.value.object_id == group.object_id) {
        record.delete(run.now, SignedDuration::ZERO);
    }
    for record in run.state.directory.groups.iter_mut().filter(|g| g.value.id == group.object_id) {
        record.delete(run.now, SignedDuration::ZERO);
    }
    Ok(vec![])
}

/// `Get-DistributionGroupMember`: direct members, groups among them as groups.
pub(super) fn get_members(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let group = distribution_group(state, &params.text("Identity")?)?;
    let member_ids = group.members.iter().filter(|m| m.is_configured()).map(|m| m.value);
    Ok(member_ids
        .filter_map(|id| {
            configured_mailboxes(state).find(|m| m.object_id == id).map(|m| mailbox::row(state, m)).or_else(
                || configured_groups(state).find(|g| g.object_id == id).map(|g| row(state, g, run.now)),
            )
        })
        .collect())
}

/// `Add-DistributionGroupMember`; prints nothing.
pub(super) fn add_member(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let group = distribution_group(run.state, &params.text("Identity")?)?;
    let text = params.text("Member")?;
    let member = member_named(run.state, &text)?;
    if group.members.iter().any(|m| m.is_configured() && m.value == member) {
        return Err(Failure::bad_request(
            "Ex88CB1A",
            "Microsoft.Exchange.Management.Tasks.MemberAlreadyExistsException",
            &format!("The recipient \"{text}\" is already a member of the group \"{}\".", group.name),
        ));
    }
    rbac::about_to_change(run.state, run.now);
    for record in run.state.exchange.groups.iter_mut().filter(|g| g.value.object_id == group.object_id) {
        record.value.members.push(Timed::new(member, run.now, SignedDuration::ZERO));
    }
    for record in run.state.directory.groups.iter_mut().filter(|g| g.value.id == group.object_id) {
        record.value.members.push(member);
    }
    Ok(vec![])
}

/// `Remove-DistributionGroupMember`; prints nothing.
pub(super) fn remove_member(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let group = distribution_group(run.state, &params.text("Identity")?)?;
    let text = params.text("Member")?;
    let member = member_named(run.state, &text)?;
    if !group.members.iter().any(|m| m.is_configured() && m.value == member) {
        return Err(Failure::bad_request(
            "Ex0E5C72",
            "Microsoft.Exchange.Management.Tasks.MemberNotFoundException",
            &format!("The recipient \"{text}\" isn't a member of the group \"{}\".", group.name),
        ));
    }
    rbac::about_to_change(run.state, run.now);
    for record in run.state.exchange.groups.iter_mut().filter(|g| g.value.object_id == group.object_id) {
        for entry in record.value.members.iter_mut().filter(|m| m.value == member) {
            entry.delete(run.now, SignedDuration::ZERO);
        }
    }
    for record in run.state.directory.groups.iter_mut().filter(|g| g.value.id == group.object_id) {
        record.value.members.retain(|m| *m != member);
    }
    Ok(vec![])
}

fn distribution_group(state: &State, identity: &str) -> Result<GroupRecipient, Failure> {
    match group_named(state, identity)? {
        group if group.kind == GroupKind::Microsoft365 => Err(Failure::not_found(identity)),
        group => Ok(group),
    }
}

/// `RecipientTypeDetails` of a group.
pub(super) fn type_details(kind: GroupKind) -> &'static str {
    match kind {
        GroupKind::MailEnabledSecurity => "MailUniversalSecurityGroup",
        GroupKind::Distribution => "MailUniversalDistributionGroup",
        GroupKind::Microsoft365 => "GroupMailbox",
    }
}

/// The properties that this simulator keeps; an incomplete group has no distinguished name yet.
pub(super) fn row(state: &State, group: &GroupRecipient, now: Timestamp) -> Row {
    let complete =
        state.exchange.groups.iter().any(|g| g.value.object_id == group.object_id && g.is_effective(now));
    let security = group.kind == GroupKind::MailEnabledSecurity;
    Row::default()
        .text("Identity", &group.name)
        .text("Id", &group.name)
        .text("Name", &group.name)
        .text("Alias", &group.alias)
        .text("DisplayName", &group.display_name)
        .optional("DistinguishedName", complete.then(|| group.distinguished_name(state.initial_domain())))
        .text("PrimarySmtpAddress", &group.primary_smtp_address)
        .list("EmailAddresses", vec![format!("SMTP:{}", group.primary_smtp_address)])
        .text("ExternalDirectoryObjectId", group.object_id.to_string())
        .guid("Guid", group.guid)
        .text("Sid", &group.sid)
        .text("GroupType", if security { "Universal, SecurityEnabled" } else { "Universal" })
        .text("RecipientType", type_details(group.kind))
        .text("RecipientTypeDetails", type_details(group.kind))
        .text("MemberJoinRestriction", &group.member_join_restriction)
        .boolean("IsValidSecurityPrincipal", security)
        .boolean("IsDirSynced", false)
}
