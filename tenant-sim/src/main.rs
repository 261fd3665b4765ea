//! `tenant-sim`: the simulated tenant as a program.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;
use tenant_sim::{Propagation, Scenario, SimClock, Tenant};

/// A simulated Microsoft 365 tenant on loopback: Entra, Graph, the Exchange Admin API and IMAP.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until Ctrl-C or SIGTERM; prints one JSON line with what a client needs.
    Serve(Serve),
    /// Prints the built-in scenario as TOML, to start a scenario of your own from.
    Scenario,
}

#[derive(clap::Args)]
struct Serve {
    /// What lies in the tenant; the built-in one when absent.
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// Port for http; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port for https; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    https_port: u16,
    /// Port for IMAP over TLS; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    imap_port: u16,
    /// Port for SMTP submission; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    smtp_port: u16,
    /// Port for http of the organisation's own Exchange server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    on_premises_port: u16,
    /// Port for https of the organisation's own Exchange server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    on_premises_https_port: u16,
    /// Where the certificate authority is written; a temporary directory when absent.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Where the set-up identity's simulated secret is written, readable by you alone; a temporary directory when absent.
    #[arg(long)]
    secret_file: Option<PathBuf>,
    /// Prints each request as a JSON line on standard error.
    #[arg(long)]
    journal: bool,
    /// Runs on the machine's time instead of the scenario's start; clients that sign assertions need it.
    #[arg(long)]
    system_clock: bool,
    /// How long changes take to be enforced.
    #[arg(long, value_enum, default_value_t = Delays::Realistic)]
    propagation: Delays,
    /// Refuses what Entra tolerates of other clients.
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Delays {
    /// As in the field: seconds for the directory, up to two hours for Exchange.
    Realistic,
    /// At once.
    Instant,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve(serve) => run(serve).await,
        Command::Scenario => print_scenario(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: Serve) -> Result<(), Failure> {
    let scenario = match &serve.scenario {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            Scenario::from_toml(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
        None => Scenario::contoso(),
    };
    let clock =
        if serve.system_clock { SimClock::follow_system() } else { SimClock::running_from(scenario.start) };
    let propagation = match serve.propagation {
        Delays::Realistic => Propagation::realistic(),
        Delays::Instant => Propagation::instant(),
    };
    let mut builder = Tenant::builder()
        .scenario(scenario)
        .clock(clock)
        .propagation(propagation)
        .strict(serve.strict)
        .ports(serve.port, serve.https_port, serve.imap_port)
        .smtp_port(serve.smtp_port)
        .on_premises_ports(serve.on_premises_port, serve.on_premises_https_port);
    if serve.journal {
        builder = builder.on_journal(|entry| {
            if let Ok(line) = serde_json::to_string(entry) {
                // A closed standard error must not stop the tenant.
                drop(writeln!(io::stderr(), "{line}"));
            }
        });
    }
    let tenant = builder.start().await?;
    let setup = tenant.setup_identity();
    // Kept until the end: dropping it removes the files.
    let folder = TemporaryFolder::create()?;
    let ca_file = serve.ca_file.unwrap_or_else(|| folder.0.join("ca.pem"));
    std::fs::write(&ca_file, tenant.ca_pem())?;
    let secret_file = serve.secret_file.unwrap_or_else(|| folder.0.join("setup-secret"));
    write_private(&secret_file, &setup.secret)?;

    let exchange_server = exchange_server(&tenant, &folder.0)?;

    let line = json!({
        "http_url": tenant.http_url(),
        "https_url": tenant.https_url(),
        "on_premises_url": tenant.on_premises_url(),
        "on_premises_https_url": tenant.on_premises_https_url(),
        "imap_addr": tenant.imap_addr().to_string(),
        "smtp_addr": tenant.smtp_addr().to_string(),
        "ca_file": ca_file,
        "tenant_id": tenant.tenant_id(),
        "domain": tenant.domain(),
        "setup_client_id": setup.client_id,
        "setup_secret_file": secret_file,
        "exchange_server": exchange_server,
    });
    writeln!(io::stdout(), "{line}")?;
    io::stdout().flush()?;
    stop_signal().await?;
    Ok(())
}

/// What a client of the organisation's own Exchange server needs: an account that may act for others, and the mailboxes that lie
/// there; null when the scenario has no such account. The password is in a file that you alone may read.
fn exchange_server(tenant: &Tenant, folder: &Path) -> Result<serde_json::Value, Failure> {
    let (account, mailboxes) = tenant.with_state(|state| {
        let account = state.premises.accounts.iter().find(|a| a.impersonates.is_some());
        let login = account.map(|a| (format!("{}\\{}", state.premises.domain, a.name), a.password.clone()));
        let all = state.exchange.mailboxes.iter().filter(|m| m.is_configured() && m.value.remote);
        (login, all.map(|m| m.value.primary_smtp_address.clone()).collect::<Vec<_>>())
    });
    let Some((account, password)) = account else {
        return Ok(serde_json::Value::Null);
    };
    let password_file = folder.join("exchange-server-password");
    write_private(&password_file, &password)?;
    Ok(json!({
        "url": format!("{}/EWS/Exchange.asmx", tenant.on_premises_url()),
        "account": account,
        "password_file": password_file,
        "mailboxes": mailboxes,
    }))
}

/// Ctrl-C, or the polite request to end that a supervisor sends.
async fn stop_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn print_scenario() -> Result<(), Failure> {
    io::stdout().write_all(Scenario::contoso().to_toml()?.as_bytes())?;
    Ok(())
}

/// Readable by the owner alone, and never written through a link or over a file that is open to others.
fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn create() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("tenant-sim-{}", uuid::Uuid::new_v4().simple()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn report(error: &dyn std::error::Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    drop(writeln!(io::stderr(), "{text}"));
}
