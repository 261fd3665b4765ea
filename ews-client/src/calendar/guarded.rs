use std::fmt;

use crate::Sensitivity;

/// Something that may be private: out of reach unless it is not, or somebody says that it shall be read all the same.
///
/// Exchange marks an appointment as private and hands its details to an app none the less. Here the mark holds: of a
/// private event [`visible`](Self::visible) gives nothing, and [`reveal_private`](Self::reveal_private) is a call that a
/// reader of the code finds. `Debug` shows the content in neither case.
///
/// ```
/// use ews_client::calendar::Guarded;
///
/// let hidden = Guarded::hidden("Doctor");
/// assert_eq!(hidden.visible(), None);
/// assert_eq!(*hidden.reveal_private(), "Doctor");
/// assert_eq!(format!("{hidden:?}"), "Guarded(hidden)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Guarded<T> {
    value: T,
    hidden: bool,
}

impl<T> Guarded<T> {
    /// For everybody who may read the calendar.
    pub fn open(value: T) -> Self {
        Self { value, hidden: false }
    }

    /// For the owner.
    pub fn hidden(value: T) -> Self {
        Self { value, hidden: true }
    }

    /// As the mark says; see [`hides`].
    pub(crate) fn by(sensitivity: Option<&Sensitivity>, value: T) -> Self {
        Self { value, hidden: hides(sensitivity) }
    }

    /// The content, unless it is private.
    pub fn visible(&self) -> Option<&T> {
        (!self.hidden).then_some(&self.value)
    }

    /// The content, unless it is private.
    pub fn into_visible(self) -> Option<T> {
        (!self.hidden).then_some(self.value)
    }

    /// Whether it is private.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// The content even if it is private. Ask the owner before the code does; show it to nobody else.
    pub fn reveal_private(&self) -> &T {
        &self.value
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.hidden { "Guarded(hidden)" } else { "Guarded(open)" })
    }
}

/// Whether an item of this sensitivity keeps its details to its owner. `Personal` is a label only. What is not known,
/// because the server invented a member or left it out although it was asked for, is private.
pub(crate) fn hides(sensitivity: Option<&Sensitivity>) -> bool {
    !matches!(sensitivity, Some(Sensitivity::Normal | Sensitivity::Personal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_16_only_what_is_known_to_be_open_is_open() {
        for (sensitivity, hidden) in [
            (Some(Sensitivity::Normal), false),
            (Some(Sensitivity::Personal), false),
            (Some(Sensitivity::Private), true),
            (Some(Sensitivity::Confidential), true),
            (Some(Sensitivity::new("Secret")), true),
            (None, true),
        ] {
            let guarded = Guarded::by(sensitivity.as_ref(), "canary");
            assert_eq!(guarded.is_hidden(), hidden, "{sensitivity:?}");
            assert_eq!(guarded.visible().is_none(), hidden);
            assert!(!format!("{guarded:?}").contains("canary"));
            assert_eq!(guarded.into_visible().is_none(), hidden);
        }
    }
}
