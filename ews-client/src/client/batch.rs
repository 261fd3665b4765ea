//! A request about many elements: halved when it is too large, sent again for what was left undone.

use std::collections::VecDeque;
use std::time::Duration;

use m365_core::{Acted, Error, Idempotency, Result};
use tracing::{Instrument as _, debug, debug_span};

use super::call::{Call, is_too_large, ran_out_of_time};
use super::{CallOptions, EwsClient};
use crate::soap::Details;
use crate::{Answer, CodeClass, EwsOperation, ItemResult, ResponseClass, ResponseCode, Target};

pub(super) async fn run<O>(
    client: &EwsClient,
    operation: &O,
    target: &Target,
    options: &CallOptions,
) -> Result<Answer<O::Item>>
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    let span = debug_span!("ews", operation = O::NAME);
    async {
        let mut call = Call::new(client, target, options);
        match call.exchange(operation).await {
            Ok(answer) if !answer.results.iter().any(|result| is_left(operation, result)) => Ok(answer),
            first => Batch::new(operation).run(&mut call, first).await,
        }
    }
    .instrument(span)
    .await
}

/// Whether an element is worth sending again, and safe to.
fn is_left<O: EwsOperation>(operation: &O, result: &ItemResult<O::Item>) -> bool {
    let passing = result.class == ResponseClass::Error
        && (result.code.is_transient() || result.back_off().is_some())
        && (operation.idempotency() == Idempotency::Idempotent || result.code.is_refusal());
    !result.is_executed() || passing
}

struct Batch<'o, O: EwsOperation> {
    operation: &'o O,
    /// One for each element, as far as there is one.
    results: Vec<Option<ItemResult<O::Item>>>,
    /// Places to be sent, one request each.
    work: VecDeque<Vec<usize>>,
    /// What the last answer said beside its results.
    last: Option<Answer<O::Item>>,
    replaced: u64,
}

impl<'o, O> Batch<'o, O>
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    fn new(operation: &'o O) -> Self {
        let results = std::iter::repeat_with(|| None).take(operation.asked()).collect();
        Self { operation, results, work: VecDeque::new(), last: None, replaced: 0 }
    }

    /// Goes on from the first answer, or from the first error, until nothing is left or may be tried.
    async fn run(mut self, call: &mut Call<'_>, first: Result<Answer<O::Item>>) -> Result<Answer<O::Item>> {
        let whole: Vec<usize> = (0..self.results.len()).collect();
        let mut next = Some((whole, first));
        while let Some((places, answered)) = next {
            match answered {
                Ok(answer) => self.take(call, &places, answer).await,
                Err(error) if self.halve(call, &places, &error) => {
                    call.begun_anew();
                    debug!(elements = places.len(), "halved");
                }
                Err(error) => return self.stop(&places, error),
            }
            next = match self.work.pop_front() {
                None => None,
                Some(places) => {
                    let answered = self.send(call, &places).await;
                    Some((places, answered))
                }
            };
        }
        self.finish()
    }

    async fn send(&self, call: &mut Call<'_>, places: &[usize]) -> Result<Answer<O::Item>> {
        if places.len() == self.results.len() {
            return call.exchange(self.operation).await;
        }
        let part = self.operation.only(places).filter(|part| part.asked() == places.len());
        let part = part.ok_or_else(|| {
            Error::invalid(format!("{} cannot be asked about some of its elements", O::NAME))
        })?;
        call.exchange(&part).await
    }

    /// Puts the results in their places, and what is left of them to work, after the pause that is due.
    async fn take(&mut self, call: &mut Call<'_>, places: &[usize], mut answer: Answer<O::Item>) {
        let (mut left, mut pause, mut crowded) = (Vec::new(), None::<Option<Duration>>, false);
        for (place, result) in places.iter().zip(std::mem::take(&mut answer.results)) {
            if is_left(self.operation, &result) {
                left.push(*place);
                if result.is_executed() {
                    pause = Some(pause.flatten().max(result.back_off()));
                    crowded |= result.code.class() == CodeClass::FewerInFlight;
                }
            }
            if let Some(slot) = self.results.get_mut(*place) {
                *slot = Some(result);
            }
        }
        self.replaced = self.replaced.saturating_add(answer.replaced);
        self.last = Some(answer);
        if left.is_empty() {
            call.begun_anew();
            return;
        }
        // One that cannot be taken apart is only sent again as a whole, which is safe for what is left of all.
        if left.len() < self.results.len() && self.operation.only(&left).is_none() {
            return;
        }
        let progress = left.len() < places.len();
        if progress {
            call.progressed();
        }
        debug!(elements = left.len(), "some are sent again");
        let go = match pause {
            // The server ran out of time for the rest, and that is all: the next request has its own.
            None if progress => true,
            pause => call.pause(pause.flatten(), crowded).await,
        };
        if go {
            self.work.push_back(left);
        }
    }

    fn halve(&mut self, call: &Call<'_>, places: &[usize], error: &Error) -> bool {
        let (head, tail) = places.split_at(places.len() / 2);
        let too_large = is_too_large(error, self.operation.idempotency())
            || (ran_out_of_time(error) && call.may_halve(self.operation));
        if head.is_empty() || !too_large || self.operation.only(head).is_none() {
            return false;
        }
        self.work.push_front(tail.to_vec());
        self.work.push_front(head.to_vec());
        true
    }

    /// A request failed as a whole. What was read before is read again by whoever repeats the call; what was written is
    /// told, and what was not, too.
    fn stop(mut self, places: &[usize], error: Error) -> Result<Answer<O::Item>> {
        let missing = self.results.iter().filter(|result| result.is_none()).count();
        let idempotent = self.operation.idempotency() == Idempotency::Idempotent;
        if missing == self.results.len() || (missing > 0 && idempotent) {
            return Err(error);
        }
        debug!(kind = ?error.kind(), missing, "the rest of the batch failed");
        let code = match error.service_code() {
            Some(code) => ResponseCode::new(code),
            None if error.acted() == Acted::No => ResponseCode::ERROR_BATCH_PROCESSING_STOPPED,
            None => ResponseCode::ERROR_INTERNAL_SERVER_ERROR,
        };
        if !idempotent && error.acted() != Acted::No {
            // "Not executed", as an earlier answer had it, no longer holds for those that were sent again.
            for place in places {
                if let Some(slot) = self.results.get_mut(*place) {
                    *slot = None;
                }
            }
        }
        // Those that were still waiting for their turn were surely not sent.
        let waiting: Vec<usize> = self.work.drain(..).flatten().collect();
        for (place, slot) in self.results.iter_mut().enumerate() {
            slot.get_or_insert_with(|| ItemResult {
                class: ResponseClass::Error,
                code: if waiting.contains(&place) {
                    ResponseCode::ERROR_BATCH_PROCESSING_STOPPED
                } else {
                    code.clone()
                },
                details: Some(Box::new(Details { text: Some(error.message().into()), ..Details::default() })),
                value: None,
            });
        }
        self.finish()
    }

    fn finish(self) -> Result<Answer<O::Item>> {
        let lost = || Error::unreadable("an element of the batch was neither answered nor refused");
        let mut answer = self.last.ok_or_else(lost)?;
        answer.results = self.results.into_iter().collect::<Option<_>>().ok_or_else(lost)?;
        answer.replaced = self.replaced;
        Ok(answer)
    }
}
