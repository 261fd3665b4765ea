//! The simple types of XML Schema as Exchange and its relatives write them.
//!
//! The lexical rules are those of <https://www.w3.org/TR/xmlschema-2/>, read more generously: offsets without a colon,
//! any number of fractional digits, dates that carry a time. What is read is never reinterpreted: whether an offset was
//! there stays visible in [`DateTime`], because an un-zoned value means another zone in each place of the protocol.

use std::fmt;

use jiff::civil::{self, Date as CivilDate};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::{Error, Result};

/// An xs:dateTime, with the offset it was written with or the fact that there was none.
///
/// ```
/// use ews_client::xs::{self, DateTime};
///
/// let with_offset = xs::parse_date_time("2026-11-23T09:00:00+0100")?;
/// assert_eq!(with_offset.instant().map(|at| at.to_string()).as_deref(), Some("2026-11-23T08:00:00Z"));
/// assert!(matches!(xs::parse_date_time("2026-11-23T09:00:00")?, DateTime::Local(_)));
/// # Ok::<(), ews_client::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateTime {
    /// It had `Z` or an offset: an instant.
    Zoned {
        /// The instant meant.
        instant: Timestamp,
        /// The offset written.
        offset: Offset,
    },
    /// It had none: a clock reading, whose zone only the context knows.
    Local(civil::DateTime),
}

impl DateTime {
    /// The instant, unless the value had no offset.
    pub fn instant(&self) -> Option<Timestamp> {
        match self {
            Self::Zoned { instant, .. } => Some(*instant),
            Self::Local(_) => None,
        }
    }

    /// The instant; an un-zoned value is read in `zone`.
    pub fn instant_in(&self, zone: &crate::zone::Zone) -> Timestamp {
        match self {
            Self::Zoned { instant, .. } => *instant,
            Self::Local(local) => zone.to_instant(*local),
        }
    }
}

/// An xs:date, which may carry an offset of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The day as written. An offset does not move it.
    pub day: CivilDate,
    /// The offset written, if any.
    pub offset: Option<Offset>,
}

/// Reads an xs:dateTime: `Z`, `+01:00`, `+0100` or no offset, any number of fractional digits (nanoseconds are kept, the
/// rest is cut), `24:00:00`, white space around.
///
/// Values beyond the last instant that jiff can hold (9999-12-30T22:00:00.999999999Z), such as the `9999-12-31T23:59:59Z`
/// that servers send for "never", become that last instant.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) with the byte where the text stops being one.
pub fn parse_date_time(text: &str) -> Result<DateTime> {
    if let Some(usual) = parse_usual(text) {
        return Ok(usual);
    }
    let mut cursor = Cursor::new(text, "xs:dateTime");
    let day = cursor.date()?;
    cursor.expect(b'T')?;
    let local = cursor.time_of(day)?;
    let offset = cursor.offset()?;
    cursor.end()?;
    Ok(match offset {
        None => DateTime::Local(local),
        Some(offset) => {
            let instant = offset.to_timestamp(local).unwrap_or(if local.year() > 0 {
                Timestamp::MAX
            } else {
                Timestamp::MIN
            });
            DateTime::Zoned { instant, offset }
        }
    })
}

/// The form that nearly every time of an answer has, `2026-11-23T08:00:00Z`. A view has thousands; whatever is another form, or
/// wrong, is left to the reader of all of them.
fn parse_usual(text: &str) -> Option<DateTime> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'] =
        *text.as_bytes()
    else {
        return None;
    };
    let pair = |tens: u8, ones: u8, limit: i8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        let value = if tens < 10 && ones < 10 { i8::try_from(tens * 10 + ones).ok()? } else { return None };
        (value <= limit).then_some(value)
    };
    let year = i16::from(pair(y1, y2, 99)?) * 100 + i16::from(pair(y3, y4, 99)?);
    let day = CivilDate::new(year, pair(m1, m2, 12)?, pair(d1, d2, 31)?).ok()?;
    let local = day.at(pair(h1, h2, 23)?, pair(n1, n2, 59)?, pair(s1, s2, 59)?, 0);
    let instant = Offset::UTC.to_timestamp(local).ok()?;
    Some(DateTime::Zoned { instant, offset: Offset::UTC })
}

