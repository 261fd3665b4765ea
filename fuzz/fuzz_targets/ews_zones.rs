//! A zone as it stands inside an item: whatever rules it has, a clock reading means one instant, and an instant shows one
//! clock reading.
#![no_main]

use ews_client::zone::Zone;
use ews_client::{DistinguishedFolder, FindItem, read_answer};
use http::StatusCode;
use jiff::{Timestamp, ToSpan as _};

const BEFORE: &str = r#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body xmlns="http://schemas.microsoft.com/exchange/services/2006/types"><FindItemResponse><ResponseMessages><FindItemResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode><RootFolder IncludesLastItemInRange="true"><Items><CalendarItem><ItemId Id="A"/><Start>2026-11-23T08:00:00Z</Start><End>2026-11-23T09:00:00Z</End>"#;
const AFTER: &str = "</CalendarItem></Items></RootFolder></FindItemResponseMessage></ResponseMessages></FindItemResponse></Body></Envelope>";

libfuzzer_sys::fuzz_target!(|zone: &str| {
    let at = |text: &str| -> Timestamp { text.parse().expect("an instant") };
    let view = FindItem::calendar_view(
        DistinguishedFolder::Calendar.into(),
        at("2026-11-23T00:00:00Z"),
        at("2026-11-30T00:00:00Z"),
    );
    let answer = match read_answer(&view, StatusCode::OK, format!("{BEFORE}{zone}{AFTER}").as_bytes()) {
        Ok(answer) => answer,
        Err(error) => return fuzz::told(&error),
    };
    for page in answer.results.into_iter().filter_map(|result| result.value) {
        for raw in page.items.iter().flat_map(|item| [&item.start_zone, &item.end_zone]).flatten() {
            match raw.wire().resolve(Some("DK")).zone.zone() {
                Ok(zone) => holds(&zone),
                Err(error) => fuzz::told(&error),
            }
        }
    }
});

fn holds(zone: &Zone) {
    for day in 0..400 {
        // Odd hours, over more than a year.
        let instant = Timestamp::UNIX_EPOCH + (56 * 365 * 24 + day * 23).hours();
        let local = zone.to_local(instant);
        assert_eq!(local, zone.offset_at(instant).to_datetime(instant));
        // Of a reading that a change of clocks repeats, the earlier instant is meant; its reading is the same.
        let meant = zone.to_instant(local);
        assert!(meant <= instant, "{local} is {meant}, later than {instant}");
        assert_eq!(zone.to_local(meant), local);
    }
}
