//! scp, rsync and git through the bastion: the files arrive, and the record calls them what they are.

use std::path::Path;
use std::process::Command;

use crate::harness::{Config, Row, World};

fn moves(channels: &str, rules: &str) -> impl FnOnce(&mut Config) {
    move |config| config.move_files("moves", channels, rules)
}

const ALL: &str = r#""exec", "sftp", "scp", "rsync", "git""#;

/// Bytes without a pattern.
fn noise() -> Vec<u8> {
    (0..3_000_001_u32)
        .map(|at| (at.wrapping_mul(0x9e37_79b1) >> 24) as u8)
        .collect()
}

/// Runs a program to its end, which has to be a good one.
#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[track_caller]
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn scp(world: &World, arguments: &[&str]) -> Command {
    let mut scp = world.alice().program("scp");
    scp.args(arguments);
    scp
}

fn place(world: &World, path: &Path) -> String {
    world.alice().place(&path.display().to_string())
}

fn rsync(world: &World, arguments: &[&str]) -> Command {
    let mut rsync = Command::new("rsync");
    rsync.args(["-e", &world.alice().command_line()]).args(arguments);
    rsync
}

#[test]
fn scp_moves_files_by_either_protocol() {
    let world = World::with(moves(ALL, ""));
    let bytes = noise();
    let (from, to, back) = (world.trace("from"), world.trace("to"), world.trace("back"));
    std::fs::write(&from, &bytes).unwrap();
    for (option, channel) in [("-O", "scp"), ("-s", "sftp")] {
        let (here, there) = (from.display().to_string(), place(&world, &to));
        succeeds(&mut scp(&world, &[option, &here, &there]));
        succeeds(&mut scp(&world, &[option, &there, &back.display().to_string()]));
        assert!(std::fs::read(&to).unwrap() == bytes && std::fs::read(&back).unwrap() == bytes);
        std::fs::remove_file(&to).unwrap();
        std::fs::remove_file(&back).unwrap();
        let rows = world.bastion.rows_when("ends", |rows| rows.iter().all(Row::is_final));
        assert!(rows.last().is_some_and(|row| row.channel == channel), "{rows:#?}");
    }
    let rows = world.bastion.rows_now();
    assert_eq!(rows.iter().filter(|row| row.channel == "scp").count(), 2, "{rows:#?}");
}

#[test]
fn rsync_and_git_move_files() {
    let world = World::with(moves(ALL, ""));
    let bytes = noise();
    let (from, to) = (world.trace("from"), world.trace("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::write(from.join("file"), &bytes).unwrap();
    let here = format!("{}/", from.display());
    succeeds(&mut rsync(&world, &["-a", "--delete", &here, &place(&world, &to)]));
    assert!(std::fs::read(to.join("file")).unwrap() == bytes);

    let (repository, clone) = (world.trace("repository.git"), world.trace("clone"));
    succeeds(Command::new("git").args(["init", "-q", "--bare"]).arg(&repository));
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        git.args(arguments).env("GIT_SSH_COMMAND", world.alice().command_line());
        git
    };
    let address = place(&world, &repository);
    let clone = clone.display().to_string();
    succeeds(&mut git(&["clone", "-q", &address, &clone]));
    succeeds(&mut git(&[
        "-C",
        &clone,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "first",
    ]));
    succeeds(&mut git(&["-C", &clone, "push", "-q", "origin", "HEAD:main"]));

    let rows = world.bastion.rows(3);
    let channels: Vec<_> = rows.iter().map(|row| row.channel.as_str()).collect();
    assert_eq!(channels, ["rsync", "git", "git"], "{rows:#?}");
    assert!(
        rows.iter()
            .all(|row| row.exit_code == Some(0) && row.final_risk_level.is_some())
    );
}

#[test]
fn a_transfer_needs_its_own_channel() {
    let world = World::with(moves(r#""exec""#, ""));
    let (from, to) = (world.trace("from"), world.trace("to"));
    std::fs::write(&from, "x").unwrap();
    let (here, there) = (from.display().to_string(), place(&world, &to));
    let said = fails(&mut scp(&world, &["-O", &here, &there]));
    assert!(said.contains("denied by policy `moves`"), "{said}");
    fails(&mut rsync(&world, &[&here, &there]));
    fails(
        Command::new("git")
            .args(["ls-remote", &there])
            .env("GIT_SSH_COMMAND", world.alice().command_line()),
    );
    assert!(!to.exists());
    // What only begins like one is a command like any other.
    assert_eq!(
        world.alice().run("scp -t /nowhere >/dev/null 2>&1; echo seen").text(),
        "seen\n"
    );
    let rows = world.bastion.rows(4);
    let channels: Vec<_> = rows
        .iter()
        .map(|row| (row.channel.as_str(), row.state.as_str()))
        .collect();
    let expected = [
        ("scp", "denied"),
        ("rsync", "denied"),
        ("git", "denied"),
        ("exec", "finished"),
    ];
    assert_eq!(channels, expected);
}

#[test]
fn rules_about_files_hold_for_whole_trees() {
    let target = crate::harness::Sshd::start();
    let home = target.home().display().to_string();
    let rule = format!("{{ ops = [\"write\"], paths = [\"{home}/secret/**\"], action = \"deny\" }}");
    let world = World::on(target, moves(ALL, &rule));
    std::fs::create_dir(world.trace("secret")).unwrap();
    std::fs::create_dir(world.trace("open")).unwrap();
    let from = world.trace("from");
    std::fs::write(&from, "x").unwrap();
    let here = from.display().to_string();
    let there = |name: &str| place(&world, &world.trace(name));
    // Into it, above it, and where nobody can tell.
    for name in ["secret/x", "", "open/../secret"] {
        fails(&mut scp(&world, &["-O", &here, &there(name)]));
        fails(&mut rsync(&world, &[&here, &there(name)]));
    }
    fails(&mut scp(&world, &["-O", &here, &world.alice().place("relative")]));
    succeeds(&mut scp(&world, &["-O", &here, &there("open/")]));
    succeeds(&mut rsync(&world, &[&here, &there("open/")]));
    assert_eq!(std::fs::read_dir(world.trace("secret")).unwrap().count(), 0);
}

#[test]
fn sshfs_works_as_on_any_server() {
    let world = World::with(moves(ALL, ""));
    let (far, near) = (world.trace("far"), world.trace("near"));
    std::fs::create_dir(&far).unwrap();
    std::fs::create_dir(&near).unwrap();
    let mut sshfs = Command::new("sshfs");
    sshfs.arg(place(&world, &far)).arg(&near);
    let command = world.alice().command_line().replace('\'', "");
    sshfs.args(["-o", &format!("ssh_command={command}")]);
    // Without FUSE, as in many a container, there is nothing to test.
    match sshfs.output() {
        Ok(output) if output.status.success() => {}
        other => return eprintln!("left out: sshfs cannot mount here: {other:?}"),
    }
    let bytes = noise();
    let written = std::fs::write(near.join("file"), &bytes);
    let read = std::fs::read(near.join("file"));
    let moved = std::fs::rename(near.join("file"), near.join("moved"));
    succeeds(Command::new("fusermount3").arg("-u").arg(&near));
    written.unwrap();
    moved.unwrap();
    assert!(read.unwrap() == bytes && std::fs::read(far.join("moved")).unwrap() == bytes);
}
