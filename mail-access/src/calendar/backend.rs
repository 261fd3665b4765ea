use std::fmt;
use std::future::Future;

use jiff::Timestamp;
use m365_core::Result;

use super::{CalendarEvent, PrivateDetails};

/// A calendar protocol for one mailbox: few precise methods, comfort lives on [`Calendar`](super::Calendar).
///
/// Implementors write `async fn`s.
pub trait CalendarBackend: fmt::Debug + Send + Sync + 'static {
    /// Everything that overlaps the window, recurrences expanded, in any order; never a part of it. Private events must
    /// come without details unless they are asked for.
    ///
    /// # Errors
    /// When the calendar is closed, or the answer unreadable.
    fn view(
        &self,
        from: Timestamp,
        to: Timestamp,
        details: PrivateDetails,
    ) -> impl Future<Output = Result<Vec<CalendarEvent>>> + Send;

    /// Opens the calendar without reading content.
    ///
    /// # Errors
    /// When the calendar is closed to this app.
    fn probe(&self) -> impl Future<Output = Result<()>> + Send;
}

pub(super) mod dynamic {
    use std::fmt;

    use jiff::Timestamp;
    use m365_core::Result;

    use super::{CalendarEvent, PrivateDetails};

    #[async_trait::async_trait]
    pub(in crate::calendar) trait CalendarBackend: fmt::Debug + Send + Sync {
        async fn view(
            &self,
            from: Timestamp,
            to: Timestamp,
            details: PrivateDetails,
        ) -> Result<Vec<CalendarEvent>>;
        async fn probe(&self) -> Result<()>;
    }

    #[async_trait::async_trait]
    impl<T: super::CalendarBackend> CalendarBackend for T {
        async fn view(
            &self,
            from: Timestamp,
            to: Timestamp,
            details: PrivateDetails,
        ) -> Result<Vec<CalendarEvent>> {
            super::CalendarBackend::view(self, from, to, details).await
        }
        async fn probe(&self) -> Result<()> {
            super::CalendarBackend::probe(self).await
        }
    }
}
