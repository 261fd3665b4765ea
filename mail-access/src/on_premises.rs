//! Plans for an Exchange Server: what the script does, who runs it, what it leaves behind, and how it is tried.

use exchange_admin::cmdlets::{AddMailboxPermission, ImpersonationScope, NewImpersonationAssignment};
use exchange_admin::{
    Cmdlet as _, ManagementScopeName, OnPremisesGrant, OnPremisesMailboxes, OnPremisesScope,
    OnPremisesScript, RoleAssignmentName, ScriptReceipt, Shell, single_quoted,
};
use m365_core::{Error, ErrorKind, MailboxAddress, Result};
use serde::Serialize;

use crate::handover::StepOutcome;
use crate::plan::{Description, Window};
use crate::profile::{ImpersonationReach, OnPremisesAccess, OnPremisesProfile};

/// What has to be done on an Exchange Server. Making it asks nobody: the script looks before it writes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OnPremisesPlan {
    /// Name of the profile.
    pub profile: String,
    /// The profile's sentence.
    pub summary: String,
    /// The service account.
    pub account: String,
    /// The Exchange Server.
    pub server: &'static str,
    /// The steps, in order.
    pub steps: Vec<OnPremisesStep>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// How the access is to be tried live, over EWS.
    pub probes: Vec<LiveProbe>,
    #[serde(skip)]
    script: OnPremisesScript,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OnPremisesStep {
    /// Stable id, the same in every plan of the profile.
    pub id: String,
    /// What it does. There is no REST route: `call` names the shell.
    #[serde(flatten)]
    pub description: Description,
    #[serde(skip)]
    pub(crate) grant: OnPremisesGrant,
}

/// One try over EWS: the service account asks for a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LiveProbe {
    /// The mailbox.
    pub mailbox: MailboxAddress,
    /// The folder that `GetFolder` asks for.
    pub folder: &'static str,
    /// Whether the account asks in the owner's name.
    pub impersonated: bool,
    /// Whether it must open.
    pub opens: bool,
    /// Response codes that count as the refusal; empty when it must open. Any other failure proves nothing.
    pub refusals: &'static [&'static str],
}

impl std::fmt::Display for LiveProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.impersonated { "as" } else { "in" };
        write!(f, "GetFolder {} {how} {}: ", self.folder, self.mailbox)?;
        match self.opens {
            true => f.write_str("opens"),
            false => write!(f, "refused with {}", self.refusals.join(" or ")),
        }
    }
}

impl OnPremisesProfile {
    /// The plan of this profile. Pure: nothing is asked, nothing is changed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when a value has no place in a script that people review.
    pub fn plan(&self) -> Result<OnPremisesPlan> {
        let mut script = OnPremisesScript::new(&self.name, self.server, &self.account)?;
        let mut steps = Vec::new();
        for grant in self.grants()? {
            steps.push(self.step(&grant)?);
            script = script.with_grant(grant)?;
        }
        Ok(OnPremisesPlan {
            profile: self.name.clone(),
            summary: self.summary.clone(),
            account: self.account.clone(),
            server: self.server.name(),
            steps,
            notes: self.notes(),
            probes: self.live_probes(),
            script,
        })
    }

