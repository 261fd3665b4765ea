//! The main job: from an access profile to a proven mailbox.
//!
//! Without options it starts a simulated tenant in this process and sets up the products of `examples/profiles`, twice:
//! the second pass finds nothing to do. Then the same for products that work with an Exchange Server of the customer's own.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

#[path = "onboard/server.rs"]
mod server;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Parser;
use graph_auth::ClientSecretCredential;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use m365_core::transport::ReqwestTransport;
use m365_core::{ClientId, Cloud, Credential, Error, MailboxAddress, Result, TenantId, Transport, until};
use mail_access::verify::Check;
use mail_access::{
    AccessProfile, AppProfile, AppSession, ApplyError, Calendar, CalendarEvent, DirectoryLedger,
    DirectoryVault, GrantMode, Ledger, OnPremisesProfile, Onboarding, Plan, Profile, Progress, Proof, Step,
    StepResult, Vault, VerifyOptions, Wait,
};
use secrecy::SecretString;
use serde_json::json;
use tenant_sim::{Scenario, Tenant};

/// Sets up the access that a profile declares: plan, apply, prove, receipt, first use.
#[derive(Parser)]
#[command(
    name = "onboard",
    after_help = "Environment for --tenant-from-env:\n  \
        M365_TENANT_ID            tenant id (a GUID)\n  \
        M365_SETUP_CLIENT_ID      client id of the set-up identity: another app than the one being set up\n  \
        M365_SETUP_CLIENT_SECRET  its secret (the Value, not the Secret ID)\n  \
        M365_CLOUD                public (default), us-gov-l4, us-gov-dod or china\n\n\
        Run --plan first: it changes nothing and lists the least rights that the set-up identity needs."
)]
struct Options {
    /// Set up this profile instead of the shipped ones
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Stop after the plan; nothing is changed
    #[arg(long)]
    plan: bool,
    /// Write the plan as a PowerShell script to review and run by hand, instead of applying it; of several profiles, each
    /// to a file of its own with the profile's name added
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Results as JSON on standard output; everything else goes to standard error
    #[arg(long)]
    json: bool,
    /// Work on a real tenant, named by environment variables
    #[arg(long)]
    tenant_from_env: bool,
    /// Where receipts are written
    #[arg(long, value_name = "DIR", default_value = "target/onboarding")]
    receipts: PathBuf,
    /// Where a real tenant's new secrets are kept, one file each that only you may read, and beside them the times of the
    /// changes, so that a later run knows how old they are
    #[arg(long, value_name = "DIR", default_value = "m365-secrets")]
    vault: PathBuf,
    /// Prove sending by one message from each mailbox to itself (always done in the simulated tenant)
    #[arg(long)]
    send_test_message: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            let diagnosis = error.diagnosis();
            if !diagnosis.id().starts_with("PLAIN-") {
                eprintln!("  {diagnosis}");
            }
            ExitCode::from(2)
        }
    }
}

/// Whatever happens, the documents so far are printed, and after them the error's.
async fn run(options: &Options) -> Result<bool> {
    let mut talk = Talk { json: options.json, profile: None, documents: Vec::new() };
    let result = told(options, &mut talk).await;
    talk.finish()?;
    result
}

async fn told(options: &Options, talk: &mut Talk) -> Result<bool> {
    let result = work(options, talk).await;
    if let Err(error) = &result {
        let document = json!({"profile": talk.profile, "error": about(error)});
        talk.document(document);
    }
    result
}

fn about(error: &Error) -> serde_json::Value {
    json!({
        "message": error.to_string(),
        "status": error.status().map(|s| s.as_u16()),
        "code": error.service_code(),
        "request_id": error.request_id(),
        "diagnosis": error.diagnosis().id(),
        "remedy": error.diagnosis().remedy(),
    })
}

