use m365_core::{Acted, Error, ErrorKind, Idempotency, Pipeline, Result, TenantId};
use tracing::debug;

use super::routes::{Route, carries};
use super::{AdminApi, Answer, Capabilities, CmdletTransport, RowStream, graph_roles};
use crate::command::Command;

/// All routes of one tenant: each cmdlet goes over the first that carries it, and over the next one when that route lets
/// the caller in not at all (401, 403) or is not served here (404).
///
/// It goes on only where that can neither pass an error off as "absent" nor repeat a write that may have acted: a
/// cmdlet's own refusal is an answer, and a write is handed on only when the refusal came before the cmdlet.
#[derive(Clone, Debug)]
pub struct Routed {
    admin: AdminApi,
    pipeline: Pipeline,
    order: Vec<Route>,
}

impl Routed {
    /// `InvokeCommand` first, then the documented endpoints, then Graph.
    pub fn new(pipeline: Pipeline, tenant: TenantId) -> Self {
        Self {
            admin: AdminApi::new(pipeline.clone(), tenant),
            pipeline,
            order: vec![Route::InvokeCommand, Route::AdminApiV2, Route::Graph],
        }
    }

    /// Only these routes, in this order. [`Route::Script`] is not one that a program can take; it is left out.
    #[must_use]
    pub fn with_order(mut self, order: impl IntoIterator<Item = Route>) -> Self {
        self.order.clear();
        for route in order {
            if route != Route::Script && !self.order.contains(&route) {
                self.order.push(route);
            }
        }
        self
    }

    /// The routes that would be tried for this command, in order.
    pub fn routes_for(&self, command: &Command) -> Vec<Route> {
        self.order.iter().copied().filter(|route| carries(*route, command)).collect()
    }

    async fn over(&self, route: Route, command: &Command) -> Result<Answer> {
        match route {
            Route::Graph => graph_roles::invoke(&self.pipeline, command).await,
            route => self.admin.invoke_over(route, command).await,
        }
    }
}

impl CmdletTransport for Routed {
    async fn invoke(&self, command: &Command) -> Result<Answer> {
        let mut refused: Option<Error> = None;
        for route in self.routes_for(command) {
            match self.over(route, command).await {
                Ok(answer) => return Ok(answer),
                Err(error) if may_go_on(command, &error) => {
                    debug!(cmdlet = command.name().as_str(), %route, kind = ?error.kind(), "route refused");
                    refused = refused.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Error::new(ErrorKind::Unsupported, "none of the routes allowed carries this cmdlet")
                .with_operation(command.name().as_str())
                .with_acted(Acted::No)
        }))
    }

    async fn capabilities(&self) -> Result<Capabilities> {
        self.admin.capabilities().await
    }

    async fn rows(&self, command: &Command) -> Result<RowStream> {
        let mut refused: Option<Error> = None;
        for route in self.routes_for(command) {
            let opened = match route {
                Route::Graph => graph_roles::invoke(&self.pipeline, command).await.map(RowStream::of),
                route => self.admin.rows_over(route, command).await,
            };
            match opened {
                Ok(rows) => return Ok(rows),
                Err(error) if may_go_on(command, &error) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Error::new(ErrorKind::Unsupported, "none of the routes allowed carries this cmdlet")
                .with_operation(command.name().as_str())
                .with_acted(Acted::No)
        }))
    }

    async fn invoke_batch(&self, commands: &[Command]) -> Vec<Result<Answer>> {
        if self.order.first() != Some(&Route::InvokeCommand) {
            let mut answers = Vec::with_capacity(commands.len());
            for command in commands {
                answers.push(self.invoke(command).await);
            }
            return answers;
        }
        let mut answers = self.admin.invoke_batch(commands).await;
        for (command, answer) in commands.iter().zip(&mut answers) {
            if matches!(answer, Err(error) if may_go_on(command, error)) {
                *answer = self.invoke(command).await;
            }
        }
        answers
    }
}

/// Whether the next route may be asked after this failure.
fn may_go_on(command: &Command, error: &Error) -> bool {
    let reads = command.facts().idempotency == Idempotency::Idempotent;
    match error.status().map(|s| s.as_u16()) {
        // The gate refused; no cmdlet ran.
        Some(401) => error.kind() == ErrorKind::Authentication,
        Some(403) => error.kind() == ErrorKind::PermissionDenied && error.acted() == Acted::No,
        // A cmdlet that found nothing says so with an exception type. Without one, nobody serves this address; whether
        // something behind it acted is not certain, so a write stays where it was.
        Some(404 | 405) => reads && !error.service_code().is_some_and(|code| code.contains("Exception")),
        _ => false,
    }
}
