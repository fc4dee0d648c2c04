//! Every column of `command_executions` for every kind of life: what must be known is there, and what is not known is NULL.
//! What is added up of these rows (`daily_*`) is held against them elsewhere, and is about days, not about one command.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::harness::{Config, READY, RISKY, World, eventually};

/// What every row has.
const ALWAYS: &[&str] = &[
    "id",
    "uid",
    "bastion_id",
    "session_id",
    "timestamp",
    "user_id",
    "target",
    "login",
    "channel",
    "host_info",
    "command",
    "command_mac",
    "exactness",
    "command_hash",
    "pattern",
    "pattern_version",
    "decision",
    "policy",
    "state",
];
/// What there is where a command was scored.
const SCORED: &[&str] = &[
    "initial_risk_level",
    "initial_risk_score",
    "ml_risk_level",
    "ml_confidence",
    "final_risk_level",
    "final_risk_score",
    "reasons",
    "features",
    "feature_digest",
    "model_digest",
];
/// What there is where somebody answered.
const ANSWERED: &[&str] = &[
    "user_confirmed",
    "confirmation_time_ms",
    "answered_by",
    "answer_channel",
];
/// What there is where it ran, and its end or its breaking off was seen: of a command, and of a file operation or a forward.
const RAN: &[&str] = &["execution_time_ms", "impact_evidence"];
const PASSED: &[&str] = &["execution_time_ms"];
const STDOUT: &[&str] = &["stdout_length"];
const STDERR: &[&str] = &["stderr_length"];
/// What there is where it said how it ended.
const EXITED: &[&str] = &["execution_success", "exit_code"];
const KILLED: &[&str] = &["execution_success", "exit_signal"];
/// What a gated shell says of its line.
const LINE: &[&str] = &["cwd", "cwd_after", "pipe_status"];
const READ: &[&str] = &["parent_id"];
const REASON: &[&str] = &["state_reason"];
const INPUT: &[&str] = &["input_length", "input_sha256"];
const COUNTED: &[&str] = &["input_length"];
/// What is known of the target before and after, or why it is not: one of each pair, never both.
const BEFORE: [&str; 2] = ["system_context", "context_missing"];
const AFTER: [&str; 2] = ["system_context_after", "context_after_missing"];
/// What only feedback, an alias in the line, or a model in the shadow fills.
const LATER: &[&str] = &[
    "user_feedback",
    "feedback_rating",
    "feedback_by",
    "feedback_at",
    "ratings",
    "aliases",
    "shadow_risk_level",
    "shadow_model_digest",
];
/// Known or not, as the evidence has it, for what ran.
const IMPACT: &str = "actual_impact";

/// Which columns of a row are filled.
type Columns = BTreeMap<String, bool>;

/// The row of the first command whose text contains `part`, once nothing about it will change.
fn settled(world: &World, part: &str) -> Columns {
    eventually(&format!("the end of {part}"), || {
        let connection = world.bastion.sql();
        let mut statement = connection
            .prepare(
                "SELECT * FROM command_executions WHERE instr(command, ?1) AND state NOT IN ('held', 'running')
                     AND coalesce(context_after_missing, '') <> 'not taken yet' ORDER BY id",
            )
            .unwrap();
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let filled = statement.query_map([part], |row| {
            let filled = |name: &String| {
                Ok((
                    name.clone(),
                    row.get_ref(name.as_str())? != rusqlite::types::ValueRef::Null,
                ))
            };
            names.iter().map(filled).collect::<rusqlite::Result<Columns>>()
        });
        filled.unwrap().next().map(Result::unwrap)
    })
}

/// Holds the row of a command against what must be filled beside what always is; all else must be NULL.
#[track_caller]
fn assert_life(world: &World, part: &str, groups: &[&[&str]]) {
    let row = settled(world, part);
    let must: Vec<&str> = groups
        .iter()
        .copied()
        .flatten()
        .copied()
        .chain(ALWAYS.iter().copied())
        .collect();
    let (ran, judged) = (must.contains(&"execution_time_ms"), must.contains(&"impact_evidence"));
    let mut faults = Vec::new();
    for (column, filled) in &row {
        let name = column.as_str();
        let in_pair = BEFORE.contains(&name) || AFTER.contains(&name);
        if in_pair || (name == IMPACT && judged) {
            continue;
        }
        if *filled != must.contains(&name) {
            faults.push(format!("{column} is {}", if *filled { "filled" } else { "NULL" }));
        }
    }
    let known = |pair: [&str; 2]| pair.iter().filter(|column| row[**column]).count();
    if (known(BEFORE), known(AFTER)) != (1, usize::from(ran)) {
        faults.push(format!(
            "of contexts, {} before and {} after",
            known(BEFORE),
            known(AFTER)
        ));
    }
    assert!(faults.is_empty(), "{part}: {}", faults.join(", "));
}