async fn work(options: &Options, talk: &mut Talk) -> Result<bool> {
    if let Some(path) = &options.profile {
        return match read(path)? {
            Profile::Cloud(profile) => cloud(options, &[profile], talk).await,
            Profile::OnPremises(profile) => server::story(options, &[profile], false, talk).await,
        };
    }
    let (profiles, servers) = shipped()?;
    let proven = cloud(options, &profiles, talk).await?;
    // A real tenant comes without an Exchange Server to try.
    match options.tenant_from_env && !options.plan && options.script.is_none() {
        true => Ok(proven),
        false => Ok(server::story(options, &servers, true, talk).await? && proven),
    }
}

/// The profiles of apps in Microsoft 365.
async fn cloud(options: &Options, profiles: &[AccessProfile], talk: &mut Talk) -> Result<bool> {
    let (onboarding, tenant) = connect(options).await?;
    match &tenant {
        Some(tenant) => talk.say(&format!(
            "A simulated tenant: {} ({}), its clock at {}.",
            tenant.domain(),
            tenant.tenant_id(),
            tenant.clock().now()
        )),
        None => talk.say("A real tenant, as the environment says."),
    }
    let mut proven = true;
    for profile in profiles {
        proven &= one(options, &onboarding, profile, profiles.len() > 1, talk).await?;
    }
    let applies = !options.plan && options.script.is_none();
    if applies {
        talk.heading("Once more, the same profiles");
        for profile in profiles {
            talk.profile = Some(profile.name.clone());
            let plan = onboarding.plan(profile).await?;
            let changed = onboarding.apply(&plan, &()).await?.changed();
            match plan.is_empty() && !changed {
                true => talk.say(&format!(
                    "{}: nothing to change; everything is as the profile wants it.",
                    profile.name
                )),
                false => {
                    proven = false;
                    talk.say(&format!(
                        "{}: {} steps were left, which should not be.",
                        profile.name,
                        plan.steps.len()
                    ));
                }
            }
            talk.document(json!({"profile": profile.name, "second_pass_steps": plan.steps.len()}));
        }
    }
    Ok(proven)
}

/// The profiles that come along; all are read before anything is done for one.
fn shipped() -> Result<(Vec<AccessProfile>, Vec<OnPremisesProfile>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let names = [
        "imap-fetch",
        "contact-center-mail",
        "contact-center-mail-access-policy",
        "calendar-and-mail-sender",
        "office365-impersonation",
    ];
    let (mut cloud, mut server) = (Vec::new(), Vec::new());
    for name in names.into_iter().chain(server::SHIPPED) {
        match read(&folder.join(format!("{name}.toml")))? {
            Profile::Cloud(profile) => cloud.push(profile),
            Profile::OnPremises(profile) => server.push(profile),
        }
    }
    Ok((cloud, server))
}

fn read(path: &Path) -> Result<Profile> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::invalid(format!("the profile {} cannot be read: {e}", path.display())))?;
    Profile::from_toml(&path.display().to_string(), &text)
}

async fn connect(options: &Options) -> Result<(Onboarding, Option<Tenant>)> {
    if options.tenant_from_env {
        let tenant_id = TenantId::parse(&variable("M365_TENANT_ID")?)?;
        let client = ClientId::parse(&variable("M365_SETUP_CLIENT_ID")?)?;
        let secret: SecretString = variable("M365_SETUP_CLIENT_SECRET")?.into();
        let cloud = std::env::var("M365_CLOUD").map_or(Ok(Cloud::public()), |name| Cloud::by_name(&name))?;
        let transport = Transport::new(ReqwestTransport::new()?);
        let setup = ClientSecretCredential::new(cloud.clone(), tenant_id.into(), client, secret)?
            .with_transport(transport.clone());
        let vault = Vault::new(DirectoryVault::open(&options.vault)?);
        let ledger = Ledger::new(DirectoryLedger::open(options.vault.join("ledger"))?);
        let onboarding =
            Onboarding::builder(cloud, transport, tenant_id, client, Credential::new(setup), vault)
                .ledger(ledger)
                .build();
        return Ok((onboarding, None));
    }
    let tenant = Tenant::start(Scenario::contoso())
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    let onboarding = examples::onboarding(&tenant)?;
    Ok((onboarding, Some(tenant)))
}

fn variable(name: &str) -> Result<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty()).ok_or_else(|| {
        Error::invalid(format!("the environment variable {name} is not set; --help lists them all"))
    })
}

