//! `Get-OrganizationConfig` and `Enable-OrganizationCustomization`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/enable-organizationcustomization>

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};

/// `Get-OrganizationConfig`, as far as app access goes.
pub(super) fn get(run: &mut Run<'_>, _params: &Params) -> Result<Vec<Row>, Failure> {
    Ok(vec![
        Row::default()
            .text("Name", run.state.initial_domain())
            .text("Identity", run.state.initial_domain())
            .text("DisplayName", &run.state.name)
            .guid("Guid", run.state.exchange.organization_id)
            .boolean("IsDehydrated", run.state.exchange.dehydrated),
    ])
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
