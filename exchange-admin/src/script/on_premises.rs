//! Scripts for the Exchange Management Shell of an Exchange Server.

use std::fmt::Write as _;

use m365_core::{Acted, Error, ErrorKind, MailboxAddress, Result};

use crate::command::powershell::{comment_text, single_quoted};
use crate::types::{ManagementScopeName, RoleAssignmentName};

/// The Exchange Server whose shell runs the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Shell {
    /// Exchange 2007 from service pack 1 on, with PowerShell 1.0: no folder permissions, no role assignments.
    Exchange2007Sp1,
    /// Exchange 2010, with PowerShell 2.0.
    Exchange2010,
    /// Exchange 2013, 2016, 2019 and Subscription Edition.
    Exchange2013ToSe,
}

impl Shell {
    const fn name(self) -> &'static str {
        match self {
            Self::Exchange2007Sp1 => "Exchange 2007 SP1 or later",
            Self::Exchange2010 => "Exchange 2010",
            Self::Exchange2013ToSe => "Exchange 2013, 2016, 2019 or SE",
        }
    }
}

/// The mailboxes that a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPremisesMailboxes {
    /// Every mailbox of a person, a room, or shared, that there is when the script runs.
    All,
    /// These.
    Listed(Vec<MailboxAddress>),
}

/// What the service account gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPremisesGrant {
    /// FullAccess to the mailboxes; from Exchange 2007 on.
    FullAccess(OnPremisesMailboxes),
    /// Reviewer on the default calendar, whatever it is called in the mailbox's language; from Exchange 2010 on.
    CalendarReviewer(OnPremisesMailboxes),
    /// The role ApplicationImpersonation, for the mailboxes of a scope or all; from Exchange 2010 on.
    Impersonation {
        /// The assignment's name, by which a second run finds it.
        name: RoleAssignmentName,
        /// The management scope; `None` is every mailbox of the organisation.
        scope: Option<ManagementScopeName>,
    },
}

impl OnPremisesGrant {
    const fn role_group(&self) -> &'static str {
        match self {
            Self::FullAccess(_) | Self::CalendarReviewer(_) => "Recipient Management",
            Self::Impersonation { .. } => "Organization Management",
        }
    }
}

/// A script for one service account. Like [`Script`](super::Script) it reads before it writes, writes only with
/// `-Apply`, changes nothing the second time, and prints a receipt for
/// [`ScriptReceipt::read`](super::ScriptReceipt::read).
///
/// ```
/// use exchange_admin::{OnPremisesGrant, OnPremisesMailboxes, OnPremisesScript, Shell};
/// let script = OnPremisesScript::new("Room displays", Shell::Exchange2010, "CONTOSO\\svc-rooms")?
///     .with_grant(OnPremisesGrant::CalendarReviewer(OnPremisesMailboxes::All))?;
/// assert!(script.render()?.contains("-AccessRights Reviewer"));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnPremisesScript {
    title: String,
    shell: Shell,
    account: String,
    grants: Vec<OnPremisesGrant>,
}

impl OnPremisesScript {
    /// An empty script; the account is an address, a UPN or `DOMAIN\name`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an empty account or one with characters that a reviewer would not see.
    pub fn new(title: &str, shell: Shell, account: &str) -> Result<Self> {
        if account.trim().is_empty() {
            return Err(Error::invalid("the service account is empty"));
        }
        single_quoted(account)?;
        Ok(Self { title: title.to_owned(), shell, account: account.trim().to_owned(), grants: Vec::new() })
    }

    /// One more grant, after those before.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when the server has no such permission: Exchange 2007 knows neither folder permissions
    /// nor role assignments, take [`OnPremisesGrant::FullAccess`] there.
    pub fn with_grant(mut self, grant: OnPremisesGrant) -> Result<Self> {
        if self.shell == Shell::Exchange2007Sp1 && !matches!(grant, OnPremisesGrant::FullAccess(_)) {
            let text = "Exchange 2007 has neither folder permissions by cmdlet nor management roles: grant FullAccess";
            return Err(Error::new(ErrorKind::Unsupported, text).with_acted(Acted::No));
        }
        self.grants.push(grant);
        Ok(self)
    }

