//! The parts of a script, as Exchange's shells read them. `$$…$$` stands for a quoted value or for text of this crate.

/// The lines of a body, further in. No value in them has a line break.
pub(super) fn indented(body: &str, by: &str) -> String {
    body.lines().map(|line| format!("{by}{line}\n")).collect()
}

/// Puts values in the places of a template, in one pass: a value that looks like a place is a value.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("$$") {
        out.push_str(before);
        let place = after.split_once("$$").and_then(|(name, after)| {
            values.iter().find_map(|(known, value)| (*known == name).then_some((*value, after)))
        });
        match place {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push_str("$$");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Written for PowerShell 1.0: no try, no ordered tables, no JSON.
pub(super) const PREAMBLE: &str = r#"param([switch] $Apply, [switch] $WhatIf)

# The shell's cmdlets see the session's preference, and not the script's own.
$preference = $global:ErrorActionPreference
$global:ErrorActionPreference = 'Stop'
$ErrorActionPreference = 'Stop'
$account = $$ACCOUNT$$
$script:steps = @()
$script:completed = $false
$script:current = $null
$script:failures = 0
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

function Add-Result([string] $Title, [string] $Cmdlet, [string] $Result, [string] $On, [string] $Before) {
    $more = ''
    if ($On) { $more += ',"on":' + (ConvertTo-JsonText $On) }
    if ($Before) { $more += ',"before":' + (ConvertTo-JsonText $Before) }
    $script:steps += '{"title":' + (ConvertTo-JsonText $Title) + ',"cmdlet":' + (ConvertTo-JsonText $Cmdlet) + ',"result":' + (ConvertTo-JsonText $Result) + $more + '}'
    $script:current = $null
    if ($Result -eq 'Failed') { $script:failures += 1 } else { $script:failures = 0 }
    Write-Host "$Result  $Title"
}

function Add-Failure([string] $Why) {
    if ($script:current) { Add-Result $script:current[0] $script:current[1] 'Failed' $script:current[2] }
    Write-Host "        $Why"
}

function Write-Receipt {
    $global:ErrorActionPreference = $preference
    if ($script:current) { Add-Result $script:current[0] $script:current[1] 'Failed' $script:current[2] }
    $now = (Get-Date).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ')
    $flags = '"apply":' + "$write".ToLower() + ',"completed":' + "$script:completed".ToLower()
    '{"receipt":"exchange-admin/1","app":' + (ConvertTo-JsonText $account) + ',' + $flags + ',"finishedAt":"' + $now + '","steps":[' + [string]::Join(',', [string[]] $script:steps) + ']}'
}

trap { Write-Receipt; break }

"#;

/// "Not found" is told by the exception's type; its text is in the server's language. Any other error ends the script.
pub(super) const TYPED_ERRORS: &str = r#"function Find-Or([string] $Absent, [scriptblock] $Find) {
    try { & $Find }
    catch {
        $about = "$($_.FullyQualifiedErrorId) $($_.CategoryInfo.Reason) $($_.Exception.GetType().Name)"
        if ($about -notmatch $Absent) { throw }
    }
}

"#;

/// Each mailbox by itself: one that nobody has signed in to has no calendar yet, and keeps the others from nothing. When ten
/// in a row fail, it is not the mailboxes. The inner block's error is the outer block's to trap; PowerShell 1.0 has no
/// other way to go on after one.
pub(super) const EACH: &str = r#"foreach ($mailbox in $targets) {
    if ($script:failures -ge 10) { throw 'Ten mailboxes in a row failed. The rest was not tried.' }
    & {
        trap { Add-Failure "$_"; continue }
        & {
$$BODY$$        }
    }
}
"#;

/// The same for one mailbox of an undo.
pub(super) const ONE: &str = r#"if ($script:failures -ge 10) { throw 'Ten mailboxes in a row failed. The rest was not tried.' }
& {
    trap { Add-Failure "$_"; continue }
    & {
$$BODY$$    }
}
"#;

pub(super) const FULL_ACCESS: &str = r#"    $id = "$($mailbox.DistinguishedName)"
    $on = "$($mailbox.PrimarySmtpAddress)"
    $title = "FullAccess on $on for $account"
    $script:current = @($title, 'Add-MailboxPermission', $on)
    $mine = @(Get-MailboxPermission -Identity $id -User $account | Where-Object { "$($_.IsInherited)" -ne 'True' -and (@($_.AccessRights | ForEach-Object { "$_" }) -contains 'FullAccess') })
    if (@($mine | Where-Object { "$($_.Deny)" -eq 'True' }).Length -gt 0) { throw "${title}: an entry denies it. It is left as it is." }
    if ($mine.Length -gt 0) { Add-Result $title 'Add-MailboxPermission' 'AlreadyThere' $on }
    elseif ($write) {
        $null = Add-MailboxPermission -Identity $id -User $account -AccessRights FullAccess -InheritanceType All$$MAPPING$$ -Confirm:$false
        Add-Result $title 'Add-MailboxPermission' 'Applied' $on
    }
    else { Add-Result $title 'Add-MailboxPermission' 'WouldApply' $on }
