//! Dates, times, durations: what is read is written so that it reads the same.
#![no_main]

use ews_client::xs::{self, DateTime};

libfuzzer_sys::fuzz_target!(|text: &str| {
    match xs::parse_date_time(text) {
        Ok(DateTime::Zoned { instant, offset }) => {
            let again = xs::parse_date_time(&xs::format_instant(instant).to_string());
            assert_eq!(again.expect("our own form").instant(), Some(instant));
            let again = xs::parse_date_time(&xs::format_instant_at(instant, offset).to_string());
            assert_eq!(again.expect("our own form").instant(), Some(instant));
        }
        Ok(DateTime::Local(local)) => {
            let again = xs::parse_date_time(&xs::format_local(local).to_string());
            assert_eq!(again.expect("our own form"), DateTime::Local(local));
        }
        Err(error) => fuzz::told(&error),
    }
    match xs::parse_date(text) {
        Ok(date) => {
            let again = xs::parse_date(&xs::format_date(date.day).to_string());
            assert_eq!(again.expect("our own form").day, date.day);
        }
        Err(error) => fuzz::told(&error),
    }
    match xs::parse_duration(text) {
        Ok(duration) => {
            let again = xs::parse_duration(&xs::format_duration(duration).to_string());
            assert_eq!(again.expect("our own form"), duration);
        }
        Err(error) => fuzz::told(&error),
    }
    if let Err(error) = xs::parse_time(text) {
        fuzz::told(&error);
    }
    if let Ok(value) = xs::parse_boolean(text) {
        assert_eq!(xs::parse_boolean(xs::format_boolean(value)).expect("our own form"), value);
    }
});