/// Reads an xs:date, with or without an offset, or a dateTime in its place, whose time is dropped
/// (`2026-10-19T00:00:00.000000Z` is the nineteenth wherever it is read).
///
/// # Errors
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) with the byte where the text stops being one.
pub fn parse_date(text: &str) -> Result<Date> {
    let mut cursor = Cursor::new(text, "xs:date");
    let mut day = cursor.date()?;
    if cursor.take(b'T') {
        day = cursor.time_of(day)?.date();
    }
    let offset = cursor.offset()?;
    cursor.end()?;
    Ok(Date { day, offset })
}

/// Reads an xs:time of day without offset: `02:00:00`, `23:59:59.999`. `24:00:00` is the midnight that ends the day and
/// has no place in a clock reading: it is refused.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) with the byte where the text stops being one.
pub fn parse_time(text: &str) -> Result<civil::Time> {
    let mut cursor = Cursor::new(text, "xs:time");
    let read = cursor.time_of(CivilDate::constant(2000, 1, 1))?;
    cursor.end()?;
    if read.date() != CivilDate::constant(2000, 1, 1) {
        return Err(cursor.error("a time before 24:00"));
    }
    Ok(read.time())
}

/// Reads an xs:duration of days and smaller units: `PT30M`, `-PT60M`, `P0DT8H0M0.0S`. Fractions keep nanoseconds.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse): not a duration, years or months other than 0 (their
/// length depends on the calendar), or longer than 2^63 seconds.
pub fn parse_duration(text: &str) -> Result<SignedDuration> {
    let mut cursor = Cursor::new(text, "xs:duration");
    let negative = cursor.take(b'-');
    cursor.expect(b'P')?;
    let mut total = SignedDuration::ZERO;
    let mut in_time = false;
    // Units come once each and in this order; the position in it only grows.
    let mut last = 0;
    let mut any = false;
    while !cursor.is_at_end() {
        if !in_time && cursor.take(b'T') {
            in_time = true;
            any = false;
            continue;
        }
        let (whole, nanos) = cursor.decimal()?;
        let unit = cursor.next();
        let (order, seconds) = match (in_time, unit) {
            (false, Some(b'Y')) if whole == 0 => (1, 0),
            (false, Some(b'M')) if whole == 0 => (2, 0),
            (false, Some(b'D')) => (3, 86_400),
            (true, Some(b'H')) => (4, 3_600),
            (true, Some(b'M')) => (5, 60),
            (true, Some(b'S')) => (6, 1),
            _ => return Err(cursor.error("a unit of days, hours, minutes or seconds")),
        };
        if order <= last || (nanos.is_some() && order != 6) {
            return Err(cursor.error("each unit once, in order, and fractions of seconds alone"));
        }
        last = order;
        any = true;
        total = whole
            .checked_mul(seconds)
            .and_then(|seconds| total.checked_add(SignedDuration::new(seconds, nanos.unwrap_or(0))))
            .ok_or_else(|| cursor.error("a shorter duration"))?;
    }
    if !any {
        return Err(cursor.error("a number with its unit"));
    }
    Ok(if negative { -total } else { total })
}

/// Reads an xs:boolean: `true`, `false`, `1`, `0`, white space around.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) for everything else.
pub fn parse_boolean(text: &str) -> Result<bool> {
    match trim(text) {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Cursor::new(text, "xs:boolean").error("true, false, 1 or 0")),
    }
}

/// The instant as an xs:dateTime in UTC, with as many fractional digits as it needs: `2026-11-23T08:00:00Z`.
///
/// Like its neighbours it gives something to write, not a text: into a request's buffer it goes without another allocation.
pub fn format_instant(instant: Timestamp) -> impl fmt::Display {
    instant
}

/// The instant as an xs:dateTime at this offset: `2026-11-23T09:00:00+01:00`. Seconds of the offset, which only zones
/// before 1970 have, cannot be written; the value is then given in UTC and means the same.
pub fn format_instant_at(instant: Timestamp, offset: Offset) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        if offset.seconds() % 60 != 0 || offset == Offset::UTC {
            return write!(f, "{instant}");
        }
        let minutes = offset.seconds().unsigned_abs() / 60;
        let sign = if offset.is_negative() { '-' } else { '+' };
        write!(f, "{}{sign}{:02}:{:02}", offset.to_datetime(instant), minutes / 60, minutes % 60)
    })
}

