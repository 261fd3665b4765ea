//! Calendars over EWS where the server's answers do not fit together.
#![cfg(feature = "ews")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
use m365_core::Transport;
use m365_core::testing::{Reply, ScriptedTransport};
use mail_access::Calendar;

fn envelope(body: &str) -> Reply {
    Reply::new(
        200,
        format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>{body}</s:Body></s:Envelope>"#
        ),
    )
    .header("content-type", "text/xml; charset=utf-8")
}

#[tokio::test]
async fn a_meeting_that_is_gone_between_view_and_reading_is_in_the_list_as_the_view_had_it() {
    const PATH: &str = "/EWS/Exchange.asmx";
    let found = r#"<m:FindItemResponse><m:ResponseMessages><m:FindItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:RootFolder TotalItemsInView="1" IncludesLastItemInRange="true"><t:Items><t:CalendarItem><t:ItemId Id="AAMkGone" ChangeKey="1"/><t:Subject>Review</t:Subject><t:Sensitivity>Normal</t:Sensitivity><t:Start>2026-11-23T09:00:00Z</t:Start><t:End>2026-11-23T10:00:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent><t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:IsMeeting>true</t:IsMeeting><t:IsCancelled>false</t:IsCancelled><t:CalendarItemType>Single</t:CalendarItemType></t:CalendarItem></t:Items></m:RootFolder></m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse>"#;
    let gone = r#"<m:GetItemResponse><m:ResponseMessages><m:GetItemResponseMessage ResponseClass="Error"><m:MessageText>It is not there.</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:Items/></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse>"#;
    let script = ScriptedTransport::new().on("POST", PATH, envelope(found)).on("POST", PATH, envelope(gone));
    let server = EwsEndpoint::on_premises("https://mail.contoso.example".parse().unwrap()).unwrap();
    let credential = EwsCredential::basic("CONTOSO\\svc", "Invented-1".to_owned().into());
    let client =
        EwsClient::builder(server, credential).transport(Transport::new(script.clone())).build().unwrap();
    let calendar = Calendar::ews(client, "alice@contoso.example".parse().unwrap());
    let at = |text: &str| text.parse().unwrap();
    let events = calendar.view(at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")).await.unwrap();
    script.assert_finished();
    assert_eq!(events.iter().map(|event| event.title()).collect::<Vec<_>>(), ["Review"]);
}
