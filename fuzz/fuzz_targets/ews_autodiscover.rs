//! Autodiscover: whatever one answer says, and wherever it redirects to, nothing goes where it must not.
#![no_main]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ews_client::EwsCredential;
use ews_client::autodiscover::{Autodiscover, json, pox, soap};
use http::{HeaderValue, Request, StatusCode};
use m365_core::{Body, HttpTransport, MailboxAddress, Transport, TransportError};

/// Answers the same to everybody, and remembers who was asked.
#[derive(Clone, Debug)]
struct Same {
    status: StatusCode,
    location: Option<HeaderValue>,
    body: Bytes,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl HttpTransport for Same {
    async fn send(&self, request: Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        self.seen.lock().expect("no panic before").push(request);
        let mut response = http::Response::new(Body::from_bytes(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.location.clone().map(|to| (http::header::LOCATION, to)));
        Ok(response)
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // A status, a line with a place, and a body.
    let [status, rest @ ..] = data else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (location, body) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let status = [200, 301, 302, 307, 308, 401, 404, 500][usize::from(status % 8)];
    let status = StatusCode::from_u16(status).expect("a status");
    for error in
        [pox::read(status, body).err(), soap::read(status, body).err(), json::read(status, body).err()]
            .into_iter()
            .flatten()
    {
        fuzz::told(&error);
    }
    let location = HeaderValue::from_bytes(location).ok();
    let net = Same { status, location, body: Bytes::copy_from_slice(body), seen: Arc::default() };
    let asking = Autodiscover::new(Transport::new(net.clone()))
        .with_credential(EwsCredential::basic("svc@contoso.example", fuzz::SECRET.into()));
    let anna = MailboxAddress::parse("anna@contoso.example").expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    match runtime.block_on(asking.discover(&anna)) {
        Ok(found) => {
            let url = found.ews_url.url();
            let host = url.host_str().expect("a host");
            assert!(host == "contoso.example" || host.ends_with(".contoso.example"), "{url}");
            assert_eq!(url.scheme(), "https");
        }
        Err(error) => fuzz::told(&error),
    }
    let seen = net.seen.lock().expect("no panic before");
    assert!(seen.len() <= 40, "{} requests", seen.len());
    for request in seen.iter() {
        let uri = request.uri();
        assert!(matches!(uri.host(), Some("contoso.example" | "autodiscover.contoso.example")), "{uri}");
        assert!(
            uri.port_u16().is_none_or(|port| port == 443) && !uri.to_string().contains(fuzz::SECRET),
            "{uri}"
        );
        match uri.scheme_str() {
            Some("https") => {}
            _ => assert!(
                !request.headers().contains_key("authorization") && request.body().is_empty(),
                "{uri}"
            ),
        }
    }
});
