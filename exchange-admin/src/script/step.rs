mod access;
mod roles;

use std::fmt::Write as _;

use m365_core::{ClientId, Result};

use crate::Cmdlet as _;
use crate::cmdlets::{
    AddDistributionGroupMember, AddMailboxPermission, GetDistributionGroup, GetDistributionGroupMember,
    GetMailbox, GetMailboxPermission, GetManagementRoleAssignment, GetManagementScope, GetOrganizationConfig,
    GetRecipient, GetServicePrincipal, ListApplicationAccessPolicies, NewApplicationAccessPolicy,
    NewDistributionGroup, NewManagementRoleAssignment, NewManagementScope, NewServicePrincipal,
    NewSharedMailbox, SetOrganizationConfig,
};
use crate::command::Command;
use crate::command::powershell::single_quoted;
use crate::types::ResourceScope;

/// One step of a [`Script`](crate::Script): what to read, what of it counts as there, and what to write otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub(super) title: String,
    /// Read first and kept in `$target`, for conditions that need the ids of another object.
    pub(super) target: Option<Command>,
    pub(super) check: Command,
    /// What is read instead of the command, where it takes several.
    pub(super) find: Option<String>,
    /// Which of the objects read are the one in question.
    pub(super) mine: Vec<Condition>,
    /// What it must be like; another one is a conflict.
    pub(super) fits: Vec<Condition>,
    pub(super) apply: Command,
    /// What is run instead of the command, where a change has to merge with what is there.
    pub(super) merge: Option<String>,
}

