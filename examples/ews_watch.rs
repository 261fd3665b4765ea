//! A watch on some calendars of an Exchange server: changes as they come, through a restart of the server, and from where
//! it ended in a later run.
//!
//! By default against a simulated server, in a quarter of a minute. Against one of your own, for `EWS_SECONDS` (600):
//! `EWS_URL`, `EWS_USER` (`DOMAIN\name`, with the role ApplicationImpersonation), `EWS_PASSWORD`, `EWS_MAILBOXES` (with
//! commas in between), and `EWS_TOKEN_FILE`, which is read if it is there, and written.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use ews_client::watch::{Change, Level, Watch, WatchConfig, WatchEvent, WatchToken, WatchedMailbox};
use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
use m365_core::{Error, MailboxAddress, Result};
use tenant_sim::state::Event;
use tenant_sim::{Propagation, Scenario, ScenarioUser, Tenant};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::var("EWS_URL") {
        Ok(url) => real(&url).await,
        Err(_) => simulated().await,
    }
}

/// The watch that ends where the file ends; a new one without a file.
fn watch(client: EwsClient, mailboxes: &[String], config: WatchConfig, file: &Path) -> Result<Watch> {
    let addresses = mailboxes.iter().map(|m| Ok(WatchedMailbox::new(MailboxAddress::parse(m)?)));
    let addresses: Vec<_> = addresses.collect::<Result<_>>()?;
    let token = match std::fs::read_to_string(file) {
        Ok(text) => text.parse::<WatchToken>()?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => WatchToken::new(),
        Err(error) => return Err(Error::invalid("the token cannot be read").with_source(error)),
    };
    Watch::builder(client, addresses).config(config).resume(token).build()
}

fn save(token: &WatchToken, file: &Path) -> Result<()> {
    std::fs::write(file, token.to_string())
        .map_err(|error| Error::invalid("the token cannot be written").with_source(error))
}

fn show(event: &WatchEvent) {
    let what = match &event.change {
        Change::Created(id) => format!("new: {:.24}…", id.as_str()),
        Change::Updated(id) => format!("changed: {:.24}…", id.as_str()),
        Change::Deleted(id) => format!("gone: {:.24}…", id.as_str()),
        Change::Resynced(why) => format!("read the calendar anew ({why:?})"),
        Change::Level(Level::Lost { error }) => format!("not watched for now: {error}"),
        Change::Level(level) => format!("watched by {level:?}"),
        other => format!("{other:?}"),
    };
    println!("  {:<24} {what}", event.mailbox.as_str());
}

/// Shows what happens until `script` is over; how many changes that were.
async fn follow(watch: &mut Watch, script: impl Future<Output = ()>) -> usize {
    let mut script = std::pin::pin!(script);
    let mut changes = 0;
    loop {
        tokio::select! {
            event = watch.next() => {
                show(&event);
                changes += usize::from(!matches!(event.change, Change::Level(_) | Change::Resynced(_)));
                // The work is done; the token may move on.
                watch.ack(&event);
            }
            () = &mut script => return changes,
        }
    }
}

async fn simulated() -> Result<()> {
    let mut scenario = Scenario::contoso();
    let olga = scenario.users.iter().find(|user| user.name == "olga").cloned();
    let olga = olga.ok_or_else(|| Error::invalid("nobody has a mailbox on premises"))?;
    let names = ["olga", "piotr", "rosa", "sven"];
    let others = names.iter().filter(|name| **name != "olga");
    scenario.users.extend(others.map(|name| ScenarioUser { name: (*name).to_owned(), ..olga.clone() }));
    let tenant = Tenant::builder()
        .scenario(scenario)
        .propagation(Propagation::instant())
        .start()
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    tenant.ews().set_real_heartbeat(Duration::from_secs(1));
    let mailboxes: Vec<String> = names.iter().map(|name| format!("{name}@{}", tenant.domain())).collect();
    let put = |name: &str, subject: &str| {
        let (address, now) = (format!("{name}@{}", tenant.domain()), tenant.now());
        println!("* {name}: {subject}");
        tenant.with_state(|state| {
            if let Some(owner) = state.mailbox(&address, now).map(|mailbox| mailbox.object_id) {
                state.store.put_event(owner, Event::new(subject, now, now), now);
            }
        });
    };
    let client = || {
        let url =
            tenant.on_premises_url().parse().map_err(|_| Error::invalid("the tenant has no address"))?;
        let endpoint = EwsEndpoint::on_premises_without_tls(url)?;
        let password = "Svc-Passw0rd".to_owned().into();
        EwsClient::builder(endpoint, EwsCredential::basic(r"CONTOSO\svc-calendar", password)).build()
    };
    // Servers in the field are more leisurely: the defaults are for them.
    let config = WatchConfig::default()
        .with_heartbeat(Duration::from_secs(1), Duration::from_secs(1))
        .with_coalescing(Duration::from_millis(300))
        .with_reconnect_waits(Duration::from_millis(300), Duration::from_secs(1));
    let folder = tempfile::tempdir().map_err(|e| Error::invalid("no place for the token").with_source(e))?;
    let file = folder.path().join("watch-token");

    let mut first = watch(client()?, &mailboxes, config.clone(), &file)?;
    let told = follow(&mut first, async {
        sleep(Duration::from_secs(2)).await;
        put("olga", "Stand-up");
        sleep(Duration::from_secs(2)).await;
        println!("* the server restarts and forgets its subscriptions; meanwhile");
        tenant.ews().restart();
        put("piotr", "Budget");
        sleep(Duration::from_secs(4)).await;
        put("rosa", "Interview");
        sleep(Duration::from_secs(2)).await;
    })
    .await;
    let token = first.close().await;
    save(&token, &file)?;
    println!("* the watch ends; its token has {} lines", token.len());

    put("sven", "Dentist");
    let mut second = watch(client()?, &mailboxes, config, &file)?;
    let later = follow(&mut second, sleep(Duration::from_secs(2))).await;
    save(&second.close().await, &file)?;
    if told < 3 || later < 1 {
        return Err(Error::invalid(format!("{told} and {later} changes were told, not 3 and 1")));
    }
    println!("{} changes were told, none was lost", told + later);
    Ok(())
}

async fn real(url: &str) -> Result<()> {
    let given = |name: &str| std::env::var(name).map_err(|_| Error::invalid(format!("{name} is not set")));
    let url = url.parse().map_err(|_| Error::invalid("EWS_URL is no URL"))?;
    let credential = EwsCredential::basic(&given("EWS_USER")?, given("EWS_PASSWORD")?.into());
    let client = EwsClient::builder(EwsEndpoint::on_premises(url)?, credential).build()?;
    let mailboxes: Vec<String> = given("EWS_MAILBOXES")?.split(',').map(|m| m.trim().to_owned()).collect();
    let file = PathBuf::from(given("EWS_TOKEN_FILE")?);
    let seconds = std::env::var("EWS_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(600);
    let mut watch = watch(client, &mailboxes, WatchConfig::default(), &file)?;
    let told = follow(&mut watch, sleep(Duration::from_secs(seconds))).await;
    println!("{told} changes were told");
    save(&watch.close().await, &file)
}
