//! `*-ApplicationAccessPolicy`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/new-applicationaccesspolicy>

use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::{configured_mailboxes, group_named, mailbox_named, user_sid};
use crate::access::{View, policy};
use crate::state::{AccessPolicy, GroupKind, MailboxKind, PolicyRight, State, Timed};

/// Room for the policies: about a hundred with ordinary descriptions, three hundred with one-blank ones.
const STORE_SIZE: usize = 30_000;
const POLICY_SIZE: usize = 99;

/// `Get-ApplicationAccessPolicy`. None at all is an error, not an empty list.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let wanted = params.optional("Identity")?;
    let rows: Vec<Row> = configured(state)
        .filter(|p| wanted.as_deref().is_none_or(|w| identity(state, p).eq_ignore_ascii_case(w)))
        .map(|p| row(state, p))
        .collect();
    if rows.is_empty() {
        return Err(Failure::not_found(wanted.as_deref().unwrap_or("ApplicationAccessPolicy")));
    }
    Ok(rows)
}

/// `New-ApplicationAccessPolicy`: one policy per application id.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let apps = params.list("AppId")?.iter().map(|app| app_id(app)).collect::<Result<Vec<_>, _>>()?;
    let right = match params.choice("AccessRight", &["RestrictAccess", "DenyAccess"])? {
        Some("DenyAccess") => PolicyRight::Deny,
        _ => PolicyRight::Restrict,
    };
    let scope = scope_named(run.state, &params.text("PolicyScopeGroupId")?)?;
    let description = params.free_text("Description").unwrap_or_default();
    for app in &apps {
        if configured(run.state).any(|p| p.app_id == *app && p.scope == scope) {
            let twin = AccessPolicy { app_id: *app, scope, right, description: String::new() };
            return Err(Failure::already_exists(&identity(run.state, &twin)));
        }
    }
    let size = |description: &str| POLICY_SIZE + description.len().max(1);
    let used: usize = configured(run.state).map(|p| size(&p.description)).sum();
    if used + apps.len() * size(&description) > STORE_SIZE {
        return Err(Failure::invalid_operation("The total size of App Access Policies exceeded the limit."));
    }
    let delay = run.state.propagation.access_policy;
    let mut rows = vec![];
    for app_id in apps {
        let policy = AccessPolicy { app_id, scope, right, description: description.clone() };
        rows.push(row(run.state, &policy));
        run.state.exchange.access_policies.push(Timed::new(policy, run.now, delay));
    }
    Ok(rows)
}

/// `Set-ApplicationAccessPolicy`: only the description can be changed.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let position = position(run.state, &params.text("Identity")?)?;
    if let (Some(description), Some(record)) =
        (params.free_text("Description"), run.state.exchange.access_policies.get_mut(position))
    {
        record.value.description = description;
    }
    Ok(vec![])
}

/// `Remove-ApplicationAccessPolicy`.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let position = position(run.state, &params.text("Identity")?)?;
    let delay = run.state.propagation.access_policy;
    if let Some(record) = run.state.exchange.access_policies.get_mut(position) {
        record.delete(run.now, delay);
    }
    Ok(vec![])
}

/// `Test-ApplicationAccessPolicy`: the configuration's truth, ahead of enforcement.
pub(super) fn test(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    let app = params.guid("AppId")?;
    let granted = policy::allows(run.state, app, mailbox.object_id, View::Configured);
    Ok(vec![
        Row::default()
            .text("AppId", app.to_string())
            .text("Mailbox", &mailbox.name)
            .text("MailboxId", mailbox.exchange_guid.to_string())
            .text("MailboxSid", user_sid(mailbox.object_id))
            .text("AccessCheckResult", if granted { "Granted" } else { "Denied" }),
    ])
}

fn app_id(text: &str) -> Result<Option<Uuid>, Failure> {
    if text == "*" {
        return Ok(None);
    }
    Uuid::parse_str(text).map(Some).map_err(|_| Failure::transformation("AppId", text, "application ids, *"))
}

/// The scope recipient: a mail-enabled security group or a user mailbox; nothing else is a security principal.
fn scope_named(state: &State, identity: &str) -> Result<Uuid, Failure> {
    let not_a_principal = || {
        Failure::bad_request(
            "Ex61D0F4",
            "Microsoft.Exchange.Configuration.Tasks.RecipientTaskException",
            &format!("The policy scope '{identity}' isn't a valid security principal."),
        )
    };
    if let Ok(mailbox) = mailbox_named(state, identity) {
        return if mailbox.kind == MailboxKind::User {
            Ok(mailbox.object_id)
        } else {
            Err(not_a_principal())
        };
    }
    let group = group_named(state, identity)?;
    if group.kind == GroupKind::MailEnabledSecurity { Ok(group.object_id) } else { Err(not_a_principal()) }
}

fn configured(state: &State) -> impl Iterator<Item = &AccessPolicy> {
    state.exchange.access_policies.iter().filter(|p| p.is_configured()).map(|p| &p.value)
}

fn position(state: &State, wanted: &str) -> Result<usize, Failure> {
    state
        .exchange
        .access_policies
        .iter()
        .position(|p| p.is_configured() && identity(state, &p.value).eq_ignore_ascii_case(wanted))
        .ok_or_else(|| Failure::not_found(wanted))
}

fn app_text(policy: &AccessPolicy) -> String {
    policy.app_id.map_or_else(|| "*".to_owned(), |id| id.to_string())
}

/// Name, SID and Exchange GUID of the scope recipient, also of one that is gone.
fn scope(state: &State, id: Uuid) -> (String, String, Uuid) {
    if let Some(group) = state.exchange.groups.iter().map(|g| &g.value).find(|g| g.object_id == id) {
        return (group.name.clone(), group.sid.clone(), group.guid);
    }
    match configured_mailboxes(state).find(|m| m.object_id == id) {
        Some(mailbox) => (mailbox.name.clone(), user_sid(id), mailbox.exchange_guid),
        None => (String::new(), user_sid(id), id),
    }
}

/// `{organisation}\{application}:{SID};{GUID}`
fn identity(state: &State, policy: &AccessPolicy) -> String {
    let (_, sid, guid) = scope(state, policy.scope);
    format!("{}\\{}:{sid};{guid}", state.exchange.organization_id, app_text(policy))
}

fn row(state: &State, policy: &AccessPolicy) -> Row {
    let (name, sid, guid) = scope(state, policy.scope);
    Row::default()
        .text("Identity", identity(state, policy))
        .text("AppId", app_text(policy))
        .text("ScopeName", &name)
        .text("ScopeIdentity", &name)
        .text("ScopeIdentityRaw", format!("{sid};{guid}"))
        .text(
            "AccessRight",
            match policy.right {
                PolicyRight::Restrict => "RestrictAccess",
                PolicyRight::Deny => "DenyAccess",
            },
        )
        .text("Description", &policy.description)
        .boolean("IsValid", true)
        .text("ObjectState", "Unchanged")
}
