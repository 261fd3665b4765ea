use std::time::Duration;

use m365_core::{Acted, Error, ErrorKind, Result};

use crate::response_code::{CodeClass, ResponseCode};
use crate::xml::{Cursor, Element, XmlError, XmlProblem};

/// `ResponseClass` of a response message.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsemessage>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResponseClass {
    /// Done.
    #[default]
    Success,
    /// Done with a remark, or, by its code, not executed at all.
    Warning,
    /// Not done.
    Error,
}

/// What a server adds to a failure: named values, and elements with text.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/messagexml>.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageXml {
    values: Vec<(Box<str>, Box<str>)>,
}

impl MessageXml {
    /// The text of `t:Value Name="…"`, or of the element of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known.as_ref() == name).map(|(_, value)| value.as_ref())
    }

    /// Names and texts in the order of the answer.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// How long the server wants to be left alone: `BackOffMilliseconds`, unless it is 0, absent or no number. Then the
    /// caller's own back-off holds, never "at once".
    pub fn back_off(&self) -> Option<Duration> {
        let text = self.get("BackOffMilliseconds")?.trim_ascii();
        // A number beyond 64 bits is a number still; the caller bounds what it waits.
        let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            text.parse().unwrap_or(u64::MAX)
        } else {
            return None;
        };
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    pub(super) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut values = Vec::new();
        while let Some(child) = cursor.next_child(element)? {
            // A server could fill memory with tiny values; nobody reads that many.
            if values.len() >= 64 {
                continue;
            }
            let name = match (child.local, cursor.attribute(&child, "Name")?) {
                ("Value", Some(name)) => name.as_ref().into(),
                (local, _) => local.into(),
            };
            values.push((name, cursor.boxed(&child)?));
        }
        Ok(Self { values })
    }
}

/// What a response message says beside its class and its code. A plain success has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// A text for people, localised; it may carry names. Never branch on it.
    pub text: Option<Box<str>>,
    /// Values by name.
    pub xml: MessageXml,
    /// Why what was answered could not be read, and where: a value that its type does not allow, or something missing. There
    /// is no value then, whatever the class says; the other elements of the request do not suffer from it.
    pub unreadable: Option<XmlError>,
}

/// What one element of a request came to. One request about n elements gives n of these, in order, and each may have
/// failed alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemResult<T> {
    /// Success, warning or error.
    pub class: ResponseClass,
    /// Which one.
    pub code: ResponseCode,
    /// What else was said.
    pub details: Option<Box<Details>>,
    /// What was answered. An error may have some too, such as the ids of the subscriptions that failed.
    pub value: Option<T>,
}

impl<T> ItemResult<T> {
    /// Whether it was done, and can be read. A warning with data is; one that says "not executed" is not.
    pub fn is_done(&self) -> bool {
        match self.class {
            _ if self.unreadable().is_some() => false,
            ResponseClass::Success => true,
            ResponseClass::Warning => self.is_executed(),
            ResponseClass::Error => false,
        }
    }

    /// Why what was answered could not be read, see [`Details::unreadable`].
    pub fn unreadable(&self) -> Option<&XmlError> {
        self.details.as_ref()?.unreadable.as_ref()
    }

    /// Whether the server looked at it at all. When an earlier element of the request ran out of time or budget, the rest
    /// is answered with `ErrorBatchProcessingStopped`: send that rest again.
    pub fn is_executed(&self) -> bool {
        self.code != ResponseCode::ERROR_BATCH_PROCESSING_STOPPED
    }

    /// How long the server wants to be left alone, see [`MessageXml::back_off`].
    pub fn back_off(&self) -> Option<Duration> {
        self.details.as_ref()?.xml.back_off()
    }

    /// The value, or the failure as an error.
    ///
    /// # Errors
    /// What the code says ([`ResponseCode::kind`]); [`ErrorKind::InvalidResponse`] for a success that lacks its value, or whose
    /// value cannot be read: then the source is an [`XmlError`] with the offset.
    pub fn into_result(self) -> Result<T> {
        if !self.is_done() {
            return Err(self.to_error());
        }
        self.value.ok_or_else(|| {
            Error::unreadable("a response message says success and does not hold what was asked for")
        })
    }

