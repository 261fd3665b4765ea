use futures_core::Stream;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use m365_core::MailboxAddress;

use super::event::presence;
use super::free_busy::{FreeBusy, MailboxAvailability};
use super::handle::EwsCalendar;
use super::rights::{AccessLevel, Refusal, Rung, is_refusal};
use super::view::Events;
use crate::free_busy::Slot;
use crate::{
    ConnectingSid, DistinguishedFolder, Error, EwsClient, FolderRef, GetFolder, Result, SharingRights, Target,
};

/// Mailboxes read at once, unless said otherwise: a third of what a server allows an account by default.
const CONCURRENCY: usize = 9;
/// Mailboxes of one step of a stream, and of one request for free and busy times.
const STEP: usize = 100;

/// Reads calendars by whatever right there is: the items as their owner, else the items by rights on the folder, else free and
/// busy times alone. Which rung held, and why those above did not, is part of the answer.
///
/// A rung is given up only when the server says that the right is missing or that there is nothing (which it does not tell
/// apart). A server that is busy or broken is an error, never a lower rung: a calendar that cannot be read now must not look like
/// one without details.
///
/// ```
/// use ews_client::calendar::{AccessLevel, Ladder};
/// use ews_client::{EwsClient, Target};
/// use m365_core::MailboxAddress;
///
/// # async fn example(client: EwsClient) -> ews_client::Result<()> {
/// let ladder = Ladder::new(client, Target::SelfMailbox);
/// let anna = MailboxAddress::parse("anna@contoso.example")?;
/// let day = ("2026-11-23T00:00:00Z".parse().unwrap(), "2026-11-24T00:00:00Z".parse().unwrap());
/// let seen = ladder.read(&anna, day.0, day.1).await?;
/// if seen.level() < AccessLevel::Details {
///     println!("ask for more rights: {:?}", seen.refusals);
/// }
/// for slot in seen.presence() {
///     println!("{} {:?}", slot.start, slot.show_as);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Ladder {
    client: EwsClient,
    free_busy: FreeBusy,
    impersonate: bool,
    delegate: bool,
    concurrency: usize,
}

/// What was obtained of a mailbox.
#[derive(Debug)]
#[non_exhaustive]
pub struct Access {
    /// Whose calendar.
    pub mailbox: MailboxAddress,
    /// What of it.
    pub content: Content,
    /// The rungs that did not hold, from above.
    pub refusals: Vec<Refusal>,
    window: (Timestamp, Timestamp),
}

/// What a rung gave.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content {
    /// The items.
    Items {
        /// By which way.
        rung: Rung,
        /// How much of them.
        level: AccessLevel,
        /// The view.
        events: Events,
    },
    /// Free and busy times alone.
    FreeBusy(Box<MailboxAvailability>),
    /// Nothing: see [`Access::refusals`].
    Denied,
}

impl Access {
    /// How much was obtained.
    pub fn level(&self) -> AccessLevel {
        match &self.content {
            Content::Items { level, .. } => *level,
            Content::FreeBusy(availability) => availability.level(),
            Content::Denied => AccessLevel::None,
        }
    }

    /// The rung that held.
    pub fn rung(&self) -> Option<Rung> {
        match &self.content {
            Content::Items { rung, .. } => Some(*rung),
            Content::FreeBusy(_) => Some(Rung::FreeBusy),
            Content::Denied => None,
        }
    }

    /// What the owner is doing, stretch by stretch, from whichever rung. Empty also where nothing may be seen: look at the
    /// [`level`](Self::level) first.
    pub fn presence(&self) -> Vec<Slot> {
        match &self.content {
            Content::Items { events, .. } => presence(&events.events, self.window.0, self.window.1),
            Content::FreeBusy(availability) => availability.slots.clone(),
            Content::Denied => Vec::new(),
        }
    }
}

