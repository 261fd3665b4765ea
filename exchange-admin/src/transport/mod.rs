//! The seam below the typed cmdlets, and the routes behind it.

mod admin_api;
mod answer;
mod batch;
mod capabilities;
mod failure;
mod graph_roles;
mod pace;
mod routed;
mod routes;
mod standing;
mod stream;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use m365_core::{Error, ErrorKind, Result};

use crate::command::Command;
use crate::row::Row;

pub use admin_api::AdminApi;
pub use capabilities::{Capabilities, Missing, MissingCmdlet};
pub(crate) use failure::short_type;
pub use routed::Routed;
pub use routes::{Route, RouteSupport};
pub use standing::Standing;
pub use stream::RowStream;

/// Runs commands somewhere. Implementors write an `async fn`; users hold a [`CmdletRoute`].
pub trait CmdletTransport: fmt::Debug + Send + Sync + 'static {
    /// Runs one command to its end: all pages, or an error.
    ///
    /// # Errors
    /// The cmdlet's failure, classified, with the exception type as
    /// [`service_code`](m365_core::Error::service_code); [`ErrorKind::Truncated`] when the list would be short.
    fn invoke(&self, command: &Command) -> impl Future<Output = Result<Answer>> + Send;

    /// Runs a read and gives its rows as they come in, for lists too long to hold. The default holds them all the same.
    ///
    /// # Errors
    /// Those of [`invoke`](Self::invoke), also later and as the stream's last item.
    fn rows(&self, command: &Command) -> impl Future<Output = Result<RowStream>> + Send {
        async { self.invoke(command).await.map(RowStream::of) }
    }

    /// Runs several commands at once; the answers are in the order of the commands, one for each. A write is not
    /// repeated. The default runs one after the other.
    fn invoke_batch(&self, commands: &[Command]) -> impl Future<Output = Vec<Result<Answer>>> + Send {
        async move {
            let mut answers = Vec::with_capacity(commands.len());
            for command in commands {
                answers.push(self.invoke(command).await);
            }
            answers
        }
    }

    /// The cmdlets that the caller may run.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the route cannot tell, which is the default.
    fn capabilities(&self) -> impl Future<Output = Result<Capabilities>> + Send {
        async {
            Err(Error::new(ErrorKind::Unsupported, "this route cannot tell which cmdlets the caller may run"))
        }
    }
}

/// What a command gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The objects; none for cmdlets without output.
    pub rows: Vec<Row>,
    /// Warnings, in English.
    pub warnings: Vec<String>,
    /// The route that answered.
    pub route: Route,
}

/// A cheap handle to any [`CmdletTransport`].
#[derive(Clone)]
pub struct CmdletRoute(Arc<dyn dynamic::CmdletTransport>);

impl CmdletRoute {
    /// A handle to this transport.
    pub fn new(transport: impl CmdletTransport) -> Self {
        Self(Arc::new(transport))
    }

    /// See [`CmdletTransport::invoke`].
    ///
    /// # Errors
    /// Those of the transport behind it.
    pub async fn invoke(&self, command: &Command) -> Result<Answer> {
        self.0.invoke(command).await
    }

    /// See [`CmdletTransport::rows`].
    ///
    /// # Errors
    /// Those of the transport behind it.
    pub async fn rows(&self, command: &Command) -> Result<RowStream> {
        self.0.rows(command).await
    }

    /// See [`CmdletTransport::invoke_batch`].
    pub async fn invoke_batch(&self, commands: &[Command]) -> Vec<Result<Answer>> {
        self.0.invoke_batch(commands).await
    }

    /// See [`CmdletTransport::capabilities`].
    ///
    /// # Errors
    /// Those of the transport behind it.
    pub async fn capabilities(&self) -> Result<Capabilities> {
        self.0.capabilities().await
    }
}

impl fmt::Debug for CmdletRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

mod dynamic {
    use std::fmt;

    use m365_core::Result;

    use super::{Answer, Capabilities, Command, RowStream};

    #[async_trait::async_trait]
    pub(super) trait CmdletTransport: fmt::Debug + Send + Sync {
        async fn invoke(&self, command: &Command) -> Result<Answer>;
        async fn rows(&self, command: &Command) -> Result<RowStream>;
        async fn invoke_batch(&self, commands: &[Command]) -> Vec<Result<Answer>>;
        async fn capabilities(&self) -> Result<Capabilities>;
    }

    #[async_trait::async_trait]
    impl<T: super::CmdletTransport> CmdletTransport for T {
        async fn invoke(&self, command: &Command) -> Result<Answer> {
            super::CmdletTransport::invoke(self, command).await
        }
        async fn rows(&self, command: &Command) -> Result<RowStream> {
            super::CmdletTransport::rows(self, command).await
        }
        async fn invoke_batch(&self, commands: &[Command]) -> Vec<Result<Answer>> {
            super::CmdletTransport::invoke_batch(self, commands).await
        }
        async fn capabilities(&self) -> Result<Capabilities> {
            super::CmdletTransport::capabilities(self).await
        }
    }
}
