use http::{HeaderMap, StatusCode};
use m365_core::{Error, ErrorKind, Idempotency, Result};

use crate::client::BackEndCookie;
use crate::http_verdict::{HttpVerdict, classify_http};
use crate::soap::{
    Fault, ItemResult, Opened, RequestContext, SchemaVersion, ServerVersion, match_to_asked, open_answer,
    telling,
};
use crate::xml::{Cursor, Document, Element, Writer};

/// One operation of EWS, as two pure functions: write the request, read the answer. Neither does I/O.
///
/// A request asks about one or more elements (ids, folders, mailboxes, subscriptions), and gives one [`ItemResult`] for
/// each, in the order asked. Implement it for an operation that this crate lacks:
/// [`write_request`](crate::write_request) and [`read_answer`] do the rest.
///
/// ```
/// use ews_client::xml::{Cursor, Element, Writer};
/// use ews_client::{EwsOperation, ItemResult, RequestContext, ResponseClass, Result, read_answer};
/// use http::StatusCode;
///
/// struct DeletePhoto;
///
/// impl EwsOperation for DeletePhoto {
///     const NAME: &'static str = "DeletePhoto";
///     type Item = ();
///
///     fn asked(&self) -> usize {
///         1
///     }
///     fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
///         writer.raw("<m:DeletePhoto/>");
///     }
///     fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<()>>> {
///         ews_client::read_messages(cursor, root, |_, _, _| Ok(()))
///     }
/// }
///
/// let answer = br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>
///     <m:DeletePhotoResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" ResponseClass="Success">
///     <m:ResponseCode>NoError</m:ResponseCode></m:DeletePhotoResponse></Body></Envelope>"#;
/// let answer = read_answer(&DeletePhoto, StatusCode::OK, answer)?;
/// assert_eq!(answer.results[0].class, ResponseClass::Success);
/// # Ok::<(), ews_client::Error>(())
/// ```
pub trait EwsOperation {
    /// Its name: the request's element may bear another, the answer's is this with `Response` behind it.
    const NAME: &'static str;

    /// What is answered about one element.
    type Item;

    /// About how many elements it asks, and so how many answers are due.
    fn asked(&self) -> usize;

    /// The oldest schema that has it.
    fn since(&self) -> SchemaVersion {
        SchemaVersion::Exchange2007Sp1
    }

    /// About how many bytes it writes, so that one allocation does for the whole request.
    fn size_hint(&self) -> usize {
        1024
    }

    /// Whether it may be sent again when nobody knows if the server acted on it.
    fn idempotency(&self) -> Idempotency {
        Idempotency::Idempotent
    }

    /// The same operation about these of its elements only, by their places: what a batch left unexecuted is sent again.
    /// `None` for an operation that is whole or nothing.
    fn only(&self, places: &[usize]) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = places;
        None
    }

    /// Writes the one element of the body, in the schema's order, and nothing that
    /// [`capabilities`](RequestContext::capabilities) does not allow.
    fn write(&self, writer: &mut Writer, context: &RequestContext<'_>);

    /// Reads the one element of the body. [`read_messages`] knows the shapes that response messages come in.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] for what cannot be read. That an element failed is no error here, but an
    /// [`ItemResult`].
    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Self::Item>>>;
}

/// What came back for a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer<T> {
    /// One for each element asked about, in that order.
    pub results: Vec<ItemResult<T>>,
    /// What the server says of itself; absent with some servers.
    pub server: Option<ServerVersion>,
    /// How many characters were replaced by U+FFFD because XML does not allow them.
    pub replaced: u64,
    /// The server that answered, for requests that must reach the same one again ([`Affinity`](crate::Affinity)).
    pub back_end: Option<BackEndCookie>,
}

/// Why an answer is none: the error, and what only the client that sends needs to decide on.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: Error,
    pub(crate) verdict: Option<HttpVerdict>,
    pub(crate) fault: Option<Box<Fault>>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, verdict: None, fault: None }
    }
}

