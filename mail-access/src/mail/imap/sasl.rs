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

/// Answers the server's first challenge with the string and every further one with an empty line: a refusal may come as
/// a challenge with JSON, and its final line only after that.
pub(super) struct Xoauth2 {
    string: Option<Zeroizing<Vec<u8>>>,
}

impl Xoauth2 {
    pub(super) fn new(mailbox: &MailboxAddress, token: &str) -> Self {
        Self { string: Some(xoauth2(mailbox, token)) }
    }
}

impl async_imap::Authenticator for Xoauth2 {
    type Response = Zeroed;

    fn process(&mut self, _challenge: &[u8]) -> Zeroed {
        Zeroed(self.string.take().unwrap_or_default())
    }
}

pub(super) struct Zeroed(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Zeroed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_imap::Authenticator as _;

    #[test]
    fn a_challenge_after_refusal_is_answered_by_an_empty_line() {
        let mut auth = Xoauth2::new(&"a@contoso.example".parse().unwrap(), "t");
        assert_eq!(auth.process(b"").as_ref(), b"user=a@contoso.example\x01auth=Bearer t\x01\x01");
        assert_eq!(auth.process(br#"{"status":"401"}"#).as_ref(), b"");
    }
}
