use std::fmt;

use m365_core::{Pipeline, Result, SharedClock, TenantId};
use tracing::debug;

use crate::cmdlet::Cmdlet;
use crate::cmdlets::{ListManagementRoleAssignments, ManagementRoleAssignment, ServicePrincipal};
use crate::transport::{AdminApi, Capabilities, CmdletRoute};

/// Runs typed cmdlets in one tenant. Cloning it copies two pointers.
///
/// ```
/// use exchange_admin::{ExchangeAdmin, TenantId, cmdlets::GetServicePrincipal};
/// # async fn run(pipeline: m365_core::Pipeline) -> exchange_admin::Result<()> {
/// let exchange = ExchangeAdmin::new(pipeline, TenantId::parse("3f2b8c1e-7a64-4a0e-9d35-51c0a7e2b9d4")?);
/// let app = exchange_admin::ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
/// match exchange.run(&GetServicePrincipal::of_app(app)).await?.value {
///     Some(pointer) => println!("Exchange knows the app as {}", pointer.object_id),
///     None => println!("Exchange does not know the app"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ExchangeAdmin {
    route: CmdletRoute,
    clock: SharedClock,
}

impl ExchangeAdmin {
    /// Over the Admin API of this pipeline's cloud. The tenant is named by its GUID (claim `tid`).
    pub fn new(pipeline: Pipeline, tenant: TenantId) -> Self {
        let clock = pipeline.clock().clone();
        Self::over(CmdletRoute::new(AdminApi::new(pipeline, tenant)), clock)
    }

    /// Over another route.
    pub fn over(route: CmdletRoute, clock: SharedClock) -> Self {
        Self { route, clock }
    }

    /// Runs one cmdlet.
    ///
    /// # Errors
    /// What the cmdlet's `command` and `read` give; otherwise the service's refusal, with the exception type as
    /// [`service_code`](crate::Error::service_code). Transient failures were retried before when the cmdlet may be
    /// repeated; after [`ErrorKind::Truncated`](crate::ErrorKind::Truncated) nothing of the list is handed out.
    pub async fn run<C: Cmdlet>(&self, cmdlet: &C) -> Result<Outcome<C::Output>> {
        let name = C::NAME.as_str();
        let command = cmdlet.command().map_err(|e| e.with_operation(name))?;
        match self.route.invoke(&command).await {
            Ok(answer) => {
                if !answer.warnings.is_empty() {
                    debug!(cmdlet = name, warnings = answer.warnings.len(), "answered with warnings");
                }
                let value = cmdlet.read(answer.rows).map_err(|e| e.with_operation(name))?;
                Ok(Outcome { value, warnings: answer.warnings })
            }
            Err(error) => cmdlet.recover(error).map(|value| Outcome { value, warnings: Vec::new() }),
        }
    }

    /// The roles of one app, and nobody else's: what Exchange answers is compared with the app's names.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn assignments_of(&self, app: &ServicePrincipal) -> Result<Vec<ManagementRoleAssignment>> {
        let names = app.names();
        let mut all = self.run(&ListManagementRoleAssignments::of_app(app.object_id)).await?.value;
        all.retain(|assignment| assignment.is_of(&names));
        Ok(all)
    }

    /// The cmdlets that the caller may run: the first thing to ask when one is refused.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`](crate::ErrorKind::PermissionDenied) when the caller has no role in Exchange at
    /// all; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) when the route cannot tell.
    pub async fn capabilities(&self) -> Result<Capabilities> {
        self.route.capabilities().await
    }

    /// The clock that polling waits on.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }
}

impl fmt::Debug for ExchangeAdmin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeAdmin").field("route", &self.route).finish_non_exhaustive()
    }
}

/// What a cmdlet gave, and what it warned of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The result.
    pub value: T,
    /// Warnings, in English.
    pub warnings: Vec<String>,
}

impl<T> Outcome<T> {
    /// Whether Exchange says that everything was as wanted before.
    pub fn changed_nothing(&self) -> bool {
        self.warnings.iter().any(|w| w.contains("but no settings of") && w.contains("have been modified"))
    }
}
