//! Many writes of one kind: batched, a bounded number in flight, resumable, each applied once.

mod folder_grant;
mod mailbox_grant;
mod progress;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use m365_core::{Acted, Error, ErrorKind, Result, later, until};
use tracing::debug;

use crate::ExchangeAdmin;
use crate::classify::{already_exists, role_may_be_propagating};
use crate::command::Command;
use crate::row::Row;
use crate::transport::Answer;

pub use folder_grant::FolderGrant;
pub use mailbox_grant::MailboxGrant;
pub use progress::{BulkChange, BulkReport, BulkState, Progress};

/// One of many writes: how it is read, written, and known to be there. No I/O.
pub trait BulkItem: Send + Sync {
    /// Its name in the progress record: the same in every run, and no other item's.
    fn key(&self) -> String;

    /// The first read. Best one whose answer is never empty, since a batch may leave an empty answer out and it is then
    /// asked for once more on its own.
    ///
    /// # Errors
    /// Those of the cmdlet's [`command`](crate::Cmdlet::command).
    fn check(&self) -> Result<Command>;

    /// What the answer to the first read means. An error that is no answer is given back as it is: whether it is worth
    /// another try is not the item's business.
    ///
    /// # Errors
    /// The given one; [`ErrorKind::Conflict`], [`ErrorKind::Limit`] and the like when the item must not be written.
    fn judge(&self, answer: Result<Vec<Row>>) -> Result<BulkStep>;
}

/// Tells what the answer to a further read means.
pub type BulkReader = Box<dyn FnOnce(Result<Vec<Row>>) -> Result<BulkStep> + Send>;

/// What comes next for an item.
#[non_exhaustive]
pub enum BulkStep {
    /// Nothing: it is there.
    There,
    /// It is not there: this write makes it so.
    Write(Command),
    /// It takes a further read, and this to tell what its answer means.
    Read(Command, BulkReader),
}

impl fmt::Debug for BulkStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There => f.write_str("There"),
            Self::Write(command) => f.debug_tuple("Write").field(command).finish(),
            Self::Read(command, _) => f.debug_tuple("Read").field(command).finish_non_exhaustive(),
        }
    }
}

/// How hard a bulk run tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkOptions {
    /// Batches of ten in flight.
    pub in_flight: usize,
    /// Reads and writes of one item, each after a read.
    pub attempts: u32,
}

impl Default for BulkOptions {
    /// Four batches in flight, six attempts.
    fn default() -> Self {
        Self { in_flight: 4, attempts: 6 }
    }
}

/// Items of one batch.
const BATCH: usize = 10;

type Done = (Stage, Vec<usize>, Vec<Result<Answer>>);
type Running<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send + 'a>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Read,
    Write,
}

impl ExchangeAdmin {
    /// Has all items there. Every item is read before it is written, a write whose answer was lost is read again and
    /// never blindly repeated, and a throttled item waits as long as it is told to.
    ///
    /// `note` is called before a write is sent and after its answer, with what changed; append it to a file, or keep
    /// [`Progress`] as JSON. A run that was interrupted, by an error, a dropped future or a dead process, goes on where
    /// it was when it is given the progress again. What failed before is tried anew.
    ///
    /// # Errors
    /// What `note` gives; [`ErrorKind::Authentication`] and a 403 without a reason, which concern every item. The
    /// failures of single items are in the report.
    pub async fn apply_all<I: BulkItem>(
        &self,
        items: &[I],
        progress: &mut Progress,
        options: BulkOptions,
        note: impl FnMut(&[BulkChange]) -> Result<()> + Send,
    ) -> Result<BulkReport> {
        let mut run = Run {
            exchange: self,
            items,
            keys: items.iter().map(I::key).collect(),
            tries: vec![0; items.len()],
            prepared: items.iter().map(|_| Prepared::default()).collect(),
            progress,
            note,
            options,
            work: VecDeque::new(),
            again: Vec::new(),
            not_before: self.clock().now(),
        };
        run.check_keys()?;
        run.all().await?;
        Ok(run.progress.report(&run.keys))
    }
}

