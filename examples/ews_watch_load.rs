//! What a watch over ten thousand mailboxes costs, and that it loses nothing: the simulated server is a process of its own,
//! so that memory and processor time of this one are the watch's. A debug build takes a thousand mailboxes; a number as
//! argument takes that many.
//!
//! The watcher does its work in one file, as others do in a database: what was done together with the mailbox's token. Work
//! that was not saved with a token counts as lost when the watcher is dropped in the middle.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, read_to_string};
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::time::{Duration, Instant};

use ews_client::watch::{
    Change, MailboxToken, Resync, Watch, WatchConfig, WatchEvent, WatchToken, WatchedMailbox,
};
use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
use jiff::SignedDuration;
use m365_core::MailboxAddress;
use tenant_sim::state::Event;
use tenant_sim::{EwsQuirk, EwsThrottle, Propagation, Scenario, ScenarioUser, Tenant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const HEARTBEAT: Duration = Duration::from_secs(5);
/// Longest time until everything is healed.
const PATIENCE: Duration = Duration::from_secs(240);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [serve, mailboxes, work] if serve == "--serve" => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(serve_commands(mailboxes.parse()?, Path::new(work)))
        }
        [mailboxes] => measure(mailboxes.parse()?),
        _ => measure(if cfg!(debug_assertions) { 1_000 } else { 10_000 }),
    }
}

fn address(mailbox: usize) -> String {
    format!("person-{mailbox:05}@contoso.example")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---------------------------------------------------------------------------------------------------------------------
// The server's process.

/// Lines of work: what happened, to which item, of whom.
type Lines = Arc<Mutex<HashSet<String>>>;

struct Server {
    tenant: Tenant,
    mailboxes: usize,
    made: Lines,
    /// Two events of each mailbox, that one change is made to each.
    first: Vec<(String, String)>,
}

async fn serve_commands(mailboxes: usize, work: &Path) -> Result<(), Failure> {
    let server = Arc::new(Server::start(mailboxes).await?);
    println!("{}", server.tenant.on_premises_url());
    stdout().flush()?;
    let (sender, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        // The channel closes with the pipe, and the process ends.
        stdin().lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
    });
    let mut changing = None;
    while let Some(line) = commands.recv().await {
        let ews = server.tenant.ews();
        let answer = match line.as_str() {
            "create" | "change" => {
                let (server, create) = (Arc::clone(&server), line == "create");
                changing = Some(tokio::spawn(async move { server.change_all(create).await }));
                "begun".to_owned()
            }
            "changing" => changing.as_ref().is_some_and(|task| !task.is_finished()).to_string(),
            "drop" => {
                ews.drop_streams();
                ews.drop_connections();
                "dropped".to_owned()
            }
            "storm" => {
                let calls = u32::try_from(mailboxes / 10)?;
                ews.throttle(None, EwsThrottle::Busy(Some(1_000)), calls);
                ews.throttle(None, EwsThrottle::BusyMessage(None), calls);
                ews.throttle(None, EwsThrottle::Connections, 10);
                ews.drop_streams();
                "struck".to_owned()
            }
            "restart" => {
                ews.throttle(None, EwsThrottle::Unavailable, 200);
                ews.restart();
                "restarted".to_owned()
            }
            "expire" => {
                ews.throttle(None, EwsThrottle::Unavailable, u32::MAX);
                ews.drop_streams();
                while ews.streams() > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                server.tenant.clock().advance(SignedDuration::from_mins(31));
                ews.calm();
                "run out".to_owned()
            }
            "judge" => server.judge(work)?,
            other => return Err(format!("unknown: {other}").into()),
        };
        println!("{answer}");
        stdout().flush()?;
    }
    Ok(())
}

