use std::fmt;

use http::HeaderMap;

/// What the wire showed of one refused call. Everything is borrowed and everything is optional.
///
/// `Debug` shows numbers and codes only: the text, the path and the headers may carry addresses or worse.
#[derive(Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The numbers of `error_codes` in Microsoft Entra's error answer.
    pub aadsts: &'a [u32],
    /// The HTTP status, or the SMTP reply code.
    pub status: Option<u16>,
    /// The machine-readable code: the OAuth `error`, Graph's `error.code` (an inner or detail code where that
    /// says more), the EWS `ResponseCode`.
    pub code: Option<&'a str>,
    /// The path of the request, with or without its query; empty when there is none.
    pub path: &'a str,
    /// The server's own words: the message, the body's beginning, or the refusing line of IMAP, POP or SMTP.
    pub text: &'a str,
    /// The headers of the answer.
    pub headers: Option<&'a HeaderMap>,
}

impl<'a> Evidence<'a> {
    /// No evidence yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the AADSTS numbers.
    #[must_use]
    pub fn with_aadsts(mut self, aadsts: &'a [u32]) -> Self {
        self.aadsts = aadsts;
        self
    }

    /// Adds the HTTP status or SMTP reply code.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds the machine-readable code.
    #[must_use]
    pub fn with_code(mut self, code: &'a str) -> Self {
        self.code = Some(code);
        self
    }

    /// Adds the path of the request.
    #[must_use]
    pub fn with_path(mut self, path: &'a str) -> Self {
        self.path = path;
        self
    }

    /// Adds the server's own words.
    #[must_use]
    pub fn with_text(mut self, text: &'a str) -> Self {
        self.text = text;
        self
    }

    /// Adds the headers of the answer.
    #[must_use]
    pub fn with_headers(mut self, headers: &'a HeaderMap) -> Self {
        self.headers = Some(headers);
        self
    }
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("aadsts", &self.aadsts)
            .field("status", &self.status)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}
