//! Ids that people mix up. All are opaque, and tell the cases of letters apart.

use std::fmt;
use std::sync::Arc;

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Opaque: compared byte for byte, never in a column that ignores case, and percent-encoded in addresses.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// As the server gave it.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// As it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<std::borrow::Cow<'_, str>> for $name {
            fn from(text: std::borrow::Cow<'_, str>) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// An item in a mailbox: an appointment, a message. It changes when the item moves to another folder, and differs between
    /// one who impersonates the owner and a delegate.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/itemid>.
    ItemId
}

opaque_id! {
    /// The version of an item or a folder. Reading does without, changing needs the current one.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/itemid>.
    ChangeKey
}

opaque_id! {
    /// A folder. It changes when the folder is deleted and made again.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/folderid>.
    FolderId
}

opaque_id! {
    /// An attachment of an item.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/attachmentid>.
    AttachmentId
}

opaque_id! {
    /// Where a synchronization stands, as the server says. It belongs to one folder of one mailbox.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncstate-ex15websvcsotherref>.
    SyncState
}

opaque_id! {
    /// A subscription to notifications. Only who made it may read it.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/subscriptionid-getevents>.
    SubscriptionId
}

opaque_id! {
    /// Where a pull subscription stands.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/watermark>.
    Watermark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_15_ids_differing_only_in_case_are_two() {
        let ids: std::collections::HashSet<_> = ["AAMkAD0=", "AAMkaD0=", "AAMkAD0="].map(ItemId::from).into();
        assert_eq!(ids.len(), 2);
        assert_eq!(ItemId::from("a+/b=").to_string(), "a+/b=");
    }
}
