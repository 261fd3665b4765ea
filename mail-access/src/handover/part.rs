use std::fmt;

use exchange_admin::{ScriptReceipt, comment_text, single_quoted};
use graph_auth::RegistrationStep;
use m365_core::Result;
use serde::Serialize;

use crate::plan::{Action, AppIds, ExchangeChange, Plan, Step, Window};

/// Where a part is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HandoverShell {
    /// Microsoft Graph PowerShell.
    Graph,
    /// Exchange Online PowerShell.
    ExchangeOnline,
}

impl fmt::Display for HandoverShell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Graph => "Microsoft Graph PowerShell",
            Self::ExchangeOnline => "Exchange Online PowerShell",
        })
    }
}

/// What one person runs in one shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HandoverPart {
    /// A name for its file; they sort in the order of the parts.
    pub file_name: String,
    /// Unique name of the app it is for; none when it is for several.
    pub app: Option<String>,
    /// The minimum role of whoever runs it: of Entra, or a role group of Exchange.
    pub role: String,
    /// Where it is run.
    pub shell: HandoverShell,
    /// Ids of the plan's steps in it.
    pub steps: Vec<String>,
    /// Whether the script asks for the ids that the part of Microsoft Graph prints.
    pub needs_ids: bool,
    /// The longest window among its steps: when it is enforced.
    pub window: Window,
    /// Whether nobody may go on before that window has passed.
    pub wait_after: bool,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    titles: Vec<String>,
}

impl HandoverPart {
    /// The script's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The script as a file: UTF-8 with a byte order mark, since Windows PowerShell reads anything else as ANSI.
    pub fn to_file(&self) -> Vec<u8> {
        let mut out = b"\xEF\xBB\xBF".to_vec();
        out.extend_from_slice(self.text.as_bytes());
        out
    }

    /// Whether a receipt is of this part: its steps, as far as the run came, in their order.
    pub(super) fn printed(&self, receipt: &ScriptReceipt) -> bool {
        let whole = !receipt.completed || receipt.steps.len() == self.titles.len();
        whole
            && !receipt.steps.is_empty()
            && receipt.steps.len() <= self.titles.len()
            && receipt.steps.iter().zip(&self.titles).all(|(step, title)| step.title == *title)
    }
}

pub(super) fn makes_a_secret(step: &Step) -> bool {
    matches!(&step.action, Action::Registration(RegistrationStep::AddSecret { .. }))
}

/// Neighbouring steps of one role in one shell for one app are a part.
pub(super) fn split(plan: &Plan) -> Result<Vec<HandoverPart>> {
    let mut parts: Vec<(HandoverPart, Vec<&Step>)> = Vec::new();
    for step in plan.steps.iter().filter(|step| !makes_a_secret(step)) {
        let shell = match &step.action {
            Action::Registration(_) => HandoverShell::Graph,
            Action::Exchange(_) => HandoverShell::ExchangeOnline,
            Action::AwaitPolicy => {
                if let Some((part, _)) = parts.last_mut() {
                    part.wait_after = true;
                    part.window = longer(part.window, step.description.window);
                }
                continue;
            }
        };
        match parts.last_mut() {
            Some((part, steps))
                if part.shell == shell
                    && part.role == step.description.role
                    && part.app == step.app
                    && !part.wait_after =>
            {
                part.window = longer(part.window, step.description.window);
                steps.push(step);
            }
            _ => parts.push((
                HandoverPart {
                    file_name: String::new(),
                    app: step.app.clone(),
                    role: step.description.role.clone(),
                    shell,
                    steps: Vec::new(),
                    needs_ids: false,
                    window: step.description.window,
                    wait_after: false,
                    text: String::new(),
                    titles: Vec::new(),
                },
                vec![step],
            )),
        }
    }
    let count = parts.len();
    parts
        .into_iter()
        .enumerate()
        .map(|(index, (mut part, steps))| {
            let number = index + 1;
            let word = match part.shell {
                HandoverShell::Graph => "graph",
                HandoverShell::ExchangeOnline => "exchange",
            };
            part.file_name = format!("{number:02}-{}-{word}.ps1", part.app.as_deref().unwrap_or("mailboxes"));
            part.steps = steps.iter().map(|s| s.id.clone()).collect();
            part.titles = steps.iter().map(|s| s.description.sentence.clone()).collect();
            let title = format!("{}: part {number} of {count}", plan.profile.name);
            part.text = match part.shell {
                HandoverShell::Graph => graph_text(plan, &part, &title, &steps)?,
                HandoverShell::ExchangeOnline => exchange_text(plan, &part, &title, &steps)?,
            };
            part.needs_ids = part.text.contains("[guid] $ClientId");
            Ok(part)
        })
        .collect()
}