    /// One script for each role group that must run a part, in the order of the grants.
    pub fn split_by_role(&self) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for grant in &self.grants {
            match parts.last_mut() {
                Some(part) if part.role_group() == grant.role_group() => part.grants.push(grant.clone()),
                _ => parts.push(Self { grants: vec![grant.clone()], ..self.clone() }),
            }
        }
        parts
    }

    /// The role group whose members may run all of it.
    pub fn role_group(&self) -> &'static str {
        let broad = self.grants.iter().any(|g| g.role_group() == "Organization Management");
        if broad { "Organization Management" } else { "Recipient Management" }
    }

    /// The script's text. The same grants give the same text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when a value holds a character that has no place in a script under review.
    pub fn render(&self) -> Result<String> {
        let who = match self.shell {
            Shell::Exchange2007Sp1 => "an Exchange Organization Administrator".to_owned(),
            _ => format!("a member of \"{}\"", self.role_group()),
        };
        let mut out = String::new();
        for line in [
            comment_text(&self.title),
            format!("For the Exchange Management Shell of {}; to be run by {who}.", self.shell.name()),
            "Without -Apply it only shows what it would do. It can be run again: what is there stays."
                .to_owned(),
        ] {
            // Line comments: PowerShell 1.0 has no others.
            let _infallible = writeln!(out, "# {}", line.replace("#`>", "#>"));
        }
        let account = single_quoted(&self.account)?;
        out.push_str(&PREAMBLE.replace("$$ACCOUNT$$", &account));
        if self.shell != Shell::Exchange2007Sp1 {
            out.push_str(TYPED_ERRORS);
        }
        for grant in &self.grants {
            self.grant(&mut out, grant)?;
        }
        out.push_str("$script:completed = $true\nWrite-Receipt\n");
        Ok(out)
    }

    /// The script as a file, with a byte order mark: Windows PowerShell reads a file without one in the machine's code
    /// page.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn to_file(&self) -> Result<Vec<u8>> {
        let mut bytes = b"\xEF\xBB\xBF".to_vec();
        bytes.extend_from_slice(self.render()?.replace('\n', "\r\n").as_bytes());
        Ok(bytes)
    }

    fn grant(&self, out: &mut String, grant: &OnPremisesGrant) -> Result<()> {
        match grant {
            OnPremisesGrant::FullAccess(mailboxes) => {
                let mapping = match self.shell {
                    Shell::Exchange2013ToSe => " -AutoMapping $false",
                    // The parameter came with a service pack of 2010.
                    _ => "",
                };
                targets(out, mailboxes)?;
                out.push_str(&FULL_ACCESS.replace("$$MAPPING$$", mapping));
            }
            OnPremisesGrant::CalendarReviewer(mailboxes) => {
                targets(out, mailboxes)?;
                out.push_str(REVIEWER);
            }
            OnPremisesGrant::Impersonation { name, scope } => {
                let (wanted, parameter) = match scope {
                    Some(scope) => {
                        let scope = single_quoted(scope.as_str())?;
                        (scope.clone(), format!(" -CustomRecipientWriteScope {scope}"))
                    }
                    None => ("''".to_owned(), String::new()),
                };
                out.push_str(
                    &IMPERSONATION
                        .replace("$$SCOPE_PARAMETER$$", &parameter)
                        .replace("$$SCOPE$$", &wanted)
                        .replace("$$NAME$$", &single_quoted(name.as_str())?),
                );
            }
        }
        Ok(())
    }
}

/// `$targets`: each named once, and each must be found.
fn targets(out: &mut String, mailboxes: &OnPremisesMailboxes) -> Result<()> {
    match mailboxes {
        OnPremisesMailboxes::All => out.push_str(
            "$targets = @(Get-Mailbox -ResultSize Unlimited | Where-Object { \
             @('UserMailbox', 'SharedMailbox', 'RoomMailbox', 'EquipmentMailbox', 'LegacyMailbox', 'LinkedMailbox') \
             -contains \"$($_.RecipientTypeDetails)\" })\n",
        ),
        OnPremisesMailboxes::Listed(addresses) => {
            let quoted = addresses.iter().map(|a| single_quoted(a.as_str())).collect::<Result<Vec<_>>>()?;
            let _infallible = writeln!(
                out,
                "$targets = @(@({}) | ForEach-Object {{ Get-Mailbox -Identity $_ }})",
                quoted.join(", ")
            );
        }
    }
    Ok(())
}

/// Written for PowerShell 1.0: no try, no ordered tables, no JSON.
const PREAMBLE: &str = r#"param([switch] $Apply, [switch] $WhatIf)

$ErrorActionPreference = 'Stop'
$account = $$ACCOUNT$$
$script:steps = @()
$script:completed = $false
$script:current = $null
$write = [bool] ($Apply -and -not $WhatIf)

function ConvertTo-JsonText([string] $Text) {
    $out = New-Object System.Text.StringBuilder
    foreach ($c in $Text.ToCharArray()) {
        $n = [int] $c
        if ($n -lt 32 -or $n -gt 126 -or $n -eq 34 -or $n -eq 92) { [void] $out.Append(('\u{0:x4}' -f $n)) }
        else { [void] $out.Append($c) }
    }
    '"' + $out.ToString() + '"'
}

function Add-Result([string] $Title, [string] $Cmdlet, [string] $Result) {
    $script:steps += '{"title":' + (ConvertTo-JsonText $Title) + ',"cmdlet":' + (ConvertTo-JsonText $Cmdlet) + ',"result":' + (ConvertTo-JsonText $Result) + '}'
    $script:current = $null
    Write-Host "$Result  $Title"
}

function Write-Receipt {
    if ($script:current) { Add-Result $script:current[0] $script:current[1] 'Failed' }
    $now = (Get-Date).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
    $flags = '"apply":' + "$write".ToLower() + ',"completed":' + "$script:completed".ToLower()
    '{"receipt":"exchange-admin/1","app":' + (ConvertTo-JsonText $account) + ',' + $flags + ',"finishedAt":"' + $now + '","steps":[' + [string]::Join(',', [string[]] $script:steps) + ']}'
}

