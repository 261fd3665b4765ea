use super::{Blocker, MigrationAction, MigrationInput, MigrationOptions};

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) input: &'a MigrationInput,
    pub(super) options: &'a MigrationOptions,
    /// Only the consent to EWS is replaced; the others stay, and the policies for them.
    pub(super) only_ews: bool,
    pub(super) blockers: Vec<Blocker>,
    pub(super) notes: Vec<String>,
    pub(super) actions: Vec<MigrationAction>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a MigrationInput, options: &'a MigrationOptions) -> Self {
        let (blockers, notes, actions) = (Vec::new(), Vec::new(), Vec::new());
        Self { input, options, only_ews: false, blockers, notes, actions }
    }
}
