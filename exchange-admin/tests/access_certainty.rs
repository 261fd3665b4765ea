//! A picture with a hole in it gives no verdict that what is in the hole could turn round.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use exchange_admin::access::{
    AccessPicture, AppPicture, AssignmentPicture, AssignmentScope, EntraGrant, EntraGrants, EntraPrincipal,
    ExchangePointer, MailboxPicture, MailboxSwitches, OrganizationEws, Outcome, PolicyPicture, Question,
    Reached, RecipientId,
};
use exchange_admin::{AccessRight, ApplicationRole, ServicePrincipalObjectId};

const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
/// The id of a permission that its API does not list any more.
const UNNAMED: &str = "d9f2a6c1-7b3e-4f58-8a90-1e2d3c4b5a69";

fn object() -> ServicePrincipalObjectId {
    "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b".parse().unwrap()
}

fn anna() -> RecipientId {
    RecipientId::new("0a52a9d1-54a1-4d3c-8f6e-5f4a1f0f6f11")
}

/// One mailbox, no policies, no roles; everything was read.
fn picture(consents: &[EntraGrant]) -> AccessPicture {
    let app = AppPicture::present(CLIENT.parse().unwrap(), object()).with_consents(consents.iter().cloned());
    let mut picture = AccessPicture::of(AppPicture { pointer: ExchangePointer::To(object()), ..app });
    picture.policies = Some(Vec::new());
    picture.assignments = Some(Vec::new());
    let anna = MailboxPicture {
        switches: Some(MailboxSwitches { imap: Some(true), pop: Some(true), ..MailboxSwitches::default() }),
        full_access: Some(Vec::new()),
        send_as: Some(Vec::new()),
        ..MailboxPicture::in_cloud("anna@contoso.example")
    };
    picture.mailboxes.insert(self::anna(), anna);
    picture.organization.ews = Some(OrganizationEws::default());
    picture.organization.smtp_disabled = Some(false);
    picture
}

fn role(role: Option<ApplicationRole>, scope: AssignmentScope) -> AssignmentPicture {
    AssignmentPicture { name: "acme".to_owned(), role, scope, exclusive: false }
}

fn best_way(picture: &AccessPicture) -> Outcome {
    picture.ways_into(&anna()).iter().fold(Outcome::Denied, |best, way| best.or(way.verdict.outcome))
}

#[test]
fn trap_17_a_list_of_apps_that_was_not_asked_for_is_not_empty() {
    let mut picture = picture(&[EntraGrant::exchange("full_access_as_app")]);
    picture.organization.ews = Some(OrganizationEws { enabled: Some(true), ..OrganizationEws::default() });
    assert_eq!(picture.effective_access(&anna(), &Question::Ews).outcome, Outcome::Unknown);
    let ews = picture.organization.ews.as_mut().unwrap();
    ews.allowed_apps = Some([].into_iter().collect());
    assert_eq!(picture.effective_access(&anna(), &Question::Ews).outcome, Outcome::Denied);
}

#[test]
fn whoever_may_change_mail_may_read_it() {
    for (held, asked, outcome) in [
        ("Mail.ReadWrite", "Mail.Read", Outcome::Allowed),
        ("Mail.Read", "Mail.ReadBasic.All", Outcome::Allowed),
        ("Calendars.ReadWrite", "Calendars.ReadBasic", Outcome::Allowed),
        ("Mail.Read", "Mail.ReadWrite", Outcome::Denied),
        ("Mail.Send", "Mail.Read", Outcome::Denied),
        ("Contacts.ReadWrite", "Mail.Read", Outcome::Denied),
    ] {
        let asked = [asked];
        let question = Question::Graph(&asked);
        let consented = picture(&[EntraGrant::graph(held)]);
        assert_eq!(consented.effective_access(&anna(), &question).outcome, outcome, "{held}, {asked:?}");
        let reached: Vec<Reached> = consented.mailboxes_of(&question).collect();
        let everywhere = matches!(reached.as_slice(), [Reached::EveryMailbox { .. }]);
        assert_eq!(everywhere, outcome == Outcome::Allowed, "{reached:#?}");
    }
    let mut assigned = picture(&[]);
    assigned.assignments =
        Some(vec![role(Some(ApplicationRole::MailFullAccess), AssignmentScope::Organization)]);
    let verdict = assigned.effective_access(&anna(), &Question::Graph(&["Mail.Read"]));
    assert_eq!(verdict.outcome, Outcome::Allowed, "{verdict}");
}

