//! The words that say who gets mail about a change. A server demands them for calendar items, whatever the schema says, so
//! each is an argument that cannot be left out.

macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$member_doc])* $member,)*
        }

        impl $name {
            /// As it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$member => $text,)*
                }
            }
        }
    };
}

word! {
    /// Who is invited when an item is made.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem>.
    SendMeetingInvitations {
        /// Nobody: the item is in the organizer's calendar alone.
        SendToNone = "SendToNone",
        /// All attendees.
        SendOnlyToAll = "SendOnlyToAll",
        /// All attendees; a copy is in sent items.
        SendToAllAndSaveCopy = "SendToAllAndSaveCopy",
    }
}

word! {
    /// Who is told when an item changes.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem>.
    SendMeetingInvitationsOrCancellations {
        /// Nobody: the attendees' copies stay as they are.
        SendToNone = "SendToNone",
        /// All attendees.
        SendOnlyToAll = "SendOnlyToAll",
        /// Those who were added or removed.
        SendOnlyToChanged = "SendOnlyToChanged",
        /// All attendees; a copy is in sent items.
        SendToAllAndSaveCopy = "SendToAllAndSaveCopy",
        /// Those who were added or removed; a copy is in sent items.
        SendToChangedAndSaveCopy = "SendToChangedAndSaveCopy",
    }
}

word! {
    /// Who is told when a meeting is deleted.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteitem>.
    SendMeetingCancellations {
        /// Nobody: the meeting stays in the attendees' calendars.
        SendToNone = "SendToNone",
        /// All attendees.
        SendOnlyToAll = "SendOnlyToAll",
        /// All attendees; a copy is in sent items.
        SendToAllAndSaveCopy = "SendToAllAndSaveCopy",
    }
}

word! {
    /// What becomes of a new message.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/createitem>.
    MessageDisposition {
        /// A draft.
        SaveOnly = "SaveOnly",
        /// It is sent.
        SendOnly = "SendOnly",
        /// It is sent; a copy is in sent items.
        SendAndSaveCopy = "SendAndSaveCopy",
    }
}

word! {
    /// What if somebody else changed the item in the meantime.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateitem>.
    ConflictResolution {
        /// The change fails, with `ErrorIrresolvableConflict`.
        NeverOverwrite = "NeverOverwrite",
        /// The server puts both together where it can.
        AutoResolve = "AutoResolve",
        /// This change wins.
        AlwaysOverwrite = "AlwaysOverwrite",
    }
}

word! {
    /// Where deleted items go.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/deleteitem>.
    DeleteType {
        /// Nowhere.
        HardDelete = "HardDelete",
        /// The dumpster, where administrators find it.
        SoftDelete = "SoftDelete",
        /// The folder of deleted items.
        MoveToDeletedItems = "MoveToDeletedItems",
    }
}
