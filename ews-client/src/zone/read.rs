//! Zones out of answers: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/timezonedefinition>.

use jiff::civil::Weekday;

use super::definition::{Period, Target, Transition, TransitionTime, TransitionsGroup, ZoneDefinition};
use super::serializable::{SeasonStart, SerializableTimeZone};
use crate::recurrence::DaysOfWeek;
use crate::xml::{Cursor, Element, Writer, XmlError};
use crate::xs;

/// Reads a `t:TimeZoneDefinitionType`, whatever its element is called: `StartTimeZone`, `EndTimeZone`,
/// `TimeZoneDefinition`. An absent id becomes an empty one.
pub(crate) fn read_definition<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<ZoneDefinition, XmlError> {
    let [id, name] = cursor.attributes(element, ["Id", "Name"])?;
    let mut definition = read_rules(cursor, element)?.map_or_else(ZoneDefinition::default, |rules| *rules);
    definition.id = id.unwrap_or_default().into();
    definition.name = name.map(Into::into);
    Ok(definition)
}

/// The same without id and name, for who keeps those elsewhere; `None` when no rules came, which costs no allocation.
///
/// Rules of a kind that this version does not know would be wrong without that kind, so all of them are left out then.
pub(crate) fn read_rules<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<Option<Box<ZoneDefinition>>, XmlError> {
    let mut definition: Option<Box<ZoneDefinition>> = None;
    let mut known = true;
    while let Some(part) = cursor.next_child(element)? {
        match part.ews() {
            "Periods" => {
                let definition = definition.get_or_insert_default();
                while let Some(period) = cursor.next_child(&part)? {
                    if period.is("Period") {
                        definition.periods.push(read_period(cursor, &period)?);
                    }
                }
            }
            "TransitionsGroups" => {
                let definition = definition.get_or_insert_default();
                while let Some(group) = cursor.next_child(&part)? {
                    if !group.is("TransitionsGroup") {
                        continue;
                    }
                    let id = cursor.attribute(&group, "Id")?.unwrap_or_default().into();
                    let mut transitions = Vec::new();
                    known &= read_transitions(cursor, &group, &mut transitions)?;
                    definition.groups.push(TransitionsGroup { id, transitions });
                }
            }
            "Transitions" => {
                let definition = definition.get_or_insert_default();
                known &= read_transitions(cursor, &part, &mut definition.transitions)?;
            }
            _ => {}
        }
    }
    Ok(definition.filter(|_| known))
}

fn read_period<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Period, XmlError> {
    let [id, name, bias] = cursor.attributes(element, ["Id", "Name", "Bias"])?;
    let bias = bias.ok_or_else(|| element.missing("the Bias of a period"))?;
    Ok(Period {
        id: id.unwrap_or_default().into(),
        name: name.unwrap_or_default().into(),
        bias: xs::parse_duration(&bias)
            .map_err(|_| element.bad_value("period with a duration as its Bias"))?,
    })
}

/// Whether all of them were known.
fn read_transitions<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
    transitions: &mut Vec<Transition>,
) -> Result<bool, XmlError> {
    let mut known = true;
    while let Some(child) = cursor.next_child(element)? {
        match child.ews() {
            "Transition"
            | "AbsoluteDateTransition"
            | "RecurringDayTransition"
            | "RecurringDateTransition" => match read_transition(cursor, &child)? {
                Some(transition) => transitions.push(transition),
                None => known = false,
            },
            "" => {}
            _ => known = false,
        }
    }
    Ok(known)
}

fn read_transition<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<Option<Transition>, XmlError> {
    let (mut to, mut date_time, mut time, mut month) = (None, None, None, None);
    let (mut weekday, mut occurrence, mut day) = (None, None, None);
    while let Some(child) = cursor.next_child(element)? {
        match child.ews() {
            "To" => {
                let kind = cursor.attribute(&child, "Kind")?;
                let id = cursor.value(&child)?.into();
                to = match kind.as_deref().map(str::trim_ascii) {
                    Some("Period") => Some(Target::Period(id)),
                    Some("Group") => Some(Target::Group(id)),
                    _ => return Ok(None),
                };
            }
            "DateTime" => {
                let text = cursor.value(&child)?;
                date_time = Some(xs::parse_date_time(&text).map_err(|_| child.bad_value("dateTime"))?);
            }
            "TimeOffset" => {
                let text = cursor.value(&child)?;
                time = Some(xs::parse_duration(&text).map_err(|_| child.bad_value("duration"))?);
            }
            "Month" => month = Some(cursor.number(&child)?),
            "DayOfWeek" => weekday = Some(read_weekday(cursor, &child)?),
            "Occurrence" => occurrence = Some(cursor.number(&child)?),
            "Day" => day = Some(cursor.number(&child)?),
            _ => {}
        }
    }
    let whole = || element.missing("a part of the transition");
    let at = match element.local {
        "AbsoluteDateTransition" => TransitionTime::Absolute(date_time.ok_or_else(whole)?),
        "RecurringDayTransition" => TransitionTime::RecurringDay {
            time: time.ok_or_else(whole)?,
            month: month.ok_or_else(whole)?,
            weekday: weekday.ok_or_else(whole)?,
            occurrence: occurrence.ok_or_else(whole)?,
        },
        "RecurringDateTransition" => TransitionTime::RecurringDate {
            time: time.ok_or_else(whole)?,
            month: month.ok_or_else(whole)?,
            day: day.ok_or_else(whole)?,
        },
        _ => TransitionTime::Always,
    };
    Ok(Some(Transition { to: to.ok_or_else(whole)?, at }))
}

