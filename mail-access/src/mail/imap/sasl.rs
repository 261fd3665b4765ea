use m365_core::MailboxAddress;
use zeroize::Zeroizing;

/// The SASL string of XOAUTH2 before base64: user, bearer token, and two closing separators. It is the token: never log it.
///
/// `mailbox` is the address of the mailbox to open; for a shared mailbox its own.
///
/// ```
/// use base64::Engine as _;
/// let user = "test@contoso.onmicrosoft.com".parse()?;
/// let string = mail_access::mail::imap::xoauth2(&user, "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
/// assert_eq!(
///     base64::engine::general_purpose::STANDARD.encode(&*string),
///     "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==",
/// );
/// # Ok::<(), m365_core::Error>(())
/// ```
pub fn xoauth2(mailbox: &MailboxAddress, token: &str) -> Zeroizing<Vec<u8>> {
    let mut string = Vec::with_capacity(mailbox.as_str().len() + token.len() + 24);
    string.extend_from_slice(b"user=");
    string.extend_from_slice(mailbox.as_str().as_bytes());
    string.extend_from_slice(b"\x01auth=Bearer ");
    string.extend_from_slice(token.as_bytes());
    string.extend_from_slice(b"\x01\x01");
    Zeroizing::new(string)
}

/// Answers the server's first challenge with the stand-in and every further one with an empty line: a refusal may come as
/// a challenge with JSON, and its final line only after that.
pub(super) struct Xoauth2 {
    stand_in: Option<String>,
}

impl Xoauth2 {
    /// `stand_in` is what the [`Envelope`](super::envelope::Envelope) sends the string for.
    pub(super) fn new(stand_in: String) -> Self {
        Self { stand_in: Some(stand_in) }
    }
}

impl async_imap::Authenticator for Xoauth2 {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.stand_in.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_imap::Authenticator as _;

    #[test]
    fn a_challenge_after_refusal_is_answered_by_an_empty_line() {
        let mut auth = Xoauth2::new("stand-in".to_owned());
        assert_eq!(auth.process(b""), "stand-in");
        assert_eq!(auth.process(br#"{"status":"401"}"#), "");
    }
}
