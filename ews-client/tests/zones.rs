//! Zones: the five forms of the wire, rules against the IANA database, all-day events from any zone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ews_client::zone::{
    Period, Provenance, ResolvedZone, SeasonStart, SerializableTimeZone, Target, Transition, TransitionTime,
    TransitionsGroup, WireZone, Zone, ZoneDefinition, ZoneRef, ZoneRules, windows_ids, windows_to_iana,
};
use ews_client::{EventTime, When, xs};
use jiff::civil::{Date, Time, Weekday, date};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const FROM: i64 = 631_152_000; // 1990-01-01
const TO: i64 = 2_240_524_800; // 2041-01-01

fn iana(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(month: i8, weekday: Weekday, occurrence: i8, hours: i64) -> TransitionTime {
    TransitionTime::RecurringDay { time: SignedDuration::from_hours(hours), month, weekday, occurrence }
}

fn to_period(id: &str, at: TransitionTime) -> Transition {
    Transition { to: Target::Period(id.into()), at }
}

fn period(id: &str, hours_behind: i64) -> Period {
    Period { id: id.into(), name: id.into(), bias: SignedDuration::from_hours(hours_behind) }
}

fn two_seasons(
    id: &str,
    standard: i64,
    to_daylight: TransitionTime,
    to_standard: TransitionTime,
) -> ZoneDefinition {
    ZoneDefinition {
        id: id.into(),
        name: None,
        periods: vec![period("std", standard), period("dst", standard - 1)],
        groups: vec![TransitionsGroup {
            id: "0".into(),
            transitions: vec![to_period("dst", to_daylight), to_period("std", to_standard)],
        }],
        transitions: vec![Transition { to: Target::Group("0".into()), at: TransitionTime::Always }],
    }
}

/// Noon of every day of these years, and every half hour around each change of clocks.
fn assert_same(rules: &ZoneRules, zone: &TimeZone, years: std::ops::RangeInclusive<i16>) {
    let instant = |day: Date| TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0)).unwrap();
    let (from, to) = (instant(date(*years.start(), 1, 1)), instant(date(*years.end(), 12, 31)));
    let changes = zone.following(from).map(|change| change.timestamp()).take_while(|change| *change < to);
    let near =
        changes.flat_map(|change| (-60..60).map(move |half| change + SignedDuration::from_mins(30 * half)));
    let noons = (0..366 * years.count() as i64).map(|day| from + SignedDuration::from_hours(24 * day));
    for instant in near.chain(noons.take_while(|noon| *noon < to)) {
        assert_eq!(rules.offset_at(instant), zone.to_offset(instant), "{instant}");
        let local = Offset::UTC.to_datetime(instant);
        assert_eq!(rules.to_instant(local), zone.to_timestamp(local).unwrap(), "{local}");
    }
}

#[test]
fn trap_12_the_last_weekday_of_the_month() {
    let rules = ZoneRules::new(two_seasons(
        "Romance Standard Time",
        -1,
        day(3, Weekday::Sunday, -1, 2),
        day(10, Weekday::Sunday, -1, 3),
    ))
    .unwrap();
    assert_same(&rules, &iana("Europe/Copenhagen"), 2024..=2027);
    // Availability writes the last one as 5.
    let five =
        ZoneRules::new(two_seasons("x", -1, day(3, Weekday::Sunday, 5, 2), day(10, Weekday::Sunday, 5, 3)));
    assert_same(&five.unwrap(), &iana("Europe/Copenhagen"), 2026..=2026);
}

#[test]
fn trap_12_the_southern_hemisphere() {
    let rules = ZoneRules::new(two_seasons(
        "AUS Eastern Standard Time",
        -10,
        day(10, Weekday::Sunday, 1, 2),
        day(4, Weekday::Sunday, 1, 3),
    ))
    .unwrap();
    assert_same(&rules, &iana("Australia/Sydney"), 2024..=2027);
}

#[test]
fn trap_12_groups_that_depend_on_the_year() {
    let sunday = Weekday::Sunday;
    let mut definition =
        two_seasons("Pacific Standard Time", 8, day(4, sunday, 1, 2), day(10, sunday, -1, 2));
    definition.groups.push(TransitionsGroup {
        id: "1".into(),
        transitions: vec![to_period("dst", day(3, sunday, 2, 2)), to_period("std", day(11, sunday, 1, 2))],
    });
    // Microsoft's sample writes an instant here, other servers local time.
    for since in ["2007-01-01T08:00:00.000Z", "2007-01-01T00:00:00"] {
        let mut definition = definition.clone();
        definition.transitions.push(Transition {
            to: Target::Group("1".into()),
            at: TransitionTime::Absolute(xs::parse_date_time(since).unwrap()),
        });
        // Their order in the document does not matter.
        definition.transitions.reverse();
        assert_same(&ZoneRules::new(definition).unwrap(), &iana("America/Los_Angeles"), 2005..=2009);
    }
}