fn longer(a: Window, b: Window) -> Window {
    if b.latest > a.latest { b } else { a }
}

/// The lines of a step may set variables that the next one needs, so they stand in the script's own scope.
fn graph_text(plan: &Plan, part: &HandoverPart, title: &str, steps: &[&Step]) -> Result<String> {
    let prelude = match plan.profile.apps.iter().find(|app| Some(&app.unique_name) == part.app.as_ref()) {
        Some(app) => graph_auth::powershell_prelude(&crate::names::registration(app)?)?,
        None => String::new(),
    };
    let head = format!(
        "<#\n{}\nRun it in Microsoft Graph PowerShell, in the tenant {}, as {} or with more:\n  Connect-MgGraph -TenantId {} -Scopes Application.ReadWrite.All, AppRoleAssignment.ReadWrite.All, DelegatedPermissionGrant.ReadWrite.All\nWithout -Apply it only shows what it would do. It can be run again.\n#>\n",
        comment_text(title),
        plan.tenant_id,
        comment_text(&part.role),
        plan.tenant_id
    );
    let mut out = format!("{head}{GRAPH_PREAMBLE}{}\n", indented(&prelude));
    for step in steps {
        out.push_str(&format!(
            "    $current = {}\n    if ($write) {{\n    {}\n        Add-Result $current 'Applied'\n    }}\n    else {{ Add-Result $current 'WouldApply' }}\n",
            single_quoted(&step.description.sentence)?,
            indented(&step.description.powershell)
        ));
    }
    out.push_str(GRAPH_CLOSING);
    Ok(out)
}

fn indented(lines: &str) -> String {
    format!("    {}", lines.replace('\n', "\n    "))
}

fn exchange_text(plan: &Plan, part: &HandoverPart, title: &str, steps: &[&Step]) -> Result<String> {
    let changes: Vec<&ExchangeChange> = steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Exchange(change) => Some(change),
            _ => None,
        })
        .collect();
    let mut script = exchange_admin::Script::new(title, ExchangeChange::LATER_CLIENT);
    for change in &changes {
        script = script.with_step(change.to_script_step(&AppIds::default())?);
    }
    let mut text =
        script.render()?.replace(&format!("Prepared for app {}.\n", ExchangeChange::LATER_CLIENT), "");
    text =
        changes.iter().fold(ExchangeChange::with_variables(&text), |text, change| change.with_group(&text));
    // A part that needs no id asks for none: its receipt, at the end, names the app or the profile.
    if let Some((before, after)) = text.rsplit_once("app = $ClientId")
        && ![before, after].iter().any(|t| t.contains("$ClientId") || t.contains("$ObjectId"))
    {
        let name = part.app.as_deref().unwrap_or(&plan.profile.name);
        text = format!("{before}app = {}{after}", single_quoted(name)?);
    }
    if text.contains("$ClientId") || text.contains("$ObjectId") {
        text = text.replacen(
            "param([switch] $Apply",
            "param([Parameter(Mandatory = $true)] [guid] $ClientId, [Parameter(Mandatory = $true)] [guid] $ObjectId, [switch] $Apply",
            1,
        );
    }
    Ok(text)
}

const GRAPH_PREAMBLE: &str = r#"param([switch] $Apply, [switch] $WhatIf)

# Cmdlets of a module see the session's preference, and not the script's own.
$preference = $global:ErrorActionPreference
$global:ErrorActionPreference = 'Stop'
$ErrorActionPreference = 'Stop'
$steps = @()
$completed = $false
$current = $null
$write = [bool] ($Apply -and -not $WhatIf)

function Add-Result([string] $Title, [string] $Result) {
    $script:steps += [ordered]@{ title = $Title; cmdlet = 'Microsoft Graph'; result = $Result }
    $script:current = $null
    Write-Host "$Result  $Title"
}

try {
"#;

const GRAPH_CLOSING: &str = r#"    $completed = $true
    if ($app -and $sp) { Write-Host "For the parts in Exchange: -ClientId $($app.AppId) -ObjectId $($sp.Id)" }
}
finally {
    $global:ErrorActionPreference = $preference
    if ($current) { Add-Result $current 'Failed' }
    [ordered]@{
        receipt = 'exchange-admin/1'
        app = "$($app.AppId)"
        apply = $write
        completed = $completed
        finishedAt = (Get-Date).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
        steps = @($steps)
    } | ConvertTo-Json -Depth 4
}
"#;
