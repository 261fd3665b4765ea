//! What the service answers about each element of a request.

mod table;

use std::borrow::Cow;
use std::fmt;

use m365_core::ErrorKind;

/// One of EWS's response codes: `NoError`, or one of the 520 errors of the schema, or one that a later server invents.
///
/// Behaviour hangs on [`class`](Self::class), never on the text beside the code, which is localised.
///
/// ```
/// use ews_client::{CodeClass, ResponseCode};
/// let code = ResponseCode::new(" ErrorItemNotFound ");
/// assert_eq!(code, ResponseCode::ERROR_ITEM_NOT_FOUND);
/// assert_eq!(code.class(), CodeClass::NotFound);
/// assert_eq!(ResponseCode::new("ErrorOfTomorrow").class(), CodeClass::Unknown);
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode>.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResponseCode(Cow<'static, str>);

impl ResponseCode {
    /// The code of this name. White space around it is left out; a name of the schema costs no allocation.
    pub fn new(name: &str) -> Self {
        let name = name.trim_ascii();
        // What nearly every answer says is not looked for among 520 others.
        if name == Self::NO_ERROR.as_str() {
            return Self::NO_ERROR;
        }
        match table::TABLE.binary_search_by(|(known, _)| (*known).cmp(name)) {
            Ok(at) => Self(Cow::Borrowed(table::TABLE.get(at).map_or("", |(known, _)| known))),
            Err(_) => Self(Cow::Owned(name.to_owned())),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the schema has it.
    pub fn is_known(&self) -> bool {
        self.class() != CodeClass::Unknown
    }

    /// What to do about it.
    pub fn class(&self) -> CodeClass {
        let found = table::TABLE.binary_search_by(|(known, _)| (*known).cmp(self.as_str()));
        found.ok().and_then(|at| table::TABLE.get(at)).map_or(CodeClass::Unknown, |(_, class)| *class)
    }

    /// The kind of error it is. An unknown code is [`ErrorKind::Rejected`] here; a fault that carries one may know more.
    pub fn kind(&self) -> ErrorKind {
        if *self == Self::ERROR_SERVER_BUSY {
            return ErrorKind::Throttled;
        }
        match self.class() {
            CodeClass::FewerInFlight => ErrorKind::Throttled,
            CodeClass::Retry | CodeClass::Reroute | CodeClass::Server => ErrorKind::Unavailable,
            CodeClass::SmallerRequest | CodeClass::Limit => ErrorKind::Limit,
            CodeClass::Permission => ErrorKind::PermissionDenied,
            CodeClass::Authentication => ErrorKind::Authentication,
            CodeClass::NotFound => ErrorKind::NotFound,
            CodeClass::AlreadyExists => ErrorKind::AlreadyExists,
            CodeClass::StartAnew => ErrorKind::Gone,
            CodeClass::Conflict => ErrorKind::Conflict,
            CodeClass::Version | CodeClass::NotSupported => ErrorKind::Unsupported,
            CodeClass::Success
            | CodeClass::OtherAddress
            | CodeClass::BadId
            | CodeClass::Damaged
            | CodeClass::Ambiguous
            | CodeClass::Client
            | CodeClass::Unknown => ErrorKind::Rejected,
        }
    }

    /// Whether it may pass by itself. What went wrong inside the server once may well go wrong again, so
    /// [`CodeClass::Server`] does not count.
    pub fn is_transient(&self) -> bool {
        matches!(self.class(), CodeClass::Retry | CodeClass::FewerInFlight | CodeClass::Reroute)
    }

    /// Whether the server surely did nothing: it refused before it began.
    pub fn is_refusal(&self) -> bool {
        match self.class() {
            CodeClass::Retry => *self == Self::ERROR_SERVER_BUSY,
            CodeClass::SmallerRequest
            | CodeClass::FewerInFlight
            | CodeClass::Version
            | CodeClass::Authentication
            | CodeClass::OtherAddress
            | CodeClass::BadId => true,
            CodeClass::Permission => {
                matches!(self.as_str(), "ErrorImpersonateUserDenied" | "ErrorImpersonationDenied")
            }
            CodeClass::Client => matches!(self.as_str(), "ErrorSchemaValidation" | "ErrorInvalidRequest"),
            _ => false,
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a [`ResponseCode`] asks of the one who gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodeClass {
    /// Nothing went wrong.
    Success,
    /// Wait, then the same again, a bounded number of times.
    Retry,
    /// Too many requests at once: fewer in flight, and a pause of a second at least.
    FewerInFlight,
    /// Too much in one request: split it.
    SmallerRequest,
    /// The mailbox is served elsewhere, or is on the move: ask Autodiscover again and drop the affinity cookie.
    Reroute,
    /// The caller lacks the right: take the next rung of the rights ladder.
    Permission,
    /// The credential, the account or the impersonation header is refused.
    Authentication,
    /// Not there, or hidden from this caller, which a server does not tell apart.
    NotFound,
    /// The address is an alias; the answer carries the right one. Follow it once.
    OtherAddress,
    /// The id is malformed or of another kind: old data, or a mistake of the caller.
    BadId,
    /// A sync state or a subscription died: begin anew and close the gap.
    StartAnew,
    /// Something changed in between: read again, then once more.
    Conflict,
    /// The object exists already.
    AlreadyExists,
    /// The item is damaged: ask again without body and MIME content.
    Damaged,
    /// The request names a version that the server does not speak: step down.
    Version,
    /// A limit or a quota that a smaller request does not lift.
    Limit,
    /// A remark beside data: several names match.
    Ambiguous,
    /// The server's own trouble. It may pass, or not.
    Server,
    /// This server, mailbox or tenant cannot do it.
    NotSupported,
    /// The request is wrong; it will be wrong again.
    Client,
    /// Not a code of the schema.
    Unknown,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_code_of_the_schema_has_a_class_and_is_found() {
        assert_eq!(table::TABLE.len(), 521);
        assert!(table::TABLE.is_sorted_by(|a, b| a.0 < b.0), "found by halving");
        for (name, class) in table::TABLE {
            let code = ResponseCode::new(name);
            assert!(matches!(code.0, Cow::Borrowed(_)));
            assert_eq!(code.class(), *class);
            assert_ne!(*class, CodeClass::Unknown);
        }
        let classes: HashSet<_> = table::TABLE.iter().map(|(_, class)| class).collect();
        assert_eq!(classes.len(), 20, "each class but Unknown is used");
    }

    #[test]
    fn the_codes_that_behaviour_hangs_on_have_the_right_class() {
        for (class, codes) in [
            (
                CodeClass::Retry,
                "ErrorServerBusy ErrorTooManyObjectsOpened ErrorTimeoutExpired ErrorInternalServerTransientError ErrorMailboxStoreUnavailable ErrorConnectionFailed ErrorADUnavailable ErrorMailboxFailover ErrorInsufficientResources",
            ),
            (CodeClass::FewerInFlight, "ErrorExceededConnectionCount"),
            (
                CodeClass::SmallerRequest,
                "ErrorExceededFindCountLimit ErrorCalendarViewRangeTooBig ErrorTimeIntervalTooBig ErrorMailboxDataArrayTooBig ErrorRequestStreamTooBig ErrorBatchProcessingStopped",
            ),
            (
                CodeClass::Reroute,
                "ErrorMailboxMoveInProgress ErrorProxyRequestNotAllowed ErrorCrossSiteRequest ErrorNoRespondingCASInDestinationSite",
            ),
            (
                CodeClass::Permission,
                "ErrorAccessDenied ErrorImpersonateUserDenied ErrorImpersonationDenied ErrorNoFreeBusyAccess ErrorSubscriptionAccessDenied ErrorSubscriptionDelegateAccessNotSupported",
            ),
            (
                CodeClass::NotFound,
                "ErrorItemNotFound ErrorFolderNotFound ErrorNonExistentMailbox ErrorMailRecipientNotFound ErrorCannotFindUser",
            ),
            (
                CodeClass::BadId,
                "ErrorInvalidId ErrorInvalidIdMalformed ErrorInvalidIdEmpty ErrorInvalidIdMalformedEwsLegacyIdFormat ErrorInvalidFolderId",
            ),
            (
                CodeClass::StartAnew,
                "ErrorInvalidSyncStateData ErrorSyncFolderNotFound ErrorSubscriptionNotFound ErrorInvalidSubscription ErrorExpiredSubscription ErrorSubscriptionUnsubscribed ErrorReadEventsFailed ErrorInvalidWatermark ErrorMissedNotificationEvents",
            ),
            (
                CodeClass::Conflict,
                "ErrorChangeKeyRequiredForWriteOperations ErrorStaleObject ErrorIrresolvableConflict",
            ),
            (CodeClass::Damaged, "ErrorItemCorrupt ErrorCorruptData ErrorMimeContentConversionFailed"),
            (
                CodeClass::Version,
                "ErrorInvalidServerVersion ErrorIncorrectSchemaVersion ErrorInvalidSchemaVersionForMailboxVersion",
            ),
        ] {
            for name in codes.split(' ') {
                assert_eq!(ResponseCode::new(name).class(), class, "{name}");
            }
        }
    }

    #[test]
    fn a_permission_is_never_taken_for_an_outage_and_throttling_never_for_a_refusal_to_come_back() {
        assert_eq!(ResponseCode::ERROR_ACCESS_DENIED.kind(), ErrorKind::PermissionDenied);
        assert!(!ResponseCode::ERROR_ACCESS_DENIED.is_transient());
        assert_eq!(ResponseCode::ERROR_SERVER_BUSY.kind(), ErrorKind::Throttled);
        assert!(ResponseCode::ERROR_SERVER_BUSY.is_transient());
        assert!(ResponseCode::ERROR_SERVER_BUSY.is_refusal());
        assert!(!ResponseCode::ERROR_TIMEOUT_EXPIRED.is_refusal(), "it may have acted");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn any_text_is_a_code(text in any::<String>()) {
            let code = ResponseCode::new(&text);
            prop_assert_eq!(code.as_str(), text.trim_ascii());
            let _ = (code.class(), code.kind(), code.is_transient(), code.is_refusal());
        }
    }
}
