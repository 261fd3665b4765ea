//! The on-premises half of the story: profiles for an organisation's own Exchange Server.

use std::path::{Path, PathBuf};

use examples::premises::{Administrator, client_of, organization};
use exchange_admin::ScriptReceipt;
use jiff::SignedDuration;
use m365_core::{Error, MailboxAddress, Result};
use mail_access::{
    Calendar, HandoverState, OnPremisesAccess, OnPremisesPlan, OnPremisesProfile, StepOutcome,
};
use serde_json::json;
use tenant_sim::Tenant;

use super::{Bar, Options, Talk, day_of, verdict, with_name, write_receipt};

/// The profiles that are shipped for Exchange Server.
pub(super) const SHIPPED: [&str; 3] =
    ["ews-impersonation-onprem", "ews-fullaccess-onprem-2007", "ews-folder-reviewer-onprem"];

/// Sets these profiles up on a simulated Exchange Server, twice.
pub(super) async fn story(
    options: &Options,
    profiles: &[OnPremisesProfile],
    several: bool,
    talk: &mut Talk,
) -> Result<bool> {
    if options.plan || options.script.is_some() {
        for profile in profiles {
            let plan = told(profile, talk)?;
            if let Some(path) = &options.script {
                let path = if several { with_name(path, &profile.name) } else { path.clone() };
                write(&path, &plan.script().to_file()?)?;
                talk.say(&format!("Script written to {}. Nothing was changed.", path.display()));
            }
            talk.document(json!({"profile": profile.name, "plan": plan}));
        }
        return Ok(true);
    }
    if options.tenant_from_env {
        return Err(Error::invalid(
            "nothing is set up over REST on an Exchange Server: say --script FILE, have it run there, and prove it with OnPremisesPlan::verify",
        ));
    }
    let tenant = organization().await?;
    let mut administrator = Administrator::default();
    talk.heading("The same company with an Exchange Server of its own");
    talk.say(&format!(
        "Simulated: its mailboxes lie on premises, and EWS is spoken at {}. Nothing is set up there over REST: a profile\nbecomes a script, which the administrator reviews and runs.",
        tenant.on_premises_https_url()
    ));
    let mut proven = true;
    for profile in profiles {
        proven &= one(options, &tenant, &mut administrator, profile, talk).await?;
    }
    talk.heading("Once more, the same scripts on the same server");
    for profile in profiles {
        talk.profile = Some(profile.name.clone());
        let plan = profile.plan()?;
        let receipt = plan.read_receipt(&administrator.run(&tenant, profile)?)?;
        let outcome = plan.outcome(std::slice::from_ref(&receipt));
        let written: usize = outcome.iter().map(|step| step.applied).sum();
        let there: usize = outcome.iter().map(|step| step.already_there).sum();
        match written {
            0 => talk.say(&format!("{}: nothing to change; all {there} entries were there.", profile.name)),
            _ => {
                proven = false;
                talk.say(&format!("{}: {written} entries were written, which should not be.", profile.name));
            }
        }
        talk.document(json!({"profile": profile.name, "second_pass_written": written}));
    }
    Ok(proven)
}

/// One profile: plan, scripts, the administrator's run, proof and first use.
async fn one(
    options: &Options,
    tenant: &Tenant,
    administrator: &mut Administrator,
    profile: &OnPremisesProfile,
    talk: &mut Talk,
) -> Result<bool> {
    let plan = told(profile, talk)?;
    for (number, script) in (1..).zip(plan.scripts()) {
        let path = options.receipts.join(format!("{}-{number:02}.ps1", profile.name));
        write(&path, &script.to_file()?)?;
        talk.say(&format!("Script: {}", path.display()));
    }

    // A proof that cannot fail proves nothing: the same probes, before anybody ran a script.
    let client = client_of(tenant, &profile.account)?;
    let before = plan.verify(&client, &[], &()).await?;
    talk.say(&format!(
        "\nTried before anybody ran it: {} of {} checks fail, as they must.",
        before.open_points().count(),
        before.checks.len() - before.untried().count()
    ));

    talk.say("\nThe administrator runs it (simulated: there is no PowerShell here; what the script says is done to the simulated\nserver, and its receipt is written)");
    let bytes = administrator.run(tenant, profile)?;
    let receipt = plan.read_receipt(&bytes)?;
    let outcome = plan.outcome(std::slice::from_ref(&receipt));
    for step in &outcome {
        talk.say(&format!("  {} {}", mark(step), step.sentence));
    }

    let bar = Bar::new();
    talk.say(&format!(
        "\nProof, over EWS as {} by {}",
        plan.account,
        if plan.account.contains('\\') { "NTLM" } else { "Basic" }
    ));
    let proof = plan.verify(&client, std::slice::from_ref(&receipt), &bar).await?;
    drop(bar);
    verdict(&proof, talk);
    let document = json!({"profile": profile.name, "plan": plan, "outcome": outcome, "proof": proof});
    let stem = stem(profile, &receipt);
    let text = serde_json::to_string_pretty(&document)
        .map_err(|e| Error::invalid("the proof cannot be written").with_source(e))?;
    let path = write_receipt(&options.receipts, &stem, &text)?;
    talk.say(&format!("Receipt and proof: {}", path.display()));
    talk.document(document);
    if !proof.is_proven() {
        return Ok(false);
    }
    if let Some(mailbox) = profile.probes.first() {
        first_use(profile, mailbox, client, talk).await?;
    }
    Ok(true)
}

/// The plan, in words.
fn told(profile: &OnPremisesProfile, talk: &mut Talk) -> Result<OnPremisesPlan> {
    talk.profile = Some(profile.name.clone());
    talk.heading(&format!("{}: {}", profile.name, profile.summary));
    let plan = profile.plan()?;
    talk.say(&format!("Plan, for {} on {}:", plan.account, plan.server));
    for (number, step) in (1..).zip(&plan.steps) {
        let about = &step.description;
        talk.say(&format!("{number:3}. {}\n       by      {}; {}", about.sentence, about.role, about.window));
        talk.say(&format!("       undo    {}", about.inverse));
    }
    for note in &plan.notes {
        talk.say(&format!("  note: {note}"));
    }
    for probe in &plan.probes {
        talk.say(&format!("  probe: {probe}"));
    }
    Ok(plan)
}

/// What the product does with its access.
async fn first_use(
    profile: &OnPremisesProfile,
    mailbox: &MailboxAddress,
    client: ews_client::EwsClient,
    talk: &Talk,
) -> Result<()> {
    let start = day_of(client.clock().now());
    let calendar = match profile.access {
        OnPremisesAccess::Impersonation(_) => Calendar::ews(client, mailbox.clone()),
        _ => Calendar::ews_delegate(client, mailbox.clone()),
    };
    let events = calendar.view(start, start + SignedDuration::from_hours(24)).await?;
    talk.today(mailbox, "EWS", &events);
    Ok(())
}

fn mark(step: &StepOutcome) -> String {
    match step.state {
        HandoverState::Done => {
            format!("done ({} written, {} there before) ", step.applied, step.already_there)
        }
        HandoverState::Failed => "FAILED".to_owned(),
        _ => "open".to_owned(),
    }
}

fn stem(profile: &OnPremisesProfile, receipt: &ScriptReceipt) -> String {
    format!("{}.{}", profile.name, receipt.finished_at.strftime("%Y%m%dT%H%M%SZ"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent =
        path.parent().filter(|p| !p.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Into::into);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|e| Error::invalid(format!("{} cannot be written: {e}", path.display())))
}
