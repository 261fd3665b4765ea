//! `*-CASMailbox`: protocol switches of a mailbox.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/set-casmailbox>

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::{configured_mailboxes, mailbox_named};
use crate::state::MailboxRecipient;

/// `Get-CASMailbox`.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    if let Some(identity) = params.optional("Identity")? {
        return Ok(vec![row(&mailbox_named(run.state, &identity)?)]);
    }
    Ok(configured_mailboxes(run.state).filter(|m| !m.remote).map(row).collect())
}

/// `Set-CASMailbox`; a change that changes nothing gives a warning.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    let wanted = params.boolean("ImapEnabled")?.unwrap_or(mailbox.imap_enabled);
    if wanted == mailbox.imap_enabled {
        run.warnings.push(format!(
            "The command completed successfully but no settings of '{}' have been modified.",
            mailbox.name
        ));
        return Ok(vec![]);
    }
    for record in run.state.exchange.mailboxes.iter_mut().filter(|m| m.value.object_id == mailbox.object_id) {
        record.value.imap_enabled = wanted;
    }
    Ok(vec![])
}

fn row(mailbox: &MailboxRecipient) -> Row {
    Row::default()
        .text("Identity", &mailbox.name)
        .text("Name", &mailbox.name)
        .text("DisplayName", &mailbox.display_name)
        .text("PrimarySmtpAddress", &mailbox.primary_smtp_address)
        .text("ExternalDirectoryObjectId", mailbox.object_id.to_string())
        .guid("Guid", mailbox.exchange_guid)
        .boolean("ImapEnabled", mailbox.imap_enabled)
}
