use std::cmp::Ordering;

use super::names::DISPLAY_NAMES;
use super::table::{CLDR_VERSION, IANA, WINDOWS};

/// Ids that Windows has retired and CLDR never had; servers keep them in old items for ever.
const OBSOLETE: [(&str, &str); 5] = [
    ("Armenian Standard Time", "Caucasus Standard Time"),
    ("Kamchatka Standard Time", "Russia Time Zone 11"),
    ("Mexico Standard Time", "Central Standard Time (Mexico)"),
    ("Mexico Standard Time 2", "Mountain Standard Time (Mexico)"),
    ("Mid-Atlantic Standard Time", "UTC-02"),
];

/// Ids that Windows added for Canada in 2026, after that release of CLDR. They are read; for writing, [`iana_to_windows`] keeps
/// the ids that every server knows.
const ADDED: [(&str, &str); 3] = [
    ("Alberta Standard Time", "America/Edmonton"),
    ("British Columbia Standard Time", "America/Vancouver"),
    ("Manitoba Standard Time", "America/Winnipeg"),
];

/// The release of Unicode CLDR that the table of Windows zones comes from:
/// <https://github.com/unicode-org/cldr/blob/main/common/supplemental/windowsZones.xml>.
pub fn cldr_version() -> &'static str {
    CLDR_VERSION
}

/// The IANA zone of a Windows id, under its canonical name. The territory (an ISO 3166 code in capitals) chooses among zones that
/// share their present rules but not their past; without one, or with one where the id is not used, it is the zone for the world.
///
/// ```
/// use ews_client::zone::{iana_to_windows, windows_to_iana};
///
/// assert_eq!(windows_to_iana("Romance Standard Time", None), Some("Europe/Paris"));
/// assert_eq!(windows_to_iana("Romance Standard Time", Some("DK")), Some("Europe/Copenhagen"));
/// assert_eq!(windows_to_iana("Mitteleuropäische Zeit", None), None);
/// assert_eq!(iana_to_windows("Asia/Calcutta"), iana_to_windows("Asia/Kolkata"));
/// ```
pub fn windows_to_iana(id: &str, territory: Option<&str>) -> Option<&'static str> {
    let Some((_, world, territories)) = find(WINDOWS, id, |row| row.0) else {
        return find(&ADDED, id, |row| row.0).map(|row| row.1);
    };
    let local = territory.and_then(|wanted| territories.iter().find(|(code, _)| *code == wanted));
    Some(local.map_or(*world, |(_, iana)| *iana))
}

/// The Windows id of an IANA zone, by any of its names. `None`: not in CLDR's table (such as `Antarctica/Troll`).
pub fn iana_to_windows(iana: &str) -> Option<&'static str> {
    let (_, row) = find(IANA, iana, |row| row.0)?;
    WINDOWS.get(usize::from(*row)).map(|row| row.0)
}

/// Every Windows id of CLDR's table, in alphabetical order.
pub fn windows_ids() -> impl ExactSizeIterator<Item = &'static str> {
    WINDOWS.iter().map(|row| row.0)
}

/// The Windows id that took the place of a retired one.
pub(super) fn successor(id: &str) -> Option<&'static str> {
    OBSOLETE.iter().find(|(old, _)| old.eq_ignore_ascii_case(id)).map(|(_, new)| *new)
}

/// The Windows id behind the English text that Windows shows, with or without the offset in front.
pub(super) fn from_display_name(name: &str) -> Option<&'static str> {
    let name = match name.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((offset, cities)) if offset.starts_with("UTC") || offset.starts_with("GMT") => cities,
        _ => name,
    };
    find(DISPLAY_NAMES, name.trim(), |row| row.0).map(|row| row.1)
}

/// The id as the table spells it.
pub(super) fn canonical(id: &str) -> Option<&'static str> {
    find(WINDOWS, id, |row| row.0).map(|row| row.0).or_else(|| find(&ADDED, id, |row| row.0).map(|row| row.0))
}

