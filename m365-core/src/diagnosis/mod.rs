//! stub
#![allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authority {
    EntraToken,
    EntraConsent,
    EntraDirectory,
    ExchangeScoping,
    ProtocolSwitch,
    Mailbox,
    Service,
    Network,
    Caller,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Nobody,
}
#[derive(Debug)]
pub struct Diagnosis {
    id: &'static str,
}
impl Diagnosis {
    pub fn id(&self) -> &'static str {
        self.id
    }
    pub fn authority(&self) -> Authority {
        Authority::EntraToken
    }
    pub fn cause(&self) -> &'static str {
        ""
    }
    pub fn remedy(&self) -> &'static str {
        ""
    }
}
#[derive(Default)]
pub struct Evidence<'a> {
    pub aadsts: &'a [u32],
    pub status: Option<u16>,
    pub code: Option<&'a str>,
    pub path: &'a str,
    pub text: &'a str,
    pub headers: Option<&'a http::HeaderMap>,
}
pub fn diagnose(_: &Evidence<'_>) -> Option<&'static Diagnosis> {
    None
}
pub fn by_id(_: &str) -> Option<&'static Diagnosis> {
    None
}
static P: Diagnosis = Diagnosis { id: "PLAIN" };
pub fn plain(_: Authority) -> &'static Diagnosis {
    &P
}
