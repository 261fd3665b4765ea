use jiff::Timestamp;
use m365_core::{Error, ErrorKind, MailboxAddress, Result, later};

use super::{Book, Check, CheckKind, Finding, Way, ways};
use crate::apply::GAPS;
use crate::ledger::Pending;
use crate::onboarding::{AppSession, Onboarding};
use crate::profile::AppProfile;
use crate::progress::wait_until;

/// How far a verification may go.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Send one message from a mailbox in scope to itself, and try the same from the canary. Off unless said otherwise:
    /// without it, sending is proven by configuration only.
    pub send_test_message: bool,
}

impl VerifyOptions {
    /// With test messages.
    #[must_use]
    pub fn with_test_message(mut self) -> Self {
        self.send_test_message = true;
        self
    }
}

/// What a probe saw.
enum Seen {
    Open,
    Refused(Error),
    Unclear(Error),
}

impl Onboarding {
    /// Tries the mailboxes of the scope and the canary with the app's own credential.
    pub(super) async fn live(
        &self,
        app: &AppProfile,
        session: &AppSession,
        pending: Option<Pending>,
        options: &VerifyOptions,
        book: &mut Book<'_>,
    ) {
        let clock = &self.inner.clock;
        if let Some(pending) = pending {
            // An app that keeps asking keeps its old picture alive: be quiet first.
            let reason = format!("changes for {} to be enforced", app.unique_name);
            wait_until(clock, book.progress, &reason, pending.quiet_until).await;
        }
        for way in ways(app) {
            if way.name == "sending mail" && !options.send_test_message {
                continue;
            }
            if way.name == "changing calendars" {
                // Nobody's calendar is written to for a proof; reading shows the same scope.
                continue;
            }
            for mailbox in &app.scope.mailboxes {
                let check = self.expect_open(app, session, &way, mailbox, pending, book).await;
                book.note(check);
            }
            let check = self.expect_closed(app, session, &way, pending, book).await;
            book.note(check);
        }
    }

    async fn expect_open(
        &self,
        app: &AppProfile,
        session: &AppSession,
        way: &Way,
        mailbox: &MailboxAddress,
        pending: Option<Pending>,
        book: &Book<'_>,
    ) -> Check {
        let check =
            |finding, text: String| Check::new(&app.unique_name, CheckKind::Live, mailbox, finding, text);
        let mut gaps = GAPS.iter();
        loop {
            let error = match probe(session, way, mailbox, &app.scope.canary).await {
                Seen::Open => return check(Finding::Proven, format!("{} works", way.name)),
                Seen::Unclear(error) => {
                    return check(Finding::Unknown, format!("{}: {error}", way.name)).because(&error);
                }
                Seen::Refused(error) => error,
            };
            let now = self.inner.clock.now();
            let next = pending
                .filter(|p| now < p.latest)
                .zip(gaps.next())
                .map(|(p, gap)| later(now, *gap).min(p.latest));
            let Some(next) = next else {
                let finding =
                    if pending.is_some_and(|p| now < p.latest) { Finding::NotYet } else { Finding::Failed };
                return check(finding, format!("{} is refused: {error}", way.name)).because(&error);
            };
            let reason = format!("{mailbox} to open (refused so far, which is \"not yet\")");
            wait_until(&self.inner.clock, book.progress, &reason, next).await;
        }
    }

    /// A canary that opens is never excused by time: nothing may be wider in between.
    async fn expect_closed(
        &self,
        app: &AppProfile,
        session: &AppSession,
        way: &Way,
        _pending: Option<Pending>,
        _book: &Book<'_>,
    ) -> Check {
        let canary = &app.scope.canary;
        let check =
            |finding, text: String| Check::new(&app.unique_name, CheckKind::Live, canary, finding, text);
        match probe(session, way, canary, canary).await {
            Seen::Refused(error) => check(
                Finding::Proven,
                format!("{} is refused, as it must be ({})", way.name, error.diagnosis().id()),
            ),
            Seen::Open => check(Finding::Failed, format!("{} works, and must not", way.name))
                .diagnosed("SCOPE-UNION-TRAP"),
            Seen::Unclear(error) => check(Finding::Unknown, format!("{}: {error}", way.name)).because(&error),
        }
    }
}

async fn probe(session: &AppSession, way: &Way, mailbox: &MailboxAddress, canary: &MailboxAddress) -> Seen {
    let result = match way.name.as_str() {
        "IMAP" => imap(session, mailbox).await,
        "reading mail" => session.mailbox(mailbox.clone()).probe().await,
        "sending mail" => send(session, mailbox, canary).await,
        _ => session.calendar(mailbox.clone()).probe().await,
    };
    match result {
        Ok(()) => Seen::Open,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Seen::Refused(error),
        Err(error) => Seen::Unclear(error),
    }
}

#[cfg(feature = "imap")]
async fn imap(session: &AppSession, mailbox: &MailboxAddress) -> Result<()> {
    session.imap_mailbox(mailbox.clone()).probe().await
}

#[cfg(not(feature = "imap"))]
async fn imap(_session: &AppSession, mailbox: &MailboxAddress) -> Result<()> {
    Err(Error::new(ErrorKind::Unsupported, "this build has no IMAP: enable the feature imap")
        .with_mailbox(mailbox.as_str()))
}

/// From the mailbox to itself. Even if the canary could send, the message would stay with it.
async fn send(session: &AppSession, mailbox: &MailboxAddress, canary: &MailboxAddress) -> Result<()> {
    let subject = if mailbox == canary { "Access test that must not arrive" } else { "Access test" };
    let date =
        Timestamp::strftime(&session.pipeline().clock().now(), "%a, %d %b %Y %H:%M:%S +0000").to_string();
    let message = format!(
        "From: {mailbox}\r\nTo: {mailbox}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{}@{}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis message proves that an app may send as this mailbox. It can be deleted.\r\n",
        uuid::Uuid::new_v4(),
        mailbox.domain(),
    );
    session.mailbox(mailbox.clone()).send_mime(message.into()).await
}
