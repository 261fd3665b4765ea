use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use m365_core::{Cloud, Error, Idempotency, Meta, Operation, Resource, Result, Service, TenantId};
use serde_json::Value;
use uuid::Uuid;

use super::admin_api::common_headers;
use super::failure::error_of;
use crate::cmdlet::{Facts, RoleGroup};
use crate::command::CmdletName;

/// The cmdlets that the caller may run: what its roles come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<String>);

impl Capabilities {
    /// Whether the caller may run this cmdlet.
    pub fn allows(&self, cmdlet: CmdletName) -> bool {
        self.0.contains(&cmdlet.as_str().to_ascii_lowercase())
    }

    /// All of them, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Which of the commands of a plan the caller may not run, and whose role would let it. To be asked before the first
    /// write, reads included.
    ///
    /// ```
    /// use exchange_admin::cmdlets::{GetMailboxPermission, NewServicePrincipal};
    /// use exchange_admin::{Capabilities, Cmdlet, RoleGroup};
    /// let reader: Capabilities = ["get-mailboxpermission"].into_iter().collect();
    /// let missing = reader.missing([GetMailboxPermission::FACTS, NewServicePrincipal::FACTS]);
    /// assert_eq!(missing.role_group(), Some(RoleGroup::OrganizationManagement));
    /// assert!(missing.to_string().contains("New-ServicePrincipal"));
    /// ```
    pub fn missing(&self, plan: impl IntoIterator<Item = &'static Facts>) -> Missing {
        let mut cmdlets: Vec<MissingCmdlet> = Vec::new();
        for facts in plan {
            if !self.allows(facts.name) && cmdlets.iter().all(|m| m.cmdlet != facts.name) {
                cmdlets.push(MissingCmdlet {
                    cmdlet: facts.name,
                    roles: facts.roles,
                    role_group: facts.role_group,
                });
            }
        }
        Missing { cmdlets }
    }
}

/// A cmdlet that the caller may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingCmdlet {
    /// The cmdlet.
    pub cmdlet: CmdletName,
    /// The management roles that hold it; any one of them suffices.
    pub roles: &'static [&'static str],
    /// The smallest built-in role group with such a role.
    pub role_group: RoleGroup,
}

/// What the caller lacks for a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The cmdlets, in the order of the plan, each once.
    pub cmdlets: Vec<MissingCmdlet>,
}

impl Missing {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.cmdlets.is_empty()
    }

    /// The smallest built-in role group whose members may run all of them; `None` when nothing is missing.
    pub fn role_group(&self) -> Option<RoleGroup> {
        self.cmdlets.iter().map(|m| m.role_group).max()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(group) = self.role_group() else { return f.write_str("nothing is missing") };
        for (at, missing) in self.cmdlets.iter().enumerate() {
            let comma = if at == 0 { "" } else { "; " };
            write!(f, "{comma}{} (role {})", missing.cmdlet, missing.roles.join(" or "))?;
        }
        write!(f, "; membership in \"{group}\" gives all of them")
    }
}

impl<S: AsRef<str>> FromIterator<S> for Capabilities {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(
            names
                .into_iter()
                .map(|name| name.as_ref().trim().to_ascii_lowercase())
                .filter(|name| !name.is_empty())
                .collect(),
        )
    }
}

/// `GET {base}/AdminApi/v1.0/{tenant}/EXOModuleFile` with `CommandName: *`: what the PowerShell module asks before it
/// makes its proxy functions.
pub(super) struct GetCapabilities {
    pub(super) tenant: TenantId,
    pub(super) connection: Uuid,
}

const NAME: &str = "list the cmdlets allowed";

impl Operation for GetCapabilities {
    type Output = Capabilities;

    fn meta(&self) -> Meta<'_> {
        Meta::new(NAME, Resource::Exchange, Service::ExchangeAdmin, Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        let path = format!("/AdminApi/v1.0/{}/EXOModuleFile", self.tenant);
        let url = m365_core::odata::join(cloud.outlook(), &path)?;
        let mut request = Request::get(url.as_str())
            .body(Bytes::new())
            .map_err(|e| Error::invalid("the request cannot be built").with_source(e))?;
        common_headers(request.headers_mut(), self.connection)?;
        request.headers_mut().insert(
            const { HeaderName::from_static("commandname") },
            const { HeaderValue::from_static("*") },
        );
        Ok(request)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Capabilities> {
        let answer: Value = m365_core::odata::json(&response)?;
        let first = match answer.get("value") {
            Some(Value::Array(rows)) => rows.first(),
            other => other,
        };
        match first.and_then(|row| row.get("exportedCmdlets")) {
            Some(Value::String(names)) => Ok(names.split([',', ';', ' ']).collect()),
            Some(Value::Array(names)) => Ok(names.iter().filter_map(Value::as_str).collect()),
            _ => Err(Error::unreadable("the answer lists no cmdlets")),
        }
    }

    fn classify(&self, response: &Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        error_of(response, NAME, now).map_or(Ok(()), Err)
    }
}
