//! `ssh -J` and `ProxyJump`: an engineer's ordinary `ssh_config`, as `opspilot client-config` prints it, and every command seen.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Child, Config, Key, READY, RISKY, Ssh, Terminal, World, eventually};

/// What an engineer trusts the bastion's inner side by.
#[derive(Clone, Copy)]
enum Trust {
    /// The `@cert-authority` line.
    Certificate,
    /// The plain key lines that stand there as a comment.
    PlainKey,
}

/// The `ssh_config` of `user`, made of what `opspilot client-config` prints, and nothing is trusted on first use.
fn ssh_config(world: &World, user: &str, trust: Trust) -> PathBuf {
    let printed = world.bastion.opspilot(&["client-config"]);
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    let (known_hosts, blocks) = printed.split_once("# ~/.ssh/config\n").unwrap();
    let known_hosts: String = match trust {
        Trust::Certificate => known_hosts.to_owned(),
        Trust::PlainKey => known_hosts
            .lines()
            .filter(|line| !line.starts_with("@cert-authority"))
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|line| line.contains(" ssh-"))
                    .unwrap_or(line)
                    .to_owned()
                    + "\n"
            })
            .collect(),
    };
    configure(world.bastion.dir(), user, &known_hosts, blocks)
}

/// Writes an `ssh_config` and its `known_hosts` with these contents.
fn configure(dir: &Path, user: &str, known_hosts: &str, blocks: &str) -> PathBuf {
    let hosts = dir.join("engineer_known_hosts");
    std::fs::write(&hosts, known_hosts).unwrap();
    let identity = dir.join(user);
    let config = dir.join("ssh_config");
    let text = format!(
        "Host 127.0.0.1\n    User {user}\nHost *\n    BatchMode yes\n    StrictHostKeyChecking yes\n    IdentityAgent none\n\
         \x20   IdentitiesOnly yes\n    IdentityFile {}\n    UserKnownHostsFile {}\n    GlobalKnownHostsFile /dev/null\n{blocks}",
        identity.display(),
        hosts.display(),
    );
    std::fs::write(&config, text).unwrap();
    config
}

/// An `ssh` of alice's to `host` by her own configuration.
fn alice(world: &World, host: &str) -> Ssh {
    Ssh::configured(&ssh_config(world, "alice", Trust::Certificate), host)
}

/// A channel to `host:port` through alice's connection to the console, which says what it answers.
fn channel_to(world: &World, to: &str) -> Ssh {
    world.bastion.ssh("alice").arg("-W").arg(to)
}

