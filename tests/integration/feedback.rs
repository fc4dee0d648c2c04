//! What people say of commands afterwards: on the command line, at the console, and who may.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{Config, World, opspilot};

const COMMAND: &str = "echo done";

/// A world in which alice has run one command.
fn after_one() -> (World, String) {
    after_one_with(|_| {})
}

fn after_one_with(change: impl FnOnce(&mut Config)) -> (World, String) {
    let world = World::with(change);
    assert_eq!(world.alice().run(COMMAND).code, 0);
    let id = world.bastion.row().id.to_string();
    (world, id)
}

fn rate(world: &World, id: &str, rating: &str, comment: &str) -> Output {
    world
        .bastion
        .opspilot(&["feedback", id, "--rating", rating, "--comment", comment])
}

fn shown(world: &World, id: &str) -> Value {
    let output = world.bastion.opspilot(&["show", "--json", id]);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn socket(world: &World) -> PathBuf {
    world.bastion.dir().join("state/control.sock")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn account() -> String {
    format!("uid:{}", rustix::process::geteuid().as_raw())
}

#[test]
fn the_daemon_is_asked_while_it_serves_and_the_record_opened_when_it_does_not() {
    let (mut world, id) = after_one();
    let rated = rate(&world, &id, "2", "it broke the\u{1b}[2J cache; password=hunter2");
    assert_eq!(
        String::from_utf8_lossy(&rated.stdout),
        format!("command {id} is rated 2\n"),
        "{rated:?}"
    );
    let kept = "it broke the\\x1b[2J cache; password=[redacted]";
    let row = world.bastion.row();
    assert_eq!(
        (row.feedback_rating, row.user_feedback.as_deref()),
        (Some(2), Some(kept))
    );
    assert!(world.bastion.log().contains("asked over the control socket"));
    assert!(!world.bastion.log().contains("hunter2"));

    world.bastion.stop();
    assert!(!socket(&world).exists());
    assert!(rate(&world, &id, "4", "").status.success());
    let row = world.bastion.row();
    assert_eq!(
        (row.feedback_rating, row.user_feedback),
        (Some(4), None),
        "the last counts"
    );
    let life = shown(&world, &id);
    assert_eq!(life["feedback_by"], account().as_str());
    assert_eq!(life["ratings"][account()]["rating"], 4, "{life}");
    let kinds: Vec<_> = life["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["kind"])
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "feedback_given").count(),
        2,
        "{kinds:?}"
    );
}

#[test]
fn the_list_and_the_page_show_it() {
    let (world, id) = after_one();
    rate(&world, &id, "3", "so so");
    let listed = world.bastion.opspilot(&["log", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["feedback_rating"], 3);
    assert_eq!(listed[0]["user_feedback"], "so so");
    assert_eq!(listed[0]["feedback_by"], account().as_str());
    let page = world.bastion.opspilot(&["show", &id]);
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(
        page.contains("feedback_rating         3\n") && page.contains("user_feedback           so so\n"),
        "{page}"
    );
}

#[test]
fn a_daemon_that_was_killed_is_not_waited_for_and_its_successor_answers() {
    let (mut world, id) = after_one();
    world.bastion.crash();
    assert!(socket(&world).exists(), "left behind");
    let rated = rate(&world, &id, "5", "");
    assert!(rated.status.success(), "{rated:?}");
    world.bastion.restart();
    assert!(rate(&world, &id, "1", "").status.success());
    assert_eq!(world.bastion.row().feedback_rating, Some(1));
    assert!(world.bastion.log().contains("asked over the control socket"));
}

#[test]
fn a_second_daemon_leaves_the_first_ones_socket_alone() {
    let (world, id) = after_one();
    let other = std::fs::read_to_string(world.bastion.config_file()).unwrap();
    let other = other.replace("[store]\n", "[store]\npath = \"other.db\"\n");
    let file = world.bastion.dir().join("other.toml");
    std::fs::write(&file, other).unwrap();
    let second = opspilot(&["serve", "-c"]).arg(&file).output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(said(&second).contains("another opspilot answers in"), "{second:?}");
    assert!(rate(&world, &id, "5", "").status.success());
}

#[test]
fn what_cannot_be_rated_is_an_error_in_plain_words() {
    let (world, id) = after_one();
    for (id, rating, comment, words) in [
        ("999", "3", "", "there is no command 999 that you may rate"),
        (id.as_str(), "3", &"x".repeat(2_001), "say it in 2000 at most"),
        (id.as_str(), "3", &"x".repeat(100_000), "too much to ask at once"),
    ] {
        let refused = rate(&world, id, rating, comment);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(said(&refused).contains(words), "{refused:?}");
    }
    for rating in ["0", "6", "good", ""] {
        let refused = rate(&world, &id, rating, "");
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    assert_eq!(world.bastion.row().feedback_rating, None);
}

#[test]
fn other_accounts_of_the_host_are_not_heard() {
    let (world, id) = after_one();
    let path = socket(&world);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    if !rustix::process::geteuid().is_root() {
        eprintln!("only root can be another account: not tested here");
        return;
    }
    // Whatever became of the files' modes, the kernel says who asks.
    let open = |path: &std::path::Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    open(&path, 0o666);
    for dir in [world.bastion.dir(), path.parent().unwrap()] {
        open(dir, 0o755);
    }
    // It is turned away before it is heard, so its request may find nobody.
    let ask = "trap '' PIPE; zmodload zsh/net/socket; zsocket $1
               print -ru $REPLY -- $2; read -ru $REPLY said; print -r -- $said";
    let request = format!("{{\"feedback\":{{\"id\":{id},\"rating\":1}}}}");
    let nobody = Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups", "zsh", "-fc", ask, "zsh"])
        .arg(&path)
        .arg(request)
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&nobody.stdout);
    assert!(answer.contains("only root and the daemon's own account"), "{nobody:?}");
    assert_eq!(world.bastion.row().feedback_rating, None);
}

#[test]
fn who_hangs_up_or_floods_does_the_daemon_no_harm() {
    let (world, id) = after_one();
    for _ in 0..100 {
        let mut stream = UnixStream::connect(socket(&world)).unwrap();
        // It hangs up after 64 KiB.
        stream.write_all(&vec![b'['; 70_000]).unwrap_or_default();
    }
    assert!(rate(&world, &id, "5", "").status.success());
    assert_eq!(world.alice().run(COMMAND).code, 0);
}

#[test]
fn at_the_console_one_rates_ones_own_commands() {
    let (world, id) = after_one();
    let console = |user: &str, words: &str| world.bastion.ssh(user).run(words);
    let given = console(
        "alice",
        &format!("feedback {id} 2 not what I  meant, token=abcdef123456"),
    );
    assert_eq!((given.code, given.text()), (0, format!("command {id} is rated 2\n")));
    let kept = "not what I meant, token=[redacted]";
    assert_eq!(world.bastion.row().user_feedback.as_deref(), Some(kept));
    let life = shown(&world, &id);
    assert_eq!(life["feedback_by"], "alice");
    assert_eq!(life["ratings"]["alice"]["roles"], serde_json::json!(["sre"]));

    let refused = console("bob", &format!("feedback {id} 5"));
    let unknown = console("bob", "feedback 999 5");
    refused.assert_refused();
    unknown.assert_refused();
    let words = |output: &crate::harness::Output, id: &str| output.stderr.replace(id, "ID");
    assert_eq!(
        words(&refused, &id),
        words(&unknown, "999"),
        "nobody is told which numbers there are"
    );
    console("alice", &format!("feedback {id} 9")).assert_refused();
    console("alice", "feedback").assert_refused();
    assert_eq!(world.bastion.row().feedback_rating, Some(2));
}

#[test]
fn an_admin_rates_everybodys_commands_and_the_menu_takes_the_same_words() {
    let (world, id) = after_one_with(|config| {
        let (alice, others) = config.users.split_once("name = \"bob\"").unwrap();
        let others = others.replacen("roles = [\"sre\"]", "roles = [\"sre\", \"admin\"]", 1);
        config.users = format!("{alice}name = \"bob\"{others}");
    });
    let given = world
        .bastion
        .ssh("bob")
        .run(format!("feedback {id} 1 it took the site down"));
    assert_eq!(given.code, 0, "{given:?}");
    let life = shown(&world, &id);
    assert_eq!(life["feedback_by"], "bob");
    assert_eq!(life["ratings"]["bob"]["roles"], serde_json::json!(["sre", "admin"]));

    let mut menu = world.bastion.ssh("alice").terminal("");
    menu.expect("> ");
    menu.send(format!("feedback {id} 4 no, it did not\r"));
    menu.expect(&format!("command {id} is rated 4"));
    menu.send("feedback\r");
    menu.expect("say which, and how it was");
    menu.send("\u{3}\u{4}");
    menu.finish();
    let life = shown(&world, &id);
    assert_eq!(
        (&life["feedback_by"], &life["feedback_rating"]),
        (&"alice".into(), &4.into())
    );
    assert_eq!(life["ratings"]["bob"]["rating"], 1, "another's is kept: {life}");
}
