//! A question without a terminal: asked on standard error, answered by a code on standard input or at the console.

use crate::harness::{Config, RISKY, World};

/// Policies that refuse from `high` up.
fn deny_high(config: &mut Config) {
    config.policies = config.policies.replace("high = \"confirm\"", "high = \"deny\"");
}

#[test]
fn the_question_names_command_target_and_level_and_how_to_answer() {
    let world = World::new();
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    let question = running.stderr.text();

    for part in [RISKY, "web-1", "high"] {
        assert!(question.contains(part), "{part} is not in:\n{question}");
    }
    let port = world.bastion.config.port;
    let how = format!("opspilot: type {code} here, or run: ssh -p {port} alice@127.0.0.1 confirm {code}");
    assert_eq!(question.lines().last(), Some(how.as_str()));

    let row = world.bastion.rows_now().remove(0);
    assert_eq!(
        (row.state.as_str(), row.decision.as_str()),
        ("held", "confirm"),
        "recorded before it is asked"
    );
}

#[test]
fn the_code_on_standard_input_runs_it_and_is_not_forwarded() {
    let world = World::new();
    let mut running = world.alice().start(format!("{RISKY}; cat"));
    let code = running.code();
    running.send(format!("{code}\nthe rest\n").as_bytes());
    let output = running.finish();
    assert_eq!((output.code, output.text().as_str()), (0, "the rest\n"));

    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.user_confirmed), ("finished", Some(true)));
    assert_eq!(
        (row.answered_by.as_deref(), row.answer_channel.as_deref()),
        (Some("alice"), Some("stdin"))
    );
    assert!(row.confirmation_time_ms.is_some());
}

#[test]
fn nothing_runs_before_the_answer() {
    let world = World::new();
    let trace = world.trace("ran");
    let mut running = world.alice().start(format!("{RISKY}; touch {}", trace.display()));
    let code = running.code();
    assert!(!trace.exists());
    running.send(format!("{code}\r\n").as_bytes());
    assert_eq!(running.finish().code, 0);
    assert!(trace.exists());
}

#[test]
fn another_first_line_leaves_standard_input_whole_and_the_console_answers() {
    let world = World::new();
    let mut running = world.alice().start(format!("{RISKY}; cat"));
    let code = running.code();
    running.send(b"not the code\nmore\0\n");
    let console = world.confirm("alice", &code);
    assert_eq!(console.code, 0, "{console:?}");
    assert!(
        console.text().contains(RISKY) && console.text().contains("web-1"),
        "{console:?}"
    );
    assert_eq!(running.finish().stdout, b"not the code\nmore\0\n");

    let row = world.bastion.row();
    assert_eq!(
        (row.answered_by.as_deref(), row.answer_channel.as_deref()),
        (Some("alice"), Some("console"))
    );
}

#[test]
fn a_closed_standard_input_waits_for_the_console() {
    let world = World::new();
    let mut running = world.alice().arg("-n").start(format!("{RISKY}; echo ran"));
    let code = running.code();
    assert_eq!(
        world.confirm("alice", &code.to_lowercase()).code,
        0,
        "a code may be typed in either case"
    );
    assert_eq!(running.finish().text(), "ran\n");
}

#[test]
fn a_code_works_once() {
    let world = World::new();
    let mut running = world.alice().arg("-n").start(RISKY);
    let code = running.code();
    assert_eq!(world.confirm("alice", &code).code, 0);
    assert_eq!(running.finish().code, 0);
    assert_ne!(world.confirm("alice", &code).code, 0);
}

#[test]
fn each_command_has_a_code_of_its_own() {
    let world = World::new();
    let mut first = world.alice().start(format!("{RISKY}; echo first"));
    let mut second = world.alice().start(format!("{RISKY}; echo second"));
    let codes = [first.code(), second.code()];
    assert_ne!(codes[0], codes[1]);
    second.send(format!("{}\n", codes[0]).as_bytes());
    first.send(format!("{}\n", codes[0]).as_bytes());
    assert_eq!(first.finish().text(), "first\n");
    assert_eq!(world.confirm("alice", &codes[1]).code, 0);
    assert_eq!(
        second.finish().text(),
        "second\n",
        "the other command's code did not answer this one"
    );
}

