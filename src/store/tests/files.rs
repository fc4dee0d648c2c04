//! Files that are missing, damaged, foreign, exposed or in use.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::super::fixtures::Fixture;
use super::super::{Reader, Store, StoreError};

/// Why the record does not open.
fn refusal(path: &Path) -> StoreError {
    match Store::open(path).unwrap_err() {
        StoreError::Open { source, .. } => *source,
        other => other,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let fixture = Fixture::new().await;
    for file in [
        "opspilot.db",
        "opspilot.db-wal",
        "opspilot.db-shm",
        "opspilot.db.lock",
        "record.key",
    ] {
        assert_eq!(mode(&fixture.dir.path().join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_second_writer_is_refused_and_a_reader_is_not() {
    let fixture = Fixture::new().await;
    let error = Store::open(&fixture.path()).unwrap_err();
    assert!(error.to_string().contains("another opspilot is using it"), "{error}");
    Reader::open(&fixture.path()).unwrap();
    fixture.store.close().await;
    Store::open(&fixture.path()).unwrap();
}

#[tokio::test]
async fn a_newer_version_is_refused_unchanged() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    Connection::open(fixture.path())
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let before = fs::read(fixture.path()).unwrap();
    assert!(matches!(refusal(&fixture.path()), StoreError::Newer { found: 99, .. }));
    assert!(Reader::open(&fixture.path()).is_err());
    assert_eq!(fs::read(fixture.path()).unwrap(), before);
}

#[test]
fn the_database_of_another_program_is_refused_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("opspilot.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE notes (text)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(refusal(&path), StoreError::Foreign));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_database_is_refused_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("opspilot.db");
    let garbage = "not a database, but somebody's only copy of something\n".repeat(400);
    fs::write(&path, &garbage).unwrap();
    assert!(matches!(refusal(&path), StoreError::Corrupt));
    assert_eq!(fs::read_to_string(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_damaged_page_is_an_error_that_says_what_to_do() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    fixture.store.close().await;
    let mut bytes = fs::read(fixture.path()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(fixture.path(), bytes).unwrap();
    let error = Store::open(&fixture.path()).unwrap_err();
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = Store::open(Path::new("/nonexistent/opspilot.db")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/opspilot.db"), "{error}");
}

#[test]
fn a_reader_says_where_there_is_no_record_yet() {
    let dir = tempfile::tempdir().unwrap();
    let error = Reader::open(&dir.path().join("opspilot.db")).unwrap_err();
    assert!(error.to_string().contains("`opspilot serve` creates it"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "asking creates nothing");
}

#[tokio::test]
async fn a_key_that_others_can_read_or_that_is_none_is_refused() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let key = fixture.dir.path().join("record.key");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        refusal(&fixture.path()),
        StoreError::KeyExposed { mode: 0o640, .. }
    ));
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    for length in [0, 31, 33] {
        fs::write(&key, vec![7; length]).unwrap();
        assert!(
            matches!(refusal(&fixture.path()), StoreError::KeyMalformed { .. }),
            "{length}"
        );
    }
}

/// RFC 4231, test case 1, with its key of 20 bytes filled up with zeros, which HMAC would do anyway.
#[tokio::test]
async fn the_mac_is_hmac_sha_256() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let mut key = vec![0x0b; 20];
    key.resize(32, 0);
    fs::write(fixture.dir.path().join("record.key"), key).unwrap();
    let store = Store::open(&fixture.path()).unwrap();
    assert_eq!(
        store.mac(b"Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    );
}

#[tokio::test]
async fn each_bastion_has_its_own_key_and_identity() {
    let (one, other) = (Fixture::new().await, Fixture::new().await);
    assert_ne!(one.store.mac(b"ls"), other.store.mac(b"ls"));
    assert_ne!(one.store.bastion_id(), other.store.bastion_id());
}
