use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use m365_core::MailboxAddress;

use super::rights::AccessLevel;
use super::windows::DayWindows;
use crate::free_busy::{Slot, merge};
use crate::{
    Availability, Error, EwsClient, FreeBusyEvent, FreeBusyView, GetUserAvailability, ItemResult,
    RequestedView, ResponseCode, Result, Target, WorkingHours,
};

/// When people are busy: any number of mailboxes, any range of time.
///
/// A server answers about 100 mailboxes and 42 days at once, and some are allowed less; this asks as often as it takes and gives
/// one line for each mailbox. How much the asker may see is the server's decision, mailbox by mailbox
/// ([`MailboxAvailability::granted`]).
///
/// ```
/// use ews_client::calendar::FreeBusy;
/// use ews_client::{EwsClient, Target};
/// use futures_util::TryStreamExt as _;
/// use m365_core::MailboxAddress;
///
/// # async fn example(client: EwsClient, everybody: &[MailboxAddress]) -> ews_client::Result<()> {
/// let week = ("2026-11-23T00:00:00Z".parse().unwrap(), "2026-11-30T00:00:00Z".parse().unwrap());
/// let mut answers = std::pin::pin!(FreeBusy::new(client, Target::SelfMailbox).stream(everybody, week.0, week.1));
/// while let Some(answer) = answers.try_next().await? {
///     println!("{} {:?}", answer.mailbox.as_str(), answer.result?.slots);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseravailability-operation>.
#[derive(Clone, Debug)]
pub struct FreeBusy {
    client: EwsClient,
    asker: Target,
    view: RequestedView,
}

/// What was answered about one mailbox.
#[derive(Debug)]
#[non_exhaustive]
pub struct FreeBusyAnswer {
    /// Which one.
    pub mailbox: MailboxAddress,
    /// Its line, or why there is none. A mailbox that answered for a part of the range only has none.
    pub result: Result<MailboxAvailability>,
}

/// When the owner of a mailbox is busy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxAvailability {
    /// How much was granted; the least, when the range took several requests.
    pub granted: FreeBusyView,
    /// The range as one line: overlaps decided by the order of [`ShowAs`](crate::free_busy::ShowAs), cut to the range. What no slot
    /// covers is free, if anything was granted.
    pub slots: Vec<Slot>,
    /// The events behind it, where they were granted, by time. Private ones hide their details.
    pub events: Vec<FreeBusyEvent>,
    /// When the owner works.
    pub working_hours: Option<WorkingHours>,
}

impl MailboxAvailability {
    /// How much may be seen.
    pub fn level(&self) -> AccessLevel {
        match self.granted {
            FreeBusyView::None => AccessLevel::None,
            FreeBusyView::Detailed | FreeBusyView::DetailedMerged => AccessLevel::Limited,
            _ => AccessLevel::FreeBusyOnly,
        }
    }
}

impl FreeBusy {
    /// Asks in the name of this mailbox: that of the account, or, for an app that must impersonate, any that it may impersonate.
    pub fn new(client: EwsClient, asker: Target) -> Self {
        Self { client, asker, view: RequestedView::default() }
    }

    /// Another view than [`RequestedView::DetailedMerged`]; less is granted where less is allowed, so this only saves time.
    #[must_use]
    pub fn with_view(mut self, view: RequestedView) -> Self {
        self.view = view;
        self
    }

