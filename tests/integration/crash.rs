//! `kill -9` at any moment, with everybody at work: what was acted upon is on record, and the record is sound.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::harness::{RISKY, Ssh, World, pause};

/// How often the daemon is killed, unless `OPSPILOT_CRASHES` says otherwise.
const CRASHES: u32 = 20;

/// Users who run one command after the other.
const USERS: usize = 3;

fn crashes() -> u32 {
    let said = std::env::var("OPSPILOT_CRASHES").ok();
    said.map_or(CRASHES, |number| number.parse().unwrap())
}

/// Runs commands until it is told to stop or one fails; gives the names of those whose work was seen.
fn work(ssh: Ssh, name: String, trace: PathBuf, stop: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        for number in 0.. {
            let command = format!("echo {name}-{number} | tee -a {}", trace.display());
            let output = ssh.command(OsStr::new(&command)).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            seen.extend(text.lines().map(str::to_owned));
            if stop.load(Ordering::Relaxed) || !output.status.success() {
                break;
            }
        }
        seen
    })
}

/// The names of the commands that the target has acted upon.
fn acted(world: &World) -> BTreeSet<String> {
    let trace = std::fs::read_to_string(world.trace("acted")).unwrap_or_default();
    trace.lines().map(str::to_owned).collect()
}

/// The names of the commands that are on record.
fn recorded(world: &World) -> BTreeSet<String> {
    let names = world.bastion.rows_now().into_iter().filter_map(|row| {
        let (name, _) = row.command.strip_prefix("echo ")?.split_once(' ')?;
        Some(name.to_owned())
    });
    names.collect()
}

/// Has users at work, one asked, and one at a terminal, and kills the daemon after a while.
fn crash(world: &mut World, round: u32) -> Vec<String> {
    let stop = Arc::new(AtomicBool::new(false));
    let users: Vec<_> = (0..USERS)
        .map(|user| {
            work(
                world.alice(),
                format!("r{round}-u{user}"),
                world.trace("acted"),
                Arc::clone(&stop),
            )
        })
        .collect();
    let mut asked = world.alice().start(RISKY);
    let mut terminal = world.shell();
    terminal.line("while :; do echo shown; done");
    asked.code();
    // Any moment will do, so there is nothing to await.
    pause(Duration::from_millis(rand::random_range(0..1_000)));
    world.bastion.crash();
    stop.store(true, Ordering::Relaxed);
    let seen = users.into_iter().flat_map(|user| user.join().unwrap()).collect();
    asked.wait();
    terminal.finish();
    seen
}

#[test]
fn nothing_that_was_acted_upon_is_lost_when_the_daemon_is_killed() {
    let mut world = World::new();
    let mut seen = BTreeSet::new();
    for round in 1..=crashes() {
        seen.extend(crash(&mut world, round));
        world.bastion.restart();

        let (acted, recorded) = (acted(&world), recorded(&world));
        assert!(
            !seen.is_empty() && seen.is_subset(&acted),
            "{:?}",
            seen.difference(&acted)
        );
        assert!(
            acted.is_subset(&recorded),
            "not on record: {:?}",
            acted.difference(&recorded)
        );
        let rows = world.bastion.rows_now();
        let open: Vec<_> = rows.iter().filter(|row| !row.is_final()).collect();
        assert!(open.is_empty(), "{open:#?}");
        let asked = rows.iter().rfind(|row| row.command == RISKY).unwrap();
        assert_eq!(asked.state, "interrupted", "it was held");
        let verified = world.bastion.opspilot(&["verify"]);
        let said = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.success(), "round {round}: {said}");
    }
}
