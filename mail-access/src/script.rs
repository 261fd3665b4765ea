//! The same plan as a PowerShell script that the customer's administrators review and run themselves.

use std::fmt::Write as _;

use exchange_admin::single_quoted;
use m365_core::{Error, Result};

use crate::plan::{Action, AppIds, ExchangeChange, Plan};
use crate::profile::{AppProfile, CredentialPolicy};

impl Plan {
    /// A PowerShell script that takes the plan's steps: UTF-8 with a byte order mark, since Windows PowerShell reads
    /// anything else as ANSI. Without `-Apply` it only shows what it would do; run twice it changes nothing the second
    /// time. It makes no secret: a secret printed on a screen is no secret any more.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) when a value holds a character that has no place in
    /// a script that people review.
    pub fn to_script(&self) -> Result<Vec<u8>> {
        let mut out = b"\xEF\xBB\xBF".to_vec();
        out.extend_from_slice(self.script_text()?.as_bytes());
        Ok(out)
    }

    fn script_text(&self) -> Result<String> {
        let mut text = String::new();
        let profile = exchange_admin::comment_text(&self.profile.name);
        put(
            &mut text,
            &format!(
                "<#\nSets up \"{profile}\" in the tenant {}.\n\nPart A of each app runs in Microsoft Graph PowerShell, part B in Exchange Online PowerShell. Connect both first:\n  Connect-MgGraph -TenantId {} -Scopes Application.ReadWrite.All, AppRoleAssignment.ReadWrite.All, DelegatedPermissionGrant.ReadWrite.All\n  Connect-ExchangeOnline\nWithout -Apply it only shows what it would do. Run again, it changes nothing that is in place.\n#>\nparam([switch] $Apply, [switch] $WhatIf)\n# Cmdlets of a module see the session's preference, and not the script's own.\n$sessionPreference = $global:ErrorActionPreference\n$global:ErrorActionPreference = 'Stop'\n$ErrorActionPreference = 'Stop'\nif ($WhatIf) {{ $Apply = $false }}\ntry {{\n",
                self.tenant_id, self.tenant_id
            ),
        );
        let shared: Vec<&ExchangeChange> = self.exchange_changes(None).collect();
        if !shared.is_empty() {
            put(&mut text, "\n# ---- Mailboxes that several apps use: Exchange Online PowerShell ----\n");
            put(&mut text, &exchange_part(&format!("{profile}: mailboxes"), &shared)?);
        }
        for app in &self.profile.apps {
            self.app_part(&mut text, app)?;
        }
        if self.is_empty() {
            put(&mut text, "\nWrite-Host 'Everything is set up; there is nothing to do.'\n");
        }
        put(&mut text, "}\nfinally { $global:ErrorActionPreference = $sessionPreference }\n");
        Ok(text)
    }

    fn app_part(&self, text: &mut String, app: &AppProfile) -> Result<()> {
        let steps: Vec<_> =
            self.steps.iter().filter(|s| s.app.as_deref() == Some(&app.unique_name)).collect();
        if steps.is_empty() {
            return Ok(());
        }
        let registration = crate::names::registration(app)?;
        put(
            text,
            &format!(
                "\n# ==== {} ====\n# ---- Part A: Microsoft Graph PowerShell ----\n{}\n",
                exchange_admin::comment_text(&app.display_name),
                graph_auth::powershell_prelude(&registration)?
            ),
        );
        let (before, after): (Vec<_>, Vec<_>) = steps
            .iter()
            .filter_map(|s| match &s.action {
                Action::Registration(change) => Some((s, change)),
                _ => None,
            })
            .partition(|(_, change)| {
                matches!(
                    change,
                    graph_auth::RegistrationStep::CreateApplication { .. }
                        | graph_auth::RegistrationStep::UpdateApplication { .. }
                        | graph_auth::RegistrationStep::CreateServicePrincipal
                        | graph_auth::RegistrationStep::CreateApiServicePrincipal { .. }
                        | graph_auth::RegistrationStep::DeclarePermissions { .. }
                        | graph_auth::RegistrationStep::RemoveDefaultUserRead
                )
            });
        for (step, _) in &before {
            put(text, &shown(&step.description.sentence, &step.description.powershell)?);
        }
        let changes: Vec<&ExchangeChange> = self.exchange_changes(Some(&app.unique_name)).collect();
        if !changes.is_empty() {
            put(
                text,
                "$ClientId = \"$($app.AppId)\"; $ObjectId = \"$($sp.Id)\"\n# ---- Part B: Exchange Online PowerShell ----\n",
            );
            put(
                text,
                "if (-not $ObjectId) { Write-Host 'later   Exchange: the enterprise application does not exist before part A was applied' } else {\n",
            );
            put(text, &exchange_part(&app.display_name, &changes)?);
            put(text, "}\n");
        }
        if steps.iter().any(|s| matches!(s.action, Action::AwaitPolicy)) {
            put(
                text,
                "if ($Apply) { Read-Host 'Wait until the access policy is enforced (2 hours), then press Enter. A consent before that opens every mailbox' }\n",
            );
        }
        if !after.is_empty() {
            put(text, "# ---- Part A, continued ----\n");
        }
        for (step, change) in &after {
            if matches!(change, graph_auth::RegistrationStep::AddSecret { .. }) {
                continue;
            }
            put(text, &shown(&step.description.sentence, &step.description.powershell)?);
        }
        if matches!(app.credential, CredentialPolicy::NewSecret { .. }) {
            put(
                text,
                "# The credential is made by the product itself and goes straight into its vault; no script prints it.\n",
            );
        }
        Ok(())
    }

    fn exchange_changes<'a>(&'a self, app: Option<&'a str>) -> impl Iterator<Item = &'a ExchangeChange> {
        self.steps.iter().filter(move |s| s.app.as_deref() == app).filter_map(|s| match &s.action {
            Action::Exchange(change) => Some(change),
            _ => None,
        })
    }
}

fn put(text: &mut String, part: &str) {
    text.push_str(part);
}

/// A line of Microsoft Graph PowerShell that is only shown unless `-Apply` is given. It stands in the script's own scope: the
/// variables that it sets are for the lines after it, and a function would keep them to itself.
fn shown(sentence: &str, line: &str) -> Result<String> {
    let mut out = String::new();
    let title = single_quoted(sentence)?;
    write!(
        out,
        "if ($Apply) {{\n    Write-Host ('doing   ' + {title})\n    {}\n}}\nelse {{ Write-Host ('would   ' + {title}) }}\n",
        line.replace('\n', "\n    ")
    )
    .map_err(|e| Error::invalid("the script cannot be written").with_source(e))?;
    Ok(out)
}

/// A script of its own in a block: get before set, and a receipt at its end.
fn exchange_part(title: &str, changes: &[&ExchangeChange]) -> Result<String> {
    let mut script = exchange_admin::Script::new(title, ExchangeChange::LATER_CLIENT);
    for change in changes {
        script = script.with_step(change.to_script_step(&AppIds::default())?);
    }
    let body = changes
        .iter()
        .fold(ExchangeChange::with_variables(&script.render()?), |body, change| change.with_group(&body));
    // It is one script: dot-sourcing keeps its parts in one scope.
    let body = body.replace(&format!("Prepared for app {}.\n", ExchangeChange::LATER_CLIENT), "");
    Ok(format!(". {{\n{body}}} -Apply:$Apply\n"))
}
