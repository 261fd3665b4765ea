//! Nobody gives the vendor an administrator's rights: the customer's own people run scripts, each their part, and hand back
//! what the scripts print. Once for an app in Microsoft 365, once for a service account on an Exchange Server.
//!
//! There is no PowerShell here. The receipts that are read back come from the same steps taken over REST on the simulated
//! tenant, in the form in which the scripts print them.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::path::{Path, PathBuf};

use clap::Parser;
use exchange_admin::cmdlets::AddMailboxFolderPermission;
use exchange_admin::{
    Ensured, FolderGrantee, FolderRole, OnPremisesMailboxes, ScriptReceipt, Shell, ThrottlingPolicyName,
};
use graph_auth::AdminConsent;
use m365_core::{Error, MailboxAddress, Result};
use mail_access::{
    AccessProfile, AppProfile, Applied, Handover, HandoverPart, HandoverState, OnPremisesAccess,
    OnPremisesPlan, OnPremisesProfile, Plan, Profile, StepOutcome, StepStatus,
};
use serde_json::json;
use tenant_sim::{Scenario, Tenant};

/// Writes the scripts and the runbook of two profiles, and reads receipts back.
#[derive(Parser)]
#[command(name = "handover_script")]
struct Options {
    /// Where scripts, runbooks and receipts are written
    #[arg(long, value_name = "DIR", default_value = "target/handover")]
    out: PathBuf,
    /// This profile instead of the two of the story: for Microsoft 365 or for an Exchange Server
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let tenant = Tenant::start(Scenario::contoso())
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    if let Some(path) = &options.profile {
        return match profile(path)? {
            Profile::Cloud(profile) => cloud(&options, &profile, &tenant).await,
            Profile::OnPremises(profile) => told(&options, &profile.plan()?),
        };
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/imap-fetch.toml");
    let Profile::Cloud(shipped) = profile(&shipped)? else {
        return Err(Error::invalid("the shipped profile is for an Exchange Server"));
    };
    println!("=== An app in Microsoft 365 ===\n");
    cloud(&options, &shipped, &tenant).await?;
    println!("\n=== A service account on Exchange Server ===\n");
    on_premises(&options, &tenant).await
}

fn profile(path: &Path) -> Result<Profile> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::invalid(format!("the profile {} cannot be read: {e}", path.display())))?;
    Profile::from_toml(&path.display().to_string(), &text)
}

async fn cloud(options: &Options, profile: &AccessProfile, tenant: &Tenant) -> Result<()> {
    let onboarding = examples::onboarding(tenant)?;
    let plan = onboarding.plan(profile).await?;
    for note in &plan.notes {
        println!("* {note}");
    }
    let handover = plan.handover()?;
    let folder = options.out.join(&profile.name);
    for part in &handover.parts {
        write(&folder, &part.file_name, &part.to_file())?;
    }
    write(&folder, "runbook.txt", handover.runbook().as_bytes())?;
    println!("{}", handover.runbook());
    println!("{} scripts and the runbook are in {}.\n", handover.parts.len(), folder.display());

    // The first person runs their part …
    let Some((first, rest)) = handover.parts.split_first() else {
        println!("Nothing is left to hand over.");
        return Ok(());
    };
    let mut receipts = vec![take(&onboarding, &handover, &plan, first, &folder).await?];
    println!("{} ran {}. What is left:", first.role, first.file_name);
    left(&handover.outcome(&receipts));

    // … and with the app there, consent may as well be clicked.
    let picture = onboarding.read(profile).await?;
    let consents = |app: &AppProfile| {
        let id = format!("{}/consent/", app.unique_name);
        plan.steps.iter().any(|step| step.id.starts_with(&id))
    };
    for app in profile.apps.iter().filter(|app| consents(app)) {
        let Some(client) = picture.apps.get(&app.unique_name).and_then(|a| a.registration.client_id()) else {
            continue;
        };
        let redirect = "https://setup.acme.example/consented";
        let consent = AdminConsent::new(m365_core::Cloud::public(), client, redirect)?
            .for_tenant(handover.tenant_id.into())
            // Without a scope it covers what the app declares of every API, IMAP included.
            .with_v1();
        println!("\nConsent by click instead of script, after everything else, when {redirect} is");
        println!("among the app's redirect addresses:\n  {}", consent.begin().url());
    }

    for part in rest {
        receipts.push(take(&onboarding, &handover, &plan, part, &folder).await?);
    }
    println!("\nThe others ran theirs. What is left, by the receipts:");
    left(&handover.outcome(&receipts));
    let truth = onboarding.plan(profile).await?;
    println!("What is left, by the tenant itself:");
    for step in &truth.steps {
        println!("  [ ] {step}");
    }
    Ok(())
}

/// Takes a part's steps over REST, prints the receipt that its script would have printed, and reads it back.
async fn take(
    onboarding: &mail_access::Onboarding,
    handover: &Handover,
    plan: &Plan,
    part: &HandoverPart,
    folder: &Path,
) -> Result<ScriptReceipt> {
    let mut piece = plan.clone();
    piece.steps.retain(|step| part.steps.contains(&step.id));
    let applied = onboarding.apply(&piece, &()).await?;
    let bytes = receipt_of(&applied).to_string().into_bytes();
    write(folder, &part.file_name.replace(".ps1", ".receipt.json"), &bytes)?;
    Ok(handover.read_receipt(&bytes)?.1)
}

