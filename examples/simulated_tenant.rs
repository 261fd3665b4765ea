//! How a vendor uses the simulated tenant in tests of its own: start one, break it, move its time, read its journal.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::time::Duration;

use m365_core::{Error, Result};
use tenant_sim::{Fault, Scenario, Tenant};

#[tokio::main]
async fn main() -> Result<()> {
    let tenant = Tenant::start(Scenario::contoso())
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    println!("https {}  imap {}  tenant {}", tenant.https_url(), tenant.imap_addr(), tenant.tenant_id());

    // The set-up identity of the scenario reads the directory with our own crates …
    let onboarding = examples::onboarding(&tenant)?;
    let profile = examples::reader_profile("acme-tested", "invoices@contoso.example")?;

    // … while the tenant throttles once and drops one connection after it has acted.
    tenant.faults().inject(Fault::status(429).with_retry_after("2.5").on_path("/applications"));
    tenant.faults().inject(Fault::drop_after().on_path("/servicePrincipals").on_method("POST"));
    let plan = onboarding.plan(&profile).await?;
    let before = tenant.clock().now();
    onboarding.apply(&plan, &()).await?;
    println!(
        "{} steps taken despite two faults; {} of the tenant's time went by",
        plan.steps.len(),
        humane(m365_core::until(before, tenant.clock().now()))
    );

    // Two hours later everything is enforced; nobody had to wait.
    tenant.clock().advance(jiff::SignedDuration::from_hours(2));
    let proof = onboarding.verify(&profile, None, &mail_access::VerifyOptions::default(), &()).await?;
    println!("proven: {}", proof.is_proven());
    for check in proof.open_points() {
        println!("  {check}");
    }

    // The journal names calls, never tokens, secrets or bodies.
    let journal = tenant.journal();
    println!("the journal holds {} requests; its last five:", journal.len());
    for entry in journal.iter().rev().take(5).rev() {
        let status = entry.status.map_or_else(|| "-".to_owned(), |s| s.to_string());
        println!("  {:>4} {:<4} {status:>3} {}", entry.seq, entry.method, entry.path);
    }
    Ok(())
}

fn humane(duration: Duration) -> String {
    format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60)
}