/// What a read left for an item's next step; nothing before the first.
#[derive(Default)]
struct Prepared {
    command: Option<Command>,
    reader: Option<BulkReader>,
}

struct Run<'a, I, F> {
    exchange: &'a ExchangeAdmin,
    items: &'a [I],
    keys: Vec<String>,
    tries: Vec<u32>,
    prepared: Vec<Prepared>,
    progress: &'a mut Progress,
    note: F,
    options: BulkOptions,
    work: VecDeque<(Stage, Vec<usize>)>,
    /// Items to read again.
    again: Vec<usize>,
    not_before: jiff::Timestamp,
}

impl<'a, I: BulkItem, F: FnMut(&[BulkChange]) -> Result<()> + Send> Run<'a, I, F> {
    fn check_keys(&self) -> Result<()> {
        let mut sorted: Vec<&String> = self.keys.iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() == self.keys.len() {
            return Ok(());
        }
        Err(Error::invalid("two items of the bulk run have the same key"))
    }

    async fn all(&mut self) -> Result<()> {
        let open: Vec<usize> = (0..self.items.len())
            .filter(|at| !self.key(*at).is_some_and(|k| self.progress.is_done(k)))
            .collect();
        self.work.extend(open.chunks(BATCH).map(|ten| (Stage::Read, ten.to_vec())));
        let mut running: Running<'a> = FuturesUnordered::new();
        loop {
            let now = self.exchange.clock().now();
            let wait = until(now, self.not_before);
            if wait.is_zero() {
                self.start(&mut running);
            }
            match running.next().await {
                Some((Stage::Read, ids, answers)) => self.after_read(ids, answers)?,
                Some((Stage::Write, ids, answers)) => self.after_write(ids, answers)?,
                None if !wait.is_zero() => self.exchange.clock().sleep(wait).await,
                None => return Ok(()),
            }
        }
    }

    /// Fills the window.
    fn start(&mut self, running: &mut Running<'a>) {
        while running.len() < self.options.in_flight.max(1) {
            let next = self.work.pop_front().or_else(|| {
                // Items to be read again wait until a batch is full, or nothing else is left.
                let ready = self.again.len() >= BATCH || running.is_empty();
                let count = self.again.len().min(BATCH);
                (ready && count > 0).then(|| (Stage::Read, self.again.drain(..count).collect()))
            });
            let Some((stage, ids)) = next else { return };
            let commands: Vec<Result<Command>> = ids.iter().map(|at| self.command(*at, stage)).collect();
            running.push(Box::pin(send(self.exchange, stage, ids, commands)));
        }
    }

    /// What an earlier read prepared, or the first read.
    fn command(&mut self, at: usize, stage: Stage) -> Result<Command> {
        let prepared = self.prepared.get_mut(at).and_then(|p| p.command.take());
        match (prepared, self.items.get(at)) {
            (Some(command), _) => Ok(command),
            (None, Some(item)) if stage == Stage::Read => item.check(),
            _ => Err(Error::invalid("a write of the bulk run was not prepared by a read")),
        }
    }

