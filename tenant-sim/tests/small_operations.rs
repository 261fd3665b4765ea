//! The directory's and the mailbox's small operations, Autodiscover, and answers that fit the schema.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;
mod ews;

use common::World;
use ews::{Raw, code, envelope, impersonating, text};
use tenant_sim::state::{Folder, FolderGrantee, FolderPermission, OutOfOffice, Timed};
use tenant_sim::{EwsQuirk, Scenario, ScenarioGroup, ScenarioGroupKind, ScenarioMailbox, ScenarioUser};

const OLGA: &str = "olga@contoso.example";

async fn world() -> World {
    let mut scenario = Scenario::contoso();
    let person = scenario.users[0].clone();
    for name in ["room-north", "room-south"] {
        scenario.users.push(ScenarioUser {
            name: name.to_owned(),
            display_name: name.replace('-', " "),
            mailbox: ScenarioMailbox::Room,
            aliases: vec![],
            messages: vec![],
            events: vec![],
            ..person.clone()
        });
    }
    scenario.groups.push(ScenarioGroup {
        name: "rooms".to_owned(),
        display_name: "All rooms".to_owned(),
        kind: ScenarioGroupKind::Distribution,
        members: vec!["room-north".to_owned(), "room-south".to_owned()],
    });
    World::of(scenario, tenant_sim::Propagation::instant()).await
}

async fn call(world: &World, body: &str) -> Raw {
    let url = format!("{}/EWS/Exchange.asmx", world.tenant.on_premises_url());
    let request = world.http.post(url).basic_auth(r"CONTOSO\svc-calendar", Some("Svc-Passw0rd"));
    Raw::of(request.body(envelope(&impersonating(OLGA), body))).await
}

fn resolve(entry: &str) -> String {
    format!(
        r#"<m:ResolveNames ReturnFullContactData="false" SearchScope="ActiveDirectory"><m:UnresolvedEntry>{entry}</m:UnresolvedEntry></m:ResolveNames>"#
    )
}