#[test]
fn trap_12_one_fixed_date_and_no_daylight_saving() {
    let march = TransitionTime::RecurringDate { time: SignedDuration::ZERO, month: 3, day: 22 };
    let september = TransitionTime::RecurringDate { time: SignedDuration::ZERO, month: 9, day: 22 };
    let rules = ZoneRules::new(two_seasons("Made up", -3, march, september)).unwrap();
    assert_eq!(rules.offset_at(at("2026-03-21T20:59:59Z")), Offset::constant(3));
    assert_eq!(rules.offset_at(at("2026-03-21T21:00:00Z")), Offset::constant(4));
    assert_eq!(rules.offset_at(at("2026-09-21T19:59:59Z")), Offset::constant(4));
    assert_eq!(rules.offset_at(at("2026-09-21T20:00:00Z")), Offset::constant(3));

    let fixed = ZoneDefinition {
        id: "India Standard Time".into(),
        periods: vec![Period { bias: SignedDuration::from_mins(-330), ..period("std", 0) }],
        groups: vec![TransitionsGroup {
            id: "0".into(),
            transitions: vec![to_period("std", TransitionTime::Always)],
        }],
        transitions: vec![Transition { to: Target::Group("0".into()), at: TransitionTime::Always }],
        ..ZoneDefinition::default()
    };
    assert_same(&ZoneRules::new(fixed.clone()).unwrap(), &iana("Asia/Kolkata"), 2026..=2026);
    for bare in [
        ZoneDefinition { transitions: vec![], ..fixed.clone() },
        ZoneDefinition { transitions: vec![], groups: vec![], ..fixed },
    ] {
        assert_same(&ZoneRules::new(bare).unwrap(), &iana("Asia/Kolkata"), 2026..=2026);
    }
}

#[test]
fn rules_that_make_no_sense_are_errors() {
    let sunday = Weekday::Sunday;
    let good = || two_seasons("x", 8, day(4, sunday, 1, 2), day(10, sunday, -1, 2));
    let broken: [fn(&mut ZoneDefinition); 8] = [
        |d| d.periods.clear(),
        |d| d.groups.clear(),
        |d| d.groups[0].transitions.clear(),
        |d| d.groups[0].transitions[0].at = day(13, Weekday::Sunday, 1, 2),
        |d| d.groups[0].transitions[0].at = day(0, Weekday::Sunday, 1, 2),
        |d| d.groups[0].transitions[0].at = day(4, Weekday::Sunday, 0, 2),
        |d| d.groups[0].transitions[0].to = Target::Group("0".into()),
        |d| d.periods[0].bias = SignedDuration::from_secs(i64::MIN),
    ];
    assert!(ZoneRules::new(good()).is_ok());
    for (i, breaks) in broken.iter().enumerate() {
        let mut definition = good();
        breaks(&mut definition);
        let error = ZoneRules::new(definition.clone()).unwrap_err();
        assert_eq!(error.kind(), ews_client::ErrorKind::InvalidResponse, "{i}");
        // An item with such rules and a good id is read by its id.
        let wire =
            WireZone { id: Some("GMT Standard Time"), definition: Some(&definition), ..WireZone::default() };
        assert_eq!(wire.resolve(None).provenance, Provenance::WindowsId);
    }
    assert!(ZoneRules::new(ZoneDefinition::default()).is_err());
}

fn resolve(id: Option<&str>, name: Option<&str>, definition: Option<&ZoneDefinition>) -> ResolvedZone {
    WireZone { id, name, definition, offsets: None }.resolve(None)
}