/// A clock reading as an xs:dateTime without offset: `2026-11-23T09:00:00`.
pub fn format_local(local: civil::DateTime) -> impl fmt::Display {
    local
}

/// A day as an xs:date without offset: `2026-11-23`.
pub fn format_date(day: CivilDate) -> impl fmt::Display {
    day
}

/// A duration as xs:duration in the single unit that holds it whole, as Exchange writes biases: `PT5H`, `-PT90M`, `PT1.5S`.
///
/// ```
/// use ews_client::xs::format_duration;
/// use jiff::SignedDuration;
/// assert_eq!(format_duration(SignedDuration::from_mins(-60)).to_string(), "-PT1H");
/// ```
pub fn format_duration(duration: SignedDuration) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let sign = if duration.is_negative() { "-" } else { "" };
        let (seconds, nanos) = (duration.as_secs().unsigned_abs(), duration.subsec_nanos().unsigned_abs());
        if nanos != 0 {
            // Trailing zeros say nothing.
            let (mut fraction, mut places) = (nanos, 9);
            while fraction % 10 == 0 {
                (fraction, places) = (fraction / 10, places - 1);
            }
            return write!(f, "{sign}PT{seconds}.{fraction:0places$}S");
        }
        match seconds {
            s if s % 3_600 == 0 => write!(f, "{sign}PT{}H", s / 3_600),
            s if s % 60 == 0 => write!(f, "{sign}PT{}M", s / 60),
            s => write!(f, "{sign}PT{s}S"),
        }
    })
}

