//! `*-Mailbox`. <https://learn.microsoft.com/powershell/module/exchangepowershell/new-mailbox>

use jiff::SignedDuration;
use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::{configured_groups, configured_mailboxes, mailbox_named, parse_filter};
use crate::access::{View, rbac};
use crate::state::{MailboxKind, MailboxRecipient, State, Timed, User};

/// `Get-Mailbox`: cloud mailboxes; those on premises are mail users and do not show.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    if let Some(identity) = params.optional("Identity")? {
        return Ok(vec![row(state, &mailbox_named(state, &identity)?)]);
    }
    let kinds = params.list("RecipientTypeDetails")?;
    let filter = parse_filter(params)?;
    Ok(configured_mailboxes(state)
        .filter(|m| !m.remote)
        .filter(|m| {
            kinds.is_empty() || kinds.iter().any(|k| k.eq_ignore_ascii_case(m.recipient_type_details()))
        })
        .filter(|m| filter.as_ref().is_none_or(|f| rbac::matches_filter(state, f, m, View::Configured)))
        .map(|m| row(state, m))
        .collect())
}

/// `New-Mailbox -Shared`, `-Room` or `-Equipment`. Others need a password, which cannot be sent over REST.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let kind = match (params.switch("Shared")?, params.switch("Room")?, params.switch("Equipment")?) {
        (true, false, false) => MailboxKind::Shared,
        (false, true, false) => MailboxKind::Room,
        (false, false, true) => MailboxKind::Equipment,
        _ => return Err(Failure::parameter_set("Password")),
    };
    if params.optional("MicrosoftOnlineServicesID")?.is_some() {
        return Err(Failure::parameter_set("MicrosoftOnlineServicesID"));
    }
    let name = params.text("Name")?;
    let alias = match params.optional("Alias")? {
        Some(alias) => alias,
        None => alias_of(&name),
    };
    let address = address_of(run.state, params, &alias)?;
    if configured_mailboxes(run.state)
        .any(|m| m.name.eq_ignore_ascii_case(&name) || m.alias.eq_ignore_ascii_case(&alias))
    {
        return Err(Failure::already_exists(&name));
    }
    let object_id = Uuid::new_v4();
    let mailbox = MailboxRecipient {
        object_id,
        exchange_guid: Uuid::new_v4(),
        display_name: params.optional("DisplayName")?.unwrap_or_else(|| name.clone()),
        name,
        alias,
        upn: address.clone(),
        primary_smtp_address: address.clone(),
        aliases: vec![],
        kind,
        imap_enabled: true,
        remote: false,
    };
    let user = User {
        id: object_id,
        upn: address.clone(),
        display_name: mailbox.display_name.clone(),
        mail: Some(address),
        account_enabled: false,
    };
    let output = row(run.state, &mailbox);
    let delay = run.state.propagation.mailbox;
    run.state.directory.users.push(Timed::new(user, run.now, SignedDuration::ZERO));
    run.state.exchange.mailboxes.push(Timed::new(mailbox, run.now, delay));
    Ok(vec![output])
}

/// `Remove-Mailbox`; the user goes with it.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    for record in run.state.exchange.mailboxes.iter_mut().filter(|m| m.value.object_id == mailbox.object_id) {
        record.delete(run.now, SignedDuration::ZERO);
    }
    for record in run.state.directory.users.iter_mut().filter(|u| u.value.id == mailbox.object_id) {
        record.delete(run.now, SignedDuration::ZERO);
    }
    Ok(vec![])
}

/// The address asked for, or the alias in the initial domain; it must be in a domain of the tenant and free.
pub(super) fn address_of(state: &State, params: &Params, alias: &str) -> Result<String, Failure> {
    let address = params
        .optional("PrimarySmtpAddress")?
        .unwrap_or_else(|| format!("{alias}@{}", state.initial_domain()));
    if !state.owns_address(&address) {
        return Err(Failure::bad_request(
            "Ex2A8F6C",
            "Microsoft.Exchange.Data.Directory.NotAcceptedDomainException",
            &format!("The domain of '{address}' isn't an accepted domain of your organization."),
        ));
    }
    let taken = configured_mailboxes(state)
        .map(|m| m.primary_smtp_address.as_str())
        .chain(configured_mailboxes(state).flat_map(|m| m.aliases.iter().map(String::as_str)))
        .chain(configured_groups(state).map(|g| g.primary_smtp_address.as_str()))
        .any(|a| a.eq_ignore_ascii_case(&address));
    if taken {
        return Err(Failure::bad_request(
            "Ex1F3B07",
            "Microsoft.Exchange.Management.RecipientTasks.ProxyAddressExistsException",
            &format!("The proxy address \"SMTP:{address}\" is already being used by another recipient."),
        ));
    }
    Ok(address)
}

/// The alias that Exchange makes of a name: what an address may hold.
pub(super) fn alias_of(name: &str) -> String {
    let alias: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
    if alias.is_empty() { Uuid::new_v4().simple().to_string() } else { alias }
}

/// The properties that this simulator keeps.
pub(super) fn row(state: &State, mailbox: &MailboxRecipient) -> Row {
    Row::default()
        .text("Identity", &mailbox.name)
        .text("Id", &mailbox.name)
        .text("Name", &mailbox.name)
        .text("Alias", &mailbox.alias)
        .text("DisplayName", &mailbox.display_name)
        .text("DistinguishedName", mailbox.distinguished_name(state.initial_domain()))
        .text("UserPrincipalName", &mailbox.upn)
        .text("PrimarySmtpAddress", &mailbox.primary_smtp_address)
        .list("EmailAddresses", mailbox.proxy_addresses())
        .text("ExternalDirectoryObjectId", mailbox.object_id.to_string())
        .guid("ExchangeGuid", mailbox.exchange_guid)
        .guid("Guid", mailbox.exchange_guid)
        .text("RecipientType", if mailbox.remote { "MailUser" } else { "UserMailbox" })
        .text("RecipientTypeDetails", mailbox.recipient_type_details())
        .boolean("IsShared", mailbox.kind == MailboxKind::Shared)
        .boolean("IsDirSynced", mailbox.remote)
}
