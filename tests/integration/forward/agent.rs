//! `ssh -A`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{rows_of, state_reason, world};
use crate::harness::{Child, Key, Ssh, Sshd, World, eventually};

/// The user's agent, with a key of its own.
struct Agent {
    _process: Child,
    dir: tempfile::TempDir,
    key: Key,
}

impl Agent {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket);
        let agent = Child::server(&mut command, &dir.path().join("log"));
        eventually("the agent", || socket.exists().then_some(()));
        let key = Key::generate(dir.path(), "lent");
        let started = Self {
            _process: agent,
            dir,
            key,
        };
        started.add(&started.key.path);
        started
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("agent")
    }

    fn add(&self, key: &Path) {
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(key)
            .env("SSH_AUTH_SOCK", self.socket())
            .status()
            .unwrap();
        assert!(added.success());
    }

    /// An `ssh` as alice that forwards this agent.
    fn forwarded(&self, world: &World) -> Ssh {
        world.alice().forward_agent(&self.socket())
    }
}

/// A login from the target to another server with nothing but the agent.
fn hop(login: &str, port: u16) -> String {
    format!(
        "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentityFile=none \
         -o LogLevel=ERROR -p {port} '{login}@127.0.0.1' echo hopped"
    )
}

#[test]
fn keys_are_listed_and_used_and_each_signature_is_a_row() {
    let (agent, third) = (Agent::start(), Sshd::start());
    let world = world("\"agent\"", "");
    third.authorize(&agent.key);
    let listed = agent.forwarded(&world).run("ssh-add -L");
    assert!(listed.text().contains(&agent.key.public), "{listed:?}");
    let hopped = agent.forwarded(&world).run(hop(&third.login, third.port));
    assert_eq!(hopped.text(), "hopped\n", "{hopped:?}");

    let lent = rows_of(&world, "forward agent", 2);
    let signed = rows_of(&world, "sign", 1).remove(0);
    assert_eq!((signed.parent_id, signed.channel.as_str()), (Some(lent[1].id), "agent"));
    assert_eq!((signed.state.as_str(), signed.exit_code), ("finished", Some(0)));
    let fingerprint = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(&agent.key.path)
        .output()
        .unwrap();
    let fingerprint = String::from_utf8(fingerprint.stdout).unwrap();
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    assert_eq!(
        signed.command,
        format!("sign '{fingerprint} for login as {}'", third.login)
    );
}

#[test]
fn nothing_else_is_asked_of_the_agent() {
    let agent = Agent::start();
    let world = world("\"agent\"", "");
    for command in [
        "ssh-add -D",
        "ssh-add -d /dev/stdin < /dev/null",
        "echo x | ssh-add -",
        "ssh-add -X </dev/null",
    ] {
        let output = agent.forwarded(&world).run(command);
        assert_ne!(output.code, 0, "{command}: {output:?}");
    }
    let key = world.trace("new");
    let made = agent.forwarded(&world).run(format!(
        "ssh-keygen -q -t ed25519 -N '' -f {0}; ssh-add {0}",
        key.display()
    ));
    assert_ne!(made.code, 0, "{made:?}");
    let listed = agent.forwarded(&world).run("ssh-add -L");
    assert_eq!(listed.text().lines().count(), 1, "{listed:?}");
}

#[test]
fn an_agent_that_the_policy_does_not_list_is_not_lent() {
    let agent = Agent::start();
    let world = world("\"forward\"", "");
    let output = agent.forwarded(&world).run("echo agent: $SSH_AUTH_SOCK");
    assert_eq!(output.text(), "agent:\n", "{output:?}");
    assert_eq!(rows_of(&world, "forward agent", 1)[0].state, "denied");
}

#[test]
fn an_agent_that_was_not_offered_is_not_lent() {
    let world = world("\"agent\"", "");
    assert_eq!(world.alice().run("echo agent: $SSH_AUTH_SOCK").text(), "agent:\n");
    assert_eq!(world.bastion.row().channel, "exec");
}

#[test]
fn a_target_cannot_log_in_to_the_bastion_with_the_users_agent() {
    let agent = Agent::start();
    let world = world("\"agent\"", "");
    // The user's own key of the bastion is what their agent has.
    agent.add(&world.bastion.dir().join("alice"));
    let port = world.bastion.config.port;

    let onwards = agent.forwarded(&world).run(hop("alice@web-1", port));
    assert!(!onwards.text().contains("hopped"), "{onwards:?}");
    let refused = rows_of(&world, "sign", 1).remove(0);
    assert_eq!(refused.state, "interrupted");
    assert_eq!(
        state_reason(&world, &refused),
        "refused: it would log in to this bastion"
    );
}

/// dropbear's client tells the agent nothing of the server, as a hostile program would not.
#[test]
fn nor_with_a_client_that_does_not_say_where_it_logs_in() {
    let agent = Agent::start();
    let world = world("\"agent\"", "");
    agent.add(&world.bastion.dir().join("alice"));
    let port = world.bastion.config.port;
    let hop = |login: &str, command: &str| {
        let hop = format!("dbclient -y -y -p {port} '{login}@127.0.0.1' {command} < /dev/null");
        agent.forwarded(&world).run(hop)
    };

    let onwards = hop("alice+web-1", "echo hopped");
    assert!(!onwards.text().contains("hopped"), "{onwards:?}");
    let refused = rows_of(&world, "sign", 1).remove(0);
    assert_eq!(
        state_reason(&world, &refused),
        "refused: it would log in through a bastion"
    );

    // As `alice` alone it could be an account elsewhere, so it is signed; but it does not get in here.
    let console = hop("alice", "whoami");
    assert!(console.stderr.contains("had your agent sign a login"), "{console:?}");
    assert!(!console.text().contains("alice"), "{console:?}");
    assert_eq!(rows_of(&world, "sign", 2)[1].exit_code, Some(0));
    let own = world.bastion.ssh("alice").run("whoami");
    assert_eq!(
        (own.code, own.text().contains("alice")),
        (0, true),
        "the user themselves get in"
    );
}
