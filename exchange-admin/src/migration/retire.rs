use std::collections::BTreeSet;

use m365_core::MailboxAddress;

use super::draft::Draft;
use super::scope::ScopePlan;
use super::{Blocked, Blocker, EwsTarget, MigrationAction, MigrationInput, MigrationOptions, MigrationPlan};
use crate::RecipientFilter;
use crate::types::ApplicationRole;

/// Said wherever EWS stays for a while.
const END_OF_EWS: &str =
    "Exchange Online ends EWS on 2027-04-01, also for apps on the list: plan the move to Graph now.";

/// What a product does with mailboxes over EWS, in words that have a role in Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProductUse {
    /// Reads mail.
    ReadMail,
    /// Reads, files, changes and deletes mail.
    ChangeMail,
    /// Sends mail.
    SendMail,
    /// Reads calendars.
    ReadCalendars,
    /// Books, changes and cancels meetings.
    ChangeCalendars,
    /// Reads contacts.
    ReadContacts,
    /// Changes contacts.
    ChangeContacts,
    /// Reads settings, such as the automatic reply and the time zone.
    ReadSettings,
}

impl ProductUse {
    /// The role of Graph that suffices.
    pub const fn role(self) -> ApplicationRole {
        match self {
            Self::ReadMail => ApplicationRole::MailRead,
            Self::ChangeMail => ApplicationRole::MailReadWrite,
            Self::SendMail => ApplicationRole::MailSend,
            Self::ReadCalendars => ApplicationRole::CalendarsRead,
            Self::ChangeCalendars => ApplicationRole::CalendarsReadWrite,
            Self::ReadContacts => ApplicationRole::ContactsRead,
            Self::ChangeContacts => ApplicationRole::ContactsReadWrite,
            Self::ReadSettings => ApplicationRole::MailboxSettingsRead,
        }
    }
}

impl EwsTarget {
    /// Graph, with the roles for these uses; a role that another one includes is left out.
    ///
    /// ```
    /// use exchange_admin::ApplicationRole;
    /// use exchange_admin::migration::{EwsTarget, ProductUse};
    /// let target = EwsTarget::graph([ProductUse::ReadCalendars, ProductUse::ChangeCalendars]);
    /// assert_eq!(target, EwsTarget::Graph([ApplicationRole::CalendarsReadWrite].into()));
    /// ```
    pub fn graph(uses: impl IntoIterator<Item = ProductUse>) -> Self {
        use ApplicationRole as R;
        let mut roles: BTreeSet<R> = uses.into_iter().map(ProductUse::role).collect();
        for (reads, changes) in [
            (R::MailRead, R::MailReadWrite),
            (R::CalendarsRead, R::CalendarsReadWrite),
            (R::ContactsRead, R::ContactsReadWrite),
        ] {
            if roles.contains(&changes) {
                roles.remove(&reads);
            }
        }
        Self::Graph(roles)
    }
}

/// Which mailboxes the service account could impersonate, when Exchange Online still had the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormerImpersonation {
    /// Every mailbox: there was no recipient scope. The product's mailboxes must be named instead.
    WholeOrganisation,
    /// The members of groups: the input's `named_targets`.
    Groups,
    /// What a recipient scope's filter held.
    Filter {
        /// The filter of the former scope.
        filter: RecipientFilter,
        /// Some mailboxes that it holds, to look at.
        inside: Vec<MailboxAddress>,
    },
}

/// From a role group with `ApplicationImpersonation` in Office 365, which is gone, to an app with a role in the same
/// recipient scope: `Application EWS.AccessAsApp` and a place on the list of apps that may use EWS, or roles of Graph
/// ([`MigrationOptions::ews`]).
///
/// What the service account reached before is not compared: it reaches nothing any more.
///
/// # Errors
/// [`Blocked`]; [`Blocker::WholeOrganisation`] when no scope is known, which is never taken for "everybody".
pub fn retire_impersonation(
    former: &FormerImpersonation,
    input: &MigrationInput,
    options: &MigrationOptions,
) -> Result<MigrationPlan, Blocked> {
    // Policies of the new app, if there are any, limit consents and not these roles.
    let named = MigrationInput { policies: Vec::new(), ..input.clone() };
    let mut draft = Draft::new(&named, options);
    draft.notes.push(
        "Exchange Online has no ApplicationImpersonation any more: the service account with a password gives way to an app with a role in the same scope."
            .to_owned(),
    );
    draft.check_app();
    let scope = match former {
        FormerImpersonation::WholeOrganisation => {
            draft.blockers.push(Blocker::WholeOrganisation);
            None
        }
        FormerImpersonation::Groups => draft.scope(),
        FormerImpersonation::Filter { filter, inside } => draft.former_scope(filter, inside),
    };
    let (roles, ews) = match &options.ews {
        EwsTarget::Ews => (BTreeSet::from([ApplicationRole::EwsAccessAsApp]), true),
        EwsTarget::Graph(roles) => (roles.clone(), false),
    };
    if roles.is_empty() {
        draft.blockers.push(Blocker::Invalid { why: "what the product uses was not said".to_owned() });
    }
    if let Some(scope) = scope {
        draft.roles(&roles, &scope);
        if ews {
            draft.notes.push(END_OF_EWS.to_owned());
            let at = draft.actions.iter().position(|a| matches!(a, MigrationAction::VerifyRole { .. }));
            let app = input.app;
            draft.actions.insert(at.unwrap_or_default(), MigrationAction::AllowEws { app });
        }
    }
    draft.finish(false)
}

/// From a consent to all of EWS (`full_access_as_app`), limited by policies or not, to scoped roles of Graph. Other consents
/// of the app stay, and then the policies stay for them. Without policies the input's `named_targets` say which mailboxes.
///
/// # Errors
/// [`Blocked`], as [`plan`](super::plan).
pub fn retire_ews(
    input: &MigrationInput,
    uses: impl IntoIterator<Item = ProductUse>,
    options: &MigrationOptions,
) -> Result<MigrationPlan, Blocked> {
    let options = options.clone().with_ews(EwsTarget::graph(uses));
    let mut draft = Draft::new(input, &options);
    draft.only_ews = true;
    draft.notes.push(format!("The product must speak Graph before its consent to EWS goes. {END_OF_EWS}"));
    if matches!(&options.ews, EwsTarget::Graph(roles) if roles.is_empty()) {
        draft.blockers.push(Blocker::Invalid { why: "what the product uses was not said".to_owned() });
    }
    draft.make();
    draft.finish(true)
}

impl Draft<'_> {
    /// A scope with the filter of a former one.
    fn former_scope(&mut self, filter: &RecipientFilter, inside: &[MailboxAddress]) -> Option<ScopePlan> {
        if inside.is_empty() {
            self.blockers.push(Blocker::EmptyScope);
        }
        if self.input.canary.address.as_ref().is_some_and(|c| inside.contains(c)) {
            self.blockers.push(Blocker::CanaryInside { canary: self.input.canary.label() });
        }
        self.make_scope(Vec::new(), Some(filter.clone()))?;
        Some(ScopePlan { inside: inside.to_vec() })
    }
}
