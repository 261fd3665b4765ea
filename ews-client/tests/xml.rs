//! XML as servers really send it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ews_client::xml::{Document, Limits, XmlError, XmlProblem};
use ews_client::xs::DateTime;
use ews_client::{
    Answer, Body, Capabilities, DistinguishedFolder, ErrorKind, FindItem, Result, Sensitivity, read_answer,
    read_envelope,
};
use http::StatusCode;
use proptest::prelude::*;

const T: &str = "http://schemas.microsoft.com/exchange/services/2006/types";
const M: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
const S: &str = "http://schemas.xmlsoap.org/soap/envelope/";

fn view() -> FindItem {
    let at = |text: &str| text.parse().unwrap();
    FindItem::calendar_view(
        DistinguishedFolder::Calendar.into(),
        at("2026-11-23T00:00:00Z"),
        at("2026-11-30T00:00:00Z"),
    )
}

fn page(items: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{S}"><s:Header><h:ServerVersionInfo xmlns:h="{T}" MajorVersion="15" MinorVersion="1" MajorBuildNumber="2507" MinorBuildNumber="6" Version="V2017_07_11"/></s:Header><s:Body xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><m:FindItemResponse xmlns:m="{M}" xmlns:t="{T}"><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:RootFolder TotalItemsInView="1" IncludesLastItemInRange="true"><t:Items>{items}</t:Items></m:RootFolder></m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse></s:Body></s:Envelope>"#
    )
}

fn item(inside: &str) -> String {
    page(&format!(
        r#"<t:CalendarItem><t:ItemId Id="AAMkAD0=" ChangeKey="DwAAAB=="/>{inside}<t:Start>2026-11-23T12:00:00Z</t:Start><t:End>2026-11-23T13:00:00Z</t:End></t:CalendarItem>"#
    ))
}

fn read(xml: &str) -> Result<Answer<ews_client::CalendarPage>> {
    read_answer(&view(), StatusCode::OK, xml.as_bytes())
}

fn xml_error(error: &ews_client::Error) -> &XmlError {
    std::error::Error::source(error).expect("a source").downcast_ref().expect("an XmlError")
}

fn subject(xml: &str) -> (String, u64) {
    let answer = read(xml).unwrap();
    let page = answer.results[0].value.as_ref().unwrap();
    (page.items[0].subject.as_deref().unwrap().to_owned(), answer.replaced)
}

#[test]
fn trap_05_prefixes_namespaces_order_and_unknown_elements_make_no_difference() {
    let plain = item("<t:Subject>Doctor</t:Subject><t:Sensitivity>Private</t:Sensitivity>");
    let expected = read(&plain).unwrap();
    assert_eq!(expected.server.as_ref().unwrap().to_string(), "15.1.2507.6");
    let items = expected.results[0].value.as_ref().unwrap();
    assert_eq!(items.items[0].sensitivity, Some(Sensitivity::Private));

    let bom = format!("\u{FEFF}{plain}");
    let other_prefixes = plain
        .replace("<s:", "<soap11:")
        .replace("</s:", "</soap11:")
        .replace("xmlns:s=", "xmlns:soap11=")
        .replace("<t:", "<x1:")
        .replace("</t:", "</x1:")
        .replace("xmlns:t=", "xmlns:x1=");
    let default_namespace = plain
        .replace("<t:CalendarItem>", &format!("<CalendarItem xmlns='{T}'>"))
        .replace("</t:CalendarItem>", "</CalendarItem>")
        .replace("<t:Subject>", "<Subject>")
        .replace("</t:Subject>", "</Subject>");
    let reordered = page(
        "\n <t:CalendarItem>\n  <t:End>\n 2026-11-23T13:00:00Z </t:End><!-- x --><t:Sensitivity>Private</t:Sensitivity><v:New xmlns:v='urn:later'><v:Subject>not this</v:Subject></v:New><t:Later><t:Subject>nor this</t:Subject></t:Later><?pi <t:Subject>nor this</t:Subject>?><t:Start>2026-11-23T12:00:00.000000000Z</t:Start><t:Subject><![CDATA[Doc]]>t<!-- in between -->or</t:Subject><t:ItemId ChangeKey='DwAAAB==' Id='AAMkAD0='></t:ItemId>\n</t:CalendarItem>\n",
    );
    for (name, xml) in [
        ("bom", bom),
        ("other prefixes", other_prefixes),
        ("default namespace", default_namespace),
        ("reordered", reordered),
    ] {
        let answer = read(&xml).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(answer.results, expected.results, "{name}");
        assert_eq!(
            answer.results[0].value.as_ref().unwrap().items[0].subject.as_deref(),
            Some("Doctor"),
            "{name}"
        );
    }
}