fn receipt_of(applied: &Applied) -> serde_json::Value {
    let steps: Vec<_> = applied
        .steps
        .iter()
        .map(|step| {
            let result = match step.result {
                StepStatus::Applied => "Applied",
                StepStatus::AlreadyThere => "AlreadyThere",
                _ => "Failed",
            };
            json!({"title": step.description.sentence, "cmdlet": step.description.call, "result": result})
        })
        .collect();
    json!({"receipt": "exchange-admin/1", "app": "", "apply": true, "completed": true,
        "finishedAt": jiff::Timestamp::now(), "steps": steps})
}

/// The plan, and its scripts.
fn told(options: &Options, plan: &OnPremisesPlan) -> Result<()> {
    let folder = options.out.join(&plan.profile);
    println!("{}  ({}, {})\n", plan.summary, plan.account, plan.server);
    for (number, script) in (1..).zip(plan.scripts()) {
        let file = format!("{number:02}-{}.ps1", plan.profile);
        write(&folder, &file, &script.to_file()?)?;
        println!("{number}. {} runs {file} in the Exchange Management Shell", script.role_group());
    }
    println!();
    for step in &plan.steps {
        let about = &step.description;
        println!(
            "  - {}\n      by {}; {}\n      undo: {}",
            about.sentence, about.role, about.window, about.inverse
        );
    }
    for note in &plan.notes {
        println!("  * {note}");
    }
    Ok(())
}

async fn on_premises(options: &Options, tenant: &Tenant) -> Result<()> {
    let account: MailboxAddress = "dave@contoso.example".parse()?;
    let listed: Vec<MailboxAddress> = ["alice", "bob", "carol"]
        .iter()
        .map(|n| format!("{n}@contoso.example").parse())
        .collect::<Result<_>>()?;
    let profile = OnPremisesProfile::new(
        "acme-presence",
        account.as_str(),
        Shell::Exchange2013ToSe,
        OnPremisesAccess::CalendarReviewer(OnPremisesMailboxes::Listed(listed.clone())),
        Vec::new(),
        Some("ceo@contoso.example".parse()?),
    )?
    .with_summary("A presence server reads three calendars.")
    .with_throttling_policy(ThrottlingPolicyName::parse("Acme presence")?)?;
    let plan = profile.plan()?;
    let folder = options.out.join(&plan.profile);
    told(options, &plan)?;

    // Bob's calendar was open to the account before. Exchange Server and Exchange Online share these cmdlets, so the
    // simulated tenant stands in for the server.
    let exchange = examples::exchange_of(tenant)?;
    let grant = |mailbox: MailboxAddress| {
        let (exchange, account) = (exchange.clone(), account.clone());
        async move {
            let folder = exchange.calendar_folder(mailbox.clone()).await?.identity(mailbox);
            let wanted =
                AddMailboxFolderPermission::new(folder, FolderGrantee::from(account), FolderRole::Reviewer);
            exchange.ensure_folder_permission(&wanted).await
        }
    };
    grant("bob@contoso.example".parse()?).await?;
    let mut steps = Vec::new();
    for mailbox in listed {
        let result = match grant(mailbox.clone()).await? {
            Ensured::AlreadyThere(_) => "AlreadyThere",
            _ => "Applied",
        };
        steps.push(json!({"title": format!("Reviewer on the calendar of {mailbox} for {account}"),
            "cmdlet": "Add-MailboxFolderPermission", "result": result, "on": mailbox.as_str()}));
    }
    let receipt = json!({"receipt": "exchange-admin/1", "app": account.as_str(), "apply": true, "completed": true,
        "finishedAt": jiff::Timestamp::now(), "steps": steps});
    let bytes = receipt.to_string().into_bytes();
    write(&folder, "01-receipt.json", &bytes)?;
    let receipt = plan.read_receipt(&bytes)?;
    println!("\nThe first part's receipt came back. What is left:");
    left(&plan.outcome(std::slice::from_ref(&receipt)));
    undo(&plan, &receipt, &folder)
}

fn undo(plan: &OnPremisesPlan, receipt: &ScriptReceipt, folder: &Path) -> Result<()> {
    let script = plan.undo_to_file(receipt)?;
    write(folder, "undo.ps1", &script)?;
    let text = String::from_utf8_lossy(&script);
    println!("\nThe undo script, made from that receipt, touches only what was written:");
    for line in text.lines().filter_map(|line| line.trim_start().strip_prefix("$on = ")) {
        println!("  {line}");
    }
    println!("\nNot proven before these were tried over EWS:");
    for probe in &plan.probes {
        println!("  {probe}");
    }
    Ok(())
}

fn left(outcome: &[StepOutcome]) {
    for step in outcome {
        let mark = match step.state {
            HandoverState::Done => "[x]",
            HandoverState::Failed => "[!]",
            _ => "[ ]",
        };
        let counts = match (step.applied, step.already_there) {
            (0 | 1, 0) | (0, 1) => String::new(),
            (applied, there) => format!("  ({applied} written, {there} there before)"),
        };
        println!("  {mark} {}{counts}", step.sentence);
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, bytes))
        .map_err(|e| Error::invalid(format!("{} cannot be written: {e}", path.display())))
}