/// Whether CLDR knows this name of an IANA zone.
pub(super) fn is_iana(name: &str) -> bool {
    find(IANA, name, |row| row.0).is_some()
}

fn find<'t, R>(table: &'t [R], key: &str, name: impl Fn(&R) -> &'static str) -> Option<&'t R> {
    let found = table.binary_search_by(|row| compare(name(row), key)).ok()?;
    table.get(found)
}

/// ASCII case is ignored, as Windows ignores it in the names of its registry.
fn compare(left: &str, right: &str) -> Ordering {
    left.bytes().map(|b| b.to_ascii_lowercase()).cmp(right.bytes().map(|b| b.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_lead_to_one_another() {
        let sorted = |names: Vec<&str>| names.windows(2).all(|pair| compare(pair[0], pair[1]).is_lt());
        assert!(sorted(WINDOWS.iter().map(|row| row.0).collect()));
        assert!(sorted(IANA.iter().map(|row| row.0).collect()));
        assert!(sorted(ADDED.iter().map(|row| row.0).collect()));
        assert!(sorted(DISPLAY_NAMES.iter().map(|row| row.0).collect()));
        assert!(WINDOWS.len() > 130 && IANA.len() > 550);
        for (name, id) in DISPLAY_NAMES.iter().chain(&OBSOLETE) {
            assert_eq!(canonical(id), Some(*id), "{name}");
        }
        for (id, iana) in ADDED {
            assert!(find(WINDOWS, id, |row| row.0).is_none(), "CLDR has {id} by now");
            assert_eq!((windows_to_iana(id, None), canonical(id)), (Some(iana), Some(id)));
        }
        for (old, _) in OBSOLETE {
            assert_eq!(canonical(old), None, "{old} is not retired");
        }
    }

    #[test]
    fn every_windows_zone_comes_back_from_each_of_its_iana_zones() {
        for (id, world, territories) in WINDOWS {
            assert_eq!(windows_to_iana(id, None), Some(*world));
            assert_eq!(windows_to_iana(&id.to_uppercase(), Some("XX")), Some(*world));
            assert_eq!(iana_to_windows(world), Some(*id), "{world}");
            for (territory, iana) in *territories {
                assert_eq!(windows_to_iana(id, Some(territory)), Some(*iana));
                assert_eq!(iana_to_windows(iana), Some(*id), "{iana}");
            }
        }
    }

    #[test]
    fn every_zone_that_an_id_leads_to_exists() {
        let all =
            WINDOWS.iter().flat_map(|row| [row.1].into_iter().chain(row.2.iter().map(|(_, iana)| *iana)));
        let missing: Vec<_> = all.filter(|name| jiff::tz::TimeZone::get(name).is_err()).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn zones_go_by_the_name_that_is_canonical_today() {
        assert_eq!(windows_to_iana("India Standard Time", None), Some("Asia/Kolkata"));
        assert_eq!(windows_to_iana("FLE Standard Time", Some("UA")), Some("Europe/Kyiv"));
        assert_eq!(windows_to_iana("Nepal Standard Time", None), Some("Asia/Kathmandu"));
        assert_eq!(iana_to_windows("Europe/Kiev"), Some("FLE Standard Time"));
        assert_eq!(iana_to_windows("US/Pacific"), Some("Pacific Standard Time"));
        assert_eq!(iana_to_windows("utc"), Some("UTC"));
    }

    #[test]
    fn display_names_are_found_whatever_offset_stands_before_them() {
        for text in [
            "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
            "(GMT+02:00) amsterdam, berlin, bern, rome, stockholm, vienna",
            "Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna",
        ] {
            assert_eq!(from_display_name(text), Some("W. Europe Standard Time"));
        }
        assert_eq!(from_display_name("(UTC) Coordinated Universal Time"), Some("UTC"));
        assert_eq!(from_display_name("(UTC+01:00) Amsterdam"), None);
        assert_eq!(from_display_name(""), None);
    }
}
