//! The other way round: which mailboxes an app reaches, and which apps reach a mailbox.

use std::collections::BTreeSet;
use std::fmt;

use m365_core::{ClientId, MailboxAddress, Result};
use serde::Serialize;

use super::{
    AccessPicture, AccessQuery, AppPicture, EntraGrant, EntraGrants, ExchangePointer, Gap, MailboxPicture,
    MailboxSwitches, OrganizationWide, Outcome, ProvenApp, Question, RecipientId, Verdict, Way,
};
use crate::ExchangeAdmin;
use crate::cmdlets::ListServicePrincipals;
use crate::types::ApplicationRole;

/// One line of "which mailboxes does this app reach?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reached {
    /// Every mailbox of the organisation, those of people who join later too. Only exceptions follow.
    EveryMailbox {
        /// Why.
        because: Vec<OrganizationWide>,
    },
    /// One mailbox that was read.
    Mailbox {
        /// Its id.
        id: RecipientId,
        /// Its address.
        address: String,
        /// What was found.
        verdict: Verdict,
    },
    /// Mailboxes that were not read may be open too.
    Others {
        /// Why that cannot be told.
        why: String,
    },
}

impl AccessPicture {
    /// The mailboxes that the app reaches in this way, one after the other and each computed only when it is asked for.
    /// An app that reaches everything gets one line that says so, and after it only the mailboxes that are not open.
    /// Otherwise every mailbox of the picture comes with its verdict; read the picture
    /// [`with_members`](AccessQuery::with_members) to have those of the groups in it.
    pub fn mailboxes_of<'a>(&'a self, question: &'a Question<'a>) -> impl Iterator<Item = Reached> + 'a {
        let because: Vec<OrganizationWide> = self.wide(question);
        let beyond = self.beyond(question);
        // What is held everywhere opens nothing where a switch, or a disabled app, closes the way.
        let everywhere =
            beyond.outcome == Outcome::Allowed && because.iter().any(|wide| wide.sure == Outcome::Allowed);
        let others = (!everywhere && beyond.outcome != Outcome::Denied).then(|| beyond.to_string());
        let first = everywhere.then_some(Reached::EveryMailbox { because });
        let each = self.mailboxes.iter().filter_map(move |(id, mailbox)| {
            let verdict = self.effective_access(id, question);
            (!everywhere || verdict.outcome != Outcome::Allowed).then(|| Reached::Mailbox {
                id: id.clone(),
                address: mailbox.address.clone(),
                verdict,
            })
        });
        first.into_iter().chain(each).chain(others.map(|why| Reached::Others { why }))
    }

    /// What of the blast radius answers this question.
    fn wide(&self, question: &Question<'_>) -> Vec<OrganizationWide> {
        use super::WideKind;
        let asked = question.sufficient();
        let names: BTreeSet<String> = asked.iter().map(ToString::to_string).collect();
        let smtp_by_entry = matches!(question, Question::Smtp)
            && self.app.consents.contain(&EntraGrant::exchange("SMTP.SendAsApp")) == Some(true);
        let grants = |name: &str| {
            self.assignments.iter().flatten().any(|a| {
                a.name == name
                    && a.role.is_some_and(|role| {
                        asked.iter().any(|p| {
                            super::permission::role_grants(role, p.resource, &[p.permission.as_str()])
                        })
                    })
            })
        };
        self.blast_radius()
            .into_iter()
            .filter(|wide| match wide.kind {
                WideKind::Consent => wide.object.is_empty() || names.contains(&wide.object),
                WideKind::Role => !smtp_by_entry && grants(&wide.object),
                WideKind::PolicyForEveryApp | WideKind::ExclusiveScope => false,
            })
            .collect()
    }

    /// Whether a mailbox is open that nobody named: in no group, without attributes, with no entries read, and with nothing
    /// switched off.
    fn beyond(&self, question: &Question<'_>) -> Verdict {
        let stranger = RecipientId::new("a mailbox that was not read");
        let switches = MailboxSwitches { imap: Some(true), pop: Some(true), ..MailboxSwitches::default() };
        let mailbox =
            MailboxPicture { switches: Some(switches), ..MailboxPicture::in_cloud("every other mailbox") };
        let mut picture = self.clone();
        picture.mailboxes.insert(stranger.clone(), mailbox);
        picture.effective_access(&stranger, question)
    }

    /// Every way in that the app holds something for, with what it comes to for this mailbox.
    pub fn ways_into(&self, mailbox: &RecipientId) -> Vec<WayIn> {
        let mut held: BTreeSet<EntraGrant> =
            self.app.consents.iter().filter(|c| c.concerns_mailboxes()).cloned().collect();
        for role in self.assignments.iter().flatten().filter_map(|a| a.role) {
            let resource = match role {
                ApplicationRole::EwsAccessAsApp | ApplicationRole::SmtpSendAsApp => ClientId::EXCHANGE_ONLINE,
                _ => ClientId::MICROSOFT_GRAPH,
            };
            let permissions = role.permissions().iter();
            held.extend(permissions.map(|p| EntraGrant { resource, permission: (*p).to_owned() }));
        }
        let unread =
            self.app.consents == EntraGrants::Unread || self.app.consents.iter().any(EntraGrant::is_unnamed);
        let roles_unread = self.assignments.iter().flatten().any(|a| a.role.is_none())
            || (self.assignments.is_none() && self.app.pointer != ExchangePointer::Absent);
        let mut ways = Vec::new();
        let mut ask = |question: Question<'_>| {
            let verdict = self.effective_access(mailbox, &question);
            ways.push(WayIn { way: question.way(), question: question.to_string(), verdict });
        };
        for grant in held.iter().filter(|g| g.resource == ClientId::MICROSOFT_GRAPH) {
            ask(Question::Graph(&[grant.permission.as_str()]));
        }
        let has = |names: &[&str]| unread || names.iter().any(|n| held.contains(&EntraGrant::exchange(*n)));
        if unread || roles_unread {
            // What the app holds is not known: the broadest call stands for all.
            ask(Question::Graph(&["Mail.ReadWrite"]));
        }
        if unread {
            // Policies that close mail leave this one open.
            ask(Question::Graph(&["MailboxItem.Read.All"]));
        }
        for (names, by_role, question) in [
            (&["full_access_as_app", "EWS.AccessAsApp"][..], true, Question::Ews),
            (&["IMAP.AccessAsApp"], false, Question::Imap),
            (&["POP.AccessAsApp"], false, Question::Pop),
            (&["SMTP.SendAsApp"], true, Question::Smtp),
        ] {
            if has(names) || (by_role && roles_unread) {
                ask(question);
            }
        }
        ways
    }
}