/// One profile: plan, and unless told otherwise apply, prove, receipt and first use.
async fn one(
    options: &Options,
    onboarding: &Onboarding,
    profile: &AccessProfile,
    is_one_of_several: bool,
    talk: &mut Talk,
) -> Result<bool> {
    talk.profile = Some(profile.name.clone());
    talk.heading(&format!("{}: {}", profile.name, profile.summary));
    let plan = onboarding.plan(profile).await?;
    show(&plan, talk);
    if let Some(path) = &options.script {
        let path = &match is_one_of_several {
            true => with_name(path, &profile.name),
            false => path.clone(),
        };
        std::fs::write(path, plan.to_script()?)
            .map_err(|e| Error::invalid(format!("the script {} cannot be written: {e}", path.display())))?;
        talk.say(&format!("Script written to {}. Nothing was changed.", path.display()));
    }
    if options.plan || options.script.is_some() {
        talk.document(json!({"profile": profile.name, "plan": plan}));
        return Ok(true);
    }

    let bar = Bar::new();
    talk.say("\nApplying");
    let applied = match onboarding.apply(&plan, &bar).await {
        Ok(applied) => applied,
        Err(stopped) => {
            stop(profile, &stopped, talk);
            return Err(stopped.into());
        }
    };
    talk.say("\nProof");
    let verify = match options.send_test_message || !options.tenant_from_env {
        true => VerifyOptions::default().with_test_message(),
        false => VerifyOptions::default(),
    };
    let proof = onboarding.verify(profile, Some(&applied), &verify, &bar).await?;
    verdict(&proof, talk);

    let receipt = onboarding.receipt(&plan, &applied, &proof).await?;
    let stem = format!("{}.{}", receipt.profile, receipt.finished.strftime("%Y%m%dT%H%M%SZ"));
    let path = write_receipt(&options.receipts, &stem, &receipt.to_json()?)?;
    talk.say(&format!("Receipt: {}", path.display()));
    if proof.is_proven() {
        for app in &profile.apps {
            let session = onboarding.session(profile, app).await?;
            first_use(app, &session, talk).await?;
        }
    }
    talk.document(json!({"profile": profile.name, "plan": plan, "receipt": receipt}));
    Ok(proof.is_proven())
}

fn show(plan: &Plan, talk: &Talk) {
    if plan.is_empty() {
        talk.say("Plan: nothing to do; the tenant is as the profile wants it.");
        return;
    }
    talk.say(&format!(
        "Plan: {} steps. The set-up identity needs at least {}.",
        plan.steps.len(),
        plan.rights
    ));
    for (index, step) in plan.steps.iter().enumerate() {
        let d = &step.description;
        talk.say(&format!("{:>3}. {}", index + 1, d.sentence));
        match d.role.is_empty() {
            true => talk.say(&format!("       when    {}", d.window)),
            false => {
                talk.say(&format!("       by      {}; {}", d.role, d.window));
                talk.say(&format!("       call    {}", d.call));
                talk.say(&format!("       undo    {}", d.inverse));
            }
        }
    }
    for note in &plan.notes {
        talk.say(&format!("  note: {note}"));
    }
}

fn verdict(proof: &Proof, talk: &Talk) {
    let (open, untried) = (proof.open_points().count(), proof.untried().count());
    let made = proof.checks.len() - untried;
    let rest = match untried {
        0 => String::new(),
        _ => format!(" Not tried, and named above: {untried}."),
    };
    talk.say(&match open {
        0 => format!("Proven: {made} checks, all as wanted.{rest}"),
        _ => format!("NOT PROVEN: {open} of {made} checks are not as wanted.{rest}"),
    });
}

/// What was done before a step failed.
fn stop(profile: &AccessProfile, stopped: &ApplyError, talk: &mut Talk) {
    let steps = &stopped.applied.steps;
    let done = steps.len().saturating_sub(usize::from(stopped.step.is_some()));
    talk.say(&format!("Stopped after {done} steps. They stay done; running again goes on from there."));
    talk.document(json!({"profile": profile.name, "stopped_at": stopped.step, "steps": steps}));
}

