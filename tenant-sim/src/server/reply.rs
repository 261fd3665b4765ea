//! Small helpers to build answers.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use tokio::sync::mpsc;

use super::Dropped;

/// A complete answer.
pub(crate) type Reply = Response<Bytes>;

/// The body of an answer on its way out.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// All of it.
    Whole(Full<Bytes>),
    /// Piece by piece, until the sender goes; an error ends the connection.
    Pieces(mpsc::Receiver<Result<Bytes, Dropped>>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Pieces(pieces) => pieces.poll_recv(cx).map(|piece| piece.map(|p| p.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// A JSON answer with the content type that Graph and Entra use.
pub(crate) fn json(status: StatusCode, value: &Value) -> Reply {
    bytes(status, "application/json; charset=utf-8", value.to_string())
}

/// An answer without body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    reply
}

/// An answer with a body of any type.
pub(crate) fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Sets a header; a value that cannot stand in a header is left out.
pub(crate) fn set(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