trap { Write-Receipt; break }

"#;

/// "Not found" is told by the exception's type; its text is in the server's language. Any other error ends the script.
const TYPED_ERRORS: &str = r#"function Find-Or([string] $Absent, [scriptblock] $Find) {
    try { & $Find }
    catch {
        $about = "$($_.FullyQualifiedErrorId) $($_.CategoryInfo.Reason) $($_.Exception.GetType().Name)"
        if ($about -notmatch $Absent) { throw }
    }
}

"#;

const FULL_ACCESS: &str = r#"foreach ($mailbox in $targets) {
    $id = "$($mailbox.DistinguishedName)"
    $title = "FullAccess on $($mailbox.PrimarySmtpAddress) for $account"
    $script:current = @($title, 'Add-MailboxPermission')
    $mine = @(Get-MailboxPermission -Identity $id -User $account | Where-Object { -not $_.IsInherited -and (@($_.AccessRights | ForEach-Object { "$_" }) -contains 'FullAccess') })
    if (@($mine | Where-Object { "$($_.Deny)" -eq 'True' }).Length -gt 0) { throw "${title}: an entry denies it. It is left as it is." }
    if ($mine.Length -gt 0) { Add-Result $title 'Add-MailboxPermission' 'AlreadyThere' }
    elseif ($write) {
        $null = Add-MailboxPermission -Identity $id -User $account -AccessRights FullAccess -InheritanceType All$$MAPPING$$ -Confirm:$false
        Add-Result $title 'Add-MailboxPermission' 'Applied'
    }
    else { Add-Result $title 'Add-MailboxPermission' 'WouldApply' }
}
"#;

/// The type of the folder is always English; its name is the mailbox's. A right that holds more than Reviewer stays, and
/// one that holds something else is not replaced.
const REVIEWER: &str = r#"foreach ($mailbox in $targets) {
    $title = "Reviewer on the calendar of $($mailbox.PrimarySmtpAddress) for $account"
    $script:current = @($title, 'Add-MailboxFolderPermission')
    $calendar = @(Get-MailboxFolderStatistics -Identity "$($mailbox.DistinguishedName)" -FolderScope Calendar | Where-Object { "$($_.FolderType)" -eq 'Calendar' })
    if ($calendar.Length -ne 1) { throw "${title}: $($calendar.Length) default calendars were found." }
    $folder = "$($mailbox.PrimarySmtpAddress):\$($calendar[0].Name)"
    $mine = @(Find-Or 'UserNotFoundInPermissionEntryException' { Get-MailboxFolderPermission -Identity $folder -User $account })
    $rights = @($mine | ForEach-Object { $_.AccessRights } | ForEach-Object { "$_" })
    $enough = @($rights | Where-Object { @('Reviewer', 'NonEditingAuthor', 'Author', 'Editor', 'PublishingAuthor', 'PublishingEditor', 'Owner') -contains $_ })
    $less = @($rights | Where-Object { @('None', 'AvailabilityOnly', 'LimitedDetails') -notcontains $_ })
    if ($enough.Length -gt 0) { Add-Result $title 'Add-MailboxFolderPermission' 'AlreadyThere' }
    elseif ($less.Length -gt 0) { throw "${title}: there is another permission ($rights). It is left as it is." }
    elseif (-not $write) { Add-Result $title 'Add-MailboxFolderPermission' 'WouldApply' }
    else {
        if ($rights.Length -gt 0) { $null = Set-MailboxFolderPermission -Identity $folder -User $account -AccessRights Reviewer -Confirm:$false }
        else { $null = Add-MailboxFolderPermission -Identity $folder -User $account -AccessRights Reviewer -Confirm:$false }
        Add-Result $title 'Add-MailboxFolderPermission' 'Applied'
    }
}
"#;

const IMPERSONATION: &str = r#"$name = $$NAME$$
$scope = $$SCOPE$$
$title = "ApplicationImpersonation for $account ($name)"
$script:current = @($title, 'New-ManagementRoleAssignment')
$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ManagementRoleAssignment -Identity $name })
$fits = @($found | Where-Object { "$($_.Role)" -eq 'ApplicationImpersonation' -and "$($_.CustomRecipientWriteScope)" -eq $scope })
if ($fits.Length -gt 0) { Add-Result $title 'New-ManagementRoleAssignment' 'AlreadyThere' }
elseif ($found.Length -gt 0) { throw "${title}: an assignment of that name has another role or scope. It is left as it is." }
elseif ($write) {
    $null = New-ManagementRoleAssignment -Name $name -Role ApplicationImpersonation -User $account$$SCOPE_PARAMETER$$ -Confirm:$false
    Add-Result $title 'New-ManagementRoleAssignment' 'Applied'
}
else { Add-Result $title 'New-ManagementRoleAssignment' 'WouldApply' }
"#;
