//! Scripts for the Exchange Management Shell of an Exchange Server.

mod text;
mod undo;

use std::fmt::Write as _;

use m365_core::{Acted, Error, ErrorKind, MailboxAddress, Result};

use super::receipt::{ReceiptStep, ScriptReceipt};
use crate::RecipientFilter;
use crate::cmdlets::ImpersonationScope;
use crate::command::powershell::{comment_text, single_quoted};
use crate::types::{ManagementScopeName, RoleAssignmentName, ThrottlingPolicyName};
use text::{
    EACH, FULL_ACCESS, IMPERSONATION, MANAGEMENT_SCOPE, NARROW, PREAMBLE, REVIEWER, THROTTLING, TYPED_ERRORS,
    fill, indented,
};

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
    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exchange2007Sp1 => "Exchange 2007 SP1 or later",
            Self::Exchange2010 => "Exchange 2010",
            Self::Exchange2013ToSe => "Exchange 2013, 2016, 2019 or SE",
        }
    }

    /// The EWS settings of a throttling policy without limits but on subscriptions. The budgets of 2013 and later did not
    /// exist in 2010, which counted shares of each minute and took `$null` for "no limit".
    const fn unlimited(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Exchange2007Sp1 => &[],
            Self::Exchange2010 => &[
                ("EWSMaxConcurrency", "$null"),
                ("EWSPercentTimeInAD", "$null"),
                ("EWSPercentTimeInCAS", "$null"),
                ("EWSPercentTimeInMailboxRPC", "$null"),
                ("EWSMaxSubscriptions", "5000"),
            ],
            Self::Exchange2013ToSe => &[
                ("EwsMaxConcurrency", "Unlimited"),
                ("EwsMaxBurst", "Unlimited"),
                ("EwsRechargeRate", "Unlimited"),
                ("EwsCutoffBalance", "Unlimited"),
                ("EwsMaxSubscriptions", "5000"),
            ],
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

/// The mailboxes that a management scope holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPremisesScope {
    /// The direct members of a group that exists already. Its distinguished name is asked for when the script runs, and
    /// goes into the scope's filter: a group that is renamed or moved later empties the scope.
    Group(MailboxAddress),
    /// Those that a filter holds.
    Filter(RecipientFilter),
}

/// What the service account gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnPremisesGrant {
    /// FullAccess to the mailboxes; from Exchange 2007 on.
    FullAccess(OnPremisesMailboxes),
    /// Reviewer on the default calendar, whatever it is called in the mailbox's language; from Exchange 2010 on.
    CalendarReviewer(OnPremisesMailboxes),
    /// A management scope for [`Impersonation`](Self::Impersonation); from Exchange 2010 on. One of this name with another
    /// filter is a conflict and stays.
    ManagementScope {
        /// The scope's name.
        name: ManagementScopeName,
        /// Which mailboxes it holds.
        members: OnPremisesScope,
    },
    /// The role ApplicationImpersonation; from Exchange 2010 on. Unless it is for the whole organisation, the script first
    /// looks for another assignment by which the account impersonates already, and stops at one: roles add up, and the
    /// scope would limit nothing.
    Impersonation {
        /// The assignment's name, by which a second run finds it.
        name: RoleAssignmentName,
        /// Whose mailboxes.
        scope: ImpersonationScope,
    },
    /// A throttling policy of its own, without limits for EWS but on subscriptions (5000), and its association with the
    /// account; from Exchange 2010 SP1 on. An account with another policy keeps it, and the script stops.
    ThrottlingPolicy {
        /// The policy's name.
        name: ThrottlingPolicyName,
    },
}

