//! Permissions on folders, sending as somebody, and the list of apps for EWS, in the simulated tenant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use exchange_admin::cmdlets::*;
use exchange_admin::{
    CalendarSharing, ClientId, Cmdlet, Ensured, ErrorKind, ExchangeAdmin, FolderAccess, FolderGrantee,
    FolderIdentity, FolderPath, FolderRight, FolderRole, MailboxAddress, RecipientIdentity, TenantId,
};
use graph_auth::ClientSecretCredential;
use jiff::SignedDuration;
use m365_core::transport::ReqwestTransport;
use m365_core::{Clock, Cloud, Credential, Pipeline, SharedClock, Transport};
use tenant_sim::{Propagation, Scenario, SimClock, Tenant};

/// Waiting on it moves the tenant's time.
#[derive(Clone, Debug)]
struct TenantClock(SimClock);

impl Clock for TenantClock {
    fn now(&self) -> jiff::Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(SignedDuration::try_from(duration).unwrap());
        tokio::task::yield_now().await;
    }
}

async fn world() -> (Tenant, ExchangeAdmin) {
    let builder = Tenant::builder().scenario(Scenario::contoso()).propagation(Propagation::realistic());
    let tenant = builder.start().await.unwrap();
    let base: url::Url = format!("{}/", tenant.http_url().trim_end_matches('/')).parse().unwrap();
    let cloud = Cloud::public().with_base_urls(base.clone(), base.clone(), base);
    let clock = SharedClock::new(TenantClock(tenant.clock().clone()));
    let transport = Transport::new(ReqwestTransport::new().unwrap());
    let id = TenantId::from_bytes(*tenant.tenant_id().as_bytes());
    let setup = tenant.setup_identity();
    let client = ClientId::from_bytes(*setup.client_id.as_bytes());
    let credential = ClientSecretCredential::new(cloud.clone(), id.into(), client, setup.secret.into())
        .unwrap()
        .with_transport(transport.clone())
        .with_clock(clock.clone());
    let pipeline =
        Pipeline::builder(cloud, transport, Credential::new(credential)).app("stories").clock(clock).build();
    let admin = ExchangeAdmin::new(pipeline, id);
    (tenant, admin)
}

fn address(name: &str) -> MailboxAddress {
    MailboxAddress::parse(&format!("{name}@contoso.example")).unwrap()
}

fn mailbox(name: &str) -> RecipientIdentity {
    address(name).into()
}

/// Writes that reached the tenant.
fn writes(tenant: &Tenant) -> usize {
    let lines = tenant.journal();
    lines
        .iter()
        .filter(|e| {
            format!("{e:?}").contains("-MailboxFolderPermission ") && !format!("{e:?}").contains("Get-")
        })
        .count()
}

fn speaks(tenant: &Tenant, name: &str, language: &str) {
    tenant.with_state(|state| {
        let wanted = address(name);
        let mut boxes = state.exchange.mailboxes.iter();
        let id = boxes.find(|m| m.value.primary_smtp_address == wanted.as_str()).unwrap().value.object_id;
        state.exchange.folder_languages.insert(id, language.to_owned());
        state.exchange.own_folders.insert(id, vec!["Calendar".to_owned()]);
    });
}

#[tokio::test]
async fn a_reviewer_on_every_calendar_whatever_it_is_called() {
    let (tenant, admin) = world().await;
    for (name, language, called) in
        [("alice", "en", "Calendar"), ("bob", "de", "Kalender"), ("carol", "pl", "Kalendarz")]
    {
        speaks(&tenant, name, language);
        let calendar = admin.calendar_folder(address(name)).await.unwrap();
        assert_eq!(calendar.name, called);
        let wanted = AddMailboxFolderPermission::new(
            calendar.identity(address(name)),
            FolderGrantee::from(address("dave")),
            FolderRole::Reviewer,
        );
        assert!(admin.ensure_folder_permission(&wanted).await.unwrap().is_created());
        let before = writes(&tenant);
        let again = admin.ensure_folder_permission(&wanted).await.unwrap();
        assert!(matches!(again, Ensured::AlreadyThere(ref e) if e.access == FolderRole::Reviewer.into()));
        assert!(before > 0);
        assert_eq!(writes(&tenant), before, "a second time writes nothing");
    }
}

#[tokio::test]
async fn trap_8_an_entry_is_widened_and_what_it_allowed_stays() {
    let (_tenant, admin) = world().await;
    let calendar = admin.calendar_folder(address("alice")).await.unwrap().identity(address("alice"));
    let to = |access: FolderAccess| {
        AddMailboxFolderPermission::new(calendar.clone(), FolderGrantee::from(address("dave")), access)
    };
    admin.ensure_folder_permission(&to(FolderRole::Contributor.into())).await.unwrap();
    let widened = admin.ensure_folder_permission(&to(FolderRole::Reviewer.into())).await.unwrap();
    let wanted = [FolderRight::CreateItems, FolderRight::FolderVisible, FolderRight::ReadItems];
    assert_eq!(widened.value().access, FolderAccess::of_rights(wanted));
    let everybody =
        AddMailboxFolderPermission::new(calendar, FolderGrantee::Default, FolderRole::LimitedDetails);
    let closed = admin.ensure_folder_permission(&everybody).await.unwrap();
    assert_eq!(closed.value().user, FolderUser::Default);
}

