//! A profile that cannot work gets a message with its place or the offending name, and nothing is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may fail loudly")]

mod common;

use common::{World, is_write};
use m365_core::{Error, ErrorKind};
use mail_access::AccessProfile;
use tenant_sim::state::{Application, ExchangeServicePrincipal, ManagementScope, ServicePrincipal, Timed};
use uuid::Uuid;

/// A profile that works; tests break one line of it.
const GOOD: &str = r#"name = "good"
summary = "Works."

[[app]]
unique_name = "acme-reader"
display_name = "Acme Reader"
permissions = ["Mail.Read"]

[app.credential]
secret_lifetime_days = 90

[app.scope]
grant = "rbac"
group = { address = "acme-readers@contoso.example", create = true }
mailboxes = ["alice@contoso.example"]
canary = "ceo@contoso.example"
"#;

fn read(text: &str) -> Result<AccessProfile, Error> {
    AccessProfile::from_toml("acme.toml", text)
}

fn broken(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

/// The line on which a text stands in the profile, as `file:line`.
fn place(text: &str, part: &str) -> String {
    let line =
        text.lines().position(|l| l.contains(part)).unwrap_or_else(|| panic!("{part} is not in {text}")) + 1;
    format!("acme.toml:{line}")
}

#[test]
fn what_the_text_alone_gets_wrong() {
    let second = GOOD.split_once("[[app]]").map(|(_, app)| format!("[[app]]{app}")).unwrap();
    let cases = [
        ("an unknown key", broken("display_name =", "colour = \"red\"\ndisplay_name ="), "colour", "colour"),
        ("an unknown table", broken("[app.credential]", "[app.credentials]"), "credentials", "credentials"),
        ("an unknown grant mode", broken("\"rbac\"", "\"exchange\""), "\"exchange\"", "exchange"),
        (
            "an address that is none",
            broken("alice@contoso.example", "alice at contoso"),
            "alice at",
            "address",
        ),
        ("a canary in scope", broken("ceo@contoso.example", "alice@contoso.example"), "mailboxes", "canary"),
        (
            "the same app twice",
            format!("{GOOD}\n{second}"),
            "unique_name",
            "two apps are called \"acme-reader\"",
        ),
        ("IMAP by roles", broken("Mail.Read", "IMAP.AccessAsApp"), "IMAP.Acc", "IMAP.AccessAsApp"),
        (
            "a permission nobody knows here",
            broken("Mail.Read", "Sites.Fly.All"),
            "Sites.Fly",
            "not consented to by the way",
        ),
        (
            "a write to the directory",
            broken("Mail.Read", "Directory.ReadWrite.All"),
            "Directory.Read",
            "not consented to by the way",
        ),
        ("a name for no file", GOOD.replacen("name = \"", "name = \"../", 1), "name = ", "no profile name"),
        (
            "two scopes in one group",
            format!(
                "{GOOD}\n{}",
                second.replace("\"acme-reader\"", "\"acme-other\"").replace("alice@", "bob@")
            ),
            "acme-readers@",
            "name different mailboxes",
        ),
        ("a right to everything", broken("Mail.Read", "full_access_as_app"), "full_acc", "every mailbox"),
        (
            "no role for it",
            broken("Mail.Read", "Calendars.ReadBasic.All"),
            "ReadBasic",
            "no application role",
        ),
        (
            "the same permission twice",
            broken("\"Mail.Read\"", "\"Mail.Read\", \"Mail.Read\""),
            "Mail.Read",
            "twice",
        ),
        ("a secret for ever", broken("= 90", "= 9000"), "9000", "730"),
        ("no mailbox", broken("[\"alice@contoso.example\"]", "[]"), "unique_name", "names no mailbox"),
        ("no group", broken("group = {", "# group = {"), "unique_name", "needs a group"),
        (
            "a permission that policies do not limit",
            broken("\"rbac\"", "\"access-policy\"").replace("Mail.Read", "MailboxItem.Read.All"),
            "MailboxItem",
            "would open every mailbox",
        ),
    ];
    assert!(read(GOOD).is_ok());
    for (what, text, at, says) in cases {
        let error = read(&text).expect_err(what);
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{what}: {message}");
        assert!(message.contains(says), "{what}: {message}");
        assert!(message.contains(&format!("{}:", place(&text, at))), "{what}: {message}");
    }
}

/// Plans, and gives the error; the tenant must be as it was.
async fn refused(world: &World, what: &str, text: &str) -> Error {
    let profile = read(text).unwrap_or_else(|e| panic!("{what}: {e}"));
    let before = world.tenant.state_snapshot();
    world.tenant.clear_journal();
    let plan = world.onboarding().plan(&profile).await;
    let error = match plan {
        Err(error) => error,
        Ok(plan) => panic!("{what}: planned {:?}", plan.steps.iter().map(|s| &s.id).collect::<Vec<_>>()),
    };
    assert_eq!(world.tenant.state_snapshot(), before, "{what}: something was changed");
    let writes: Vec<_> = world.tenant.journal().into_iter().filter(is_write).collect();
    assert!(writes.is_empty(), "{what}: {writes:?}");
    error
}

#[tokio::test]
async fn what_the_tenant_does_not_have() {
    let world = World::instant().await;
    let readers = "acme-readers@contoso.example\", create = true";
    let cases = [
        ("another domain", broken("alice@contoso.example", "alice@fabrikam.example"), "alice@fabrikam.example", ""),
        ("another domain's canary", broken("ceo@contoso", "ceo@fabrikam"), "ceo@fabrikam.example", ""),
        ("an absent mailbox", broken("alice@", "nobody@"), "nobody@contoso.example", "MBX-INVALID-USER"),
        ("an absent canary", broken("ceo@", "nobody@"), "nobody@contoso.example", "MBX-INVALID-USER"),
        ("a user without mailbox", broken("alice@", "temp@"), "temp@contoso.example", "MBX-INVALID-USER"),
        ("a mailbox on premises", broken("alice@", "olga@"), "olga@contoso.example", "MBX-NOT-REST"),
        ("an alias", broken("alice@contoso", "a.adams@contoso"), "a.adams@contoso.example", ""),
        (
            "a group with other members",
            broken(readers, "presence-users@contoso.example\", create = true"),
            "presence-users@contoso.example",
            "",
        ),
        ("an absent group", broken("create = true", "create = false"), "acme-readers@contoso.example", ""),
        (
            "a distribution list",
            broken(readers, "all-staff@contoso.example\", create = true"),
            "all-staff@contoso.example",
            "PROV-AAP-NOT-SECURITY-PRINCIPAL",
        ),
        (
            "a Microsoft 365 group",
            broken(readers, "apollo@contoso.example\", create = true"),
            "apollo@contoso.example",
            "PROV-AAP-NOT-SECURITY-PRINCIPAL",
        ),
        (
            "a mailbox in the place of a group",
            broken(readers, "bob@contoso.example\", create = true"),
            "bob@contoso.example",
            "PROV-AAP-NOT-SECURITY-PRINCIPAL",
        ),
        ("a permission unknown to the tenant", broken("\"Mail.Read\"", "\"Mail.Read\", \"OrgContact.Read.All\""), "OrgContact.Read.All", ""),
        (
            "a shared mailbox that is a list",
            GOOD.replacen("[[app]]", "[[shared_mailbox]]\naddress = \"all-staff@contoso.example\"\ndisplay_name = \"x\"\n\n[[app]]", 1),
            "all-staff@contoso.example",
            "",
        ),
    ];
    for (what, text, name, diagnosis) in cases {
        let error = refused(&world, what, &text).await;
        let message = error.to_string();
        assert!(message.contains(name), "{what}: {message}");
        assert!(message.contains(&format!("{}:", place(&text, name))), "{what}: {message}");
        if !diagnosis.is_empty() {
            assert_eq!(error.diagnosis().id(), diagnosis, "{what}: {message}");
        }
    }
}

/// Variables are named so that no machine has them, and set by nobody: a test must not change the environment of others.
#[tokio::test]
async fn a_secret_from_the_environment_that_is_not_set() {
    let world = World::instant().await;
    let text = broken("secret_lifetime_days = 90", "secret_env = \"ACME_TEST_NOT_SET_3F6D0C1A\"");
    let error = refused(&world, "not set", &text).await;
    assert!(error.to_string().contains("ACME_TEST_NOT_SET_3F6D0C1A is not set"), "{error}");
    assert!(error.to_string().contains(&place(&text, "ACME_TEST_NOT_SET")), "{error}");
    assert!(world.tenant.journal().is_empty(), "nothing is even asked");
}

const GUID_VARIABLE: &str = "ACME_TEST_SECRET_ID_8C2E";
const GUID: &str = "3f6d0c1a-2b3c-4d5e-8f90-a1b2c3d4e5f6";

/// The variable must exist before the process starts, so the test runs itself once more.
#[test]
fn a_secret_that_is_a_secret_id() {
    if std::env::var_os(GUID_VARIABLE).is_none() {
        let this = std::env::current_exe().unwrap();
        let output = std::process::Command::new(this)
            .args(["--exact", "a_secret_that_is_a_secret_id", "--nocapture"])
            .env(GUID_VARIABLE, GUID)
            .output()
            .unwrap();
        let told =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::instant().await;
        let text = broken("secret_lifetime_days = 90", &format!("secret_env = \"{GUID_VARIABLE}\""));
        let error = refused(&world, "a GUID", &text).await;
        assert!(error.to_string().contains(&place(&text, GUID_VARIABLE)), "{error}");
        assert!(error.to_string().contains("Secret ID") && error.to_string().contains("Value"), "{error}");
        assert_eq!(error.diagnosis().id(), "AUTH-SECRET-ID");
        assert!(!format!("{error} {error:?}").contains(GUID), "what was given is not repeated: {error}");
        assert!(world.tenant.journal().is_empty(), "nothing is even asked");
    });
}

