//! A real Redis server judges the shared token store: sharing between instances and processes, and each way in which a
//! server fails or lies. Needs `redis-server` and `redis-cli` in the path; `peers/run` sees to it.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use graph_auth::{
    ClientSecretCredential, Error, RedisTokenStore, SharedTokens, StoreKey, TokenObserver, TokenScope,
};
use m365_core::{ClientId, Cloud, Resource, TenantName, TokenCredential as _, TokenRequest};
use peers::Verdicts;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
type Verdict = Result<(), String>;

const PASSWORD: &str = "hidden-p@ss word";
const TENANT: &str = "contoso.example";
const CLIENT: &str = "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d";
const PREFIX: &str = "judge:";
/// How long a store that failed is left alone here: longer than a token takes.
const PAUSE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Outcome<ExitCode> {
    if let Ok(task) = std::env::var("JUDGE_TASK") {
        child(&task).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut verdicts = Verdicts::of("redis");
    let home = std::env::temp_dir().join(format!("redis-judge-{}", std::process::id()));
    std::fs::create_dir(&home)?;
    let result = judge(&mut verdicts, &home).await;
    std::fs::remove_dir_all(&home)?;
    result?;
    Ok(verdicts.finish(14))
}

async fn judge(verdicts: &mut Verdicts, home: &Path) -> Outcome<()> {
    let mut world = World {
        redis: Redis::start(home).await?,
        service: Service::start(Duration::from_millis(300)).await?,
        key: StoreKey::generate()?,
    };
    verdicts.add("two instances make one request", two_instances(&world).await?);
    verdicts.add("two processes make one request", two_processes(&world).await?);
    verdicts.add("a process killed with the lease is taken over", killed_holder(&world).await?);
    verdicts.add("another's lease is waited for and left alone", foreign_lease(&world).await?);
    verdicts.add("TLS with a certificate authority of one's own", tls(&world).await?);
    verdicts.add("records and leases have an end", ends(&world).await?);
    let dump = world.redis.dump().await?;
    verdicts.add("no token, tenant, app or key in a dump of keys and values", clean(&world, &dump));
    verdicts.add("a wrong password costs the sharing and is not told", wrong_password(&world).await?);
    verdicts.add("a record of garbage costs one request", garbage(&world).await?);
    verdicts.add("another name's record is not taken", swapped(&world).await?);
    verdicts.add("a value of 200 MB is not taken in", huge(&world).await?);
    verdicts.add("a value of another type costs one request", wrong_type(&world).await?);
    verdicts.add("a server that hangs costs half a second and is used again", paused(&world).await?);
    verdicts.add("a server that died is done without and used again", killed_server(&mut world, home).await?);
    Ok(())
}

async fn two_instances(world: &World) -> Outcome<Verdict> {
    let (a, b) = (world.instance(&world.redis.url())?, world.instance(&world.redis.url())?);
    let (a, b) = tokio::join!(a.token(Resource::Graph), b.token(Resource::Graph));
    let seen = (a?, b?, world.service.count());
    Ok(expect(seen.0 == seen.1 && seen.2 == 1, &seen))
}

async fn two_processes(world: &World) -> Outcome<Verdict> {
    world.redis.cli(&["FLUSHALL"]).await?;
    let before = world.service.count();
    let (mut a, mut b) = (world.spawn("get")?, world.spawn("get")?);
    let (a, b) = (said(&mut a, ";").await?, said(&mut b, ";").await?);
    let seen = (a, b, world.service.count() - before);
    Ok(expect(seen.0 == seen.1 && seen.0.contains(".graph.") && seen.2 == 1, &seen))
}

async fn killed_holder(world: &World) -> Outcome<Verdict> {
    world.redis.cli(&["FLUSHALL"]).await?;
    world.service.hold(true);
    let before = world.service.count();
    let mut holder = world.spawn("get")?;
    while world.service.count() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    holder.kill().await?;
    world.service.hold(false);
    let begun = Instant::now();
    let (a, b) = (world.instance(&world.redis.url())?, world.instance(&world.redis.url())?);
    let (a, b) = tokio::join!(a.token(Resource::Graph), b.token(Resource::Graph));
    let seen = (a?, b?, world.service.count() - before, begun.elapsed());
    Ok(expect(seen.0 == seen.1 && seen.2 == 2 && seen.3 < Duration::from_secs(10), &seen))
}

async fn foreign_lease(world: &World) -> Outcome<Verdict> {
    let record = world.fresh_record().await?;
    let lease = record.replace(":record:", ":lease:");
    world.redis.cli(&["DEL", &record]).await?;
    world.redis.cli(&["SET", &lease, "somebody", "PX", "1500"]).await?;
    let begun = Instant::now();
    let instance = world.instance(&world.redis.url())?;
    let waited_for = instance.token(Resource::Graph).await.map(|_| begun.elapsed());
    // Now one that outlasts our patience: we go on without, and do not end it.
    world.redis.cli(&["DEL", &record]).await?;
    world.redis.cli(&["SET", &lease, "somebody", "PX", "60000"]).await?;
    let begun = Instant::now();
    world.instance(&world.redis.url())?.token(Resource::Graph).await?;
    let seen = (waited_for?, begun.elapsed(), world.redis.cli(&["GET", &lease]).await?);
    world.redis.cli(&["DEL", &lease]).await?;
    let waited = (1400..5000).contains(&seen.0.as_millis()) && (5900..10_000).contains(&seen.1.as_millis());
    Ok(expect(waited && seen.2.trim_ascii() == b"somebody", &seen))
}

async fn tls(world: &World) -> Outcome<Verdict> {
    world.fresh_record().await?;
    let before = world.service.count();
    let store = RedisTokenStore::new(&world.redis.tls_url().into())?.with_prefix(PREFIX);
    let trusted = world.instance_with(store.with_roots(&world.redis.authority)?)?;
    trusted.token(Resource::Graph).await?;
    let shared = world.service.count() == before && trusted.failures() == 0;
    // The public web's authorities have not signed it.
    let stranger = world.instance(&world.redis.tls_url())?;
    stranger.token(Resource::Graph).await?;
    let seen = (shared, world.service.count() - before, stranger.failures());
    Ok(expect(seen == (true, 1, 1), &seen))
}

async fn ends(world: &World) -> Outcome<Verdict> {
    world.redis.cli(&["FLUSHALL"]).await?;
    world.instance(&world.redis.url())?.token(Resource::Graph).await?;
    let keys = world.redis.keys().await?;
    let [record] = &keys[..] else { return Ok(Err(format!("{keys:?}"))) };
    let life: i64 = String::from_utf8(world.redis.cli(&["PTTL", record]).await?)?.trim().parse()?;
    // The lease is given back, the record lives as long as its token.
    Ok(expect((3_500_000..=3_600_000).contains(&life), &(record, life)))
}

/// Whatever could be recognised in what the server holds.
fn clean(world: &World, dump: &[u8]) -> Verdict {
    let key = world.key.to_base64();
    let find =
        |text: &str| dump.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
    let found: Vec<_> = ["contoso", "graph", "microsoft", "6c2f7b1e", "Q8~", "token-"]
        .into_iter()
        .chain([&key.expose_secret()[..16]])
        .filter(|text| find(text))
        .collect();
    expect(found.is_empty() && dump.len() > 200 && find("record:"), &(found, dump.len()))
}

async fn wrong_password(world: &World) -> Outcome<Verdict> {
    let before = world.service.count();
    let url = world.redis.url().replace("hidden", "wrong-hidden");
    let instance = world.instance(&url)?;
    instance.token(Resource::Graph).await?;
    let told = instance.heard.last.lock().map(|last| last.clone()).unwrap_or_default();
    let seen = (world.service.count() - before, instance.failures(), told);
    Ok(expect(
        seen.0 == 1 && seen.1 == 1 && seen.2.contains("WRONGPASS") && !seen.2.contains("hidden"),
        &seen,
    ))
}

async fn garbage(world: &World) -> Outcome<Verdict> {
    let record = world.fresh_record().await?;
    world.redis.cli(&["SET", &record, "garbage"]).await?;
    world.costs_one_request().await
}

async fn swapped(world: &World) -> Outcome<Verdict> {
    let graph = world.fresh_record().await?;
    world.instance(&world.redis.url())?.token(Resource::Exchange).await?;
    let keys = world.redis.keys().await?;
    let exchange = keys.iter().find(|key| **key != graph).ok_or("no second record")?;
    world.redis.cli(&["COPY", exchange, &graph, "REPLACE"]).await?;
    world.costs_one_request().await
}

async fn huge(world: &World) -> Outcome<Verdict> {
    let record = world.fresh_record().await?;
    world.redis.cli(&["SETRANGE", &record, "209715199", "x"]).await?;
    let before = peak_memory()?;
    let verdict = world.costs_one_request().await?;
    let grown = peak_memory()?.saturating_sub(before);
    Ok(verdict.and_then(|()| expect(grown < 20_000, &format!("{grown} kB more"))))
}

async fn wrong_type(world: &World) -> Outcome<Verdict> {
    let record = world.fresh_record().await?;
    world.redis.cli(&["DEL", &record]).await?;
    world.redis.cli(&["LPUSH", &record, "x"]).await?;
    let before = world.service.count();
    let instance = world.instance(&world.redis.url())?;
    let token = instance.token(Resource::Graph).await?;
    let seen = (token.contains(".graph."), world.service.count() - before, instance.failures());
    world.redis.cli(&["FLUSHALL"]).await?;
    Ok(expect(seen == (true, 1, 1), &seen))
}

async fn paused(world: &World) -> Outcome<Verdict> {
    world.fresh_record().await?;
    let instance = world.instance(&world.redis.url())?;
    instance.token(Resource::Exchange).await?;
    let before = world.service.count();
    world.redis.signal("-STOP").await?;
    let begun = Instant::now();
    let token = instance.token(Resource::Graph).await;
    let took = begun.elapsed();
    world.redis.signal("-CONT").await?;
    let without = (token?.contains(".graph."), world.service.count() - before);
    tokio::time::sleep(PAUSE * 2).await;
    // The record from before is still there.
    world.instance(&world.redis.url())?.token(Resource::Graph).await?;
    let seen = (without, world.service.count() - before, took, instance.failures());
    let quick = took >= Duration::from_millis(700) && took < Duration::from_millis(3000);
    Ok(expect(without == (true, 1) && seen.1 == 1 && quick && seen.3 == 1, &seen))
}

async fn killed_server(world: &mut World, home: &Path) -> Outcome<Verdict> {
    world.fresh_record().await?;
    let (a, b) = (world.instance(&world.redis.url())?, world.instance(&world.redis.url())?);
    a.token(Resource::Exchange).await?;
    let before = world.service.count();
    world.service.hold(true);
    world.redis.cli(&["FLUSHALL"]).await?;
    let waiting = tokio::spawn(async move { a.token(Resource::Graph).await.map_err(|e| e.to_string()) });
    while world.service.count() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Its lease is taken and its token on the way.
    world.redis.server.kill().await?;
    world.service.hold(false);
    let token = waiting.await??;
    world.redis = Redis::start(home).await?;
    tokio::time::sleep(PAUSE * 2).await;
    b.token(Resource::Graph).await?;
    world.instance(&world.redis.url())?.token(Resource::Graph).await?;
    let seen = (token.contains(".graph."), world.service.count() - before);
    Ok(expect(seen == (true, 2), &seen))
}

struct World {
    redis: Redis,
    service: Service,
    key: StoreKey,
}

impl World {
    fn instance(&self, url: &str) -> Outcome<Instance> {
        self.instance_with(RedisTokenStore::new(&url.to_owned().into())?.with_prefix(PREFIX))
    }

    fn instance_with(&self, store: RedisTokenStore) -> Outcome<Instance> {
        Instance::new(&self.service.url, SharedTokens::new(store, self.key.clone()).with_pause(PAUSE))
    }

    /// Empties the server, and leaves a record for Graph there. Its key.
    async fn fresh_record(&self) -> Outcome<String> {
        self.redis.cli(&["FLUSHALL"]).await?;
        self.instance(&self.redis.url())?.token(Resource::Graph).await?;
        Ok(self.redis.keys().await?.pop().ok_or("no record")?)
    }

    /// With a bad record in place: one instance asks the token service, and its record serves the next one.
    async fn costs_one_request(&self) -> Outcome<Verdict> {
        let before = self.service.count();
        let (a, b) = (self.instance(&self.redis.url())?, self.instance(&self.redis.url())?);
        let begun = Instant::now();
        let tokens = (a.token(Resource::Graph).await?, b.token(Resource::Graph).await?);
        let seen = (&tokens, self.service.count() - before, begun.elapsed());
        let good = tokens.0 == tokens.1 && tokens.0.contains(".graph.") && seen.1 == 1;
        Ok(expect(good && seen.2 < Duration::from_secs(4) && a.failures() > 0 && b.failures() == 0, &seen))
    }

    fn spawn(&self, task: &str) -> Outcome<Child> {
        Ok(Command::new(std::env::current_exe()?)
            .env("JUDGE_TASK", task)
            .env("JUDGE_REDIS", self.redis.url())
            .env("JUDGE_SERVICE", &self.service.url)
            .env("JUDGE_KEY", self.key.to_base64().expose_secret())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?)
    }
}

/// What the processes do that [`World::spawn`] starts.
async fn child(task: &str) -> Outcome<()> {
    let key = StoreKey::from_base64(&std::env::var("JUDGE_KEY")?.into())?;
    let store = RedisTokenStore::new(&std::env::var("JUDGE_REDIS")?.into())?.with_prefix(PREFIX);
    let instance = Instance::new(&std::env::var("JUDGE_SERVICE")?, SharedTokens::new(store, key))?;
    match task {
        "get" => {
            let line = format!("{};", instance.token(Resource::Graph).await?);
            tokio::io::stdout().write_all(line.as_bytes()).await?;
            Ok(tokio::io::stdout().flush().await?)
        }
        other => Err(format!("no task {other}").into()),
    }
}

/// What a child says until this word.
async fn said(child: &mut Child, word: &str) -> Outcome<String> {
    let mut out = child.stdout.take().ok_or("no output")?;
    let (mut text, mut buffer) = (String::new(), [0; 256]);
    while !text.contains(word) {
        let count = tokio::time::timeout(Duration::from_secs(30), out.read(&mut buffer)).await??;
        if count == 0 {
            return Err(format!("the child said only {text:?}").into());
        }
        text += std::str::from_utf8(buffer.get(..count).unwrap_or_default())?;
    }
    Ok(text)
}

/// One app as one process has it.
struct Instance {
    credential: ClientSecretCredential,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    failures: AtomicU32,
    last: std::sync::Mutex<String>,
}

struct Ears(Arc<Heard>);

impl TokenObserver for Ears {
    fn store_failed(&self, _scope: &TokenScope<'_>, error: &Error) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut last) = self.0.last.lock() {
            *last = format!("{error} {error:?}");
        }
    }
}

