use std::collections::BTreeSet;

use m365_core::Result;

use super::{AccessProfile, AppProfile, GrantMode};
use crate::access::is_limited_by_policies;
use crate::permission::{Permission, Reach};

impl AccessProfile {
    /// What a profile can contradict by itself, before any tenant is asked.
    pub(super) fn validate(&self) -> Result<()> {
        if self.apps.is_empty() {
            return Err(self.complain(&self.name, "the profile names no app"));
        }
        if !is_plain(&self.name) {
            return Err(self.complain(
                &self.name,
                format!("\"{}\" is no profile name: 1 to 64 letters, digits, - _ or .", self.name),
            ));
        }
        if let Some(replacement) = self.replaces_impersonation
            && let Some(app) = self.apps.iter().find(|a| a.scope.grant != GrantMode::Rbac)
        {
            return Err(self.complain(
                &app.unique_name,
                format!(
                    "replace = \"{}\" gives a role with a scope: {} needs grant = \"rbac\"",
                    replacement.name(),
                    app.unique_name
                ),
            ));
        }
        self.validate_groups()?;
        let mut seen = BTreeSet::new();
        for app in &self.apps {
            if !seen.insert(app.unique_name.to_lowercase()) {
                return Err(
                    self.complain(&app.unique_name, format!("two apps are called \"{}\"", app.unique_name))
                );
            }
            self.validate_app(app)?;
        }
        Ok(())
    }

    /// A group is one scope: apps that share it reach the same mailboxes, and no canary of theirs may be among them.
    fn validate_groups(&self) -> Result<()> {
        let grouped = || self.apps.iter().filter_map(|app| Some((app, app.scope.group.as_ref()?)));
        for (index, (app, group)) in grouped().enumerate() {
            for (other, shared) in grouped().skip(index + 1).filter(|(_, g)| g.address == group.address) {
                let set = |app: &AppProfile| app.scope.mailboxes.iter().cloned().collect::<BTreeSet<_>>();
                let accepted = group.allow_other_members && shared.allow_other_members;
                if set(app) != set(other) && !accepted {
                    return Err(self.complain(
                        group.address.as_str(),
                        format!(
                            "{} and {} share the group {} and name different mailboxes: each would reach the other's",
                            app.unique_name, other.unique_name, group.address
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    fn validate_app(&self, app: &AppProfile) -> Result<()> {
        let name_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // The longest object name derived from it must stay within Exchange's 64 characters.
        if app.unique_name.is_empty() || app.unique_name.len() > 32 || !app.unique_name.chars().all(name_fits)
        {
            return Err(self.complain(
                &app.unique_name,
                format!("\"{}\" is no unique name: 1 to 32 letters, digits, - _ or .", app.unique_name),
            ));
        }
        if app.permissions.is_empty() {
            return Err(
                self.complain(&app.unique_name, format!("{} asks for no permission", app.unique_name))
            );
        }
        if app.scope.mailboxes.is_empty() {
            return Err(self.complain(
                &app.unique_name,
                format!(
                    "{} names no mailbox: an empty scope is never taken for the whole organisation",
                    app.unique_name
                ),
            ));
        }
        let canary = &app.scope.canary;
        if app.scope.holds(canary) {
            return Err(self.complain(
                canary.as_str(),
                format!("the canary {canary} is one of the mailboxes in scope: a proof that it stays closed cannot succeed"),
            ));
        }
        self.validate_permissions(app)?;
        match (app.scope.grant, &app.scope.group) {
            (GrantMode::Rbac | GrantMode::AccessPolicy, None) => Err(self.complain(
                &app.unique_name,
                format!("{} is scoped by {} and needs a group", app.unique_name, app.scope.grant.name()),
            )),
            (GrantMode::MailboxPermission, Some(group)) => Err(self.complain(
                group.address.as_str(),
                "mailbox permissions are given mailbox by mailbox: leave the group out",
            )),
            _ => Ok(()),
        }
    }

    fn validate_permissions(&self, app: &AppProfile) -> Result<()> {
        let mut seen = BTreeSet::new();
        for name in &app.permissions {
            let permission = Permission::parse(name);
            if !seen.insert(permission.name().to_owned()) {
                return Err(self.complain(name, format!("{name} is asked for twice")));
            }
            match (permission.reach(), app.scope.grant) {
                (Reach::Protocol, GrantMode::MailboxPermission) | (Reach::Directory, _) => {}
                (Reach::Protocol, other) => {
                    return Err(self.complain(
                        name,
                        format!(
                            "{name} is limited by mailbox permissions only; {} does not reach it",
                            other.name()
                        ),
                    ));
                }
                (Reach::Mailbox, GrantMode::MailboxPermission) => {
                    return Err(self.complain(
                        name,
                        format!("mailbox permissions do not limit {name}: use rbac, or access-policy"),
                    ));
                }
                (Reach::Mailbox, GrantMode::Rbac) if crate::names::role(permission.name()).is_none() => {
                    return Err(self.complain(name, format!("Exchange has no application role for {name}")));
                }
                (Reach::Mailbox, GrantMode::AccessPolicy)
                    if !is_limited_by_policies(permission.api().client_id(), permission.name()) =>
                {
                    return Err(self.complain(
                        name,
                        format!("access policies do not limit {name}, so its consent would open every mailbox: use rbac"),
                    ));
                }
                (Reach::Mailbox, _) => {}
                (Reach::Unknown, _) => {
                    return Err(self.complain(
                        name,
                        format!("{name} is neither limited to mailboxes nor a read of the directory, as far as this version knows: it is not consented to by the way"),
                    ));
                }
                (Reach::WholeOrganisation, _) if name.trim() == "full_access_as_app" => {
                    return Err(self.complain(
                        name,
                        "the consent full_access_as_app opens every mailbox over EWS; EWS.AccessAsApp with grant = \"rbac\" is the same with a scope",
                    ));
                }
                (Reach::WholeOrganisation, _) => {
                    return Err(self.complain(
                        name,
                        format!("{name} opens every mailbox of the organisation and cannot be limited here; ask for what is needed"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What can name a file as well as an object.
pub(super) fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(fits)
}
