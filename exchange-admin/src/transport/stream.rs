//! Answers row by row: a listing is never held whole, neither its pages nor their text.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use m365_core::{Error, ErrorKind, Result};

use super::Answer;
use super::routes::Route;
use crate::row::Row;

/// The rows of an answer as they come in. An error ends it; a list that was cut always ends with one.
pub struct RowStream {
    route: Route,
    rows: Pin<Box<dyn Stream<Item = Result<Row>> + Send>>,
}

impl RowStream {
    /// The rows of this stream, which came over this route.
    pub fn new(route: Route, rows: impl Stream<Item = Result<Row>> + Send + 'static) -> Self {
        Self { route, rows: Box::pin(rows) }
    }

    /// The rows of an answer that is already there.
    pub fn of(answer: Answer) -> Self {
        Self::new(answer.route, futures_util::stream::iter(answer.rows.into_iter().map(Ok)))
    }

    /// The route that answered.
    pub fn route(&self) -> Route {
        self.route
    }
}

impl Stream for RowStream {
    type Item = Result<Row>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.rows.as_mut().poll_next(context)
    }
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("route", &self.route).finish_non_exhaustive()
    }
}

/// Largest row: a mailbox with every property has 15 kB.
const LARGEST_ROW: usize = 8 * 1024 * 1024;
/// Largest envelope, which is what remains of a page without its rows.
const LARGEST_ENVELOPE: usize = 4 * 1024 * 1024;

/// Cuts the objects of the outermost `value` out of a JSON text that arrives in pieces, and keeps the rest.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    envelope: Vec<u8>,
    row: Vec<u8>,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Inside the list `value` of the outermost object.
    in_list: bool,
    /// Inside an object of that list.
    in_row: bool,
    /// Where the text of the outermost object began that was read last: a key, when a colon follows.
    string_at: usize,
    is_value: bool,
}

impl Splitter {
    /// Takes a piece and adds the rows that it completes.
    pub(super) fn push(&mut self, piece: &[u8], rows: &mut VecDeque<Row>) -> Result<()> {
        for &byte in piece {
            let kept = self.step(byte);
            if self.in_row || kept == Kept::EndOfRow {
                self.row.push(byte);
                if kept == Kept::EndOfRow {
                    self.in_row = false;
                    rows.push_back(read_row(&self.row)?);
                    self.row.clear();
                } else if self.row.len() > LARGEST_ROW {
                    return Err(too_large("a row"));
                }
            } else if kept == Kept::Envelope {
                self.envelope.push(byte);
                if self.envelope.len() > LARGEST_ENVELOPE {
                    return Err(too_large("the answer besides its rows"));
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Kept {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Kept::Envelope;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 {
                    self.string_at = self.envelope.len();
                }
            }
            b':' if self.depth == 1 => {
                let key = self.envelope.get(self.string_at..).unwrap_or_default();
                self.is_value = key.trim_ascii() == b"\"value\"";
            }
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth == 2 && byte == b'[' && self.is_value {
                    self.in_list = true;
                } else if self.depth == 3 && byte == b'{' && self.in_list {
                    self.in_row = true;
                }
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                match self.depth {
                    1 => self.in_list = false,
                    2 if self.in_row => return Kept::EndOfRow,
                    _ => {}
                }
            }
            b',' if self.depth == 2 && self.in_list => return Kept::Nowhere,
            _ => {}
        }
        Kept::Envelope
    }

    /// What is left when the text has ended; an error when it broke off.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>> {
        if self.depth > 0 || self.in_string {
            return Err(Error::new(ErrorKind::Network, "the answer broke off in the middle of a page"));
        }
        Ok(std::mem::take(&mut self.envelope))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Envelope,
    EndOfRow,
    Nowhere,
}

fn read_row(text: &[u8]) -> Result<Row> {
    serde_json::from_slice(text).map(Row::new).map_err(|e| {
        Error::unreadable(format!("a row of the answer is no JSON object (column {})", e.column()))
    })
}

fn too_large(what: &str) -> Error {
    Error::new(ErrorKind::InvalidResponse, format!("{what} is larger than any that Exchange sends"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn split(text: &str, sizes: &[usize]) -> Result<(Vec<Row>, Vec<u8>)> {
        let mut splitter = Splitter::default();
        let mut rows = VecDeque::new();
        let mut rest = text.as_bytes();
        let mut sizes = sizes.iter().copied().cycle();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(sizes.next().unwrap_or(7).clamp(1, rest.len()));
            splitter.push(piece, &mut rows)?;
            rest = after;
        }
        Ok((rows.into(), splitter.finish()?))
    }

    #[test]
    fn rows_are_cut_out_and_the_envelope_stays() {
        let text = r#" {"@odata.context":"x\"value\":[{","@adminapi.warnings":["a,b"], "value" :
            [{"A":"}]","B":{"value":[{"C":1}]}}, {"A":"\\"}],"@odata.nextLink":"n"} "#;
        for size in [1, 2, 3, 1000] {
            let (rows, envelope) = split(text, &[size]).unwrap();
            assert_eq!(rows.len(), 2);
            assert_eq!(rows[0].text("A"), Some("}]"));
            let envelope: Value = serde_json::from_slice(&envelope).unwrap();
            assert_eq!((&envelope["value"], &envelope["@odata.nextLink"]), (&json!([]), &json!("n")));
        }
    }

    #[test]
    fn a_text_that_breaks_off_is_an_error_and_a_row_that_is_none_stays_visible() {
        for cut in [r#"{"value":[{"A":1},"#, r#"{"value":[{"A":1}]"#, r#"{"value":[{"A":"#] {
            assert!(split(cut, &[5]).is_err(), "{cut}");
        }
        // The envelope's reader then refuses it.
        let (rows, envelope) = split(r#"{"value":[{"A":1},"b"]}"#, &[4]).unwrap();
        assert_eq!((rows.len(), String::from_utf8(envelope).unwrap()), (1, r#"{"value":["b"]}"#.to_owned()));
    }

    proptest! {
        #[test]
        fn any_page_in_any_pieces_gives_the_same_rows(
            texts in proptest::collection::vec(".*", 0..6),
            sizes in proptest::collection::vec(1usize..40, 1..8),
            escaped in any::<bool>(),
        ) {
            let rows: Vec<Value> = texts.iter().map(|t| json!({"Name": t, "L": [t, {"value": [{"x": t}]}]})).collect();
            let page = json!({"@adminapi.warnings": texts, "value": rows, "z": {"value": [{"no": 1}]}});
            let text = if escaped { serde_json::to_string_pretty(&page).unwrap() } else { page.to_string() };
            let (got, envelope) = split(&text, &sizes).unwrap();
            let got: Vec<Value> = got.iter().map(|r| Value::Object(r.as_map().clone())).collect();
            prop_assert_eq!(got, rows);
            let envelope: Value = serde_json::from_slice(&envelope).unwrap();
            prop_assert_eq!(&envelope["@adminapi.warnings"], &json!(texts));
        }
    }
}
