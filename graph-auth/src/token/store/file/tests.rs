use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::StoreKey;

const HOUR: Duration = Duration::from_secs(3600);

fn name(of: &[u8]) -> RecordName {
    let mut bytes = [1; 32];
    bytes[0] = 2;
    StoreKey::from_bytes(&bytes).unwrap().keys.name(of)
}

fn record(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

struct Place {
    home: tempfile::TempDir,
    store: FileTokenStore,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = FileTokenStore::open(home.path().join("tokens")).unwrap();
        Self { home, store }
    }

    fn directory(&self) -> PathBuf {
        self.home.path().join("tokens")
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.directory().join(format!("{}.{kind}", name(b"a")))
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.directory()).unwrap().count()
    }
}

#[tokio::test]
async fn a_record_is_replaced_whole_and_only_its_owner_may_read_it() {
    let place = Place::new();
    assert_eq!(place.files(), 0, "nothing is left of opening it");
    let a = name(b"a");
    assert_eq!(place.store.load(&a).await.unwrap(), None);
    for text in ["one", "another"] {
        place.store.save(&a, record(text), HOUR).await.unwrap();
        assert_eq!(place.store.load(&a).await.unwrap().unwrap(), text);
    }
    assert_eq!(place.store.load(&name(b"b")).await.unwrap(), None);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place.directory()), mode(&place.file("token"))), (0o700, 0o600));
    assert_eq!(place.files(), 1);
}

#[tokio::test]
async fn trap_a_symbolic_link_is_neither_read_nor_written_through() {
    let place = Place::new();
    let a = name(b"a");
    let target = place.home.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    std::fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
    symlink(&target, place.file("token")).unwrap();
    assert!(place.store.load(&a).await.is_err());
    place.store.save(&a, record("ours"), HOUR).await.unwrap();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!(place.store.load(&a).await.unwrap().unwrap(), "ours");
    symlink(&target, place.file("lock")).unwrap();
    assert!(place.store.lease(&a, "me", HOUR).await.is_err());
    let link = place.home.path().join("link");
    symlink(place.directory(), &link).unwrap();
    let error = FileTokenStore::open(&link).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
}

#[tokio::test]
async fn trap_11_files_and_directories_that_others_may_touch_are_refused_with_the_remedy() {
    let place = Place::new();
    let a = name(b"a");
    place.store.save(&a, record("ours"), HOUR).await.unwrap();
    std::fs::set_permissions(place.file("token"), Permissions::from_mode(0o620)).unwrap();
    let error = place.store.load(&a).await.unwrap_err();
    assert!(error.message().contains("chmod go-rwx"), "{error}");
    std::fs::set_permissions(place.directory(), Permissions::from_mode(0o770)).unwrap();
    assert!(place.store.save(&a, record("ours"), HOUR).await.is_err(), "the directory was opened up later");
    assert!(place.store.lease(&a, "me", HOUR).await.is_err());
    let error = FileTokenStore::open(place.directory()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("chmod go-rwx"), "{error}");
    std::fs::write(place.home.path().join("file"), "").unwrap();
    assert!(FileTokenStore::open(place.home.path().join("file")).is_err());
    assert!(FileTokenStore::open(place.home.path().join("not/there")).is_err());
}

#[tokio::test]
async fn a_file_too_large_or_no_file_at_all_is_refused_and_replaced() {
    let place = Place::new();
    let a = name(b"a");
    place.store.save(&a, Bytes::from(vec![7; crate::token::store::LARGEST_RECORD]), HOUR).await.unwrap();
    assert!(place.store.load(&a).await.unwrap().is_some());
    place.store.save(&a, Bytes::from(vec![7; crate::token::store::LARGEST_RECORD + 1]), HOUR).await.unwrap();
    assert!(place.store.load(&a).await.is_err());
    place.store.save(&a, record("ours"), HOUR).await.unwrap();
    assert!(place.store.load(&a).await.unwrap().is_some());
    std::fs::remove_file(place.file("token")).unwrap();
    std::fs::create_dir(place.file("token")).unwrap();
    assert!(place.store.load(&a).await.is_err());
    assert!(place.store.save(&a, record("ours"), HOUR).await.is_err());
    assert_eq!(place.files(), 1, "no temporary file is left");
}