    /// The failure as an error, whatever the class.
    pub fn to_error(&self) -> Error {
        if self.class != ResponseClass::Error
            && let Some(unreadable) = self.unreadable()
        {
            return unreadable.clone().into();
        }
        error_of(&self.code, self.details.as_deref(), self.code.kind())
    }

    /// The same with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> ItemResult<U> {
        ItemResult { class: self.class, code: self.code, details: self.details, value: self.value.map(f) }
    }
}

/// The error of a code with what came along. Both faults and response messages end here.
pub(super) fn error_of(code: &ResponseCode, details: Option<&Details>, kind: ErrorKind) -> Error {
    let back_off = details.and_then(|d| d.xml.back_off());
    // A back-off makes of an internal error what it is: throttling.
    let kind =
        if back_off.is_some() && code.class() == CodeClass::Server { ErrorKind::Throttled } else { kind };
    let text = details.and_then(|d| d.text.as_deref()).unwrap_or("the server refused without a text");
    let acted = if code.is_refusal() { Acted::No } else { Acted::Unknown };
    let error = Error::new(kind, text).with_code(code.as_str()).with_acted(acted).with_retry_after(back_off);
    if kind == ErrorKind::Throttled { error } else { error.with_transient(code.is_transient()) }
}

/// What was read of a response message so far.
#[derive(Default)]
struct Header {
    class: ResponseClass,
    /// It names no class: then success has to be told by the code.
    classless: bool,
    code: Option<ResponseCode>,
    details: Option<Box<Details>>,
}

impl Header {
    fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let named = cursor.attribute(element, "ResponseClass")?;
        let class = match named.as_deref().map(str::trim_ascii) {
            Some("Success") | None => ResponseClass::Success,
            Some("Warning") => ResponseClass::Warning,
            // An unknown class is no success.
            Some(_) => ResponseClass::Error,
        };
        Ok(Self { class, classless: named.is_none(), ..Self::default() })
    }

    /// Takes in a child that every message may have; whether it was one.
    fn take<'a>(&mut self, cursor: &mut Cursor<'a>, child: &Element<'a>) -> Result<bool, XmlError> {
        match child.ews() {
            "ResponseCode" => self.code = Some(ResponseCode::new(&cursor.value(child)?)),
            "MessageText" => self.details().text = Some(cursor.boxed(child)?),
            "MessageXml" => self.details().xml = MessageXml::read(cursor, child)?,
            "DescriptiveLinkKey" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// Goes on where a value was wrong: the XML around it is whole, so only this element's answer is lost. Anything else ends
    /// the reading.
    fn tolerate(&mut self, read: Result<(), XmlError>) -> Result<(), XmlError> {
        match read {
            Err(error) if matches!(error.problem(), XmlProblem::BadValue { .. } | XmlProblem::Missing(_)) => {
                self.details().unreadable.get_or_insert(error);
                Ok(())
            }
            read => read,
        }
    }

    fn into_result<T>(self, element: &Element<'_>, value: Option<T>) -> Result<ItemResult<T>, XmlError> {
        let class = self.class;
        let value = value.filter(|_| self.details.as_ref().is_none_or(|d| d.unreadable.is_none()));
        let code = match (self.code, class) {
            (Some(code), _) => code,
            (None, ResponseClass::Success) if !self.classless => ResponseCode::NO_ERROR,
            (None, _) => return Err(element.missing("the ResponseCode of a message that names no success")),
        };
        // A message without a class is judged by its code.
        let class = if class == ResponseClass::Success && code != ResponseCode::NO_ERROR {
            ResponseClass::Error
        } else {
            class
        };
        Ok(ItemResult { class, code, details: self.details, value })
    }
}