"#;

/// The type of the folder is always English; its name is the mailbox's. A right that holds more than Reviewer stays, and
/// one that holds something else is not replaced.
pub(super) const REVIEWER: &str = r#"    $on = "$($mailbox.PrimarySmtpAddress)"
    $title = "Reviewer on the calendar of $on for $account"
    $script:current = @($title, 'Add-MailboxFolderPermission', $on)
    $calendar = @(Get-MailboxFolderStatistics -Identity "$($mailbox.DistinguishedName)" -FolderScope Calendar | Where-Object { "$($_.FolderType)" -eq 'Calendar' })
    if ($calendar.Length -ne 1) { throw "${title}: $($calendar.Length) default calendars were found." }
    $folder = "${on}:\$($calendar[0].Name)"
    $mine = @(Find-Or 'UserNotFoundInPermissionEntryException' { Get-MailboxFolderPermission -Identity $folder -User $account })
    $rights = @($mine | ForEach-Object { $_.AccessRights } | ForEach-Object { "$_" })
    $enough = @($rights | Where-Object { @('Reviewer', 'NonEditingAuthor', 'Author', 'Editor', 'PublishingAuthor', 'PublishingEditor', 'Owner') -contains $_ })
    $less = @($rights | Where-Object { @('None', 'AvailabilityOnly', 'LimitedDetails') -notcontains $_ })
    if ($enough.Length -gt 0) { Add-Result $title 'Add-MailboxFolderPermission' 'AlreadyThere' $on }
    elseif ($less.Length -gt 0) { throw "${title}: there is another permission ($rights). It is left as it is." }
    elseif (-not $write) { Add-Result $title 'Add-MailboxFolderPermission' 'WouldApply' $on }
    else {
        if ($rights.Length -gt 0) { $null = Set-MailboxFolderPermission -Identity $folder -User $account -AccessRights Reviewer -Confirm:$false }
        else { $null = Add-MailboxFolderPermission -Identity $folder -User $account -AccessRights Reviewer -Confirm:$false }
        Add-Result $title 'Add-MailboxFolderPermission' 'Applied' $on "$rights"
    }
"#;

/// Runs before an assignment with a scope is made: whatever else lets the account impersonate.
pub(super) const NARROW: &str = r#"$wider = @(Get-ManagementRoleAssignment -RoleAssignee $account | Where-Object { "$($_.Role)" -eq 'ApplicationImpersonation' -and "$($_.Name)" -ne $name })
if ($wider.Length -gt 0) { throw "${title}: the account impersonates already by ""$($wider[0].Name)"", and roles add up. Remove that one first." }
"#;

/// An assignment of the name that is another account's is a conflict. Accounts are compared as Exchange writes them.
pub(super) const IMPERSONATION: &str = r#"$name = $$NAME$$
$scope = $$SCOPE$$
$title = "ApplicationImpersonation for $account ($name)"
$script:current = @($title, 'New-ManagementRoleAssignment', '')
$who = @(Get-User -Identity $account)
if ($who.Length -ne 1) { throw "${title}: $($who.Length) accounts of that name were found." }
$$NARROW$$$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ManagementRoleAssignment -Identity $name })
$fits = @($found | Where-Object { "$($_.Role)" -eq 'ApplicationImpersonation' -and "$($_.$$PROPERTY$$)" -eq $scope -and "$($_.RoleAssignee)" -eq "$($who[0].Identity)" -and "$($_.Enabled)" -ne 'False' })
if ($fits.Length -gt 0) { Add-Result $title 'New-ManagementRoleAssignment' 'AlreadyThere' }
elseif ($found.Length -gt 0) { throw "${title}: an assignment of that name is another account's, or has another role or scope. It is left as it is." }
elseif ($write) {
    $null = New-ManagementRoleAssignment -Name $name -Role ApplicationImpersonation -User $account$$PARAMETER$$ -Confirm:$false
    Add-Result $title 'New-ManagementRoleAssignment' 'Applied'
}
else { Add-Result $title 'New-ManagementRoleAssignment' 'WouldApply' }
"#;

