use std::collections::BTreeMap;
use std::fmt;

use exchange_admin::{OnPremisesMailboxes, OrganizationalUnit, RecipientFilter, Shell, ThrottlingPolicyName};
use m365_core::{MailboxAddress, Result};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::SourceMap;
use super::on_premises::{ImpersonationReach, OnPremisesAccess, OnPremisesProfile};
use super::parse::Reader;

#[derive(Deserialize)]
struct Kind {
    account: Option<IgnoredAny>,
    app: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    summary: String,
    account: Account,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: Spanned<String>,
    server: Spanned<String>,
    throttling_policy: Option<Spanned<String>>,
    access: Spanned<Access>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    grant: Spanned<String>,
    mailboxes: Option<Spanned<Mailboxes>>,
    scope: Option<Spanned<Reach>>,
    #[serde(default)]
    probes: Vec<Spanned<String>>,
    canary: Option<Spanned<String>>,
}

enum Mailboxes {
    Word(String),
    Listed(Vec<Spanned<String>>),
}

/// By hand: serde's untagged enums lose the places of what is in them.
impl<'de> Deserialize<'de> for Mailboxes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Mailboxes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\" or a list of addresses")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> std::result::Result<Mailboxes, E> {
                Ok(Mailboxes::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Mailboxes, A::Error> {
                let mut listed = Vec::new();
                while let Some(address) = list.next_element()? {
                    listed.push(address);
                }
                Ok(Mailboxes::Listed(listed))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reach {
    group: Option<Spanned<String>>,
    filter: Option<Spanned<String>>,
    organizational_unit: Option<Spanned<String>>,
    #[serde(default)]
    whole_organization: bool,
}

/// Where a profile for apps is wanted and this is none.
pub(super) fn refuse_account(file: &str, text: &str) -> Result<()> {
    match has_account(file, text)? {
        false => Ok(()),
        true => Err(m365_core::Error::invalid(format!(
            "{file}: this profile is for a service account of an Exchange Server: its plan is a script, and nothing is set up over REST"
        ))),
    }
}

/// Whether a file is about a service account.
pub(super) fn has_account(file: &str, text: &str) -> Result<bool> {
    // What does not parse at all is named by the reading of the cloud's profiles.
    let Ok(kind) = toml::from_str::<Kind>(text) else { return Ok(false) };
    match (kind.account, kind.app) {
        (Some(_), Some(app)) => {
            let reader = Reader { file, text, lines: BTreeMap::new() };
            Err(reader.complain(
                app.span().start,
                "[[app]] is for Microsoft 365 and [account] for an Exchange Server: give each a profile of its own",
            ))
        }
        (account, _) => Ok(account.is_some()),
    }
}

/// Not validated as a whole yet.
pub(super) fn from_toml(file: &str, text: &str) -> Result<OnPremisesProfile> {
    let mut reader = Reader { file, text, lines: BTreeMap::new() };
    let raw: File =
        toml::from_str(text).map_err(|e| reader.complain(e.span().map_or(0, |s| s.start), e.message()))?;
    let name = reader.text(raw.name);
    let at = raw.account.name.span().start;
    let account = reader.text(raw.account.name);
    exchange_admin::single_quoted(&account).map_err(|e| reader.complain(at, e.message()))?;
    if account.trim().is_empty() {
        return Err(reader.complain(at, "the service account has no name"));
    }
    let server = match raw.account.server.get_ref().as_str() {
        "exchange-2007-sp1" => Shell::Exchange2007Sp1,
        "exchange-2010" => Shell::Exchange2010,
        "exchange-2013-to-se" => Shell::Exchange2013ToSe,
        other => {
            return Err(reader.complain(
                raw.account.server.span().start,
                format!("there is no server \"{other}\": use exchange-2007-sp1, exchange-2010 or exchange-2013-to-se"),
            ));
        }
    };
    let throttling_policy = raw
        .account
        .throttling_policy
        .map(|name| {
            let at = name.span().start;
            let name = reader.text(name);
            ThrottlingPolicyName::parse(&name).map_err(|e| reader.complain(at, e.message()))
        })
        .transpose()?;
    let section = raw.account.access.span().start;
    let access = raw.account.access.into_inner();
    let probes = access.probes.into_iter().map(|p| reader.address(p)).collect::<Result<Vec<_>>>()?;
    let canary = access.canary.map(|c| reader.address(c)).transpose()?;
    let grant = read_grant(&mut reader, section, access.grant, access.mailboxes, access.scope)?;
    let source = SourceMap { file: file.to_owned(), lines: reader.lines };
    let names = (name, raw.summary, account.trim().to_owned());
    Ok(OnPremisesProfile::from_parts(names, server, grant, throttling_policy, (probes, canary), source))
}

fn read_grant(
    reader: &mut Reader<'_>,
    section: usize,
    grant: Spanned<String>,
    mailboxes: Option<Spanned<Mailboxes>>,
    scope: Option<Spanned<Reach>>,
) -> Result<OnPremisesAccess> {
    let at = grant.span().start;
    let grant = reader.text(grant);
    let by_mailbox: fn(OnPremisesMailboxes) -> OnPremisesAccess = match grant.as_str() {
        "full-access" => OnPremisesAccess::FullAccess,
        "calendar-reviewer" => OnPremisesAccess::CalendarReviewer,
        "impersonation" => {
            if let Some(mailboxes) = mailboxes {
                return Err(reader.complain(
                    mailboxes.span().start,
                    "impersonation is limited by a scope and not by a list: put the mailboxes into a group and write scope = { group = \"…\" }",
                ));
            }
            let Some(scope) = scope else {
                return Err(reader.complain(
                    section,
                    "impersonation needs a scope: group, filter, organizational_unit, or whole_organization = true, since Exchange's own default is every mailbox",
                ));
            };
            return read_reach(reader, scope).map(OnPremisesAccess::Impersonation);
        }
        other => {
            return Err(reader.complain(
                at,
                format!("there is no grant \"{other}\" on premises: use impersonation, full-access or calendar-reviewer"),
            ));
        }
    };
    if let Some(scope) = scope {
        return Err(reader.complain(
            scope.span().start,
            format!("{grant} is given mailbox by mailbox: leave the scope out"),
        ));
    }
    let Some(mailboxes) = mailboxes else {
        return Err(reader.complain(section, format!("{grant} needs mailboxes: a list, or \"all\"")));
    };
    let at = mailboxes.span().start;
    match mailboxes.into_inner() {
        Mailboxes::Word(word) if word == "all" => Ok(by_mailbox(OnPremisesMailboxes::All)),
        Mailboxes::Word(other) => {
            Err(reader.complain(at, format!("mailboxes is a list or \"all\", not \"{other}\"")))
        }
        Mailboxes::Listed(listed) => {
            let listed: Vec<MailboxAddress> =
                listed.into_iter().map(|m| reader.address(m)).collect::<Result<_>>()?;
            Ok(by_mailbox(OnPremisesMailboxes::Listed(listed)))
        }
    }
}

fn read_reach(reader: &mut Reader<'_>, scope: Spanned<Reach>) -> Result<ImpersonationReach> {
    let at = scope.span().start;
    match scope.into_inner() {
        Reach { group: Some(group), filter: None, organizational_unit: None, whole_organization: false } => {
            reader.address(group).map(ImpersonationReach::Group)
        }
        Reach { group: None, filter: Some(filter), organizational_unit: None, whole_organization: false } => {
            let at = filter.span().start;
            let filter = reader.text(filter);
            RecipientFilter::parse(&filter)
                .map(ImpersonationReach::Filter)
                .map_err(|e| reader.complain(at, e.message()))
        }
        Reach { group: None, filter: None, organizational_unit: Some(unit), whole_organization: false } => {
            let at = unit.span().start;
            let unit = reader.text(unit);
            OrganizationalUnit::parse(&unit)
                .map(ImpersonationReach::OrganizationalUnit)
                .map_err(|e| reader.complain(at, e.message()))
        }
        Reach { group: None, filter: None, organizational_unit: None, whole_organization: true } => {
            Ok(ImpersonationReach::Organization)
        }
        _ => Err(reader.complain(
            at,
            "a scope is exactly one of group, filter, organizational_unit, or whole_organization = true",
        )),
    }
}
