//! A vendor's app leaves its access policies for roles in Exchange while it is at work. One of the policies' groups has
//! another group inside it, which roles do not look into. All the time somebody tries who can be read.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::sync::atomic::{AtomicUsize, Ordering};

use exchange_admin::ApplicationRole;
use exchange_admin::migration::{Consent, MigrationOptions, MigrationStep, NestedGroups};
use m365_core::{ClientId, Error, MailboxAddress, Result};
use mail_access::migration::{AppProbe, LiveProbe, Migration, MigrationProgress, Probed};
use mail_access::{StepStatus, Wait};
use tenant_sim::state::{AccessPolicy, PolicyRight, State, Timed};
use tenant_sim::{Propagation, Scenario, ScenarioApp, ScenarioGroup, ScenarioGroupKind, Tenant};
use uuid::Uuid;

const APP: &str = "Acme Connector";
const SECRET: &str = "Acme-8Q~simulated-secret-of-the-vendor";
const WATCHED: [&str; 4] = ["alice", "bob", "invoices", "ceo"];

#[tokio::main]
async fn main() -> Result<()> {
    run().await.map(|_| ())
}

/// The whole story; gives how often the CEO's mailbox was tried, and found closed.
async fn run() -> Result<usize> {
    let tenant = Tenant::builder()
        .scenario(scenario())
        .propagation(Propagation::realistic())
        .start()
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    let app = tenant.with_state(policies)?;
    let onboarding = examples::onboarding(&tenant)?;
    let canary: MailboxAddress = "ceo@contoso.example".parse()?;
    let watch =
        Watch { probe: onboarding.probe_as(app, SECRET.to_owned().into())?, closed: AtomicUsize::new(0) };
    watch.look("Before").await?;

    println!("\nPlanned without a word about the inner group:");
    let careful = Migration::new(app, canary.clone(), MigrationOptions::new("Acme"));
    match onboarding.plan_migration(&careful).await? {
        Ok(_) => return Err(Error::invalid("the inner group was overlooked")),
        Err(blocked) => blocked.blockers.iter().for_each(|blocker| println!("  not yet: {blocker}")),
    }

    println!("\nPlanned with the inner group in the scope:");
    let options = MigrationOptions::new("Acme").with_nested(NestedGroups::Filter);
    let migration = Migration::new(app, canary, options);
    let plan = onboarding.plan_migration(&migration).await?.map_err(Error::from)?;
    for (number, step) in plan.steps.iter().enumerate() {
        println!("{:>3}. {step}\n     by {}", number + 1, step.executor);
    }
    for note in &plan.notes {
        println!("     {note}");
    }
    println!("     As scripts for the customer's administrators:");
    for script in plan.to_scripts(app)? {
        println!("       {} ({} lines, {})", script.title, script.text.lines().count(), script.executor);
    }

    println!("\nDone:");
    let started = tenant.now();
    let migrated =
        onboarding.apply_migration(&migration, &plan, &watch, &Told(&tenant)).await.map_err(Error::from)?;
    let hours = tenant.now().duration_since(started).as_hours();
    println!("  {} steps in {hours} hours of the tenant's time", migrated.steps.len());

    tenant.clock().advance(jiff::SignedDuration::from_hours(4));
    watch.look("After").await?;
    let left = tenant.with_state(|s| s.exchange.access_policies.iter().filter(|p| p.is_configured()).count());
    let again = onboarding.plan_migration(&migration).await?.map_err(Error::from)?;
    println!("  policies left: {left}; steps of another plan: {}", again.steps.len());
    let closed = watch.closed.load(Ordering::SeqCst);
    println!("  the CEO's mailbox was tried {closed} times, and never opened");
    Ok(closed)
}

/// Looks at everybody whenever the migration tries a mailbox, as the product would all day.
#[derive(Debug)]
struct Watch {
    probe: AppProbe,
    closed: AtomicUsize,
}

impl Watch {
    async fn look(&self, when: &str) -> Result<()> {
        let mut line = format!("  {when}:");
        for name in WATCHED {
            let mailbox: MailboxAddress = format!("{name}@contoso.example").parse()?;
            let seen = match self.probe.probe(ApplicationRole::MailRead, &mailbox).await? {
                Probed::Open if name == "ceo" => return Err(Error::invalid("the CEO's mailbox opened")),
                Probed::Open => "open",
                Probed::Refused => "closed",
                Probed::NotTried(_) => "not tried",
            };
            if name == "ceo" {
                self.closed.fetch_add(1, Ordering::SeqCst);
            }
            line.push_str(&format!("  {name} {seen}"));
        }
        println!("{line}");
        Ok(())
    }
}

impl LiveProbe for Watch {
    async fn until_gone(&self, consent: &Consent) -> Result<()> {
        self.probe.until_gone(consent).await?;
        self.look(&format!("without the consent to {consent}")).await
    }

    async fn probe(&self, role: ApplicationRole, mailbox: &MailboxAddress) -> Result<Probed> {
        self.probe.probe(role, mailbox).await
    }
}

/// Tells of steps and of long waits.
struct Told<'a>(&'a Tenant);

impl MigrationProgress for Told<'_> {
    fn step_finished(&self, step: &MigrationStep, status: StepStatus) {
        println!("  {} {status:?}: {}", self.0.now().strftime("%a %H:%M"), step.id);
    }

    fn waiting(&self, wait: &Wait<'_>, now: jiff::Timestamp) {
        if now == wait.from {
            println!(
                "  {} waiting for {} until {}",
                now.strftime("%a %H:%M"),
                wait.reason,
                wait.until.strftime("%a %H:%M")
            );
        }
    }
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::contoso();
    let group = |name: &str, members: &[&str]| ScenarioGroup {
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind: ScenarioGroupKind::MailEnabledSecurity,
        members: members.iter().map(|m| (*m).to_owned()).collect(),
    };
    scenario.groups.extend([
        group("sales", &["alice"]),
        group("sales-north", &["bob"]),
        group("billing", &["invoices"]),
    ]);
    scenario.apps.push(ScenarioApp {
        display_name: APP.to_owned(),
        unique_name: None,
        made_in_portal: false,
        graph_roles: vec!["Mail.Read".to_owned(), "Calendars.Read".to_owned()],
        exchange_roles: Vec::new(),
        secret: Some(SECRET.to_owned()),
        directory_roles: Vec::new(),
        role_groups: Vec::new(),
    });
    scenario
}

/// Two restrictions, made years ago; one group has another one inside.
fn policies(state: &mut State) -> Result<ClientId> {
    let id = |state: &State, name: &str| {
        let mut groups = state.exchange.groups.iter();
        groups.find(|g| g.value.name == name).map(|g| g.value.object_id).unwrap_or_default()
    };
    let app = state.directory.applications.iter().find(|a| a.value.display_name == APP);
    let app: Uuid = app.map(|a| a.value.app_id).unwrap_or_default();
    let (inner, restricted) = (id(state, "sales-north"), [id(state, "sales"), id(state, "billing")]);
    for group in state.exchange.groups.iter_mut().filter(|g| g.value.name == "sales") {
        group.value.members.push(Timed::always(inner));
    }
    for scope in restricted {
        let policy = AccessPolicy {
            app_id: Some(app),
            scope,
            right: PolicyRight::Restrict,
            description: "Acme Connector".to_owned(),
        };
        state.exchange.access_policies.push(Timed::always(policy));
    }
    ClientId::parse(&app.to_string())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_story_ends_with_the_ceo_closed() {
        assert!(super::run().await.unwrap() >= 4);
    }
}
