//! The processes that read texts for the daemon: what they are left, and what becomes of commands when they fail.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use opspilot::command::{Grammar as _, InProcess};
use opspilot::helper::Helpers;
use rustix::process::{Pid, Signal, getpgid, kill_process};

use crate::harness::client::Running;
use crate::harness::{Bastion, Config, World, eventually, pause};

/// The id of a process of the daemon's.
type Id = u32;

fn children(id: Id) -> Vec<Id> {
    // A process that has just ended has none.
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn supervisors(bastion: &Bastion) -> Vec<Id> {
    children(bastion.id())
}

/// The workers, as soon as both are there.
fn workers(bastion: &Bastion) -> Vec<Id> {
    eventually("two workers", || {
        let workers: Vec<Id> = supervisors(bastion).into_iter().flat_map(children).collect();
        let all_confined = workers.iter().all(|id| status(*id, "Seccomp").as_deref() == Some("2"));
        Some(workers).filter(|workers| workers.len() == 2 && all_confined)
    })
}

fn signal(ids: &[Id], signal: Signal) {
    for id in ids {
        let id = Pid::from_raw(i32::try_from(*id).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }
}

fn status(id: Id, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(name, _)| *name == field)?;
    Some(found.1.trim().to_owned())
}

/// Whether a process has ended, though nobody may have asked how.
fn has_ended(id: Id) -> bool {
    status(id, "State").is_none_or(|state| state.starts_with('Z'))
}

fn await_end(ids: &[Id]) {
    eventually("processes to end", || ids.iter().all(|id| has_ended(*id)).then_some(()));
}

/// The hard limit of a resource.
fn limit(id: Id, name: &str) -> String {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// What a process has open, without what is nothing.
fn open_files(id: Id) -> BTreeSet<String> {
    let open = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let files = open.map(|file| fs::read_link(file.unwrap().path()).unwrap());
    let names = files.map(|file| file.to_string_lossy().into_owned());
    names.filter(|name| name != "/dev/null").collect()
}

/// Policies that refuse from `high` up, and so whatever could not be read.
fn deny_high(config: &mut Config) {
    config.policies = config.policies.replace("high = \"confirm\"", "high = \"deny\"");
}

/// Answers the question about a command that could not be read with yes.
fn confirm_unread(mut running: Running) -> String {
    let code = running.code();
    let question = running.stderr.text();
    assert!(question.contains("the shells' grammar failed on it"), "{question}");
    running.send(format!("{code}\n").as_bytes());
    running.finish().text()
}

#[test]
fn workers_are_left_one_socket_and_little_memory() {
    let world = World::new();
    for worker in workers(&world.bastion) {
        assert_eq!(status(worker, "NoNewPrivs").as_deref(), Some("1"));
        assert_eq!(status(worker, "Threads").as_deref(), Some("1"));
        assert_eq!(limit(worker, "Max core file size"), "0");
        assert_eq!(limit(worker, "Max address space"), (256 << 20).to_string());
        assert_eq!(limit(worker, "Max cpu time"), "60");
        let open = open_files(worker);
        assert!(
            open.len() == 1 && open.iter().all(|file| file.starts_with("socket:")),
            "{open:?}"
        );
        assert_eq!(fs::read(format!("/proc/{worker}/environ")).unwrap(), b"");
    }
}

#[test]
fn supervisors_have_one_socket_and_no_secret_of_the_environment() {
    // What the daemon itself was started with, and not told to keep from others.
    let inherited = fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let world = World::new();
    assert!(open_files(world.bastion.id()).contains("/etc/passwd"));
    let supervisors = supervisors(&world.bastion);
    assert_eq!(supervisors.len(), 2);
    for supervisor in supervisors {
        assert_eq!(limit(supervisor, "Max core file size"), "0");
        let open = open_files(supervisor);
        assert!(
            open.len() == 1 && open.iter().all(|file| file.starts_with("socket:")),
            "{open:?}"
        );
        assert_eq!(fs::read(format!("/proc/{supervisor}/environ")).unwrap(), b"");
        let group = |id: Id| getpgid(Pid::from_raw(i32::try_from(id).unwrap())).unwrap();
        assert_ne!(
            group(supervisor),
            group(world.bastion.id()),
            "the terminal's signals are the daemon's"
        );
    }
}

#[test]
fn a_text_that_cost_a_worker_is_asked_about_and_the_next_is_read() {
    let world = World::new();
    let old = workers(&world.bastion);
    signal(&old, Signal::KILL);
    await_end(&old);
    for text in ["first", "second"] {
        let said = confirm_unread(world.alice().start(format!("echo {text}")));
        assert_eq!(said, format!("{text}\n"));
    }
    assert_eq!(world.alice().run("echo third").text(), "third\n");

    let new = workers(&world.bastion);
    assert!(new.iter().all(|worker| !old.contains(worker)), "{old:?} {new:?}");
    let rows = world.bastion.rows(3);
    let decisions: Vec<_> = rows.iter().map(|row| row.decision.as_str()).collect();
    assert_eq!(decisions, ["confirm", "confirm", "allow"]);
}

#[test]
fn a_worker_that_stands_still_is_replaced() {
    let world = World::with(deny_high);
    let old = workers(&world.bastion);
    signal(&old, Signal::STOP);
    let codes: Vec<_> = (0..4)
        .map(|number| world.alice().run(format!("echo {number}")).code)
        .collect();
    assert_eq!(codes, [126, 126, 0, 0]);
    await_end(&old);
}

#[test]
fn workers_that_die_all_the_time_let_nothing_pass_unasked() {
    let world = World::with(deny_high);
    let [stop, acted] = ["stop", "acted"].map(|name| world.trace(name));
    std::thread::scope(|scope| {
        let killing = scope.spawn(|| {
            while !stop.exists() {
                let workers: Vec<Id> = supervisors(&world.bastion).into_iter().flat_map(children).collect();
                for worker in workers {
                    // It may have ended by itself.
                    let id = Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
                    kill_process(id, Signal::KILL).unwrap_or_default();
                }
                pause(Duration::from_millis(30));
            }
        });
        for number in 0..40 {
            let output = world.alice().run(format!("echo {number} | tee -a {}", acted.display()));
            assert!(matches!(output.code, 0 | 126), "{output:?}");
        }
        fs::write(&stop, "").unwrap();
        killing.join().unwrap();
    });
    let rows = world.bastion.rows(40);
    let denied = rows.iter().filter(|row| row.decision == "deny").count();
    assert!(denied > 0, "no worker was killed in time");
    let ran = fs::read_to_string(acted).unwrap_or_default().lines().count();
    assert_eq!(ran + denied, 40);
    // Each worker may have one more end to be found.
    let after: Vec<_> = (0..3)
        .map(|number| world.alice().run(format!("echo after {number}")).code)
        .collect();
    assert_eq!(after[2], 0, "{after:?}");
}

#[test]
fn without_supervisors_the_daemon_reads_nothing_and_asks_about_everything() {
    let world = World::new();
    let old = (supervisors(&world.bastion), workers(&world.bastion));
    signal(&old.0, Signal::KILL);
    await_end(&old.0);
    await_end(&old.1);
    for text in ["one", "two", "three"] {
        assert_eq!(
            confirm_unread(world.alice().start(format!("echo {text}"))),
            format!("{text}\n")
        );
    }
    assert!(
        world.bastion.log().contains("restart the daemon"),
        "{}",
        world.bastion.log()
    );
}

#[test]
fn with_one_supervisor_less_all_but_one_command_are_read() {
    let world = World::with(deny_high);
    let first = supervisors(&world.bastion)[0];
    let worker = children(first);
    signal(&[first], Signal::KILL);
    await_end(&worker);
    let codes = (0..6).map(|number| world.alice().run(format!("echo {number}")).code);
    assert!(codes.filter(|code| *code != 0).count() <= 1);
}

#[test]
fn helpers_serve_a_daemon_that_drains_and_end_with_it() {
    let world = World::new();
    let helpers = [supervisors(&world.bastion), workers(&world.bastion)].concat();
    let mut shell = world.shell();
    // As a service manager or `killall` does: every process of that name is told.
    for meant in [Signal::HUP, Signal::INT, Signal::TERM] {
        signal(&helpers, meant);
    }
    signal(&[world.bastion.id()], Signal::TERM);
    let door = (Ipv4Addr::LOCALHOST, world.bastion.config.port);
    eventually("the daemon to drain", || TcpStream::connect(door).err().map(drop));
    assert!(shell.run("echo still read").contains("still read"));
    shell.finish();
    await_end(&[world.bastion.id()]);
    await_end(&helpers);
    assert!(world.bastion.rows(1)[0].decision == "allow");
}

#[test]
fn helpers_end_with_a_daemon_that_is_killed_even_where_they_stand_still() {
    let mut world = World::new();
    let workers = workers(&world.bastion);
    let helpers = [supervisors(&world.bastion), workers.clone()].concat();
    signal(&workers, Signal::STOP);
    world.bastion.crash();
    await_end(&helpers);
}

#[test]
fn what_the_daemon_starts_does_nothing_by_hand() {
    for name in [opspilot::helper::SUPERVISOR, opspilot::helper::WORKER] {
        let output = crate::harness::opspilot(&[name])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{name}");
    }
}

#[test]
fn a_worker_reads_every_text_as_the_grammar_in_this_process_does() {
    let helpers = Helpers::start(Path::new(env!("CARGO_BIN_EXE_opspilot"))).unwrap();
    let mut read = 0;
    for text in texts() {
        assert!(helpers.tree(&text) == InProcess.tree(&text), "{text}");
        read += 1;
    }
    assert!(read > 3_000, "{read}");
}

/// Every line of the lists of commands and every seed of the fuzzers, and what is made to cost more than it looks.
fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lists = files(&root.join("tests/data"));
    let seeds = files(&root.join("fuzz/seeds"));
    let read = |file: &PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let lines = lists
        .iter()
        .map(read)
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let hostile = [
        "rm x\n".repeat(13_000),
        "(".repeat(26),
        "$(".repeat(10_000),
        "<<E$[\t\t".to_owned(),
    ];
    let mut texts: Vec<_> = lines.chain(seeds.iter().map(read)).chain(hostile).collect();
    texts.retain(|text| text.len() <= opspilot::command::MAX_PARSED);
    texts
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, mut files): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.is_dir());
    files.extend(directories.iter().flat_map(|inner| self::files(inner)));
    files
}
