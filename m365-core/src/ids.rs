//! Identifiers that people mix up, as distinct types.
//!
//! A registration has four ids that all look alike: its object id ([`ApplicationObjectId`]), its client id
//! ([`ClientId`]), the object id of the enterprise application made from it ([`ServicePrincipalObjectId`]) and the id of
//! each credential ([`KeyId`]). Handing one in place of another is the most repeated mistake of this field, so none
//! converts into another.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{Error, ErrorKind};

macro_rules! guid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// Reads the hyphenated, braced or plain form.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidInput`] when the text is not a GUID; the text itself is not repeated, since people
            /// paste secrets into id fields.
            pub fn parse(text: &str) -> Result<Self, Error> {
                Uuid::parse_str(text.trim())
                    .map(Self)
                    .map_err(|_| Error::new(ErrorKind::InvalidInput, concat!("not a GUID, so not ", $what)))
            }

            /// The id made of these 16 bytes in big-endian order.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Uuid::deserialize(deserializer).map(Self)
            }
        }
    };
}

guid_id!(
    /// The directory (tenant) id; claim `tid`.
    TenantId,
    "a tenant id"
);
guid_id!(
    /// The application (client) id of a registration; `appId` in Graph, claim `appid` or `azp`.
    ///
    /// ```
    /// use m365_core::ClientId;
    /// let id = ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d")?;
    /// assert_eq!(id.to_string(), "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d");
    /// assert!(ClientId::parse("my application").is_err());
    /// # Ok::<(), m365_core::Error>(())
    /// ```
    ClientId,
    "a client id"
);
guid_id!(
    /// The object id of the app registration (`application.id`): what credential calls want in their path. It is *not*
    /// what Exchange wants.
    ApplicationObjectId,
    "the object id of an app registration"
);
guid_id!(
    /// The object id of the enterprise application (`servicePrincipal.id`): claim `oid` of every app-only token, and
    /// what Exchange's `New-ServicePrincipal -ObjectId` wants.
    ServicePrincipalObjectId,
    "the object id of an enterprise application"
);
guid_id!(
    /// The id of one credential of a registration, shown by the portal as "Secret ID"; never the secret itself.
    KeyId,
    "a credential's key id"
);
guid_id!(
    /// The id of an application permission offered by a resource API.
    AppRoleId,
    "an app role id"
);
guid_id!(
    /// The object id of a user (also of the user behind a shared mailbox).
    UserObjectId,
    "a user's object id"
);
guid_id!(
    /// The object id of a group.
    GroupObjectId,
    "a group's object id"
);

impl ClientId {
    /// Client id of Microsoft Graph as a resource API.
    pub const MICROSOFT_GRAPH: Self = Self(Uuid::from_u128(0x0000_0003_0000_0000_c000_0000_0000_0000));
    /// Client id of Office 365 Exchange Online as a resource API.
    pub const EXCHANGE_ONLINE: Self = Self(Uuid::from_u128(0x0000_0002_0000_0ff1_ce00_0000_0000_0000));
}

/// An SMTP address that names a mailbox or a group. Compared without case, kept as it was written.
///
/// ```
/// use m365_core::MailboxAddress;
/// let a = MailboxAddress::parse("Anna@Contoso.example")?;
/// assert_eq!(a, MailboxAddress::parse("anna@contoso.example")?);
/// assert_eq!(a.domain(), "Contoso.example");
/// # Ok::<(), m365_core::Error>(())
/// ```
#[derive(Clone)]
pub struct MailboxAddress(Box<str>);

impl MailboxAddress {
    /// Reads an address: one `@` with something on both sides, no blanks or control characters, no quoting, at most 320 bytes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let refuse = |why: &str| {
            Err(Error::new(
                ErrorKind::InvalidInput,
                format!("\"{}\" is not a mailbox address: {why}", crate::redact::line(text)),
            ))
        };
        let Some((local, domain)) = text.rsplit_once('@') else {
            return refuse("the @ is missing");
        };
        if local.is_empty() || domain.is_empty() {
            return refuse("one side of the @ is empty");
        }
        if text.len() > 320 {
            return refuse("it is longer than 320 bytes");
        }
        if let Some(bad) = text.chars().find(|c| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '"' | '<' | '>' | ',' | ';' | '\\' | '/' | '(' | ')')
        }) {
            return refuse(&format!("it holds the character {}", bad.escape_default()));
        }
        if local.contains('@') {
            return refuse("it holds more than one @");
        }
        if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") || !domain.contains('.')
        {
            return refuse("its domain is not a full domain name");
        }
        Ok(Self(text.into()))
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address in lower case: the key under which two spellings meet.
    pub fn to_key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for MailboxAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0) || self.to_key() == other.to_key()
    }
}

