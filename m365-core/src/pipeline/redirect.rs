use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, StatusCode};
use url::Url;

use crate::{Body, Cloud, Error, ErrorKind, Resource, Result};

/// Refuses a request whose token would travel to a host outside the cloud's list.
pub(super) fn check_host(cloud: &Cloud, resource: &Resource, uri: &http::Uri) -> Result<()> {
    let url =
        Url::parse(&uri.to_string()).map_err(|_| Error::invalid("the request's URL is not absolute"))?;
    if cloud.may_receive_token(resource, &url) { Ok(()) } else { Err(foreign(&url)) }
}

/// The request to repeat at the place the server names, if it names one and the token may go there.
pub(super) fn target(
    cloud: &Cloud,
    resource: &Resource,
    request: Option<http::Request<Bytes>>,
    response: &http::Response<Body>,
) -> Result<Option<http::Request<Bytes>>> {
    let status = response.status();
    let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if !keeps_method && !matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) {
        return Ok(None);
    }
    let (Some(mut request), Some(location)) = (request, response.headers().get(LOCATION)) else {
        return Ok(None);
    };
    if !keeps_method && request.method() != Method::GET {
        return Err(Error::unreadable("the server redirects a call in a way that would change its method")
            .with_status(status));
    }
    let here = Url::parse(&request.uri().to_string())
        .map_err(|_| Error::invalid("the request's URL is not absolute"))?;
    let there = location
        .to_str()
        .ok()
        .and_then(|l| here.join(l).ok())
        .ok_or_else(|| Error::unreadable("the redirect names no readable place").with_status(status))?;
    if !cloud.may_receive_token(resource, &there) {
        return Err(foreign(&there).with_status(status));
    }
    *request.uri_mut() = there
        .as_str()
        .parse()
        .map_err(|_| Error::unreadable("the redirect names no readable place").with_status(status))?;
    Ok(Some(request))
}

fn foreign(url: &Url) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!(
            "refused to send the token to {}: the host is not on the cloud's list",
            url.host_str().unwrap_or("an address without host")
        ),
    )
    .with_authority(crate::Authority::Caller)
    .with_transient(false)
}