impl Server {
    async fn start(mailboxes: usize) -> Result<Self, Failure> {
        let mut scenario = Scenario::contoso();
        let olga = scenario.users.iter().find(|user| user.name == "olga").ok_or("no mailbox on premises")?;
        let person = ScenarioUser { messages: Vec::new(), events: Vec::new(), ..olga.clone() };
        let name = |n| format!("person-{n:05}");
        scenario.users.extend((0..mailboxes).map(|n| ScenarioUser { name: name(n), ..person.clone() }));
        let tenant = Tenant::builder().scenario(scenario).propagation(Propagation::instant()).start().await?;
        tenant.ews().set_real_heartbeat(HEARTBEAT);
        // Between two connections nobody is told of anything, as in the field.
        tenant.ews().set_quirk(EwsQuirk::EventsLostBetweenConnections, true);
        let mut server = Self { tenant, mailboxes, made: Lines::default(), first: Vec::new() };
        server.first = (0..mailboxes).map(|n| (server.put(n, ""), server.put(n, ""))).collect();
        Ok(server)
    }

    fn put(&self, mailbox: usize, id: &str) -> String {
        let (address, now) = (address(mailbox), self.tenant.now());
        self.tenant.with_state(|state| {
            let owner = state.mailbox(&address, now).map(|m| m.object_id).unwrap_or_default();
            let mut event = Event::new("Review", now, now + SignedDuration::from_mins(30));
            event.id = id.to_owned();
            state.store.put_event(owner, event, now)
        })
    }

    fn remove(&self, mailbox: usize, id: &str) {
        let (address, now) = (address(mailbox), self.tenant.now());
        self.tenant.with_state(|state| {
            let owner = state.mailbox(&address, now).map(|m| m.object_id).unwrap_or_default();
            state.store.remove_event(owner, id, false, now);
        });
    }

