use std::collections::{BTreeMap, BTreeSet};

use m365_core::{Error, MailboxAddress, Result};
use uuid::Uuid;

use crate::cmdlets::Recipient;
use crate::types::{RecipientIdentity, RecipientKind};

/// A recipient as a migration looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// By which two reads of one recipient are told to be the same: its object id, else its GUID, its address, its name.
    pub id: String,
    /// Exchange's own id, by which cmdlets name it best.
    pub guid: Option<Uuid>,
    /// Name for people.
    pub name: String,
    /// Its main address.
    pub address: Option<MailboxAddress>,
    /// What scopes are written with; empty when it was not read.
    pub distinguished_name: String,
    /// What it is.
    pub kind: RecipientKind,
}

impl Member {
    /// Whether it is a mailbox of Exchange Online, which an app could open.
    pub fn is_cloud_mailbox(&self) -> bool {
        matches!(
            self.kind,
            RecipientKind::UserMailbox
                | RecipientKind::SharedMailbox
                | RecipientKind::RoomMailbox
                | RecipientKind::EquipmentMailbox
        )
    }

    /// Whether both are one recipient; one of the ids suffices.
    pub fn is(&self, other: &Self) -> bool {
        self.id == other.id
            || (self.guid.is_some() && self.guid == other.guid)
            || (self.address.is_some() && self.address == other.address)
    }

    /// The surest name for a cmdlet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when it has neither GUID nor address.
    pub fn identity(&self) -> Result<RecipientIdentity> {
        match (self.guid, &self.address) {
            (Some(guid), _) => Ok(RecipientIdentity::ExchangeGuid(guid)),
            (None, Some(address)) => Ok(address.clone().into()),
            (None, None) => {
                Err(Error::unreadable(format!("the recipient {} has neither id nor address", self.name)))
            }
        }
    }

    /// Its address, else its name.
    pub fn label(&self) -> String {
        self.address.as_ref().map_or_else(|| self.name.clone(), ToString::to_string)
    }

    /// Whether it surely holds no others. A kind without a name here may be a group.
    pub(super) fn is_leaf(&self) -> bool {
        match &self.kind {
            RecipientKind::Other(kind) => {
                let kind = kind.to_ascii_lowercase();
                ["mailbox", "user", "contact"].iter().any(|end| kind.ends_with(end))
            }
            kind => !kind.is_group(),
        }
    }
}

impl From<&Recipient> for Member {
    fn from(recipient: &Recipient) -> Self {
        let address = recipient.primary_smtp_address.clone();
        let id = recipient
            .object_id
            .or(recipient.guid)
            .map(|id| id.to_string())
            .or_else(|| address.as_ref().map(ToString::to_string))
            .unwrap_or_else(|| recipient.name.clone());
        Self {
            id: id.to_lowercase(),
            guid: recipient.guid,
            name: recipient.name.clone(),
            address,
            distinguished_name: recipient.distinguished_name.clone(),
            kind: recipient.kind.clone(),
        }
    }
}

/// A group and its direct members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group itself.
    pub group: Member,
    /// Its direct members; `None` when they were not read or cannot be, which is not the same as none.
    pub members: Option<Vec<Member>>,
}

impl Group {
    /// A group with these direct members.
    pub fn new(group: Member, members: Option<Vec<Member>>) -> Self {
        Self { group, members }
    }
}

/// A group with all groups below it. Groups may hold each other in circles.
///
/// ```
/// use exchange_admin::migration::{Group, GroupTree, Member};
/// use exchange_admin::RecipientKind;
/// let member = |id: &str, kind| Member {
///     id: id.to_owned(), guid: None, name: id.to_owned(), address: None,
///     distinguished_name: format!("CN={id}"), kind,
/// };
/// let group = |id| member(id, RecipientKind::MailUniversalSecurityGroup);
/// let anna = member("anna", RecipientKind::UserMailbox);
/// let tree = GroupTree::new(
///     Group::new(group("sales"), Some(vec![group("north")])),
///     [Group::new(group("north"), Some(vec![anna, group("sales")]))],
/// );
/// assert!(tree.direct().is_empty());
/// assert_eq!(tree.flattened().keys().collect::<Vec<_>>(), ["anna"]);
/// assert!(tree.unread().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupTree {
    root: String,
    groups: BTreeMap<String, Group>,
}

impl GroupTree {
    /// The tree below `root`; `below` may hold groups that are not part of it.
    pub fn new(root: Group, below: impl IntoIterator<Item = Group>) -> Self {
        let id = root.group.id.clone();
        let mut groups: BTreeMap<String, Group> =
            below.into_iter().map(|g| (g.group.id.clone(), g)).collect();
        groups.insert(id.clone(), root);
        let mut tree = Self { root: id, groups };
        let reached: BTreeSet<String> = tree.reached().into_iter().map(|m| m.id.clone()).collect();
        tree.groups.retain(|id, _| reached.contains(id));
        tree
    }

    /// The group at the top.
    pub fn root(&self) -> Option<&Member> {
        self.groups.get(&self.root).map(|g| &g.group)
    }

    /// The group at the top and all below it that were read or named, each once.
    pub fn groups(&self) -> Vec<&Member> {
        self.reached()
    }

    /// The groups below the top.
    pub fn nested(&self) -> Vec<&Member> {
        self.reached().into_iter().filter(|g| g.id != self.root).collect()
    }

    /// Members of the top group that are no groups, by id.
    pub fn direct(&self) -> BTreeMap<String, &Member> {
        self.direct_of(&self.root)
    }

    /// Members of one of the groups that are no groups, by id.
    pub fn direct_of(&self, group: &str) -> BTreeMap<String, &Member> {
        self.members(group).filter(|m| m.is_leaf()).map(|m| (m.id.clone(), m)).collect()
    }

    /// Members on any level that are no groups, by id.
    pub fn flattened(&self) -> BTreeMap<String, &Member> {
        self.groups.keys().flat_map(|id| self.direct_of(id)).collect()
    }

    /// The groups whose members are not known: what they hold is neither inside nor outside.
    pub fn unread(&self) -> Vec<&Member> {
        self.reached()
            .into_iter()
            .filter(|g| self.groups.get(&g.id).is_none_or(|g| g.members.is_none()))
            .collect()
    }

    fn members(&self, group: &str) -> impl Iterator<Item = &Member> {
        self.groups.get(group).and_then(|g| g.members.as_ref()).into_iter().flatten()
    }

    fn reached(&self) -> Vec<&Member> {
        let (mut seen, mut open, mut out) = (BTreeSet::new(), Vec::new(), Vec::new());
        open.extend(self.root());
        while let Some(group) = open.pop() {
            if seen.insert(group.id.as_str()) {
                out.push(group);
                open.extend(self.members(&group.id).filter(|m| !m.is_leaf()));
            }
        }
        out
    }
}

/// What a policy's scope turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyTarget {
    /// One mailbox.
    Mailbox(Member),
    /// A group, with all below it.
    Group(GroupTree),
}
