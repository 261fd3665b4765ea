use super::expand::Master;
use super::handle::EwsCalendar;
use crate::{Error, ErrorKind, FolderRef, ItemId, Result};

impl EwsCalendar {
    pub(super) async fn series_in(&self, _: &FolderRef) -> Result<Vec<ItemId>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn masters(&self, _: &[ItemId], _: usize) -> Result<(Vec<Master>, Vec<ItemId>)> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }
}
