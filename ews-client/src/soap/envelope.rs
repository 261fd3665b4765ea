use http::StatusCode;
use m365_core::{Error, ErrorKind, Result};

use crate::operation::EwsOperation;
use crate::soap::message::read_messages;
use crate::soap::{Capabilities, Fault, ItemResult, ServerVersion, Target};
use crate::xml::{Cursor, Document, Element, Ns, Writer, XmlError};

/// Whom a request is for, and what may stand in it.
#[derive(Clone, Debug)]
pub struct RequestContext<'a> {
    target: &'a Target,
    capabilities: Capabilities,
    time_zone: Option<&'a str>,
}

impl<'a> RequestContext<'a> {
    /// For this mailbox, within these capabilities.
    pub fn new(target: &'a Target, capabilities: Capabilities) -> Self {
        Self { target, capabilities, time_zone: None }
    }

    /// The Windows id of the zone that times without an offset are in, and that answers are given in. Without it the
    /// server answers in UTC, which is best for reading instants. Servers older than 2010 do not get it.
    #[must_use]
    pub fn with_time_zone(mut self, windows_id: &'a str) -> Self {
        self.time_zone = Some(windows_id);
        self
    }

    /// Whose mailbox.
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// What may stand in the request.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
}

/// The body of the POST: the envelope with the operation inside.
///
/// ```
/// use ews_client::{Capabilities, DistinguishedFolder, GetFolder, RequestContext, Target, write_request};
/// let operation = GetFolder::new([DistinguishedFolder::Calendar.into()]);
/// let bytes = write_request(&operation, &RequestContext::new(&Target::SelfMailbox, Capabilities::default()))?;
/// assert!(String::from_utf8_lossy(&bytes).contains("<t:DistinguishedFolderId Id=\"calendar\"/>"));
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the operation needs a newer schema than may be asked of this endpoint;
/// [`ErrorKind::Limit`] above 400 KB, which Exchange refuses.
pub fn write_request<O: EwsOperation>(operation: &O, context: &RequestContext<'_>) -> Result<Vec<u8>> {
    let schema = context.capabilities.schema();
    if schema < operation.since() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("needs {} and the server speaks {schema}", operation.since()),
        )
        .with_operation(O::NAME)
        .with_acted(m365_core::Acted::No));
    }
    let mut writer = Writer::with_capacity(1024 + operation.size_hint());
    writer.raw(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/""#,
        r#" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages""#,
        r#" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">"#,
        r#"<s:Header><t:RequestServerVersion Version=""#,
    ));
    writer.raw(schema.as_str());
    writer.raw("\"/>");
    if let Some(sid) = context.target.impersonated() {
        sid.write(&mut writer);
    }
    if let Some(zone) = context.time_zone
        && context.capabilities.time_zones()
    {
        writer.raw("<t:TimeZoneContext><t:TimeZoneDefinition Id=\"");
        writer.attribute(zone);
        writer.raw("\"/></t:TimeZoneContext>");
    }
    writer.raw("</s:Header><s:Body>");
    operation.write(&mut writer, context);
    writer.raw("</s:Body></s:Envelope>");
    let bytes = writer.into_bytes();
    if bytes.len() > 400_000 {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("the request has {} bytes, Exchange takes 400,000", bytes.len()),
        )
        .with_operation(O::NAME)
        .with_acted(m365_core::Acted::No));
    }
    Ok(bytes)
}

/// An answer opened as far as the body's one element.
pub(crate) struct OpenAnswer<'a> {
    pub(crate) server: Option<ServerVersion>,
    pub(crate) envelope: Element<'a>,
    pub(crate) body: Opened<'a>,
}

pub(crate) enum Opened<'a> {
    Fault(Fault),
    Root(Element<'a>),
    Empty,
}

/// Reads the header and finds the first element of the body.
pub(crate) fn open_answer<'a>(cursor: &mut Cursor<'a>) -> Result<OpenAnswer<'a>, XmlError> {
    open(cursor, true)
}