/// A way in that an app holds something for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WayIn {
    /// The protocol.
    pub way: Way,
    /// The question in words.
    pub question: String,
    /// What it comes to.
    pub verdict: Verdict,
}

/// Which apps reach a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AppsOf {
    /// The mailbox's address.
    pub mailbox: String,
    /// Every app that was looked at, those that reach it first.
    pub apps: Vec<AppReach>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// One app, and its ways into a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AppReach {
    /// The app.
    pub app: ProvenApp,
    /// Its best way in.
    pub outcome: Outcome,
    /// Every way that it holds something for.
    pub ways: Vec<WayIn>,
}

impl ExchangeAdmin {
    /// Which apps reach a mailbox: every app that Exchange has a service principal of, and those that the caller hands in,
    /// because they hold consents in Entra. An app with consents that Exchange does not know and nobody hands in is not
    /// among them.
    ///
    /// # Errors
    /// When the list of service principals cannot be read: without it the answer would be silently short. Everything else
    /// that cannot be read is in [`AppsOf::gaps`].
    pub async fn apps_of(
        &self,
        mailbox: &MailboxAddress,
        with_consents: impl IntoIterator<Item = AppPicture>,
    ) -> Result<AppsOf> {
        let mut apps: Vec<AppPicture> = with_consents.into_iter().collect();
        for pointer in self.run(&ListServicePrincipals::new()).await?.value {
            match apps.iter_mut().find(|a| a.client_id == Some(pointer.app_id)) {
                Some(app) if app.display_name.is_empty() => app.display_name = pointer.display_name,
                Some(_) => {}
                None => {
                    apps.push(AppPicture::of_client(pointer.app_id).with_display_name(pointer.display_name));
                }
            }
        }
        let query = AccessQuery::of_apps(apps).for_mailbox(mailbox.clone()).over(Way::ALL);
        let pictures = self.access_pictures(query).await;
        let mut reach: Vec<AppReach> = Vec::new();
        let mut gaps: Vec<Gap> = Vec::new();
        for picture in &pictures {
            for gap in &picture.gaps {
                if !gaps.contains(gap) {
                    gaps.push(gap.clone());
                }
            }
            let ways = match picture.find(mailbox) {
                Some(Some(id)) => picture.ways_into(&id),
                Some(None) => Vec::new(),
                // Not read: a mailbox that the picture lacks is unknown in every way.
                None => picture.ways_into(&RecipientId::new(mailbox.as_str())),
            };
            let outcome = Outcome::any(ways.iter().map(|w| w.verdict.outcome));
            reach.push(AppReach { app: ProvenApp::from(&picture.app), outcome, ways });
        }
        reach.sort_by_key(|app| match app.outcome {
            Outcome::Allowed => 0,
            Outcome::Unknown => 1,
            Outcome::Denied => 2,
        });
        Ok(AppsOf { mailbox: mailbox.to_string(), apps: reach, gaps })
    }
}

impl fmt::Display for AppsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Apps and {}", self.mailbox)?;
        for app in &self.apps {
            write!(f, "\n  {:<8} {}", app.outcome.to_string(), app.app)?;
            for way in app.ways.iter().filter(|w| w.verdict.outcome != Outcome::Denied) {
                write!(f, "\n           by {}: {}", way.question, way.verdict)?;
            }
        }
        for gap in &self.gaps {
            write!(f, "\n  ? not read: {gap}")?;
        }
        Ok(())
    }
}
