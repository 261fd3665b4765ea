//! What carries requests.

use bytes::Bytes;
use m365_core::{Body, Result, Transport};

#[cfg(feature = "ntlm")]
use super::bound::Bound;
#[cfg(feature = "ntlm")]
use crate::auth::Scheme;
use crate::{EwsCredential, EwsEndpoint};

/// The way to the server. A scheme that signs in each request goes by any transport; one that signs in the connection needs
/// its own.
#[derive(Debug)]
pub(super) enum Wire {
    Any(Transport),
    #[cfg(feature = "ntlm")]
    Bound(Box<Bound>),
}

impl Wire {
    #[cfg_attr(not(feature = "ntlm"), expect(unused_variables, reason = "only own connections need them"))]
    pub(super) fn new(
        endpoint: &EwsEndpoint,
        credential: &EwsCredential,
        transport: Option<Transport>,
        roots: Option<&str>,
    ) -> Result<Self> {
        #[cfg(feature = "ntlm")]
        if let Scheme::Connection { mechanism, account } = &credential.0 {
            let bound = Bound::new(endpoint, mechanism.clone(), account.clone(), roots)?;
            return Ok(Self::Bound(Box::new(bound)));
        }
        match transport {
            Some(transport) => Ok(Self::Any(transport)),
            #[cfg(feature = "reqwest")]
            None => {
                use m365_core::transport::ReqwestTransport;
                let shipped = match roots {
                    Some(pem) => ReqwestTransport::with_only_roots(pem)?,
                    None => ReqwestTransport::new()?,
                };
                Ok(Self::Any(Transport::new(shipped)))
            }
            #[cfg(not(feature = "reqwest"))]
            None => Err(super::no_transport()),
        }
    }

    pub(super) async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>> {
        match self {
            Self::Any(transport) => Ok(transport.send(request).await?),
            #[cfg(feature = "ntlm")]
            Self::Bound(bound) => bound.send(request).await,
        }
    }
}