fn read_weekday<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Weekday, XmlError> {
    let days = DaysOfWeek::parse(&cursor.value(element)?).ok().filter(|days| days.len() == 1);
    days.and_then(|days| days.iter().next()).ok_or_else(|| element.bad_value("day of the week"))
}

/// Reads a `t:SerializableTimeZone`, which GetUserAvailability speaks.
pub(crate) fn read_serializable<'a>(
    cursor: &mut Cursor<'a>,
    element: &Element<'a>,
) -> Result<SerializableTimeZone, XmlError> {
    let mut zone = SerializableTimeZone::utc();
    let mut bias = None;
    while let Some(child) = cursor.next_child(element)? {
        match child.ews() {
            "Bias" => bias = Some(cursor.number(&child)?),
            "StandardTime" => zone.standard = read_season(cursor, &child)?,
            "DaylightTime" => zone.daylight = read_season(cursor, &child)?,
            _ => {}
        }
    }
    zone.bias = bias.ok_or_else(|| element.missing("the Bias"))?;
    Ok(zone)
}

fn read_season<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<SeasonStart, XmlError> {
    let mut season = SerializableTimeZone::utc().standard;
    while let Some(child) = cursor.next_child(element)? {
        match child.ews() {
            "Bias" => season.bias = cursor.number(&child)?,
            "Time" => {
                let text = cursor.value(&child)?;
                season.time = xs::parse_time(&text).map_err(|_| child.bad_value("time of day"))?;
            }
            "DayOrder" => season.day_order = cursor.number(&child)?,
            "Month" => season.month = cursor.number(&child)?,
            "DayOfWeek" => season.weekday = read_weekday(cursor, &child)?,
            "Year" => {
                // Windows says "every year" by the year 0.
                let text = cursor.value(&child)?;
                let year: i16 = match text.as_ref() {
                    "" => 0,
                    text => text.parse().map_err(|_| child.bad_value("year"))?,
                };
                season.year = (year != 0).then_some(year);
            }
            _ => {}
        }
    }
    Ok(season)
}

impl SerializableTimeZone {
    /// Writes the children of a `t:TimeZone`, in the schema's order.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.raw("<t:Bias>");
        writer.display(&self.bias);
        writer.raw("</t:Bias><t:StandardTime>");
        self.standard.write(writer);
        writer.raw("</t:StandardTime><t:DaylightTime>");
        self.daylight.write(writer);
        writer.raw("</t:DaylightTime>");
    }
}

