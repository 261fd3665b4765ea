//! `*-OrganizationConfig`, `*-TransportConfig` and `Enable-OrganizationCustomization`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/set-organizationconfig>

use std::collections::BTreeSet;

use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use crate::access::View;
use crate::access::switches::organization;
use crate::state::{AgentLists, OrganizationSwitches, Timed};

/// `Get-OrganizationConfig`, as far as app access goes. The list of apps shows only to those who ask for it.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let switches = organization(run.state, View::Configured);
    let row = Row::default()
        .text("Name", run.state.initial_domain())
        .text("Identity", run.state.initial_domain())
        .text("DisplayName", &run.state.name)
        .guid("Guid", run.state.exchange.organization_id)
        .boolean("IsDehydrated", run.state.exchange.dehydrated);
    let row = three_states(row, "EwsEnabled", switches.ews_enabled);
    let apps: Vec<String> = switches.ews_allowed_apps.iter().map(Uuid::to_string).collect();
    let shown = params.switch("RetrieveEwsOperationAccessPolicy")? && !apps.is_empty();
    Ok(vec![agent_lists(row, &switches.agents).optional("EwsAllowedAppIDs", shown.then(|| apps.join(",")))])
}

/// `Set-OrganizationConfig`: the EWS switches. The list of apps is replaced as a whole.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mut switches = organization(run.state, View::Configured);
    if params.is_null("EwsEnabled") {
        switches.ews_enabled = None;
    } else if let Some(enabled) = params.boolean("EwsEnabled")? {
        switches.ews_enabled = Some(enabled);
    }
    if params.is_null("EwsAllowedAppIDs") {
        switches.ews_allowed_apps.clear();
    } else if let Some(text) = params.optional("EwsAllowedAppIDs")? {
        switches.ews_allowed_apps = text
            .split(',')
            .map(|id| {
                Uuid::parse_str(id.trim())
                    .map_err(|_| Failure::transformation("EwsAllowedAppIDs", id, "application ids"))
            })
            .collect::<Result<BTreeSet<_>, _>>()?;
    }
    change_agents(&mut switches.agents, params)?;
    write(run, switches);
    Ok(vec![])
}

/// `Get-TransportConfig`, as far as app access goes.
pub(super) fn get_transport(run: &mut Run<'_>, _params: &Params) -> Result<Vec<Row>, Failure> {
    let switches = organization(run.state, View::Configured);
    Ok(vec![
        Row::default()
            .text("Name", "Transport Settings")
            .boolean("SmtpClientAuthenticationDisabled", switches.smtp_disabled),
    ])
}

/// `Set-TransportConfig`: authenticated SMTP for all mailboxes that do not say otherwise.
pub(super) fn set_transport(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let mut switches = organization(run.state, View::Configured);
    if let Some(disabled) = params.boolean("SmtpClientAuthenticationDisabled")? {
        switches.smtp_disabled = disabled;
    }
    write(run, switches);
    Ok(vec![])
}

/// `Enable-OrganizationCustomization`; a second run is an error.
pub(super) fn enable(run: &mut Run<'_>, _params: &Params) -> Result<Vec<Row>, Failure> {
    if !run.state.exchange.dehydrated {
        return Err(Failure::invalid_operation(
            "This operation is not required. Organization is already enabled for customization.",
        ));
    }
    run.state.exchange.dehydrated = false;
    Ok(vec![])
}

fn write(run: &mut Run<'_>, switches: OrganizationSwitches) {
    if switches == organization(run.state, View::Configured) {
        run.warnings.push(format!(
            "The command completed successfully but no settings of '{}' have been modified.",
            run.state.initial_domain()
        ));
        return;
    }
    let delay = run.state.propagation.organization_switch;
    for record in &mut run.state.exchange.organization_switches {
        record.delete(run.now, delay);
    }
    run.state.exchange.organization_switches.push(Timed::new(switches, run.now, delay));
}

/// Changes the lists of user agents as the parameters say.
pub(super) fn change_agents(agents: &mut AgentLists, params: &Params) -> Result<(), Failure> {
    if params.is_null("EwsApplicationAccessPolicy") {
        agents.allow_list_counts = None;
    } else if let Some(policy) =
        params.choice("EwsApplicationAccessPolicy", &["EnforceAllowList", "EnforceBlockList"])?
    {
        agents.allow_list_counts = Some(policy == "EnforceAllowList");
    }
    if let Some(list) = params.changed_list("EwsAllowList", &agents.allowed)? {
        agents.allowed = list;
    }
    if let Some(list) = params.changed_list("EwsBlockList", &agents.blocked)? {
        agents.blocked = list;
    }
    Ok(())
}

/// A switch that may never have been set.
pub(super) fn three_states(row: Row, name: &str, state: Option<bool>) -> Row {
    match state {
        Some(on) => row.boolean(name, on),
        None => row.null(name),
    }
}

/// The lists of user agents as properties.
pub(super) fn agent_lists(row: Row, agents: &AgentLists) -> Row {
    let policy = agents.allow_list_counts.map(|allow| match allow {
        true => "EnforceAllowList".to_owned(),
        false => "EnforceBlockList".to_owned(),
    });
    row.optional("EwsApplicationAccessPolicy", policy)
        .list("EwsAllowList", agents.allowed.clone())
        .list("EwsBlockList", agents.blocked.clone())
}