impl Instance {
    fn new(service: &str, shared: SharedTokens) -> Outcome<Self> {
        let base: url::Url = service.parse()?;
        let cloud = Cloud::public();
        let audiences = (cloud.graph().clone(), cloud.outlook().clone());
        let cloud = cloud.with_base_urls(base, audiences.0, audiences.1);
        let (tenant, client) = (TenantName::parse(TENANT)?, ClientId::parse(CLIENT)?);
        let heard = Arc::new(Heard::default());
        let credential = ClientSecretCredential::new(cloud, tenant, client, "Q8~value".into())?
            .with_observer(Ears(heard.clone()))
            .with_store(shared);
        Ok(Self { credential, heard })
    }

    async fn token(&self, resource: Resource) -> Outcome<String> {
        Ok(self.credential.get_token(&TokenRequest::new(resource)).await?.expose_secret().to_owned())
    }

    fn failures(&self) -> u32 {
        self.heard.failures.load(Ordering::Relaxed)
    }
}

/// A token service of a few lines: each answer takes its time, and says its number and what it is for.
struct Service {
    url: String,
    state: Arc<(AtomicU32, std::sync::atomic::AtomicBool)>,
}

impl Service {
    async fn start(delay: Duration) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let state: Arc<(AtomicU32, std::sync::atomic::AtomicBool)> = Arc::default();
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that was killed is no fault of this one.
                tokio::spawn({
                    let state = shared.clone();
                    async move { serve(stream, delay, &state).await.is_ok() }
                });
            }
        });
        Ok(Self { url, state })
    }

    fn count(&self) -> u32 {
        self.state.0.load(Ordering::Relaxed)
    }

    /// No answer while this is on.
    fn hold(&self, on: bool) {
        self.state.1.store(on, Ordering::Relaxed);
    }
}

