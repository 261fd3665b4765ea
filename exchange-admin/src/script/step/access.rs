//! Steps about folders, sending and protocols.

use m365_core::{Acted, Error, ErrorKind, MailboxAddress, Result};

use super::{Condition, Step};
use crate::Cmdlet;
use crate::cmdlets::{
    AddMailboxFolderPermission, AddRecipientPermission, GetCasMailbox, GetMailboxFolderStatistics,
    GetOrganizationConfig, GetRecipientPermission, SetCasMailbox, SetMailboxFolderPermission,
    SetOrganizationConfig,
};
use crate::command::powershell::single_quoted;
use crate::command::{Command, Value};
use crate::types::{FolderAccess, FolderGrantee, FolderIdentity, FolderPath, FolderRole};

impl Step {
    /// Somebody has this role on the default calendar of a mailbox, or one that holds more. The script finds the calendar by
    /// the folder's type, since its name is in the mailbox's language; [`Step::apply`] shows the usual English one. A role
    /// that holds less is raised; any other right is a conflict, and stays.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn calendar_permission(
        mailbox: &MailboxAddress,
        grantee: &MailboxAddress,
        role: FolderRole,
    ) -> Result<Self> {
        let folder = FolderIdentity::at(mailbox.clone(), FolderPath::parse("Calendar")?);
        let to = FolderGrantee::from(grantee.clone());
        let add = AddMailboxFolderPermission::new(folder.clone(), to.clone(), role).command()?;
        let set = SetMailboxFolderPermission::new(folder.clone(), to, role).command()?;
        let wanted = FolderAccess::from(role);
        let roles = |fits: &dyn Fn(&FolderAccess) -> bool| -> Vec<&'static str> {
            FolderRole::all()
                .into_iter()
                .filter(|r| fits(&FolderAccess::from(*r)))
                .map(FolderRole::as_str)
                .collect()
        };
        let enough = roles(&|access| access.covers(&wanted));
        let mut less = roles(&|access| wanted.covers(access) && !access.covers(&wanted));
        less.push("None");

        let statistics = GetMailboxFolderStatistics::of_calendars(mailbox.clone()).command()?;
        let found = format!(
            "$found = @({} | Where-Object {{ \"$($_.FolderType)\" -eq 'Calendar' }}); if ($found.Count -ne 1) {{ throw 'No default calendar, or several.' }}; $folder = {} + $found[0].FolderId",
            statistics.to_powershell()?,
            single_quoted(&format!("{mailbox}:"))?
        );
        let get = format!(
            "Get-MailboxFolderPermission -Identity $folder -User {}",
            single_quoted(grantee.as_str())?
        );
        let at_folder = |command: &Command| -> Result<String> {
            let literal = single_quoted(&folder.to_string())?;
            Ok(command.to_powershell()?.replacen(&format!("-Identity {literal}"), "-Identity $folder", 1))
        };
        let mut step = Self::new(
            format!("{} on the calendar of {mailbox} for {grantee}", role.as_str()),
            statistics,
            add.clone(),
        );
        step.find = Some(format!("{found}; {get}"));
        step.mine.push(Condition::RightBeside(less));
        step.fits.push(Condition::AnyRight(enough));
        step.merge = Some(format!(
            "{found}; $there = @(try {{ {get} }} catch {{ if (\"$($_.FullyQualifiedErrorId) $($_.CategoryInfo.Reason) $($_.Exception.GetType().Name) $($_.Exception.Message)\" -notmatch 'UserNotFoundInPermissionEntryException') {{ throw }} }}); if ($there.Count -gt 0) {{ {} }} else {{ {} }}",
            at_folder(&set)?,
            at_folder(&add)?
        ));
        Ok(step)
    }

    /// Somebody sends as the recipient.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn send_as(wanted: &AddRecipientPermission) -> Result<Self> {
        let get = GetRecipientPermission::new(wanted.recipient.clone()).with_trustee(wanted.trustee.clone());
        let mut step = Self::new(
            format!("{} sends as {}", wanted.trustee, wanted.recipient),
            get.command()?,
            wanted.command()?,
        );
        step.mine.push(Condition::Contains("AccessRights", "SendAs".to_owned()));
        step.mine.push(Condition::Not("IsInherited"));
        step.fits.push(Condition::Is("AccessControlType", "Allow".to_owned()));
        Ok(step)
    }

    /// Protocols of a mailbox are on or off as wanted, and its lists of user agents hold what they shall.
    ///
    /// # Errors
    /// As [`Step::service_principal`].
    pub fn mailbox_switches(wanted: &SetCasMailbox) -> Result<Self> {
        let apply = wanted.command()?;
        let check = GetCasMailbox::new(wanted.mailbox().clone()).command()?;
        let mut step = Self::new(format!("Switches of {}", wanted.mailbox()), check, apply);
        step.mine = switches(step.apply())?;
        Ok(step)
    }

    /// The organisation's switches for EWS are as wanted, and its lists of user agents hold what they shall.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for the list of apps, which has to be merged: take [`Step::ews_allowed_app`]. Otherwise as
    /// [`Step::service_principal`].
    pub fn organization_switches(wanted: &SetOrganizationConfig) -> Result<Self> {
        let mut step = Self::new(
            "Switches of the organisation".to_owned(),
            GetOrganizationConfig::new().command()?,
            wanted.command()?,
        );
        step.mine = switches(step.apply())?;
        Ok(step)
    }
}

/// What the object read must be like for a command of switches to have nothing to do.
fn switches(command: &Command) -> Result<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (name, value) in command.parameters() {
        match (name.as_str(), value) {
            ("Identity" | "Confirm", _) => {}
            ("EwsAllowedAppIDs", _) => {
                let text = "the list of apps allowed for EWS is never written as a whole by a script: put one app on it";
                return Err(Error::new(ErrorKind::Unsupported, text).with_acted(Acted::No));
            }
            (name, Value::Bool(on)) => {
                conditions.push(Condition::Is(name, if *on { "True" } else { "False" }.to_owned()));
            }
            (name, Value::Null) => conditions.push(Condition::Unset(name)),
            (name, Value::Delta { add, remove }) => {
                conditions.extend(add.iter().map(|text| Condition::Contains(name, text.clone())));
                conditions.extend(remove.iter().map(|text| Condition::ContainsNot(name, text.clone())));
            }
            (name, Value::Text(text)) => conditions.push(Condition::Is(name, text.clone())),
            (name, _) => {
                return Err(Error::new(ErrorKind::Unsupported, format!("no script compares {name}"))
                    .with_acted(Acted::No));
            }
        }
    }
    Ok(conditions)
}
