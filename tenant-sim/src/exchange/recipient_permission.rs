//! `*-RecipientPermission`: sending as a recipient.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/add-recipientpermission>

use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::{configured_groups, configured_mailboxes, grantee_named, member_named};
use super::service_principal;
use crate::state::{SendAs, State, Timed};

/// `Get-RecipientPermission`; every recipient sends as itself.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let wanted = params.optional("Identity")?.map(|i| member_named(state, &i)).transpose()?;
    let trustee = params.optional("Trustee")?.map(|t| grantee_named(state, &t)).transpose()?;
    let mut rows = vec![];
    if let (Some(recipient), None) = (wanted, trustee) {
        rows.push(row(&name(state, recipient), "NT AUTHORITY\\SELF"));
    }
    let entries = state.exchange.send_as.iter().filter(|e| e.is_configured()).map(|e| e.value);
    rows.extend(
        entries
            .filter(|e| wanted.is_none_or(|w| e.recipient == w) && trustee.is_none_or(|t| e.trustee == t))
            .map(|e| row(&name(state, e.recipient), &name(state, e.trustee))),
    );
    Ok(rows)
}

/// `Add-RecipientPermission`; what is there already gives a warning.
pub(super) fn add(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let entry = requested(run.state, params)?;
    let (recipient, trustee) = (name(run.state, entry.recipient), name(run.state, entry.trustee));
    if run.state.exchange.send_as.iter().any(|e| e.is_configured() && e.value == entry) {
        run.warnings.push(format!(
            "The appropriate access control entry is already present on the object \"{recipient}\" for account \"{trustee}\"."
        ));
    } else {
        let delay = run.state.propagation.mailbox_permission;
        run.state.exchange.send_as.push(Timed::new(entry, run.now, delay));
    }
    Ok(vec![row(&recipient, &trustee)])
}

/// `Remove-RecipientPermission`; what is not there gives a warning.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let entry = requested(run.state, params)?;
    let delay = run.state.propagation.mailbox_permission;
    let mut found = false;
    for record in run.state.exchange.send_as.iter_mut().filter(|e| e.is_configured() && e.value == entry) {
        record.delete(run.now, delay);
        found = true;
    }
    if !found {
        run.warnings.push(format!(
            "Can't remove the access control entry on the object \"{}\" for account \"{}\" because the ACE doesn't exist on the object.",
            name(run.state, entry.recipient),
            name(run.state, entry.trustee)
        ));
    }
    Ok(vec![])
}

fn requested(state: &State, params: &Params) -> Result<SendAs, Failure> {
    let rights = params.list("AccessRights")?;
    if !matches!(rights.as_slice(), [right] if right.eq_ignore_ascii_case("SendAs")) {
        return Err(Failure::transformation("AccessRights", &rights.join(","), "SendAs"));
    }
    Ok(SendAs {
        recipient: member_named(state, &params.text("Identity")?)?,
        trustee: grantee_named(state, &params.text("Trustee")?)?,
    })
}

/// Recipients and trustees are echoed by display name, service principals too.
pub(super) fn name(state: &State, id: Uuid) -> String {
    configured_mailboxes(state)
        .find(|m| m.object_id == id)
        .map(|m| m.display_name.clone())
        .or_else(|| configured_groups(state).find(|g| g.object_id == id).map(|g| g.display_name.clone()))
        .or_else(|| {
            let users = state.directory.users.iter().filter(|u| u.is_configured());
            users.map(|u| &u.value).find(|u| u.id == id).map(|u| u.display_name.clone())
        })
        .or_else(|| {
            service_principal::configured(state).find(|p| p.object_id == id).map(|p| p.display_name.clone())
        })
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| id.to_string())
}

fn row(recipient: &str, trustee: &str) -> Row {
    Row::default()
        .text("Identity", recipient)
        .text("Trustee", trustee)
        .text("AccessControlType", "Allow")
        .list("AccessRights", vec!["SendAs".to_owned()])
        .boolean("IsInherited", false)
        .text("InheritanceType", "None")
}
