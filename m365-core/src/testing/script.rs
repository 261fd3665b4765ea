use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use crate::{Body, HttpTransport, TransportError, TransportErrorKind};

/// A transport that answers from a script, in order. An unexpected call is an error, and so is a step that nobody asked
/// for (see [`ScriptedTransport::assert_finished`]).
///
/// ```
/// use m365_core::testing::{Reply, ScriptedTransport};
/// let script = ScriptedTransport::new().on("GET", "/v1.0/users", Reply::json(200, r#"{"value":[]}"#));
/// # drop(script);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedTransport(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    seen: Vec<Request<Bytes>>,
}

#[derive(Debug)]
struct Step {
    method: String,
    path: String,
    reply: Reply,
}

/// What a step answers.
#[derive(Clone, Debug)]
pub struct Reply(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Answer { status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: Bytes },
    Failure(TransportErrorKind),
}

impl Reply {
    /// An answer with this status and body. A status out of range becomes 500.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self(Kind::Answer {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Vec::new(),
            body: body.into(),
        })
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &str) -> Self {
        Self::new(status, body.to_owned()).header("content-type", "application/json")
    }

    /// A connection that fails like this.
    pub fn failure(kind: TransportErrorKind) -> Self {
        Self(Kind::Failure(kind))
    }

    /// With a header; one that cannot be written is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Kind::Answer { headers, .. }, Ok(name), Ok(value)) =
            (&mut self.0, HeaderName::try_from(name), HeaderValue::try_from(value))
        {
            headers.push((name, value));
        }
        self
    }
}

impl ScriptedTransport {
    /// An empty script: every call is an error.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next call must have this method and this path (with its query, when the path given has one).
    #[must_use]
    pub fn on(self, method: &str, path: &str, reply: Reply) -> Self {
        self.lock().steps.push_back(Step { method: method.to_owned(), path: path.to_owned(), reply });
        self
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.lock().seen.clone()
    }

    /// Fails when steps are left over.
    ///
    /// # Panics
    /// When steps are left over; meant for tests.
    #[track_caller]
    pub fn assert_finished(&self) {
        let left: Vec<String> =
            self.lock().steps.iter().map(|s| format!("{} {}", s.method, s.path)).collect();
        assert!(left.is_empty(), "nobody asked for: {}", left.join(", "));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpTransport for ScriptedTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let mut state = self.lock();
        let step = state.steps.pop_front();
        let uri = request.uri();
        let whole = uri.path_and_query().map_or("/", |p| p.as_str());
        let shown = format!("{} {whole}", request.method());
        let fits = step.as_ref().is_some_and(|step| {
            step.method == request.method().as_str() && (step.path == whole || step.path == uri.path())
        });
        // Whoever counts the calls must see those that nobody expected as well.
        state.seen.push(request);
        let Some(step) = step else {
            return Err(TransportError::new(TransportErrorKind::NotSent, format!("unscripted call {shown}")));
        };
        if !fits {
            return Err(TransportError::new(
                TransportErrorKind::NotSent,
                format!("the script expected {} {}, the call is {shown}", step.method, step.path),
            ));
        }
        match step.reply.0 {
            Kind::Failure(kind) => Err(TransportError::new(kind, "scripted failure")),
            Kind::Answer { status, headers, body } => {
                let mut response = Response::new(Body::from_bytes(body));
                *response.status_mut() = status;
                response.headers_mut().extend(headers);
                Ok(response)
            }
        }
    }
}
