use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::xml::{Cursor, Element, XmlError};

/// The version of the schema that a request is written in, as `t:RequestServerVersion` names it.
///
/// Only the rungs of the ladder that are worth trying are here. [`Exchange2016`](Self::Exchange2016) is right for
/// Exchange Server 2016, 2019 and SE, and for Exchange Online.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/requestserverversion>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SchemaVersion {
    /// Exchange 2007 with service pack 1.
    Exchange2007Sp1,
    /// Exchange 2010.
    Exchange2010,
    /// Exchange 2010 with service pack 2.
    Exchange2010Sp2,
    /// Exchange 2013 with service pack 1.
    Exchange2013Sp1,
    /// Exchange 2016 and everything later.
    #[default]
    Exchange2016,
}

const LADDER: [SchemaVersion; 5] = [
    SchemaVersion::Exchange2007Sp1,
    SchemaVersion::Exchange2010,
    SchemaVersion::Exchange2010Sp2,
    SchemaVersion::Exchange2013Sp1,
    SchemaVersion::Exchange2016,
];

impl SchemaVersion {
    /// As it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exchange2007Sp1 => "Exchange2007_SP1",
            Self::Exchange2010 => "Exchange2010",
            Self::Exchange2010Sp2 => "Exchange2010_SP2",
            Self::Exchange2013Sp1 => "Exchange2013_SP1",
            Self::Exchange2016 => "Exchange2016",
        }
    }

    /// The next older version to try when a server does not speak this one.
    pub fn step_down(self) -> Option<Self> {
        let at = LADDER.iter().position(|v| *v == self)?;
        LADDER.get(at.checked_sub(1)?).copied()
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The version that an endpoint was found to speak, shared by all requests to it.
///
/// ```
/// use ews_client::{NegotiatedVersion, SchemaVersion};
/// let version = NegotiatedVersion::default();
/// // Two requests fail at the same time; the ladder is descended by one rung, not by two.
/// assert_eq!(version.lower(SchemaVersion::Exchange2016), Some(SchemaVersion::Exchange2013Sp1));
/// assert_eq!(version.lower(SchemaVersion::Exchange2016), Some(SchemaVersion::Exchange2013Sp1));
/// assert_eq!(version.current(), SchemaVersion::Exchange2013Sp1);
/// ```
#[derive(Debug)]
pub struct NegotiatedVersion(AtomicU8);

impl Default for NegotiatedVersion {
    fn default() -> Self {
        Self::starting_at(SchemaVersion::default())
    }
}

impl NegotiatedVersion {
    /// Begins with this version.
    pub fn starting_at(version: SchemaVersion) -> Self {
        Self(AtomicU8::new(version as u8))
    }

    /// The version to write the next request in.
    pub fn current(&self) -> SchemaVersion {
        LADDER.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or_default()
    }

    /// A request written in `refused` was answered with a code of class
    /// [`Version`](crate::CodeClass::Version): the version to try instead, or `None` when there is no older one. Another
    /// request may have stepped down already; then its finding is taken.
    pub fn lower(&self, refused: SchemaVersion) -> Option<SchemaVersion> {
        let next = refused.step_down()?;
        let _ = self.0.fetch_min(next as u8, Ordering::Relaxed);
        Some(self.current())
    }
}

/// What a server says of itself in `t:ServerVersionInfo`. Servers lie here in places: capabilities come from major and
/// minor, the schema version is kept as it was written.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/serverversioninfo>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerVersion {
    /// 8 for Exchange 2007, 14 for 2010, 15 for everything since.
    pub major: u32,
    /// Tells 2013 (0), 2016 (1), 2019 and SE (2) and Exchange Online (20) apart below 15.
    pub minor: u32,
    /// The build.
    pub build: u32,
    /// The revision of the build.
    pub revision: u32,
    /// The schema that the server answers in, such as `V2017_07_11`; absent on old servers, and open to names of later
    /// ones.
    pub schema: Option<Box<str>>,
}