#[test]
fn trap_05_doubled_elements_and_nil_are_read() {
    let twice = item(
        r#"<t:StartTimeZone Id="Romance Standard Time"/><t:UID>0400</t:UID><t:StartTimeZone Id="Romance Standard Time"/><t:Location/>"#,
    );
    let answer = read(&twice).unwrap();
    let item = &answer.results[0].value.as_ref().unwrap().items[0];
    assert_eq!(item.start_zone.as_ref().unwrap().id.as_ref(), "Romance Standard Time");
    assert_eq!(item.location.as_deref(), Some(""), "empty is not absent");
    assert_eq!(item.subject, None, "absent is not empty");

    let xml = r#"<a xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><b i:nil="true"/><b i:nil="1"></b><b i:nil="false">x</b><b/></a>"#;
    let document = Document::new(xml.as_bytes()).unwrap();
    let mut cursor = document.cursor();
    let root = cursor.root().unwrap();
    let mut nil = Vec::new();
    while let Some(child) = cursor.next_child(&root).unwrap() {
        nil.push(cursor.is_nil(&child));
    }
    assert_eq!(nil, [true, true, false, false]);
}

#[test]
fn trap_05_a_namespace_with_https_is_named_in_the_error() {
    for uri in [T, M, S] {
        let xml = item("").replace(uri, &uri.replace("http://", "https://"));
        let error = read(&xml).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(matches!(xml_error(&error).problem(), XmlProblem::SecureNamespace(_)), "{error}");
        assert!(error.to_string().contains("https://schemas."), "{error}");
    }
}

#[test]
fn trap_06_illegal_characters_in_every_form_are_replaced_and_counted() {
    for bad in [
        "&#x0;",
        "&#x1F;",
        "&#16;",
        "&#xD800;",
        "&#xFFFF;",
        "\u{1}",
        "\u{1F}",
        "\u{FFFF}",
        "<![CDATA[\u{B}]]>",
    ] {
        let (text, replaced) = subject(&item(&format!("<t:Subject>a{bad}b</t:Subject>")));
        assert_eq!((text.as_str(), replaced), ("a\u{FFFD}b", 1), "{bad:?}");
    }
    let (text, replaced) = subject(&item("<t:Subject>R&amp;D &lt;b&gt; &#x1F600;&#10;x\r\ny</t:Subject>"));
    assert_eq!((text.as_str(), replaced), ("R&D <b> \u{1F600}\nx\ny", 0));
    let xml = item("").replace("AAMkAD0=", "A&#x1F;\u{2}A");
    let answer = read(&xml).unwrap();
    assert_eq!(answer.results[0].value.as_ref().unwrap().items[0].id.as_str(), "A\u{FFFD}\u{FFFD}A");
    assert_eq!(answer.replaced, 2);
    assert_eq!(read_envelope(xml.as_bytes()).unwrap().replaced, 2);
}

#[test]
fn trap_06_bytes_that_are_no_utf_8_lose_nothing_else() {
    let mut xml = item("<t:Subject>M@ller</t:Subject>").into_bytes();
    let at = xml.iter().position(|b| *b == b'@').unwrap();
    xml[at] = 0xF8;
    let answer = read_answer(&view(), StatusCode::OK, &xml).unwrap();
    assert_eq!(answer.results[0].value.as_ref().unwrap().items[0].subject.as_deref(), Some("M\u{FFFD}ller"));
    assert_eq!(answer.replaced, 1);
}

#[test]
fn a_document_type_and_its_entities_are_refused() {
    let bomb = format!(
        r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>{}"#,
        item("<t:Subject>&b;</t:Subject>")
    );
    for xml in [bomb.as_str(), "<!DOCTYPE html><html/>", &page("<!DOCTYPE b>")] {
        let error = read_envelope(xml.as_bytes()).unwrap_err();
        assert_eq!(xml_error(&error).problem(), &XmlProblem::Dtd, "{xml}");
    }
    // An entity of one's own without its declaration is kept as it was written.
    assert_eq!(subject(&item("<t:Subject>a&nbsp;b</t:Subject>")), ("a&nbsp;b".to_owned(), 1));
}

