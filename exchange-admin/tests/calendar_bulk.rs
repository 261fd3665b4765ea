//! A presence account becomes Reviewer of ten thousand calendars, each called in its owner's language, through
//! throttling, faults and two interruptions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "common/tenant.rs"]
mod tenant;

use std::collections::BTreeMap;

use exchange_admin::{
    BulkChange, BulkOptions, Error, ErrorKind, FolderGrant, FolderGrantee, FolderRole, MailboxAddress, Names,
    Progress,
};
use jiff::SignedDuration;
use tenant::{routed, start};
use tenant_sim::state::{
    Folder, FolderGrantee as Grantee, FolderPermission, MailboxRecipient, RateLimit, Timed,
};
use tenant_sim::{Fault, Scenario, Tenant};
use uuid::Uuid;

const MANY: usize = 10_000;
const PRESENCE: &str = "dave@contoso.example";
const LANGUAGES: [&str; 5] = ["en", "de", "pl", "fr", "da"];

/// Mailboxes whose owners speak five languages; some made a folder called Calendar, which is none.
fn add_people(tenant: &Tenant, count: usize) -> Vec<String> {
    tenant.with_state(|state| {
        let domain = state.domains.last().unwrap().clone();
        let template = state.exchange.mailboxes.first().unwrap().value.clone();
        (0..count)
            .map(|n| {
                let id = Uuid::from_u128(0xca1e_0000_0000 + n as u128);
                let alias = format!("{:04x}-{n}", n * 40_503 % 65_536);
                let address = format!("{alias}@{domain}");
                state.exchange.mailboxes.push(Timed::always(MailboxRecipient {
                    object_id: id,
                    exchange_guid: Uuid::from_u128(0xe1e0_0000_0000 + n as u128),
                    name: alias.clone(),
                    alias,
                    display_name: format!("Person {n}"),
                    upn: address.clone(),
                    primary_smtp_address: address.clone(),
                    aliases: Vec::new(),
                    ..template.clone()
                }));
                let language = LANGUAGES[n % LANGUAGES.len()];
                state.exchange.folder_languages.insert(id, language.to_owned());
                if language != "en" && n % 7 == 0 {
                    state.exchange.own_folders.insert(id, vec!["Calendar".to_owned()]);
                }
                address
            })
            .collect()
    })
}

fn address(text: &str) -> MailboxAddress {
    MailboxAddress::parse(text).unwrap()
}

fn grants(addresses: &[String]) -> Vec<FolderGrant> {
    addresses
        .iter()
        .map(|mailbox| {
            FolderGrant::on_calendar(
                address(mailbox),
                FolderGrantee::from(address(PRESENCE)),
                FolderRole::Reviewer,
            )
            .with_names(Names::new([PRESENCE, "Dave Dunn"]))
        })
        .collect()
}

/// The presence account's entry on somebody's calendar, beforehand.
fn entry(mailbox: Uuid, grantee: Uuid, rights: &[&str]) -> Timed<FolderPermission> {
    Timed::always(FolderPermission {
        mailbox,
        folder: Folder::Calendar,
        grantee: Grantee::Recipient(grantee),
        rights: rights.iter().map(|r| (*r).to_owned()).collect(),
        delegate: false,
        private_items: false,
    })
}

fn progress(journal: &str) -> Progress {
    journal.lines().map(|line| serde_json::from_str::<BulkChange>(line).unwrap()).collect()
}

/// How often each folder was written to, by the tenant's own journal, and by which cmdlets.
fn writes(tenant: &Tenant) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for entry in tenant.journal() {
        for line in entry.cmdlet.iter().flat_map(|c| c.split("; ")) {
            if line.starts_with("Add-MailboxFolder") || line.starts_with("Set-MailboxFolder") {
                *seen.entry(line.to_owned()).or_default() += 1;
            }
        }
    }
    seen
}