#[test]
fn an_app_with_a_role_that_is_not_known_is_never_called_closed() {
    let mut picture = picture(&[]);
    assert_eq!(best_way(&picture), Outcome::Denied);
    picture.assignments = Some(vec![role(None, AssignmentScope::Organization)]);
    assert_eq!(best_way(&picture), Outcome::Unknown);
    let ways: BTreeSet<_> = picture.ways_into(&anna()).iter().map(|w| w.way).collect();
    assert_eq!(ways.len(), 3, "{ways:?}");
    // Not even where mail is surely closed to it.
    picture.assignments = Some(vec![role(None, AssignmentScope::MembersOf(BTreeSet::new()))]);
    assert_eq!(best_way(&picture), Outcome::Denied);
}

#[test]
fn policies_that_deny_mail_do_not_close_what_was_not_read() {
    let mut picture = picture(&[]);
    picture.policies = Some(vec![PolicyPicture {
        identity: "deny".to_owned(),
        app: None,
        right: Some(AccessRight::Deny),
        scope: anna(),
    }]);
    assert_eq!(best_way(&picture), Outcome::Denied);
    picture.app.consents = EntraGrants::Unread;
    let mail = picture.effective_access(&anna(), &Question::Graph(&["Mail.ReadWrite"]));
    assert_eq!(mail.outcome, Outcome::Denied, "{mail}");
    // A consent that policies do not limit may be among them.
    assert_eq!(best_way(&picture), Outcome::Unknown);
}

#[test]
fn a_consent_without_a_name_may_be_any() {
    let graph = picture(&[EntraGrant::graph(UNNAMED)]);
    let verdict = graph.effective_access(&anna(), &Question::Graph(&["Mail.Read"]));
    assert_eq!(verdict.outcome, Outcome::Unknown, "{verdict}");
    assert!(verdict.to_string().contains("has no name"), "{verdict}");
    assert_eq!(best_way(&graph), Outcome::Unknown);
    // Of its own API.
    assert_eq!(graph.effective_access(&anna(), &Question::Ews).outcome, Outcome::Denied);
    let exchange = picture(&[EntraGrant::exchange(UNNAMED)]);
    for question in [Question::Ews, Question::Smtp] {
        let verdict = exchange.effective_access(&anna(), &question);
        assert_ne!(verdict.outcome, Outcome::Allowed, "{verdict}");
    }
    assert_eq!(exchange.effective_access(&anna(), &Question::Ews).outcome, Outcome::Unknown);
    assert_eq!(exchange.effective_access(&anna(), &Question::Graph(&["Mail.Read"])).outcome, Outcome::Denied);
}

#[test]
fn what_is_consented_everywhere_reaches_nothing_through_a_closed_way() {
    let question = Question::Ews;
    let everywhere = |picture: &AccessPicture| {
        let reached: Vec<Reached> = picture.mailboxes_of(&question).collect();
        let every = reached.iter().any(|r| matches!(r, Reached::EveryMailbox { .. }));
        let others = reached.iter().any(|r| matches!(r, Reached::Others { .. }));
        (every, others)
    };
    let mut picture = picture(&[EntraGrant::exchange("full_access_as_app")]);
    assert_eq!(everywhere(&picture), (true, false));
    picture.organization.ews = None;
    assert_eq!(everywhere(&picture), (false, true), "not read is neither");
    picture.organization.ews = Some(OrganizationEws { enabled: Some(false), ..OrganizationEws::default() });
    assert_eq!(everywhere(&picture), (false, false));
    picture.organization.ews = Some(OrganizationEws::default());
    picture.app.principal = EntraPrincipal::Present { object_id: object(), enabled: false };
    assert_eq!(everywhere(&picture), (false, false));
}
