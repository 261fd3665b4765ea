use ews_client::ErrorKind;
use ews_client::calendar::{Change, SyncToken};

use crate::fake::{Fake, answer, impersonate};
use crate::run;

fn page(state: &str, last: bool, changes: &str) -> String {
    format!(
        "<m:SyncState>{state}</m:SyncState><m:IncludesLastItemInRange>{last}</m:IncludesLastItemInRange><m:Changes>{changes}</m:Changes>"
    )
}

const CREATED: &str = r#"<t:Create><t:CalendarItem><t:ItemId Id="A"/></t:CalendarItem></t:Create>"#;
const LATER: &str = r#"<t:Update><t:CalendarItem><t:ItemId Id="A"/></t:CalendarItem></t:Update><t:Delete><t:ItemId Id="B"/></t:Delete>"#;

/// Knows the states S1 and S2; a third one is dead.
fn server() -> Fake {
    Fake::new(|body| {
        let state = body.split("SyncState>").nth(1).map(|rest| rest.split('<').next().unwrap());
        let message = match state {
            None => ("NoError", page("S1", false, CREATED)),
            Some("S1") => ("NoError", page("S2", true, LATER)),
            Some("S2") => ("NoError", page("S2", true, "")),
            Some(_) => ("ErrorInvalidSyncStateData", "<m:SyncState/>".into()),
        };
        answer("SyncFolderItems", &[message])
    })
}

#[test]
fn trap_14_changes_come_page_by_page_and_a_dead_state_heals() {
    let fake = server();
    let calendar = fake.calendar();
    let first = run(calendar.changes(None)).unwrap();
    assert_eq!(
        (first.changes.as_slice(), first.more, first.resynced),
        (&[Change::Touched("A".into())][..], true, false)
    );
    let kept = SyncToken::new(first.token.as_str());
    let second = run(calendar.changes(Some(&kept))).unwrap();
    assert_eq!(second.changes, [Change::Touched("A".into()), Change::Removed("B".into())]);
    assert!(!second.more && !second.resynced);
    let third = run(calendar.changes(Some(&second.token))).unwrap();
    assert_eq!((third.changes.len(), &third.token), (0, &second.token));

    // The state died at the server.
    let dead = SyncToken::new(kept.as_str().replace("S1", "S9"));
    let healed = run(calendar.changes(Some(&dead))).unwrap();
    assert!(healed.resynced && healed.more);
    assert_eq!(healed.token, first.token);
}

#[test]
fn trap_14_a_token_of_elsewhere_is_not_sent() {
    let fake = server();
    let token = run(fake.calendar().changes(None)).unwrap().token;
    let bo = ews_client::calendar::EwsCalendar::new(fake.client(), impersonate("bo@fabrikam.example"));
    let other = fake.calendar().with_folder(ews_client::FolderRef::Id("F2".into()));
    for (calendar, token) in [
        (bo, token.clone()),
        (other, token),
        (fake.calendar(), SyncToken::new("garbage")),
        (fake.calendar(), SyncToken::new("")),
    ] {
        let before = fake.seen().len();
        let changes = run(calendar.changes(Some(&token))).unwrap();
        assert!(changes.resynced);
        assert!(fake.seen()[before..].iter().all(|body| !body.contains("SyncState")));
        assert!(!format!("{token:?}").contains("S1"));
    }
}

#[test]
fn trap_14_a_server_that_turns_in_circles_is_an_error() {
    let fake = Fake::new(|_| answer("SyncFolderItems", &[("NoError", page("S1", false, ""))]));
    let token = run(fake.calendar().changes(None)).unwrap().token;
    assert_eq!(run(fake.calendar().changes(Some(&token))).unwrap_err().kind(), ErrorKind::InvalidResponse);
    let fake = Fake::new(|_| answer("SyncFolderItems", &[("ErrorAccessDenied", String::new())]));
    assert_eq!(run(fake.calendar().changes(Some(&token))).unwrap_err().kind(), ErrorKind::PermissionDenied);
}
