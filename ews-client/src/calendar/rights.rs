use crate::{CodeClass, Error, ResponseCode};

/// A way to a mailbox's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rung {
    /// Its items, acting as its owner (`ExchangeImpersonation`).
    Impersonation,
    /// Its items, by rights that the owner gave on the folder.
    Delegate,
    /// Its free and busy times.
    FreeBusy,
}

/// How much may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessLevel {
    /// Nothing.
    None,
    /// When somebody is busy.
    FreeBusyOnly,
    /// Subjects and places, but not all that an event holds.
    Limited,
    /// The events themselves. That private ones are hidden is this crate's doing.
    Details,
}

/// Why a rung did not hold: what the server said, as an error with its code and diagnosis.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// Which rung.
    pub rung: Rung,
    /// What was said.
    pub error: Error,
}

/// Whether this failure says that the caller lacks the right, so that the next rung is due: permission denied, or not there,
/// which a server does not tell apart. Everything else, above all what may pass, is a failure of the reading and says nothing about
/// rights.
pub(crate) fn is_refusal(error: &Error) -> bool {
    if error.is_transient() {
        return false;
    }
    let Some(code) = error.service_code() else { return false };
    matches!(ResponseCode::new(code).class(), CodeClass::Permission | CodeClass::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ItemResult, ResponseClass};

    fn refusal(code: &str) -> bool {
        let code = ResponseCode::new(code);
        let result: ItemResult<()> =
            ItemResult { class: ResponseClass::Error, code, details: None, value: None };
        is_refusal(&result.to_error())
    }

    #[test]
    fn only_rights_and_absence_lead_one_rung_down() {
        for code in [
            "ErrorAccessDenied",
            "ErrorItemNotFound",
            "ErrorFolderNotFound",
            "ErrorImpersonateUserDenied",
            "ErrorImpersonationDenied",
            "ErrorNonExistentMailbox",
            "ErrorNoFreeBusyAccess",
            "ErrorMailRecipientNotFound",
        ] {
            assert!(refusal(code), "{code}");
        }
        for code in [
            "ErrorServerBusy",
            "ErrorMailboxMoveInProgress",
            "ErrorExceededConnectionCount",
            "ErrorInternalServerError",
            "ErrorInvalidSyncStateData",
            "ErrorExceededFindCountLimit",
            "ErrorOfTomorrow",
            "ErrorInvalidRequest",
        ] {
            assert!(!refusal(code), "{code}");
        }
        let passing = Error::new(crate::ErrorKind::PermissionDenied, "for now")
            .with_code("ErrorImpersonateUserDenied")
            .with_transient(true);
        assert!(!is_refusal(&passing), "what may pass says nothing about rights");
        let login =
            Error::new(crate::ErrorKind::PermissionDenied, "403").with_status(http::StatusCode::FORBIDDEN);
        assert!(!is_refusal(&login), "a refused connection is not a refused mailbox");
    }
}