/// Exchange rewrites blanks and parentheses of a filter.
pub(super) const MANAGEMENT_SCOPE: &str = r#"$name = $$NAME$$
$title = "Management scope $name"
$script:current = @($title, 'New-ManagementScope', '')
$filter = $$FILTER$$
if ($filter -eq "MemberOfGroup -eq ''") { throw "${title}: its group has no distinguished name." }
$bare = $filter -replace '[\s()]', ''
$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ManagementScope -Identity $name })
$fits = @($found | Where-Object { ("$($_.RecipientFilter)" -replace '[\s()]', '') -eq $bare -and "$($_.Exclusive)" -ne 'True' })
if ($fits.Length -gt 0) { Add-Result $title 'New-ManagementScope' 'AlreadyThere' }
elseif ($found.Length -gt 0) { throw "${title}: a scope of that name has another filter. It is left as it is." }
elseif ($write) {
    $null = New-ManagementScope -Name $name -RecipientRestrictionFilter $filter -Confirm:$false
    Add-Result $title 'New-ManagementScope' 'Applied'
}
else { Add-Result $title 'New-ManagementScope' 'WouldApply' }
"#;

/// The policy first, then its association: nothing else of the account's limits is touched.
pub(super) const THROTTLING: &str = r#"$name = $$NAME$$
$title = "Throttling policy $name"
$script:current = @($title, 'New-ThrottlingPolicy', '')
$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ThrottlingPolicy -Identity $name })
$fits = @($found | Where-Object { $$FITS$$ })
if ($fits.Length -gt 0) { Add-Result $title 'New-ThrottlingPolicy' 'AlreadyThere' }
elseif ($found.Length -gt 0) { throw "${title}: a policy of that name has other limits. It is left as it is." }
elseif ($write) {
    $null = New-ThrottlingPolicy -Name $name $$SETTINGS$$ -Confirm:$false
    Add-Result $title 'New-ThrottlingPolicy' 'Applied'
}
else { Add-Result $title 'New-ThrottlingPolicy' 'WouldApply' }
$title = "Throttling policy $name for $account"
$script:current = @($title, 'Set-ThrottlingPolicyAssociation', '')
$now = @(Get-ThrottlingPolicyAssociation -Identity $account | ForEach-Object { "$($_.ThrottlingPolicyId)" } | Where-Object { $_ })
$ours = @($now | Where-Object { $_ -eq $name -or $_.EndsWith('\' + $name) -or $_.EndsWith('/' + $name) -or $_.StartsWith('CN=' + $name + ',') })
if ($ours.Length -gt 0) { Add-Result $title 'Set-ThrottlingPolicyAssociation' 'AlreadyThere' }
elseif ($now.Length -gt 0) { throw "${title}: the account has the policy ""$($now[0])"". It is left as it is." }
elseif ($write) {
    $null = Set-ThrottlingPolicyAssociation -Identity $account -ThrottlingPolicy $name -Confirm:$false
    Add-Result $title 'Set-ThrottlingPolicyAssociation' 'Applied'
}
else { Add-Result $title 'Set-ThrottlingPolicyAssociation' 'WouldApply' }
"#;

/// Only the entry itself: other rights of the account on the mailbox are not touched.
pub(super) const UNDO_FULL_ACCESS: &str = r#"$on = $$ON$$
$title = "Take back FullAccess on $on for $account"
$script:current = @($title, 'Remove-MailboxPermission', $on)
$mine = @(Get-MailboxPermission -Identity $on -User $account | Where-Object { "$($_.IsInherited)" -ne 'True' -and "$($_.Deny)" -ne 'True' -and (@($_.AccessRights | ForEach-Object { "$_" }) -contains 'FullAccess') })
if ($mine.Length -eq 0) { Add-Result $title 'Remove-MailboxPermission' 'AlreadyThere' $on }
elseif ($write) {
    $null = Remove-MailboxPermission -Identity $on -User $account -AccessRights FullAccess -InheritanceType All -Confirm:$false
    Add-Result $title 'Remove-MailboxPermission' 'Applied' $on
}
else { Add-Result $title 'Remove-MailboxPermission' 'WouldApply' $on }
"#;

/// Rights other than the Reviewer that was written are somebody else's decision.
pub(super) const UNDO_REVIEWER: &str = r#"$on = $$ON$$
$before = $$BEFORE$$
$title = "Take back Reviewer on the calendar of $on for $account"
$script:current = @($title, 'Remove-MailboxFolderPermission', $on)
$calendar = @(Get-MailboxFolderStatistics -Identity $on -FolderScope Calendar | Where-Object { "$($_.FolderType)" -eq 'Calendar' })
if ($calendar.Length -ne 1) { throw "${title}: $($calendar.Length) default calendars were found." }
$folder = "${on}:\$($calendar[0].Name)"
$mine = @(Find-Or 'UserNotFoundInPermissionEntryException' { Get-MailboxFolderPermission -Identity $folder -User $account })
$rights = @($mine | ForEach-Object { $_.AccessRights } | ForEach-Object { "$_" })
if ($rights.Length -eq 0 -or "$rights" -eq $before) { Add-Result $title 'Remove-MailboxFolderPermission' 'AlreadyThere' $on }
elseif ("$rights" -ne 'Reviewer') { Add-Result $title 'Remove-MailboxFolderPermission' 'LeftAlone' $on }
elseif (-not $write) { Add-Result $title 'Remove-MailboxFolderPermission' 'WouldApply' $on }
else {
    if ($before) { $null = Set-MailboxFolderPermission -Identity $folder -User $account -AccessRights $before -Confirm:$false }
    else { $null = Remove-MailboxFolderPermission -Identity $folder -User $account -Confirm:$false }
    Add-Result $title 'Remove-MailboxFolderPermission' 'Applied' $on
}
"#;

/// An assignment of the name that is another account's now is left alone.
pub(super) const UNDO_IMPERSONATION: &str = r#"$name = $$NAME$$
$title = "Take back ApplicationImpersonation for $account ($name)"
$script:current = @($title, 'Remove-ManagementRoleAssignment', '')
$who = @(Get-User -Identity $account)
$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ManagementRoleAssignment -Identity $name })
$ours = @($found | Where-Object { "$($_.Role)" -eq 'ApplicationImpersonation' -and $who.Length -eq 1 -and "$($_.RoleAssignee)" -eq "$($who[0].Identity)" })
if ($found.Length -eq 0) { Add-Result $title 'Remove-ManagementRoleAssignment' 'AlreadyThere' }
elseif ($ours.Length -eq 0) { Add-Result $title 'Remove-ManagementRoleAssignment' 'LeftAlone' }
elseif ($write) {
    $null = Remove-ManagementRoleAssignment -Identity $name -Confirm:$false
    Add-Result $title 'Remove-ManagementRoleAssignment' 'Applied'
}
else { Add-Result $title 'Remove-ManagementRoleAssignment' 'WouldApply' }
"#;

/// A scope that another assignment uses by now is left alone.
pub(super) const UNDO_MANAGEMENT_SCOPE: &str = r#"$name = $$NAME$$
$title = "Take back the management scope $name"
$script:current = @($title, 'Remove-ManagementScope', '')
$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ManagementScope -Identity $name })
$used = @(Get-ManagementRoleAssignment | Where-Object { "$($_.CustomRecipientWriteScope)" -eq $name })
if ($found.Length -eq 0) { Add-Result $title 'Remove-ManagementScope' 'AlreadyThere' }
elseif (-not $write) { Add-Result $title 'Remove-ManagementScope' 'WouldApply' }
elseif ($used.Length -gt 0) { Add-Result $title 'Remove-ManagementScope' 'LeftAlone' }
else {
    $null = Remove-ManagementScope -Identity $name -Confirm:$false
    Add-Result $title 'Remove-ManagementScope' 'Applied'
}
"#;