#[test]
fn trap_12_the_five_forms_of_a_zone() {
    let windows = resolve(Some(" Romance Standard Time "), Some("(UTC+01:00) Brussels, Copenhagen"), None);
    assert_eq!((windows.zone.iana(), windows.provenance), (Some("Europe/Paris"), Provenance::WindowsId));
    assert_eq!(windows.zone.windows(), Some("Romance Standard Time"));

    let sunday = Weekday::Sunday;
    let rules = two_seasons("tzone://Microsoft/Custom", -1, day(3, sunday, -1, 2), day(10, sunday, -1, 3));
    let custom = resolve(Some("tzone://Microsoft/Custom"), None, Some(&rules));
    assert_eq!((custom.zone.iana(), custom.provenance), (None, Provenance::ServerRules));
    assert_eq!(custom.zone.zone().unwrap().offset_at(at("2026-07-01T00:00:00Z")), Offset::constant(2));

    let iana = resolve(Some("Europe/Copenhagen"), None, None);
    assert_eq!((iana.zone.windows(), iana.provenance), (Some("Romance Standard Time"), Provenance::IanaId));

    let shown = resolve(Some("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"), None, None);
    assert_eq!((shown.zone.iana(), shown.provenance), (Some("Europe/Berlin"), Provenance::DisplayName));

    let local = ZoneDefinition { id: "Mitteleuropäische Zeit".into(), ..rules };
    let localised = resolve(Some("Mitteleuropäische Zeit"), None, Some(&local));
    assert_eq!(localised.provenance, Provenance::ServerRules);
    // Without its rules the text is never matched.
    let bare = resolve(Some("Mitteleuropäische Zeit"), None, None);
    assert_eq!(bare.provenance, Provenance::Unresolved);
    let ZoneRef::Unknown { id, .. } = &bare.zone else { panic!("a guess") };
    assert_eq!(&**id, "Mitteleuropäische Zeit");
    assert!(bare.zone.zone().is_err());
}

#[test]
fn trap_12_odd_ids() {
    let by_id = |id| WireZone { id: Some(id), ..WireZone::default() }.resolve(None);
    for id in ["UTC", "utc", "tzone://Microsoft/Utc", "Etc/UTC"] {
        assert_eq!(by_id(id).zone.iana(), Some("Etc/UTC"), "{id}");
    }
    assert_eq!(by_id("Kamchatka Standard Time").provenance, Provenance::RetiredWindowsId);
    assert_eq!(by_id("Kamchatka Standard Time").zone.iana(), Some("Asia/Kamchatka"));
    for id in ["", "  ", "localtime", "posixrules", "../../etc/localtime", "Klingon Standard Time", "Factory"]
    {
        assert_eq!(by_id(id).provenance, Provenance::Unresolved, "{id}");
    }
    assert_eq!(WireZone::default().resolve(None).provenance, Provenance::Unresolved);
    // A known id that Microsoft has and CLDR has not stays with its text.
    let ZoneRef::Unknown { id, name } =
        WireZone { id: Some("Moon Standard Time"), name: Some("(UTC) Moon"), ..WireZone::default() }
            .resolve(None)
            .zone
    else {
        panic!("a guess")
    };
    assert_eq!((&*id, name.as_deref()), ("Moon Standard Time", Some("(UTC) Moon")));
}

#[test]
fn trap_12_a_made_up_zone_without_rules_has_the_offset_of_its_item() {
    for id in ["tzone://Microsoft/Custom", "Customized Time Zone"] {
        let wire = |offsets| WireZone { id: Some(id), name: Some("Hawaii"), definition: None, offsets };
        let (one, two) = (Offset::constant(1), Offset::constant(2));
        let found = wire(Some((one, one))).resolve(None);
        assert_eq!(found.provenance, Provenance::Offsets);
        assert_eq!(found.zone.zone().unwrap().offset_at(at("2026-07-01T00:00:00Z")), one);
        assert_eq!(wire(Some((one, two))).resolve(None).provenance, Provenance::Unresolved);
        assert_eq!(wire(None).resolve(None).provenance, Provenance::Unresolved);
    }
}

