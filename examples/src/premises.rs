//! An organisation with an Exchange Server of its own, and the administrator who runs scripts on it. Both are simulated:
//! where a script says what is to be done, [`Administrator`] does just that to the simulated server.

use std::collections::BTreeSet;

use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
use exchange_admin::OnPremisesMailboxes;
use m365_core::{Error, MailboxAddress, Result};
use mail_access::{ImpersonationReach, OnPremisesAccess, OnPremisesProfile};
use serde_json::{Value, json};
use tenant_sim::state::{
    Folder, FolderGrantee, FolderPermission, MailboxPermission, ManagementScope, ResourceScope, State, Timed,
};
use tenant_sim::{
    Scenario, ScenarioAccount, ScenarioEvent, ScenarioGroup, ScenarioGroupKind, ScenarioMailbox,
    ScenarioUser, Tenant,
};
use uuid::Uuid;

/// The service accounts, which the administrator made beforehand: no script asks for a password.
const ACCOUNTS: [(&str, &str, ScenarioMailbox); 3] = [
    ("svc-acme-calendar", "Calendar-Passw0rd", ScenarioMailbox::None),
    ("svc-acme-connector", "Connector-Passw0rd", ScenarioMailbox::Remote),
    ("presence", "Presence-Passw0rd", ScenarioMailbox::Remote),
];

/// Contoso before it went to the cloud: every mailbox on its own Exchange Server.
///
/// # Errors
/// When the simulated servers do not start.
pub async fn organization() -> Result<Tenant> {
    let mut scenario = Scenario::contoso();
    let blank = |name: &str, display_name: &str, mailbox| ScenarioUser {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        domain: None,
        mailbox,
        imap: false,
        aliases: Vec::new(),
        messages: Vec::new(),
        events: Vec::new(),
    };
    for user in &mut scenario.users {
        if matches!(user.mailbox, ScenarioMailbox::User | ScenarioMailbox::Shared) {
            user.mailbox = ScenarioMailbox::Remote;
        }
    }
    for (name, display_name) in [("reception", "Reception"), ("switchboard", "Switchboard")] {
        let mut user = blank(name, display_name, ScenarioMailbox::Remote);
        user.events.push(ScenarioEvent {
            subject: "Badges for visitors".to_owned(),
            day: 0,
            at: Some("07:30".to_owned()),
            minutes: 30,
            all_day: false,
            sensitivity: "normal".to_owned(),
            show_as: "busy".to_owned(),
            location: String::new(),
            body: String::new(),
            attendees: Vec::new(),
            cancelled: false,
        });
        scenario.users.push(user);
    }
    for (name, password, mailbox) in ACCOUNTS {
        scenario.users.push(blank(name, name, mailbox));
        scenario.on_premises.accounts.push(ScenarioAccount {
            name: name.to_owned(),
            password: password.to_owned(),
            impersonates: None,
            locked: false,
        });
    }
    scenario.groups.push(ScenarioGroup {
        name: "acme-calendar-users".to_owned(),
        display_name: "Acme calendar users".to_owned(),
        kind: ScenarioGroupKind::MailEnabledSecurity,
        members: vec!["alice".to_owned(), "bob".to_owned()],
    });
    Tenant::start(scenario)
        .await
        .map_err(|e| Error::invalid("the simulated Exchange Server does not start").with_source(e))
}

/// A client that signs in to the organisation's server as this account: by NTLM for `DOMAIN\name`, by Basic for an address.
///
/// # Errors
/// When the organisation has no such account.
pub fn client_of(tenant: &Tenant, account: &str) -> Result<EwsClient> {
    let short = account.rsplit('\\').next().unwrap_or(account);
    let short = short.split('@').next().unwrap_or(short);
    let (_, password, _) = ACCOUNTS
        .into_iter()
        .find(|(name, ..)| *name == short)
        .ok_or_else(|| Error::invalid(format!("the simulated organisation has no account {account}")))?;
    let credential = match account.contains('\\') {
        true => EwsCredential::ntlm(account, password.into())?,
        false => EwsCredential::basic(account, password.into()),
    };
    let server = url::Url::parse(&tenant.on_premises_https_url())
        .map_err(|e| Error::invalid("the simulated server has no readable address").with_source(e))?;
    EwsClient::builder(EwsEndpoint::on_premises(server)?, credential)
        .only_roots(tenant.ca_pem())
        .clock(crate::clock_of(tenant))
        .account(account)
        .user_agent("acme-calendar/1.0")
        .build()
}

/// Who runs scripts on the simulated Exchange Server. There is no PowerShell: what a profile's script says is done to the
/// server's state, and the receipt is written that the script would have printed.
#[derive(Debug, Default)]
pub struct Administrator {
    /// The simulated server throttles everybody alike: that a policy was made is noted here and nowhere else.
    policies: BTreeSet<String>,
}