/// The registration of the profile's app, with its enterprise application.
fn registration(world: &World) {
    world.tenant.with_state(|state| {
        state.directory.applications.push(Timed::always(Application {
            id: Uuid::from_u128(0xA0),
            app_id: Uuid::from_u128(0xA1),
            unique_name: Some("acme-reader".to_owned()),
            display_name: "Acme Reader".to_owned(),
            sign_in_audience: "AzureADMyOrg".to_owned(),
            required_resource_access: Vec::new(),
            passwords: Vec::new(),
            keys: Vec::new(),
            owners: Vec::new(),
            notes: None,
            tags: Vec::new(),
        }));
        state.directory.service_principals.push(Timed::always(ServicePrincipal {
            id: Uuid::from_u128(0xA2),
            app_id: Uuid::from_u128(0xA1),
            display_name: "Acme Reader".to_owned(),
            account_enabled: true,
            app_roles: Vec::new(),
        }));
    });
}

#[tokio::test]
async fn trap_exchange_was_told_the_object_id_of_the_registration() {
    let imap = broken("\"rbac\"", "\"mailbox-permission\"")
        .replace("Mail.Read", "IMAP.AccessAsApp")
        .replace("group = {", "# group = {");
    for text in [GOOD.to_owned(), imap] {
        let world = World::instant().await;
        registration(&world);
        world.tenant.with_state(|state| {
            state.exchange.service_principals.push(Timed::always(ExchangeServicePrincipal {
                app_id: Uuid::from_u128(0xA1),
                object_id: Uuid::from_u128(0xA0),
                display_name: "Acme Reader".to_owned(),
                identity: Uuid::from_u128(0xE1),
                sid: "S-1-5-21-1-1-1-1".to_owned(),
            }));
        });
        let error = refused(&world, "the registration's object id", &text).await;
        let message = error.to_string();
        assert_eq!(error.diagnosis().id(), "PROV-WRONG-OBJECT-ID", "{message}");
        for id in [Uuid::from_u128(0xA0), Uuid::from_u128(0xA2)] {
            assert!(message.contains(&id.to_string()), "{message}");
        }
        assert!(message.contains(&place(&text, "unique_name")), "{message}");
    }
}

