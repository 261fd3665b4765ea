use m365_core::MailboxAddress;
use zeroize::Zeroizing;

use super::veil::STAND_IN;

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

/// Answers the server's first challenge with the stand-in for the string, and every further one with an empty line: a
/// refusal may come as a challenge with JSON, and its final line only after that.
#[derive(Default)]
pub(super) struct Xoauth2 {
    answered: bool,
}

impl async_imap::Authenticator for Xoauth2 {
    type Response = &'static [u8];

    fn process(&mut self, _challenge: &[u8]) -> &'static [u8] {
        if std::mem::replace(&mut self.answered, true) { b"" } else { STAND_IN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_imap::Authenticator as _;

    #[test]
    fn the_string_names_mailbox_and_token() {
        let string = xoauth2(&"a+b@contoso.example".parse().unwrap(), "t");
        assert_eq!(&string[..], b"user=a+b@contoso.example\x01auth=Bearer t\x01\x01");
    }

    #[test]
    fn a_challenge_after_refusal_is_answered_by_an_empty_line() {
        let mut auth = Xoauth2::default();
        assert_eq!(auth.process(b""), STAND_IN);
        assert_eq!(auth.process(br#"{"status":"401"}"#), b"");
    }
}