impl Eq for MailboxAddress {}

impl Hash for MailboxAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_key().hash(state);
    }
}

impl PartialOrd for MailboxAddress {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MailboxAddress {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_key().cmp(&other.to_key())
    }
}

impl fmt::Display for MailboxAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxAddress({})", self.0)
    }
}

impl FromStr for MailboxAddress {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl Serialize for MailboxAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MailboxAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A tenant as a caller names it: by GUID or by verified domain, never `common` or `organizations`.
///
/// App-only tokens need one tenant; the shared endpoints either refuse or silently use the app's home tenant.
///
/// ```
/// use m365_core::TenantName;
/// assert!(TenantName::parse("contoso.example").is_ok());
/// assert!(TenantName::parse("organizations").is_err());
/// let braced = TenantName::parse("{8C1F3A52-7D4E-4B60-9A1B-2C3D4E5F6071}")?;
/// assert_eq!(braced.as_str(), "8c1f3a52-7d4e-4b60-9a1b-2c3d4e5f6071");
/// # Ok::<(), m365_core::Error>(())
/// ```
#[derive(Clone)]
pub struct TenantName {
    text: Box<str>,
    /// Of a GUID: then the text is its one spelling, and comparing sixteen bytes is enough.
    id: Option<TenantId>,
}

impl TenantName {
    /// Reads a GUID or a domain name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for anything else, the shared endpoints `common`, `organizations` and `consumers` included.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let is_domain = text.contains('.')
            && text.split('.').all(|label| {
                !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            });
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(TenantId(id).into());
        }
        if is_domain {
            return Ok(Self { text: text.to_ascii_lowercase().into(), id: None });
        }
        let why = match text.to_ascii_lowercase().as_str() {
            "common" | "organizations" | "consumers" => {
                "shared endpoints do not serve app-only access: name the tenant by its GUID or a verified domain"
            }
            "" => "the tenant is empty",
            _ => "a tenant is named by its GUID or a verified domain",
        };
        Err(Error::new(ErrorKind::InvalidInput, why))
    }

    /// The name as it goes into URLs.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The tenant id, when it was named by GUID.
    pub fn id(&self) -> Option<TenantId> {
        self.id
    }
}

impl PartialEq for TenantName {
    fn eq(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.text == other.text,
            _ => false,
        }
    }
}

impl Eq for TenantName {}

impl Hash for TenantName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.id {
            Some(id) => state.write_u128(id.0.as_u128()),
            None => self.text.hash(state),
        }
    }
}

impl fmt::Debug for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantName").field(&self.text).finish()
    }
}

impl From<TenantId> for TenantName {
    fn from(id: TenantId) -> Self {
        Self { text: id.to_string().into(), id: Some(id) }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_pasted_as_an_id_is_not_repeated_in_the_error() {
        let error = ClientId::parse("Zx1~Qsecret.value").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Zx1"), "{error}");
    }

    #[test]
    fn addresses_that_are_not_addresses_are_refused() {
        for bad in [
            "",
            "anna",
            "@x.example",
            "a@",
            "a b@x.example",
            "a@b@x.example",
            "a@x",
            "a@x..example",
            "\"a\"@x.example",
        ] {
            assert!(MailboxAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn resource_api_ids_are_the_published_ones() {
        assert_eq!(ClientId::MICROSOFT_GRAPH.to_string(), "00000003-0000-0000-c000-000000000000");
        assert_eq!(ClientId::EXCHANGE_ONLINE.to_string(), "00000002-0000-0ff1-ce00-000000000000");
    }

    #[test]
    fn shared_endpoints_are_refused() {
        for bad in ["common", "Organizations", "consumers", "", "a/b", "a b.example", "contoso"] {
            assert!(TenantName::parse(bad).is_err(), "{bad}");
        }
    }
}
