use bytes::Bytes;

use crate::{Cloud, Resource, Result, odata};

/// One call of a protocol as a plain value: how its request looks, and what its response says. No I/O.
///
/// Implement it for a call that this family lacks; the pipeline then adds the token, keeps the limits, retries and
/// classifies.
///
/// ```
/// use bytes::Bytes;
/// use m365_core::{Cloud, Idempotency, Meta, Operation, Resource, Result, Service};
///
/// /// `GET /organization`: the tenant's display name.
/// struct GetOrganization;
///
/// impl Operation for GetOrganization {
///     type Output = String;
///
///     fn meta(&self) -> Meta<'_> {
///         Meta::new("get organization", Resource::Graph, Service::Directory, Idempotency::Idempotent)
///     }
///
///     fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
///         m365_core::odata::get(cloud, "/v1.0/organization?$select=displayName")
///     }
///
///     fn read(&self, response: http::Response<Bytes>) -> Result<String> {
///         #[derive(serde::Deserialize)]
///         #[serde(rename_all = "camelCase")]
///         struct Organization {
///             display_name: String,
///         }
///         let page: m365_core::odata::Page<Organization> = m365_core::odata::json(&response)?;
///         Ok(page.value.into_iter().map(|o| o.display_name).collect())
///     }
/// }
/// ```
pub trait Operation: Send + Sync {
    /// What a success gives.
    type Output: Send;

    /// Name, resource, service, idempotency, mailbox.
    fn meta(&self) -> Meta<'_>;

    /// The request, without token.
    ///
    /// # Errors
    /// Invalid input; nothing is sent then.
    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>>;

    /// Reads the response of a success.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) when it is not what the protocol promises.
    fn read(&self, response: http::Response<Bytes>) -> Result<Self::Output>;

    /// Whether the response is a failure, and which. The default reads Graph's error envelope off any status of 400
    /// and above; protocols that hide failures elsewhere override it.
    ///
    /// # Errors
    /// The failure.
    fn classify(&self, response: &http::Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        odata::classify(response, now)
    }

    /// Largest response accepted, in bytes.
    fn body_limit(&self) -> usize {
        16 * 1024 * 1024
    }
}

impl<O: Operation + ?Sized> Operation for &O {
    type Output = O::Output;

    fn meta(&self) -> Meta<'_> {
        (**self).meta()
    }
    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        (**self).request(cloud)
    }
    fn read(&self, response: http::Response<Bytes>) -> Result<Self::Output> {
        (**self).read(response)
    }
    fn classify(&self, response: &http::Response<Bytes>, now: jiff::Timestamp) -> Result<()> {
        (**self).classify(response, now)
    }
    fn body_limit(&self) -> usize {
        (**self).body_limit()
    }
}

/// What the pipeline must know of an operation.
#[derive(Clone, Debug)]
pub struct Meta<'a> {
    /// Short name in the imperative, for errors and traces.
    pub name: &'static str,
    /// The API that the token must be for.
    pub resource: Resource,
    /// The service whose limits count.
    pub service: Service,
    /// Whether it may be repeated when the server may have acted.
    pub idempotency: Idempotency,
    /// The mailbox touched: second part of the throttle's key.
    pub mailbox: Option<&'a str>,
}

impl<'a> Meta<'a> {
    /// Of an operation that touches no single mailbox.
    pub const fn new(
        name: &'static str,
        resource: Resource,
        service: Service,
        idempotency: Idempotency,
    ) -> Self {
        Self { name, resource, service, idempotency, mailbox: None }
    }

    /// Of one that touches this mailbox.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: &'a str) -> Self {
        self.mailbox = Some(mailbox);
        self
    }
}

/// Whether an operation may be repeated when the server may have acted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Twice is as good as once.
    Idempotent,
    /// It is repeated only when the server surely did not act.
    NotIdempotent,
}

/// The service behind a call, as far as limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// The directory over Graph: applications, users, groups.
    Directory,
    /// Mail and calendars over Graph.
    Outlook,
    /// The Exchange Admin API.
    ExchangeAdmin,
    /// Exchange Web Services.
    Ews,
    /// The token service.
    Token,
}