/// Every channel is allowed, and what is risky is asked about.
fn every_channel(config: &mut Config) {
    let all = r#"["shell", "exec", "sftp", "scp", "rsync", "git", "local-forward"]"#;
    config.policies = config.policies.replace(r#"["shell", "exec"]"#, all);
}

#[test]
fn every_column_is_in_the_table_of_this_test() {
    let world = World::new();
    let connection = world.bastion.sql();
    let statement = connection.prepare("SELECT * FROM command_executions").unwrap();
    let groups = [
        ALWAYS, SCORED, ANSWERED, RAN, STDOUT, STDERR, EXITED, KILLED, LINE, READ, REASON, INPUT, LATER,
    ];
    let known = |column: &str| {
        groups.iter().any(|group| group.contains(&column))
            || BEFORE.contains(&column)
            || AFTER.contains(&column)
            || column == IMPACT
    };
    let unknown: Vec<&str> = statement
        .column_names()
        .into_iter()
        .filter(|column| !known(column))
        .collect();
    assert!(unknown.is_empty(), "say above when these are filled: {unknown:?}");
}

#[test]
fn commands_without_a_terminal_and_with_one() {
    let world = World::new();
    assert_eq!(world.alice().run("echo plain").code, 0);
    assert_life(&world, "echo plain", &[SCORED, RAN, STDOUT, STDERR, EXITED]);

    assert_eq!(world.alice().terminal("echo on-a-terminal").finish(), 0);
    assert_life(&world, "echo on-a-terminal", &[SCORED, RAN, STDOUT, EXITED]);

    world.alice().run("kill -s TERM $$");
    assert_life(&world, "kill -s TERM", &[SCORED, RAN, STDOUT, STDERR, KILLED]);
}

#[test]
fn a_line_of_an_interactive_shell() {
    let world = World::new();
    let mut terminal = world.shell();
    terminal.run("echo a line");
    assert_life(&world, "echo a line", &[SCORED, RAN, STDOUT, EXITED, LINE]);
}

#[test]
fn a_script_on_standard_input_and_the_commands_in_it() {
    let world = World::new();
    let output = world.alice().stdin("echo in-the-script\n").run("bash -s");
    assert_eq!(output.code, 0, "{output:?}");
    assert_life(&world, "bash -s", &[SCORED, RAN, STDOUT, STDERR, EXITED]);
    assert_life(&world, "echo in-the-script", &[SCORED, READ]);
}

#[test]
fn files_that_are_moved() {
    let world = World::with(every_channel);
    let from = world.trace("from");
    std::fs::write(&from, "some bytes").unwrap();
    let ssh = world.alice();
    let there = |name: &str| ssh.place(&world.trace(name).display().to_string());
    let succeeds = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
    };

    let mut sftp = ssh.program("sftp");
    let batch = sftp
        .args(["-b", "-", &ssh.place("")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut client = batch.spawn().unwrap();
    let put = format!("put {} {}\n", from.display(), world.trace("by-sftp").display());
    client.stdin.take().unwrap().write_all(put.as_bytes()).unwrap();
    assert!(client.wait().unwrap().success());
    assert_life(&world, "by-sftp", &[READ, PASSED, EXITED, INPUT]);

    succeeds(ssh.program("scp").arg("-O").arg(&from).arg(there("by-scp")));
    assert_life(&world, "by-scp", &[SCORED, RAN, STDOUT, STDERR, EXITED]);

    succeeds(
        Command::new("rsync")
            .args(["-e", &ssh.command_line()])
            .arg(&from)
            .arg(there("by-rsync")),
    );
    assert_life(&world, "by-rsync", &[SCORED, RAN, STDOUT, STDERR, EXITED]);

    let repository = world.trace("by-git");
    succeeds(Command::new("git").args(["init", "-q", "--bare"]).arg(&repository));
    let mut git = Command::new("git");
    succeeds(
        git.args(["ls-remote", &there("by-git")])
            .env("GIT_SSH_COMMAND", ssh.command_line()),
    );
    assert_life(&world, "by-git", &[SCORED, RAN, STDOUT, STDERR, EXITED]);
}

#[test]
fn a_forward() {
    let world = World::with(every_channel);
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = service.local_addr().unwrap().to_string();
    std::thread::spawn(move || service.accept().unwrap().0.write_all(b"hello").unwrap());
    assert_eq!(world.alice().arg("-W").arg(&place).run("").text(), "hello");
    assert_life(&world, &place, &[PASSED, STDOUT, COUNTED]);
}

#[test]
fn what_is_asked_about_and_confirmed() {
    let world = World::new();
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    running.send(format!("{code}\n").as_bytes());
    assert_eq!(running.finish().code, 0);
    assert_life(&world, RISKY, &[SCORED, ANSWERED, RAN, STDOUT, STDERR, EXITED]);
}

#[test]
fn what_did_not_run() {
    let denied = World::with(|config| config.policies = config.policies.replace("\"confirm\"", "\"deny\""));
    denied.alice().run(RISKY).assert_refused();
    assert_life(&denied, RISKY, &[SCORED]);

    let world = World::with(|config| "1s".clone_into(&mut config.confirm_timeout));
    let mut running = world.alice().start(format!("{RISKY}; echo expires"));
    assert_eq!(running.wait(), 126);
    assert_life(&world, "echo expires", &[SCORED]);

    let world = World::new();
    let mut terminal = world.shell();
    terminal.line(&format!("{RISKY}; echo refused"));
    terminal.answer("n");
    terminal.expect(READY);
    assert_life(&world, "echo refused", &[SCORED, ANSWERED, &["cwd"]]);

    let mut running = world.alice().start(format!("{RISKY}; echo abandoned"));
    running.code();
    running.vanish();
    assert_life(&world, "echo abandoned", &[SCORED]);

    let robot = World::with(|config| config.users = config.users.replace("owner = \"alice\"\n", ""));
    robot.bastion.ssh("robot@web-1").run(RISKY).assert_refused();
    assert_life(&robot, RISKY, &[SCORED, REASON]);
}

#[test]
fn what_broke_off() {
    let world = World::new();
    let mut running = world.alice().start("echo up; cat # the target went");
    running.stdout.expect("up\n");
    world.target.end_sessions();
    running.wait();
    assert_life(&world, "the target went", &[SCORED, RAN, STDOUT, STDERR, REASON]);

    let mut running = world.alice().start("echo up; sleep 60 # the user went");
    running.stdout.expect("up\n");
    running.vanish();
    assert_life(&world, "the user went", &[SCORED, RAN, STDOUT, STDERR, REASON]);
}

#[test]
fn what_a_crash_left_open() {
    let mut world = World::new();
    let mut runs = world.alice().start("echo up; cat # it ran");
    runs.stdout.expect("up\n");
    let mut asks = world.alice().start(format!("{RISKY}; echo it was held"));
    asks.code();
    world.bastion.crash();
    world.bastion.restart();
    // Nothing was seen of how it went on, nor looked at afterwards.
    assert_life(&world, "it ran", &[SCORED, REASON]);
    assert_life(&world, "it was held", &[SCORED, REASON]);
}

#[test]
fn a_lost_connection_is_evidence_and_a_user_who_leaves_is_not() {
    let world = World::new();
    let impact = |part: &str| -> Option<String> {
        settled(&world, part);
        let sql = "SELECT actual_impact FROM command_executions WHERE instr(command, ?1)";
        world.bastion.sql().query_row(sql, [part], |row| row.get(0)).unwrap()
    };
    let mut running = world.alice().start("echo up; sleep 60 # the user went");
    running.stdout.expect("up\n");
    running.vanish();
    let left = impact("the user went");
    assert!(!matches!(left.as_deref(), Some("moderate" | "severe")), "{left:?}");

    let mut running = world.alice().start("echo up; cat # the target went");
    running.stdout.expect("up\n");
    world.target.end_sessions();
    running.wait();
    assert_eq!(
        impact("the target went").as_deref(),
        Some("moderate"),
        "it was lost, and is still there"
    );
}
