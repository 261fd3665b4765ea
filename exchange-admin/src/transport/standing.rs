use m365_core::{Error, ErrorKind, Result};

use super::Capabilities;

/// How far up the ladder of grants the caller stands. Each rung looks different on the wire: 401, 403, 200.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// 401: the token lacks the application permission `Exchange.ManageAsApp`, or was made before its consent.
    NoPermission,
    /// 403: the permission is there, and no directory role or role group gives the app a cmdlet yet. The text is what
    /// Exchange says, if it says anything; a new role takes up to half an hour to be seen.
    NoRole(String),
    /// 200: these cmdlets may be run.
    Holds(Capabilities),
}

impl Standing {
    /// Reads it off the answer to the question for the cmdlets.
    ///
    /// # Errors
    /// Failures that say nothing about grants, such as those of the network.
    pub(crate) fn read(answer: Result<Capabilities>) -> Result<Self> {
        match answer {
            Ok(capabilities) => Ok(Self::Holds(capabilities)),
            Err(error) if is(&error, 401, ErrorKind::Authentication) => Ok(Self::NoPermission),
            Err(error) if is(&error, 403, ErrorKind::PermissionDenied) => {
                Ok(Self::NoRole(error.message().to_owned()))
            }
            Err(error) => Err(error),
        }
    }
}

fn is(error: &Error, status: u16, kind: ErrorKind) -> bool {
    error.status().is_some_and(|s| s.as_u16() == status) && error.kind() == kind
}
