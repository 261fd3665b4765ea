//! The envelope: read into a small tree within bounds, and written.
//!
//! Only namespaces and local names count; a document type declaration or an entity of one's own is refused.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use quick_xml::escape::{escape, resolve_xml_entity};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};

use crate::server::reply::{self, Reply};

pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(super) const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
pub(super) const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
pub(super) const ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";

/// Nesting and number of elements of a request; real ones stay far below both.
const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 50_000;

/// What Exchange Online says of itself.
pub(super) const SERVER_VERSION: &str = r#"<h:ServerVersionInfo MajorVersion="15" MinorVersion="20" MajorBuildNumber="8400" MinorBuildNumber="12" Version="V2018_01_08" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>"#;

/// An element with everything below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Attributes without a namespace.
    pub(super) attributes: Vec<(String, String)>,
    /// The element's own text, trimmed.
    pub(crate) text: String,
    pub(crate) children: Vec<Self>,
}

/// Why a request cannot be read: told to the client as a schema violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl Element {
    /// The first child of this name.
    pub(crate) fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.namespace == namespace && c.name == name)
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn opened(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<Self, Malformed> {
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => text(namespace.as_ref())?,
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => {
                return Err(Malformed(format!("'{}' is an undeclared prefix.", text(prefix)?)));
            }
        };
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| Malformed(e.to_string()))?;
            if attribute.key.as_ref().contains(&b':') || attribute.key.as_ref() == b"xmlns" {
                continue;
            }
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| Malformed(e.to_string()))?;
            attributes.push((text(attribute.key.as_ref())?, value.into_owned()));
        }
        let name = text(start.local_name().as_ref())?;
        Ok(Self { namespace, name, attributes, ..Self::default() })
    }
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Malformed("The request is not UTF-8.".to_owned()))
}

/// Reads one document.
pub(super) fn parse(body: &[u8]) -> Result<Element, Malformed> {
    let body = std::str::from_utf8(body).map_err(|_| Malformed("The request is not UTF-8.".to_owned()))?;
    let mut reader = NsReader::from_str(body.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0_usize;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|e| Malformed(e.to_string()))?;
        let mut closed = None;
        match event {
            Event::Start(start) | Event::Empty(start) if root.is_some() => {
                return Err(Malformed(format!("a second root element: {:?}", start.local_name())));
            }
            Event::Start(start) => open.push(Element::opened(&namespace, &start)?),
            Event::Empty(start) => closed = Some(Element::opened(&namespace, &start)?),
            Event::End(_) => closed = open.pop(),
            Event::Text(content) => {
                append(&mut open, &content.xml10_content().map_err(|e| Malformed(e.to_string()))?);
            }
            Event::CData(content) => append(&mut open, &text(&content)?),
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|e| Malformed(e.to_string()))?;
                match reference.resolve_char_ref().map_err(|e| Malformed(e.to_string()))? {
                    Some(character) => append(&mut open, character.encode_utf8(&mut [0; 4])),
                    None => append(
                        &mut open,
                        resolve_xml_entity(&name)
                            .ok_or_else(|| Malformed(format!("Reference to undeclared entity '{name}'.")))?,
                    ),
                }
            }
            Event::DocType(_) => {
                return Err(Malformed(
                    "For security reasons DTD is prohibited in this XML document.".to_owned(),
                ));
            }
            Event::Eof if open.is_empty() => {
                return root.ok_or_else(|| Malformed("Root element is missing.".to_owned()));
            }
            Event::Eof => return Err(Malformed("Unexpected end of file has occurred.".to_owned())),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
        if let Some(mut element) = closed {
            element.text = element.text.trim().to_owned();
            elements += 1;
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => root = Some(element),
            }
        }
        if open.len() > MAX_DEPTH || elements > MAX_ELEMENTS {
            return Err(Malformed("The request is nested too deeply or has too many elements.".to_owned()));
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Text as it stands in an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    escape(text).into_owned()
}

/// A fault: HTTP 500, the code twice, and values where a code has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) values: Vec<(&'static str, String)>,
}

