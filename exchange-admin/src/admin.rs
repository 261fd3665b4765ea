use std::fmt;

use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use m365_core::{Acted, Authority, Error, ErrorKind, Pipeline, Result, SharedClock, TenantId};
use tracing::debug;

use crate::cmdlet::{Cmdlet, Facts, RoleGroup};
use crate::cmdlets::{ListManagementRoleAssignments, ManagementRoleAssignment, ServicePrincipal};
use crate::transport::{AdminApi, Capabilities, CmdletRoute, Route, Routed, Standing};

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

    /// Over all routes: each cmdlet takes the first that carries it and lets the caller in, see [`Routed`].
    pub fn routed(pipeline: Pipeline, tenant: TenantId) -> Self {
        let clock = pipeline.clock().clone();
        Self::over(CmdletRoute::new(Routed::new(pipeline, tenant)), clock)
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
                Ok(Outcome { value, warnings: answer.warnings, route: answer.route })
            }
            Err(error) => cmdlet.recover(error).map(|value| Outcome {
                value,
                warnings: Vec::new(),
                // Only a cmdlet's own exception is an answer, and only the Admin API tells it.
                route: Route::InvokeCommand,
            }),
        }
    }

    /// Runs several cmdlets of one kind, ten to a request where the route can. The results are in the order of the
    /// cmdlets, each with its own error; no write is repeated.
    pub async fn run_batch<C: Cmdlet>(&self, cmdlets: &[C]) -> Vec<Result<Outcome<C::Output>>> {
        let name = C::NAME.as_str();
        let mut results: Vec<Option<Result<Outcome<C::Output>>>> = Vec::with_capacity(cmdlets.len());
        let mut commands = Vec::with_capacity(cmdlets.len());
        for cmdlet in cmdlets {
            match cmdlet.command() {
                Ok(command) => {
                    commands.push(command);
                    results.push(None);
                }
                Err(error) => results.push(Some(Err(error.with_operation(name)))),
            }
        }
        let mut answers = self.route.invoke_batch(&commands).await.into_iter();
        let unanswered =
            || Error::unreadable("the route gave fewer answers than commands").with_operation(name);
        cmdlets
            .iter()
            .zip(results)
            .map(|(cmdlet, result)| match result {
                Some(refused) => refused,
                None => match answers.next().unwrap_or_else(|| Err(unanswered())) {
                    Ok(answer) => cmdlet
                        .read(answer.rows)
                        .map(|value| Outcome { value, warnings: answer.warnings, route: answer.route })
                        .map_err(|e| e.with_operation(name)),
                    Err(error) => cmdlet.recover(error).map(|value| Outcome {
                        value,
                        warnings: Vec::new(),
                        route: Route::InvokeCommand,
                    }),
                },
            })
            .collect()
    }

    /// Runs a list cmdlet and gives its objects as they come in, so that 100,000 mailboxes take no more memory than one
    /// row. The stream ends with an error when the list would be short.
    ///
    /// # Errors
    /// As [`run`](Self::run); later failures are the stream's last item.
    pub async fn stream<C, T>(&self, cmdlet: C) -> Result<impl Stream<Item = Result<T>> + Send + use<C, T>>
    where
        C: Cmdlet<Output = Vec<T>> + 'static,
        T: Send + 'static,
    {
        let name = C::NAME.as_str();
        let command = cmdlet.command().map_err(|e| e.with_operation(name))?;
        let rows = self.route.rows(&command).await?;
        Ok(rows
            .map(move |row| {
                let objects =
                    row.and_then(|row| cmdlet.read(vec![row])).map_err(|e| e.with_operation(name))?;
                Ok::<_, Error>(futures_util::stream::iter(objects.into_iter().map(Ok::<T, Error>)))
            })
            .try_flatten())
    }

    /// Runs a cmdlet; when no route lets the caller in, gives the line for a person with the role to run instead.
    ///
    /// # Errors
    /// As [`run`](Self::run), but for refusals by all routes.
    pub async fn run_or_hand_over<C: Cmdlet>(&self, cmdlet: &C) -> Result<RunOr<C::Output>> {
        match self.run(cmdlet).await {
            Ok(outcome) => Ok(RunOr::Ran(outcome)),
            Err(refusal)
                if matches!(refusal.status().map(|s| s.as_u16()), Some(401 | 403))
                    && refusal.acted() == Acted::No =>
            {
                let command = cmdlet.command()?;
                Ok(RunOr::HandOver(HandOver {
                    powershell: command.to_powershell()?,
                    role_group: command.facts().role_group,
                    refusal,
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// Where the caller stands: no permission, no role, or which cmdlets.
    ///
    /// # Errors
    /// Failures that say nothing about grants, such as those of the network.
    pub async fn standing(&self) -> Result<Standing> {
        Standing::read(self.capabilities().await)
    }

    /// Fails before the first write when the caller lacks a cmdlet of the plan, naming each and who could run it.
    ///
    /// # Errors
    /// [`ErrorKind::PermissionDenied`] naming the cmdlets and the role group that would give them; those of
    /// [`capabilities`](Self::capabilities).
    pub async fn require(&self, plan: impl IntoIterator<Item = &'static Facts> + Send) -> Result<()> {
        let plan: Vec<&'static Facts> = plan.into_iter().collect();
        let missing = self.capabilities().await?.missing(plan);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::PermissionDenied, format!("the caller may not run {missing}"))
            .with_acted(Acted::No)
            .with_authority(Authority::ExchangeScoping))
    }

    /// The roles of one app, and nobody else's: what Exchange answers is compared with the app's names.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn assignments_of(&self, app: &ServicePrincipal) -> Result<Vec<ManagementRoleAssignment>> {
        let mut all = self.run(&ListManagementRoleAssignments::of_app(app.object_id)).await?.value;
        all.retain(|assignment| assignment.is_of_app(app));
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

    /// The route below.
    pub(crate) fn route(&self) -> &CmdletRoute {
        &self.route
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
    /// The route that answered.
    pub route: Route,
}

/// What [`run_or_hand_over`](ExchangeAdmin::run_or_hand_over) came to.
#[derive(Debug)]
pub enum RunOr<T> {
    /// A route ran it.
    Ran(Outcome<T>),
    /// Nothing was done; a person must run it.
    HandOver(HandOver),
}

/// A cmdlet for a person to run, since no route lets the program.
#[derive(Debug)]
pub struct HandOver {
    /// One line of PowerShell.
    pub powershell: String,
    /// The smallest built-in role group whose members may run it.
    pub role_group: RoleGroup,
    /// Why the first route refused.
    pub refusal: Error,
}

impl<T> Outcome<T> {
    /// Whether Exchange says that everything was as wanted before.
    pub fn changed_nothing(&self) -> bool {
        self.warnings.iter().any(|w| w.contains("but no settings of") && w.contains("have been modified"))
    }
}
