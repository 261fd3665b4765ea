#![doc = include_str!("../README.md")]

pub mod access;
mod admin;
pub mod application_access;
mod bulk;
mod classify;
mod cmdlet;
pub mod cmdlets;
mod command;
mod ensure;
mod filter;
mod least_privilege;
pub mod migration;
mod row;
mod script;
mod transport;
mod types;

pub use admin::{ExchangeAdmin, HandOver, Outcome, RunOr};
pub use bulk::{
    BulkChange, BulkItem, BulkOptions, BulkReader, BulkReport, BulkState, BulkStep, FolderGrant,
    MailboxGrant, Progress,
};
pub use classify::{
    already_exists, is_synchronised_from_on_premises, member_not_found, needs_organization_customization,
    no_permission_entry, object_not_found, policy_store_is_full, role_may_be_propagating,
};
pub use cmdlet::{Cmdlet, Facts, Premises, PropagationWindow, Removal, RoleGroup};
pub use command::powershell::{comment_text, single_quoted};
pub use command::{Anchor, CmdletName, Command, ParameterName, Value};
pub use ensure::Ensured;
pub use filter::{
    Attribute, FilterExpression, FilterOperator, FilterProperty, FilterValue, RecipientFilter, opath_literal,
};
pub use least_privilege::{LackingRole, LeastPrivilege, NeededCmdlet, NeededRole};
pub use m365_core::{
    ApplicationObjectId, ClientId, Error, ErrorKind, GroupObjectId, MailboxAddress, Result,
    ServicePrincipalObjectId, TenantId, UserObjectId,
};
pub use row::Row;
pub use script::{
    OnPremisesGrant, OnPremisesMailboxes, OnPremisesScope, OnPremisesScript, ReceiptStep, Script,
    ScriptReceipt, Shell, Step, StepResult, ews_allow_line, ews_disallow_line, group_name_in_filter,
};
pub use transport::{
    AdminApi, Answer, Capabilities, CmdletRoute, CmdletTransport, Missing, MissingCmdlet, Route,
    RouteSupport, Routed, RowStream, Standing,
};
pub use types::{
    AccessRight, ApplicationRole, AuthenticationPolicyName, CalendarSharing, DistinguishedName, FolderAccess,
    FolderGrantee, FolderId, FolderIdentity, FolderPath, FolderRight, FolderRole, FolderType, GrantedScope,
    Grantee, Inheritance, MailboxRight, ManagementRoleName, ManagementScopeName, Names, ObjectName,
    OrganizationalUnit, RecipientIdentity, RecipientKind, ResourceScope, RoleAssignmentName, RoleGroupName,
    ThrottlingPolicyName,
};
