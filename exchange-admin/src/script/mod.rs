//! The same commands as a PowerShell script that people review and run themselves.

mod ews;
mod on_premises;
mod receipt;
mod step;

use m365_core::{ClientId, MailboxAddress, Result};

use crate::RoleGroup;
use crate::command::powershell::{comment_text, single_quoted};

pub use ews::{allow_line as ews_allow_line, disallow_line as ews_disallow_line};
pub use on_premises::{OnPremisesGrant, OnPremisesMailboxes, OnPremisesScope, OnPremisesScript, Shell};
pub use receipt::{ReceiptStep, ScriptReceipt, StepResult};
pub use step::Step;

/// An expression of Exchange Online PowerShell: the distinguished name of a group, as it stands inside a quoted text of a
/// filter. It throws for a group without one: in a filter, nothing is not the same as nobody.
///
/// ```
/// let group = exchange_admin::MailboxAddress::parse("displays@contoso.example")?;
/// assert!(exchange_admin::group_name_in_filter(&group)?.contains("throw"));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an address that has no place in a script.
pub fn group_name_in_filter(group: &MailboxAddress) -> Result<String> {
    Ok(format!(
        r#"($(if ($dn = "$((Get-DistributionGroup -Identity {} -ErrorAction Stop).DistinguishedName)") {{ $dn }} else {{ throw 'The group has no distinguished name yet. Run it again later.' }}) -replace "'", "''")"#,
        single_quoted(group.as_str())?
    ))
}

/// A script that reads before it writes and shows what it would do unless it is told `-Apply`. A second run changes
/// nothing. It prints a JSON receipt at its end, also when a step fails.
///
/// ```
/// use exchange_admin::{ClientId, Script, ServicePrincipalObjectId, Step, cmdlets::NewServicePrincipal};
/// let app = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// let object = ServicePrincipalObjectId::parse("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b")?;
/// let script = Script::new("Mail access for Acme", app)
///     .with_step(Step::service_principal(&NewServicePrincipal::new(app, object, "Acme"))?);
/// assert!(script.render()?.contains("-DisplayName 'Acme'"));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    title: String,
    app: ClientId,
    notes: Vec<String>,
    steps: Vec<Step>,
}

impl Script {
    /// An empty script for this app.
    pub fn new(title: &str, app: ClientId) -> Self {
        Self { title: title.to_owned(), app, notes: Vec::new(), steps: Vec::new() }
    }

    /// A line of the comment at its head.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        self.notes.push(note.to_owned());
        self
    }

    /// One more step, after those before.
    #[must_use]
    pub fn with_step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Its steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The smallest built-in role group whose members may run all of it.
    pub fn minimum_role_group(&self) -> RoleGroup {
        self.steps
            .iter()
            .map(|s| s.apply().facts().role_group)
            .max()
            .unwrap_or(RoleGroup::ViewOnlyOrganizationManagement)
    }

    /// One script for each person who must run a part: a new one begins where the next step needs another role group. They
    /// are to be run in this order, since a step may need what one before it made.
    pub fn split_by_role(&self) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for step in &self.steps {
            let group = step.apply().facts().role_group;
            match parts.last_mut() {
                Some(part) if part.minimum_role_group() == group => part.steps.push(step.clone()),
                _ => parts.push(Self { steps: vec![step.clone()], ..self.clone() }),
            }
        }
        let count = parts.len();
        for (at, part) in parts.iter_mut().enumerate().filter(|_| count > 1) {
            part.title =
                format!("{} (part {} of {count}: {})", self.title, at + 1, part.minimum_role_group());
        }
        parts
    }

    /// The script's text. The same steps give the same text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) naming the step's parameter when a value holds a
    /// character that has no place in a script under review.
    pub fn render(&self) -> Result<String> {
        let mut head: Vec<String> = vec![
            comment_text(&self.title),
            format!("Prepared for app {}.", self.app),
            format!(
                "Run it in Exchange Online PowerShell as a member of \"{}\" (or with the same roles).",
                self.minimum_role_group()
            ),
            "Without -Apply it only shows what it would do. It can be run again: what is there stays."
                .to_owned(),
        ];
        head.extend(self.notes.iter().map(|note| comment_text(note)));
        let mut out = format!("<#\n{}\n#>\n", head.join("\n"));
        out.push_str(PREAMBLE);
        for (number, step) in self.steps.iter().enumerate() {
            out.push_str(&step.render(number + 1)?);
        }
        let app = single_quoted(&self.app.to_string())?;
        out.push_str(&CLOSING.replace("$$APP$$", &app));
        Ok(out)
    }

    /// The script as a file: UTF-8 with a byte order mark, since Windows PowerShell 5.1 reads a file without one in the
    /// machine's code page. Escaping into ASCII (`[char]0x2019`) would spare the mark and make every value an expression
    /// that a reviewer has to compute.
    ///
    /// # Errors
    /// As [`Script::render`].
    pub fn to_file(&self) -> Result<Vec<u8>> {
        let mut bytes = b"\xEF\xBB\xBF".to_vec();
        bytes.extend_from_slice(self.render()?.as_bytes());
        Ok(bytes)
    }
}

const PREAMBLE: &str = r#"param([switch] $Apply, [switch] $WhatIf)

# Cmdlets of a module see the session's preference, and not the script's own.
$preference = $global:ErrorActionPreference
$global:ErrorActionPreference = 'Stop'
$ErrorActionPreference = 'Stop'
$steps = @()
$completed = $false

function Invoke-Step {
    param([string] $Title, [string] $Cmdlet, [scriptblock] $Find, [scriptblock] $Fits, [scriptblock] $Change)
    $result = 'Failed'
    try {
        $found = @()
        try { $found = @(& $Find) }
        catch {
            # Exchange reports "no such object" as an error. Any other error is not an answer.
            $about = "$($_.FullyQualifiedErrorId) $($_.CategoryInfo.Reason) $($_.Exception.GetType().Name) $($_.Exception.Message)"
            if ($about -notmatch 'ManagementObjectNotFoundException|UserNotFoundInPermissionEntryException') { throw }
        }
        if (@($found | Where-Object $Fits).Count -gt 0) { $result = 'AlreadyThere' }
        elseif ($found.Count -gt 0) { throw "${Title}: something of that name is there, and it is not what is wanted. It is left as it is." }
        elseif ($script:Apply -and -not $script:WhatIf) { $null = & $Change; $result = 'Applied' }
        else { $result = 'WouldApply' }
    }
    finally {
        $script:steps += [ordered]@{ title = $Title; cmdlet = $Cmdlet; result = $result }
        Write-Host "$result  $Title"
    }
}

try {
"#;

const CLOSING: &str = r"    $completed = $true
}
finally {
    $global:ErrorActionPreference = $preference
    [ordered]@{
        receipt = 'exchange-admin/1'
        app = $$APP$$
        apply = [bool] ($Apply -and -not $WhatIf)
        completed = $completed
        finishedAt = (Get-Date).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
        steps = @($steps)
    } | ConvertTo-Json -Depth 4
}
";
