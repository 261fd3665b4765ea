use jiff::Timestamp;
use m365_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use super::Script;

/// Largest receipt read.
const LARGEST: usize = 64 * 1024 * 1024;

/// What a script says it did. It comes from outside: a claim to be verified, not a proof.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptReceipt {
    /// Kind and version.
    pub receipt: String,
    /// The app or the account that the script was made for.
    pub app: String,
    /// Whether it was told to write.
    pub apply: bool,
    /// Whether it came to its end.
    pub completed: bool,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Its steps as far as it came.
    #[serde(default)]
    pub steps: Vec<ReceiptStep>,
}

/// One step of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ReceiptStep {
    /// The sentence of the step.
    pub title: String,
    /// The cmdlet that writes.
    pub cmdlet: String,
    /// What came of it.
    pub result: StepResult,
    /// The mailbox it is about, by primary address, when it is one of many.
    #[serde(default)]
    pub on: Option<String>,
    /// What the step replaced, for the way back.
    #[serde(default)]
    pub before: Option<String>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub enum StepResult {
    /// It was written.
    Applied,
    /// It was there before.
    AlreadyThere,
    /// It would be written with `-Apply`.
    WouldApply,
    /// It failed. The script ended there, unless it went on with the next of many mailboxes.
    Failed,
    /// An undo found that somebody had changed it since, and left it as it is.
    LeftAlone,
}

impl ScriptReceipt {
    /// Reads a receipt out of what a person sends back: a file in UTF-8 or UTF-16 (Windows PowerShell's `>` writes the
    /// latter), with or without a byte order mark, with whatever else the console printed around it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] when there is none, [`ErrorKind::Conflict`] when there are several.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > LARGEST {
            return Err(Error::new(ErrorKind::Limit, "the file is too large for a receipt"));
        }
        let text = decode(bytes);
        let mut found: Option<Self> = None;
        let mut rest = text.as_str();
        while let Some(at) = rest.find('{') {
            rest = rest.get(at..).unwrap_or_default();
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
            let past = match values.next() {
                Some(Ok(value)) if value.get("receipt").is_some() => {
                    let read = serde_json::from_value::<Self>(value)
                        .map_err(|e| Error::unreadable("the receipt lacks a part").with_source(e))?;
                    if !read.receipt.starts_with("exchange-admin/") {
                        return Err(Error::unreadable("the receipt is of another program"));
                    }
                    if found.replace(read).is_some() {
                        let text = "the file holds several receipts; hand in the last one alone";
                        return Err(Error::new(ErrorKind::Conflict, text));
                    }
                    values.byte_offset()
                }
                Some(Ok(_)) => values.byte_offset(),
                _ => 1,
            };
            rest = rest.get(past..).unwrap_or_default();
        }
        found.ok_or_else(|| Error::unreadable("the file holds no receipt"))
    }

    /// Whether it wrote, or found, every step of it.
    pub fn is_done(&self) -> bool {
        let done = |s: &ReceiptStep| matches!(s.result, StepResult::Applied | StepResult::AlreadyThere);
        self.completed && self.steps.iter().all(done)
    }
}

impl Script {
    /// Reads this script's own receipt.
    ///
    /// # Errors
    /// Those of [`ScriptReceipt::read`]; [`ErrorKind::Conflict`] when it is that of another script: of another app, or
    /// with other steps.
    pub fn read_receipt(&self, bytes: &[u8]) -> Result<ScriptReceipt> {
        let receipt = ScriptReceipt::read(bytes)?;
        let expected = self.steps.iter().map(|s| (s.title(), s.apply().name().as_str()));
        let named = receipt.steps.iter().map(|s| (s.title.as_str(), s.cmdlet.as_str()));
        let whole = !receipt.completed || receipt.steps.len() == self.steps.len();
        let same = receipt.steps.len() <= self.steps.len() && named.zip(expected).all(|(a, b)| a == b);
        if receipt.app != self.app.to_string() || !same || !whole {
            return Err(Error::new(ErrorKind::Conflict, "the receipt is that of another script"));
        }
        Ok(receipt)
    }
}

fn decode(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let mut text = match bytes {
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    // Old shells break long lines at the window's width, in the middle of a text, too. A break of the receipt's own is
    // between its parts: none inside a text is printed as one.
    text.retain(|c| !matches!(c, '\r' | '\n'));
    text
}