#[test]
fn trap_10_the_sign_of_the_bias() {
    let copenhagen = SerializableTimeZone::from_time_zone(&iana("Europe/Copenhagen"), 2026).unwrap();
    assert_eq!((copenhagen.bias, copenhagen.standard.bias, copenhagen.daylight.bias), (-60, 0, -60));
    let pacific = SerializableTimeZone::from_time_zone(&iana("America/Los_Angeles"), 2026).unwrap();
    assert_eq!((pacific.bias, pacific.daylight.bias), (480, -60));
    let start = SeasonStart {
        bias: -60,
        time: Time::constant(2, 0, 0, 0),
        day_order: 2,
        month: 3,
        weekday: Weekday::Sunday,
        year: None,
    };
    assert_eq!(pacific.daylight, start);
    assert_eq!(
        SerializableTimeZone::utc().to_rules().unwrap().offset_at(at("2026-07-01T00:00:00Z")),
        Offset::UTC
    );
    let kathmandu = SerializableTimeZone::from_time_zone(&iana("Asia/Kathmandu"), 2026).unwrap();
    assert_eq!(kathmandu.bias, -345);
    let dublin = SerializableTimeZone::from_time_zone(&iana("Europe/Dublin"), 2026).unwrap();
    assert_eq!((dublin.bias, dublin.daylight.bias, dublin.daylight.month), (0, -60, 3));
    // Pyongyang changed once in 2018; Casablanca's rule of a year may or may not fit, but is never a wrong one.
    for (zone, year) in [("Asia/Pyongyang", 2018), ("Africa/Casablanca", 2030)] {
        let error = SerializableTimeZone::from_time_zone(&iana(zone), year);
        if let Err(error) = error {
            assert_eq!(error.kind(), ews_client::ErrorKind::Unsupported, "{zone}");
        } else {
            assert_same(&error.unwrap().to_rules().unwrap(), &iana(zone), year..=year);
        }
    }
    assert!(SerializableTimeZone::from_time_zone(&iana("Asia/Pyongyang"), 2018).is_err());
}

#[test]
fn trap_10_times_of_availability_are_in_the_zone_of_the_request_unless_they_say() {
    let asked = SerializableTimeZone::from_time_zone(&iana("America/Los_Angeles"), 2026).unwrap();
    let zone = Zone::from(asked.to_rules().unwrap());
    for (text, expected) in [
        ("2026-10-16T06:00:00", "2026-10-16T13:00:00Z"),
        ("2026-11-16T06:00:00", "2026-11-16T14:00:00Z"),
        ("2026-10-16T06:00:00-07:00", "2026-10-16T13:00:00Z"),
        ("2026-10-16T06:00:00+0100", "2026-10-16T05:00:00Z"),
        ("2026-10-16T06:00:00Z", "2026-10-16T06:00:00Z"),
        // The night that clocks go forward: 02:30 does not exist. The night they go back: 01:30 comes twice.
        ("2026-03-08T02:30:00", "2026-03-08T10:30:00Z"),
        ("2026-11-01T01:30:00", "2026-11-01T08:30:00Z"),
    ] {
        assert_eq!(xs::parse_date_time(text).unwrap().instant_in(&zone), at(expected), "{text}");
    }
}

#[test]
fn trap_10_seasons_that_begin_once() {
    let mut zone = SerializableTimeZone::from_time_zone(&iana("Europe/Copenhagen"), 2026).unwrap();
    (zone.daylight.year, zone.daylight.day_order) = (Some(2026), 29);
    assert!(zone.to_rules().is_err());
    (zone.standard.year, zone.standard.day_order) = (Some(2026), 25);
    assert_same(&zone.to_rules().unwrap(), &iana("Europe/Copenhagen"), 2026..=2026);
    zone.standard.day_order = 32;
    assert!(zone.to_rules().is_err());
}

/// Every zone of CLDR, through its rule for one year.
#[test]
fn trap_10_every_zone_of_cldr_survives_availability_in_its_own_year() {
    let mut said = 0;
    for id in windows_ids() {
        let zone = iana(windows_to_iana(id, None).unwrap());
        for year in [2019, 2026] {
            let Ok(wire) = SerializableTimeZone::from_time_zone(&zone, year) else { continue };
            said += 1;
            assert_same(&wire.to_rules().unwrap(), &zone, year..=year);
        }
    }
    assert!(said > 260, "only {said} of 278 zone years fit the shape");
}

fn any_zone() -> impl Strategy<Value = &'static str> {
    let zones: Vec<&'static str> = windows_ids().map(|id| windows_to_iana(id, None).unwrap()).collect();
    prop::sample::select(zones)
}