impl From<crate::xml::XmlError> for Refusal {
    fn from(error: crate::xml::XmlError) -> Self {
        Error::from(error).into()
    }
}

/// Reads the response messages below `root`, in whichever shape the operation has, and calls `read` for each element that
/// is the operation's own. `read` puts what it makes of them into the slot it is given.
///
/// # Errors
/// As [`EwsOperation::read`], and whatever `read` answers.
pub fn read_messages<'a, T>(
    cursor: &mut Cursor<'a>,
    root: &Element<'a>,
    read: impl FnMut(&mut Cursor<'a>, &Element<'a>, &mut Option<T>) -> Result<(), crate::xml::XmlError>,
) -> Result<Vec<ItemResult<T>>> {
    Ok(crate::soap::read_messages(cursor, root, read)?)
}

/// Reads the body of an answer that is known to be SOAP. The status decides nothing: it only goes into the error of a
/// fault.
///
/// # Errors
/// A fault, as [`Fault::to_error`](crate::Fault::to_error) says, with the [`Fault`](crate::Fault)'s code and back-off;
/// [`ErrorKind::InvalidResponse`] for an answer to something else, a cut, or another number of answers than elements
/// were asked about.
pub fn read_answer<O: EwsOperation>(
    operation: &O,
    status: StatusCode,
    body: &[u8],
) -> Result<Answer<O::Item>> {
    parse(operation, status, body).map_err(|refusal| refusal.error.with_operation(O::NAME))
}

/// Reads a whole HTTP answer: what status and headers already tell ([`classify_http`]), then the body.
///
/// # Errors
/// As [`HttpVerdict::to_error`](crate::HttpVerdict::to_error) and [`read_answer`].
pub fn read_http_answer<O: EwsOperation>(
    operation: &O,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer<O::Item>> {
    read_exchange(operation, status, headers, body).map_err(|refusal| refusal.error)
}

/// As [`read_http_answer`], with the refusal in parts.
pub(crate) fn read_exchange<O: EwsOperation>(
    operation: &O,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer<O::Item>, Refusal> {
    let verdict = classify_http(status, headers, body);
    let result = match verdict.to_error(status) {
        None => parse(operation, status, body),
        Some(error) => Err(Refusal { error, verdict: Some(verdict), fault: None }),
    };
    match result {
        Ok(mut answer) => {
            answer.back_end = BackEndCookie::of(headers);
            Ok(answer)
        }
        Err(mut refusal) => {
            let id =
                ["request-id", "client-request-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
            refusal.error = refusal.error.with_operation(O::NAME).with_headers(headers);
            if let Some(id) = id {
                refusal.error = refusal.error.with_request_id(id);
            }
            Err(refusal)
        }
    }
}

fn parse<O: EwsOperation>(
    operation: &O,
    status: StatusCode,
    body: &[u8],
) -> Result<Answer<O::Item>, Refusal> {
    let document = Document::new(body)?;
    let mut cursor = document.cursor();
    let answer = open_answer(&mut cursor)?;
    let results = match answer.body {
        Opened::Fault(fault) => {
            return Err(Refusal {
                error: fault.to_error(telling(status)),
                verdict: None,
                fault: Some(Box::new(fault)),
            });
        }
        Opened::Empty => {
            return Err(Error::unreadable("the body of the envelope is empty").with_status(status).into());
        }
        Opened::Root(root) if root.ews().strip_suffix("Response") == Some(O::NAME) => {
            operation.read(&mut cursor, &root)?
        }
        Opened::Root(root) => {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                format!("the answer is {}, not {}Response", root.local, O::NAME),
            )
            .into());
        }
    };
    cursor.skip(&answer.envelope)?;
    cursor.finish()?;
    Ok(Answer {
        results: match_to_asked(results, operation.asked())?,
        server: answer.server,
        replaced: cursor.replaced(),
        back_end: None,
    })
}
