use std::collections::BTreeSet;
use std::fmt;

use m365_core::{Error, MailboxAddress, Result};

use super::RecipientIdentity;
use super::names::plain;
use crate::command::{Anchor, Value};

word!(
    /// A single right on one folder of a mailbox.
    FolderRight {
        /// Create items.
        CreateItems = "CreateItems",
        /// Create folders below it.
        CreateSubfolders = "CreateSubfolders",
        /// Delete every item.
        DeleteAllItems = "DeleteAllItems",
        /// Delete the items that one created oneself.
        DeleteOwnedItems = "DeleteOwnedItems",
        /// Change every item.
        EditAllItems = "EditAllItems",
        /// Change the items that one created oneself.
        EditOwnedItems = "EditOwnedItems",
        /// Be named as the folder's contact.
        FolderContact = "FolderContact",
        /// Own the folder: see it, move it, create folders below it; not its items.
        FolderOwner = "FolderOwner",
        /// See that the folder is there; not its items.
        FolderVisible = "FolderVisible",
        /// Read the items.
        ReadItems = "ReadItems",
    }
);
word!(
    /// A role on one folder: a fixed set of rights with a name.
    ///
    /// <https://learn.microsoft.com/powershell/module/exchangepowershell/add-mailboxfolderpermission#-accessrights>
    FolderRole {
        /// Create and read; change and delete one's own.
        Author = "Author",
        /// Create only.
        Contributor = "Contributor",
        /// Create, read, change and delete everything.
        Editor = "Editor",
        /// Create and read; delete one's own.
        NonEditingAuthor = "NonEditingAuthor",
        /// Everything.
        Owner = "Owner",
        /// An author who may create folders.
        PublishingAuthor = "PublishingAuthor",
        /// An editor who may create folders.
        PublishingEditor = "PublishingEditor",
        /// Read: what presence and free/busy products need.
        Reviewer = "Reviewer",
        /// Calendars only: when somebody is busy.
        AvailabilityOnly = "AvailabilityOnly",
        /// Calendars only: when somebody is busy, with subject and place.
        LimitedDetails = "LimitedDetails",
    }
);

impl FolderRole {
    /// All roles.
    pub fn all() -> [Self; 10] {
        use FolderRole as R;
        [
            R::Author,
            R::Contributor,
            R::Editor,
            R::NonEditingAuthor,
            R::Owner,
            R::PublishingAuthor,
            R::PublishingEditor,
            R::Reviewer,
            R::AvailabilityOnly,
            R::LimitedDetails,
        ]
    }

    /// The rights that the role stands for. The two roles for calendars have none of the single rights: they open
    /// availability, not items.
    pub const fn rights(self) -> &'static [FolderRight] {
        use FolderRight as F;
        match self {
            Self::Author => {
                &[F::CreateItems, F::DeleteOwnedItems, F::EditOwnedItems, F::FolderVisible, F::ReadItems]
            }
            Self::Contributor => &[F::CreateItems, F::FolderVisible],
            Self::Editor => &[
                F::CreateItems,
                F::DeleteAllItems,
                F::DeleteOwnedItems,
                F::EditAllItems,
                F::EditOwnedItems,
                F::FolderVisible,
                F::ReadItems,
            ],
            Self::NonEditingAuthor => &[F::CreateItems, F::DeleteOwnedItems, F::FolderVisible, F::ReadItems],
            Self::Owner => &[
                F::CreateItems,
                F::CreateSubfolders,
                F::DeleteAllItems,
                F::DeleteOwnedItems,
                F::EditAllItems,
                F::EditOwnedItems,
                F::FolderContact,
                F::FolderOwner,
                F::FolderVisible,
                F::ReadItems,
            ],
            Self::PublishingAuthor => &[
                F::CreateItems,
                F::CreateSubfolders,
                F::DeleteOwnedItems,
                F::EditOwnedItems,
                F::FolderVisible,
                F::ReadItems,
            ],
            Self::PublishingEditor => &[
                F::CreateItems,
                F::CreateSubfolders,
                F::DeleteAllItems,
                F::DeleteOwnedItems,
                F::EditAllItems,
                F::EditOwnedItems,
                F::FolderVisible,
                F::ReadItems,
            ],
            Self::Reviewer => &[F::FolderVisible, F::ReadItems],
            Self::AvailabilityOnly | Self::LimitedDetails => &[],
        }
    }

    /// Exists on calendars only; Exchange refuses it elsewhere.
    pub const fn is_for_calendars(self) -> bool {
        matches!(self, Self::AvailabilityOnly | Self::LimitedDetails)
    }
}

