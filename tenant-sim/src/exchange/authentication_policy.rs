//! `*-AuthenticationPolicy`, and the users that have one of their own.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/new-authenticationpolicy>

use std::collections::BTreeSet;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::management_scope::check_name;
use super::recipient::mailbox_named;
use crate::state::{AuthenticationPolicy, State};

/// The switches for basic authentication.
const SWITCHES: [&str; 6] = [
    "AllowBasicAuthActiveSync",
    "AllowBasicAuthAutodiscover",
    "AllowBasicAuthImap",
    "AllowBasicAuthPop",
    "AllowBasicAuthSmtp",
    "AllowBasicAuthWebServices",
];

/// `Get-AuthenticationPolicy`.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    match params.optional("Identity")? {
        Some(identity) => named(run.state, &identity).map(|p| vec![row(&p)]),
        None => Ok(run.state.exchange.authentication_policies.iter().map(row).collect()),
    }
}

/// `New-AuthenticationPolicy`; what is not allowed is blocked.
pub(super) fn new(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let name = params.text("Name")?;
    check_name(&name)?;
    if named(run.state, &name).is_ok() {
        return Err(Failure::already_exists(&name));
    }
    let mut policy = AuthenticationPolicy { name, allowed: BTreeSet::new() };
    apply(&mut policy, params)?;
    let output = row(&policy);
    run.state.exchange.authentication_policies.push(policy);
    Ok(vec![output])
}

/// `Set-AuthenticationPolicy`: a switch that is not given keeps its state.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mut policy = named(run.state, &params.text("Identity")?)?;
    apply(&mut policy, params)?;
    for kept in run.state.exchange.authentication_policies.iter_mut().filter(|p| p.name == policy.name) {
        *kept = policy.clone();
    }
    Ok(vec![])
}

/// `Remove-AuthenticationPolicy`.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let policy = named(run.state, &params.text("Identity")?)?;
    run.state.exchange.authentication_policies.retain(|p| p.name != policy.name);
    Ok(vec![])
}

/// `Get-User`, as far as sign-in goes.
pub(super) fn get_user(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mailbox = mailbox_named(run.state, &params.text("Identity")?)?;
    let policy = run.state.exchange.user_authentication_policies.get(&mailbox.object_id);
    Ok(vec![
        super::mailbox::row(run.state, &mailbox)
            .optional("AuthenticationPolicy", policy.cloned())
            .boolean("RemotePowerShellEnabled", true),
    ])
}

/// `Set-User -AuthenticationPolicy`; null takes it away.
pub(super) fn set_user(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let user = mailbox_named(run.state, &params.text("Identity")?)?.object_id;
    if params.is_null("AuthenticationPolicy") {
        run.state.exchange.user_authentication_policies.remove(&user);
    } else if let Some(policy) = params.optional("AuthenticationPolicy")? {
        let policy = named(run.state, &policy)?;
        run.state.exchange.user_authentication_policies.insert(user, policy.name);
    }
    Ok(vec![])
}

fn named(state: &State, name: &str) -> Result<AuthenticationPolicy, Failure> {
    let found = state.exchange.authentication_policies.iter().find(|p| p.name.eq_ignore_ascii_case(name));
    found.cloned().ok_or_else(|| Failure::not_found(name))
}

fn apply(policy: &mut AuthenticationPolicy, params: &Params) -> Result<(), Failure> {
    for switch in SWITCHES {
        match params.boolean(switch)? {
            Some(true) => _ = policy.allowed.insert(switch.to_owned()),
            Some(false) => _ = policy.allowed.remove(switch),
            None => {}
        }
    }
    Ok(())
}

fn row(policy: &AuthenticationPolicy) -> Row {
    let names = Row::default().text("Name", &policy.name).text("Identity", &policy.name);
    SWITCHES.into_iter().fold(names, |row, switch| row.boolean(switch, policy.allowed.contains(switch)))
}