impl Administrator {
    /// Runs the scripts of a profile with `-Apply`, and gives the receipt of all of them.
    ///
    /// # Errors
    /// When the simulated organisation has no such account, mailbox or group, or the profile asks for what is not simulated.
    pub fn run(&mut self, tenant: &Tenant, profile: &OnPremisesProfile) -> Result<Vec<u8>> {
        let mut steps = Vec::new();
        let account = profile.account.as_str();
        let now = tenant.clock().now();
        tenant.with_state(|state| -> Result<()> {
            let user =
                state.premises.account(account).map(|a| a.user).ok_or_else(|| unknown("account", account))?;
            match &profile.access {
                OnPremisesAccess::FullAccess(mailboxes) => {
                    for (id, address) in chosen(state, mailboxes)? {
                        let result = full_access(state, user, id);
                        let title = format!("FullAccess on {address} for {account}");
                        steps.push(step(&title, "Add-MailboxPermission", result, Some(&address)));
                    }
                }
                OnPremisesAccess::CalendarReviewer(mailboxes) => {
                    for (id, address) in chosen(state, mailboxes)? {
                        let result = reviewer(state, user, id);
                        let title = format!("Reviewer on the calendar of {address} for {account}");
                        steps.push(step(&title, "Add-MailboxFolderPermission", result, Some(&address)));
                    }
                }
                OnPremisesAccess::Impersonation(ImpersonationReach::Group(group)) => {
                    let scope = format!("{} mailboxes", profile.name);
                    let result = management_scope(state, &scope, group)?;
                    let title = format!("Management scope {scope}");
                    steps.push(step(&title, "New-ManagementScope", result, None));
                    let holder =
                        state.premises.account_mut(account).ok_or_else(|| unknown("account", account))?;
                    let wanted = Some(ResourceScope::Custom(scope));
                    let result = holder.impersonates == wanted;
                    holder.impersonates = wanted;
                    let title =
                        format!("ApplicationImpersonation for {account} ({} impersonation)", profile.name);
                    steps.push(step(&title, "New-ManagementRoleAssignment", result, None));
                }
                _ => return Err(Error::invalid("the simulated administrator does not know this grant")),
            }
            Ok(())
        })?;
        if let Some(policy) = &profile.throttling_policy {
            let there = !self.policies.insert(format!("{account} {policy}"));
            let title = format!("Throttling policy {policy}");
            steps.push(step(&title, "New-ThrottlingPolicy", there, None));
            let title = format!("Throttling policy {policy} for {account}");
            steps.push(step(&title, "Set-ThrottlingPolicyAssociation", there, None));
        }
        let receipt = json!({"receipt": "exchange-admin/1", "app": account, "apply": true, "completed": true,
            "finishedAt": now, "steps": steps});
        Ok(receipt.to_string().into_bytes())
    }
}

fn unknown(what: &str, name: &str) -> Error {
    Error::invalid(format!("the simulated organisation has no {what} {name}"))
}

fn step(title: &str, cmdlet: &str, there: bool, on: Option<&str>) -> Value {
    let result = if there { "AlreadyThere" } else { "Applied" };
    json!({"title": title, "cmdlet": cmdlet, "result": result, "on": on})
}

/// The mailboxes of the server that are meant, each with its address.
fn chosen(state: &State, mailboxes: &OnPremisesMailboxes) -> Result<Vec<(Uuid, String)>> {
    let own = || state.exchange.mailboxes.iter().filter(|m| m.is_configured() && m.value.remote);
    match mailboxes {
        OnPremisesMailboxes::Listed(listed) => listed
            .iter()
            .map(|address: &MailboxAddress| {
                own()
                    .find(|m| m.value.answers_to(address.as_str()))
                    .map(|m| (m.value.object_id, m.value.primary_smtp_address.clone()))
                    .ok_or_else(|| unknown("mailbox", address.as_str()))
            })
            .collect(),
        _ => Ok(own().map(|m| (m.value.object_id, m.value.primary_smtp_address.clone())).collect()),
    }
}

/// Whether it was there before; so each of the following.
fn full_access(state: &mut State, user: Uuid, mailbox: Uuid) -> bool {
    let entries = &mut state.exchange.mailbox_permissions;
    let there = entries.iter().any(|e| {
        e.is_configured() && (e.value.mailbox, e.value.grantee, e.value.deny) == (mailbox, user, false)
    });
    if !there {
        entries.push(Timed::always(MailboxPermission {
            mailbox,
            grantee: user,
            rights: vec!["FullAccess".to_owned()],
            deny: false,
            inheritance: "All".to_owned(),
        }));
    }
    there
}

fn reviewer(state: &mut State, user: Uuid, mailbox: Uuid) -> bool {
    let grantee = FolderGrantee::Recipient(user);
    let entries = &mut state.exchange.folder_permissions;
    let there = entries.iter().any(|e| {
        e.is_configured()
            && e.value.mailbox == mailbox
            && e.value.folder == Folder::Calendar
            && e.value.grantee == grantee
    });
    if !there {
        entries.push(Timed::always(FolderPermission {
            mailbox,
            folder: Folder::Calendar,
            grantee,
            rights: ["FolderVisible", "ReadItems"].map(str::to_owned).into(),
            delegate: false,
            private_items: false,
        }));
    }
    there
}

fn management_scope(state: &mut State, name: &str, group: &MailboxAddress) -> Result<bool> {
    let scopes = &state.exchange.scopes;
    if scopes.iter().any(|s| s.is_configured() && s.value.name == name) {
        return Ok(true);
    }
    let domain = state.initial_domain().to_owned();
    let members = state
        .exchange
        .groups
        .iter()
        .find(|g| g.is_configured() && g.value.answers_to(group.as_str()))
        .map(|g| g.value.distinguished_name(&domain))
        .ok_or_else(|| unknown("group", group.as_str()))?;
    state.exchange.scopes.push(Timed::always(ManagementScope {
        name: name.to_owned(),
        recipient_filter: format!("MemberOfGroup -eq '{members}'"),
        exclusive: false,
    }));
    Ok(false)
}