/// What somebody may do with a folder: a role, or single rights.
///
/// ```
/// use exchange_admin::{FolderAccess, FolderRight, FolderRole};
/// let author = FolderAccess::Role(FolderRole::Author);
/// assert!(author.covers(&FolderRole::Reviewer.into()));
/// assert_eq!(FolderAccess::of_rights([FolderRight::ReadItems, FolderRight::FolderVisible]), FolderRole::Reviewer.into());
/// assert!(FolderAccess::none().covers(&FolderAccess::none()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderAccess {
    /// A role.
    Role(FolderRole),
    /// Single rights that are no role; empty: nothing at all.
    Rights(BTreeSet<FolderRight>),
}

impl FolderAccess {
    /// Nothing: how the entries of Default and Anonymous are closed, which cannot be removed.
    pub const fn none() -> Self {
        Self::Rights(BTreeSet::new())
    }

    /// These rights; as a role when they are exactly one.
    pub fn of_rights(rights: impl IntoIterator<Item = FolderRight>) -> Self {
        let rights: BTreeSet<_> = rights.into_iter().collect();
        let role = FolderRole::all()
            .into_iter()
            .filter(|role| !role.is_for_calendars())
            .find(|role| role.rights().iter().copied().collect::<BTreeSet<_>>() == rights);
        role.map_or(Self::Rights(rights), Self::Role)
    }

    /// The single rights.
    pub fn rights(&self) -> BTreeSet<FolderRight> {
        match self {
            Self::Role(role) => role.rights().iter().copied().collect(),
            Self::Rights(rights) => rights.clone(),
        }
    }

    /// Whether who has this may do all that `wanted` says. Reading items includes seeing when somebody is busy.
    pub fn covers(&self, wanted: &Self) -> bool {
        let held = self.rights();
        if let Self::Role(role) = wanted
            && role.is_for_calendars()
        {
            return held.contains(&FolderRight::ReadItems)
                || *self == Self::Role(FolderRole::LimitedDetails)
                || self == wanted;
        }
        wanted.rights().is_subset(&held)
    }

    /// This and `other` together; nothing of either is lost.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        if self.covers(other) {
            return self.clone();
        }
        if other.covers(self) {
            return other.clone();
        }
        Self::of_rights(self.rights().union(&other.rights()).copied())
    }

    /// What `-AccessRights` takes.
    pub(crate) fn value(&self) -> Value {
        Value::List(match self {
            Self::Role(role) => vec![role.as_str().to_owned()],
            Self::Rights(rights) if rights.is_empty() => vec!["None".to_owned()],
            Self::Rights(rights) => rights.iter().map(|r| r.as_str().to_owned()).collect(),
        })
    }

    /// Reads the words of an entry; the second part holds words without a name here.
    pub(crate) fn read(words: &[String]) -> (Self, Vec<String>) {
        let (mut roles, mut rights, mut other) = (Vec::new(), BTreeSet::new(), Vec::new());
        for word in words.iter().flat_map(|w| w.split(',')).map(str::trim) {
            match (FolderRole::read(word), FolderRight::read(word)) {
                (Some(role), _) => roles.push(role),
                (None, Some(right)) => _ = rights.insert(right),
                (None, None) if word.is_empty() || word.eq_ignore_ascii_case("None") => {}
                (None, None) => other.push(word.to_owned()),
            }
        }
        let access = match (roles.as_slice(), rights.is_empty()) {
            ([role], true) => Self::Role(*role),
            _ => Self::of_rights(roles.iter().flat_map(|r| r.rights()).copied().chain(rights)),
        };
        (access, other)
    }

    /// Whether Exchange sends an invitation for it.
    pub(crate) fn can_be_announced(&self) -> bool {
        matches!(
            self,
            Self::Role(
                FolderRole::AvailabilityOnly
                    | FolderRole::LimitedDetails
                    | FolderRole::Reviewer
                    | FolderRole::Editor
            )
        )
    }
}