#[test]
fn another_users_confirm_is_refused() {
    let world = World::new();
    let mut running = world.alice().arg("-n").start(RISKY);
    let code = running.code();
    assert_ne!(world.confirm("bob", &code).code, 0);
    assert_eq!(world.bastion.rows_now()[0].state, "held");
    assert_eq!(world.confirm("alice", &code).code, 0);
    assert_eq!(running.finish().code, 0);
    assert_eq!(world.bastion.row().answered_by.as_deref(), Some("alice"));
}

#[test]
fn five_wrong_codes_lock_the_console_for_that_user() {
    let world = World::new();
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    for _ in 0..5 {
        assert_ne!(world.confirm("alice", "000000").code, 0);
    }
    let locked = world.confirm("alice", &code);
    assert_ne!(locked.code, 0, "the right code, too late");
    assert!(locked.stderr.contains("too many wrong codes"), "{locked:?}");
    assert_eq!(world.bastion.rows_now()[0].state, "held");
}

#[test]
fn without_an_answer_it_expires() {
    let world = World::with(|config| config.confirm_timeout = "2s".to_owned());
    let trace = world.trace("ran");
    let output = world.alice().run(format!("{RISKY}; touch {}", trace.display()));
    output.assert_refused();
    assert!(!trace.exists());

    let row = world.bastion.row();
    assert_eq!(
        (row.state.as_str(), row.user_confirmed, row.exit_code),
        ("expired", None, None)
    );
}

#[test]
fn a_client_that_goes_while_asked_abandons_it() {
    let world = World::new();
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    running.vanish();

    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.user_confirmed), ("abandoned", None));
    assert_ne!(world.confirm("alice", &code).code, 0, "its code is gone with it");
}

#[test]
fn what_the_policy_denies_is_refused_with_a_reason() {
    let world = World::with(deny_high);
    let trace = world.trace("ran");
    let output = world.alice().run(format!("{RISKY}; touch {}", trace.display()));
    output.assert_refused();
    assert!(!trace.exists());

    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.decision.as_str()), ("denied", "deny"));
    let sentence = row.reasons[0]["sentence"].as_str().expect("a reason in plain words");
    assert!(output.stderr.contains(sentence), "{sentence:?} is not in {output:?}");
}

#[test]
fn a_robots_question_is_answered_by_its_owner_only() {
    let world = World::new();
    let mut running = world.bastion.ssh("robot@web-1").start(format!("{RISKY}; cat"));
    let code = running.code();
    running.send(format!("{code}\n").as_bytes());
    assert_ne!(
        world.confirm("robot", &code).code,
        0,
        "a robot cannot answer for itself"
    );
    assert_eq!(world.bastion.rows_now()[0].state, "held");
    assert_eq!(world.confirm("alice", &code).code, 0);
    assert_eq!(
        running.finish().text(),
        format!("{code}\n"),
        "standard input stayed whole"
    );

    let row = world.bastion.row();
    assert_eq!(
        (row.user_id.as_str(), row.answered_by.as_deref()),
        ("robot", Some("alice"))
    );
    assert_eq!(row.answer_channel.as_deref(), Some("console"));
}

#[test]
fn a_robot_without_an_owner_is_refused() {
    let world = World::with(|config| config.users = config.users.replace("owner = \"alice\"", ""));
    world.bastion.ssh("robot@web-1").run(RISKY).assert_refused();
    let row = world.bastion.row();
    assert_eq!(row.user_confirmed, None);
    assert_eq!(row.execution_success, None);
}

#[test]
fn the_question_cannot_be_drawn_over_by_the_command() {
    let world = World::new();
    let mut running = world.alice().start(format!("{RISKY} '\u{1b}[2J\u{202e}harmless'"));
    running.code();
    // The text of the stream is without real escape sequences: what is left of one was spelled out.
    let question = running.stderr.text();
    assert!(question.contains("\\x1b[2J"), "{question}");
    assert!(!question.contains('\u{202e}'), "{question}");
}