/// The users and targets of the sessions on record, by their begin.
fn sessions(world: &World) -> Vec<(String, String, String)> {
    let sql = world.bastion.sql();
    let mut statement = sql
        .prepare("SELECT user_id, target, state FROM sessions ORDER BY started_at")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_command_runs_by_the_printed_configuration_and_is_on_record() {
    let world = World::new();
    let output = alice(&world, "web-1")
        .arg("-v")
        .stdin("in")
        .run("cat; printf err >&2; exit 7");
    assert_eq!((output.code, output.text().as_str()), (7, "in"), "{output:?}");
    assert!(output.stderr.contains("err"), "{output:?}");
    assert!(
        output
            .stderr
            .contains("Server host certificate: ssh-ed25519-cert-v01@openssh.com"),
        "{output:?}"
    );
    let row = world.bastion.row();
    assert_eq!(
        (row.user_id.as_str(), row.target.as_str(), &row.login),
        ("alice", "web-1", &world.target.login)
    );
    assert_eq!((row.state.as_str(), row.exit_code), ("finished", Some(7)));
    let ended = ("alice".to_owned(), "web-1".to_owned(), "closed".to_owned());
    eventually("the session's end", || {
        (sessions(&world) == [ended.clone()]).then_some(())
    });
    assert!(!world.bastion.log().contains("early eof"), "an ordinary end is quiet");
}

#[test]
fn a_session_says_how_its_user_came_and_what_proved_them() {
    let world = World::new();
    assert_eq!(world.alice().run("true").code, 0);
    assert_eq!(alice(&world, "web-1").run("true").code, 0);
    let listed = world.bastion.opspilot(&["sessions", "--json"]);
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let ways: Vec<&Value> = listed.iter().map(|session| &session["channel_info"]["way"]).collect();
    assert_eq!(ways, ["proxyjump", "name"], "newest first");
    let key = ssh_keygen_fingerprint(&world.bastion.dir().join("alice.pub"));
    for session in &listed {
        assert_eq!(
            session["channel_info"]["authentication"],
            json!([format!("publickey {key}")])
        );
    }
}

/// What `ssh-keygen -l` calls a key.
fn ssh_keygen_fingerprint(public_key: &Path) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(public_key).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn the_plain_key_lines_do_as_well() {
    let world = World::new();
    let config = ssh_config(&world, "alice", Trust::PlainKey);
    let output = Ssh::configured(&config, "web-1").run("echo here");
    assert_eq!((output.code, output.text().as_str()), (0, "here\n"), "{output:?}");
}

#[test]
fn a_client_that_trusts_another_ca_does_not_connect() {
    let world = World::new();
    let mallory = Key::generate(world.bastion.dir(), "mallory");
    let bastion = Key::read(world.bastion.dir().join("state/ssh_host_ed25519_key"));
    let known_hosts = format!(
        "[127.0.0.1]:{} {}\n@cert-authority web-1 {}\n",
        world.bastion.config.port, bastion.public, mallory.public
    );
    let blocks = format!(
        "Host 127.0.0.1\n    Port {}\nHost web-1\n    ProxyJump 127.0.0.1\n",
        world.bastion.config.port
    );
    let config = configure(world.bastion.dir(), "alice", &known_hosts, &blocks);
    let output = Ssh::configured(&config, "web-1").run("true");
    assert_eq!(output.code, 255, "{output:?}");
    assert!(output.stderr.contains("Host key verification failed"), "{output:?}");
}

#[test]
fn a_jump_on_the_command_line_names_the_login() {
    let world = World::new();
    let config = ssh_config(&world, "alice", Trust::Certificate);
    let jump = format!("alice@127.0.0.1:{}", world.bastion.config.port);
    for destination in [
        "web-1".to_owned(),
        "WEB-1".to_owned(),
        format!("127.0.0.1 -p {}", world.target.port),
    ] {
        let mut words = destination.split(' ');
        let host = format!("{}@{}", world.target.login, words.next().unwrap());
        let ssh = Ssh::configured(&config, &host).arg("-J").arg(&jump);
        let output = words.fold(ssh, Ssh::arg).run("echo here");
        assert_eq!(
            (output.code, output.text().as_str()),
            (0, "here\n"),
            "{destination}: {output:?}"
        );
    }
}

#[test]
fn aliases_are_names_too() {
    let world = World::with(|config| {
        config.targets = config
            .targets
            .replace("name = \"web-1\"", "name = \"web-1\"\naliases = [\"web-1.internal\"]");
    });
    assert_eq!(alice(&world, "web-1.internal").run("echo here").text(), "here\n");
    assert_eq!(world.bastion.row().target, "web-1");
}

#[test]
fn a_dangerous_command_is_held_and_its_code_runs_it() {
    let world = World::new();
    let mut running = alice(&world, "web-1").start(RISKY);
    let code = running.code();
    assert_eq!(world.bastion.rows_now()[0].state, "held");
    running.send(format!("{code}\n").as_bytes());
    assert_eq!(running.finish().code, 0);
    assert_eq!(world.bastion.row().user_confirmed, Some(true));
}

#[test]
fn a_shell_is_gated_line_by_line() {
    let world = World::new();
    let mut terminal: Terminal = alice(&world, "web-1").terminal("");
    let greeting = terminal.expect(READY);
    assert!(!greeting.contains("PTY allocation"), "{greeting}");
    assert!(terminal.run("echo one").ends_with("\none\n"));
    terminal.line(RISKY);
    terminal.answer("no");
    terminal.expect(READY);
    terminal.line("exit 5");
    assert_eq!(terminal.finish(), 5);
    let rows = world.bastion.rows(3);
    let states: Vec<_> = rows
        .iter()
        .map(|row| (row.command.as_str(), row.state.as_str()))
        .collect();
    assert_eq!(
        states,
        [("echo one", "finished"), (RISKY, "refused"), ("exit 5", "finished")]
    );
    assert!(
        rows.iter()
            .all(|row| row.channel == "shell" && row.exactness == "exact")
    );
}

#[test]
fn files_and_bulk_pass_whole_in_both_directions_at_once() {
    let world = World::with(|config| {
        config.allow_everything();
        config.policies = config.policies.replace("\"exec\"]", "\"exec\", \"scp\"]");
    });
    let config = ssh_config(&world, "alice", Trust::Certificate);
    // More than every window and buffer on the way together, so that each direction waits for the other.
    let bulk: Vec<u8> = (0u32..6 << 20).flat_map(u32::to_le_bytes).collect();
    let output = Ssh::configured(&config, "web-1").stdin(bulk.clone()).run("cat");
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout == bulk, "{} bytes came back", output.stdout.len());

    let (here, there) = (world.bastion.dir().join("bulk"), world.trace("bulk"));
    std::fs::write(&here, &bulk).unwrap();
    let copied = std::process::Command::new("scp")
        .args(["-O", "-q", "-F"])
        .arg(&config)
        .arg(&here)
        .arg(format!("web-1:{}", there.display()))
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    assert!(std::fs::read(there).unwrap() == bulk);
}