    /// These mailboxes, in the order asked.
    ///
    /// # Errors
    /// What fails a whole request. [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): the range is empty. One mailbox's
    /// failure is its own.
    pub async fn of(
        &self,
        mailboxes: &[MailboxAddress],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<FreeBusyAnswer>> {
        let mut answers = Vec::with_capacity(mailboxes.len());
        for batch in mailboxes.chunks(GetUserAvailability::MAX_MAILBOXES) {
            answers.extend(self.batch(batch, from, to).await?);
        }
        Ok(answers)
    }

    /// The same, a hundred mailboxes after the other as they are consumed. A request that fails ends the stream.
    pub fn stream(
        &self,
        mailboxes: &[MailboxAddress],
        from: Timestamp,
        to: Timestamp,
    ) -> impl Stream<Item = Result<FreeBusyAnswer>> + Send + use<> {
        let asking = self.clone();
        let batches: Vec<Vec<_>> =
            mailboxes.chunks(GetUserAvailability::MAX_MAILBOXES).map(<[_]>::to_vec).collect();
        stream::iter(batches)
            .then(move |batch| {
                let asking = asking.clone();
                async move { asking.batch(&batch, from, to).await.map(|all| stream::iter(all).map(Ok)) }
            })
            .try_flatten()
    }

    /// A hundred at most.
    async fn batch(
        &self,
        mailboxes: &[MailboxAddress],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<FreeBusyAnswer>> {
        let mut windows = DayWindows::new(from, to)?;
        let mut lines: Vec<Line> = mailboxes.iter().map(|_| Line::default()).collect();
        while let Some(window) = windows.next() {
            let (start, end) = (window.0.max(from), window.1.min(to));
            let ask = GetUserAvailability::new(mailboxes.iter().cloned(), start, end)?
                .with_view(self.view)
                .with_whole_days();
            let results = match self.client.call(&ask, &self.asker).await {
                Ok(answer) => answer.results,
                Err(error) if too_long(error.service_code()) && windows.too_long(window) => continue,
                Err(error) => return Err(error),
            };
            let refused = |result: &ItemResult<Availability>| too_long(Some(result.code.as_str()));
            if results.iter().any(refused) && windows.too_long(window) {
                continue;
            }
            for (line, result) in lines.iter_mut().zip(results) {
                line.add(result);
            }
        }
        let answer = |(mailbox, line): (&MailboxAddress, Line)| FreeBusyAnswer {
            mailbox: mailbox.clone(),
            result: line.finish(from, to).map_err(|error| error.with_mailbox(mailbox.as_str())),
        };
        Ok(mailboxes.iter().zip(lines).map(answer).collect())
    }
}

fn too_long(code: Option<&str>) -> bool {
    code == Some(ResponseCode::ERROR_TIME_INTERVAL_TOO_BIG.as_str())
}

/// A mailbox's windows so far.
#[derive(Default)]
struct Line {
    granted: Option<FreeBusyView>,
    slots: Vec<Slot>,
    events: Vec<FreeBusyEvent>,
    working_hours: Option<WorkingHours>,
    failed: Option<Error>,
}

impl Line {
    fn add(&mut self, result: ItemResult<Availability>) {
        if self.failed.is_none()
            && let Err(error) = self.take(result)
        {
            self.failed = Some(error);
        }
    }

    fn take(&mut self, result: ItemResult<Availability>) -> Result<()> {
        let window = result.into_result()?;
        if window.granted != FreeBusyView::None {
            self.slots.extend(window.line()?);
        }
        self.granted = Some(match self.granted.take() {
            Some(granted) if amount(&granted) <= amount(&window.granted) => granted,
            _ => window.granted,
        });
        self.events.extend(window.events);
        if window.working_hours.is_some() {
            self.working_hours = window.working_hours;
        }
        Ok(())
    }

    fn finish(mut self, from: Timestamp, to: Timestamp) -> Result<MailboxAvailability> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let granted = self.granted.ok_or_else(|| Error::unreadable("a mailbox was not answered"))?;
        let (slots, events) = if granted == FreeBusyView::None {
            // A part of the range that may not be seen must not look free.
            (Vec::new(), Vec::new())
        } else {
            // What reaches over the border of two windows comes from both.
            self.events.sort();
            self.events.dedup();
            (merge(self.slots, from, to), self.events)
        };
        Ok(MailboxAvailability { granted, slots, events, working_hours: self.working_hours })
    }
}

/// Views by how much they show.
fn amount(view: &FreeBusyView) -> u8 {
    match view {
        FreeBusyView::None => 0,
        FreeBusyView::Other(_) => 1,
        FreeBusyView::MergedOnly => 2,
        FreeBusyView::FreeBusy => 3,
        FreeBusyView::FreeBusyMerged => 4,
        FreeBusyView::Detailed => 5,
        FreeBusyView::DetailedMerged => 6,
    }
}
