//! Enumerations of the schema, open for the members that a later server invents.

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$member_doc])* $member,)*
            /// A member that the schema does not have, as it was written.
            Other(Box<str>),
        }

        impl $name {
            /// The member of this name. White space around it is left out.
            pub fn new(text: &str) -> Self {
                match text.trim_ascii() {
                    $($text => Self::$member,)*
                    other => Self::Other(other.into()),
                }
            }

            /// As it stands on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$member => $text,)*
                    Self::Other(text) => text,
                }
            }
        }
    };
}

wire_enum! {
    /// How an item stands in free/busy.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/legacyfreebusystatus>.
    LegacyFreeBusyStatus {
        /// Free.
        Free = "Free",
        /// Tentative.
        Tentative = "Tentative",
        /// Busy.
        Busy = "Busy",
        /// Out of office.
        Oof = "OOF",
        /// Working elsewhere; from Exchange 2013.
        WorkingElsewhere = "WorkingElsewhere",
        /// The server does not know.
        NoData = "NoData",
    }
}

wire_enum! {
    /// How private an item is. Exchange leaves it to its clients to honour that.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/sensitivity>.
    Sensitivity {
        /// For everyone who may read the calendar.
        Normal = "Normal",
        /// A label only.
        Personal = "Personal",
        /// Details are the owner's alone.
        Private = "Private",
        /// Details are the owner's alone.
        Confidential = "Confidential",
    }
}

wire_enum! {
    /// What an item is to a series.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendaritemtype>.
    CalendarItemType {
        /// Not part of a series.
        Single = "Single",
        /// One of a series, as the series says.
        Occurrence = "Occurrence",
        /// One of a series, changed.
        Exception = "Exception",
        /// The series itself.
        RecurringMaster = "RecurringMaster",
    }
}

wire_enum! {
    /// What the mailbox's owner answered to an invitation.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/myresponsetype>.
    MyResponseType {
        /// Not known.
        Unknown = "Unknown",
        /// It is the owner's own meeting.
        Organizer = "Organizer",
        /// Tentatively accepted.
        Tentative = "Tentative",
        /// Accepted.
        Accept = "Accept",
        /// Declined.
        Decline = "Decline",
        /// No answer yet.
        NoResponseReceived = "NoResponseReceived",
    }
}

wire_enum! {
    /// What the caller may see of a shared calendar.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/sharingeffectiverights-calendarpermissionreadaccesstype>.
    SharingRights {
        /// Nothing.
        None = "None",
        /// Free or busy.
        TimeOnly = "TimeOnly",
        /// Free or busy with subject and location.
        TimeAndSubjectAndLocation = "TimeAndSubjectAndLocation",
        /// Everything.
        FullDetails = "FullDetails",
    }
}

wire_enum! {
    /// How important an item is.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/importance>.
    Importance {
        /// Low.
        Low = "Low",
        /// Normal.
        Normal = "Normal",
        /// High.
        High = "High",
    }
}

wire_enum! {
    /// What a text is.
    ///
    /// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/body>.
    BodyType {
        /// Plain.
        Text = "Text",
        /// HTML.
        Html = "HTML",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_kept() {
        assert_eq!(Sensitivity::new(" Private\n"), Sensitivity::Private);
        assert_eq!(LegacyFreeBusyStatus::new("OOF").as_str(), "OOF");
        let later = CalendarItemType::new("Habit");
        assert_eq!((later.as_str(), &later), ("Habit", &CalendarItemType::Other("Habit".into())));
    }
}