#[tokio::test]
async fn trap_a_crash_between_writing_and_renaming_leaves_the_old_record_and_is_swept_up() {
    let place = Place::new();
    let a = name(b"a");
    place.store.save(&a, record("old"), HOUR).await.unwrap();
    let half = place.directory().join(format!("{a}.{}.new", uuid::Uuid::nil().simple()));
    std::fs::write(&half, "ha").unwrap();
    assert_eq!(place.store.load(&a).await.unwrap().unwrap(), "old");
    place.store.save(&a, record("new"), HOUR).await.unwrap();
    place.store.disk.sweep(SystemTime::now());
    assert!(half.exists(), "it may be another's work of this moment");
    place.store.disk.sweep(SystemTime::now() + 2 * HOUR);
    assert!(!half.exists() && !place.file("token").exists(), "left behind, and expired");
}

#[tokio::test]
async fn a_sweep_keeps_what_is_valid_leased_or_foreign() {
    let place = Place::new();
    let (a, b) = (name(b"a"), name(b"b"));
    place.store.save(&a, record("long"), 10 * HOUR).await.unwrap();
    place.store.save(&b, record("short"), HOUR).await.unwrap();
    assert!(place.store.lease(&a, "me", 10 * HOUR).await.unwrap());
    assert!(place.store.lease(&b, "me", HOUR).await.unwrap());
    place.store.release(&b, "me").await.unwrap();
    std::fs::write(place.directory().join("notes.txt"), "").unwrap();
    assert_eq!(place.store.disk.sweep(SystemTime::now() + 2 * HOUR), 2, "b's record and b's lock");
    assert!(place.store.load(&a).await.unwrap().is_some());
    assert_eq!(place.files(), 3);
    let other = FileTokenStore::open(place.directory()).unwrap();
    assert!(!other.lease(&a, "other", HOUR).await.unwrap(), "still locked");
}

#[tokio::test]
async fn trap_foreign_files_of_our_extensions_survive_the_sweep_of_an_opening() {
    let place = Place::new();
    let upper = name(b"a").as_str().replace(char::is_alphabetic, "A");
    let draft = format!("x.{}.new", uuid::Uuid::nil().simple());
    let half = format!("{}.new", name(b"a"));
    let names =
        ["github.token", "y.lock", "z.new", &draft, &half, &format!("{upper}.token"), &upper[1..], ".token"];
    for foreign in names {
        let file = File::create(place.directory().join(foreign)).unwrap();
        file.set_permissions(Permissions::from_mode(0o600)).unwrap();
        file.set_modified(SystemTime::now() - 1000 * HOUR).unwrap();
    }
    drop(FileTokenStore::open(place.directory()).unwrap());
    assert_eq!(place.store.disk.sweep(SystemTime::now()), 0);
    assert_eq!(place.files(), names.len());
}

#[tokio::test]
async fn a_lease_has_one_holder_and_ends_by_release_time_or_the_holders_end() {
    let place = Place::new();
    let a = name(b"a");
    let other = FileTokenStore::open(place.directory()).unwrap();
    assert!(place.store.lease(&a, "one", HOUR).await.unwrap());
    assert!(!other.lease(&a, "two", HOUR).await.unwrap());
    assert!(!place.store.lease(&a, "three", HOUR).await.unwrap(), "the same process, another caller");
    assert!(other.lease(&name(b"b"), "two", HOUR).await.unwrap(), "another name");
    place.store.release(&a, "three").await.unwrap();
    assert!(!other.lease(&a, "two", HOUR).await.unwrap(), "not its own");
    place.store.release(&a, "one").await.unwrap();
    assert!(other.lease(&a, "two", Duration::from_millis(20)).await.unwrap());
    tokio::time::sleep(Duration::from_millis(30)).await;
    other.load(&a).await.unwrap();
    assert!(place.store.lease(&a, "one", HOUR).await.unwrap(), "run out");
    drop(place.store);
    assert!(other.lease(&a, "two", HOUR).await.unwrap(), "the holder is gone");
}