    /// Narrow before broad: the scope, then what it limits; how much the account may use comes last.
    fn grants(&self) -> Result<Vec<OnPremisesGrant>> {
        let mut grants = Vec::new();
        match &self.access {
            OnPremisesAccess::FullAccess(mailboxes) => {
                grants.push(OnPremisesGrant::FullAccess(mailboxes.clone()));
            }
            OnPremisesAccess::CalendarReviewer(mailboxes) => {
                grants.push(OnPremisesGrant::CalendarReviewer(mailboxes.clone()));
            }
            OnPremisesAccess::Impersonation(reach) => {
                let scope_name = ManagementScopeName::parse(&format!("{} mailboxes", self.name))?;
                let members = match reach {
                    ImpersonationReach::Group(group) => Some(OnPremisesScope::Group(group.clone())),
                    ImpersonationReach::Filter(filter) => Some(OnPremisesScope::Filter(filter.clone())),
                    ImpersonationReach::OrganizationalUnit(_) | ImpersonationReach::Organization => None,
                };
                let scope = match reach {
                    ImpersonationReach::OrganizationalUnit(unit) => {
                        ImpersonationScope::OrganizationalUnit(unit.clone())
                    }
                    ImpersonationReach::Organization => ImpersonationScope::Organization,
                    _ => ImpersonationScope::Custom(scope_name.clone()),
                };
                if let Some(members) = members {
                    grants.push(OnPremisesGrant::ManagementScope { name: scope_name, members });
                }
                let name = RoleAssignmentName::parse(&format!("{} impersonation", self.name))?;
                grants.push(OnPremisesGrant::Impersonation { name, scope });
            }
        }
        if let Some(name) = &self.throttling_policy {
            grants.push(OnPremisesGrant::ThrottlingPolicy { name: name.clone() });
        }
        Ok(grants)
    }