impl Ladder {
    /// All rungs that there are. `asker` is the mailbox in whose name free and busy times are asked for: that of the account
    /// ([`Target::SelfMailbox`]), or, for an app that must impersonate in every call, one that it may impersonate. Such an app has
    /// no rung of rights on folders. An account whose token must not impersonate is told so by
    /// [`without_impersonation`](Self::without_impersonation).
    pub fn new(client: EwsClient, asker: Target) -> Self {
        let delegate = !matches!(asker, Target::Impersonate(_));
        Self {
            free_busy: FreeBusy::new(client.clone(), asker),
            client,
            impersonate: true,
            delegate,
            concurrency: CONCURRENCY,
        }
    }

    /// Without the rung of impersonation: for an account that has no such role.
    #[must_use]
    pub fn without_impersonation(mut self) -> Self {
        self.impersonate = false;
        self
    }

    /// Without the rung of rights on folders.
    #[must_use]
    pub fn without_delegation(mut self) -> Self {
        self.delegate = false;
        self
    }

    /// At most so many mailboxes at once, 9 unless said otherwise.
    #[must_use]
    pub fn with_concurrency(mut self, mailboxes: usize) -> Self {
        self.concurrency = mailboxes.max(1);
        self
    }

    /// One mailbox between two instants.
    ///
    /// # Errors
    /// Whatever does not say that a right is missing: see [`Ladder`]. That nothing may be seen is no error, but
    /// [`Content::Denied`].
    pub async fn read(&self, mailbox: &MailboxAddress, from: Timestamp, to: Timestamp) -> Result<Access> {
        match self.items(mailbox, from, to).await? {
            Climb::Held(access) => Ok(access),
            Climb::Refused(refusals) => {
                let mut answers = self.free_busy.of(std::slice::from_ref(mailbox), from, to).await?;
                let answer =
                    answers.pop().ok_or_else(|| Error::unreadable("no availability was answered"))?;
                last(mailbox.clone(), refusals, answer.result, (from, to))
            }
        }
    }

    /// Many mailboxes between two instants, in the order asked, each with a result of its own. Those that are down to free
    /// and busy times are asked for together.
    pub fn read_many(
        &self,
        mailboxes: &[MailboxAddress],
        from: Timestamp,
        to: Timestamp,
    ) -> impl Stream<Item = (MailboxAddress, Result<Access>)> + Send + use<> {
        let ladder = self.clone();
        let steps: Vec<Vec<MailboxAddress>> = mailboxes.chunks(STEP).map(<[_]>::to_vec).collect();
        stream::iter(steps)
            .then(move |step| {
                let ladder = ladder.clone();
                async move { stream::iter(ladder.step(step, from, to).await) }
            })
            .flatten()
    }

