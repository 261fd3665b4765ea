use crate::mail::MailboxRef;
use base64::Engine as _;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use m365_core::{Cloud, Error, ErrorKind, Idempotency, Meta, Operation, Resource, Result, Service, odata};

/// Largest request that Graph takes for sending, in bytes.
const LIMIT: usize = 4 * 1024 * 1024;

/// `POST /users/{address}/sendMail` with MIME: base64 in a `text/plain` body. Needs `Mail.Send`.
///
/// Accepted (202) is not sent, and there is no id to ask for. The message's own `From` is ignored: it goes out as the
/// mailbox. Not idempotent: after a lost answer look for the `Message-ID` in Sent Items before trying again.
///
/// <https://learn.microsoft.com/graph/outlook-send-mime-message>
#[derive(Clone, Debug)]
pub struct SendMime {
    mailbox: MailboxRef,
    encoded: Bytes,
}

impl SendMime {
    /// A message as RFC 5322 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] when the encoded message is larger than 4 MB.
    pub fn new(mailbox: MailboxRef, message: impl AsRef<[u8]>) -> Result<Self> {
        let encoded = base64::engine::general_purpose::STANDARD.encode(message.as_ref());
        if encoded.len() > LIMIT {
            return Err(Error::new(
                ErrorKind::Limit,
                "the message is larger than the 4 MB that Graph takes in one request",
            )
            .with_mailbox(mailbox.address().as_str()));
        }
        Ok(Self { mailbox, encoded: encoded.into() })
    }
}

impl Operation for SendMime {
    type Output = ();

    fn meta(&self) -> Meta<'_> {
        Meta::new("send message", Resource::Graph, Service::Outlook, Idempotency::NotIdempotent)
            .with_mailbox(self.mailbox.address().as_str())
    }

    fn request(&self, cloud: &Cloud) -> Result<http::Request<Bytes>> {
        let path = format!("/v1.0/users/{}/sendMail", self.mailbox.segment());
        let mut request = odata::send_empty(cloud, Method::POST, &path)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        *request.body_mut() = self.encoded.clone();
        Ok(request)
    }

    fn read(&self, _response: http::Response<Bytes>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mime_is_bare_base64() {
        let operation = SendMime::new("a@contoso.example".parse().unwrap(), b"Subject: x\r\n\r\nhi").unwrap();
        let request = operation.request(&Cloud::public()).unwrap();
        assert_eq!(request.headers()["content-type"], "text/plain");
        assert_eq!(request.body(), "U3ViamVjdDogeA0KDQpoaQ==");
        assert_eq!(operation.meta().idempotency, Idempotency::NotIdempotent);
    }

    #[test]
    fn the_4_mb_border_is_checked_before_sending() {
        let mailbox: MailboxRef = "a@contoso.example".parse().unwrap();
        assert!(SendMime::new(mailbox.clone(), vec![b'x'; 3 * 1024 * 1024]).is_ok());
        assert_eq!(
            SendMime::new(mailbox, vec![b'x'; 3 * 1024 * 1024 + 1]).unwrap_err().kind(),
            ErrorKind::Limit
        );
    }
}