/// What a dead process had sent is still carried out; the next one starts after that.
async fn quiet(tenant: &Tenant) {
    let mut seen = usize::MAX;
    while std::mem::replace(&mut seen, tenant.journal().len()) != seen {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]

async fn ten_thousand_calendars_through_faults_and_two_interruptions_are_shared_once() {
    const BEFORE: usize = 40;
    const NARROW: usize = 60;
    let tenant = start(Scenario::contoso()).await;
    let addresses = add_people(&tenant, MANY);
    tenant.with_state(|state| {
        // A bucket that runs empty in the middle of batches.
        state.exchange.rate_limit = Some(RateLimit {
            limit: 9_000,
            remaining: 9_000,
            full_at: jiff::Timestamp::MIN,
            window: SignedDuration::from_mins(5),
        });
        let presence = state.mailbox(PRESENCE, jiff::Timestamp::MAX).unwrap().object_id;
        for n in 0..BEFORE + NARROW {
            let mailbox = Uuid::from_u128(0xca1e_0000_0000 + n as u128);
            let rights: &[&str] =
                if n < BEFORE { &["FolderVisible", "ReadItems"] } else { &["CreateItems", "FolderVisible"] };
            state.exchange.folder_permissions.push(entry(mailbox, presence, rights));
        }
    });
    let grants = grants(&addresses);
    let exchange = routed(&tenant);
    for skip in [3, 90, 700, 1_500] {
        tenant.faults().inject(Fault::drop_after().on_path("/$batch").skip(skip));
        tenant.faults().inject(Fault::drop_before().on_path("/$batch").skip(skip + 13));
        tenant.faults().inject(Fault::status(429).with_retry_after("2.5").on_path("/$batch").skip(skip + 29));
        tenant.faults().inject(Fault::status(503).on_path("/$batch").skip(skip + 37));
        tenant.faults().inject(Fault::batch_items(503, &[2, 7]).skip(skip + 43).times(5));
        tenant.faults().inject(Fault::batch_items(429, &[0, 9]).skip(skip + 51).times(5));
    }
    // The journal of the run is all that outlives an interruption.
    let (mut journal, mut interruptions) = (String::new(), 0);
    let report = loop {
        let stop_at = [5_000, 13_000, usize::MAX][interruptions];
        let mut changes = journal.lines().count();
        let run = exchange
            .apply_all(&grants, &mut progress(&journal), BulkOptions::default(), |noted| {
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
                quiet(&tenant).await;
            }
        }
    };
    assert_eq!((interruptions, tenant.faults().waiting()), (2, 0));
    assert!(report.is_complete(), "{:?} {:?}", report.failed.first(), report.open.first());
    assert_eq!((report.applied.len(), report.already_there.len()), (MANY - BEFORE, BEFORE));

    // Once each, by the tenant's count: what was there is one entry, what was narrow was widened and nothing lost.
    tenant.with_state(|state| {
        let presence = state.mailbox(PRESENCE, jiff::Timestamp::MAX).unwrap().object_id;
        let mut entries: BTreeMap<Uuid, Vec<&FolderPermission>> = BTreeMap::new();
        for record in state.exchange.folder_permissions.iter().filter(|e| e.is_configured()) {
            if record.value.grantee == Grantee::Recipient(presence) {
                assert_eq!(record.value.folder, Folder::Calendar);
                entries.entry(record.value.mailbox).or_default().push(&record.value);
            }
        }
        assert_eq!(entries.len(), MANY);
        assert!(entries.values().all(|e| e.len() == 1 && e[0].rights.contains("ReadItems")));
        let widened = entries.values().filter(|e| e[0].rights.contains("CreateItems")).count();
        assert_eq!(widened, NARROW);
    });
    let writes = writes(&tenant);
    let adds = writes.keys().filter(|line| line.starts_with("Add-")).count();
    assert_eq!((writes.len(), adds), (MANY - BEFORE, MANY - BEFORE - NARROW));
    assert_eq!(writes.values().max(), Some(&1), "a write was repeated");

    // A further run reads nothing, writes nothing, and reports the same.
    tenant.clear_journal();
    let again = exchange
        .apply_all(&grants, &mut progress(&journal), BulkOptions::default(), |_| {
            panic!("nothing is left to do")
        })
        .await
        .unwrap();
    assert_eq!(again, report);
    assert!(tenant.journal().is_empty() && !journal.contains("Bearer"));
}

#[tokio::test]
async fn trap_8_everybodys_own_entry_is_widened_and_only_once() {
    let tenant = start(Scenario::contoso()).await;
    let addresses = add_people(&tenant, 20);
    let exchange = routed(&tenant);
    let items: Vec<FolderGrant> = addresses
        .iter()
        .map(|m| FolderGrant::on_calendar(address(m), FolderGrantee::Default, FolderRole::LimitedDetails))
        .collect();
    for applied in [20, 0] {
        let report = exchange
            .apply_all(&items, &mut Progress::default(), BulkOptions::default(), |_| Ok(()))
            .await
            .unwrap();
        assert_eq!((report.applied.len(), report.already_there.len()), (applied, 20 - applied), "{report:?}");
    }
    assert!(writes(&tenant).keys().all(|line| line.starts_with("Set-MailboxFolderPermission")));
}

#[tokio::test]
async fn trap_21_a_full_list_and_a_missing_mailbox_fail_alone() {
    let tenant = start(Scenario::contoso()).await;
    let mut addresses = add_people(&tenant, 12);
    tenant.with_state(|state| {
        for n in 0..498_u128 {
            let full =
                entry(Uuid::from_u128(0xca1e_0000_0000 + 4), Uuid::from_u128(0xf00 + n), &["ReadItems"]);
            state.exchange.folder_permissions.push(full);
        }
    });
    addresses.push("nobody@contoso.example".to_owned());
    let items = grants(&addresses);
    let report = routed(&tenant)
        .apply_all(&items, &mut Progress::default(), BulkOptions::default(), |_| Ok(()))
        .await
        .unwrap();
    assert_eq!((report.applied.len(), report.failed.len(), report.open.len()), (11, 2, 0), "{report:?}");
    assert!(report.failed.iter().any(|(key, _)| key.starts_with("nobody@")));
    assert!(report.failed.iter().any(|(_, why)| why.contains("500")), "{:?}", report.failed);
}
