//! Who gets where: the user, the login and the target in one word, and every door that stays closed.

use crate::harness::{Bastion, Config, Key, Output, RISKY, Sshd, World, free_port};

/// Asserts that `output` ran nothing, and that the target was never logged in to.
#[track_caller]
fn assert_turned_away(world: &World, output: &Output) {
    assert_ne!(output.code, 0, "{output:?}");
    assert_eq!(output.text(), "", "{output:?}");
    assert_eq!(world.target.logins(), 0, "the target was contacted: {output:?}");
}

#[test]
fn a_user_and_a_target_reach_the_targets_own_login() {
    let world = World::new();
    assert_eq!(world.alice().run("id -un").text().trim(), world.target.login);

    let row = world.bastion.row();
    assert_eq!(
        (row.user_id.as_str(), row.target.as_str(), &row.login),
        ("alice", "web-1", &world.target.login)
    );
    assert_eq!(row.channel, "exec");
}

#[test]
fn a_login_may_stand_between_and_plus_is_a_separator_too() {
    let world = World::new();
    let login = &world.target.login;
    for word in [
        format!("alice@{login}@web-1"),
        "alice+web-1".to_owned(),
        format!("alice+{login}+web-1"),
    ] {
        let output = world.bastion.ssh(&word).run("echo here");
        assert_eq!(
            (output.code, output.text().as_str()),
            (0, "here\n"),
            "{word}: {output:?}"
        );
    }
    let rows = world.bastion.rows(3);
    assert!(
        rows.iter()
            .all(|row| row.user_id == "alice" && row.target == "web-1" && row.login == *login)
    );
}

#[test]
fn a_login_that_the_target_does_not_list_is_refused_before_the_target_is_contacted() {
    let world = World::new();
    let output = world.bastion.ssh("alice@nobody@web-1").run("id");
    assert_turned_away(&world, &output);
    assert!(output.stderr.contains("opspilot:"), "{output:?}");
}

#[test]
fn an_unknown_target_is_refused() {
    let world = World::new();
    assert_turned_away(&world, &world.bastion.ssh("alice@web-2").run("id"));
}

#[test]
fn words_that_are_no_names_are_refused() {
    let world = World::new();
    for word in [
        "alice@",
        "alice@@web-1",
        "alice@web-1@",
        "alice@-web-1",
        "alice@web-1\n",
        "alice@../web-1",
    ] {
        assert_turned_away(&world, &world.bastion.ssh_with_key_of("alice", word).run("id"));
    }
    assert!(world.bastion.rows_now().is_empty());
}

#[test]
fn an_unknown_user_is_refused() {
    let world = World::new();
    assert_turned_away(
        &world,
        &world.bastion.ssh_with_key_of("alice", "mallory@web-1").run("id"),
    );
}

#[test]
fn another_users_key_does_not_open_the_door() {
    let world = World::new();
    let output = world.bastion.ssh_with_key_of("bob", "alice@web-1").run("id");
    assert_turned_away(&world, &output);
    assert!(output.stderr.contains("Permission denied"), "{output:?}");
}

#[test]
fn a_target_with_another_host_key_is_not_logged_in_to() {
    let world = World::with(|config| {
        // A key that is valid and not the target's: the bastion's own user's.
        let other = config
            .users
            .split('"')
            .find(|part| part.starts_with("ssh-ed25519"))
            .unwrap()
            .to_owned();
        let start = config.targets.find("ssh-ed25519").unwrap();
        let end = start + config.targets[start..].find('"').unwrap();
        config.targets.replace_range(start..end, &other);
    });
    let output = world.alice().run("id");
    output.assert_failed();
    assert!(output.stderr.contains("host key"), "{output:?}");
    assert_turned_away(&world, &output);
}

