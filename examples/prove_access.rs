//! What an auditor asks: may this app open this mailbox, why, and who else may? Every answer comes with its evidence, and
//! what could not be read is said, never guessed.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use m365_core::{ClientId, Error, MailboxAddress, Result};
use mail_access::access::{EntraGrant, Question, Reached};
use mail_access::{AccessProfile, Onboarding};
use tenant_sim::state::{AppRoleAssignment, Timed};
use tenant_sim::{Fault, Propagation, Scenario, Tenant};

const READING: Question<'static> = Question::Graph(&["Mail.Read", "Mail.ReadWrite"]);

#[tokio::main]
async fn main() -> Result<()> {
    let tenant = Tenant::builder()
        .scenario(Scenario::contoso())
        .propagation(Propagation::instant())
        .start()
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    let onboarding = examples::onboarding(&tenant)?;
    let invoices: MailboxAddress = "invoices@contoso.example".parse()?;
    let ceo: MailboxAddress = "ceo@contoso.example".parse()?;

    // A well-kept app: one role, one group.
    let profile = examples::reader_profile("acme-reader", invoices.as_str())?;
    let reader = set_up(&onboarding, &profile, "acme-reader-graph").await?;
    // And one that was well-kept until somebody pressed "grant admin consent" in the portal.
    let profile = examples::reader_profile("fabrikam-archive", invoices.as_str())?;
    let archive = set_up(&onboarding, &profile, "fabrikam-archive-graph").await?;
    consent_in_the_portal(&tenant, archive, "Mail.Read")?;

    let needs = [EntraGrant::graph("Mail.Read")];
    title("1. The reader and its mailbox");
    println!("{}", onboarding.prove_access(reader, &invoices, &READING, &needs).await);
    title("2. The reader and the chief executive's mailbox");
    println!("{}", onboarding.prove_access(reader, &ceo, &READING, &needs).await);
    title("3. The archive has a role with a scope, and is in every mailbox all the same");
    println!("{}", onboarding.prove_access(archive, &ceo, &READING, &needs).await);

    title("4. Somebody may not read the management scopes, and so nothing is proven");
    tenant.faults().inject(Fault::status(403).on_cmdlet("Get-ManagementScope").times(100));
    tenant.faults().inject(Fault::status(403).on_cmdlet("Test-ServicePrincipalAuthorization").times(100));
    println!("{}", onboarding.prove_access(reader, &ceo, &READING, &needs).await);
    tenant.faults().clear();

    title("5. Which mailboxes do they reach?");
    for (name, app) in [("acme-reader-graph", reader), ("fabrikam-archive-graph", archive)] {
        println!("{name}");
        for line in onboarding.mailboxes_of(app, &READING).await {
            match line {
                Reached::EveryMailbox { because } => {
                    println!("  EVERY mailbox of the organisation, new ones too");
                    because.iter().for_each(|wide| println!("    ! {wide}"));
                }
                Reached::Mailbox { address, verdict, .. } => {
                    println!("  {:<8} {address}", verdict.outcome.to_string());
                }
                Reached::Others { why } => println!("  unknown  all others: {why}"),
                _ => {}
            }
        }
    }

    title("6. Which apps reach this mailbox?");
    println!("{}", onboarding.apps_of(&invoices).await?);
    Ok(())
}

fn title(text: &str) {
    println!("\n{text}\n{}", "=".repeat(text.len()));
}

/// Sets a profile up and gives the client id of one of its apps.
async fn set_up(onboarding: &Onboarding, profile: &AccessProfile, app: &str) -> Result<ClientId> {
    onboarding.apply(&onboarding.plan(profile).await?, &()).await?;
    let app = profile.apps.iter().find(|a| a.unique_name == app);
    let app = app.ok_or_else(|| Error::invalid("the profile lacks the app"))?;
    Ok(onboarding.session(profile, app).await?.client_id())
}

/// What a click in the portal does: a consent for the whole tenant.
fn consent_in_the_portal(tenant: &Tenant, app: ClientId, permission: &str) -> Result<()> {
    tenant.with_state(|state| {
        let directory = &mut state.directory;
        let principals = &directory.service_principals;
        let holder = principals.iter().find(|p| p.value.app_id.to_string() == app.to_string());
        let offered = principals.iter().find_map(|api| {
            let is_graph = api.value.app_id.to_string() == ClientId::MICROSOFT_GRAPH.to_string();
            let role = api.value.app_roles.iter().find(|r| is_graph && r.value == permission)?;
            Some((api.value.id, role.id))
        });
        let (Some(holder), Some((resource_id, app_role_id))) = (holder, offered) else {
            return Err(Error::invalid("the simulated tenant lacks the app or the permission"));
        };
        let consent = AppRoleAssignment {
            id: "pressed-in-the-portal".to_owned(),
            principal_id: holder.value.id,
            resource_id,
            app_role_id,
        };
        directory.app_role_assignments.push(Timed::always(consent));
        Ok(())
    })
}