impl From<FolderRole> for FolderAccess {
    fn from(role: FolderRole) -> Self {
        Self::Role(role)
    }
}

impl fmt::Display for FolderAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => f.write_str(role.as_str()),
            Self::Rights(rights) if rights.is_empty() => f.write_str("None"),
            Self::Rights(rights) => {
                for (n, right) in rights.iter().enumerate() {
                    write!(f, "{}{}", if n == 0 { "" } else { "," }, right.as_str())?;
                }
                Ok(())
            }
        }
    }
}

/// `SharingPermissionFlags`: whether somebody is the calendar owner's delegate. Private items are for delegates only, so
/// the third state cannot be had without the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CalendarSharing {
    /// No delegate.
    None,
    /// A delegate: meeting requests go to them too.
    Delegate,
    /// A delegate who also reads private items.
    DelegateWithPrivateItems,
}

impl CalendarSharing {
    pub(crate) fn value(self) -> Value {
        Value::Flags(match self {
            Self::None => vec!["None"],
            Self::Delegate => vec!["Delegate"],
            Self::DelegateWithPrivateItems => vec!["Delegate", "CanViewPrivateItems"],
        })
    }

    /// `None` for words without a name here, and for private items without delegation.
    pub(crate) fn read(words: &[String]) -> Option<Self> {
        let has = |wanted: &str| {
            words.iter().flat_map(|w| w.split(',')).any(|w| w.trim().eq_ignore_ascii_case(wanted))
        };
        let words = words.iter().flat_map(|w| w.split(',')).filter(|w| !w.trim().is_empty()).count();
        match (has("None"), has("Delegate"), has("CanViewPrivateItems"), words) {
            (true, false, false, 1) => Some(Self::None),
            (false, true, false, 1) => Some(Self::Delegate),
            (false, true, true, 2) => Some(Self::DelegateWithPrivateItems),
            _ => None,
        }
    }
}

/// What a folder is for: `FolderType`, which is English in every language.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FolderType {
    /// The mailbox's own calendar; further calendars are [`FolderType::UserCreated`].
    Calendar,
    /// The inbox.
    Inbox,
    /// The top of the visible folders.
    Root,
    /// The mailbox's own contacts.
    Contacts,
    /// Sent mail.
    SentItems,
    /// Deleted items.
    DeletedItems,
    /// Drafts.
    Drafts,
    /// Tasks.
    Tasks,
    /// Made by a person or an app.
    UserCreated,
    /// A type without a name here, as Exchange writes it.
    Other(String),
}

impl FolderType {
    /// Reads Exchange's word.
    pub fn read(text: &str) -> Self {
        match text.trim().to_ascii_lowercase().as_str() {
            "calendar" => Self::Calendar,
            "inbox" => Self::Inbox,
            "root" => Self::Root,
            "contacts" => Self::Contacts,
            "sentitems" => Self::SentItems,
            "deleteditems" => Self::DeletedItems,
            "drafts" => Self::Drafts,
            "tasks" => Self::Tasks,
            "user created" => Self::UserCreated,
            _ => Self::Other(text.trim().to_owned()),
        }
    }
}

/// A folder's id as `Get-MailboxFolderStatistics` shows it: the same whatever the folder is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FolderId(Box<str>);

