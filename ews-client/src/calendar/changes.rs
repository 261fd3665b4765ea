use std::fmt;

use super::handle::{EwsCalendar, first};
use crate::{
    CodeClass, Error, FolderRef, ItemId, Result, SyncChange, SyncFolderItems, SyncPage, SyncState, Target,
};

/// Where a reading of a calendar's changes stands. To be kept, byte for byte, after the changes that came with it were dealt
/// with.
///
/// It belongs to one folder of one mailbox, read in one way; elsewhere it is recognised and not used. It may be tens of kilobytes
/// long: there is no limit.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SyncToken(Box<str>);

impl SyncToken {
    /// A token that was kept.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// To keep it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(calendar: &EwsCalendar, state: &SyncState) -> Self {
        Self(format!("1.{}.{}", tag(calendar), state.as_str()).into())
    }

    /// The state, if it is one of this calendar.
    fn state(&self, calendar: &EwsCalendar) -> Option<SyncState> {
        let state = self.0.strip_prefix("1.")?.strip_prefix(&tag(calendar))?.strip_prefix('.')?;
        (!state.is_empty()).then(|| state.into())
    }
}

impl fmt::Debug for SyncToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncToken({} bytes)", self.0.len())
    }
}

/// Tells mailbox, way and folder apart. Not a secret, and not proof against forgery: the server judges the state.
fn tag(calendar: &EwsCalendar) -> String {
    let way = match calendar.target() {
        Target::Impersonate(_) => "i",
        Target::Delegate(_) => "d",
        Target::SelfMailbox => "s",
    };
    let folder = match calendar.folder() {
        FolderRef::Distinguished(folder) => folder.as_str(),
        FolderRef::Id(id) => id.as_str(),
    };
    // FNV-1a: the same on every machine and in every version.
    let owner = calendar.target().label().to_ascii_lowercase();
    let bytes = way.bytes().chain([0]).chain(owner.bytes()).chain([0]).chain(folder.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What happened to an item of the folder. A series is told of by its master, never by its occurrences: read the view again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// It is there, new or changed.
    Touched(ItemId),
    /// It is gone. It may never have been told of.
    Removed(ItemId),
    /// Something that this version does not know happened in the folder.
    Other,
}

/// Some of the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changes {
    /// At most 512.
    pub changes: Vec<Change>,
    /// From where to go on. Keep it when the changes are dealt with.
    pub token: SyncToken,
    /// Whether more are waiting: ask again with [`token`](Self::token).
    pub more: bool,
    /// The token that was given is of no use any more, or of another calendar: from here on comes all that the folder holds, and
    /// what was known before and does not come again is gone.
    pub resynced: bool,
}

impl EwsCalendar {
    /// What changed since a token, or all that is there without one. It says *that* something changed; how the days look now is
    /// told by a [`view`](Self::view).
    ///
    /// A token that the server does not know any more heals itself: the reading begins anew and says so.
    ///
    /// # Errors
    /// Whatever the server refuses, but not a token that died. [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): the
    /// server gives no state, or the same again and says that there is more.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderitems-operation>.
    pub async fn changes(&self, token: Option<&SyncToken>) -> Result<Changes> {
        let state = token.and_then(|token| token.state(self));
        let foreign = token.is_some() && state.is_none();
        let Some(state) = state else { return self.everything(foreign).await };
        let sync = SyncFolderItems::new(self.folder().clone()).with_state(state);
        match self.sync(&sync).await {
            Ok(page) => self.pass_on(&sync, page, false),
            Err(error) if died(&error) => self.everything(true).await,
            Err(error) => Err(error),
        }
    }

    async fn everything(&self, resynced: bool) -> Result<Changes> {
        let sync = SyncFolderItems::new(self.folder().clone());
        let page = self.sync(&sync).await?;
        self.pass_on(&sync, page, resynced)
    }

    async fn sync(&self, sync: &SyncFolderItems) -> Result<SyncPage> {
        first(self.call(sync).await?)
    }

    fn pass_on(&self, sync: &SyncFolderItems, page: SyncPage, resynced: bool) -> Result<Changes> {
        let more = sync.next(&page)?.is_some();
        let state = page.state.as_ref().filter(|state| !state.as_str().is_empty());
        let state = state.ok_or_else(|| Error::unreadable("the server gave changes without a state"))?;
        let token = SyncToken::of(self, state);
        let changes = page.changes.into_iter().filter_map(change).collect();
        Ok(Changes { changes, token, more, resynced })
    }
}

/// Whether the state is of no use any more.
fn died(error: &Error) -> bool {
    let code = crate::ResponseCode::new(error.service_code().unwrap_or_default());
    code.class() == CodeClass::StartAnew
}

fn change(change: SyncChange) -> Option<Change> {
    match change {
        SyncChange::Created(item) | SyncChange::Updated(item) => Some(Change::Touched(item.head().id)),
        SyncChange::Deleted(id) => Some(Change::Removed(id)),
        // Whether somebody looked at it is nothing that a calendar shows.
        SyncChange::ReadFlagChanged { .. } => None,
        SyncChange::Other(_) => Some(Change::Other),
    }
}