/// `setup.ps1` for the profile `intake`: `setup-intake.ps1`.
fn with_name(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match path.extension() {
        Some(extension) => path.with_file_name(format!("{stem}-{name}.{}", extension.to_string_lossy())),
        None => path.with_file_name(format!("{stem}-{name}")),
    }
}

/// A receipt is the record of what was done when: none is ever replaced by a later one.
fn write_receipt(directory: &Path, stem: &str, text: &str) -> Result<PathBuf> {
    let failed = |e: std::io::Error| Error::invalid(format!("the receipt cannot be written: {e}"));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut count = 1;
    loop {
        let path = directory.join(match count {
            1 => format!("{stem}.receipt.json"),
            _ => format!("{stem}-{count}.receipt.json"),
        });
        match std::fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
                return Ok(path);
            }
            // The simulated tenant's clock shows the same time in every run.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => count += 1,
            Err(e) => return Err(failed(e)),
        }
    }
}

/// What the product does with its new credential.
async fn first_use(app: &AppProfile, session: &AppSession, talk: &Talk) -> Result<()> {
    let Some(mut address) = app.scope.mailboxes.first() else { return Ok(()) };
    let asks = |permission: &str| app.permissions.iter().any(|p| p.starts_with(permission));
    if asks("Calendars.") || asks("EWS.") {
        let start = day_of(session.pipeline().clock().now());
        let (calendar, way) = match asks("Calendars.") {
            true => (session.calendar(address.clone()), "Graph"),
            false => (Calendar::ews(session.ews()?, address.clone()), "EWS"),
        };
        let events = calendar.view(start, start + jiff::SignedDuration::from_hours(24)).await?;
        talk.today(address, way, &events);
        return Ok(());
    }
    let imap = app.scope.grant == GrantMode::MailboxPermission;
    if !imap && !asks("Mail.Read") {
        return Ok(());
    }
    let open = |address: &MailboxAddress| match imap {
        true => session.imap_mailbox(address.clone()),
        false => session.mailbox(address.clone()),
    };
    // A queue that was made a moment ago is empty: show one that is not.
    let mut messages = Vec::new();
    for candidate in &app.scope.mailboxes {
        let newest = open(candidate).newest(5).await?;
        if newest.len() > messages.len() {
            (address, messages) = (candidate, newest);
        }
    }
    talk.say(&format!("\nNewest messages of {address} over {}", if imap { "IMAP" } else { "Graph" }));
    for message in messages {
        let from = message.from.map(|f| f.to_string()).unwrap_or_default();
        talk.say(&format!("  {}  {:<42} {}", message.received.strftime("%F %H:%M"), from, message.subject));
    }
    Ok(())
}

fn day_of(now: Timestamp) -> Timestamp {
    let zone = jiff::tz::TimeZone::UTC;
    now.to_zoned(zone).start_of_day().map_or(now, |day| day.timestamp())
}

/// Words for people, and documents for programs.
struct Talk {
    json: bool,
    /// The profile that is being worked on.
    profile: Option<String>,
    documents: Vec<serde_json::Value>,
}

impl Talk {
    fn say(&self, line: &str) {
        match self.json {
            true => eprintln!("{line}"),
            false => println!("{line}"),
        }
    }

    fn heading(&self, line: &str) {
        self.say(&format!("\n── {line}"));
    }

    fn today(&self, address: &MailboxAddress, way: &str, events: &[CalendarEvent]) {
        self.say(&format!("\nToday in the calendar of {address} over {way}, private details hidden"));
        if events.is_empty() {
            self.say("  (nothing)");
        }
        for event in events {
            self.say(&format!(
                "  {:<28} {:<14} {}",
                event.time.to_string(),
                event.show_as.to_string(),
                event.title()
            ));
        }
    }

    fn document(&mut self, document: serde_json::Value) {
        if self.json {
            self.documents.push(document);
        }
    }

    fn finish(&self) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &self.documents)
            .map_err(std::io::Error::other)
            .and_then(|()| writeln!(out))
            .map_err(|e| Error::invalid("the results cannot be printed").with_source(e))
    }
}

