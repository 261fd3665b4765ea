use std::fmt::{self, Write};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use super::text::{Place, encode};

/// Builds a request in one buffer.
///
/// The prefixes are fixed: `s` for SOAP, `m` for messages, `t` for types; [`write_request`](crate::write_request)
/// declares them. Text is escaped; characters that XML cannot carry become U+FFFD and are counted.
///
/// ```
/// let mut writer = ews_client::xml::Writer::with_capacity(256);
/// writer.open("m:ItemIds");
/// writer.empty("t:ItemId", &[("Id", "AAMkAD0=")]);
/// writer.leaf("t:Subject", "R&D");
/// writer.close("m:ItemIds");
/// assert_eq!(writer.as_str(), r#"<m:ItemIds><t:ItemId Id="AAMkAD0="/><t:Subject>R&amp;D</t:Subject></m:ItemIds>"#);
/// ```
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    replaced: u64,
}

impl Writer {
    /// A writer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes), replaced: 0 }
    }

    /// Markup that never changes, as it is.
    pub fn raw(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// `<name>`
    pub fn open(&mut self, name: &'static str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    /// `<name attribute="value">`
    pub fn open_with(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(name, attributes);
        self.out.push('>');
    }

    /// `<name attribute="value"/>`
    pub fn empty(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(name, attributes);
        self.out.push_str("/>");
    }

    /// `</name>`
    pub fn close(&mut self, name: &'static str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// `<name>text</name>`
    pub fn leaf(&mut self, name: &'static str, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// Text between tags, escaped.
    pub fn text(&mut self, text: &str) {
        self.replaced += encode(&mut self.out, text, Place::Content);
    }

    /// The value of an attribute, escaped; the quotes are the caller's.
    pub fn attribute(&mut self, value: &str) {
        self.replaced += encode(&mut self.out, value, Place::Attribute);
    }

    /// An instant in UTC, with `Z`.
    pub fn timestamp(&mut self, instant: &Timestamp) {
        const PRINTER: DateTimePrinter = DateTimePrinter::new();
        if PRINTER.print_timestamp(instant, &mut self.out).is_err() {
            // Every instant has a form, and writing into a String does not fail.
            self.replaced += 1;
        }
    }

    /// A value whose text needs no escape: a number with a sign, a date, a word of the schema.
    pub fn display(&mut self, value: &impl fmt::Display) {
        if write!(self.out, "{value}").is_err() {
            // Writing into a String does not fail; the value's own `Display` might.
            self.replaced += 1;
        }
    }

    /// A number.
    pub fn number(&mut self, number: u32) {
        if let Some(rest @ 1..) = number.checked_div(10) {
            self.number(rest);
        }
        self.out.push(char::from_digit(number % 10, 10).unwrap_or('0'));
    }

    /// What is written so far.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// How many characters XML could not carry.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    fn tag(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            self.attribute(value);
            self.out.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_instants_are_written_as_xml_schema_wants_them() {
        let mut writer = Writer::default();
        for number in [0, 7, 10, 1000, u32::MAX] {
            writer.number(number);
            writer.raw(" ");
        }
        writer.timestamp(&Timestamp::UNIX_EPOCH);
        assert_eq!(writer.as_str(), "0 7 10 1000 4294967295 1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_written_is_escaped_and_filtered() {
        let mut writer = Writer::default();
        writer.open_with("t:A", &[("B", "x\"<\n\u{1}")]);
        writer.text("\u{B}]]>\r");
        writer.close("t:A");
        assert_eq!(writer.as_str(), "<t:A B=\"x&quot;&lt;&#xA;\u{FFFD}\">\u{FFFD}]]&gt;&#xD;</t:A>");
        assert_eq!(writer.replaced(), 2);
    }
}
