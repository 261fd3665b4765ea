use m365_core::Result;

use crate::operation::{EwsOperation, read_messages};
use crate::operations::empty_when_done;
use crate::soap::{ItemResult, RequestContext, SchemaVersion};
use crate::xml::{Cursor, Element, Writer};
use crate::zone::{ZoneDefinition, read_definition};

/// Asks for the time zones that the server knows, by their names, or with their rules.
///
/// Not every server can say it; this crate has a table of its own ([`zone`](crate::zone)) and needs none.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getservertimezones-operation>.
#[derive(Clone, Debug, Default)]
pub struct GetServerTimeZones {
    ids: Vec<Box<str>>,
    rules: bool,
}

impl GetServerTimeZones {
    /// All of them, by name.
    pub fn new() -> Self {
        Self::default()
    }

    /// This one, and others that were added so, instead of all. One that the server does not know is left out of its answer.
    #[must_use]
    pub fn with_id(mut self, windows_id: impl Into<Box<str>>) -> Self {
        self.ids.push(windows_id.into());
        self
    }

    /// With periods and transitions: about 4 KB for each.
    #[must_use]
    pub fn with_rules(mut self) -> Self {
        self.rules = true;
        self
    }
}

impl EwsOperation for GetServerTimeZones {
    const NAME: &'static str = "GetServerTimeZones";
    type Item = Vec<ZoneDefinition>;

    /// One: all zones come in one message.
    fn asked(&self) -> usize {
        1
    }

    fn since(&self) -> SchemaVersion {
        SchemaVersion::Exchange2010
    }

    fn size_hint(&self) -> usize {
        256 + 64 * self.ids.len()
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:GetServerTimeZones ReturnFullTimeZoneData=\"");
        writer.raw(if self.rules { "true" } else { "false" });
        if self.ids.is_empty() {
            writer.raw("\"/>");
            return;
        }
        writer.raw("\"><m:Ids>");
        for id in &self.ids {
            writer.leaf("t:Id", id);
        }
        writer.raw("</m:Ids></m:GetServerTimeZones>");
    }

    fn read<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        root: &Element<'a>,
    ) -> Result<Vec<ItemResult<Vec<ZoneDefinition>>>> {
        Ok(empty_when_done(read_messages(
            cursor,
            root,
            |cursor, child, zones: &mut Option<Vec<ZoneDefinition>>| {
                if child.is("TimeZoneDefinitions") {
                    let zones = zones.get_or_insert_default();
                    while let Some(zone) = cursor.next_child(child)? {
                        if zone.is("TimeZoneDefinition") {
                            zones.push(read_definition(cursor, &zone)?);
                        }
                    }
                }
                Ok(())
            },
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{is_written_for, message, request};
    use crate::zone::ZoneRules;

    #[test]
    fn requests() {
        insta::assert_snapshot!("get_server_time_zones", request(&GetServerTimeZones::new()));
        let some =
            GetServerTimeZones::new().with_id("Romance Standard Time").with_id("R&D Time").with_rules();
        insta::assert_snapshot!("get_server_time_zones_with_rules", request(&some));
        assert!(!is_written_for(&some, SchemaVersion::Exchange2007Sp1));
    }

    #[test]
    fn trap_12_names_and_rules() {
        let zones = message(
            &GetServerTimeZones::new(),
            "Success",
            "NoError",
            r#"<m:TimeZoneDefinitions><t:TimeZoneDefinition Id="UTC" Name="(UTC) Coordinated"/>
            <t:TimeZoneDefinition Name="South" Id="South Pole Time"><t:Periods><t:Period Bias="-PT12H" Name="Standard" Id="s"/><t:Period Bias="-PT13H" Name="Daylight" Id="d"/></t:Periods>
            <t:TransitionsGroups><t:TransitionsGroup Id="0"><t:RecurringDayTransition><t:To Kind="Period">s</t:To><t:TimeOffset>PT3H</t:TimeOffset><t:Month>4</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>1</t:Occurrence></t:RecurringDayTransition><t:RecurringDayTransition><t:To Kind="Period">d</t:To><t:TimeOffset>PT2H</t:TimeOffset><t:Month>9</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek><t:Occurrence>-1</t:Occurrence></t:RecurringDayTransition></t:TransitionsGroup></t:TransitionsGroups>
            <t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions></t:TimeZoneDefinition></m:TimeZoneDefinitions>"#,
        )
        .unwrap()
        .results
        .remove(0)
        .into_result()
        .unwrap();
        assert_eq!(zones.len(), 2);
        assert_eq!((&*zones[0].id, zones[0].periods.len()), ("UTC", 0));
        let rules = ZoneRules::new(zones[1].clone()).unwrap();
        let july = rules.to_local("2026-07-01T00:00:00Z".parse().unwrap());
        let december = rules.to_local("2026-12-01T00:00:00Z".parse().unwrap());
        assert_eq!((july.hour(), december.hour()), (12, 13));
    }
}
