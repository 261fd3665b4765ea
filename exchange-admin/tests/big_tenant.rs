//! Many mailboxes: listed in bounded memory, and given ten thousand permissions through faults and interruptions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the measuring process reports to its parent")]

#[path = "common/tenant.rs"]
mod tenant;

use std::collections::BTreeMap;
use std::process::Command;

use exchange_admin::cmdlets::{AddMailboxPermission, ListMailboxes};
use exchange_admin::{
    BulkChange, BulkOptions, BulkState, Error, ErrorKind, ExchangeAdmin, MailboxAddress, MailboxGrant,
    MailboxRight, Names, Progress, RecipientIdentity,
};
use futures_util::TryStreamExt as _;
use jiff::SignedDuration;
use m365_core::SharedClock;
use tenant::{add_mailboxes, connection, routed, start};
use tenant_sim::state::RateLimit;
use tenant_sim::{Fault, Scenario};

const CHILD: &str = "EXCHANGE_ADMIN_TEST_TENANT";
const MAILBOXES: usize = 100_000;
/// What the client may take at most.
const MEGABYTES: u64 = 64;

/// Runs only as a process of its own: it lists, and prints how many mailboxes it saw and the most memory it ever had.
#[tokio::test]
async fn child_lists_all_mailboxes() {
    let Ok(given) = std::env::var(CHILD) else { return };
    let parts: Vec<String> = given.split('|').map(str::to_owned).collect();
    let (pipeline, id) = tenant::pipeline(&parts.try_into().unwrap(), SharedClock::system());
    let mailboxes = ExchangeAdmin::routed(pipeline, id).stream(ListMailboxes::new()).await.unwrap();
    let count = mailboxes
        .try_fold(0_usize, |count, mailbox| async move {
            assert!(!mailbox.primary_smtp_address.as_str().is_empty());
            Ok(count + 1)
        })
        .await
        .unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB").trim().to_owned();
    println!("\nlisted {count} peak {peak}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_mailboxes_are_listed_in_bounded_memory() {
    let tenant = start(Scenario::contoso()).await;
    add_mailboxes(&tenant, MAILBOXES);
    tenant.with_state(|state| state.exchange.paging_affinity = true);
    let there = tenant.with_state(|s| s.exchange.mailboxes.iter().filter(|m| !m.value.remote).count());
    let given = connection(&tenant).join("|");
    let output = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_lists_all_mailboxes", "--nocapture", "--test-threads=1"])
            .env(CHILD, given)
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|l| l.starts_with("listed ")).unwrap_or_else(|| panic!("{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    println!("{line}");
    assert_eq!(words[1].parse::<usize>().unwrap(), there);
    let kilobytes: u64 = words[3].parse().unwrap();
    assert!(kilobytes > 0 && kilobytes < MEGABYTES * 1024, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_permissions_through_faults_and_two_interruptions_are_applied_once() {
    const MANY: usize = 10_000;
    const GRANTEES: usize = 10;
    const BEFORE: usize = 25;
    let tenant = start(Scenario::contoso()).await;
    let addresses = add_mailboxes(&tenant, MANY / GRANTEES);
    tenant.with_state(|state| {
        state.exchange.rate_limit = Some(RateLimit {
            limit: 3_000,
            remaining: 3_000,
            full_at: jiff::Timestamp::MIN,
            window: SignedDuration::from_mins(5),
        });
    });
    let before = tenant.with_state(|state| state.exchange.mailbox_permissions.len());
    let address = |text: &String| MailboxAddress::parse(text).unwrap();
    let grants: Vec<MailboxGrant> = addresses[..GRANTEES]
        .iter()
        .flat_map(|grantee| addresses.iter().map(move |mailbox| (grantee, mailbox)))
        .map(|(grantee, mailbox)| {
            let recipient = RecipientIdentity::from(address(grantee));
            let wanted = AddMailboxPermission::new(address(mailbox), recipient, MailboxRight::FullAccess);
            MailboxGrant::new(wanted, Names::new([grantee.clone()]))
        })
        .collect();
    assert_eq!(grants.len(), MANY);
    let exchange = routed(&tenant);
    let mut first = Progress::default();
    let report =
        exchange.apply_all(&grants[..BEFORE], &mut first, BulkOptions::default(), |_| Ok(())).await.unwrap();
    assert_eq!(report.applied.len(), BEFORE);

    // Answers lost after the work and before it, throttling, and a busy server.
    for skip in [5, 41, 160, 333] {
        tenant.faults().inject(Fault::drop_after().on_path("/$batch").skip(skip));
        tenant.faults().inject(Fault::drop_before().on_path("/$batch").skip(skip + 13));
        tenant.faults().inject(Fault::status(429).with_retry_after("2.5").on_path("/$batch").skip(skip + 29));
        tenant.faults().inject(Fault::status(503).on_path("/$batch").skip(skip + 37));
    }
    // The journal of the run is all that outlives an interruption.
    let mut journal = String::new();
    let mut interruptions = 0;
    let report = loop {
        let mut progress: Progress =
            journal.lines().map(|line| serde_json::from_str::<BulkChange>(line).unwrap()).collect();
        let stop_at = [3_000, 9_000, usize::MAX][interruptions];
        let mut changes = journal.lines().count();
        let run = exchange
            .apply_all(&grants, &mut progress, BulkOptions::default(), |noted| {
                for change in noted {
                    journal.push_str(&serde_json::to_string(change).unwrap());
                    journal.push('\n');
                }
                changes += noted.len();
                if changes >= stop_at {
                    return Err(Error::new(ErrorKind::Unsupported, "the process dies here"));
                }
                Ok(())
            })
            .await;
        match run {
            Ok(report) => break report,
            Err(error) => {
                assert_eq!(error.message(), "the process dies here");
                interruptions += 1;
            }
        }
    };
    assert_eq!(interruptions, 2);
    assert!(report.is_complete(), "{:?} {:?}", report.failed.first(), report.open.first());
    assert_eq!((report.applied.len(), report.already_there.len()), (MANY - BEFORE, BEFORE));
    // Each once, by the tenant's own count.
    let mut entries: BTreeMap<(uuid::Uuid, uuid::Uuid), usize> = BTreeMap::new();
    tenant.with_state(|state| {
        for entry in state.exchange.mailbox_permissions.iter().skip(before).filter(|e| e.is_configured()) {
            *entries.entry((entry.value.mailbox, entry.value.grantee)).or_default() += 1;
        }
    });
    assert_eq!((entries.len(), entries.values().max()), (MANY, Some(&1)));
    let repeated = tenant
        .journal()
        .iter()
        .filter_map(|e| e.cmdlet.clone())
        .flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .filter(|c| c.starts_with("Add-MailboxPermission"))
        .fold(BTreeMap::<String, usize>::new(), |mut seen, line| {
            *seen.entry(line).or_default() += 1;
            seen
        });
    assert_eq!((repeated.len(), repeated.values().max()), (MANY, Some(&1)), "a write was repeated");
    // A further run reads and changes nothing.
    let lines = journal.lines().count();
    let mut progress: Progress =
        journal.lines().map(|line| serde_json::from_str::<BulkChange>(line).unwrap()).collect();
    let again = exchange
        .apply_all(&grants, &mut progress, BulkOptions::default(), |_| panic!("nothing is left to do"))
        .await
        .unwrap();
    assert_eq!(again, report);
    assert!(lines >= 2 * (MANY - BEFORE));
    assert!(!journal.contains("Bearer"));
    assert_eq!(progress.get("nobody"), None::<&BulkState>);
}
