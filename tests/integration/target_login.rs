//! What targets are logged in to with, other than a key: the bastion's certificates, and the user's own agent.

use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Bastion, Child, Config, Key, Ssh, Sshd, eventually};

/// Replaces the key that the target is logged in to with.
fn log_in_with(config: &mut Config, target: &Sshd, way: &str) {
    let identity = format!("identity = \"{}\"", target.client_key.path.display());
    assert!(config.targets.contains(&identity));
    config.targets = config.targets.replace(&identity, way);
}

/// An `ssh-agent` with keys in it.
struct Agent {
    // Before `dir`: the agent ends before its socket goes.
    _agent: Child,
    dir: TempDir,
}

impl Agent {
    fn holding(keys: &[&Key]) -> Self {
        let dir = TempDir::with_prefix("agent-").unwrap();
        let socket = dir.path().join("agent");
        let agent = Child::server(
            Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket),
            &dir.path().join("log"),
        );
        eventually("the agent", || std::os::unix::net::UnixStream::connect(&socket).ok());
        for key in keys {
            let added = Command::new("ssh-add")
                .arg("-q")
                .arg(&key.path)
                .env("SSH_AUTH_SOCK", &socket)
                .status();
            assert!(added.unwrap().success());
        }
        Self { _agent: agent, dir }
    }

    /// `ssh` with this agent forwarded.
    fn forwarded(&self, ssh: Ssh) -> Ssh {
        ssh.forward_agent(&self.dir.path().join("agent"))
    }
}

#[test]
fn a_certificate_of_the_bastions_user_ca_opens_a_target_that_trusts_it() {
    let trusted = TempDir::with_prefix("user-ca-").unwrap();
    let trusted = trusted.path().join("trusted");
    let target = Sshd::start_with(&format!(
        "TrustedUserCAKeys {}\nAuthorizedKeysFile none\n",
        trusted.display()
    ));
    let bastion = Bastion::start(&target, |config| log_in_with(config, &target, "certificate = true"));

    std::fs::write(&trusted, "").unwrap();
    let output = bastion.ssh("alice@web-1").run("true");
    output.assert_failed();
    assert!(output.stderr.contains("TrustedUserCAKeys"), "{output:?}");

    std::fs::copy(bastion.dir().join("state/user_ca_ed25519_key.pub"), &trusted).unwrap();
    assert_eq!(bastion.ssh("alice@web-1").run("echo here").text(), "here\n");
    let mut terminal = bastion.ssh("alice@web-1").terminal("");
    terminal.expect(crate::harness::READY);
    terminal.line("exit");
    terminal.finish();
    let rows = bastion.rows_when("the shell's row", |rows| rows.len() == 3);
    let log = target.log();
    for row in &rows[1..] {
        let id = format!("ID alice@{} (serial 0) CA", row.session_id);
        assert!(log.contains(&id), "{id} is not in:\n{log}");
    }
}

#[test]
fn the_two_cas_are_separate_keys_that_nobody_else_may_read() {
    let target = Sshd::start();
    let bastion = Bastion::start(&target, |_| {});
    let public = |name: &str| Key::read(bastion.dir().join("state").join(name)).public;
    assert_ne!(public("host_ca_ed25519_key"), public("user_ca_ed25519_key"));
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(bastion.dir().join("state").join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("host_ca_ed25519_key"), mode("user_ca_ed25519_key")),
        (0o600, 0o600)
    );
}

#[test]
fn the_users_forwarded_agent_opens_a_target_that_knows_their_key() {
    let target = Sshd::start();
    let keys = TempDir::with_prefix("keys-").unwrap();
    let [own, other] = ["own", "other"].map(|name| Key::generate(keys.path(), name));
    target.authorize(&own);
    let bastion = Bastion::start(&target, |config| log_in_with(config, &target, "agent = true"));

    let without = bastion.ssh("alice@web-1").run("true");
    without.assert_failed();
    assert!(without.stderr.contains("ssh -A"), "{without:?}");

    let stranger = Agent::holding(&[&other]);
    let refused = stranger.forwarded(bastion.ssh("alice@web-1")).run("true");
    refused.assert_failed();
    assert!(refused.stderr.contains("every key of your agent"), "{refused:?}");
    assert_eq!(target.logins(), 0);

    let agent = Agent::holding(&[&other, &own]);
    let output = agent
        .forwarded(bastion.ssh("alice@web-1"))
        .run("echo here; echo ${SSH_AUTH_SOCK:-none}");
    assert_eq!(output.text(), "here\nnone\n", "{output:?}");
}

#[test]
fn the_agent_does_not_sign_for_the_bastion_itself() {
    let keys = TempDir::with_prefix("keys-").unwrap();
    let [own, shared] = ["own", "shared"].map(|name| Key::generate(keys.path(), name));
    let target = Sshd::start_with(&format!("HostKey {}\n", shared.path.display()));
    target.authorize(&own);
    let mut bastion = Bastion::start(&target, |config| {
        log_in_with(config, &target, "agent = true");
        config.targets = config.targets.replace(&target.host_key.public, &shared.public);
    });
    let agent = Agent::holding(&[&own]);
    let run = |bastion: &Bastion| agent.forwarded(bastion.ssh("alice@web-1")).run("echo here");
    assert_eq!(run(&bastion).text(), "here\n");

    bastion.stop();
    std::fs::copy(&shared.path, bastion.dir().join("state/ssh_host_ed25519_key")).unwrap();
    bastion.restart();
    bastion.trust_host_key();
    let output = run(&bastion);
    output.assert_failed();
    assert!(output.stderr.contains("the bastion's own host key"), "{output:?}");
    assert_eq!(target.logins(), 1);
}