impl FolderId {
    /// Checks an id: base64 characters only.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn parse(text: &str) -> Result<Self> {
        let text = plain(text, "folder id")?;
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')) {
            return Err(Error::invalid("the folder id holds a character that no folder id has"));
        }
        Ok(Self(text.into()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A folder's place by name, `Parent\Folder`: fit for folders that one named oneself. The names of the well-known folders
/// depend on the mailbox's language; address these by [`FolderId`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FolderPath(Box<str>);

impl FolderPath {
    /// Checks a path: names between single backslashes, none of them empty.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn parse(text: &str) -> Result<Self> {
        let text = plain(text, "folder path")?;
        let text = text.strip_prefix('\\').unwrap_or(text);
        if text.split('\\').any(|name| name.trim().is_empty()) {
            return Err(Error::invalid("the folder path has an empty name between its backslashes"));
        }
        Ok(Self(text.into()))
    }

    /// The path, without a leading backslash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Root,
    Path(FolderPath),
    Id(FolderId),
}

/// One folder of one mailbox.
///
/// ```
/// use exchange_admin::{FolderId, FolderIdentity, FolderPath, MailboxAddress};
/// let anna = MailboxAddress::parse("anna@contoso.example")?;
/// assert_eq!(FolderIdentity::at(anna.clone(), FolderPath::parse("Projekte\\2026")?).to_string(), r"anna@contoso.example:\Projekte\2026");
/// assert_eq!(FolderIdentity::by_id(anna.clone(), FolderId::parse("LgAAAAB/+A==")?).to_string(), "anna@contoso.example:LgAAAAB/+A==");
/// assert_eq!(FolderIdentity::root(anna).to_string(), r"anna@contoso.example:\");
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderIdentity {
    mailbox: RecipientIdentity,
    place: Place,
}

impl FolderIdentity {
    /// By id: the way for calendars and other folders that Exchange itself names.
    pub fn by_id(mailbox: impl Into<RecipientIdentity>, id: FolderId) -> Self {
        Self { mailbox: mailbox.into(), place: Place::Id(id) }
    }

    /// By name.
    pub fn at(mailbox: impl Into<RecipientIdentity>, path: FolderPath) -> Self {
        Self { mailbox: mailbox.into(), place: Place::Path(path) }
    }

    /// The top of the mailbox, which must be visible for some clients to open a folder below it.
    pub fn root(mailbox: impl Into<RecipientIdentity>) -> Self {
        Self { mailbox: mailbox.into(), place: Place::Root }
    }

    /// Whose folder it is.
    pub fn mailbox(&self) -> &RecipientIdentity {
        &self.mailbox
    }

    pub(crate) fn anchor(&self) -> Anchor {
        self.mailbox.anchor()
    }
}

impl fmt::Display for FolderIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Root => write!(f, "{}:\\", self.mailbox),
            Place::Path(path) => write!(f, "{}:\\{}", self.mailbox, path.as_str()),
            Place::Id(id) => write!(f, "{}:{}", self.mailbox, id.as_str()),
        }
    }
}

impl From<&FolderIdentity> for Value {
    fn from(folder: &FolderIdentity) -> Self {
        Self::Text(folder.to_string())
    }
}

/// Whom a folder's entry concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderGrantee {
    /// Everybody in the organisation who has no entry of their own.
    Default,
    /// Everybody else.
    Anonymous,
    /// A user, a mail user or a mail-enabled security group.
    Recipient(RecipientIdentity),
}

impl FolderGrantee {
    /// Whether the entry cannot be removed, only closed.
    pub fn is_special(&self) -> bool {
        !matches!(self, Self::Recipient(_))
    }
}

impl fmt::Display for FolderGrantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("Default"),
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Recipient(identity) => identity.fmt(f),
        }
    }
}

impl From<&FolderGrantee> for Value {
    fn from(grantee: &FolderGrantee) -> Self {
        Self::Text(grantee.to_string())
    }
}

