//! `*-CASMailbox`: protocol switches of a mailbox.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/set-casmailbox>

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::organization::{agent_lists, change_agents, three_states};
use super::recipient::{configured_mailboxes, mailbox_named};
use crate::access::View;
use crate::access::switches::mailbox_switches;
use crate::state::{MailboxRecipient, State, Timed};

/// `Get-CASMailbox`.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    if let Some(identity) = params.optional("Identity")? {
        return Ok(vec![row(state, &mailbox_named(state, &identity)?)]);
    }
    Ok(configured_mailboxes(state).filter(|m| !m.remote).map(|m| row(state, m)).collect())
}

/// `Set-CASMailbox`; a change that changes nothing gives a warning.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    let imap = params.boolean("ImapEnabled")?.unwrap_or(mailbox.imap_enabled);
    let before = mailbox_switches(run.state, mailbox.object_id, View::Configured);
    let mut switches = before.clone();
    switches.pop_enabled = params.boolean("PopEnabled")?.unwrap_or(before.pop_enabled);
    for (name, switch) in [
        ("EwsEnabled", &mut switches.ews_enabled),
        ("SmtpClientAuthenticationDisabled", &mut switches.smtp_disabled),
    ] {
        if params.is_null(name) {
            *switch = None;
        } else if let Some(value) = params.boolean(name)? {
            *switch = Some(value);
        }
    }
    change_agents(&mut switches.agents, params)?;
    if imap == mailbox.imap_enabled && switches == before {
        run.warnings.push(format!(
            "The command completed successfully but no settings of '{}' have been modified.",
            mailbox.name
        ));
        return Ok(vec![]);
    }
    for record in run.state.exchange.mailboxes.iter_mut().filter(|m| m.value.object_id == mailbox.object_id) {
        record.value.imap_enabled = imap;
    }
    if switches != before {
        let delay = run.state.propagation.mailbox_switch;
        let records = run.state.exchange.mailbox_switches.iter_mut();
        for record in records.filter(|s| s.value.mailbox == mailbox.object_id) {
            record.delete(run.now, delay);
        }
        run.state.exchange.mailbox_switches.push(Timed::new(switches, run.now, delay));
    }
    Ok(vec![])
}

fn row(state: &State, mailbox: &MailboxRecipient) -> Row {
    let switches = mailbox_switches(state, mailbox.object_id, View::Configured);
    let row = Row::default()
        .text("Identity", &mailbox.name)
        .text("Name", &mailbox.name)
        .text("DisplayName", &mailbox.display_name)
        .text("PrimarySmtpAddress", &mailbox.primary_smtp_address)
        .text("ExternalDirectoryObjectId", mailbox.object_id.to_string())
        .guid("Guid", mailbox.exchange_guid)
        .boolean("ImapEnabled", mailbox.imap_enabled)
        .boolean("PopEnabled", switches.pop_enabled);
    let row = three_states(row, "EwsEnabled", switches.ews_enabled);
    let row = three_states(row, "SmtpClientAuthenticationDisabled", switches.smtp_disabled);
    agent_lists(row, &switches.agents)
}
