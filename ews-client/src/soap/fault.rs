use std::time::Duration;

use http::StatusCode;
use m365_core::{Error, ErrorKind, Result};

use crate::http_verdict::VERSION_REFUSED;
use crate::response_code::{CodeClass, ResponseCode};
use crate::soap::message::{Details, MessageXml, error_of};
use crate::xml::{Cursor, Element, XmlError};

/// A SOAP fault: the request as a whole was refused. Exchange sends it with HTTP 500, others with 200.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// EWS's own code, from the detail or from `faultcode`; none when the server named none.
    pub code: Option<ResponseCode>,
    /// Whether the fault blames the request (`Client`, `Sender`).
    pub is_clients: bool,
    /// What else was said; `text` is the `e:Message` of the detail, or the `faultstring`.
    pub details: Details,
    /// Where the request breaks the schema, when it does.
    pub violation: Option<SchemaViolation>,
}

/// Where a request of ours broke the server's schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaViolation {
    /// Line of the request, from 1.
    pub line: u32,
    /// Column, from 1.
    pub position: u32,
    /// What the server thinks is wrong; localised.
    pub text: Option<Box<str>>,
}

impl Fault {
    /// How long the server wants to be left alone, see [`MessageXml::back_off`].
    pub fn back_off(&self) -> Option<Duration> {
        self.details.xml.back_off()
    }

    /// What to do about it; [`CodeClass::Unknown`] when it names no code.
    pub fn class(&self) -> CodeClass {
        self.code.as_ref().map_or(CodeClass::Unknown, ResponseCode::class)
    }

    /// Whether a lower version of the schema may help. Some servers say so in words only, with a bare status of 500.
    pub fn wants_lower_version(&self) -> bool {
        self.class() == CodeClass::Version
            || (self.code.is_none()
                && self.details.text.as_deref().is_some_and(|text| text.contains(VERSION_REFUSED)))
    }

    /// The error that it is, with the HTTP status it came with. A code that the schema does not have is judged by who is
    /// blamed: the client's faults are refusals, the server's may be an outage.
    pub fn to_error(&self, status: Option<StatusCode>) -> Error {
        let none = ResponseCode::new("");
        let code = self.code.as_ref().unwrap_or(&none);
        let kind = match code.class() {
            _ if self.wants_lower_version() => ErrorKind::Unsupported,
            CodeClass::Unknown if self.is_clients => ErrorKind::Rejected,
            CodeClass::Unknown if status == Some(StatusCode::SERVICE_UNAVAILABLE) => ErrorKind::Unavailable,
            CodeClass::Unknown if self.back_off().is_some() => ErrorKind::Throttled,
            CodeClass::Unknown if self.code.is_none() => ErrorKind::Unavailable,
            _ => code.kind(),
        };
        let mut error = error_of(code, Some(&self.details), kind);
        if let Some(status) = status {
            error = error.with_status(status);
        }
        error
    }

    pub(super) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut fault = Self::default();
        let mut from_detail = None;
        let mut message = None;
        // Children of a fault belong to no namespace, or, with some servers, to SOAP's.
        while let Some(child) = cursor.next_child(element)? {
            match child.local {
                "faultcode" => {
                    let text = cursor.value(&child)?;
                    let local = text.rsplit(':').next().unwrap_or("").trim_ascii();
                    fault.is_clients = matches!(local, "Client" | "Sender");
                    if local.starts_with("Error") {
                        fault.code = Some(ResponseCode::new(local));
                    }
                }
                "faultstring" => fault.details.text = non_empty(cursor.boxed(&child)?),
                "detail" => fault.read_detail(cursor, &child, &mut from_detail, &mut message)?,
                _ => {}
            }
        }
        // The detail is the more exact of the two.
        fault.code = from_detail.or(fault.code);
        fault.details.text = message.or(fault.details.text);
        let number = |name| fault.details.xml.get(name).and_then(|text| text.trim_ascii().parse().ok());
        if fault.violation.is_none()
            && let (Some(line), position) = (number("LineNumber"), number("LinePosition"))
        {
            let text = fault.details.xml.get("Violation").map(Into::into);
            fault.violation = Some(SchemaViolation { line, position: position.unwrap_or(0), text });
        }
        Ok(fault)
    }

    fn read_detail<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        detail: &Element<'a>,
        code: &mut Option<ResponseCode>,
        message: &mut Option<Box<str>>,
    ) -> Result<(), XmlError> {
        while let Some(child) = cursor.next_child(detail)? {
            match child.local {
                "ResponseCode" => {
                    let text = cursor.value(&child)?;
                    *code = (!text.is_empty()).then(|| ResponseCode::new(&text));
                }
                "Message" => *message = non_empty(cursor.boxed(&child)?),
                "MessageXml" => self.details.xml = MessageXml::read(cursor, &child)?,
                // The number of the oldest servers. It names nothing, yet support may want it.
                "ErrorCode" if code.is_none() => {
                    let text = cursor.value(&child)?;
                    *code = (!text.is_empty()).then(|| ResponseCode::new(&text));
                }
                // Exchange 2007 tells a schema violation in two elements of the detail.
                "Line" => self.violation.get_or_insert_default().line = cursor.number(&child).unwrap_or(0),
                "Position" => {
                    self.violation.get_or_insert_default().position = cursor.number(&child).unwrap_or(0);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn non_empty(text: Box<str>) -> Option<Box<str>> {
    (!text.trim_ascii().is_empty()).then_some(text)
}
