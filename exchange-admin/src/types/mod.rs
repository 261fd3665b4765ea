//! Words of the field as types: who, where, which right, which role.

/// An enum of Exchange's words: written in full, read in full without case.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$member_doc])* $member),+
        }

        impl $name {
            /// As Exchange writes it, in full: PowerShell would also take the beginning of a word, and choose.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text),+ }
            }

            /// Reads Exchange's word, without case; `None` for a word without a name here.
            pub fn read(text: &str) -> Option<Self> {
                [$(Self::$member),+].into_iter().find(|w| w.as_str().eq_ignore_ascii_case(text.trim()))
            }
        }

        impl From<$name> for $crate::command::Value {
            fn from(word: $name) -> Self {
                Self::Text(word.as_str().to_owned())
            }
        }
    };
}
pub(crate) use word;

mod folder;
mod identity;
mod names;
mod recipient_kind;
mod rights;
mod role;
mod scope;

pub use folder::{
    CalendarSharing, FolderAccess, FolderGrantee, FolderId, FolderIdentity, FolderPath, FolderRight,
    FolderRole, FolderType,
};
pub use identity::{Grantee, Names, RecipientIdentity};
pub use names::{
    AuthenticationPolicyName, DistinguishedName, ManagementRoleName, ManagementScopeName, ObjectName,
    OrganizationalUnit, RoleAssignmentName, RoleGroupName, ThrottlingPolicyName,
};
pub use recipient_kind::RecipientKind;
pub use rights::{AccessRight, Inheritance, MailboxRight};
pub use role::ApplicationRole;
pub use scope::{GrantedScope, ResourceScope};
