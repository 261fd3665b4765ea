use super::*;
use crate::ews::soap::Fault;

fn on(quirks: &[EwsQuirk]) -> Quirks {
    quirks.iter().copied().collect()
}

fn answer(body: &str) -> Reply {
    soap::answer(&format!(r#"<m:X xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">{body}</m:X>"#))
}

fn rewritten(quirks: &[EwsQuirk], body: &str) -> String {
    String::from_utf8(rewrite(&on(quirks), None, answer(body)).into_body().to_vec()).unwrap()
}

const ITEM: &str = r#"<t:CalendarItem><t:ItemId Id="a" ChangeKey="k"/><t:Subject>Review</t:Subject><t:UID>u</t:UID><t:Start>2026-11-23T09:00:00Z</t:Start><t:Location/><t:StartTimeZone Id="UTC"/><t:EndTimeZone Id="UTC"/></t:CalendarItem>"#;

#[test]
fn without_quirks_an_answer_is_left_alone() {
    let before = answer(ITEM).into_body();
    assert_eq!(rewrite(&on(&[]), None, answer(ITEM)).into_body(), before);
}

#[test]
fn another_look_says_the_same() {
    let plain = soap::parse(answer(ITEM).body()).unwrap();
    for quirk in [
        EwsQuirk::PrettyPrinted,
        EwsQuirk::ForeignPrefixes,
        EwsQuirk::DefaultNamespaces,
        EwsQuirk::ByteOrderMark,
        EwsQuirk::CommentsAndCdata,
    ] {
        let text = rewritten(&[quirk], ITEM);
        assert_eq!(soap::parse(text.as_bytes()).unwrap(), plain, "{quirk:?}: {text}");
        assert_ne!(text.as_bytes(), answer(ITEM).body().as_ref(), "{quirk:?}");
    }
}

#[test]
fn each_quirk_of_items_shows() {
    for (quirk, shows) in [
        (EwsQuirk::IllegalReferences, "Review&#x1F;"),
        (EwsQuirk::IllegalBytes, "Review\u{1}"),
        (EwsQuirk::HttpsNamespaces, "https://schemas.microsoft.com/exchange/services/2006/types"),
        (EwsQuirk::BodyAttributes, r#"<s:Body id="body-1""#),
        (EwsQuirk::UnknownElements, "<t:CalendarItem><t:Unheard>"),
        (EwsQuirk::NilElements, r#"<t:Location xsi:nil="true"/>"#),
        (EwsQuirk::ReorderedElements, r#"<t:CalendarItem><t:EndTimeZone Id="UTC"/><t:StartTimeZone"#),
        (EwsQuirk::DoubledZones, r#"<t:EndTimeZone Id="UTC"/><t:StartTimeZone Id="UTC"/><t:EndTimeZone"#),
        (EwsQuirk::NineFractionalDigits, "2026-11-23T09:00:00.000000000Z"),
        (EwsQuirk::OffsetsWithoutColon, "2026-11-23T10:00:00+0100"),
        (EwsQuirk::NoChangeKeys, r#"<t:ItemId Id="a"/>"#),
        (EwsQuirk::MoreThanAsked, "<t:CalendarItemType>Single</t:CalendarItemType>"),
        (EwsQuirk::PaddedText, "\n    2026-11-23T09:00:00Z\n  "),
        (EwsQuirk::UnknownServerVersion, r#"Version="V2_23""#),
    ] {
        let text = rewritten(&[quirk], ITEM);
        assert!(text.contains(shows), "{quirk:?}: {text}");
    }
    assert!(!rewritten(&[EwsQuirk::NoServerVersion], ITEM).contains("ServerVersionInfo"));
    let dates = rewritten(&[EwsQuirk::DatesAsDateTimes], "<t:StartDate>2026-10-19Z</t:StartDate>");
    assert!(dates.contains("<t:StartDate>2026-10-19T00:00:00.000000Z</t:StartDate>"), "{dates}");
}

#[test]
fn trap_01_faults_of_every_make() {
    let fault = || Fault::new("ErrorServerBusy", "Busy.").render();
    let made = |quirk| {
        let reply = rewrite(&on(&[quirk]), None, fault());
        (reply.status().as_u16(), String::from_utf8(reply.body().to_vec()).unwrap())
    };
    let (status, text) = made(EwsQuirk::FaultWithHttp200);
    assert_eq!(status, 200);
    assert!(
        text.contains(r#"<s:Header/>"#)
            && text.contains(r#"<faultcode xsi:type="xsd:string">ErrorServerBusy</faultcode>"#)
            && !text.contains("detail"),
        "{text}"
    );
    let (status, text) = made(EwsQuirk::FaultQualified);
    assert!(status == 500 && text.contains("<s:faultcode>a:ErrorServerBusy</s:faultcode>"), "{text}");
    assert!(made(EwsQuirk::FaultEmpty).1.contains("<s:Fault/>"));
    assert!(made(EwsQuirk::FaultOf2007).1.contains("<e:Line>1</e:Line>"));
    assert!(made(EwsQuirk::FaultNumeric).1.contains("<m:ErrorCode>-2146233088</m:ErrorCode>"));
    let message = r#"<m:Y ResponseClass="Error"/>"#;
    let reply = rewrite(&on(&[EwsQuirk::MessageWithHttp500]), None, answer(message));
    assert_eq!(reply.status(), 500);
    assert_eq!(rewrite(&on(&[EwsQuirk::MessageWithHttp500]), None, answer(ITEM)).status(), 200);
}

#[test]
fn trap_13_a_view_lacks_the_series_or_holds_the_master() {
    let stored = format!("AAkA{}AAA=", "x".repeat(64));
    let occurrences =
        [1, 2].map(|n| crate::state::occurrence_id(&stored, jiff::Timestamp::from_second(n).unwrap()));
    let items: String = occurrences
        .iter()
        .map(|id| {
            let id = crate::ews::place::wire_id(id);
            format!(r#"<t:CalendarItem><t:ItemId Id="{id}"/><t:CalendarItemType>Occurrence</t:CalendarItemType></t:CalendarItem>"#)
        })
        .collect();
    let view = format!(r#"<m:FindItem xmlns:m="{MESSAGES}"><m:CalendarView/></m:FindItem>"#);
    let view = soap::parse(view.as_bytes()).unwrap();
    let made = |quirk, request| {
        let answer = answer(&format!("<t:Items>{ITEM}{items}</t:Items>"));
        String::from_utf8(rewrite(&on(&[quirk]), request, answer).into_body().to_vec()).unwrap()
    };
    assert_eq!(made(EwsQuirk::ViewWithoutSeries, Some(&view)).matches("<t:CalendarItem>").count(), 1);
    let masters = made(EwsQuirk::ViewHoldsMasters, Some(&view));
    assert_eq!(masters.matches("<t:CalendarItem>").count(), 2);
    assert!(
        masters.contains(&crate::ews::place::wire_id(&stored)) && masters.contains(">RecurringMaster<"),
        "{masters}"
    );
    assert_eq!(made(EwsQuirk::ViewWithoutSeries, None).matches("<t:CalendarItem>").count(), 3);
}

const AVAILABILITY: &str = r#"<m:FreeBusyResponse><m:ResponseMessage ResponseClass="Success"/><m:FreeBusyView><t:FreeBusyViewType>DetailedMerged</t:FreeBusyViewType><t:MergedFreeBusy>02</t:MergedFreeBusy><t:CalendarEventArray><t:CalendarEvent><t:StartTime>2026-11-23T08:00:00</t:StartTime></t:CalendarEvent></t:CalendarEventArray></m:FreeBusyView></m:FreeBusyResponse><m:FreeBusyResponse><m:ResponseMessage ResponseClass="Error"/><m:FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></m:FreeBusyView></m:FreeBusyResponse>"#;

#[test]
fn each_quirk_of_free_busy_shows() {
    let request = format!(
        r#"<m:GetUserAvailabilityRequest xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><t:TimeZone><t:Bias>420</t:Bias><t:StandardTime><t:Bias>0</t:Bias></t:StandardTime><t:DaylightTime><t:Bias>0</t:Bias></t:DaylightTime></t:TimeZone></m:GetUserAvailabilityRequest>"#
    );
    let request = soap::parse(request.as_bytes()).unwrap();
    let made = |quirk| {
        let reply = rewrite(&on(&[quirk]), Some(&request), answer(AVAILABILITY));
        String::from_utf8(reply.into_body().to_vec()).unwrap()
    };
    assert!(made(EwsQuirk::FreeBusyWithOffset).contains("2026-11-23T08:00:00-07:00"));
    assert!(made(EwsQuirk::FreeBusyOffsetWithoutColon).contains("2026-11-23T08:00:00-0700"));
    assert!(made(EwsQuirk::FreeBusyBeyondWindow).contains("2026-07-26T08:00:00"));
    assert_eq!(made(EwsQuirk::FreeBusyDuplicates).matches("<t:CalendarEvent>").count(), 2);
    let without = made(EwsQuirk::FreeBusyWithoutMerged);
    assert!(without.contains(">Detailed<") && !without.contains("MergedFreeBusy"), "{without}");
    let only = made(EwsQuirk::FreeBusyMergedOnly);
    assert!(only.contains(">MergedOnly<") && !only.contains("CalendarEvent"), "{only}");
    assert_eq!(made(EwsQuirk::FreeBusyUnknownWithoutView).matches("<m:FreeBusyView>").count(), 1);
}

#[test]
fn each_quirk_of_notifications_shows() {
    let ok = r#"<m:GetStreamingEventsResponseMessage ResponseClass="Success"><m:ConnectionStatus>OK</m:ConnectionStatus></m:GetStreamingEventsResponseMessage>"#;
    let empty = rewritten(&[EwsQuirk::EmptyNotifications], ok);
    assert!(empty.contains("<m:Notifications/><m:ErrorSubscriptionIds/><m:ConnectionStatus>"), "{empty}");
    let bad = "<m:ErrorSubscriptionIds><t:SubscriptionId>a</t:SubscriptionId></m:ErrorSubscriptionIds>";
    let ids = rewritten(&[EwsQuirk::ErrorIdsInMessages], bad);
    assert!(ids.contains("<m:SubscriptionId>a</m:SubscriptionId>"), "{ids}");
    let event = r#"<m:Notification><t:CreatedEvent><t:ItemId Id="a" ChangeKey="k"/></t:CreatedEvent></m:Notification>"#;
    let text = rewritten(&[EwsQuirk::NotificationInTypes, EwsQuirk::EventsWithoutChangeKey], event);
    assert!(text.contains(r#"<t:Notification><t:CreatedEvent><t:ItemId Id="a"/>"#), "{text}");
}

#[test]
fn a_streams_pieces_hold_the_same_bytes() {
    let envelope = answer("").into_body();
    let joined = |pieces: Vec<Bytes>| pieces.concat();
    let small = framed(&on(&[EwsQuirk::StreamInSmallChunks]), envelope.clone(), true);
    assert!(small.len() > 10);
    assert_eq!(joined(small), envelope);
    let later = framed(&on(&[]), envelope.clone(), false);
    assert!(joined(later).starts_with(b"<s:Envelope"));
    let declared = framed(&on(&[EwsQuirk::DeclarationMidStream]), envelope.clone(), false);
    assert_eq!(joined(declared), envelope);
    let twice = framed(
        &on(&[EwsQuirk::StreamChunksOverlap, EwsQuirk::DeclarationMidStream]),
        envelope.clone(),
        false,
    );
    assert_eq!((twice.len(), twice.concat()), (2, [envelope.clone(), envelope].concat()));
}