    fn after_read(&mut self, ids: Vec<usize>, answers: Vec<Result<Answer>>) -> Result<()> {
        let (mut changes, mut absent, mut further) = (Vec::new(), Vec::new(), Vec::new());
        for (at, answer) in ids.into_iter().zip(answers) {
            let (Some(item), Some(key), Some(prepared)) =
                (self.items.get(at), self.keys.get(at), self.prepared.get_mut(at))
            else {
                continue;
            };
            let rows = answer.map(|answer| answer.rows);
            let step = match prepared.reader.take() {
                Some(reader) => reader(rows),
                None => item.judge(rows),
            };
            match step {
                Ok(BulkStep::There) => {
                    // Ours, when a write of ours was on its way before.
                    let ours = self.progress.get(key) == Some(&BulkState::Attempted);
                    let state = if ours { BulkState::Applied } else { BulkState::AlreadyThere };
                    changes.push(BulkChange { key: key.clone(), state });
                }
                Ok(BulkStep::Write(command)) => {
                    prepared.command = Some(command);
                    changes.push(BulkChange { key: key.clone(), state: BulkState::Attempted });
                    absent.push(at);
                }
                Ok(BulkStep::Read(command, reader)) => {
                    *prepared = Prepared { command: Some(command), reader: Some(reader) };
                    further.push(at);
                }
                Err(error) => changes.extend(self.failed(at, error)?),
            }
        }
        self.record(&changes)?;
        for (stage, ids) in [(Stage::Read, further), (Stage::Write, absent)] {
            if !ids.is_empty() {
                self.work.push_front((stage, ids));
            }
        }
        Ok(())
    }

    fn after_write(&mut self, ids: Vec<usize>, answers: Vec<Result<Answer>>) -> Result<()> {
        let mut changes = Vec::new();
        for (at, answer) in ids.into_iter().zip(answers) {
            let Some(key) = self.key(at).map(str::to_owned) else { continue };
            match answer {
                Ok(_) => changes.push(BulkChange { key, state: BulkState::Applied }),
                Err(error) => {
                    if error.acted() == Acted::No {
                        changes.push(BulkChange { key, state: BulkState::Pending });
                    }
                    changes.extend(self.failed(at, error)?);
                }
            }
        }
        self.record(&changes)
    }

    /// Either the item is read again, or it has failed for good.
    fn failed(&mut self, at: usize, error: Error) -> Result<Option<BulkChange>> {
        if error.kind() == ErrorKind::Authentication || role_may_be_propagating(&error) {
            return Err(error);
        }
        let tries = self.tries.get_mut(at).map_or(u32::MAX, |tries| {
            *tries += 1;
            *tries
        });
        let lost = error.acted() == Acted::Unknown
            && matches!(
                error.kind(),
                ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::InvalidResponse
            );
        let worth_it = error.is_transient() || lost || already_exists(&error);
        if worth_it && tries < self.options.attempts {
            debug!(item = at, tries, kind = ?error.kind(), "read again before anything is written again");
            let wait = error.retry_after().unwrap_or(std::time::Duration::from_millis(250) * tries);
            self.not_before = self.not_before.max(later(self.exchange.clock().now(), wait));
            self.again.push(at);
            return Ok(None);
        }
        let state = BulkState::Failed { kind: format!("{:?}", error.kind()), message: error.to_string() };
        Ok(self.key(at).map(|key| BulkChange { key: key.to_owned(), state }))
    }

    fn record(&mut self, changes: &[BulkChange]) -> Result<()> {
        for change in changes {
            self.progress.record(change.clone());
        }
        if changes.is_empty() { Ok(()) } else { (self.note)(changes) }
    }

    fn key(&self, at: usize) -> Option<&str> {
        self.keys.get(at).map(String::as_str)
    }
}

/// Sends what can be written as a command; the rest fails without being sent.
async fn send(
    exchange: &ExchangeAdmin,
    stage: Stage,
    ids: Vec<usize>,
    commands: Vec<Result<Command>>,
) -> Done {
    let mut ready = Vec::with_capacity(commands.len());
    let slots: Vec<Option<Error>> = commands
        .into_iter()
        .map(|command| match command {
            Ok(command) => {
                ready.push(command);
                None
            }
            Err(error) => Some(error.with_acted(Acted::No)),
        })
        .collect();
    let mut answers = exchange.route().invoke_batch(&ready).await.into_iter();
    let unanswered = || Err(Error::unreadable("the route gave fewer answers than commands"));
    let answers = slots
        .into_iter()
        .map(|slot| slot.map_or_else(|| answers.next().unwrap_or_else(unanswered), Err))
        .collect();
    (stage, ids, answers)
}