/// A condition on `$_`. Property names are ours; only texts come from outside, and those are quoted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Is(&'static str, String),
    Contains(&'static str, String),
    ContainsNot(&'static str, String),
    /// Any of the names by which Exchange may show somebody.
    IsCalled(String),
    /// Rights of a folder's entry: at least one of these.
    AnyRight(Vec<&'static str>),
    /// Rights of a folder's entry: at least one that is none of these.
    RightBeside(Vec<&'static str>),
    Unset(&'static str),
    Not(&'static str),
    /// But for case, blanks and parentheses, in which Exchange rewrites filters.
    FilterIs(String),
    SameObjectAsTarget,
    PolicyOfTarget,
    /// These texts and no others, in any order.
    SetIs(&'static str, Vec<String>),
    /// The list of apps for EWS, which may come as a text with commas or as a list.
    EwsAllows(ClientId),
    /// The names of what another read finds are these and no others.
    NamesAre(Command, Vec<String>),
}

impl Condition {
    fn render(&self) -> Result<String> {
        Ok(match self {
            Self::Is(property, text) => format!("\"$($_.{property})\" -eq {}", single_quoted(text)?),
            Self::Contains(property, text) => {
                format!("@($_.{property} | ForEach-Object {{ \"$_\" }}) -contains {}", single_quoted(text)?)
            }
            Self::ContainsNot(property, text) => {
                format!(
                    "@($_.{property} | ForEach-Object {{ \"$_\" }}) -notcontains {}",
                    single_quoted(text)?
                )
            }
            Self::IsCalled(name) => format!(
                "@($_.Name, $_.Guid, $_.ExternalDirectoryObjectId, $_.ObjectId, $_.PrimarySmtpAddress, $_.WindowsLiveID | ForEach-Object {{ \"$_\" }}) -contains {}",
                single_quoted(name)?
            ),
            Self::AnyRight(rights) => format!("{} -gt 0", counted("-contains", rights)?),
            Self::RightBeside(rights) => format!("{} -gt 0", counted("-notcontains", rights)?),
            Self::Unset(property) => format!("-not \"$($_.{property})\""),
            // Over REST a truth may come as a text, and every text is true.
            Self::Not(property) => format!("\"$($_.{property})\" -ne 'True'"),
            Self::FilterIs(filter) => {
                let bare: String =
                    filter.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')')).collect();
                format!("(\"$($_.RecipientFilter)\" -replace '[\\s()]', '') -eq {}", single_quoted(&bare)?)
            }
            Self::SetIs(property, texts) => {
                format!(
                    "-not (Compare-Object @($_.{property} | ForEach-Object {{ \"$_\" }}) {})",
                    array(texts)?
                )
            }
            Self::EwsAllows(app) => {
                format!("{} -contains {}", super::ews::listed("$_"), single_quoted(&app.to_string())?)
            }
            Self::NamesAre(read, texts) => format!(
                "-not (Compare-Object @({} | ForEach-Object {{ \"$($_.Name)\" }}) {})",
                read.to_powershell()?,
                array(texts)?
            ),
            Self::SameObjectAsTarget => "\"$($_.Guid)\" -eq \"$($target.Guid)\"".to_owned(),
            Self::PolicyOfTarget => {
                "(\"$($_.Identity)\" -like \"*;$($target.Guid)\" -or \"$($_.Identity)\" -like \
                 \"*;$($target.ExternalDirectoryObjectId)\" -or $_.ScopeName -eq $target.Name)"
                    .to_owned()
            }
        })
    }
}

impl Step {
    pub(super) fn new(title: String, check: Command, apply: Command) -> Self {
        Self {
            title,
            target: None,
            check,
            find: None,
            mine: Vec::new(),
            fits: Vec::new(),
            apply,
            merge: None,
        }
    }

    /// Exchange points to the app's enterprise application.
    ///
    /// # Errors
    /// What the cmdlet's [`command`](crate::Cmdlet::command) gives; so for all steps.
    pub fn service_principal(wanted: &NewServicePrincipal) -> Result<Self> {
        let mut step = Self::new(
            format!("Exchange knows app {}", wanted.app),
            GetServicePrincipal::of_app(wanted.app).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Is("AppId", wanted.app.to_string()));
        step.fits.push(Condition::Is("ObjectId", wanted.object.to_string()));
        Ok(step)
    }

    /// The shared mailbox exists.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn shared_mailbox(wanted: &NewSharedMailbox) -> Result<Self> {
        let mut step = Self::new(
            format!("Shared mailbox {} exists", wanted.address),
            GetMailbox::new(wanted.address.clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Contains("EmailAddresses", format!("smtp:{}", wanted.address)));
        step.fits.push(Condition::Is("RecipientTypeDetails", "SharedMailbox".to_owned()));
        Ok(step)
    }

    /// The right on the mailbox is granted.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn mailbox_permission(wanted: &AddMailboxPermission) -> Result<Self> {
        let get = GetMailboxPermission::new(wanted.mailbox.clone()).with_user(wanted.grantee.clone());
        let mut step = Self::new(
            format!("{} on {} for {}", wanted.right.as_str(), wanted.mailbox, wanted.grantee),
            get.command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Not("IsInherited"));
        step.mine.push(Condition::Contains("AccessRights", wanted.right.as_str().to_owned()));
        step.fits.push(Condition::Not("Deny"));
        Ok(step)
    }

    /// The mail-enabled security group exists.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn security_group(wanted: &NewDistributionGroup) -> Result<Self> {
        let mut step = Self::new(
            format!("Security group {} exists", wanted.address),
            GetDistributionGroup::new(wanted.address.clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Contains("EmailAddresses", format!("smtp:{}", wanted.address)));
        step.fits.push(Condition::Is("RecipientTypeDetails", "MailUniversalSecurityGroup".to_owned()));
        Ok(step)
    }

    /// The recipient is a member of the group.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn group_member(wanted: &AddDistributionGroupMember) -> Result<Self> {
        let mut step = Self::new(
            format!("{} is a member of {}", wanted.member, wanted.group),
            GetDistributionGroupMember::new(wanted.group.clone()).command()?,
            wanted.command()?,
        );
        step.target = Some(GetRecipient::new(wanted.member.clone()).command()?);
        step.mine.push(Condition::SameObjectAsTarget);
        Ok(step)
    }

    /// The access policy exists.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn application_access_policy(wanted: &NewApplicationAccessPolicy) -> Result<Self> {
        let mut step = Self::new(
            format!("{} of app {} to {}", wanted.right.as_str(), wanted.app, wanted.scope),
            ListApplicationAccessPolicies::new().command()?,
            wanted.command()?,
        );
        step.target = Some(GetRecipient::new(wanted.scope.clone()).command()?);
        step.mine.push(Condition::Is("AppId", wanted.app.to_string()));
        step.mine.push(Condition::PolicyOfTarget);
        step.fits.push(Condition::Is("AccessRight", wanted.right.as_str().to_owned()));
        Ok(step)
    }

    /// The management scope exists with this filter. Groups in another order count as another filter.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn management_scope(wanted: &NewManagementScope) -> Result<Self> {
        let mut step = Self::new(
            format!("Management scope {} exists", wanted.name),
            GetManagementScope::new(wanted.name.clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Is("Name", wanted.name.to_string()));
        step.fits.push(Condition::Not("Exclusive"));
        step.fits.push(Condition::FilterIs(wanted.filter.to_string()));
        Ok(step)
    }

    /// The role is assigned.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn management_role_assignment(wanted: &NewManagementRoleAssignment) -> Result<Self> {
        let mut step = Self::new(
            format!("{} for {}", wanted.role, wanted.scope),
            GetManagementRoleAssignment::new(wanted.name.clone()).command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Is("Name", wanted.name.to_string()));
        step.fits.push(Condition::Is("Role", wanted.role.name().to_owned()));
        // Under which names Exchange shows the other kinds of scope is not published.
        step.fits.push(match &wanted.scope {
            ResourceScope::Custom(scope) => Condition::Is("CustomResourceScope", scope.to_string()),
            _ => Condition::Unset("CustomResourceScope"),
        });
        Ok(step)
    }

    /// The app is on the organisation's list of those whose EWS calls pass. The list is read, merged, written and read again;
    /// nobody is taken off it.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn ews_allowed_app(app: ClientId) -> Result<Self> {
        let mut step = Self::new(
            format!("App {app} may use EWS"),
            GetOrganizationConfig::new().with_ews_allowed_apps().command()?,
            SetOrganizationConfig::new().with_ews_allowed_apps([app].into_iter().collect()).command()?,
        );
        step.mine.push(Condition::EwsAllows(app));
        step.merge = Some(super::ews::allow_line(app)?);
        Ok(step)
    }

    /// Another sentence for people.
    #[must_use]
    pub fn with_title(mut self, title: &str) -> Self {
        self.title = title.to_owned();
        self
    }

    /// The sentence for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What is read first.
    pub fn check(&self) -> &Command {
        &self.check
    }

    /// What is written when it is not there.
    pub fn apply(&self) -> &Command {
        &self.apply
    }

    pub(super) fn render(&self, number: usize) -> Result<String> {
        let mut find = String::new();
        if let Some(target) = &self.target {
            let _infallible = write!(find, "$target = {}; ", target.to_powershell()?);
        }
        let read = match &self.find {
            Some(read) => read.clone(),
            None => self.check.to_powershell()?,
        };
        let _infallible = write!(find, "{read} | Where-Object {{ {} }}", all(&self.mine)?);
        Ok(format!(
            "    # Step {number}\n    Invoke-Step -Title {} -Cmdlet {} `\n        -Find {{ {find} }} `\n        \
             -Fits {{ {} }} `\n        -Change {{ {} }}\n",
            single_quoted(&self.title)?,
            single_quoted(self.apply.name().as_str())?,
            all(&self.fits)?,
            match &self.merge {
                Some(merge) => merge.clone(),
                None => self.apply.to_powershell()?,
            },
        ))
    }
}

/// How many of an entry's rights are, or are not, among these.
fn counted(operator: &str, rights: &[&str]) -> Result<String> {
    let quoted = rights.iter().map(|r| single_quoted(r)).collect::<Result<Vec<_>>>()?;
    Ok(format!(
        "@($_.AccessRights | ForEach-Object {{ \"$_\" }} | Where-Object {{ @({}) {operator} $_ }}).Count",
        quoted.join(",")
    ))
}

fn array(texts: &[String]) -> Result<String> {
    let texts: Vec<String> = texts.iter().map(|t| single_quoted(t)).collect::<Result<_>>()?;
    Ok(format!("@({})", texts.join(",")))
}

fn all(conditions: &[Condition]) -> Result<String> {
    if conditions.is_empty() {
        return Ok("$true".to_owned());
    }
    Ok(conditions.iter().map(Condition::render).collect::<Result<Vec<_>>>()?.join(" -and "))
}