/// One response message: its header, and through `read` each child that is the operation's own.
pub(crate) fn read_single<'a, T>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    mut read: impl FnMut(&mut Cursor<'a>, &Element<'a>, &mut Option<T>) -> Result<(), XmlError>,
) -> Result<ItemResult<T>, XmlError> {
    let mut header = Header::read(cursor, element)?;
    let mut value = None;
    while let Some(child) = cursor.next_child(element)? {
        if !header.take(cursor, &child)? {
            header.tolerate(read(cursor, &child, &mut value))?;
        }
    }
    header.into_result(element, value)
}

/// The messages below an operation's response, in order, in each of the shapes that EWS has:
/// `ResponseMessages` with one message each; the message upon the response itself (GetRooms, GetUserOofSettings);
/// `FreeBusyResponseArray` whose members hold a `ResponseMessage` beside their data (GetUserAvailability).
pub(crate) fn read_messages<'a, T>(
    cursor: &mut Cursor<'a>,
    root: &Element<'a>,
    mut read: impl FnMut(&mut Cursor<'a>, &Element<'a>, &mut Option<T>) -> Result<(), XmlError>,
) -> Result<Vec<ItemResult<T>>, XmlError> {
    let mut results = Vec::new();
    let mut own = Header::read(cursor, root)?;
    let (mut own_value, mut wrapped) = (None, false);
    while let Some(child) = cursor.next_child(root)? {
        match child.ews() {
            "ResponseMessages" => {
                wrapped = true;
                while let Some(message) = cursor.next_child(&child)? {
                    results.push(read_single(cursor, &message, &mut read)?);
                }
            }
            "FreeBusyResponseArray" => {
                wrapped = true;
                while let Some(member) = cursor.next_child(&child)? {
                    results.push(read_member(cursor, &member, &mut read)?);
                }
            }
            // The message of the whole response, as GetUserOofSettings has it.
            "ResponseMessage" => {
                own = Header::read(cursor, &child)?;
                while let Some(part) = cursor.next_child(&child)? {
                    own.take(cursor, &part)?;
                }
            }
            _ => {
                if !own.take(cursor, &child)? {
                    read(cursor, &child, &mut own_value)?;
                }
            }
        }
    }
    if !wrapped || (results.is_empty() && own.code.is_some()) {
        results.push(own.into_result(root, own_value)?);
    }
    Ok(results)
}

/// A member that holds its message inside and its data beside it. The schema allows data without a message.
fn read_member<'a, T>(
    cursor: &mut Cursor<'a>,
    member: &Element<'a>,
    mut read: impl FnMut(&mut Cursor<'a>, &Element<'a>, &mut Option<T>) -> Result<(), XmlError>,
) -> Result<ItemResult<T>, XmlError> {
    let (mut header, mut value) = (Header::default(), None);
    let mut says = false;
    while let Some(child) = cursor.next_child(member)? {
        if child.is("ResponseMessage") {
            let own = Header::read(cursor, &child)?;
            header.class = own.class;
            while let Some(part) = cursor.next_child(&child)? {
                header.take(cursor, &part)?;
            }
            says = true;
        } else {
            header.tolerate(read(cursor, &child, &mut value))?;
        }
    }
    if !says && value.is_none() {
        header.tolerate(Err(member.missing("the ResponseMessage")))?;
    }
    header.into_result(member, value)
}

/// Holds the answers against what was asked: one each, in order. A server that fails the whole request with one message
/// has answered every element with it.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`] for another number of answers: whose they are cannot be known.
pub(crate) fn match_to_asked<T>(mut results: Vec<ItemResult<T>>, asked: usize) -> Result<Vec<ItemResult<T>>> {
    if results.len() == asked {
        return Ok(results);
    }
    if let [only] = results.as_slice()
        && only.class == ResponseClass::Error
        && asked > 1
    {
        let repeated: Vec<_> = (1..asked)
            .map(|_| ItemResult {
                class: only.class,
                code: only.code.clone(),
                details: only.details.clone(),
                value: None,
            })
            .collect();
        results.extend(repeated);
        return Ok(results);
    }
    Err(Error::unreadable(format!("{} answers came for {asked} elements asked for", results.len())))
}
