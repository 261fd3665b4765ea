use jiff::Timestamp;
use m365_core::{Error, ErrorKind, MailboxAddress, Result, later};

use super::way::{Way, ways};
use super::{Book, Check, CheckKind, Finding};
use crate::apply::GAPS;
use crate::ledger::Pending;
use crate::mail::MailboxRef;
use crate::onboarding::{AppSession, Onboarding};
use crate::profile::AppProfile;
use crate::progress::wait_until;
use crate::tenant::TenantPicture;

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

/// What it is tried with.
struct Tried<'a> {
    session: &'a AppSession,
    #[cfg(feature = "ews")]
    ews: std::result::Result<&'a ews_client::EwsClient, &'a Error>,
}

/// What a probe saw.
enum Seen {
    Open,
    /// Surely refused.
    Refused(Error),
    /// Neither; inside the window of a change it may be replication.
    Unclear(Error),
}

impl Onboarding {
    /// Tries the mailboxes of the scope and the canary with the app's own credential.
    pub(super) async fn live(
        &self,
        app: &AppProfile,
        picture: &TenantPicture,
        session: &AppSession,
        pending: Option<Pending>,
        options: &VerifyOptions,
        book: &mut Book<'_>,
    ) {
        if let Some(pending) = pending {
            // An app that keeps asking keeps its old picture alive: be quiet first.
            let reason = format!("changes for {} to be enforced", app.unique_name);
            wait_until(&self.inner.clock, book.progress, &reason, pending.quiet_until).await;
        }
        // One client for all mailboxes.
        #[cfg(feature = "ews")]
        let ews = session.ews();
        #[cfg(feature = "ews")]
        let tried = Tried { session, ews: ews.as_ref() };
        #[cfg(not(feature = "ews"))]
        let tried = Tried { session };
        for way in ways(app) {
            let untried = match way {
                Way::SendMail if !options.send_test_message => Some("no test message was asked for"),
                // Nobody's calendar is written to for a proof.
                Way::ChangeCalendars => Some("nobody's calendar is changed for a proof"),
                Way::Ews if !cfg!(feature = "ews") => Some("this build has no EWS: enable the feature ews"),
                _ => None,
            };
            if let Some(why) = untried {
                let text =
                    format!("{way} was not tried live: {why}; the configuration's checks stand for it");
                book.note(Check::new(
                    &app.unique_name,
                    CheckKind::Live,
                    &app.scope.canary,
                    Finding::NotTried,
                    text,
                ));
                continue;
            }
            for mailbox in &app.scope.mailboxes {
                let mailbox = picture.mailbox_ref(mailbox);
                let check = self.expect_open(app, &tried, way, &mailbox, pending, book).await;
                book.note(check);
            }
            let check = self.expect_closed(app, &tried, way, &picture.mailbox_ref(&app.scope.canary)).await;
            book.note(check);
        }
    }

    async fn expect_open(
        &self,
        app: &AppProfile,
        tried: &Tried<'_>,
        way: Way,
        mailbox: &MailboxRef,
        pending: Option<Pending>,
        book: &Book<'_>,
    ) -> Check {
        let check = |finding, text: String| {
            Check::new(&app.unique_name, CheckKind::Live, mailbox.address(), finding, text)
        };
        // The gaps grow, and the last one repeats until the window is over.
        let last = GAPS.last().copied().unwrap_or_default();
        let mut gaps = GAPS.into_iter().chain(std::iter::repeat(last));
        loop {
            let (error, clear) = match probe(tried, way, mailbox, &app.scope.canary).await {
                Seen::Open => return check(Finding::Proven, format!("{way} works")),
                Seen::Refused(error) => (error, true),
                Seen::Unclear(error) => (error, false),
            };
            let now = self.inner.clock.now();
            let window = pending.filter(|p| now < p.latest);
            let Some((pending, gap)) = window.zip(gaps.next()) else {
                let finding = if clear { Finding::Failed } else { Finding::Unknown };
                return check(finding, format!("{way} is refused: {error}")).because(&error);
            };
            let reason = format!("{} to open (refused so far, which is \"not yet\")", mailbox.address());
            let next = later(now, gap).min(pending.latest);
            wait_until(&self.inner.clock, book.progress, &reason, next).await;
        }
    }