impl OnPremisesGrant {
    /// The role group whose members may grant it; on Exchange 2007 an Exchange Organization Administrator instead.
    pub const fn role_group(&self) -> &'static str {
        match self {
            Self::FullAccess(_) | Self::CalendarReviewer(_) => "Recipient Management",
            Self::ManagementScope { .. } | Self::Impersonation { .. } | Self::ThrottlingPolicy { .. } => {
                "Organization Management"
            }
        }
    }

    /// Whether a step of a receipt is of this grant, for this account: the title is this crate's, and the name in it is the
    /// grant's, or any mailbox where the mailboxes are not known before the script runs.
    pub fn made(&self, account: &str, step: &ReceiptStep) -> bool {
        let about = |cmdlet: &str, what: &str| {
            step.cmdlet == cmdlet
                && step.on.as_deref().is_some_and(|on| step.title == format!("{what} {on} for {account}"))
        };
        let named = |cmdlet: &str, title: &str| step.cmdlet == cmdlet && step.title == title;
        match self {
            Self::FullAccess(_) => about("Add-MailboxPermission", "FullAccess on"),
            Self::CalendarReviewer(_) => about("Add-MailboxFolderPermission", "Reviewer on the calendar of"),
            Self::ManagementScope { name, .. } => {
                named("New-ManagementScope", &format!("Management scope {name}"))
            }
            Self::Impersonation { name, .. } => named(
                "New-ManagementRoleAssignment",
                &format!("ApplicationImpersonation for {account} ({name})"),
            ),
            Self::ThrottlingPolicy { name } => {
                named("New-ThrottlingPolicy", &format!("Throttling policy {name}"))
                    || named(
                        "Set-ThrottlingPolicyAssociation",
                        &format!("Throttling policy {name} for {account}"),
                    )
            }
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
    /// nor role assignments, take [`OnPremisesGrant::FullAccess`] there. [`ErrorKind::InvalidInput`] for an empty list.
    pub fn with_grant(mut self, grant: OnPremisesGrant) -> Result<Self> {
        if self.shell == Shell::Exchange2007Sp1 && !matches!(grant, OnPremisesGrant::FullAccess(_)) {
            let text = "Exchange 2007 has no cmdlets for folder permissions, management roles and throttling policies: grant FullAccess";
            return Err(Error::new(ErrorKind::Unsupported, text).with_acted(Acted::No));
        }
        match &grant {
            OnPremisesGrant::FullAccess(OnPremisesMailboxes::Listed(listed))
            | OnPremisesGrant::CalendarReviewer(OnPremisesMailboxes::Listed(listed))
                if listed.is_empty() =>
            {
                return Err(Error::invalid(
                    "the list of mailboxes is empty; an empty list is never taken for all",
                ));
            }
            _ => {}
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
        let mut out = self.head(
            &self.title,
            &who,
            "Without -Apply it only shows what it would do. It can be run again: what is there stays.",
        )?;
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

    fn head(&self, title: &str, who: &str, note: &str) -> Result<String> {
        let mut out = String::new();
        for line in [
            comment_text(title),
            format!("For the Exchange Management Shell of {}; to be run by {who}.", self.shell.name()),
            note.to_owned(),
        ] {
            // Line comments: PowerShell 1.0 has no others.
            let _infallible = writeln!(out, "# {}", line.replace("#`>", "#>"));
        }
        out.push_str(&fill(PREAMBLE, &[("ACCOUNT", &single_quoted(&self.account)?)]));
        if self.shell != Shell::Exchange2007Sp1 {
            out.push_str(TYPED_ERRORS);
        }
        Ok(out)
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
                each(out, &fill(FULL_ACCESS, &[("MAPPING", mapping)]));
            }
            OnPremisesGrant::CalendarReviewer(mailboxes) => {
                targets(out, mailboxes)?;
                each(out, REVIEWER);
            }
            OnPremisesGrant::ManagementScope { name, members } => {
                let filter = match members {
                    OnPremisesScope::Group(group) => format!(
                        "\"MemberOfGroup -eq '\" + (\"$((Get-DistributionGroup -Identity {}).DistinguishedName)\" -replace \"'\", \"''\") + \"'\"",
                        single_quoted(group.as_str())?
                    ),
                    OnPremisesScope::Filter(filter) => single_quoted(filter.as_str())?,
                };
                out.push_str(&fill(
                    MANAGEMENT_SCOPE,
                    &[("FILTER", &filter), ("NAME", &single_quoted(name.as_str())?)],
                ));
            }
            OnPremisesGrant::Impersonation { name, scope } => {
                let (property, wanted, parameter) = match scope {
                    ImpersonationScope::Custom(scope) => {
                        let scope = single_quoted(scope.as_str())?;
                        ("CustomRecipientWriteScope", scope, " -CustomRecipientWriteScope $scope")
                    }
                    ImpersonationScope::OrganizationalUnit(unit) => {
                        // Exchange shows the unit by its canonical name, and under no property of its own name.
                        let unit = single_quoted(unit.as_str())?;
                        (
                            "CustomRecipientWriteScope",
                            format!("\"$((Get-OrganizationalUnit -Identity {unit}).Identity)\""),
                            " -RecipientOrganizationalUnitScope $scope",
                        )
                    }
                    ImpersonationScope::Organization => {
                        ("RecipientWriteScope", "'Organization'".to_owned(), "")
                    }
                };
                let narrow = if parameter.is_empty() { "" } else { NARROW };
                out.push_str(&fill(
                    IMPERSONATION,
                    &[
                        ("NARROW", narrow),
                        ("PROPERTY", property),
                        ("PARAMETER", parameter),
                        ("SCOPE", &wanted),
                        ("NAME", &single_quoted(name.as_str())?),
                    ],
                ));
            }
            OnPremisesGrant::ThrottlingPolicy { name } => {
                let settings = self.shell.unlimited();
                let fits: Vec<String> = settings
                    .iter()
                    .map(|(property, value)| match *value {
                        "$null" => format!("\"$($_.{property})\" -eq ''"),
                        value => format!("\"$($_.{property})\" -eq '{value}'"),
                    })
                    .collect();
                let parameters: Vec<String> =
                    settings.iter().map(|(property, value)| format!("-{property} {value}")).collect();
                out.push_str(&fill(
                    THROTTLING,
                    &[
                        ("FITS", &fits.join(" -and ")),
                        ("SETTINGS", &parameters.join(" ")),
                        ("NAME", &single_quoted(name.as_str())?),
                    ],
                ));
            }
        }
        Ok(())
    }

    /// Reads this script's own receipt.
    ///
    /// # Errors
    /// Those of [`ScriptReceipt::read`]; [`ErrorKind::Conflict`] when it is that of another script: of another account, or
    /// with steps that are none of these grants'.
    pub fn read_receipt(&self, bytes: &[u8]) -> Result<ScriptReceipt> {
        let receipt = ScriptReceipt::read(bytes)?;
        let known = |step: &ReceiptStep| self.grants.iter().any(|g| g.made(&self.account, step));
        if receipt.app != self.account || !receipt.steps.iter().all(known) {
            return Err(Error::new(ErrorKind::Conflict, "the receipt is that of another script"));
        }
        Ok(receipt)
    }

    /// Its grants.
    pub fn grants(&self) -> &[OnPremisesGrant] {
        &self.grants
    }

    /// The service account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The server whose shell runs it.
    pub const fn shell(&self) -> Shell {
        self.shell
    }
}

fn each(out: &mut String, body: &str) {
    out.push_str(&fill(EACH, &[("BODY", &indented(body, "        "))]));
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