#[test]
fn every_zone_of_cldr_survives_as_rules_for_half_a_century() {
    for id in windows_ids() {
        let name = windows_to_iana(id, None).unwrap();
        let zone = iana(name);
        let rules = ZoneRules::new(ZoneDefinition::from_time_zone(&zone, id, 1990..=2040).unwrap()).unwrap();
        // Around each change, to the second.
        let (from, to) =
            (Timestamp::from_second(FROM + 86_400).unwrap(), Timestamp::from_second(TO - 86_400).unwrap());
        for transition in zone.following(from).take_while(|transition| transition.timestamp() < to) {
            for seconds in [-3_601, -3_600, -1, 0, 1, 3_599, 3_600] {
                let instant = transition.timestamp() + SignedDuration::from_secs(seconds);
                assert_eq!(rules.offset_at(instant), zone.to_offset(instant), "{name} {instant}");
                for offset in [zone.to_offset(instant), zone.to_offset(transition.timestamp())] {
                    let local = offset.to_datetime(instant);
                    assert_eq!(rules.to_instant(local), zone.to_timestamp(local).unwrap(), "{name} {local}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn rules_agree_with_iana_at_any_instant(name in any_zone(), seconds in (FROM + 86_400)..(TO - 86_400)) {
        let zone = iana(name);
        let instant = Timestamp::from_second(seconds).unwrap();
        let year = zone.to_datetime(instant).year();
        let years = (year - 2)..=(year + 1);
        let rules = ZoneRules::new(ZoneDefinition::from_time_zone(&zone, name, years).unwrap()).unwrap();
        prop_assert_eq!(rules.offset_at(instant), zone.to_offset(instant));
        let local = Offset::UTC.to_datetime(instant);
        prop_assert_eq!(rules.to_instant(local), zone.to_timestamp(local).unwrap());
    }

    /// Whoever reads it, wherever: an all-day event is on the days it was made for.
    #[test]
    fn trap_11_all_day_events_come_back_from_any_zone(
        name in any_zone(),
        days_since in 0_i32..18_000,
        days in 1_u16..10,
        by_rules in any::<bool>(),
    ) {
        let zone = iana(name);
        let first = Date::constant(1990, 3, 1) + jiff::Span::new().days(days_since);
        let reference = if by_rules {
            let years = (first.year() - 1)..=(first.year() + 1);
            let definition = ZoneDefinition::from_time_zone(&zone, name, years).unwrap();
            ZoneRef::Rules(Box::new(ZoneRules::new(definition).unwrap()))
        } else {
            ZoneRef::iana_zone(name).unwrap()
        };
        let when = When::all_day(first, days).unwrap();
        let (start, end) = when.instants(&Zone::from(zone.clone()));
        prop_assume!(start < end); // the day that Samoa and Tokelau left out
        let time = |instant| EventTime { instant, zone: Some(reference.clone()) };
        prop_assert_eq!(When::read(true, time(start), time(end)), when);

        // Without the zone, whole hours apart from midnight and zones east of +13:45 or west of -10 apart.
        let unzoned = |instant| EventTime { instant, zone: None };
        let offset = zone.to_offset(start);
        let ordinary = (-36_000..=49_500).contains(&offset.seconds()) && offset.seconds() % 900 == 0
            && zone.to_datetime(start).time() == Time::midnight()
            && zone.to_datetime(end).time() == Time::midnight();
        if ordinary {
            let read = When::read(true, unzoned(start), unzoned(end));
            let last_exclusive = first + jiff::Span::new().days(i64::from(days));
            prop_assert_eq!(read, When::AllDay { first, last_exclusive, inferred: true });
        }
    }

    #[test]
    fn no_definition_panics(
        bias in any::<i64>(),
        month in any::<i8>(),
        occurrence in any::<i8>(),
        hours in -100_i64..100,
        absolute in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:00:00Z?",
        seconds in -300_000_000_000_i64..200_000_000_000,
    ) {
        let mut definition = two_seasons("x", 3, day(month, Weekday::Friday, occurrence, hours), day(10, Weekday::Friday, -1, 2));
        definition.periods[0].bias = SignedDuration::from_secs(bias);
        if let Ok(at) = xs::parse_date_time(&absolute) {
            let at = TransitionTime::Absolute(at);
            definition.transitions.push(Transition { to: Target::Period("dst".into()), at });
        }
        for bias in [bias, bias % 86_400] {
            definition.periods[0].bias = SignedDuration::from_secs(bias);
            if let Ok(rules) = ZoneRules::new(definition.clone()) {
                let instant = Timestamp::from_second(seconds).unwrap();
                let offset = rules.offset_at(instant);
                let back = rules.to_instant(rules.to_local(instant));
                prop_assert!(back <= instant || offset != rules.offset_at(back));
                for limit in [Timestamp::MIN, Timestamp::MAX] {
                    _ = rules.offset_at(limit);
                }
                for limit in [jiff::civil::DateTime::MIN, jiff::civil::DateTime::MAX] {
                    _ = rules.to_instant(limit);
                }
            }
        }
    }
}