#[tokio::test]
async fn trap_10_who_is_a_delegate_stays_one_and_nobody_becomes_one_by_the_way() {
    let (_tenant, admin) = world().await;
    let calendar = admin.calendar_folder(address("alice")).await.unwrap().identity(address("alice"));
    let dave = FolderGrantee::from(address("dave"));
    let editor = AddMailboxFolderPermission::new(calendar.clone(), dave.clone(), FolderRole::Editor);
    let delegate = editor.clone().with_sharing(CalendarSharing::Delegate);
    let made = admin.ensure_folder_permission(&delegate).await.unwrap();
    assert_eq!(made.value().sharing, Some(CalendarSharing::Delegate));
    let owner = AddMailboxFolderPermission::new(calendar.clone(), dave.clone(), FolderRole::Owner);
    let widened = admin.ensure_folder_permission(&owner).await.unwrap();
    assert_eq!(widened.value().sharing, Some(CalendarSharing::Delegate));
    let more = editor.with_sharing(CalendarSharing::DelegateWithPrivateItems);
    assert_eq!(admin.ensure_folder_permission(&more).await.unwrap_err().kind(), ErrorKind::Conflict);
    let reset = RemoveMailboxFolderPermission::reset_delegates(calendar.clone());
    admin.run(&reset).await.unwrap();
    let read = GetMailboxFolderPermission::new(calendar).with_user(dave);
    assert_eq!(admin.run(&read).await.unwrap().value[0].sharing, None);
}

#[tokio::test]
async fn trap_9_a_person_is_told_from_a_namesake() {
    let (tenant, admin) = world().await;
    tenant.with_state(|state| {
        for record in &mut state.exchange.mailboxes {
            if record.value.alias == "bob" {
                record.value.display_name = "Dave Dunn".to_owned();
            }
        }
    });
    let calendar = admin.calendar_folder(address("alice")).await.unwrap().identity(address("alice"));
    let to = |who: &str| {
        AddMailboxFolderPermission::new(
            calendar.clone(),
            FolderGrantee::from(address(who)),
            FolderRole::Reviewer,
        )
    };
    assert!(admin.ensure_folder_permission(&to("bob")).await.unwrap().is_created());
    // The list shows "Dave Dunn", and it is not this Dave Dunn's entry.
    assert!(admin.ensure_folder_permission(&to("dave")).await.unwrap().is_created());
    let gone = RemoveMailboxFolderPermission::new(calendar.clone(), FolderGrantee::from(address("bob")));
    assert_eq!(admin.run(&gone).await.unwrap().value, exchange_admin::Removal::Removed);
    assert_eq!(admin.run(&gone).await.unwrap().value, exchange_admin::Removal::AlreadyGone);
    let dave = GetMailboxFolderPermission::new(calendar).with_user(FolderGrantee::from(address("dave")));
    assert_eq!(admin.run(&dave).await.unwrap().value.len(), 1);
}

#[tokio::test]
async fn folders_and_people_that_are_not_there_are_errors_and_never_empty_lists() {
    let (_tenant, admin) = world().await;
    let nowhere = FolderIdentity::at(address("alice"), FolderPath::parse("Kalender").unwrap());
    let read = GetMailboxFolderPermission::new(nowhere).with_user(FolderGrantee::from(address("dave")));
    assert_eq!(admin.run(&read).await.unwrap_err().kind(), ErrorKind::NotFound);
    let nobody = admin.calendar_folder(address("nobody")).await;
    assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn sending_as_somebody_is_ensured_once() {
    let (_tenant, admin) = world().await;
    let wanted = AddRecipientPermission::send_as(mailbox("invoices"), mailbox("dave"));
    assert!(admin.ensure_send_as(&wanted).await.unwrap().is_created());
    assert!(!admin.ensure_send_as(&wanted).await.unwrap().is_created());
    let all = admin.run(&GetRecipientPermission::new(mailbox("invoices"))).await.unwrap().value;
    assert_eq!(all.iter().filter(|e| e.trustee == "Dave Dunn").count(), 1);
    admin.run(&RemoveRecipientPermission::send_as(mailbox("invoices"), mailbox("dave"))).await.unwrap();
    assert!(admin.ensure_send_as(&wanted).await.unwrap().is_created());
}

#[tokio::test]
async fn trap_17_apps_are_added_to_the_list_for_ews_and_none_is_taken_off() {
    let (_tenant, admin) = world().await;
    let (teams, ours) = ("cc15fd57-2c6c-4117-a88c-83b1d56b4bbe", "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d");
    let (teams, ours) = (ClientId::parse(teams).unwrap(), ClientId::parse(ours).unwrap());
    let first = SetOrganizationConfig::new().with_ews_allowed_apps([teams].into_iter().collect());
    admin.run(&first).await.unwrap();
    let listed = admin.ensure_ews_allowed_app(ours).await.unwrap();
    assert!(listed.is_created() && listed.value().contains(teams) && listed.value().contains(ours));
    assert!(!admin.ensure_ews_allowed_app(ours).await.unwrap().is_created());
    let hidden = admin.run(&GetOrganizationConfig::new()).await.unwrap().value;
    assert_eq!(hidden.ews_allowed_apps, None, "not asked for is not empty");
    let agent = UserAgentPattern::parse("acme/*").unwrap();
    let lists = SetOrganizationConfig::new()
        .with_ews(EwsSwitch::On)
        .with_ews_agent_policy(EwsAgentPolicy::AllowList)
        .with_ews_agent_allowed(&agent);
    admin.run(&lists).await.unwrap();
    let shown = admin.run(&GetOrganizationConfig::new().with_ews_allowed_apps()).await.unwrap().value;
    assert_eq!(shown.ews_enabled, Some(true));
    assert!(shown.ews_agents.pass("acme/2") && !shown.ews_agents.pass("other/2"));
}

#[tokio::test]
async fn cmdlets_of_exchange_server_are_unknown_in_the_cloud() {
    let (_tenant, admin) = world().await;
    assert_eq!(GetThrottlingPolicyAssociation::FACTS.premises, exchange_admin::Premises::OnPremises);
    let refused = admin.run(&ListThrottlingPolicies::new()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::PermissionDenied);
}
