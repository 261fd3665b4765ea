//! `*-MailboxPermission`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/add-mailboxpermission>

use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::{configured_groups, configured_mailboxes, grantee_named, mailbox_named};
use super::service_principal;
use crate::state::{MailboxPermission, MailboxRecipient, State, Timed};

const RIGHTS: [&str; 6] =
    ["ChangeOwner", "ChangePermission", "DeleteItem", "ExternalAccount", "FullAccess", "ReadPermission"];
const INHERITANCE: [&str; 5] = ["None", "All", "Children", "Descendents", "SelfAndChildren"];

/// Entries that a mailbox can hold.
const MAX_ENTRIES: usize = 500;

/// `Get-MailboxPermission`; the mailbox's own entry comes first.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let mailbox = mailbox_named(state, &params.text("Identity")?)?;
    let user = params.optional("User")?.map(|user| grantee_named(state, &user)).transpose()?;
    let mut rows = vec![];
    if user.is_none() {
        rows.push(
            Row::default()
                .text("Identity", &mailbox.name)
                .text("User", "NT AUTHORITY\\SELF")
                .list("AccessRights", vec!["FullAccess".to_owned(), "ReadPermission".to_owned()])
                .boolean("Deny", false)
                .boolean("IsInherited", false)
                .text("InheritanceType", "All"),
        );
    }
    rows.extend(
        entries(state, mailbox.object_id)
            .filter(|e| user.is_none_or(|u| e.grantee == u))
            .map(|e| row(state, &mailbox, e)),
    );
    Ok(rows)
}

/// `Add-MailboxPermission`; what is there already gives a warning.
pub(super) fn add(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let entry = requested(run.state, params)?;
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    let present = |right: &String| {
        entries(run.state, entry.mailbox)
            .any(|e| e.grantee == entry.grantee && e.deny == entry.deny && e.rights.contains(right))
    };
    if entry.rights.iter().all(present) {
        run.warnings.push(format!(
            "The appropriate access control entry is already present on the object \"{}\" for account \"{}\".",
            mailbox.distinguished_name(run.state.initial_domain()),
            grantee_text(run.state, entry.grantee)
        ));
        return Ok(vec![row(run.state, &mailbox, &entry)]);
    }
    if entries(run.state, entry.mailbox).count() >= MAX_ENTRIES {
        return Err(Failure::invalid_operation(&format!(
            "A mailbox holds at most {MAX_ENTRIES} permission entries."
        )));
    }
    let output = row(run.state, &mailbox, &entry);
    let delay = run.state.propagation.mailbox_permission;
    run.state.exchange.mailbox_permissions.push(Timed::new(entry, run.now, delay));
    Ok(vec![output])
}

/// `Remove-MailboxPermission`; what is not there gives a warning.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let entry = requested(run.state, params)?;
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    let delay = run.state.propagation.mailbox_permission;
    let mut kept: Vec<Timed<MailboxPermission>> = vec![];
    let mut changed = false;
    for record in run.state.exchange.mailbox_permissions.iter_mut().filter(|e| {
        e.is_configured()
            && e.value.mailbox == entry.mailbox
            && e.value.grantee == entry.grantee
            && e.value.deny == entry.deny
    }) {
        let rest: Vec<String> =
            record.value.rights.iter().filter(|r| !entry.rights.contains(r)).cloned().collect();
        if rest.len() == record.value.rights.len() {
            continue;
        }
        changed = true;
        if !rest.is_empty() {
            let mut rest_of_it = record.clone();
            rest_of_it.value.rights = rest;
            kept.push(rest_of_it);
        }
        record.delete(run.now, delay);
    }
    // The rights that stay keep their times: there must be no gap.
    run.state.exchange.mailbox_permissions.extend(kept);
    if !changed {
        run.warnings.push(format!(
            "Can't remove the access control entry on the object \"{}\" for account \"{}\" because the ACE doesn't exist on the object.",
            mailbox.distinguished_name(run.state.initial_domain()),
            grantee_text(run.state, entry.grantee)
        ));
    }
    Ok(vec![])
}

/// The entry that the parameters describe.
fn requested(state: &State, params: &Params) -> Result<MailboxPermission, Failure> {
    let mailbox = mailbox_named(state, &params.text("Identity")?)?;
    let grantee = grantee_named(state, &params.text("User")?)?;
    let rights = params
        .list("AccessRights")?
        .iter()
        .map(|right| {
            RIGHTS
                .iter()
                .find(|known| known.eq_ignore_ascii_case(right))
                .map(|known| (*known).to_owned())
                .ok_or_else(|| Failure::transformation("AccessRights", right, &RIGHTS.join(", ")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if rights.is_empty() {
        return Err(Failure::transformation("AccessRights", "", &RIGHTS.join(", ")));
    }
    Ok(MailboxPermission {
        mailbox: mailbox.object_id,
        grantee,
        rights,
        deny: params.switch("Deny")?,
        inheritance: params.choice("InheritanceType", &INHERITANCE)?.unwrap_or("All").to_owned(),
    })
}

fn entries(state: &State, mailbox: Uuid) -> impl Iterator<Item = &MailboxPermission> {
    state
        .exchange
        .mailbox_permissions
        .iter()
        .filter(move |e| e.is_configured() && e.value.mailbox == mailbox)
        .map(|e| &e.value)
}

fn row(state: &State, mailbox: &MailboxRecipient, entry: &MailboxPermission) -> Row {
    Row::default()
        .text("Identity", &mailbox.name)
        .text("User", grantee_text(state, entry.grantee))
        .list("AccessRights", entry.rights.clone())
        .boolean("Deny", entry.deny)
        .boolean("IsInherited", false)
        .text("InheritanceType", &entry.inheritance)
}

/// How a grantee is shown: users by UPN, groups by name, service principals by object id, leftovers by SID.
fn grantee_text(state: &State, grantee: Uuid) -> String {
    configured_mailboxes(state)
        .find(|m| m.object_id == grantee)
        .map(|m| m.upn.clone())
        .or_else(|| {
            let users = state.directory.users.iter();
            users.filter(|u| u.is_configured()).find(|u| u.value.id == grantee).map(|u| u.value.upn.clone())
        })
        .or_else(|| configured_groups(state).find(|g| g.object_id == grantee).map(|g| g.name.clone()))
        .or_else(|| {
            service_principal::configured(state)
                .find(|p| p.object_id == grantee)
                .map(|p| p.object_id.to_string())
        })
        .unwrap_or_else(|| super::recipient::user_sid(grantee))
}
