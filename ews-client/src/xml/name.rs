/// The namespace of an element, as far as EWS cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ns {
    /// SOAP 1.1, `s:`.
    Soap,
    /// EWS messages, `m:`.
    Messages,
    /// EWS types, `t:`.
    Types,
    /// EWS errors, `e:`.
    Errors,
    /// One of the namespaces of Autodiscover.
    Autodiscover,
    /// None at all.
    None,
    /// Any other.
    Other,
}

const EWS: &str = "://schemas.microsoft.com/exchange/services/2006/";
const SOAP: &str = "://schemas.xmlsoap.org/soap/envelope/";
const AUTODISCOVER: [&str; 2] = [
    "://schemas.microsoft.com/exchange/autodiscover/",
    "://schemas.microsoft.com/exchange/2010/Autodiscover",
];

impl Ns {
    /// The namespace of this URI; an error for one of ours that is written with `https`.
    pub(super) fn of(uri: &str) -> Result<Self, SecureNamespace> {
        let (secure, rest) = match (uri.strip_prefix("http"), uri.strip_prefix("https")) {
            (_, Some(rest)) => (true, rest),
            (Some(rest), None) => (false, rest),
            (None, None) => return Ok(if uri.is_empty() { Self::None } else { Self::Other }),
        };
        let ns = if rest == SOAP {
            Self::Soap
        } else if let Some(part) = rest.strip_prefix(EWS) {
            match part {
                "messages" => Self::Messages,
                "types" => Self::Types,
                "errors" => Self::Errors,
                _ => Self::Other,
            }
        } else if AUTODISCOVER.iter().any(|known| rest.starts_with(known)) {
            Self::Autodiscover
        } else {
            Self::Other
        };
        if secure && ns != Self::Other { Err(SecureNamespace) } else { Ok(ns) }
    }

    /// Whether it is one of the three namespaces of EWS.
    ///
    /// Schema, documentation and servers disagree in places about which of them an element belongs to
    /// (`m:Notification` and `t:Notification`), so readers of answers ask no more than this.
    pub fn is_ews(self) -> bool {
        matches!(self, Self::Messages | Self::Types | Self::Errors)
    }
}

/// One of our namespaces begins with `https`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SecureNamespace;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_known_by_their_whole_name() {
        assert_eq!(Ns::of("http://schemas.xmlsoap.org/soap/envelope/"), Ok(Ns::Soap));
        assert_eq!(Ns::of("http://schemas.microsoft.com/exchange/services/2006/messages"), Ok(Ns::Messages));
        assert_eq!(Ns::of("http://schemas.microsoft.com/exchange/services/2006/types"), Ok(Ns::Types));
        assert_eq!(Ns::of("http://schemas.microsoft.com/exchange/services/2006/errors"), Ok(Ns::Errors));
        assert_eq!(
            Ns::of("http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"),
            Ok(Ns::Autodiscover)
        );
        assert_eq!(Ns::of("http://schemas.microsoft.com/exchange/services/2006/typesX"), Ok(Ns::Other));
        assert_eq!(Ns::of("urn:x"), Ok(Ns::Other));
        assert_eq!(Ns::of("https://www.w3.org/2001/XMLSchema"), Ok(Ns::Other));
        assert_eq!(Ns::of(""), Ok(Ns::None));
        assert_eq!(
            Ns::of("https://schemas.microsoft.com/exchange/services/2006/types"),
            Err(SecureNamespace)
        );
        assert_eq!(Ns::of("https://schemas.xmlsoap.org/soap/envelope/"), Err(SecureNamespace));
    }
}