    /// Up to a hundred of them.
    async fn step(
        self,
        mailboxes: Vec<MailboxAddress>,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<(MailboxAddress, Result<Access>)> {
        let climbs: Vec<_> = stream::iter(mailboxes)
            .map(|mailbox| {
                let ladder = self.clone();
                async move {
                    let climb = ladder.items(&mailbox, from, to).await;
                    (mailbox, climb)
                }
            })
            .buffered(self.concurrency)
            .collect()
            .await;
        let down: Vec<_> = climbs
            .iter()
            .filter(|(_, climb)| matches!(climb, Ok(Climb::Refused(_))))
            .map(|(mailbox, _)| mailbox.clone())
            .collect();
        let mut answers = match down.is_empty() {
            true => Vec::new().into_iter(),
            false => match self.free_busy.of(&down, from, to).await {
                Ok(answers) => answers.into_iter(),
                Err(error) => {
                    // One failure for all of them: each is told the same.
                    return climbs
                        .into_iter()
                        .map(|(mailbox, climb)| {
                            let result = match climb {
                                Ok(Climb::Held(access)) => Ok(access),
                                Ok(Climb::Refused(_)) => Err(same(&error)),
                                Err(error) => Err(error),
                            };
                            (mailbox, result)
                        })
                        .collect();
                }
            },
        };
        climbs
            .into_iter()
            .map(|(mailbox, climb)| {
                let result = match climb {
                    Ok(Climb::Held(access)) => Ok(access),
                    Err(error) => Err(error),
                    Ok(Climb::Refused(refusals)) => answers
                        .next()
                        .ok_or_else(|| Error::unreadable("no availability was answered"))
                        .and_then(|answer| last(mailbox.clone(), refusals, answer.result, (from, to))),
                };
                (mailbox, result)
            })
            .collect()
    }

    /// The rungs that give items.
    async fn items(&self, mailbox: &MailboxAddress, from: Timestamp, to: Timestamp) -> Result<Climb> {
        let mut refusals = Vec::new();
        let rungs = [
            (
                Rung::Impersonation,
                self.impersonate,
                Target::Impersonate(ConnectingSid::PrimarySmtpAddress(mailbox.clone())),
            ),
            (Rung::Delegate, self.delegate, Target::Delegate(mailbox.clone())),
        ];
        for (rung, wanted, target) in rungs {
            if !wanted {
                continue;
            }
            let read = async {
                let calendar = EwsCalendar::new(self.client.clone(), target);
                let events = calendar.view(from, to).collect().await?;
                let level = match rung {
                    Rung::Delegate => folder_level(&calendar).await?,
                    _ => AccessLevel::Details,
                };
                Ok((level, events))
            };
            match read.await {
                Ok((level, events)) => {
                    return Ok(Climb::Held(Access {
                        mailbox: mailbox.clone(),
                        content: Content::Items { rung, level, events },
                        refusals,
                        window: (from, to),
                    }));
                }
                Err(error) if is_refusal(&error) => {
                    refusals.push(Refusal { rung, error: error.with_mailbox(mailbox.as_str()) });
                }
                Err(error) => return Err(error.with_mailbox(mailbox.as_str())),
            }
        }
        Ok(Climb::Refused(refusals))
    }
}

/// How far the rungs of items led.
enum Climb {
    Held(Access),
    Refused(Vec<Refusal>),
}

/// The last rung.
fn last(
    mailbox: MailboxAddress,
    mut refusals: Vec<Refusal>,
    answer: Result<MailboxAvailability>,
    window: (Timestamp, Timestamp),
) -> Result<Access> {
    let content = match answer {
        Ok(availability) if availability.level() > AccessLevel::None => {
            Content::FreeBusy(Box::new(availability))
        }
        Ok(_) => Content::Denied,
        Err(error) if is_refusal(&error) => {
            refusals.push(Refusal { rung: Rung::FreeBusy, error });
            Content::Denied
        }
        Err(error) => return Err(error),
    };
    Ok(Access { mailbox, content, refusals, window })
}

/// What the owner gave to a delegate. A server that does not say gave what it showed.
async fn folder_level(calendar: &EwsCalendar) -> Result<AccessLevel> {
    let folder: FolderRef = DistinguishedFolder::Calendar.into();
    let answer = calendar.call(&GetFolder::new([folder]).with_sharing_rights()).await?;
    let Some(result) = answer.results.into_iter().next() else { return Ok(AccessLevel::Details) };
    let folder = result.into_result()?;
    let may_read = folder.rights.is_none_or(|rights| rights.read);
    Ok(match folder.sharing {
        Some(SharingRights::TimeOnly) => AccessLevel::FreeBusyOnly,
        Some(SharingRights::TimeAndSubjectAndLocation | SharingRights::Other(_)) => AccessLevel::Limited,
        Some(SharingRights::FullDetails) => AccessLevel::Details,
        // The items were read: it is not nothing.
        Some(SharingRights::None) | None if may_read => AccessLevel::Details,
        Some(SharingRights::None) | None => AccessLevel::Limited,
    })
}

/// An error that concerns several mailboxes, once more.
fn same(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message())
        .with_transient(error.is_transient())
        .with_retry_after(error.retry_after())
        .with_acted(error.acted())
        .with_attempts(error.attempts());
    if let Some(code) = error.service_code() {
        copy = copy.with_code(code);
    }
    if let Some(status) = error.status() {
        copy = copy.with_status(status);
    }
    if let Some(id) = error.request_id() {
        copy = copy.with_request_id(id);
    }
    match error.operation() {
        Some(operation) => copy.with_operation(operation.to_owned()),
        None => copy,
    }
}
