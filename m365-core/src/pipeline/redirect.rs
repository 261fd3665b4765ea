use http::header::LOCATION;
use http::{Method, StatusCode, Uri};
use url::Url;

use crate::{Body, Cloud, Error, ErrorKind, Resource, Result};

/// Refuses a request whose token would travel to a host outside the cloud's list.
pub(super) fn check_host(cloud: &Cloud, resource: &Resource, uri: &Uri) -> Result<()> {
    if cloud.is_base_of(resource, uri) {
        return Ok(());
    }
    let url =
        Url::parse(&uri.to_string()).map_err(|_| Error::invalid("the request's URL is not absolute"))?;
    if cloud.may_receive_token(resource, &url) { Ok(()) } else { Err(foreign(&url)) }
}

/// The place that the server names for the request to be repeated at, if it names one and the token may go there.
pub(super) fn target(
    cloud: &Cloud,
    resource: &Resource,
    (method, here): (&Method, &Uri),
    response: &http::Response<Body>,
) -> Result<Option<Uri>> {
    let status = response.status();
    let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    if !keeps_method && !matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else {
        return Ok(None);
    };
    if !keeps_method && method != Method::GET {
        return Err(Error::unreadable("the server redirects a call in a way that would change its method")
            .with_status(status));
    }
    let here =
        Url::parse(&here.to_string()).map_err(|_| Error::invalid("the request's URL is not absolute"))?;
    let unreadable = || Error::unreadable("the redirect names no readable place").with_status(status);
    let there = location.to_str().ok().and_then(|l| here.join(l).ok()).ok_or_else(unreadable)?;
    if !cloud.may_receive_token(resource, &there) {
        return Err(foreign(&there).with_status(status));
    }
    there.as_str().parse().map(Some).map_err(|_| unreadable())
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
