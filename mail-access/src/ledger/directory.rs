use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use m365_core::{Error, ErrorKind, Result, TenantId};

use super::{ChangeLedger, LedgerEntry};
use crate::files;

/// Keeps one file of JSON lines per tenant, which only grows. On Unix only its owner may read it. A last line that a power
/// cut tore is as if it had never been written; any other line that cannot be read is an error.
#[derive(Clone, Debug)]
pub struct DirectoryLedger {
    directory: PathBuf,
}

impl DirectoryLedger {
    /// A ledger in this directory, which is made (0700) when it is absent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it cannot be made, when others have rights on it, or when it is a link.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        files::make_directory(&directory)
            .map_err(|e| Error::invalid(format!("the ledger's directory cannot be used: {e}")))?;
        Ok(Self { directory })
    }

    fn path(&self, tenant: TenantId) -> PathBuf {
        self.directory.join(format!("{tenant}.ledger.jsonl"))
    }
}

fn failed(e: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the ledger cannot be used: {e}"))
        .with_transient(false)
        .with_source(e)
}

impl ChangeLedger for DirectoryLedger {
    async fn record(&self, tenant: TenantId, entry: &LedgerEntry) -> Result<()> {
        let path = self.path(tenant);
        let mut line = serde_json::to_vec(entry)
            .map_err(|e| Error::invalid("the ledger's entry cannot be written").with_source(e))?;
        line.push(b'\n');
        files::blocking(move || append(&path, &line).map_err(failed)).await
    }

    async fn entries(&self, tenant: TenantId, profile: &str) -> Result<Vec<LedgerEntry>> {
        let path = self.path(tenant);
        let all = files::blocking(move || read(&path).map_err(failed)).await?;
        Ok(all.into_iter().filter(|entry| entry.profile == profile).collect())
    }
}

fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut options = files::private();
    options.read(true);
    let mut file = match files::open(&options, path)? {
        Some(file) => file,
        None => {
            files::create_once(path, b"")?;
            files::open(&options, path)?.ok_or_else(|| io::Error::other("it comes and goes"))?
        }
    };
    // Two processes take turns.
    file.lock()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let tail = bytes.get(whole..).unwrap_or_default();
    if !tail.is_empty() {
        if serde_json::from_slice::<LedgerEntry>(tail).is_ok() {
            file.write_all(b"\n")?;
        } else {
            // Nobody was told that it is kept.
            file.set_len(whole as u64)?;
        }
    }
    file.seek(SeekFrom::End(0))?;
    file.write_all(line)?;
    file.sync_all()
}

fn read(path: &Path) -> io::Result<Vec<LedgerEntry>> {
    let Some(mut file) = files::open(OpenOptions::new().read(true), path)? else { return Ok(Vec::new()) };
    file.lock_shared()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut entries = Vec::new();
    for (index, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(entry) => entries.push(entry),
            Err(_) if !line.ends_with(b"\n") => {}
            Err(e) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {e}", index + 1)));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Ledger;
    use super::*;
    use crate::plan::Window;

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);

    fn entry(step: &str) -> LedgerEntry {
        let second = Duration::from_secs;
        LedgerEntry {
            profile: "intake".to_owned(),
            app: Some("acme".to_owned()),
            step: step.to_owned(),
            at: "2026-11-21T08:00:00.5Z".parse().unwrap(),
            window: Window { earliest: second(1), likely: second(1800), latest: second(7200) },
            taken: true,
        }
    }

    #[tokio::test]
    async fn what_was_recorded_is_there_after_a_restart_and_only_there() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Ledger::new(DirectoryLedger::open(directory.path().join("ledger")).unwrap());
        open().record(TENANT, &entry("a")).await.unwrap();
        open().record(TENANT, &LedgerEntry { profile: "other".to_owned(), ..entry("b") }).await.unwrap();
        open().record(TENANT, &LedgerEntry { app: None, ..entry("c") }).await.unwrap();
        let read = open().entries(TENANT, "intake").await.unwrap();
        assert_eq!(read, [entry("a"), LedgerEntry { app: None, ..entry("c") }]);
        assert!(open().entries(TenantId::from_bytes([2; 16]), "intake").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_torn_last_line_is_no_entry_and_a_torn_line_before_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = DirectoryLedger::open(directory.path().join("ledger")).unwrap();
        let path = ledger.path(TENANT);
        let add = |text: &str| {
            OpenOptions::new().append(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        ledger.record(TENANT, &entry("a")).await.unwrap();
        add("{\"profile\":\"intake\",\"st");
        assert_eq!(ledger.entries(TENANT, "intake").await.unwrap().len(), 1);
        ledger.record(TENANT, &entry("b")).await.unwrap();
        // Whole, but for its end of line.
        add(&serde_json::to_string(&entry("c")).unwrap());
        assert_eq!(ledger.entries(TENANT, "intake").await.unwrap().len(), 3);
        ledger.record(TENANT, &entry("d")).await.unwrap();
        let steps: Vec<_> =
            ledger.entries(TENANT, "intake").await.unwrap().into_iter().map(|e| e.step).collect();
        assert_eq!(steps, ["a", "b", "c", "d"]);
        add("{\"profile\":\n{}\n");
        assert!(ledger.entries(TENANT, "intake").await.unwrap_err().to_string().contains("line 5"));
    }
}