impl From<RecipientIdentity> for FolderGrantee {
    fn from(identity: RecipientIdentity) -> Self {
        Self::Recipient(identity)
    }
}

impl From<MailboxAddress> for FolderGrantee {
    fn from(address: MailboxAddress) -> Self {
        Self::Recipient(address.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    /// The documented table, in its own order and words.
    #[test]
    fn roles_stand_for_the_documented_rights() {
        for (role, rights) in [
            ("Author", "CreateItems DeleteOwnedItems EditOwnedItems FolderVisible ReadItems"),
            ("Contributor", "CreateItems FolderVisible"),
            (
                "Editor",
                "CreateItems DeleteAllItems DeleteOwnedItems EditAllItems EditOwnedItems FolderVisible ReadItems",
            ),
            ("NonEditingAuthor", "CreateItems DeleteOwnedItems FolderVisible ReadItems"),
            (
                "Owner",
                "CreateItems CreateSubfolders DeleteAllItems DeleteOwnedItems EditAllItems EditOwnedItems FolderContact FolderOwner FolderVisible ReadItems",
            ),
            (
                "PublishingAuthor",
                "CreateItems CreateSubfolders DeleteOwnedItems EditOwnedItems FolderVisible ReadItems",
            ),
            (
                "PublishingEditor",
                "CreateItems CreateSubfolders DeleteAllItems DeleteOwnedItems EditAllItems EditOwnedItems FolderVisible ReadItems",
            ),
            ("Reviewer", "FolderVisible ReadItems"),
            ("AvailabilityOnly", ""),
            ("LimitedDetails", ""),
        ] {
            let rights: Vec<&str> = rights.split_whitespace().collect();
            let ours: Vec<&str> =
                FolderRole::read(role).unwrap().rights().iter().map(|r| r.as_str()).collect();
            assert_eq!(ours, rights, "{role}");
        }
    }

    #[test]
    fn entries_are_read_by_whole_words_and_unknown_ones_are_kept() {
        assert_eq!(FolderAccess::read(&words(&["Reviewer"])).0, FolderRole::Reviewer.into());
        assert_eq!(FolderAccess::read(&words(&["None"])), (FolderAccess::none(), vec![]));
        assert_eq!(FolderAccess::read(&words(&["Review", "ReadItems"])).1, ["Review"]);
        assert_eq!(
            FolderAccess::read(&words(&["ReadItems, FolderVisible"])).0,
            FolderAccess::Role(FolderRole::Reviewer)
        );
        assert_eq!(CalendarSharing::read(&words(&["CanViewPrivateItems"])), None);
        assert_eq!(
            CalendarSharing::read(&words(&["Delegate, CanViewPrivateItems"])),
            Some(CalendarSharing::DelegateWithPrivateItems)
        );
    }

    #[test]
    fn a_path_cannot_leave_its_mailbox() {
        for bad in ["", "\\", "a\\\\b", "a\\", "a\nb"] {
            assert!(FolderPath::parse(bad).is_err(), "{bad:?}");
        }
        assert!(FolderId::parse("a:\\b").is_err() && FolderId::parse("").is_err());
    }

    fn access() -> impl Strategy<Value = FolderAccess> {
        let single = proptest::sample::select(FolderRole::Owner.rights().to_vec());
        prop_oneof![
            proptest::sample::select(FolderRole::all().to_vec()).prop_map(FolderAccess::Role),
            proptest::collection::btree_set(single, 0..6).prop_map(FolderAccess::of_rights),
        ]
    }

    proptest! {
        #[test]
        fn what_is_united_covers_both(a in access(), b in access()) {
            let both = a.with(&b);
            prop_assert!(a.rights().is_subset(&both.rights()) && b.rights().is_subset(&both.rights()));
            prop_assert!(a.covers(&a));
            let Value::List(written) = a.value() else { panic!("a list") };
            prop_assert_eq!(FolderAccess::read(&written), (a, vec![]));
        }
    }
}