#[tokio::test]
async fn trap_a_scope_of_our_name_with_another_filter() {
    for (filter, exclusive) in
        [("Alias -eq 'ceo'", false), ("Name -like '*'", false), ("Alias -eq 'ceo'", true)]
    {
        // Also before the app exists: the scope's name is the first thing that it would meet.
        for exists in [true, false] {
            let world = World::instant().await;
            if exists {
                registration(&world);
            }
            world.tenant.with_state(|state| {
                state.exchange.scopes.push(Timed::always(ManagementScope {
                    name: "acme-reader mailboxes".to_owned(),
                    recipient_filter: filter.to_owned(),
                    exclusive,
                }));
            });
            let error = refused(&world, filter, GOOD).await;
            assert!(error.to_string().contains("\"acme-reader mailboxes\""), "{error}");
            assert!(error.to_string().contains(&place(GOOD, "acme-readers@")), "{error}");
        }
    }
}

#[tokio::test]
async fn trap_a_tenant_with_the_shared_default_configuration() {
    let world = World::instant().await;
    world.tenant.with_state(|state| state.exchange.dehydrated = true);
    let error = refused(&world, "dehydrated", GOOD).await;
    assert_eq!(error.diagnosis().id(), "PROV-DEHYDRATED");
    assert!(error.to_string().contains("Enable-OrganizationCustomization"), "{error}");
}