/// A boolean as Exchange writes it.
pub fn format_boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// White space of XML, not of Unicode.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Walks over the bytes of one value. Errors say where, never what: a value in the wrong place may be anybody's text.
struct Cursor<'a> {
    bytes: &'a [u8],
    leading: usize,
    position: usize,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str, what: &'static str) -> Self {
        let leading = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
        Self { bytes: trim(text).as_bytes(), leading, position: 0, what }
    }

    fn error(&self, wanted: &str) -> Error {
        Error::unreadable(format!(
            "not an {}: {wanted} was expected at byte {}",
            self.what,
            self.leading + self.position
        ))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.error(&format!("'{}'", char::from(byte)))) }
    }

    fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    fn end(&self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.error("the end")) }
    }

    fn digit(&mut self) -> Option<i64> {
        let digit = self.peek().filter(u8::is_ascii_digit)?;
        self.position += 1;
        Some(i64::from(digit - b'0'))
    }

    /// Exactly so many digits (four at most).
    fn number(&mut self, digits: usize) -> Result<i16> {
        let mut value = 0_i16;
        for _ in 0..digits {
            let digit = self.digit().ok_or_else(|| self.error("a digit"))?;
            value = value.saturating_mul(10).saturating_add(i16::try_from(digit).unwrap_or(0));
        }
        Ok(value)
    }

    /// Two digits up to a limit.
    fn pair(&mut self, limit: i16) -> Result<i8> {
        let start = self.position;
        let value = self.number(2)?;
        match i8::try_from(value) {
            Ok(small) if value <= limit => Ok(small),
            _ => {
                self.position = start;
                Err(self.error(&format!("a number up to {limit}")))
            }
        }
    }

    fn date(&mut self) -> Result<CivilDate> {
        let year = self.number(4)?;
        self.expect(b'-')?;
        let month = self.pair(12)?;
        self.expect(b'-')?;
        let day = self.pair(31)?;
        CivilDate::new(year, month, day).map_err(|_| self.error("an existing day before this one"))
    }

    /// The digits behind a point, as nanoseconds. Later digits are read and cut.
    fn fraction(&mut self) -> Result<i32> {
        let mut nanos = i32::try_from(self.digit().ok_or_else(|| self.error("a digit"))?).unwrap_or(0);
        let mut places = 1;
        while let Some(digit) = self.digit() {
            if places < 9 {
                nanos = nanos * 10 + i32::try_from(digit).unwrap_or(0);
                places += 1;
            }
        }
        Ok(nanos * 10_i32.pow(9 - places))
    }

    fn time_of(&mut self, day: CivilDate) -> Result<civil::DateTime> {
        let hour = self.pair(24)?;
        self.expect(b':')?;
        let minute = self.pair(59)?;
        self.expect(b':')?;
        let second = self.pair(59)?;
        let nanos = if self.take(b'.') { self.fraction()? } else { 0 };
        if hour == 24 {
            if minute != 0 || second != 0 || nanos != 0 {
                return Err(self.error("24:00:00 at the latest before this"));
            }
            let next = day.tomorrow().map_err(|_| self.error("an earlier day"))?;
            return Ok(next.at(0, 0, 0, 0));
        }
        Ok(day.at(hour, minute, second, nanos))
    }

    fn offset(&mut self) -> Result<Option<Offset>> {
        let sign = match self.peek() {
            None => return Ok(None),
            Some(b'Z') => {
                self.position += 1;
                return Ok(Some(Offset::UTC));
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return Err(self.error("an offset or the end")),
        };
        self.position += 1;
        let hours = i32::from(self.pair(23)?);
        self.take(b':');
        let minutes = i32::from(self.pair(59)?);
        Offset::from_seconds(sign * (hours * 3_600 + minutes * 60))
            .map(Some)
            .map_err(|_| self.error("an offset of less than a day"))
    }

    /// A number with an optional fraction in nanoseconds.
    fn decimal(&mut self) -> Result<(i64, Option<i32>)> {
        let mut whole = self.digit().ok_or_else(|| self.error("a digit"))?;
        while let Some(digit) = self.digit() {
            whole = whole
                .checked_mul(10)
                .and_then(|whole| whole.checked_add(digit))
                .ok_or_else(|| self.error("a smaller number"))?;
        }
        let nanos = if self.take(b'.') { Some(self.fraction()?) } else { None };
        Ok((whole, nanos))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn instant(text: &str) -> String {
        parse_date_time(text).unwrap().instant().unwrap().to_string()
    }

    #[test]
    fn the_short_way_gives_what_the_long_one_does() {
        for text in [
            "2026-11-23T08:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-30T22:00:00Z",
            "9999-12-31T23:59:59Z",
            "2026-02-29T08:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T08:60:00Z",
            "2026-1:-23T08:00:00Z",
            "2026-11-23T08:00:0\u{3}Z",
            "2026-11-23 08:00:00Z",
            "2026-11-23T08:00:00z",
        ] {
            // White space sends it the long way.
            let long = parse_date_time(&format!(" {text}")).ok();
            assert_eq!(parse_date_time(text).ok(), long, "{text}");
        }
        assert!(parse_usual("2026-11-23T08:00:00Z").is_some());
    }

    #[test]
    fn trap_12_an_offset_is_never_dropped() {
        assert_eq!(instant("2026-11-23T09:00:00Z"), "2026-11-23T09:00:00Z");
        assert_eq!(instant("2026-11-23T09:00:00+01:00"), "2026-11-23T08:00:00Z");
        assert_eq!(instant("2026-11-23T09:00:00+0100"), "2026-11-23T08:00:00Z");
        assert_eq!(instant("2026-11-23T09:00:00.5-07:30"), "2026-11-23T16:30:00.5Z");
        let DateTime::Local(local) = parse_date_time("2026-11-23T09:00:00").unwrap() else {
            panic!("an offset")
        };
        assert_eq!(local.to_string(), "2026-11-23T09:00:00");
    }

    #[test]
    fn trap_12_nine_digits_and_more_and_white_space() {
        assert_eq!(instant("\r\n\t 2026-11-23T09:00:00.123456789Z \n"), "2026-11-23T09:00:00.123456789Z");
        assert_eq!(instant("2026-11-23T09:00:00.12345678999Z"), "2026-11-23T09:00:00.123456789Z");
        assert_eq!(instant("2026-11-23T09:00:00.0000000Z"), "2026-11-23T09:00:00Z");
    }

    #[test]
    fn the_day_may_end_at_twenty_four() {
        assert_eq!(instant("2026-12-31T24:00:00Z"), "2027-01-01T00:00:00Z");
        assert!(parse_date_time("2026-12-31T24:00:01Z").is_err());
        assert!(parse_date_time("2026-12-31T24:00:00.000000001Z").is_err());
    }

    #[test]
    fn the_servers_never_is_the_last_instant() {
        assert_eq!(parse_date_time("9999-12-31T23:59:59.9999999Z").unwrap().instant(), Some(Timestamp::MAX));
        assert_eq!(instant("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn trap_12_a_date_with_a_zone_or_a_time_stays_that_day() {
        for text in [
            "2026-10-19",
            " 2026-10-19Z",
            "2026-10-19+02:00",
            "2026-10-19-1100 ",
            "2026-10-19T00:00:00.000000Z",
            "2026-10-19T23:00:00+14:00",
            "2026-10-18T24:00:00",
        ] {
            assert_eq!(parse_date(text).unwrap().day.to_string(), "2026-10-19", "{text}");
        }
        assert_eq!(parse_date("2026-10-19+02:00").unwrap().offset, Some(Offset::constant(2)));
        assert_eq!(parse_date("2026-10-19").unwrap().offset, None);
    }

    #[test]
    fn errors_say_where_and_never_what() {
        let error = parse_date_time("  2026-13-01T00:00:00Z").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidResponse);
        assert_eq!(error.message(), "not an xs:dateTime: a number up to 12 was expected at byte 7");
        for text in ["", "hunter2", "2026-02-30T00:00:00Z", "2026-11-23 09:00:00Z", "2026-11-23T09:00:00 Z"] {
            let error = parse_date_time(text).unwrap_err();
            assert!(!error.message().contains("hunter2"));
        }
        for text in
            ["2026-11-23T09:00:00+", "2026-11-23T09:00:00+1", "2026-11-23T09:00:00Zx", "2026-11-23T09:00"]
        {
            assert!(parse_date_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        let minutes = |text: &str| parse_duration(text).unwrap().as_mins();
        assert_eq!(minutes("PT30M"), 30);
        assert_eq!(minutes("-PT60M"), -60);
        assert_eq!(minutes(" PT5H "), 300);
        assert_eq!(minutes("P0DT8H0M0.0S"), 480);
        assert_eq!(minutes("P0Y0M1DT0H"), 1440);
        assert_eq!(parse_duration("PT23H59M59.999S").unwrap(), SignedDuration::from_millis(86_399_999));
        for text in [
            "",
            "P",
            "PT",
            "P1DT",
            "PT5",
            "5H",
            "P1Y",
            "P1M",
            "PT1M1H",
            "PT1.5H",
            "PT99999999999999999999S",
            "--PT1H",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn booleans_and_times() {
        assert!(parse_boolean("\n1 ").unwrap());
        assert!(!parse_boolean("false").unwrap());
        assert!(parse_boolean("yes").is_err());
        assert!(parse_boolean("").is_err());
        assert_eq!(parse_time("02:00:00").unwrap(), civil::time(2, 0, 0, 0));
        assert_eq!(parse_time("23:59:59.999").unwrap(), civil::time(23, 59, 59, 999_000_000));
        assert!(parse_time("24:00:00").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_text_panics(text in "[-0-9TPZ:+. HMSDY]{0,40}", any in ".{0,40}") {
            for text in [&text, &any] {
                _ = (parse_date_time(text), parse_date(text), parse_duration(text), parse_boolean(text), parse_time(text));
            }
        }

        #[test]
        fn instants_come_back(seconds in -60_000_000_000_i64..200_000_000_000, nanos in 0..1_000_000_000, minutes in -840..=840) {
            let at = Timestamp::new(seconds, nanos).unwrap();
            let offset = Offset::from_seconds(minutes * 60).unwrap();
            let read = parse_date_time(&format_instant_at(at, offset).to_string()).unwrap();
            prop_assert_eq!(read, DateTime::Zoned { instant: at, offset });
            prop_assert_eq!(parse_date_time(&format_instant(at).to_string()).unwrap().instant(), Some(at));
            let local = offset.to_datetime(at);
            prop_assert_eq!(parse_date_time(&format_local(local).to_string()).unwrap(), DateTime::Local(local));
            prop_assert_eq!(parse_date(&format_date(local.date()).to_string()).unwrap().day, local.date());
        }

        #[test]
        fn durations_come_back(seconds in -100_000_000_i64..100_000_000, nanos in -999_999_999..1_000_000_000) {
            let duration = SignedDuration::new(seconds, nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration).to_string()).unwrap(), duration);
        }
    }
}