impl SeasonStart {
    fn write(&self, writer: &mut Writer) {
        writer.raw("<t:Bias>");
        writer.display(&self.bias);
        writer.raw("</t:Bias><t:Time>");
        writer.display(&self.time);
        writer.raw("</t:Time><t:DayOrder>");
        writer.display(&self.day_order);
        writer.raw("</t:DayOrder><t:Month>");
        writer.display(&self.month);
        writer.raw("</t:Month><t:DayOfWeek>");
        writer.display(&DaysOfWeek::from(self.weekday));
        writer.raw("</t:DayOfWeek>");
        if let Some(year) = self.year {
            writer.raw("<t:Year>");
            writer.display(&year);
            writer.raw("</t:Year>");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Time, date};

    use super::*;
    use crate::xml::Document;
    use crate::zone::{WireZone, ZoneRules};

    const T: &str = r#"xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types""#;

    fn definition(xml: &str) -> Result<ZoneDefinition, XmlError> {
        let xml = xml.replacen(' ', &format!(" {T} "), 1);
        let document = Document::new(xml.as_bytes())?;
        let mut cursor = document.cursor();
        let root = cursor.root()?;
        let definition = read_definition(&mut cursor, &root)?;
        cursor.finish()?;
        Ok(definition)
    }

    const LISBON: &str = r#"<t:StartTimeZone Name="Somewhere at the sea" Id="Ortszeit">
        <t:Periods><t:Period Name="Standard" Id="std" Bias="-PT0M"/><t:Period Id="dlt" Name="Daylight" Bias="-PT60M"/></t:Periods>
        <t:TransitionsGroups><t:TransitionsGroup Id="0">
          <t:RecurringDayTransition><t:To Kind="Period">dlt</t:To><t:TimeOffset>PT1H</t:TimeOffset><t:Month>3</t:Month><t:DayOfWeek> Sunday </t:DayOfWeek><t:Occurrence>-1</t:Occurrence></t:RecurringDayTransition>
          <t:RecurringDateTransition><t:Day>31</t:Day><t:Month>10</t:Month><t:TimeOffset>PT2H</t:TimeOffset><t:To Kind="Period">std</t:To></t:RecurringDateTransition>
        </t:TransitionsGroup></t:TransitionsGroups>
        <t:Transitions><t:Transition><t:To Kind="Period">std</t:To></t:Transition><t:AbsoluteDateTransition><t:To Kind="Group">0</t:To><t:DateTime>2000-01-01T00:00:00</t:DateTime></t:AbsoluteDateTransition></t:Transitions>
      </t:StartTimeZone>"#;

    #[test]
    fn trap_12_rules_of_every_kind_in_any_order_are_read() {
        let read = definition(LISBON).unwrap();
        assert_eq!((&*read.id, read.name.as_deref()), ("Ortszeit", Some("Somewhere at the sea")));
        assert_eq!((read.periods.len(), read.groups.len(), read.transitions.len()), (2, 1, 2));
        assert_eq!(read.groups[0].transitions.len(), 2);
        let rules = ZoneRules::new(read.clone()).unwrap();
        let hours = |month, day| rules.to_instant(date(2026, month, day).at(12, 0, 0, 0)).to_string();
        assert_eq!(hours(3, 28), "2026-03-28T12:00:00Z");
        assert_eq!(hours(3, 29), "2026-03-29T11:00:00Z");
        assert_eq!(hours(10, 30), "2026-10-30T11:00:00Z");
        assert_eq!(hours(10, 31), "2026-10-31T12:00:00Z");
        let wire = WireZone { definition: Some(&read), ..WireZone::default() };
        assert_eq!(wire.resolve(None).provenance, crate::zone::Provenance::ServerRules);
    }

    #[test]
    fn a_zone_by_its_name_alone_has_no_rules() {
        let read = definition(r#"<t:EndTimeZone Id="Romance Standard Time"/>"#).unwrap();
        assert_eq!(
            read,
            ZoneDefinition { id: "Romance Standard Time".into(), name: None, ..Default::default() }
        );
        assert_eq!(definition("<t:EndTimeZone />").unwrap(), ZoneDefinition::default());
    }

    #[test]
    fn trap_12_rules_of_an_unknown_kind_are_not_used_in_part() {
        for (known, unknown) in
            [("RecurringDateTransition", "RecurringMoonTransition"), ("Kind=\"Group\"", "Kind=\"Orbit\"")]
        {
            let read = definition(&LISBON.replace(known, unknown)).unwrap();
            assert_eq!((&*read.id, read.periods.len(), read.groups.len()), ("Ortszeit", 0, 0));
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_place() {
        for (good, bad) in [
            ("-PT60M", "-60"),
            ("<t:Month>3<", "<t:Month>March<"),
            (" Sunday ", "Sunday Monday"),
            ("2000-01-01T00:00:00", "yesterday"),
            ("PT1H", "1:00"),
            ("<t:Occurrence>-1</t:Occurrence>", ""),
            ("<t:To Kind=\"Period\">dlt</t:To>", ""),
            (" Bias=\"-PT0M\"", ""),
        ] {
            let broken = LISBON.replacen(good, bad, 1);
            assert_ne!(broken, LISBON, "{good}");
            assert!(definition(&broken).unwrap_err().offset() > 0, "{bad}");
        }
    }

    #[test]
    fn the_zone_of_free_busy_is_read_as_it_is_written() {
        let mut zone = SerializableTimeZone::utc();
        let season = |bias, hour, day_order, month, year| SeasonStart {
            bias,
            time: Time::constant(hour, 30, 0, 0),
            day_order,
            month,
            weekday: Weekday::Saturday,
            year,
        };
        zone.bias = -345;
        zone.standard = season(0, 2, 5, 10, None);
        zone.daylight = season(-60, 3, 1, 4, Some(2026));
        for zone in [zone, SerializableTimeZone::utc()] {
            let mut writer = Writer::default();
            zone.write(&mut writer);
            let xml = format!("<t:TimeZone {T}>{}</t:TimeZone>", writer.as_str());
            let document = Document::new(xml.as_bytes()).unwrap();
            let mut cursor = document.cursor();
            let root = cursor.root().unwrap();
            assert_eq!(read_serializable(&mut cursor, &root).unwrap(), zone);
        }
    }
}
