//! Primary addresses of aliases, as servers told them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use m365_core::{MailboxAddress, until};

use crate::soap::MessageXml;
use crate::{ConnectingSid, Target};

/// Aliases remembered; past that, all are forgotten, and each costs one call more again.
const MOST: usize = 10_000;

/// How long one is believed. An alias may be given to another mailbox, which then is no longer the one asked about.
const BELIEVED: Duration = Duration::from_secs(3600);

/// Alias in lower case to primary address, and when that was told.
type ByAlias = HashMap<String, (MailboxAddress, Timestamp)>;

#[derive(Debug, Default)]
pub(super) struct KnownAddresses(Mutex<ByAlias>);

impl KnownAddresses {
    /// The target by its primary address, when that is known to be another.
    pub(super) fn primary(&self, target: &Target, now: Timestamp) -> Option<Target> {
        let mut known = self.lock();
        if known.is_empty() {
            return None;
        }
        let alias = address(target)?.to_key();
        let (primary, told) = known.get(&alias)?.clone();
        if until(told, now) >= BELIEVED {
            known.remove(&alias);
            return None;
        }
        drop(known);
        Some(renamed(target, primary))
    }

    pub(super) fn remember(&self, alias: &Target, primary: MailboxAddress, now: Timestamp) {
        let Some(alias) = address(alias) else { return };
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(alias.to_key(), (primary, now));
    }

    pub(super) fn forget(&self, alias: &Target) {
        if let Some(alias) = address(alias) {
            self.lock().remove(&alias.to_key());
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByAlias> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address that a server may call an alias.
fn address(target: &Target) -> Option<&MailboxAddress> {
    match target {
        Target::Impersonate(ConnectingSid::PrimarySmtpAddress(a) | ConnectingSid::SmtpAddress(a))
        | Target::Delegate(a) => Some(a),
        Target::Impersonate(_) | Target::SelfMailbox => None,
    }
}

fn renamed(target: &Target, primary: MailboxAddress) -> Target {
    match target {
        Target::Delegate(_) => Target::Delegate(primary),
        _ => Target::Impersonate(ConnectingSid::PrimarySmtpAddress(primary)),
    }
}

/// The target by the address that came with `ErrorNonPrimarySmtpAddress`. Under which name it comes is not documented, so
/// it is the first value that is an address and not the one that was sent.
pub(super) fn corrected(target: &Target, xml: &MessageXml) -> Option<(Target, MailboxAddress)> {
    let sent = address(target)?;
    let primary = xml.iter().find_map(|(_, value)| {
        let value = value.trim_ascii();
        let (scheme, rest) = value.split_at_checked(5).unwrap_or(("", value));
        let address = if scheme.eq_ignore_ascii_case("smtp:") { rest } else { value };
        MailboxAddress::parse(address).ok().filter(|address| address != sent)
    })?;
    Some((renamed(target, primary.clone()), primary))
}
