//! Questions about failures that a caller of cmdlets asks. Answered by exception type; by text only where Exchange has no
//! type, and then for a hint, not for a decision to write.

use m365_core::{Error, ErrorKind};

use crate::transport::short_type;

fn is(error: &Error, exception: &str) -> bool {
    error.service_code().map(short_type) == Some(exception)
}

/// The object, member or permission entry is there already.
pub fn already_exists(error: &Error) -> bool {
    error.kind() == ErrorKind::AlreadyExists
}

/// Exchange looked for the object named and says that it does not exist. A 404 of any other origin is not this.
pub fn object_not_found(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && is(error, "ManagementObjectNotFoundException")
}

/// The group has no such member (any more).
pub fn member_not_found(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && is(error, "MemberNotFoundException")
}

/// The mailbox or folder has no permission entry of this grantee.
pub fn no_permission_entry(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && is(error, "UserNotFoundInPermissionEntryException")
}

/// The tenant still has Microsoft's shared default configuration. `Enable-OrganizationCustomization` must run once;
/// its effect takes 10 to 60 minutes.
pub fn needs_organization_customization(error: &Error) -> bool {
    error.message().contains("Enable-OrganizationCustomization")
}

/// The object comes from the customer's own directory by synchronisation: the change must be made there.
pub fn is_synchronised_from_on_premises(error: &Error) -> bool {
    error.message().contains("out of the current user's write scope")
}

/// The store of application access policies is full.
pub fn policy_store_is_full(error: &Error) -> bool {
    error.kind() == ErrorKind::Limit && error.message().contains("App Access Policies")
}

/// A 403 that says nothing: most often a token from before the role was assigned, or a role that still propagates
/// (minutes, at most half an hour).
pub fn role_may_be_propagating(error: &Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
        && error.status() == Some(http::StatusCode::FORBIDDEN)
        && error.service_code().is_none()
}