impl Fault {
    pub(super) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), values: Vec::new() }
    }

    pub(super) fn with_value(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    pub(super) fn render(&self) -> Reply {
        let (code, message) = (escaped(&self.code), escaped(&self.message));
        let mut values = String::new();
        for (name, value) in &self.values {
            values.push_str(&format!(r#"<t:Value Name="{name}">{}</t:Value>"#, escaped(value)));
        }
        let values = if values.is_empty() {
            values
        } else {
            format!(r#"<t:MessageXml xmlns:t="{TYPES}">{values}</t:MessageXml>"#)
        };
        let body = format!(
            r#"<s:Fault><faultcode xmlns:a="{TYPES}">a:{code}</faultcode><faultstring xml:lang="en-US">{message}</faultstring><detail><e:ResponseCode xmlns:e="{ERRORS}">{code}</e:ResponseCode><e:Message xmlns:e="{ERRORS}">{message}</e:Message>{values}</detail></s:Fault>"#
        );
        envelope(StatusCode::INTERNAL_SERVER_ERROR, "", &body)
    }
}

/// The answer of an operation, by a server that says this of itself.
pub(super) fn answer_of(server: &str, body: &str) -> Reply {
    envelope(StatusCode::OK, server, body)
}

/// The answer of an operation by Exchange Online.
pub(super) fn answer(body: &str) -> Reply {
    answer_of(SERVER_VERSION, body)
}

/// One envelope of a stream of notifications. They look different from all others: SOAP's namespace is the default one, and
/// the header has a prefix of its own.
pub(super) fn streamed(header: &str, body: &str) -> Reply {
    let text = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><Envelope xmlns="{SOAP}"><soap11:Header xmlns:soap11="{SOAP}">{header}</soap11:Header><soap11:Body xmlns:soap11="{SOAP}">{body}</soap11:Body></Envelope>"#
    );
    record(&text);
    reply::bytes(StatusCode::OK, "text/xml; charset=utf-8", text)
}

fn envelope(status: StatusCode, header: &str, body: &str) -> Reply {
    let header = if header.is_empty() { String::new() } else { format!("<s:Header>{header}</s:Header>") };
    let text = format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}">{header}<s:Body>{body}</s:Body></s:Envelope>"#
    );
    record(&text);
    reply::bytes(status, "text/xml; charset=utf-8", text)
}

/// Writes each answer to a file of its own in the folder that `TENANT_SIM_RECORD` names, for foreign checkers of the
/// schema.
fn record(text: &str) {
    static FOLDER: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("TENANT_SIM_RECORD").map(PathBuf::from));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    if let Some(folder) = &*FOLDER {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number:06}.xml", std::process::id()));
        if let Err(error) = std::fs::write(&path, text) {
            tracing::warn!(%error, "an answer could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_do_not_count_and_text_is_unescaped() {
        let one =
            parse(br#"<a:x xmlns:a="n" k="1 &amp; 2"><a:y>  O&#8217;Brien &lt;<![CDATA[&]]></a:y></a:x>"#);
        let two = parse(
            "\u{feff}<x xmlns='n' k='1 &#38; 2'><!-- c --><y>O\u{2019}Brien &lt;&amp;</y></x>".as_bytes(),
        );
        assert_eq!(one, two);
        let one = one.unwrap();
        assert_eq!((one.attribute("k"), one.children[0].text.as_str()), (Some("1 & 2"), "O\u{2019}Brien <&"));
    }

    #[test]
    fn declarations_of_types_foreign_entities_and_broken_documents_are_refused() {
        for bad in [
            "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
            "<x>&nbsp;</x>",
            "<x><y></x>",
            "<x/><y/>",
            "<x",
            "",
            "<p:x/>",
            "<x a='1' a='2'/>",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "<x>".repeat(MAX_DEPTH + 1);
        assert_eq!(
            parse(deep.as_bytes()).unwrap_err().0,
            "The request is nested too deeply or has too many elements."
        );
        assert!(parse(format!("<x>{}</x>", "<y/>".repeat(MAX_ELEMENTS)).as_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn what_is_escaped_is_read_back(value in "[ -~\u{a0}-\u{d7ff}]{0,40}") {
            let document = format!("<x a=\"{0}\">{0}</x>", escaped(&value));
            let read = parse(document.as_bytes()).unwrap();
            prop_assert_eq!(read.attribute("a"), Some(value.as_str()));
            prop_assert_eq!(read.text, value.trim());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(parse(&bytes));
        }
    }
}
