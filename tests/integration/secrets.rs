//! Secrets on disk: who may read what the daemon makes, what it refuses to read, and what the service manager hands over.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::harness::{Bastion, Child, Key, Ssh, Sshd, World, eventually, opspilot};

/// Everything below a directory.
fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let with_theirs = entries.flat_map(|path| {
        let theirs = if path.is_dir() { below(&path) } else { Vec::new() };
        theirs.into_iter().chain([path])
    });
    with_theirs.collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nobody_else_may_read_what_the_daemon_makes() {
    let world = World::new();
    let mut terminal = world.alice().terminal("");
    terminal.expect(crate::harness::READY);
    terminal.line("exit");
    terminal.finish();
    world.bastion.rows(1);
    let files = below(&world.bastion.dir().join("state"));
    for expected in ["db", "key", "cast"] {
        let is_there = |path: &PathBuf| path.to_string_lossy().contains(&format!(".{expected}"));
        assert!(files.iter().any(is_there), "{expected}: {files:?}");
    }
    let is_public = |path: &PathBuf| path.extension().is_some_and(|end| end == "pub");
    for path in files.iter().filter(|path| !is_public(path)) {
        let rights = path.metadata().unwrap().mode() & 0o077;
        assert_eq!(rights, 0, "{}: {rights:03o}", path.display());
    }
}

#[test]
fn a_key_that_others_may_read_opens_no_target() {
    let world = World::new();
    let key = &world.target.client_key.path;
    for (mode, is_taken) in [
        (0o600, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
        (0o400, true),
    ] {
        set_mode(key, mode);
        let output = world.alice().run("true");
        assert_eq!(output.code == 0, is_taken, "{mode:o}: {output:?}");
        assert!(
            is_taken || world.bastion.log().contains(&format!("mode {mode:04o}")),
            "{mode:o}"
        );
    }
}

#[test]
fn no_daemon_starts_with_a_key_of_its_own_that_others_may_read() {
    let target = Sshd::start();
    for name in ["ssh_host_ed25519_key", "host_ca_ed25519_key", "user_ca_ed25519_key"] {
        let (dir, config) = Bastion::prepare(&target);
        fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
        let key = Key::generate(&dir.path().join("state"), name);
        set_mode(&key.path, 0o640);
        let mut command = opspilot(&["serve", "-c"]);
        command.arg(dir.path().join("opspilot.toml"));
        let mut daemon = Child::server(&mut command, &dir.path().join("log"));
        assert_eq!(daemon.code(), 1);
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert!(log.contains(name) && log.contains("chmod 600"), "{log}");
    }
}

#[test]
fn the_service_manager_hands_over_host_keys_and_what_targets_are_logged_in_to_with() {
    let target = Sshd::start();
    let credentials = TempDir::with_prefix("credentials-").unwrap();
    let host = Key::generate(credentials.path(), "host");
    fs::copy(&target.client_key.path, credentials.path().join("web")).unwrap();
    // As the service manager leaves them: readable by an ACL, whose mask shows as the group's right.
    for name in ["host", "web"] {
        set_mode(&credentials.path().join(name), 0o440);
    }
    let (dir, mut config) = Bastion::prepare(&target);
    config.server = "host_keys = [\"credential:host\"]".to_owned();
    let path = target.client_key.path.display().to_string();
    config.targets = config.targets.replace(&path, "credential:web");
    fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
    let known_hosts = dir.path().join("known_hosts");
    fs::write(&known_hosts, format!("[127.0.0.1]:{} {}\n", config.port, host.public)).unwrap();

    let mut command = opspilot(&["serve", "-c"]);
    command
        .arg(dir.path().join("opspilot.toml"))
        .env("CREDENTIALS_DIRECTORY", credentials.path());
    let _daemon = Child::server(&mut command, &dir.path().join("log"));
    let port = config.port;
    eventually("the bastion to accept", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let alice = Ssh::new("alice@web-1", port, &dir.path().join("alice"), &known_hosts);
    assert_eq!(alice.run("echo here").text(), "here\n");
    assert!(!dir.path().join("state/ssh_host_ed25519_key").exists());
}

#[test]
fn a_credential_that_was_not_handed_over_is_missed_and_not_made() {
    let target = Sshd::start();
    let credentials = TempDir::with_prefix("credentials-").unwrap();
    let (dir, mut config) = Bastion::prepare(&target);
    config.server = "host_keys = [\"credential:host\"]".to_owned();
    fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
    let mut command = opspilot(&["serve", "-c"]);
    command
        .arg(dir.path().join("opspilot.toml"))
        .env("CREDENTIALS_DIRECTORY", credentials.path());
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("LoadCredential="), "{error}");
    assert_eq!(below(credentials.path()), Vec::<PathBuf>::new());
}