#[test]
fn other_encodings_are_named() {
    let latin = item("").replace("utf-8", "iso-8859-1");
    let error = read(&latin).unwrap_err();
    assert_eq!(xml_error(&error).problem(), &XmlProblem::Encoding("iso-8859-1".into()));
    let utf16: Vec<u8> =
        std::iter::once(0xFEFF).chain(item("").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let error = read_envelope(&utf16).unwrap_err();
    assert_eq!(xml_error(&error).problem(), &XmlProblem::Encoding("UTF-16".into()));
    assert!(read(&item("").replace("utf-8", "UTF-8")).is_ok());
}

#[test]
fn limits_hold_and_are_told() {
    let deep = "<a>".repeat(65) + &"</a>".repeat(65);
    let error = XmlError::clone(xml_error(&read_envelope(page(&deep).as_bytes()).unwrap_err()));
    assert_eq!(error.problem(), &XmlProblem::TooDeep(64));
    let exactly = "<a>".repeat(64) + &"</a>".repeat(64);
    let document = Document::new(exactly.as_bytes()).unwrap();
    let mut cursor = document.cursor();
    let root = cursor.root().unwrap();
    cursor.exhaust(&root).unwrap();

    let limits = Limits::default().with_element(10).with_total(40);
    let text = |xml: &str| -> Result<String, XmlError> {
        let document = Document::with_limits(xml.as_bytes(), limits)?;
        let mut cursor = document.cursor();
        let root = cursor.root()?;
        cursor.text(&root).map(std::borrow::Cow::into_owned)
    };
    assert_eq!(text("<a>0123456789</a>").unwrap(), "0123456789");
    assert_eq!(text("<a>01234&amp;&amp;56789</a>").unwrap_err().problem(), &XmlProblem::TooLong(10));
    assert_eq!(text(&format!("<a>{}</a>", "x".repeat(40))).unwrap_err().problem(), &XmlProblem::TooLong(40));

    let many: String = (0..70).map(|n| format!(r#" xmlns:n{n}="urn:{n}""#)).collect();
    let error = read_envelope(format!("<a{many}/>").as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn ill_formed_xml_gives_an_error_where_it_is() {
    for (xml, offset) in [
        ("<a><b></a>", 6),
        ("<a b></a>", 0),
        ("<a>x & y</a>", 5),
        ("<a/><b/>", 8),
        ("x<a/>", 1),
        ("<a></a>x", 8),
        ("<a></b>", 3),
    ] {
        let document = Document::new(xml.as_bytes()).unwrap();
        let mut cursor = document.cursor();
        let error = cursor
            .root()
            .and_then(|root| cursor.exhaust(&root))
            .and_then(|()| cursor.finish())
            .expect_err(xml);
        assert!(matches!(error.problem(), XmlProblem::IllFormed(_)), "{xml}: {error}");
        assert_eq!(error.offset(), offset, "{xml}: {error}");
    }
}

#[test]
fn trap_12_times_keep_their_offset() {
    let start = |text: &str| {
        let xml = item("").replace("2026-11-23T12:00:00Z", text);
        let answer = read(&xml)?;
        answer.results.into_iter().next().unwrap().into_result().map(|page| page.items[0].start)
    };
    let noon: jiff::Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    for text in ["2026-11-23T13:00:00+01:00", "2026-11-23T13:00:00+0100", " 2026-11-23T12:00:00.000000000Z\n"]
    {
        assert_eq!(start(text).unwrap().instant(), Some(noon), "{text}");
    }
    assert_eq!(
        start("2026-11-23T12:00:00").unwrap(),
        DateTime::Local("2026-11-23T12:00:00".parse().unwrap())
    );
    let error = start("noon").unwrap_err();
    assert!(matches!(xml_error(&error).problem(), XmlProblem::BadValue { expected: "dateTime", .. }));
    assert!(!error.to_string().contains("noon"), "values are not repeated");
}

#[test]
fn trap_16_debug_shows_nothing_of_a_private_item() {
    let xml = item(
        "<t:Subject>Surgery</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Location>Clinic</t:Location><t:Organizer><t:Mailbox><t:Name>Dr. Who</t:Name></t:Mailbox></t:Organizer>",
    );
    let answer = read(&xml).unwrap();
    let text = format!("{answer:?}");
    for secret in ["Surgery", "Clinic", "Dr. Who"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn an_answer_cut_anywhere_is_an_error_at_or_before_the_cut() {
    let xml = item("<t:Subject>R&amp;D<![CDATA[x]]><!-- c --></t:Subject>");
    for cut in 0..xml.len() {
        let error = read(&xml[..cut]).expect_err("a cut");
        assert!(xml_error(&error).offset() <= cut as u64, "{cut}: {error}");
    }
    assert!(read(&xml).is_ok());
}

#[test]
fn what_the_server_says_of_itself_is_no_reason_to_lose_an_answer() {
    for info in ["", r#"MajorVersion="x" Version="V2_23""#, r#"MajorVersion="15""#] {
        let xml = format!(
            r#"<Envelope xmlns="{S}"><Header><h:ServerVersionInfo xmlns:h="{T}" {info}/></Header><Body/></Envelope>"#
        );
        let outline = read_envelope(xml.as_bytes()).unwrap();
        assert_eq!(outline.body, Body::Empty);
        let server = outline.server.unwrap();
        let _ = Capabilities::new(Default::default(), Some(&server));
        assert_eq!(server.schema.is_some(), info.contains("Version=\"V"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(outline) = read_envelope(&bytes) {
            prop_assert!(bytes.len() > 60, "{:?}", outline);
        }
    }

    #[test]
    fn no_damage_makes_an_operation_panic(at in any::<prop::sample::Index>(), with in "[<>&/\"'=!\\[\\]\\-?x\u{0}-\u{2}]{0,6}", gone in 0_usize..12) {
        let mut xml = item("<t:Subject>R&amp;D</t:Subject><t:Location>&#x1F;</t:Location>").into_bytes();
        let at = at.index(xml.len());
        let end = (at + gone).min(xml.len());
        xml.splice(at..end, with.into_bytes());
        if let Err(error) = read_answer(&view(), StatusCode::OK, &xml) {
            prop_assert!(matches!(error.kind(), ErrorKind::InvalidResponse | ErrorKind::Rejected | ErrorKind::Limit), "{}", error);
        }
    }
}
