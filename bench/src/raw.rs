use bytes::Bytes;
use http::{Request, Response};
use m365_core::{Cloud, Idempotency, Meta, Operation, Resource, Result, Service};

/// A call of Graph for a mailbox whose answer is not parsed.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Operation for Raw {
    type Output = Bytes;

    fn meta(&self) -> Meta<'_> {
        Meta::new("raw", Resource::Graph, Service::Outlook, Idempotency::Idempotent)
            .with_mailbox("adele@contoso.example")
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        m365_core::odata::get(cloud, "/v1.0/users/adele@contoso.example/messages?$top=10&$select=id,subject")
    }

    fn read(&self, response: Response<Bytes>) -> Result<Bytes> {
        Ok(response.into_body())
    }
}
