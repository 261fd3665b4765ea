use std::fmt;

use m365_core::{Error, ErrorKind, Result};

/// Longest name that Exchange takes, in characters.
const LONGEST: usize = 64;

pub(super) fn plain<'a>(text: &'a str, what: &str) -> Result<&'a str> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(format!("the {what} is empty")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("the {what} holds a control character")));
    }
    Ok(text)
}

fn checked(text: &str, what: &str) -> Result<Box<str>> {
    let text = plain(text, what)?;
    let length = text.chars().count();
    if length > LONGEST {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("the {what} has {length} characters; Exchange takes {LONGEST}"),
        )
        .with_acted(m365_core::Acted::No));
    }
    Ok(text.into())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks a name: not empty, at most 64 characters, no control characters.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidInput`], or [`ErrorKind::Limit`] when it is too long.
            pub fn parse(text: &str) -> Result<Self> {
                checked(text, $what).map(Self)
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

name!(
    /// The name of a mailbox, a group or another recipient.
    ///
    /// ```
    /// use exchange_admin::{ErrorKind, ObjectName};
    /// assert_eq!(ObjectName::parse(&"x".repeat(65)).unwrap_err().kind(), ErrorKind::Limit);
    /// ```
    ObjectName,
    "name"
);
name!(
    /// The name of a management scope.
    ManagementScopeName,
    "management scope's name"
);
name!(
    /// The name of a management role assignment.
    RoleAssignmentName,
    "role assignment's name"
);

name!(
    /// The name of a management role, built-in or custom.
    ManagementRoleName,
    "management role's name"
);
name!(
    /// The name of an administrators' role group.
    RoleGroupName,
    "role group's name"
);
name!(
    /// The name of a throttling policy of Exchange Server.
    ThrottlingPolicyName,
    "throttling policy's name"
);
name!(
    /// The name of an authentication policy.
    AuthenticationPolicyName,
    "authentication policy's name"
);

/// An organizational unit of Active Directory, as a canonical name (`contoso.example/Sales`) or a distinguished one. Its
/// length is not limited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrganizationalUnit(Box<str>);

impl OrganizationalUnit {
    /// Checks a unit: not empty, no control characters.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`].
    pub fn parse(text: &str) -> Result<Self> {
        plain(text, "organizational unit").map(|text| Self(text.into()))
    }

    /// The unit.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The distinguished name of a recipient or of an organizational unit, as Exchange writes it. It changes when the object
/// is renamed or moved: fit for asking what something that Exchange showed is, not for keeping.
///
/// ```
/// use exchange_admin::{DistinguishedName, RecipientIdentity};
/// let name = DistinguishedName::parse("CN=Queues,OU=contoso.example,OU=Microsoft Exchange Hosted Organizations,DC=prod")?;
/// assert!(matches!(RecipientIdentity::from(name), RecipientIdentity::DistinguishedName(_)));
/// # Ok::<(), exchange_admin::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DistinguishedName(Box<str>);

impl DistinguishedName {
    /// Checks a distinguished name: it begins with `CN=` or `OU=` in any case and holds no control characters. Its length
    /// is not limited.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`].
    pub fn parse(text: &str) -> Result<Self> {
        const WHAT: &str = "distinguished name";
        let text = plain(text, WHAT)?;
        let begins =
            text.get(..3).is_some_and(|b| b.eq_ignore_ascii_case("CN=") || b.eq_ignore_ascii_case("OU="));
        if !begins {
            return Err(Error::invalid(format!("the {WHAT} does not begin with CN= or OU=")));
        }
        Ok(Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_21_names_are_checked_before_the_call() {
        assert!(RoleAssignmentName::parse(&"ä".repeat(64)).is_ok());
        assert_eq!(RoleAssignmentName::parse(&"ä".repeat(65)).unwrap_err().kind(), ErrorKind::Limit);
        for bad in ["", "  ", "a\nb", "a\0"] {
            assert_eq!(
                ManagementScopeName::parse(bad).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn distinguished_names_may_be_long_and_nothing_else() {
        let long = format!("cn={},OU=x", "ä".repeat(300));
        assert_eq!(DistinguishedName::parse(&long).unwrap().as_str(), long);
        assert!(DistinguishedName::parse("OU=Queues,DC=prod").is_ok());
        for bad in ["", "DC=prod", "Queues", "CN=a\nb", "CN", "ää"] {
            assert_eq!(DistinguishedName::parse(bad).unwrap_err().kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
    }
}