#[test]
fn what_is_no_target_that_one_may_reach_is_refused_in_the_same_words() {
    let world = World::with(|config| {
        config.targets += &config
            .targets
            .replace("web-1", "forbidden")
            .replace("env = \"prod\"", "env = \"vault\"");
        config.policies = config
            .policies
            .replace("users = [\"*\"]", "users = [\"*\"]\ntargets = [\"web-*\"]");
    });
    let port = world.target.port;
    let mut words = Vec::new();
    for to in [
        "nowhere:22".to_owned(),
        "forbidden:22".to_owned(),
        "web-1:80".to_owned(),
        // Two targets are there, so it could be either.
        format!("127.0.0.1:{port}"),
        "127.0.0.1:22".to_owned(),
        "[::1]:22".to_owned(),
    ] {
        let output = channel_to(&world, &to).run("");
        assert_ne!(output.code, 0, "{to}: {output:?}");
        assert_eq!(output.text(), "", "{to}");
        assert!(
            output.stderr.contains("administratively prohibited"),
            "{to}: {output:?}"
        );
        words.push(output.stderr);
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(world.target.logins(), 0);
    assert!(
        channel_to(&world, "web-1:22")
            .run("")
            .text()
            .starts_with("SSH-2.0-opspilot")
    );
}

#[test]
fn only_the_console_is_a_place_to_jump_from() {
    let world = World::new();
    let from_target = world.alice().arg("-W").arg("web-1:22").run("");
    assert!(
        from_target.stderr.contains("administratively prohibited"),
        "{from_target:?}"
    );
    // From one inner connection to another.
    let nested = alice(&world, "web-1").arg("-W").arg("web-1:22").run("");
    assert_eq!(nested.text(), "");
    assert!(nested.stderr.contains("administratively prohibited"), "{nested:?}");
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn a_login_that_is_not_allowed_is_refused_before_the_target_is_contacted() {
    let world = World::new();
    for login in ["nobody", "alice", "a@b"] {
        let output = alice(&world, &format!("{login}@web-1")).run("id");
        output.assert_refused();
    }
    let nonsense = alice(&world, "web-1").arg("-l").arg("a b").run("id");
    assert_ne!(nonsense.code, 0, "{nonsense:?}");
    assert_eq!(world.target.logins(), 0);
}

#[test]
fn the_inner_connection_is_counted_and_refused_beyond_the_limit() {
    let world = World::with(|config| config.server = "max_sessions_per_user = 1".to_owned());
    let output = alice(&world, "web-1").run("true");
    output.assert_refused();
    assert!(output.stderr.contains("you have 1 sessions already"), "{output:?}");
    assert_eq!(world.alice().run("true").code, 0);
}

#[test]
fn a_removed_users_inner_session_ends() {
    let mut world = World::new();
    let config = ssh_config(&world, "bob", Trust::Certificate);
    let mut bob = Ssh::configured(&config, "web-1").start("echo up; cat");
    bob.stdout.expect("up\n");
    world
        .bastion
        .reload(|config| config.users = config.users.replace("name = \"bob\"", "name = \"robert\""));
    assert_eq!(bob.wait(), 255);
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn a_removed_targets_inner_session_ends() {
    let mut world = World::new();
    let mut alice = alice(&world, "web-1").start("echo up; cat");
    alice.stdout.expect("up\n");
    world
        .bastion
        .reload(|config| config.targets = config.targets.replace("\"web-1\"", "\"web-9\""));
    assert_eq!(alice.wait(), 255);
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn a_lost_outer_connection_ends_what_is_inside() {
    let world = World::new();
    let mut running = alice(&world, "web-1").start("echo up; cat");
    running.stdout.expect("up\n");
    running.vanish();
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn an_inner_connection_that_does_not_log_in_is_ended() {
    let world = World::with(|config| config.server = "login_grace = \"3s\"".to_owned());
    let mut silent = channel_to(&world, "web-1:22").start("");
    silent.stdout.expect("SSH-2.0-opspilot");
    assert_eq!(silent.wait(), 0, "its channel was closed");
}

#[test]
fn one_that_is_not_read_does_not_stop_the_others_on_the_same_outer_connection() {
    let world = World::with(Config::allow_everything);
    let config = ssh_config(&world, "alice", Trust::Certificate);
    let socket = world.bastion.dir().join("outer");
    let shared = format!("ControlPath {}\n", socket.display());
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replacen("User alice\n", &format!("User alice\n    {shared}"), 1),
    )
    .unwrap();
    let master = Ssh::configured(&config, "127.0.0.1").arg("-M").arg("-N").start("");
    eventually("the outer connection", || socket.exists().then_some(()));

    let flood = Ssh::configured(&config, "web-1")
        .command(OsStr::new("yes"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let flood = Child::from(flood.unwrap());
    world
        .bastion
        .rows_when("the flood", |rows| rows.iter().any(|row| row.state == "running"));
    for _ in 0..3 {
        assert_eq!(Ssh::configured(&config, "web-1").run("echo here").text(), "here\n");
    }
    flood.signal("TERM");
    world.bastion.rows_when("the end of the flood", |rows| {
        rows.iter().all(crate::harness::Row::is_final)
    });
    let outer = world.bastion.log().matches(": authenticated ").count();
    assert_eq!(outer, 1 + 4, "one outer connection, and four inside it");
    master.vanish();
}

#[test]
fn several_users_of_one_bastion_keep_apart() {
    let world = World::with(|config: &mut Config| {
        config.policies = config.policies.replace("users = [\"*\"]", "users = [\"alice\"]");
    });
    assert_eq!(alice(&world, "web-1").run("true").code, 0);
    let bob = Ssh::configured(&ssh_config(&world, "bob", Trust::Certificate), "web-1").run("true");
    assert_ne!(bob.code, 0);
    assert!(bob.stderr.contains("administratively prohibited"), "{bob:?}");
}