#[tokio::test]
async fn names_are_searched_ambiguously() {
    let world = world().await;
    let one = call(&world, &resolve("smtp:a.adams@contoso.example")).await.body;
    assert!(one.contains("ResponseClass=\"Success\"") && one.contains("alice@contoso.example"), "{one}");
    let many = call(&world, &resolve("chris")).await.body;
    assert!(
        many.contains(r#"ResponseClass="Warning""#) && code(&many) == "ErrorNameResolutionMultipleResults"
    );
    assert!(many.contains(r#"TotalItemsInView="2""#), "{many}");
    let alias = call(&world, &resolve("a.adams@contoso.example")).await.body;
    assert_eq!(code(&alias), "ErrorNameResolutionNoResults", "only smtp: looks at every address");
    let list = "<m:ExpandDL><m:Mailbox><t:EmailAddress>presence-users@contoso.example</t:EmailAddress></m:Mailbox></m:ExpandDL>";
    let members = call(&world, list).await.body;
    assert!(
        members.contains("alice@") && members.contains("bob@") && members.matches("<t:Mailbox>").count() == 2
    );
    let nobody = call(&world, &list.replace("presence-users", "nobody")).await.body;
    assert_eq!(code(&nobody), "ErrorNameResolutionNoResults");
}

#[tokio::test]
async fn rooms_and_their_lists() {
    let world = world().await;
    let lists = call(&world, "<m:GetRoomLists/>").await.body;
    assert_eq!(lists.matches("<t:Address>").count(), 1, "{lists}");
    let rooms = "<m:GetRooms><m:RoomList><t:EmailAddress>rooms@contoso.example</t:EmailAddress></m:RoomList></m:GetRooms>";
    let found = call(&world, rooms).await.body;
    assert_eq!(found.matches("<t:Room><t:Id>").count(), 2, "{found}");
    assert!(
        call(&world, &rooms.replace("rooms@", "all-staff@")).await.body.contains(r#"ResponseClass="Error""#)
    );
}

#[tokio::test]
async fn zones_ids_and_settings() {
    let world = world().await;
    let zones = r#"<m:GetServerTimeZones ReturnFullTimeZoneData="true"><m:Ids><t:Id>Romance Standard Time</t:Id></m:Ids></m:GetServerTimeZones>"#;
    let found = call(&world, zones).await;
    assert!(found.body.contains(r#"<t:Period Bias="-PT1H""#), "{}", found.body);
    call(&world, r#"<m:GetServerTimeZones/>"#).await;
    world.tenant.ews().set_quirk(EwsQuirk::NoServerTimeZones, true);
    let none = call(&world, zones).await;
    assert!(none.status == 500 && none.body.contains("Unknown request"));
    world.tenant.ews().set_quirk(EwsQuirk::NoServerTimeZones, false);

    let convert = |id: &str, from: &str, to: &str| {
        format!(
            r#"<m:ConvertId DestinationFormat="{to}"><m:SourceIds><t:AlternateId Format="{from}" Id="{id}" Mailbox="{OLGA}"/></m:SourceIds></m:ConvertId>"#
        )
    };
    let id = "AAMkAGViYzkxZGFhLTAwMDAtMDAwMA==";
    let hex = call(&world, &convert(id, "EwsId", "HexEntryId")).await.body;
    let at = hex.find(r#"" Id=""#).unwrap() + 6;
    let hex = &hex[at..at + hex[at..].find('"').unwrap()];
    let back = call(&world, &convert(hex, "HexEntryId", "EwsId")).await.body;
    assert!(back.contains(id), "{back}");
    let nonsense = call(&world, &convert("nonsense", "EwsId", "EntryId")).await;
    assert_eq!((nonsense.status, code(&nonsense.body).as_str()), (200, "ErrorInvalidIdMalformed"));

    let oof = format!(
        "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{OLGA}</t:Address></t:Mailbox></m:GetUserOofSettingsRequest>"
    );
    assert_eq!(text(&call(&world, &oof).await.body, "OofState"), Some("Disabled"));
    let olga = world.tenant.with_state(|s| s.mailbox(OLGA, jiff::Timestamp::MAX).unwrap().object_id);
    let alice = world
        .tenant
        .with_state(|s| s.mailbox("alice@contoso.example", jiff::Timestamp::MAX).unwrap().object_id);
    world.tenant.with_state(|s| {
        let away =
            OutOfOffice { enabled: true, internal_reply: "Away & back".to_owned(), ..OutOfOffice::default() };
        s.exchange.out_of_office.insert(olga, away);
        s.exchange.folder_permissions.push(Timed::always(FolderPermission {
            mailbox: olga,
            folder: Folder::Calendar,
            grantee: FolderGrantee::Recipient(alice),
            rights: ["FolderVisible", "ReadItems"].map(str::to_owned).into(),
            delegate: true,
            private_items: true,
        }));
    });
    let away = call(&world, &oof).await.body;
    assert!(text(&away, "OofState") == Some("Enabled") && away.contains("Away &amp; back"), "{away}");
    assert_eq!(code(&call(&world, &oof.replace("olga", "alice")).await.body), "ErrorAccessDenied");
    let delegates = format!(
        r#"<m:GetDelegate IncludePermissions="true"><m:Mailbox><t:EmailAddress>{OLGA}</t:EmailAddress></m:Mailbox></m:GetDelegate>"#
    );
    let delegates = call(&world, &delegates).await.body;
    assert_eq!(text(&delegates, "CalendarFolderPermissionLevel"), Some("Reviewer"), "{delegates}");
    assert_eq!(text(&delegates, "ViewPrivateItems"), Some("true"));
    let unknown = call(&world, "<m:GetPhoneCallInformation/>").await;
    assert_eq!((unknown.status, code(&unknown.body).as_str()), (500, "ErrorInvalidRequest"));
}

#[tokio::test]
async fn quirks_that_reach_into_rights_and_states() {
    let world = world().await;
    let sync = r#"<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId><t:DistinguishedFolderId Id="calendar"/></m:SyncFolderId><m:SyncState>H4sIgarbage</m:SyncState><m:MaxChangesReturned>10</m:MaxChangesReturned></m:SyncFolderItems>"#;
    assert_eq!(code(&call(&world, sync).await.body), "ErrorInvalidSyncStateData");
    world.tenant.ews().set_quirk(EwsQuirk::GarbageSyncStateAccepted, true);
    assert_eq!(code(&call(&world, sync).await.body), "NoError");

    // A colleague's calendar on the same server, which nobody has opened to her.
    world.tenant.with_state(|s| {
        let bob = s.exchange.mailboxes.iter_mut().find(|m| m.value.name == "bob").unwrap();
        bob.value.remote = true;
    });
    let other = r#"<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>bob@contoso.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></m:FolderIds></m:GetFolder>"#;
    assert_ne!(code(&call(&world, other).await.body), "NoError");
    world.tenant.ews().set_quirk(EwsQuirk::EverybodyReads, true);
    assert_eq!(code(&call(&world, other).await.body), "NoError");
}

#[tokio::test]
async fn subscriptions_and_their_errors_fit_the_schema_too() {
    let world = world().await;
    let subscribe = r#"<m:Subscribe><m:PullSubscriptionRequest SubscribeToAllFolders="true"><t:EventTypes><t:EventType>NewMailEvent</t:EventType></t:EventTypes><t:Timeout>5</t:Timeout></m:PullSubscriptionRequest></m:Subscribe>"#;
    let made = call(&world, subscribe).await.body;
    let (id, mark) = (text(&made, "SubscriptionId").unwrap(), text(&made, "Watermark").unwrap());
    call(&world, &format!("<m:GetEvents><m:SubscriptionId>{id}</m:SubscriptionId><m:Watermark>{mark}</m:Watermark></m:GetEvents>")).await;
    for bad in [
        subscribe.replace(r#" SubscribeToAllFolders="true""#, ""),
        subscribe.replace(">5<", ">0<"),
        subscribe.replace("NewMailEvent", "StatusEvent"),
        "<m:Unsubscribe><m:SubscriptionId>none</m:SubscriptionId></m:Unsubscribe>".to_owned(),
    ] {
        assert_ne!(code(&call(&world, &bad).await.body), "NoError", "{bad}");
    }
    for calls in ["<m:GetRoomLists/>", "<m:GetServerTimeZones/>", &resolve("chris")] {
        world.tenant.ews().throttle(None, tenant_sim::EwsThrottle::BusyMessage(Some(5000)), 1);
        assert_eq!(code(&call(&world, calls).await.body), "ErrorServerBusy");
    }
}

#[tokio::test]
async fn trap_19_autodiscover_in_every_form() {
    let world = world().await;
    let base = world.tenant.on_premises_url();
    let json = |email: &str, protocol: &str| {
        Raw::of(
            world.http.get(format!("{base}/autodiscover/autodiscover.json/v1.0/{email}?Protocol={protocol}")),
        )
    };
    let found = json(OLGA, "Ews").await;
    assert!(
        found.status == 200 && found.body.contains(&format!("{base}/EWS/Exchange.asmx")),
        "{}",
        found.body
    );
    let cloud = json("alice@contoso.example", "ews").await;
    assert!(cloud.status == 400 && cloud.body.contains("UserNotFound"), "{}", cloud.body);
    assert!(json(OLGA, "Rest").await.body.contains("InvalidProtocol"));
    world.tenant.with_state(|s| s.autodiscover.json_errors_with_200 = true);
    assert_eq!(json("nobody@contoso.example", "Ews").await.status, 200);

    let pox = |email: &str| {
        let body = format!(
            r#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>{email}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>"#
        );
        world.http.post(format!("{base}/autodiscover/autodiscover.xml")).body(body)
    };
    assert_eq!(Raw::of(pox(OLGA)).await.status, 401, "this form wants credentials");
    let signed = async |email: &str| Raw::of(pox(email).basic_auth(OLGA, Some("Olga-Passw0rd"))).await;
    let settings = signed(OLGA).await.body;
    assert!(settings.contains("<GroupingInformation>SIMPR01</GroupingInformation>"), "{settings}");
    assert!(settings.contains("<Type>WEB</Type>"));
    let unknown = signed("nobody@contoso.example").await;
    assert!(unknown.status == 200 && unknown.body.contains("<ErrorCode>500</ErrorCode>"));
    world.tenant.with_state(|s| {
        s.autodiscover.redirect_address.insert("a@b.example".to_owned(), OLGA.to_owned());
        s.autodiscover.redirect_url.insert("c@b.example".to_owned(), "http://elsewhere.example/".to_owned());
        s.autodiscover.grouping.insert(OLGA.to_owned(), "SIMPR02".to_owned());
    });
    assert!(signed("A@b.example").await.body.contains("<RedirectAddr>olga@contoso.example</RedirectAddr>"));
    assert!(signed("c@b.example").await.body.contains("redirectUrl"));

    let svc = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><s:Body><GetUserSettingsRequestMessage><Request><Users><User><Mailbox>olga@contoso.example</Mailbox></User><User><Mailbox>a@b.example</Mailbox></User></Users><RequestedSettings><Setting>ExternalEwsUrl</Setting><Setting>GroupingInformation</Setting><Setting>MailboxDN</Setting></RequestedSettings></Request></GetUserSettingsRequestMessage></s:Body></s:Envelope>"#;
    let svc = world.http.post(format!("{base}/autodiscover/autodiscover.svc")).body(svc);
    let answer = Raw::of(svc.basic_auth(OLGA, Some("Olga-Passw0rd"))).await.body;
    for part in
        ["SIMPR02", "SettingIsNotAvailable", "<ErrorCode>RedirectAddress</ErrorCode>", "/EWS/Exchange.asmx"]
    {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    world.tenant.with_state(|s| s.autodiscover.http_redirect = Some("http://elsewhere.example/".to_owned()));
    let plain =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let moved = Raw::of(plain.get(format!("{base}/autodiscover/autodiscover.xml"))).await;
    assert_eq!((moved.status, moved.all("location")), (302, vec!["http://elsewhere.example/".to_owned()]));
    world.tenant.with_state(|s| s.autodiscover.absent = true);
    assert_eq!(json(OLGA, "Ews").await.status, 404);
}
