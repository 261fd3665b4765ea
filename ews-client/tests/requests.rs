//! The requests, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ews_client::{
    Capabilities, ConnectingSid, DistinguishedFolder, ErrorKind, EwsOperation, FindItem, FolderClass,
    FolderRef, GetFolder, RequestContext, SchemaVersion, SharingRights, Target, read_answer, write_request,
};
use http::StatusCode;
use m365_core::MailboxAddress;

fn anna() -> MailboxAddress {
    MailboxAddress::parse("anna@contoso.example").unwrap()
}

fn request(operation: &impl EwsOperation, target: &Target, schema: SchemaVersion) -> String {
    let context = RequestContext::new(target, Capabilities::new(schema, None));
    String::from_utf8(write_request(operation, &context).unwrap()).unwrap().replace("><", ">\n<")
}

fn view() -> FindItem {
    let at = |text: &str| text.parse().unwrap();
    FindItem::calendar_view(
        DistinguishedFolder::Calendar.into(),
        at("2026-11-23T00:00:00Z"),
        at("2026-11-30T00:00:00Z"),
    )
}

#[test]
fn a_calendar_view_by_impersonation() {
    let target = Target::Impersonate(ConnectingSid::PrimarySmtpAddress(anna()));
    insta::assert_snapshot!(request(&view(), &target, SchemaVersion::Exchange2016));
}

#[test]
fn a_calendar_view_as_delegate_of_an_old_server() {
    insta::assert_snapshot!(request(
        &view().with_max_entries(250),
        &Target::Delegate(anna()),
        SchemaVersion::Exchange2007Sp1
    ));
}

#[test]
fn the_rights_in_folders_of_ones_own() {
    let operation =
        GetFolder::new([DistinguishedFolder::Calendar.into(), FolderRef::Id("AA<Mk+/\"=".into())])
            .with_sharing_rights();
    insta::assert_snapshot!(request(&operation, &Target::SelfMailbox, SchemaVersion::Exchange2013Sp1));
}

#[test]
fn each_way_to_name_a_user() {
    let mut text = String::new();
    for sid in [
        ConnectingSid::PrimarySmtpAddress(anna()),
        ConnectingSid::SmtpAddress(anna()),
        ConnectingSid::PrincipalName(anna()),
        ConnectingSid::sid("S-1-5-21-1004336348-1177238915-682003330-1001").unwrap(),
    ] {
        let target = Target::Impersonate(sid);
        let operation = GetFolder::new([DistinguishedFolder::Inbox.into()]);
        let whole = request(&operation, &target, SchemaVersion::Exchange2016);
        let (_, header) = whole.split_once("<t:ConnectingSID>").unwrap();
        text.push_str(header.split_once("</t:ConnectingSID>").unwrap().0.trim());
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

#[test]
fn trap_17_a_zone_is_named_only_to_servers_that_know_it() {
    let write = |schema| {
        let context = RequestContext::new(&Target::SelfMailbox, Capabilities::new(schema, None))
            .with_time_zone("Romance Standard Time");
        String::from_utf8(write_request(&view(), &context).unwrap()).unwrap()
    };
    assert!(write(SchemaVersion::Exchange2010).contains(r#"<t:TimeZoneContext><t:TimeZoneDefinition Id="Romance Standard Time"/></t:TimeZoneContext></s:Header>"#));
    assert!(!write(SchemaVersion::Exchange2007Sp1).contains("Zone"));
}

#[test]
fn a_request_above_the_servers_limit_is_not_sent() {
    let operation = GetFolder::new((0..2_000).map(|n| FolderRef::Id(format!("{n:0>300}").into())));
    let context = RequestContext::new(&Target::SelfMailbox, Capabilities::default());
    assert_eq!(write_request(&operation, &context).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn folders_are_known_by_their_class_and_not_by_their_name() {
    let xml = br#"<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><m:GetFolderResponse xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages>
        <m:GetFolderResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Folders><t:CalendarFolder><t:SharingEffectiveRights>TimeOnly</t:SharingEffectiveRights><t:FolderId Id="AQMk" ChangeKey="A"/><t:DisplayName>Kalender</t:DisplayName><t:TotalCount>7</t:TotalCount>
        <t:EffectiveRights><t:CreateAssociated>0</t:CreateAssociated><t:Read> true </t:Read><t:ViewPrivateItems>false</t:ViewPrivateItems><t:Later>true</t:Later></t:EffectiveRights></t:CalendarFolder></m:Folders></m:GetFolderResponseMessage>
        <m:GetFolderResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Folders><t:Folder><t:FolderId Id="AQMl"/><t:FolderClass>IPF.Note.Outlook</t:FolderClass></t:Folder></m:Folders></m:GetFolderResponseMessage>
        </m:ResponseMessages></m:GetFolderResponse></Body></Envelope>"#;
    let operation = GetFolder::new([DistinguishedFolder::Calendar.into(), DistinguishedFolder::Inbox.into()]);
    let answer = read_answer(&operation, StatusCode::OK, xml).unwrap();
    let mut folders = answer.results.into_iter().map(|r| r.into_result().unwrap());
    let calendar = folders.next().unwrap();
    assert_eq!(
        (calendar.class, calendar.total_count, calendar.sharing),
        (FolderClass::Calendar, Some(7), Some(SharingRights::TimeOnly))
    );
    let rights = calendar.rights.unwrap();
    assert!(rights.read && !rights.create_associated && rights.view_private_items == Some(false));
    assert_eq!(folders.next().unwrap().class, FolderClass::Mail);
}