/// Back to the default policy; another one that the account has by now stays.
pub(super) const UNDO_THROTTLING_ASSOCIATION: &str = r#"$name = $$NAME$$
$title = "Take back the throttling policy $name for $account"
$script:current = @($title, 'Set-ThrottlingPolicyAssociation', '')
$now = @(Get-ThrottlingPolicyAssociation -Identity $account | ForEach-Object { "$($_.ThrottlingPolicyId)" } | Where-Object { $_ })
$ours = @($now | Where-Object { $_ -eq $name -or $_.EndsWith('\' + $name) -or $_.EndsWith('/' + $name) -or $_.StartsWith('CN=' + $name + ',') })
if ($now.Length -eq 0) { Add-Result $title 'Set-ThrottlingPolicyAssociation' 'AlreadyThere' }
elseif ($ours.Length -eq 0) { Add-Result $title 'Set-ThrottlingPolicyAssociation' 'LeftAlone' }
elseif ($write) {
    $null = Set-ThrottlingPolicyAssociation -Identity $account -ThrottlingPolicy $null -Confirm:$false
    Add-Result $title 'Set-ThrottlingPolicyAssociation' 'Applied'
}
else { Add-Result $title 'Set-ThrottlingPolicyAssociation' 'WouldApply' }
"#;

/// Exchange itself refuses to remove a policy that is still associated.
pub(super) const UNDO_THROTTLING_POLICY: &str = r#"$name = $$NAME$$
$title = "Take back the throttling policy $name"
$script:current = @($title, 'Remove-ThrottlingPolicy', '')
$found = @(Find-Or 'ManagementObjectNotFoundException' { Get-ThrottlingPolicy -Identity $name })
if ($found.Length -eq 0) { Add-Result $title 'Remove-ThrottlingPolicy' 'AlreadyThere' }
elseif ($write) {
    $null = Remove-ThrottlingPolicy -Identity $name -Confirm:$false
    Add-Result $title 'Remove-ThrottlingPolicy' 'Applied'
}
else { Add-Result $title 'Remove-ThrottlingPolicy' 'WouldApply' }
"#;