    /// A new event in every mailbox in 10 s, or in 40 s another event changed and one deleted in every mailbox. No item is
    /// changed twice: so no change hides another.
    async fn change_all(&self, create: bool) {
        let (rounds, pause) = (200, Duration::from_millis(if create { 50 } else { 200 }));
        let mut order: Vec<usize> = (0..self.mailboxes).collect();
        fastrand::Rng::with_seed(7).shuffle(&mut order);
        for some in order.chunks(self.mailboxes.div_ceil(rounds)) {
            for &mailbox in some {
                let Some((updated, deleted)) = self.first.get(mailbox) else { continue };
                if create {
                    let id = self.put(mailbox, "");
                    self.note("created", mailbox, &id);
                } else {
                    self.put(mailbox, updated);
                    self.note("updated", mailbox, updated);
                    self.remove(mailbox, deleted);
                    self.note("deleted", mailbox, deleted);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn note(&self, what: &str, mailbox: usize, id: &str) {
        // EWS has the ids of Graph in another alphabet.
        let id = id.replacen("AAkA", "AAMk", 1).replace('-', "+").replace('_', "/");
        lock(&self.made).insert(format!("{what} {} {id}", address(mailbox)));
    }

    /// Changes made, those of them not told, those told twice, those told and not made.
    fn judge(&self, work: &Path) -> Result<String, Failure> {
        let text = read_to_string(work)?;
        let (mut told, mut twice) = (HashSet::new(), 0);
        for line in text.lines().filter_map(|line| line.strip_prefix("done ")) {
            twice += usize::from(!told.insert(line));
        }
        let made = lock(&self.made);
        let missing = made.iter().filter(|line| !told.contains(line.as_str())).count();
        let invented = told.iter().filter(|line| !made.contains(**line)).count();
        Ok(format!("{} {missing} {twice} {invented}", made.len()))
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The watcher's process.

/// Processor time and memory of this process.
#[derive(Clone, Copy, Default)]
struct Usage {
    cpu: Duration,
    memory_kib: u64,
    peak_kib: u64,
}

impl Usage {
    /// Zeros where there is no `/proc`.
    fn now() -> Self {
        let stat = read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        // Linux counts in hundredths of a second for programs, whatever it does inside.
        Self {
            cpu: Duration::from_millis(ticks * 10),
            memory_kib: field("VmRSS:"),
            peak_kib: field("VmHWM:"),
        }
    }
}

struct Remote {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Remote {
    fn ask(&mut self, command: &str) -> Result<String, Failure> {
        writeln!(self.input, "{command}")?;
        self.input.flush()?;
        self.line()
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() { Err("the server is gone".into()) } else { Ok(line.trim_end().to_owned()) }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the two threads of the watcher's process share.
#[derive(Default)]
struct Shared {
    streaming: AtomicUsize,
    anew: AtomicUsize,
    /// The life that the watcher is to lead; it ends at once when this moves on.
    life: AtomicUsize,
}

fn measure(mailboxes: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let work = folder.path().join("work");
    File::create(&work)?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--serve", &mailboxes.to_string()])
        .arg(&work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (Some(input), Some(output)) = (input, output) else { return Err("no pipes".into()) };
    let mut remote = Remote { child, input, output: BufReader::new(output) };
    let url = remote.line()?;
    println!("{mailboxes} mailboxes at {url}");

    let before = Usage::now();
    let shared = Arc::new(Shared::default());
    shared.life.store(1, Ordering::SeqCst);
    let watcher = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || watch(mailboxes, &url, &work, &shared))
    };
    let outcome = script(mailboxes, &mut remote, &shared, before);
    shared.life.store(0, Ordering::SeqCst);
    watcher.join().map_err(|_| "the watcher failed")??;
    outcome
}

fn until(what: &str, mut met: impl FnMut() -> Result<bool, Failure>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    while !met()? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{what}: not within {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(begun.elapsed())
}

/// What happens to server and watcher, and what it costs.
fn script(mailboxes: usize, remote: &mut Remote, shared: &Shared, before: Usage) -> Result<(), Failure> {
    let thousands = mailboxes as f64 / 1_000.0;
    let pause = |seconds| std::thread::sleep(Duration::from_secs(seconds));
    let streaming = || Ok(shared.streaming.load(Ordering::SeqCst) == mailboxes);
    let missing = |remote: &mut Remote| -> Result<usize, Failure> {
        let judged = remote.ask("judge")?;
        Ok(judged.split(' ').nth(1).unwrap_or_default().parse()?)
    };
    let told = |remote: &mut Remote| Ok(remote.ask("changing")? == "false" && missing(remote)? == 0);
    let per_thousand = |cpu: Duration| cpu.as_secs_f64() * 1e3 / thousands;

    let took = until("everybody streams", streaming)?;
    let begun = Usage::now();
    println!(
        "up after {:.1} s; per 1,000 mailboxes: {:.0} ms of processor time, {:.0} KiB of memory",
        took.as_secs_f64(),
        per_thousand(begun.cpu - before.cpu),
        begun.memory_kib.saturating_sub(before.memory_kib) as f64 / thousands
    );

    pause(20);
    let idle = Usage::now();
    println!(
        "idle for 20 s with a heartbeat each {} s; per 1,000 mailboxes: {:.2} ms of processor time a second",
        HEARTBEAT.as_secs(),
        per_thousand(idle.cpu - begun.cpu) / 20.0
    );

    remote.ask("create")?;
    until("the changes are told", || told(remote))?;
    let busy = Usage::now();
    println!(
        "one change in each mailbox: {:.0} ms of processor time for 1,000",
        per_thousand(busy.cpu - idle.cpu)
    );

    remote.ask("change")?;
    for mishap in ["drop", "storm", "restart"] {
        pause(5);
        println!("while changes go on: {}", remote.ask(mishap)?);
    }
    pause(5);
    shared.life.store(2, Ordering::SeqCst);
    println!("while changes go on: the watcher is dropped, and a second one resumes");
    pause(8);
    println!("while changes go on: subscriptions have {}", remote.ask("expire")?);
    let rest = until("the changes are told", || told(remote))?;
    let healed = until("everybody streams again", streaming)?;
    let end = Usage::now();
    println!(
        "healed after {:.1} s; per 1,000 mailboxes: {:.0} ms of processor time for all of it, {:.0} KiB of memory at its peak",
        (rest + healed).as_secs_f64(),
        per_thousand(end.cpu - busy.cpu),
        end.peak_kib.saturating_sub(before.memory_kib) as f64 / thousands
    );
    let judged = remote.ask("judge")?;
    let numbers: Vec<usize> = judged.split(' ').filter_map(|n| n.parse().ok()).collect();
    let [made, lost, twice, invented] = numbers.as_slice() else { return Err(judged.into()) };
    let anew = shared.anew.load(Ordering::SeqCst);
    println!(
        "{made} changes made, {lost} lost, {twice} told more than once, {invented} invented, {anew} calendars to read anew"
    );
    if *made == 3 * mailboxes && *lost == 0 && *invented == 0 && anew == 0 {
        Ok(())
    } else {
        Err("changes were lost".into())
    }
}

/// One life after the other, on one thread.
fn watch(mailboxes: usize, url: &str, work: &PathBuf, shared: &Shared) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    loop {
        let life = shared.life.load(Ordering::SeqCst);
        if life == 0 {
            return Ok(());
        }
        runtime.block_on(live(mailboxes, url, work, shared, life))?;
        shared.streaming.store(0, Ordering::SeqCst);
    }
}

async fn live(
    mailboxes: usize,
    url: &str,
    work: &PathBuf,
    shared: &Shared,
    life: usize,
) -> Result<(), Failure> {
    let endpoint = EwsEndpoint::on_premises_without_tls(url.parse()?)?;
    let credential = EwsCredential::basic(r"CONTOSO\svc-calendar", "Svc-Passw0rd".to_owned().into());
    let client = EwsClient::builder(endpoint, credential).build()?;
    let config = WatchConfig::default()
        .with_heartbeat(HEARTBEAT, Duration::from_secs(5))
        .with_reconnect_waits(Duration::from_millis(500), Duration::from_secs(5))
        .with_rejoin_after(Duration::from_secs(3));
    let watched: Vec<_> = (0..mailboxes)
        .map(|n| MailboxAddress::parse(&address(n)).map(WatchedMailbox::new))
        .collect::<Result<_, _>>()?;
    let mut watch = Watch::builder(client, watched).config(config).resume(saved(work)?).build()?;
    let mut file = File::options().append(true).open(work)?;
    let mut unsaved: BTreeMap<String, String> = BTreeMap::new();
    let mut look = tokio::time::interval(Duration::from_millis(500));
    while shared.life.load(Ordering::SeqCst) == life {
        tokio::select! {
            event = watch.next() => {
                keep(&event, &mut unsaved, &mut file, shared)?;
                watch.ack(&event);
            }
            _ = look.tick() => shared.streaming.store(watch.status().streaming, Ordering::SeqCst),
        }
    }
    Ok(())
}

/// The last token of each mailbox.
fn saved(work: &Path) -> Result<WatchToken, Failure> {
    let text = read_to_string(work)?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("token "));
    let tokens: HashMap<&str, &str> =
        lines.map(|line| (line.split(' ').nth(1).unwrap_or_default(), line)).collect();
    Ok(tokens.into_values().map(str::parse::<MailboxToken>).collect::<Result<_, _>>()?)
}

/// Work of a mailbox is saved with its token, in one write.
fn keep(
    event: &WatchEvent,
    unsaved: &mut BTreeMap<String, String>,
    file: &mut File,
    shared: &Shared,
) -> Result<(), Failure> {
    let mailbox = event.mailbox.as_str();
    let done = match &event.change {
        Change::Created(id) => format!("done created {mailbox} {}\n", id.as_str()),
        Change::Updated(id) => format!("done updated {mailbox} {}\n", id.as_str()),
        Change::Deleted(id) => format!("done deleted {mailbox} {}\n", id.as_str()),
        Change::Resynced(why) => {
            shared.anew.fetch_add(usize::from(*why != Resync::First), Ordering::SeqCst);
            String::new()
        }
        _ => String::new(),
    };
    if !done.is_empty() {
        unsaved.entry(mailbox.to_owned()).or_default().push_str(&done);
    }
    if let Some(token) = event.token() {
        let work = unsaved.remove(mailbox).unwrap_or_default();
        file.write_all(format!("{work}token {token}\n").as_bytes())?;
    }
    Ok(())
}
