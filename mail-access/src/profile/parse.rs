use std::collections::BTreeMap;
use std::time::Duration;

use m365_core::{Error, MailboxAddress, Result};
use serde::Deserialize;
use toml::Spanned;

use super::{
    AccessProfile, AppProfile, CredentialPolicy, GrantMode, ImpersonationReplacement, Scope, ScopeGroup,
    SharedMailbox, SourceMap,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    summary: String,
    replace: Option<Spanned<String>>,
    #[serde(default, rename = "shared_mailbox")]
    shared_mailboxes: Vec<SharedMailboxEntry>,
    #[serde(rename = "app")]
    apps: Vec<App>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedMailboxEntry {
    address: Spanned<String>,
    display_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    unique_name: Spanned<String>,
    display_name: String,
    permissions: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    multi_tenant: bool,
    #[serde(default = "yes")]
    remove_default_user_read: bool,
    #[serde(default)]
    credential: Option<Credential>,
    scope: ScopeEntry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credential {
    secret_lifetime_days: Option<Spanned<u32>>,
    secret_env: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScopeEntry {
    grant: Option<Spanned<String>>,
    mailboxes: Vec<Spanned<String>>,
    #[serde(default)]
    group: Option<Group>,
    canary: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    address: Spanned<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    create: bool,
    #[serde(default)]
    allow_other_members: bool,
}

fn yes() -> bool {
    true
}

/// Notes where each value stands, and names that place in every complaint.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) lines: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn line_at(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
    }

    pub(super) fn complain(&self, offset: usize, message: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{}:{}: {message}", self.file, self.line_at(offset)))
    }

    pub(super) fn text(&mut self, value: Spanned<String>) -> String {
        let line = self.line_at(value.span().start);
        let text = value.into_inner();
        self.lines.entry(text.to_lowercase()).or_insert(line);
        text
    }

    pub(super) fn address(&mut self, value: Spanned<String>) -> Result<MailboxAddress> {
        let start = value.span().start;
        let text = self.text(value);
        MailboxAddress::parse(&text).map_err(|e| self.complain(start, e.message()))
    }
}

pub(super) fn from_toml(file: &str, text: &str) -> Result<AccessProfile> {
    let mut reader = Reader { file, text, lines: BTreeMap::new() };
    let raw: File =
        toml::from_str(text).map_err(|e| reader.complain(e.span().map_or(0, |s| s.start), e.message()))?;

    let name = reader.text(raw.name);
    let replaces_impersonation = match raw.replace.as_ref().map(|r| (r.get_ref().as_str(), r.span().start)) {
        None => None,
        Some(("ews-allow-list", _)) => Some(ImpersonationReplacement::EwsAllowList),
        Some(("graph", _)) => Some(ImpersonationReplacement::Graph),
        Some((other, at)) => {
            return Err(reader.complain(
                at,
                format!("impersonation is replaced by ews-allow-list or by graph, not by \"{other}\""),
            ));
        }
    };
    let mut shared_mailboxes = Vec::with_capacity(raw.shared_mailboxes.len());
    for entry in raw.shared_mailboxes {
        shared_mailboxes.push(SharedMailbox {
            address: reader.address(entry.address)?,
            display_name: entry.display_name,
        });
    }
    let mut apps = Vec::with_capacity(raw.apps.len());
    for app in raw.apps {
        apps.push(read_app(&mut reader, app, replaces_impersonation)?);
    }
    let profile = AccessProfile {
        name,
        summary: raw.summary,
        shared_mailboxes,
        apps,
        replaces_impersonation,
        source: SourceMap { file: file.to_owned(), lines: reader.lines },
    };
    profile.validate()?;
    Ok(profile)
}

fn read_app(
    reader: &mut Reader<'_>,
    app: App,
    replacement: Option<ImpersonationReplacement>,
) -> Result<AppProfile> {
    let permissions = match (app.permissions, replacement) {
        (Some(permissions), None) => permissions.into_inner().into_iter().map(|p| reader.text(p)).collect(),
        (None, Some(replacement)) => vec![replacement.permission().to_owned()],
        (Some(permissions), Some(replacement)) => {
            return Err(reader.complain(
                permissions.span().start,
                format!(
                    "replace = \"{}\" asks for {} already: leave the permissions out, or the replacement",
                    replacement.name(),
                    replacement.permission()
                ),
            ));
        }
        (None, None) => {
            return Err(reader.complain(app.unique_name.span().start, "missing field `permissions`"));
        }
    };
    let grant = match app.scope.grant.as_ref().map(|g| (g.get_ref().as_str(), g.span().start)) {
        None | Some(("rbac", _)) => GrantMode::Rbac,
        Some(("access-policy", _)) => GrantMode::AccessPolicy,
        Some(("mailbox-permission", _)) => GrantMode::MailboxPermission,
        Some((other, at)) => {
            return Err(reader.complain(
                at,
                format!("there is no grant mode \"{other}\": use rbac, access-policy or mailbox-permission"),
            ));
        }
    };
    let group = match app.scope.group {
        Some(group) => {
            let address = reader.address(group.address)?;
            let display_name = group.display_name.unwrap_or_else(|| address.as_str().to_owned());
            Some(ScopeGroup {
                address,
                display_name,
                create: group.create,
                allow_other_members: group.allow_other_members,
            })
        }
        None => None,
    };
    let mut mailboxes = Vec::with_capacity(app.scope.mailboxes.len());
    for mailbox in app.scope.mailboxes {
        mailboxes.push(reader.address(mailbox)?);
    }
    Ok(AppProfile {
        unique_name: reader.text(app.unique_name),
        display_name: app.display_name,
        permissions,
        multi_tenant: app.multi_tenant,
        remove_default_user_read: app.remove_default_user_read,
        credential: read_credential(reader, app.credential)?,
        scope: Scope { grant, mailboxes, group, canary: reader.address(app.scope.canary)? },
    })
}

fn read_credential(reader: &mut Reader<'_>, credential: Option<Credential>) -> Result<CredentialPolicy> {
    match credential {
        None => Ok(CredentialPolicy::default_secret()),
        Some(Credential { secret_lifetime_days: Some(days), secret_env: None }) => {
            if !(1..=730).contains(days.get_ref()) {
                return Err(reader.complain(days.span().start, "a secret lives 1 to 730 days"));
            }
            Ok(CredentialPolicy::NewSecret { lifetime: Duration::from_secs(u64::from(*days.get_ref()) * 24 * 3600) })
        }
        Some(Credential { secret_lifetime_days: None, secret_env: Some(variable) }) => {
            Ok(CredentialPolicy::FromEnvironment { variable: reader.text(variable) })
        }
        Some(Credential { secret_env: Some(variable), .. }) => Err(reader.complain(
            variable.span().start,
            "secret_env names a secret that exists, secret_lifetime_days asks for a new one: give one of them",
        )),
        Some(_) => Ok(CredentialPolicy::default_secret()),
    }
}
