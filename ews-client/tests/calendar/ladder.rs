use ews_client::calendar::{AccessLevel, Content, Ladder, Rung};
use ews_client::free_busy::ShowAs;
use ews_client::{ErrorKind, Target};
use futures_util::StreamExt as _;

use crate::fake::{EXCHANGE, Fake, address, answer, at, envelope, item, page};
use crate::run;

const FROM: &str = "2026-11-23T00:00:00Z";
const TO: &str = "2026-11-24T00:00:00Z";

fn fault(code: &str) -> String {
    envelope(
        EXCHANGE,
        &format!("<s:Fault><faultcode>a:{code}</faultcode><faultstring>said {code}</faultstring></s:Fault>"),
    )
}

fn availability(body: &str) -> String {
    let mut members = String::new();
    for part in body.split("<t:Address>").skip(1) {
        let who = part.split('<').next().unwrap();
        let (code, view) = if who.starts_with("nobody") {
            ("ErrorNoFreeBusyAccess", "<t:FreeBusyViewType>None</t:FreeBusyViewType>".to_owned())
        } else {
            let event = "<t:CalendarEventArray><t:CalendarEvent><t:StartTime>2026-11-23T08:00:00</t:StartTime><t:EndTime>2026-11-23T09:00:00</t:EndTime><t:BusyType>Busy</t:BusyType></t:CalendarEvent></t:CalendarEventArray>";
            ("NoError", format!("<t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType>{event}"))
        };
        let class = if code == "NoError" { "Success" } else { "Error" };
        members.push_str(&format!(r#"<m:FreeBusyResponse><m:ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode></m:ResponseMessage><m:FreeBusyView>{view}</m:FreeBusyView></m:FreeBusyResponse>"#));
    }
    envelope(
        EXCHANGE,
        &format!(
            "<m:GetUserAvailabilityResponse><m:FreeBusyResponseArray>{members}</m:FreeBusyResponseArray></m:GetUserAvailabilityResponse>"
        ),
    )
}

fn one_item() -> String {
    let item = item("A", "Single", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z", "");
    answer("FindItem", &[("NoError", page(&item, true))])
}

/// Whoever is `full@` may be impersonated, `shared@` gave a right, everybody else lets free and busy times be seen, `nobody@` not
/// even those.
fn server() -> Fake {
    Fake::new(|body| {
        if body.contains("GetUserAvailabilityRequest") {
            return availability(body);
        }
        let impersonated = body.contains("ExchangeImpersonation");
        match (impersonated, body.contains("full@"), body.contains("shared@")) {
            (true, true, _) => one_item(),
            (true, ..) => fault("ErrorImpersonateUserDenied"),
            (false, _, true) if body.contains("<m:GetFolder>") => answer(
                "GetFolder",
                &[("NoError", "<m:Folders><t:CalendarFolder><t:FolderId Id=\"F\"/><t:SharingEffectiveRights>TimeAndSubjectAndLocation</t:SharingEffectiveRights></t:CalendarFolder></m:Folders>".into())],
            ),
            (false, _, true) => one_item(),
            _ => answer("FindItem", &[("ErrorFolderNotFound", String::new())]),
        }
    })
}

#[test]
fn each_mailbox_is_told_by_the_rung_that_held() {
    let fake = server();
    let ladder = Ladder::new(fake.client(), Target::SelfMailbox);
    for (who, rung, level, refused) in [
        ("full@fabrikam.example", Some(Rung::Impersonation), AccessLevel::Details, 0),
        ("shared@fabrikam.example", Some(Rung::Delegate), AccessLevel::Limited, 1),
        ("busy@fabrikam.example", Some(Rung::FreeBusy), AccessLevel::FreeBusyOnly, 2),
        ("nobody@fabrikam.example", None, AccessLevel::None, 3),
    ] {
        let access = run(ladder.read(&address(who), at(FROM), at(TO))).unwrap();
        assert_eq!((access.rung(), access.level(), access.refusals.len()), (rung, level, refused), "{who}");
        let busy = access.presence();
        assert_eq!(busy.len(), usize::from(rung.is_some()), "{who}");
        assert!(busy.iter().all(|slot| slot.show_as == ShowAs::Busy));
    }
}

#[test]
fn a_busy_server_is_an_error_and_no_lower_rung() {
    for code in ["ErrorServerBusy", "ErrorMailboxMoveInProgress", "ErrorInternalServerError"] {
        let fake = Fake::new(move |_| fault(code));
        let ladder = Ladder::new(fake.client(), Target::SelfMailbox);
        let error = run(ladder.read(&address("full@fabrikam.example"), at(FROM), at(TO))).unwrap_err();
        assert_eq!(error.service_code(), Some(code));
        assert!(fake.seen().iter().all(|body| body.contains("ExchangeImpersonation")), "{code}");
    }
}

#[test]
fn many_mailboxes_come_in_order_and_fail_alone() {
    let fake = server();
    let ladder = Ladder::new(fake.client(), Target::SelfMailbox).with_concurrency(3);
    let names = ["nobody", "full", "busy", "shared", "other"];
    let mailboxes: Vec<_> =
        (0..120).map(|i| address(&format!("{}@fabrikam{i}.example", names[i % 5]))).collect();
    let all: Vec<_> = run(ladder.read_many(&mailboxes, at(FROM), at(TO)).collect());
    assert_eq!(all.len(), 120);
    for (i, (mailbox, access)) in all.iter().enumerate() {
        assert_eq!(mailbox, &mailboxes[i]);
        let expected = [
            None,
            Some(Rung::Impersonation),
            Some(Rung::FreeBusy),
            Some(Rung::Delegate),
            Some(Rung::FreeBusy),
        ];
        assert_eq!(access.as_ref().unwrap().rung(), expected[i % 5], "{mailbox:?}");
    }
    let asked = fake.seen().iter().filter(|body| body.contains("GetUserAvailabilityRequest")).count();
    assert_eq!(asked, 2, "those on the last rung are asked for together");
}

#[test]
fn a_rung_may_be_left_out() {
    let fake = server();
    let ladder = Ladder::new(fake.client(), Target::SelfMailbox).without_impersonation().without_delegation();
    let access = run(ladder.read(&address("full@fabrikam.example"), at(FROM), at(TO))).unwrap();
    assert!(matches!(access.content, Content::FreeBusy(_)));
    assert!(access.refusals.is_empty());
    // An app that must impersonate has no way but that and free and busy times.
    let app = Ladder::new(fake.client(), crate::fake::impersonate("full@fabrikam.example"));
    let access = run(app.read(&address("shared@fabrikam.example"), at(FROM), at(TO))).unwrap();
    assert_eq!((access.rung(), access.refusals.len()), (Some(Rung::FreeBusy), 1));
    let error = run(ladder.read(&address("full@fabrikam.example"), at(TO), at(FROM))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