async fn serve(
    mut stream: TcpStream,
    delay: Duration,
    state: &(AtomicU32, std::sync::atomic::AtomicBool),
) -> std::io::Result<()> {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    // The form's last field.
    while !text.contains("grant_type=client_credentials") {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        text += &String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
    }
    let number = state.0.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::time::sleep(delay).await;
    while state.1.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let audience = if text.contains("outlook") { "exchange" } else { "graph" };
    let body = format!(r#"{{"access_token":"token-{number}.{audience}.x","expires_in":3600}}"#);
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await
}

/// The server: on a socket with a password and without persistence, and over TLS.
struct Redis {
    server: Child,
    socket: PathBuf,
    tls_port: u16,
    authority: String,
}

impl Redis {
    async fn start(home: &Path) -> Outcome<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
        std::fs::write(home.join("cert.pem"), certificate.pem())?;
        std::fs::write(home.join("key.pem"), key.serialize_pem())?;
        let tls_port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let socket = home.join("redis.sock");
        let shown = home.display();
        let config = format!(
            "port 0\nbind 127.0.0.1\nunixsocket {shown}/redis.sock\nunixsocketperm 700\nrequirepass \"{PASSWORD}\"\n\
             save \"\"\nappendonly no\ndir {shown}\ntls-port {tls_port}\ntls-cert-file {shown}/cert.pem\n\
             tls-key-file {shown}/key.pem\ntls-auth-clients no\n"
        );
        // By its standard input: a password in the arguments is everybody's.
        let mut server = Command::new("redis-server")
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = server.stdin.take().ok_or("no input")?;
        input.write_all(config.as_bytes()).await?;
        drop(input);
        let redis = Self { server, socket, tls_port, authority: authority_pem };
        for _ in 0..100 {
            if redis.cli(&["PING"]).await.is_ok_and(|answer| answer.trim_ascii() == b"PONG") {
                return Ok(redis);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("redis-server does not answer".into())
    }

    fn url(&self) -> String {
        format!("unix://{}?pass=hidden-p%40ss%20word", self.socket.display())
    }

    fn tls_url(&self) -> String {
        format!("rediss://:hidden-p%40ss%20word@localhost:{}/", self.tls_port)
    }

    /// One command by the server's own client.
    async fn cli(&self, arguments: &[&str]) -> Outcome<Vec<u8>> {
        let done = Command::new("redis-cli")
            .env("REDISCLI_AUTH", PASSWORD)
            .arg("-s")
            .arg(&self.socket)
            .args(arguments)
            .output()
            .await?;
        let refused = done.stdout.starts_with(b"ERR") || done.stdout.starts_with(b"WRONG");
        if !done.status.success() || refused {
            return Err(format!("redis-cli {arguments:?}: {}", String::from_utf8_lossy(&done.stdout)).into());
        }
        Ok(done.stdout)
    }

    async fn keys(&self) -> Outcome<Vec<String>> {
        let listed = String::from_utf8(self.cli(&["--scan"]).await?)?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Every key and value.
    async fn dump(&self) -> Outcome<Vec<u8>> {
        let mut dump = Vec::new();
        for key in self.keys().await? {
            dump.extend_from_slice(key.as_bytes());
            dump.extend(self.cli(&["--raw", "GET", &key]).await?);
        }
        Ok(dump)
    }

    async fn signal(&self, signal: &str) -> Outcome<()> {
        let id = self.server.id().ok_or("the server is gone")?.to_string();
        let done = Command::new("kill").args([signal, &id]).status().await?;
        if done.success() { Ok(()) } else { Err("kill".into()) }
    }
}

fn expect(good: bool, seen: &impl std::fmt::Debug) -> Verdict {
    if good { Ok(()) } else { Err(format!("{seen:?}")) }
}

/// The most memory that this process has had, in kB.
fn peak_memory() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