#[test]
fn an_unreachable_target_is_said_to_be_so() {
    let mut target = Sshd::start();
    target.stop();
    let bastion = Bastion::start(&target, |_| {});
    let output = bastion.ssh("alice@web-1").run("id");
    output.assert_failed();
    assert!(output.stderr.contains("web-1"), "{output:?}");
}

#[test]
fn a_target_that_never_answers_does_not_hold_the_others_up() {
    let target = Sshd::start();
    let silent = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, free_port())).unwrap();
    let port = silent.local_addr().unwrap().port();
    let bastion = Bastion::start(&target, |config| {
        config.targets += &Config::target_at("silent", port, &target.host_key.public, &target, "");
    });
    let waiting = bastion.ssh("alice@silent").arg("-n").start("id");
    assert_eq!(bastion.ssh("bob@web-1").run("echo here").text(), "here\n");
    waiting.vanish();
}

#[test]
fn a_target_that_refuses_the_bastions_key_is_said_to_do_so() {
    let target = Sshd::start();
    let keys = tempfile::tempdir().unwrap();
    let stranger = Key::generate(keys.path(), "stranger");
    let bastion = Bastion::start(&target, |config| {
        let known = target.client_key.path.display().to_string();
        config.targets = config.targets.replace(&known, &stranger.path.display().to_string());
    });
    bastion.ssh("alice@web-1").run("id").assert_failed();
}

#[test]
fn whom_no_policy_matches_reaches_nothing_and_does_not_learn_what_there_is() {
    let world = World::with(|config| config.policies = config.policies.replace("[\"*\"]", "[\"alice\"]"));
    let there = world.bastion.ssh("bob@web-1").run("true");
    there.assert_refused();
    assert_turned_away(&world, &there);
    assert!(world.bastion.log().contains("bob"), "{}", world.bastion.log());
    let nowhere = world.bastion.ssh("bob@web-2").run("true");
    assert_eq!(
        there.stderr,
        nowhere.stderr.replace("web-2", "web-1"),
        "the same words whether it exists or not"
    );
    assert_eq!(world.alice().run("true").code, 0);
}

#[test]
fn a_channel_that_the_policy_does_not_list_is_denied() {
    let world = World::with(|config| config.policies = config.policies.replace("[\"shell\", \"exec\"]", "[\"shell\"]"));
    world.alice().run("true").assert_refused();
    assert_eq!(world.bastion.row().state, "denied");
}

#[test]
fn what_is_not_a_session_is_refused() {
    let world = World::new();
    // A forward: the client's own connection to it ends, and the target's port is never reached through it.
    let port = free_port();
    let forward = format!("127.0.0.1:{}", world.target.port);
    let output = world.alice().arg("-W").arg(&forward).run("");
    assert_ne!(output.code, 0, "{output:?}");
    assert!(!output.text().contains("SSH-2.0"), "{output:?}");
    let remote = world
        .alice()
        .arg("-o")
        .arg("ExitOnForwardFailure=yes")
        .arg("-R")
        .arg(&format!("127.0.0.1:{port}:{forward}"))
        .run("true");
    assert_ne!(remote.code, 0, "{remote:?}");
    let sftp = world.alice().arg("-s").run("sftp");
    assert_ne!(sftp.code, 0, "{sftp:?}");
}

#[test]
fn the_console_answers_without_a_target() {
    let world = World::new();
    let console = |command: &str| {
        let output = world.bastion.ssh("alice").run(command);
        assert_eq!(output.code, 0, "{command}: {output:?}");
        output.text()
    };
    assert!(console("whoami").contains("alice"));
    assert!(console("targets").contains("web-1"));
    assert!(console("help").contains("confirm"));
}

#[test]
fn the_console_runs_nothing_else() {
    let world = World::new();
    for command in ["id", RISKY, "targets; id", "confirm", "confirm $(id)"] {
        let output = world.bastion.ssh("alice").run(command);
        assert_ne!(output.code, 0, "{command}: {output:?}");
        assert!(!output.text().contains("uid="), "{command}: {output:?}");
    }
}