    /// A canary that opens is never excused by time: nothing may be wider in between.
    async fn expect_closed(
        &self,
        app: &AppProfile,
        tried: &Tried<'_>,
        way: Way,
        canary: &MailboxRef,
    ) -> Check {
        let check = |finding, text: String| {
            Check::new(&app.unique_name, CheckKind::Live, canary.address(), finding, text)
        };
        match probe(tried, way, canary, canary.address()).await {
            Seen::Refused(error) => check(
                Finding::Proven,
                format!("{way} is refused, as it must be ({})", error.diagnosis().id()),
            ),
            Seen::Open => {
                check(Finding::Failed, format!("{way} works, and must not")).diagnosed("SCOPE-UNION-TRAP")
            }
            Seen::Unclear(error) => check(Finding::Unknown, format!("{way}: {error}")).because(&error),
        }
    }
}

async fn probe(tried: &Tried<'_>, way: Way, mailbox: &MailboxRef, canary: &MailboxAddress) -> Seen {
    let session = tried.session;
    let result = match way {
        Way::Imap => imap(session, mailbox.address()).await,
        Way::ReadMail => session.mailbox_of(mailbox.clone()).probe().await,
        Way::SendMail => send(session, mailbox, canary).await,
        Way::ReadCalendars | Way::ChangeCalendars => session.calendar_of(mailbox.clone()).probe().await,
        Way::Ews => return ews(tried, mailbox.address()).await,
    };
    match result {
        Ok(()) => Seen::Open,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Seen::Refused(error),
        Err(error) => Seen::Unclear(error),
    }
}

/// Only a code of EWS is a refusal: a closed switch or list keeps the app out and proves nothing about its right.
#[cfg(feature = "ews")]
async fn ews(tried: &Tried<'_>, mailbox: &MailboxAddress) -> Seen {
    let client = match tried.ews {
        Ok(client) => client.clone(),
        Err(error) => {
            return Seen::Unclear(Error::new(error.kind(), error.message()).with_mailbox(mailbox.as_str()));
        }
    };
    match crate::Calendar::ews(client, mailbox.clone()).probe().await {
        Ok(()) => Seen::Open,
        Err(error) if is_denied_by_ews(&error) => Seen::Refused(error),
        Err(error) => Seen::Unclear(error),
    }
}

#[cfg(not(feature = "ews"))]
async fn ews(_tried: &Tried<'_>, mailbox: &MailboxAddress) -> Seen {
    let text = "this build has no EWS: enable the feature ews";
    Seen::Unclear(Error::new(ErrorKind::Unsupported, text).with_mailbox(mailbox.as_str()))
}

/// Whether EWS refused a mailbox for want of a right to it.
#[cfg(feature = "ews")]
pub(crate) fn is_denied_by_ews(error: &Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
        && !error.is_transient()
        && matches!(error.service_code(), Some("ErrorImpersonateUserDenied" | "ErrorAccessDenied"))
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
async fn send(session: &AppSession, mailbox: &MailboxRef, canary: &MailboxAddress) -> Result<()> {
    let address = mailbox.address();
    let subject = if address == canary { "Access test that must not arrive" } else { "Access test" };
    let date =
        Timestamp::strftime(&session.pipeline().clock().now(), "%a, %d %b %Y %H:%M:%S +0000").to_string();
    let message = format!(
        "From: {address}\r\nTo: {address}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: <{}@{}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThis message proves that an app may send as this mailbox. It can be deleted.\r\n",
        uuid::Uuid::new_v4(),
        address.domain(),
    );
    session.mailbox_of(mailbox.clone()).send_mime(message.into()).await
}