    fn step(&self, grant: &OnPremisesGrant) -> Result<OnPremisesStep> {
        let account = single_quoted(&self.account)?;
        let (id, sentence, line, inverse, undo) = match grant {
            OnPremisesGrant::FullAccess(mailboxes) => (
                "full-access",
                format!("Give {} FullAccess on {}.", self.account, whom(mailboxes)),
                each(
                    mailboxes,
                    &format!(
                        "Add-MailboxPermission -Identity $_ -User {account} -AccessRights FullAccess -InheritanceType All"
                    ),
                )?,
                "Take FullAccess back where the receipt says it was given; who had it before keeps it.",
                format!(
                    "Remove-MailboxPermission -Identity <mailbox> -User {account} -AccessRights FullAccess -InheritanceType All"
                ),
            ),
            OnPremisesGrant::CalendarReviewer(mailboxes) => (
                "calendar-reviewer",
                format!(
                    "Let {} read the calendar (Reviewer), whatever it is called there, of {}.",
                    self.account,
                    whom(mailboxes)
                ),
                each(
                    mailboxes,
                    &format!(
                        "Add-MailboxFolderPermission -Identity \"${{_}}:\\<its calendar>\" -User {account} -AccessRights Reviewer"
                    ),
                )?,
                "Remove the entries that the receipt says were made, and give those that were raised their former right.",
                format!("Remove-MailboxFolderPermission -Identity <mailbox>:\\<calendar> -User {account}"),
            ),
            OnPremisesGrant::ManagementScope { name, members } => (
                "scope",
                match members {
                    OnPremisesScope::Group(group) => {
                        format!("Make the management scope \"{name}\": the direct members of {group}.")
                    }
                    OnPremisesScope::Filter(filter) => {
                        format!("Make the management scope \"{name}\": {filter}.")
                    }
                    _ => format!("Make the management scope \"{name}\"."),
                },
                match members {
                    OnPremisesScope::Filter(filter) => format!(
                        "New-ManagementScope -Name {} -RecipientRestrictionFilter {}",
                        single_quoted(name.as_str())?,
                        single_quoted(filter.as_str())?
                    ),
                    _ => format!(
                        "New-ManagementScope -Name {} -RecipientRestrictionFilter \"MemberOfGroup -eq '<the group's distinguished name>'\"",
                        single_quoted(name.as_str())?
                    ),
                },
                "Remove the scope, after the role that uses it.",
                format!("Remove-ManagementScope -Identity {}", single_quoted(name.as_str())?),
            ),
            OnPremisesGrant::Impersonation { name, scope } => {
                let (whose, parameter) = match scope {
                    ImpersonationScope::Custom(scope) => (
                        format!("in the scope \"{scope}\", and no other"),
                        format!(" -CustomRecipientWriteScope {}", single_quoted(scope.as_str())?),
                    ),
                    ImpersonationScope::OrganizationalUnit(unit) => (
                        format!("in {}, and no other", unit.as_str()),
                        format!(" -RecipientOrganizationalUnitScope {}", single_quoted(unit.as_str())?),
                    ),
                    ImpersonationScope::Organization => {
                        ("of the whole organisation".to_owned(), String::new())
                    }
                };
                (
                    "impersonation",
                    format!("Let {} act in the name of the mailboxes {whose}.", self.account),
                    format!(
                        "New-ManagementRoleAssignment -Name {} -Role ApplicationImpersonation -User {account}{parameter}",
                        single_quoted(name.as_str())?
                    ),
                    "Take the role back.",
                    format!("Remove-ManagementRoleAssignment -Identity {}", single_quoted(name.as_str())?),
                )
            }
            OnPremisesGrant::ThrottlingPolicy { name } => (
                "throttling",
                format!(
                    "Give {} the throttling policy \"{name}\" of its own: no EWS limits but 5000 subscriptions.",
                    self.account
                ),
                format!(
                    "New-ThrottlingPolicy -Name {0} …; Set-ThrottlingPolicyAssociation -Identity {account} -ThrottlingPolicy {0}",
                    single_quoted(name.as_str())?
                ),
                "Give the account the default policy again, then remove this one.",
                format!(
                    "Set-ThrottlingPolicyAssociation -Identity {account} -ThrottlingPolicy $null; Remove-ThrottlingPolicy -Identity {}",
                    single_quoted(name.as_str())?
                ),
            ),
            _ => return Err(Error::new(ErrorKind::Unsupported, "this plan does not know the grant")),
        };
        let window = match grant {
            OnPremisesGrant::FullAccess(_) | OnPremisesGrant::CalendarReviewer(_) => {
                AddMailboxPermission::window()
            }
            _ => NewImpersonationAssignment::window(),
        };
        let role = match self.server {
            Shell::Exchange2007Sp1 => "Exchange Organization Administrator",
            _ => grant.role_group(),
        };
        Ok(OnPremisesStep {
            id: format!("{}/{id}", self.name),
            description: Description {
                sentence,
                role: role.to_owned(),
                call: "Exchange Management Shell".to_owned(),
                powershell: line,
                window: Window { earliest: window.earliest, likely: window.likely, latest: window.latest },
                inverse: inverse.to_owned(),
                inverse_powershell: undo,
            },
            grant: grant.clone(),
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "The account, its password and its licence are the administrator's; no script asks for them."
                .to_owned(),
        ];
        match &self.access {
            OnPremisesAccess::Impersonation(ImpersonationReach::Organization) => notes.push(
                "The account will be able to open every mailbox of the organisation, those of people who join later included."
                    .to_owned(),
            ),
            OnPremisesAccess::Impersonation(ImpersonationReach::Group(group)) => notes.push(format!(
                "Only direct members of {group} are in scope; members of groups in it are not. The group's distinguished name is in the scope: after the group was renamed or moved, the scope is empty."
            )),
            OnPremisesAccess::FullAccess(OnPremisesMailboxes::All)
            | OnPremisesAccess::CalendarReviewer(OnPremisesMailboxes::All) => notes.push(
                "Mailboxes made after the script ran are not covered: run it again after each of them.".to_owned(),
            ),
            OnPremisesAccess::FullAccess(_) => {
                notes.push("FullAccess opens private items, too.".to_owned());
            }
            _ => {}
        }
        notes.push(
            "Not tried yet: the script's receipt is a claim. `verify` proves it by the probes below."
                .to_owned(),
        );
        notes
    }

    fn live_probes(&self) -> Vec<LiveProbe> {
        let impersonated = matches!(self.access, OnPremisesAccess::Impersonation(_));
        let folder = match self.access {
            OnPremisesAccess::FullAccess(_) => "inbox",
            _ => "calendar",
        };
        let refusals = refusals(impersonated);
        let probe = |mailbox: &MailboxAddress, opens: bool| LiveProbe {
            mailbox: mailbox.clone(),
            folder,
            impersonated,
            opens,
            refusals: if opens { &[] } else { refusals },
        };
        let open = self.probes.iter().map(|m| probe(m, true));
        open.chain(self.canary.iter().map(|m| probe(m, false))).collect()
    }
}

impl OnPremisesPlan {
    /// Steps whose effect no call tells.
    #[cfg(feature = "ews")]
    pub(crate) fn untried_steps(&self) -> impl Iterator<Item = &OnPremisesStep> {
        self.steps.iter().filter(|step| matches!(step.grant, OnPremisesGrant::ThrottlingPolicy { .. }))
    }

