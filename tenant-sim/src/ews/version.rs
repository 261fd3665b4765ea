//! Versions of the schema, and of the servers that know them.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/requestserverversion>

use crate::state::ExchangeBuild;

/// A version of the schema, in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Exchange2007,
    Exchange2007Sp1,
    Exchange2010,
    Exchange2010Sp1,
    Exchange2010Sp2,
    Exchange2013,
    Exchange2013Sp1,
    Exchange2016,
    /// Named after a month.
    Later,
}

impl Version {
    /// None for a name that the schema does not know.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Exchange2007" => Self::Exchange2007,
            "Exchange2007_SP1" => Self::Exchange2007Sp1,
            "Exchange2009" | "Exchange2010" => Self::Exchange2010,
            "Exchange2010_SP1" => Self::Exchange2010Sp1,
            "Exchange2010_SP2" => Self::Exchange2010Sp2,
            "Exchange2012" | "Exchange2013" => Self::Exchange2013,
            "Exchange2013_SP1" => Self::Exchange2013Sp1,
            "Exchange2015" | "Exchange2016" => Self::Exchange2016,
            "V2015_10_05" | "V2016_01_06" | "V2016_04_13" | "V2016_07_13" | "V2016_10_10" | "V2017_01_07"
            | "V2017_04_14" | "V2017_07_11" => Self::Later,
            _ => return None,
        })
    }
}

impl ExchangeBuild {
    /// The newest schema that it knows.
    pub(super) fn newest(self) -> Version {
        match self {
            Self::Exchange2010 => Version::Exchange2010Sp2,
            Self::Exchange2013 => Version::Exchange2013Sp1,
            Self::Exchange2016 | Self::Exchange2019 => Version::Later,
        }
    }

    /// What the header of its answers says.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Exchange2010 => {
                r#"<h:ServerVersionInfo MajorVersion="14" MinorVersion="3" MajorBuildNumber="513" MinorBuildNumber="0" Version="Exchange2010_SP2" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>"#
            }
            Self::Exchange2013 => {
                r#"<h:ServerVersionInfo MajorVersion="15" MinorVersion="0" MajorBuildNumber="1497" MinorBuildNumber="2" Version="V2_23" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>"#
            }
            Self::Exchange2016 => {
                r#"<h:ServerVersionInfo MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="6" Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>"#
            }
            Self::Exchange2019 => {
                r#"<h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" MinorBuildNumber="4" Version="V2017_07_11" xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>"#
            }
        }
    }
}

/// The first version that knows a property; none: all do.
pub(super) fn known_since(uri: &str) -> Option<Version> {
    Some(match uri {
        "calendar:StartWallClock"
        | "calendar:EndWallClock"
        | "calendar:StartTimeZoneId"
        | "calendar:EndTimeZoneId"
        | "calendar:EnhancedLocation"
        | "calendar:IsOrganizer"
        | "calendar:JoinOnlineMeetingUrl"
        | "calendar:OnlineMeetingSettings"
        | "item:Preview"
        | "item:TextBody"
        | "item:Flag" => Version::Exchange2013,
        "calendar:StartTimeZone" | "calendar:EndTimeZone" | "item:ConversationId" | "item:UniqueBody" => {
            Version::Exchange2010
        }
        "calendar:UID" | "calendar:RecurrenceId" | "calendar:DateTimeStamp" => Version::Exchange2007Sp1,
        _ => return None,
    })
}
