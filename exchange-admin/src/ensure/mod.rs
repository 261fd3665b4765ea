//! Writing so that a second time changes nothing: read, compare, write, read again.
//!
//! A lost answer is never met with a blind repeat: the next read says whether the write took effect. `New-…` cmdlets
//! return before the object is complete, so reading again goes on for a while, on the pipeline's clock.

mod access;
mod ews;
mod folder;
mod mailbox;
mod recipients;
mod role_group;
mod service_principal;

use std::time::Duration;

use m365_core::{Acted, Error, ErrorKind, Result};
use tracing::debug;

use crate::classify::already_exists;
use crate::{Cmdlet, ExchangeAdmin};

/// What it took to have something as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ensured<T> {
    /// It was not there before.
    Created(T),
    /// It was there, as wanted; nothing was written.
    AlreadyThere(T),
}

impl<T> Ensured<T> {
    /// The object as it was read last.
    pub fn value(&self) -> &T {
        match self {
            Self::Created(value) | Self::AlreadyThere(value) => value,
        }
    }

    /// The object.
    pub fn into_value(self) -> T {
        match self {
            Self::Created(value) | Self::AlreadyThere(value) => value,
        }
    }

    /// Whether something was written.
    pub fn is_created(&self) -> bool {
        matches!(self, Self::Created(_))
    }
}

/// What a read shows.
enum Found<T> {
    Absent,
    /// There, and still without the properties that others need.
    Incomplete,
    There(T),
}

/// Reads until a new object shows, and the wait before each but the first.
const READS: u32 = 7;
const BETWEEN: Duration = Duration::from_secs(2);
/// Writes of one object, each after a read that did not show it.
const WRITES: u32 = 3;

impl ExchangeAdmin {
    async fn ensure<G, N, T>(
        &self,
        get: &G,
        judge: impl Fn(G::Output) -> Result<Found<T>> + Send + Sync,
        new: &N,
    ) -> Result<Ensured<T>>
    where
        G: Cmdlet,
        N: Cmdlet,
        T: Send,
    {
        let name = N::NAME.as_str();
        match judge(self.run(get).await?.value)? {
            Found::There(value) => return Ok(Ensured::AlreadyThere(value)),
            Found::Incomplete => {
                return match self.settle(get, &judge).await? {
                    Some(value) => Ok(Ensured::AlreadyThere(value)),
                    None => Err(not_ready(name)),
                };
            }
            Found::Absent => {}
        }
        let mut writes = 0;
        loop {
            writes += 1;
            match self.run(new).await {
                Ok(_) => {
                    return match self.settle(get, &judge).await? {
                        Some(value) => Ok(Ensured::Created(value)),
                        None => Err(not_ready(name)),
                    };
                }
                Err(error) if already_exists(&error) => {
                    // By somebody else; or by an earlier write of ours whose answer was lost.
                    return match self.settle(get, &judge).await? {
                        Some(value) if writes == 1 => Ok(Ensured::AlreadyThere(value)),
                        Some(value) => Ok(Ensured::Created(value)),
                        None => Err(error),
                    };
                }
                Err(error) if answer_was_lost(&error) => {
                    debug!(cmdlet = name, kind = ?error.kind(), "reading before anything is written again");
                    match self.settle(get, &judge).await? {
                        Some(value) => return Ok(Ensured::Created(value)),
                        // What was given up on after several attempts is not started over here.
                        None if writes < WRITES && error.is_transient() && error.attempts() == 1 => {}
                        None => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads until the object shows and is complete.
    async fn settle<G: Cmdlet, T>(
        &self,
        get: &G,
        judge: &(impl Fn(G::Output) -> Result<Found<T>> + Send + Sync),
    ) -> Result<Option<T>> {
        for read in 0..READS {
            if read > 0 {
                self.clock().sleep(BETWEEN).await;
            }
            if let Found::There(value) = judge(self.run(get).await?.value)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

fn answer_was_lost(error: &Error) -> bool {
    error.acted() == Acted::Unknown
        && matches!(
            error.kind(),
            ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Unavailable | ErrorKind::InvalidResponse
        )
}

fn not_ready(name: &'static str) -> Error {
    let waited = BETWEEN.as_secs() * u64::from(READS - 1);
    Error::new(
        ErrorKind::NotReady,
        format!("it was written, but reading it for {waited} s did not show it complete; run again later"),
    )
    .with_operation(name)
}

/// Something of that name is there, and it is not what is wanted. It is left as it is.
fn conflict(message: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Conflict, message).with_acted(Acted::No)
}
