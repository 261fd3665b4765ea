use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use tracing::debug;

use super::{Pipeline, Service};
use crate::clock::until;
use crate::odata::{BATCH_SIZE, BatchItem, BatchReply, PostBatch, open};
use crate::{Acted, Error, Permit, Result};

type Answer = Result<Response<Bytes>>;

impl Pipeline {
    /// Sends calls to Graph, twenty in one request, and gives their answers in the order asked.
    ///
    /// Each [mailbox named](BatchItem::for_mailbox) gives a permit for the time of its batch, shared with the direct
    /// calls to it; where two items of a batch share a mailbox, Graph is told to run that batch one by one. An item that
    /// was told to wait stalls its mailbox alone. Items that failed in passing are sent again, after the longest of
    /// their waits, within the retry policy: reads always, others only when the server surely did not act.
    ///
    /// ```
    /// use m365_core::odata::{self, BatchItem};
    /// # async fn subjects(pipeline: m365_core::Pipeline) -> m365_core::Result<()> {
    /// let newest = |address: &str| {
    ///     let path = format!("/v1.0/users/{}/messages?$top=1&$select=subject", odata::segment(address));
    ///     odata::get(pipeline.cloud(), &path).map(|request| BatchItem::new(request).for_mailbox(address))
    /// };
    /// let items = vec![newest("invoices@contoso.example")?, newest("orders@contoso.example")?];
    /// for reply in pipeline.batch(items).await? {
    ///     println!("{} bytes", reply.into_result()?.body().len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when an item is no call below `/v1.0` or has a body that is not JSON; nothing was sent
    /// then. Everything later is the failure of the items concerned.
    pub async fn batch(&self, items: Vec<BatchItem>) -> Result<Vec<BatchReply>> {
        for item in &items {
            item.check().map_err(|e| e.with_operation("send batch"))?;
        }
        let mut replies = Vec::with_capacity(items.len());
        for group in items.chunks(BATCH_SIZE) {
            replies.extend(self.settle(group).await);
        }
        Ok(replies)
    }

    /// At most one batch's items, sent until none of them is worth another try.
    async fn settle(&self, items: &[BatchItem]) -> Vec<BatchReply> {
        let started = self.0.clock.now();
        let mut answers: Vec<Option<Answer>> = items.iter().map(|_| None).collect();
        let mut pending: Vec<usize> = (0..items.len()).collect();
        let mut tries = 0;
        loop {
            tries += 1;
            let mut failed = self.round(items, pending, &mut answers, started, tries).await;
            let elapsed = until(started, self.0.clock.now());
            // An item that must wait for longer than is left does not keep the others from being sent again.
            let mut wait = Duration::ZERO;
            failed.retain(|(_, floor)| match self.0.retry.next_wait(tries, elapsed, *floor) {
                Some(own) => {
                    wait = wait.max(own);
                    true
                }
                None => false,
            });
            if failed.is_empty() || !self.0.budget.spend() {
                break;
            }
            debug!(items = failed.len(), wait_ms = wait.as_millis(), "trying items of a batch again");
            self.0.clock.sleep(wait).await;
            pending = failed.into_iter().map(|(index, _)| index).collect();
        }
        let lost = || Err(Error::unreadable("the batch came back without an answer to this item"));
        answers.into_iter().map(|answer| BatchReply(answer.unwrap_or_else(lost))).collect()
    }

    /// Sends what is pending. Gives the items worth another try, and the wait that each was told.
    async fn round(
        &self,
        items: &[BatchItem],
        mut pending: Vec<usize>,
        answers: &mut [Option<Answer>],
        started: Timestamp,
        tries: u32,
    ) -> Vec<(usize, Option<Duration>)> {
        let mut failed = Vec::new();
        while !pending.is_empty() {
            let chunk = std::mem::take(&mut pending);
            let mut skipped = Vec::new();
            let (mut done, mut passing) = (false, false);
            for (index, answer) in self.chunk(items, &chunk, started).await {
                let Some(item) = items.get(index) else { continue };
                let answer = answer.map_err(|(error, given_up)| {
                    if error.status() == Some(StatusCode::FAILED_DEPENDENCY) {
                        skipped.push((index, error.retry_after()));
                    } else if !given_up
                        && error.is_transient()
                        && (item.is_read() || error.acted() == Acted::No)
                    {
                        passing = true;
                        failed.push((index, error.retry_after()));
                    } else {
                        done = true;
                    }
                    let attempts = error.attempts().max(tries);
                    let error = error.with_operation("send batch").with_attempts(attempts);
                    match item.mailbox() {
                        Some(mailbox) => error.with_mailbox(mailbox),
                        None => error,
                    }
                });
                done |= answer.is_ok();
                if let Some(slot) = answers.get_mut(index) {
                    *slot = Some(answer);
                }
            }
            // The chain is ours, not the caller's: behind a final failure it goes on at once, with one item less.
            if done && !passing {
                pending.extend(skipped.into_iter().map(|(index, _)| index));
            } else {
                failed.extend(skipped);
            }
        }
        failed
    }