impl ServerVersion {
    pub(super) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        // What is absent or no number counts as 0: a version is no reason to lose an answer.
        let [major, minor, build, revision, schema] = cursor.attributes(
            element,
            ["MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber", "Version"],
        )?;
        let number =
            |text: Option<Cow<'_, str>>| text.and_then(|text| text.trim_ascii().parse().ok()).unwrap_or(0);
        Ok(Self {
            major: number(major),
            minor: number(minor),
            build: number(build),
            revision: number(revision),
            schema: schema.map(Into::into),
        })
    }

    /// Whether it is Exchange Online.
    pub fn is_online(&self) -> bool {
        (self.major, self.minor) >= (15, 20)
    }

    /// The newest schema that this server is known to speak.
    pub fn schema_version(&self) -> SchemaVersion {
        match (self.major, self.minor) {
            // Nothing said: nothing concluded.
            (0, _) => SchemaVersion::Exchange2016,
            (..14, _) => SchemaVersion::Exchange2007Sp1,
            (14, 0) => SchemaVersion::Exchange2010,
            (14, _) => SchemaVersion::Exchange2010Sp2,
            (15, 0) => SchemaVersion::Exchange2013Sp1,
            _ => SchemaVersion::Exchange2016,
        }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.major, self.minor, self.build, self.revision)
    }
}

/// What may be asked of an endpoint: the schema that a request is written in, lowered to what the server said of itself.
///
/// Source of the gates:
/// <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/ews-schema-versions-in-exchange>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    schema: SchemaVersion,
}

impl Capabilities {
    /// Of a request in this version, to a server that said this of itself, if it did yet.
    pub fn new(schema: SchemaVersion, server: Option<&ServerVersion>) -> Self {
        Self { schema: server.map_or(schema, |server| schema.min(server.schema_version())) }
    }

    /// The version to write.
    pub fn schema(self) -> SchemaVersion {
        self.schema
    }

    /// `t:TimeZoneContext`, `calendar:StartTimeZone`, `calendar:EndTimeZone`, GetServerTimeZones, GetRooms: from 2010.
    pub fn time_zones(self) -> bool {
        self.schema >= SchemaVersion::Exchange2010
    }

    /// Streaming notifications: from 2010 with service pack 1, which is asked for as service pack 2.
    pub fn streaming(self) -> bool {
        self.schema >= SchemaVersion::Exchange2010Sp2
    }

    /// `calendar:StartTimeZoneId`, `calendar:StartWallClock`, `calendar:EnhancedLocation`, `calendar:IsOrganizer`: from
    /// 2013.
    pub fn wall_clock(self) -> bool {
        self.schema >= SchemaVersion::Exchange2013Sp1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_17_the_ladder_ends_and_each_rung_is_a_version_of_the_schema() {
        let mut seen = vec![SchemaVersion::default().as_str()];
        let mut version = SchemaVersion::default();
        while let Some(next) = version.step_down() {
            assert!(next < version);
            seen.push(next.as_str());
            version = next;
        }
        assert_eq!(
            seen,
            ["Exchange2016", "Exchange2013_SP1", "Exchange2010_SP2", "Exchange2010", "Exchange2007_SP1"]
        );
        let negotiated = NegotiatedVersion::starting_at(SchemaVersion::Exchange2007Sp1);
        assert_eq!(negotiated.lower(SchemaVersion::Exchange2007Sp1), None);
        for rung in LADDER {
            assert_eq!(NegotiatedVersion::starting_at(rung).current(), rung);
        }
    }

    #[test]
    fn trap_17_capabilities_follow_major_and_minor_whatever_the_schema_name_says() {
        let server = |major, minor| ServerVersion {
            major,
            minor,
            build: 847,
            revision: 4040,
            schema: Some("V2_4".into()),
        };
        let of = |major, minor| Capabilities::new(SchemaVersion::default(), Some(&server(major, minor)));
        assert!(!of(8, 3).time_zones());
        assert!(of(14, 0).time_zones() && !of(14, 0).streaming());
        assert!(of(14, 3).streaming() && !of(14, 3).wall_clock());
        assert!(of(15, 0).wall_clock());
        assert_eq!(of(15, 2).schema(), SchemaVersion::Exchange2016);
        assert_eq!(of(0, 0).schema(), SchemaVersion::Exchange2016, "nothing said");
        assert!(server(15, 20).is_online() && !server(15, 2).is_online());
        let asked = Capabilities::new(SchemaVersion::Exchange2010, Some(&server(15, 20)));
        assert_eq!(asked.schema(), SchemaVersion::Exchange2010, "never above what was asked");
    }
}