/// Finds the first element of the body and passes over the header, which says the same in every envelope of a stream.
pub(crate) fn open_body<'a>(cursor: &mut Cursor<'a>) -> Result<OpenAnswer<'a>, XmlError> {
    open(cursor, false)
}

fn open<'a>(cursor: &mut Cursor<'a>, with_header: bool) -> Result<OpenAnswer<'a>, XmlError> {
    let envelope = cursor.root()?;
    if envelope.ns != Ns::Soap || envelope.local != "Envelope" {
        return Err(envelope.missing("a SOAP 1.1 envelope"));
    }
    let mut server = None;
    while let Some(part) = cursor.next_child(&envelope)? {
        match (part.ns, part.local) {
            (Ns::Soap, "Header") if with_header => {
                while let Some(header) = cursor.next_child(&part)? {
                    if header.is("ServerVersionInfo") {
                        server = Some(ServerVersion::read(cursor, &header)?);
                    }
                }
            }
            (Ns::Soap, "Body") => {
                let body = match cursor.next_child(&part)? {
                    Some(fault) if fault.ns == Ns::Soap && fault.local == "Fault" => {
                        Opened::Fault(Fault::read(cursor, &fault)?)
                    }
                    Some(root) => Opened::Root(root),
                    None => Opened::Empty,
                };
                return Ok(OpenAnswer { server, envelope, body });
            }
            _ => {}
        }
    }
    Err(envelope.missing("the Body of the envelope"))
}

/// An envelope without knowledge of its operation: who answered, and how each element fared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvelopeOutline {
    /// What the server says of itself.
    pub server: Option<ServerVersion>,
    /// What the body holds.
    pub body: Body,
    /// Characters replaced because XML does not allow them.
    pub replaced: u64,
}

/// The body of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// The request as a whole was refused.
    Fault(Box<Fault>),
    /// An operation's answer.
    Response {
        /// The name of the body's element, such as `FindItemResponse`.
        name: Box<str>,
        /// How each element fared. The value is the number of the operation's own elements in it.
        messages: Vec<ItemResult<usize>>,
    },
    /// Something else, such as a request.
    Other(Box<str>),
    /// Nothing.
    Empty,
}

/// Reads any envelope to its end: its server, its fault or the messages of its answer, and the text of every element on
/// the way, so that whatever is wrong with it is found.
///
/// ```
/// let outline = ews_client::read_envelope(br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body/></Envelope>"#)?;
/// assert_eq!(outline.body, ews_client::Body::Empty);
/// # Ok::<(), ews_client::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidResponse`] for what is no whole envelope, [`ErrorKind::Limit`] for one that is too large; the
/// source is an [`XmlError`] with the offset.
pub fn read_envelope(bytes: &[u8]) -> Result<EnvelopeOutline> {
    let document = Document::new(bytes)?;
    let mut cursor = document.cursor();
    let answer = open_answer(&mut cursor)?;
    let body = match answer.body {
        Opened::Fault(fault) => Body::Fault(Box::new(fault)),
        Opened::Empty => Body::Empty,
        Opened::Root(root) if root.ews().ends_with("Response") => {
            let messages = read_messages(&mut cursor, &root, |cursor, child, count| {
                *count = Some(count.unwrap_or(0) + 1);
                cursor.exhaust(child)
            })?;
            Body::Response { name: root.local.into(), messages }
        }
        Opened::Root(root) => {
            cursor.exhaust(&root)?;
            Body::Other(root.local.into())
        }
    };
    cursor.skip(&answer.envelope)?;
    cursor.finish()?;
    Ok(EnvelopeOutline { server: answer.server, body, replaced: cursor.replaced() })
}

/// The status as evidence, when it says something.
pub(crate) fn telling(status: StatusCode) -> Option<StatusCode> {
    (status != StatusCode::OK).then_some(status)
}
