//! Read, modify, write of an application's certificates, on replicas that lag.

use std::sync::{Mutex, PoisonError};

use m365_core::{ApplicationObjectId, Error, ErrorKind, KeyId, Pipeline, Result};

use super::state::absent;
use crate::convergence::{Call, Convergence, Settled};
use crate::directory::{CredentialLists, GetCredentials, KeyEntry, NewCertificate, ReplaceCertificates};

/// How often a change that somebody else's change has undone is made again.
const ROUNDS: u32 = 4;

/// The credentials of one application. Whoever changes them holds its lock.
pub(crate) struct Certificates<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) convergence: &'a Convergence,
    pub(crate) application: ApplicationObjectId,
    /// Made a moment ago, so that replicas may not know it.
    pub(crate) is_new: bool,
}

impl Certificates<'_> {
    /// The lists as several readings in a row give them: a list of an old replica, written back, would take away what was
    /// added since.
    pub(crate) async fn settled(&self) -> Result<CredentialLists> {
        let get = GetCredentials { id: self.application };
        // Also says at once, and not after a long wait, that the application is not there.
        self.convergence.settle(self.pipeline, Call::Change, &get, self.is_new).await?;
        let last = Mutex::new(None);
        let (pipeline, last) = (self.pipeline, &last);
        let read = async || {
            let Some(lists) = absent(pipeline.run(&get).await)? else { return Ok(None) };
            let ids = ids(&lists);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let same = last.as_ref() == Some(&ids);
            *last = Some(ids);
            Ok(same.then_some(lists))
        };
        let readings = self.convergence.confirmations();
        self.convergence.confirm("the lists of credentials to settle", readings, read).await?.ok_or_else(
            || {
                Error::new(ErrorKind::NotReady, "the lists of credentials differ from reading to reading")
                    .with_operation("get credentials")
            },
        )
    }

    /// Adds a certificate unless it is there; its id, and whether it was added now.
    pub(crate) async fn add(&self, new: &NewCertificate) -> Result<(KeyId, bool)> {
        for round in 0..ROUNDS {
            let lists = self.settled().await?;
            if let Some(entry) = lists.keys.iter().find(|e| e.credential().is(&new.certificate)) {
                return Ok((entry.credential().key_id, round > 0));
            }
            let is_there = |keys: &[KeyEntry]| keys.iter().any(|e| e.credential().is(&new.certificate));
            self.write(lists.keys, vec![new.clone()], is_there).await?;
        }
        Err(undone("the certificate was added, and is not in the list"))
    }

    /// Removes a certificate; whether it was there.
    pub(crate) async fn remove(&self, key_id: KeyId) -> Result<bool> {
        for round in 0..ROUNDS {
            let mut keys = self.settled().await?.keys;
            let before = keys.len();
            keys.retain(|entry| entry.credential().key_id != key_id);
            if keys.len() == before {
                return Ok(round > 0);
            }
            let is_gone = |keys: &[KeyEntry]| keys.iter().all(|e| e.credential().key_id != key_id);
            self.write(keys, Vec::new(), is_gone).await?;
        }
        Err(undone("the certificate was removed, and is in the list"))
    }

    /// Writes the list and waits until it is read back.
    async fn write(
        &self,
        kept: Vec<KeyEntry>,
        added: Vec<NewCertificate>,
        good: impl Fn(&[KeyEntry]) -> bool + Send + Sync,
    ) -> Result<()> {
        let without_bytes: Vec<KeyId> =
            kept.iter().map(KeyEntry::credential).filter(|k| k.key.is_none()).map(|k| k.key_id).collect();
        let replace = ReplaceCertificates { id: self.application, kept, added };
        match self.convergence.settle(self.pipeline, Call::Change, &replace, self.is_new).await? {
            Settled::Answer(()) | Settled::Done => {}
        }
        let (pipeline, good, get) = (self.pipeline, &good, GetCredentials { id: self.application });
        let get = &get;
        let read = async || {
            let lists = absent(pipeline.run(get).await)?;
            Ok(lists.filter(|lists| good(&lists.keys)))
        };
        let readings = self.convergence.confirmations();
        let what = "the list of certificates to be readable";
        let Some(lists) = self.convergence.confirm(what, readings, read).await? else { return Ok(()) };
        // Graph keeps an entry that is sent back without its bytes. Should it ever not, nobody should have to guess why
        // somebody else's app is locked out.
        let lost: Vec<String> = without_bytes
            .iter()
            .filter(|id| !lists.keys.iter().any(|e| e.credential().key_id == **id))
            .map(ToString::to_string)
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "certificates that were not ours are no longer in the list, add them again: {}",
                lost.join(", ")
            ),
        )
        .with_operation("replace certificates"))
    }
}

/// What tells two readings apart.
fn ids(lists: &CredentialLists) -> (Vec<KeyId>, Vec<KeyId>) {
    let mut secrets: Vec<KeyId> = lists.secrets.iter().map(|secret| secret.key_id).collect();
    let mut keys: Vec<KeyId> = lists.keys.iter().map(|entry| entry.credential().key_id).collect();
    secrets.sort_unstable();
    keys.sort_unstable();
    (secrets, keys)
}

fn undone(what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{what}: somebody else changes it at the same time"))
        .with_operation("replace certificates")
}