    /// The scripts, one for each role group that must run a part, in the order in which they are to be run.
    pub fn scripts(&self) -> Vec<OnPremisesScript> {
        self.script.split_by_role()
    }

    /// One script for all of it, for whoever may run every part.
    pub const fn script(&self) -> &OnPremisesScript {
        &self.script
    }

    /// Reads what a script of this plan printed.
    ///
    /// # Errors
    /// Those of [`OnPremisesScript::read_receipt`].
    pub fn read_receipt(&self, bytes: &[u8]) -> Result<ScriptReceipt> {
        self.script.read_receipt(bytes)
    }

    /// What became of each step, by the receipts of its scripts so far, the latest last.
    pub fn outcome(&self, receipts: &[ScriptReceipt]) -> Vec<StepOutcome> {
        self.steps
            .iter()
            .map(|step| {
                // The last receipt that speaks of the step; a part that covers it and found no mailbox says so by its end.
                let mine = receipts.iter().rev().find_map(|receipt| {
                    let of = |s: &&exchange_admin::ReceiptStep| step.grant.made(&self.account, s);
                    let steps: Vec<_> = receipt.steps.iter().filter(of).collect();
                    (!steps.is_empty()).then_some((receipt, steps))
                });
                let expected = match &step.grant {
                    OnPremisesGrant::FullAccess(OnPremisesMailboxes::Listed(listed))
                    | OnPremisesGrant::CalendarReviewer(OnPremisesMailboxes::Listed(listed)) => {
                        Some(listed.len())
                    }
                    OnPremisesGrant::FullAccess(_) | OnPremisesGrant::CalendarReviewer(_) => None,
                    OnPremisesGrant::ThrottlingPolicy { .. } => Some(2),
                    _ => Some(1),
                };
                match mine {
                    Some((receipt, steps)) => StepOutcome::of(
                        &step.id,
                        &step.description.sentence,
                        &steps,
                        // How many there are of "all" only the end of the script says.
                        expected.map_or(receipt.completed, |expected| steps.len() >= expected),
                    ),
                    None => StepOutcome::open(&step.id, &step.description.sentence),
                }
            })
            .collect()
    }

    /// The script that takes back what a receipt says was written.
    ///
    /// # Errors
    /// Those of [`OnPremisesScript::undo`].
    pub fn undo_to_file(&self, receipt: &ScriptReceipt) -> Result<Vec<u8>> {
        self.script.undo_to_file(receipt)
    }
}

/// Codes by which an Exchange Server refuses a mailbox.
pub(crate) const fn refusals(impersonated: bool) -> &'static [&'static str] {
    match impersonated {
        true => &["ErrorImpersonateUserDenied"],
        // A delegate without rights is told any of these.
        false => &["ErrorAccessDenied", "ErrorItemNotFound", "ErrorFolderNotFound"],
    }
}

fn whom(mailboxes: &OnPremisesMailboxes) -> String {
    match mailboxes {
        OnPremisesMailboxes::Listed(listed) => {
            listed.iter().map(MailboxAddress::as_str).collect::<Vec<_>>().join(", ")
        }
        _ => "every mailbox there is when the script runs".to_owned(),
    }
}

fn each(mailboxes: &OnPremisesMailboxes, line: &str) -> Result<String> {
    Ok(match mailboxes {
        OnPremisesMailboxes::Listed(listed) => {
            let quoted = listed.iter().map(|m| single_quoted(m.as_str())).collect::<Result<Vec<_>>>()?;
            format!("{} | ForEach-Object {{ {line} }}", quoted.join(", "))
        }
        _ => format!("Get-Mailbox -ResultSize Unlimited | ForEach-Object {{ {line} }}"),
    })
}
