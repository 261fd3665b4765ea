//! `GetServerTimeZones`: a handful of real definitions.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getservertimezones-operation>

use super::quirks::EwsQuirk;
use super::soap::{Element, Fault, MESSAGES, TYPES, escaped};
use super::{Context, message, schema_violation};

/// A zone as Windows knows it. Biases in minutes, UTC minus local.
struct Zone {
    id: &'static str,
    name: &'static str,
    standard: i32,
    rules: &'static [Rules],
}

/// The rules from a year on (the first: since ever): bias in summer, then when summer and winter begin.
struct Rules {
    from: u16,
    daylight: i32,
    summer: Change,
    winter: Change,
}

/// Month, which of the weekday (-1: the last), weekday, minutes after midnight.
type Change = (u8, i8, &'static str, u16);

const EUROPE: Change = (3, -1, "Sunday", 120);

const ZONES: [Zone; 9] = [
    Zone { id: "UTC", name: "(UTC) Coordinated Universal Time", standard: 0, rules: &[] },
    Zone {
        id: "GMT Standard Time",
        name: "(UTC+00:00) Dublin, Edinburgh, Lisbon, London",
        standard: 0,
        rules: &[Rules {
            from: 0,
            daylight: -60,
            summer: (3, -1, "Sunday", 60),
            winter: (10, -1, "Sunday", 120),
        }],
    },
    Zone {
        id: "Romance Standard Time",
        name: "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris",
        standard: -60,
        rules: &[Rules { from: 0, daylight: -120, summer: EUROPE, winter: (10, -1, "Sunday", 180) }],
    },
    Zone {
        id: "W. Europe Standard Time",
        name: "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        standard: -60,
        rules: &[Rules { from: 0, daylight: -120, summer: EUROPE, winter: (10, -1, "Sunday", 180) }],
    },
    Zone {
        id: "FLE Standard Time",
        name: "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius",
        standard: -120,
        rules: &[Rules {
            from: 0,
            daylight: -180,
            summer: (3, -1, "Sunday", 180),
            winter: (10, -1, "Sunday", 240),
        }],
    },
    Zone {
        id: "India Standard Time",
        name: "(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi",
        standard: -330,
        rules: &[],
    },
    Zone {
        id: "AUS Eastern Standard Time",
        name: "(UTC+10:00) Canberra, Melbourne, Sydney",
        standard: -600,
        rules: &[
            Rules {
                from: 0,
                daylight: -660,
                summer: (10, -1, "Sunday", 120),
                winter: (3, -1, "Sunday", 180),
            },
            Rules {
                from: 2008,
                daylight: -660,
                summer: (10, 1, "Sunday", 120),
                winter: (4, 1, "Sunday", 180),
            },
        ],
    },
    Zone {
        id: "Eastern Standard Time",
        name: "(UTC-05:00) Eastern Time (US & Canada)",
        standard: 300,
        rules: AMERICA_EAST,
    },
    Zone {
        id: "Pacific Standard Time",
        name: "(UTC-08:00) Pacific Time (US & Canada)",
        standard: 480,
        rules: &[
            Rules { from: 0, daylight: 420, summer: (4, 1, "Sunday", 120), winter: (10, -1, "Sunday", 120) },
            Rules {
                from: 2007,
                daylight: 420,
                summer: (3, 2, "Sunday", 120),
                winter: (11, 1, "Sunday", 120),
            },
        ],
    },
];

const AMERICA_EAST: &[Rules] = &[
    Rules { from: 0, daylight: 240, summer: (4, 1, "Sunday", 120), winter: (10, -1, "Sunday", 120) },
    Rules { from: 2007, daylight: 240, summer: (3, 2, "Sunday", 120), winter: (11, 1, "Sunday", 120) },
];

/// All zones, or those asked for; one that nobody knows is left out.
pub(super) fn run(context: &Context<'_>, operation: &Element) -> Result<String, Fault> {
    if context.state.ews.has(EwsQuirk::NoServerTimeZones) {
        return Err(Fault::new("ErrorInvalidRequest", "Unknown request 'GetServerTimeZones'."));
    }
    let ids = operation.child(MESSAGES, "Ids");
    if ids.is_some_and(|ids| ids.children.is_empty() || ids.children.iter().any(|i| i.namespace != TYPES)) {
        return Err(schema_violation("Ids holds t:Id elements."));
    }
    let full = operation.attribute("ReturnFullTimeZoneData").is_none_or(|v| v == "true" || v == "1");
    let wanted = |zone: &&Zone| ids.is_none_or(|ids| ids.children.iter().any(|i| i.text == zone.id));
    let zones: String = ZONES.iter().filter(wanted).map(|z| definition(z, full)).collect();
    Ok(message("GetServerTimeZones", "", &format!("<m:TimeZoneDefinitions>{zones}</m:TimeZoneDefinitions>")))
}

fn definition(zone: &Zone, full: bool) -> String {
    let head = format!(r#"Id="{}" Name="{}""#, escaped(zone.id), escaped(zone.name));
    if !full {
        return format!("<t:TimeZoneDefinition {head}/>");
    }
    let standard = "trule:Microsoft/Registry/Standard";
    let mut periods =
        format!(r#"<t:Period Bias="{}" Name="Standard" Id="{standard}"/>"#, duration(zone.standard));
    let (mut groups, mut transitions) = (String::new(), String::new());
    for (n, rules) in zone.rules.iter().enumerate() {
        let daylight = format!("trule:Microsoft/Registry/Daylight/{n}");
        periods.push_str(&format!(
            r#"<t:Period Bias="{}" Name="Daylight" Id="{daylight}"/>"#,
            duration(rules.daylight)
        ));
        groups.push_str(&format!(
            r#"<t:TransitionsGroup Id="{n}">{}{}</t:TransitionsGroup>"#,
            change(&rules.summer, &daylight),
            change(&rules.winter, standard)
        ));
        let to = format!(r#"<t:To Kind="Group">{n}</t:To>"#);
        transitions.push_str(&if rules.from == 0 {
            format!("<t:Transition>{to}</t:Transition>")
        } else {
            format!(
                "<t:AbsoluteDateTransition>{to}<t:DateTime>{}-01-01T00:00:00</t:DateTime></t:AbsoluteDateTransition>",
                rules.from
            )
        });
    }
    if zone.rules.is_empty() {
        groups = format!(
            r#"<t:TransitionsGroup Id="0"><t:Transition><t:To Kind="Period">{standard}</t:To></t:Transition></t:TransitionsGroup>"#
        );
        transitions = r#"<t:Transition><t:To Kind="Group">0</t:To></t:Transition>"#.to_owned();
    }
    format!(
        "<t:TimeZoneDefinition {head}><t:Periods>{periods}</t:Periods><t:TransitionsGroups>{groups}</t:TransitionsGroups><t:Transitions>{transitions}</t:Transitions></t:TimeZoneDefinition>"
    )
}

fn change((month, occurrence, day, minutes): &Change, period: &str) -> String {
    format!(
        r#"<t:RecurringDayTransition><t:To Kind="Period">{period}</t:To><t:TimeOffset>PT{minutes}M</t:TimeOffset><t:Month>{month}</t:Month><t:DayOfWeek>{day}</t:DayOfWeek><t:Occurrence>{occurrence}</t:Occurrence></t:RecurringDayTransition>"#
    )
}

/// Minutes as a duration: `-PT1H`, `PT5H`, `-PT5H30M`.
fn duration(minutes: i32) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
    match (hours, rest) {
        (0, 0) => "PT0S".to_owned(),
        (hours, 0) => format!("{sign}PT{hours}H"),
        (hours, rest) => format!("{sign}PT{hours}H{rest}M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_hold_every_part() {
        assert_eq!([0, -60, 300, -330].map(duration), ["PT0S", "-PT1H", "PT5H", "-PT5H30M"]);
        let sydney = ZONES.iter().find(|z| z.id.starts_with("AUS")).unwrap();
        let text = definition(sydney, true);
        assert_eq!(text.matches("<t:RecurringDayTransition>").count(), 4, "{text}");
        assert_eq!(text.matches("<t:AbsoluteDateTransition>").count(), 1);
        let eastern = definition(ZONES.iter().find(|z| z.id.starts_with("Eastern")).unwrap(), false);
        assert!(eastern.contains("US &amp; Canada") && !eastern.contains("Periods"), "{eastern}");
    }
}
