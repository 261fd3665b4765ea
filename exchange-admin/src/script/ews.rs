//! Lines about the list of apps allowed for EWS. Exchange takes the whole list only, so each of them reads, merges, writes and
//! reads again.

use m365_core::{ClientId, Result};

use crate::command::powershell::single_quoted;

/// The ids on the list of a configuration.
pub(super) fn listed(config: &str) -> String {
    format!("@(\"$({config}.EwsAllowedAppIDs)\" -split '[,;\\s]+' | Where-Object {{ $_ }})")
}

/// A statement of Exchange Online PowerShell that puts an app on the list beside those that are on it.
///
/// ```
/// let app = exchange_admin::ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// assert!(exchange_admin::ews_allow_line(app)?.contains("-EwsAllowedAppIDs (($ids + $app) -join ',')"));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
///
/// # Errors
/// None today; a value that has no place in a script would be one.
pub fn allow_line(app: ClientId) -> Result<String> {
    Ok(format!(
        "$app = {}; {READ}; $ids = {}; if ($ids -notcontains $app) {{ Set-OrganizationConfig -EwsAllowedAppIDs (($ids + $app) -join ',') -Confirm:$false -ErrorAction Stop }}; {READ}; if ({} -notcontains $app) {{ throw 'Somebody else wrote the list at the same time. Run it again.' }}",
        single_quoted(&app.to_string())?,
        listed("$config"),
        listed("$config"),
    ))
}

/// A statement of Exchange Online PowerShell that takes an app off the list and leaves the others on it.
///
/// # Errors
/// As [`ews_allow_line`](allow_line).
pub fn disallow_line(app: ClientId) -> Result<String> {
    Ok(format!(
        "$app = {}; {READ}; $ids = @({} | Where-Object {{ $_ -ne $app }}); Set-OrganizationConfig -EwsAllowedAppIDs $(if ($ids.Count -gt 0) {{ $ids -join ',' }} else {{ $null }}) -Confirm:$false -ErrorAction Stop",
        single_quoted(&app.to_string())?,
        listed("$config"),
    ))
}

/// People paste these lines into a shell that goes on after an error. A list that was not read is none to be written back:
/// it would take everybody else off.
const READ: &str = "$config = Get-OrganizationConfig -RetrieveEwsOperationAccessPolicy -ErrorAction Stop; if (-not $config -or -not $config.PSObject.Properties['EwsAllowedAppIDs']) { throw 'The list of apps cannot be read.' }";