/// A progress bar on a terminal, plain lines elsewhere; both on standard error.
struct Bar {
    bar: ProgressBar,
    is_terminal: bool,
    last: Mutex<String>,
}

impl Bar {
    fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        if let Ok(style) = ProgressStyle::with_template("  [{bar:28}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, is_terminal, last: Mutex::new(String::new()) }
    }

    fn line(&self, line: &str) {
        match self.is_terminal {
            true => self.bar.println(line),
            false => eprintln!("{line}"),
        }
    }
}

impl Progress for Bar {
    fn step_started(&self, index: usize, total: usize, step: &Step) {
        self.bar.set_length(total as u64);
        self.bar.set_position(index as u64);
        self.bar.set_message(format!("{}/{total} {step}", index + 1));
    }

    fn step_finished(&self, index: usize, total: usize, step: &Step, result: &StepResult) {
        self.bar.set_position(index as u64 + 1);
        let word = match result {
            StepResult::Applied => "done",
            StepResult::AlreadyThere => "was there",
            StepResult::Waited => "waited",
            StepResult::Pending(_) => "pending",
            StepResult::Failed(_) => "FAILED",
            _ => "unknown",
        };
        self.line(&format!("  {:>2}/{total} {word:<9} {}", index + 1, step.id));
    }

    fn waiting(&self, wait: &Wait<'_>, now: Timestamp) {
        let (whole, left) = (until(wait.from, wait.until).as_secs().max(1), until(now, wait.until).as_secs());
        self.bar.set_length(whole);
        self.bar.set_position(whole.saturating_sub(left));
        let clock = now.strftime("%H:%M:%S");
        self.bar.set_message(format!("{clock}, {} min left: waiting for {}", left.div_ceil(60), wait.reason));
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let told = format!("{}{}", wait.reason, wait.from);
        if *last != told {
            *last = told;
            self.line(&format!(
                "        waiting   for {}: from {clock} to {}",
                wait.reason,
                wait.until.strftime("%H:%M:%S")
            ));
        }
    }

    fn checked(&self, check: &Check) {
        self.bar.set_message("");
        self.line(&format!("  {check}"));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may fail loudly")]

    use super::*;

    #[test]
    fn a_receipt_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let write = |text: &str| write_receipt(directory.path(), "intake.20261121T080000Z", text).unwrap();
        let (first, second) = (write("first"), write("second"));
        assert_ne!(first, second);
        assert_eq!(std::fs::read_to_string(first).unwrap(), "first");
        assert_eq!(std::fs::read_to_string(second).unwrap(), "second");
    }

    #[tokio::test]
    async fn several_profiles_give_several_scripts() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("setup.ps1");
        let options = Options::parse_from(["onboard", "--json", "--script", script.to_str().unwrap()]);
        let mut talk = Talk { json: true, profile: None, documents: Vec::new() };
        assert!(work(&options, &mut talk).await.unwrap());
        let mut files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap()).collect();
        files.sort_by_key(std::fs::DirEntry::file_name);
        assert_eq!(files.len(), talk.documents.len());
        assert_eq!(files[0].file_name(), "setup-calendar-and-mail-sender.ps1");
    }

    #[tokio::test]
    async fn an_error_is_a_document_after_those_before() {
        let directory = tempfile::tempdir().unwrap();
        // The second script's place is taken by a directory.
        let script = directory.path().join("setup.ps1");
        std::fs::create_dir(with_name(&script, "contact-center-mail")).unwrap();
        let options = Options::parse_from(["onboard", "--json", "--script", script.to_str().unwrap()]);
        let mut talk = Talk { json: true, profile: None, documents: Vec::new() };
        let result = told(&options, &mut talk).await;
        let error = result.unwrap_err().to_string();
        assert_eq!(talk.documents.len(), 2, "{error}");
        assert_eq!(talk.documents[0]["profile"], "imap-fetch");
        assert_eq!(talk.documents[1]["profile"], "contact-center-mail");
        assert_eq!(talk.documents[1]["error"]["message"], error);
    }
}
