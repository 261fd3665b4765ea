//! What carries requests.

use bytes::Bytes;
use m365_core::{Body, Result, Transport, TransportError};

use crate::{EwsCredential, EwsEndpoint};

/// The way to the server. A scheme that authenticates the request goes by any transport.
#[derive(Debug)]
pub(super) enum Wire {
    Any(Transport),
}

impl Wire {
    pub(super) fn new(
        _endpoint: &EwsEndpoint,
        _credential: &EwsCredential,
        transport: Option<Transport>,
    ) -> Result<Self> {
        match transport {
            Some(transport) => Ok(Self::Any(transport)),
            #[cfg(feature = "reqwest")]
            None => Ok(Self::Any(Transport::new(m365_core::transport::ReqwestTransport::new()?))),
            #[cfg(not(feature = "reqwest"))]
            None => Err(super::no_transport()),
        }
    }

    pub(super) async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Body>, TransportError> {
        match self {
            Self::Any(transport) => transport.send(request).await,
        }
    }
}
