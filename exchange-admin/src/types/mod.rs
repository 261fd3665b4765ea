//! Words of the field as types: who, where, which right, which role.

mod identity;
mod names;
mod recipient_kind;
mod rights;
mod role;
mod scope;

pub use identity::{Grantee, Names, RecipientIdentity};
pub use names::{DistinguishedName, ManagementScopeName, ObjectName, RoleAssignmentName};
pub use recipient_kind::RecipientKind;
pub use rights::{AccessRight, Inheritance, MailboxRight};
pub use role::ApplicationRole;
pub use scope::{GrantedScope, ResourceScope};
