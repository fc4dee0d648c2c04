//! Shipping by the daemon: across SIGHUP, a restart and a crash.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Config, World, eventually};

/// A configuration with a place of this name.
fn ships(keys: &str) -> impl FnOnce(&mut Config) {
    let table = format!("\n[[ship]]\nname = \"siem\"\nbacklog = true\n{keys}\n");
    move |config| config.policies += &table
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The texts of the commands in these lines, in order.
fn commands(lines: &[Value]) -> Vec<&str> {
    let recorded = lines.iter().filter(|line| line["kind"] == "command_recorded");
    recorded
        .map(|line| line["payload"]["command"].as_str().unwrap())
        .collect()
}

fn come(file: &Path, command: &str) {
    eventually(command, || commands(&lines(file)).contains(&command).then_some(()));
}

#[test]
fn each_command_comes_once_across_sighup_and_a_restart() {
    let mut world = World::with(ships("to = \"file:state/events.jsonl\""));
    let (file, rotated) = (
        world.bastion.dir().join("state/events.jsonl"),
        world.bastion.dir().join("state/events.1"),
    );
    world.alice().run("echo one");
    come(&file, "echo one");
    std::fs::rename(&file, &rotated).unwrap();
    world.bastion.reload(|_| {});
    eventually("a new file", || {
        world.alice().run("echo two");
        commands(&lines(&file)).contains(&"echo two").then_some(())
    });
    assert_eq!(world.bastion.stop(), 0);
    world.bastion.restart();
    world.alice().run("echo three");
    come(&file, "echo three");
    assert_eq!(world.bastion.stop(), 0);

    let mut seqs: Vec<i64> = [rotated, file]
        .iter()
        .flat_map(|file| lines(file))
        .map(|line| line["seq"].as_i64().unwrap())
        .collect();
    let sent = seqs.len();
    seqs.dedup();
    assert_eq!(seqs.len(), sent, "twice");
    assert!(
        seqs.iter().copied().eq(1..=i64::try_from(sent).unwrap()),
        "in order, without gaps: {seqs:?}"
    );
}

#[test]
fn after_a_crash_nothing_is_missing() {
    let mut world = World::with(ships("to = \"file:state/events.jsonl\""));
    let file = world.bastion.dir().join("state/events.jsonl");
    world.alice().run("echo before");
    world.bastion.crash();
    world.bastion.restart();
    world.alice().run("echo after");
    come(&file, "echo after");
    let lines = lines(&file);
    let seqs: BTreeSet<i64> = lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect();
    assert!(seqs.iter().copied().eq(1..=*seqs.last().unwrap()), "{seqs:?}");
    assert!(commands(&lines).contains(&"echo before"));
}

#[test]
fn a_place_that_takes_nothing_holds_up_no_command_and_no_end() {
    let mut world = World::with(ships("to = \"unix:state/log\"\ntimeout = \"1s\""));
    let socket = UnixDatagram::bind(world.bastion.dir().join("state/log")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // More than the queue of a socket of datagrams holds.
    let script = (0..100)
        .map(|number| format!("echo {number}\n"))
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(world.alice().stdin(script).run("bash -s").code, 0);
    world.bastion.rows(101);
    assert_eq!(world.bastion.stop(), 0);
    let mut message = vec![0; 1 << 20];
    let length = socket.recv(&mut message).unwrap();
    let first = String::from_utf8_lossy(&message[..length]).into_owned();
    assert!(first.starts_with("<86>1 ") && first.contains(" opspilot "), "{first}");
}

#[test]
fn what_was_not_shipped_is_not_erased_by_its_age_until_the_place_is_gone() {
    // Nobody listens there.
    let mut world = World::with(ships("to = \"unix:state/log\""));
    world.alice().run("echo kept");
    world.bastion.rows(1);
    let prune = |world: &World| {
        eventually("a prune of its own", || {
            let pruned = world.bastion.opspilot(&["prune", "--keep-days", "0"]);
            pruned.status.success().then_some(pruned)
        })
    };
    let pruned = prune(&world);
    let said = String::from_utf8_lossy(&pruned.stdout);
    assert!(
        said.contains("Erased 0 payloads") && said.contains("until it is shipped to siem"),
        "{said}"
    );
    assert_eq!(world.bastion.rows_now().len(), 1);

    world.bastion.reload(|config| {
        config.policies = config.policies.replace(
            "[[ship]]\nname = \"siem\"\nbacklog = true\nto = \"unix:state/log\"\n",
            "",
        );
    });
    eventually("the command to go", || {
        prune(&world);
        world.bastion.rows_now().is_empty().then_some(())
    });
}
