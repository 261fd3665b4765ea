use std::fmt;

use m365_core::{Error, ErrorKind, Result};

/// Longest name that Exchange takes, in characters.
const LONGEST: usize = 64;

fn checked(text: &str, what: &str) -> Result<Box<str>> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(format!("the {what} is empty")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("the {what} holds a control character")));
    }
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
}