    /// One request. An error that the pipeline has given up on says so.
    async fn chunk(
        &self,
        items: &[BatchItem],
        chunk: &[usize],
        started: Timestamp,
    ) -> Vec<(usize, Result<Response<Bytes>, (Error, bool)>)> {
        let mut answers = Vec::with_capacity(chunk.len());
        let mut chosen: Vec<(usize, &BatchItem)> =
            chunk.iter().filter_map(|index| Some((*index, items.get(*index)?))).collect();
        let (permits, refused) = self.permits(&chosen, started).await;
        chosen.retain(|(index, item)| {
            let Some(error) = item.mailbox().and_then(|mailbox| refused.get(mailbox)) else { return true };
            answers.push((*index, Err((again(error), true))));
            false
        });
        if chosen.is_empty() {
            return answers;
        }
        let sent: Vec<&BatchItem> = chosen.iter().map(|(_, item)| *item).collect();
        let replies = self.run(&PostBatch::new(&sent)).await;
        let now = self.0.clock.now();
        match replies {
            Ok(replies) => {
                for ((index, item), reply) in chosen.iter().zip(replies) {
                    let answer = open(reply, now);
                    if let (Err(error), Some(mailbox)) = (&answer, item.mailbox())
                        && let Some(floor) = error.retry_after()
                        && error.status() != Some(StatusCode::FAILED_DEPENDENCY)
                    {
                        self.hold_back(Some(mailbox), Service::Outlook, floor);
                    }
                    answers.push((*index, answer.map_err(|error| (error, false))));
                }
            }
            Err(error) => {
                answers.extend(chosen.iter().map(|(index, _)| (*index, Err((again(&error), true)))));
            }
        }
        drop(permits);
        answers
    }

    /// One permit per mailbox, and the mailboxes that gave none in time.
    async fn permits<'a>(
        &self,
        chosen: &[(usize, &'a BatchItem)],
        started: Timestamp,
    ) -> (Vec<Permit>, BTreeMap<&'a str, Error>) {
        let (clock, app) = (&self.0.clock, &self.0.app);
        let mut requests: BTreeMap<&str, u32> = BTreeMap::new();
        for mailbox in chosen.iter().filter_map(|(_, item)| item.mailbox()) {
            *requests.entry(mailbox).or_default() += 1;
        }
        let left = || self.0.retry.left(until(started, clock.now()));
        // Stalls are waited for with empty hands: nobody else is to wait for this batch.
        let stalled = |mailbox: &str| {
            let now = clock.now();
            let end = self.0.throttle.stalled(app, Some(mailbox), Service::Outlook, now)?;
            Some(until(now, end)).filter(|wait| *wait <= left())
        };
        if let Some(wait) = requests.keys().filter_map(|mailbox| stalled(mailbox)).max() {
            clock.sleep(wait).await;
        }
        let (mut permits, mut refused) = (Vec::with_capacity(requests.len()), BTreeMap::new());
        // In the order of their names, so that two batches never wait for each other.
        for (mailbox, count) in requests {
            let permit =
                self.0.throttle.permit_for(count, app, Some(mailbox), Service::Outlook, clock, left()).await;
            match permit {
                Ok(permit) => permits.push(permit),
                Err(error) => {
                    refused.insert(mailbox, error);
                }
            }
        }
        (permits, refused)
    }
}

/// The same failure for another item.
fn again(error: &Error) -> Error {
    let mut same = Error::new(error.kind(), error.message())
        .with_acted(error.acted())
        .with_transient(error.is_transient())
        .with_attempts(error.attempts())
        .with_retry_after(error.retry_after());
    if let Some(status) = error.status() {
        same = same.with_status(status);
    }
    if let Some(code) = error.service_code() {
        same = same.with_code(code);
    }
    if let Some(id) = error.request_id() {
        same = same.with_request_id(id);
    }
    same
}
