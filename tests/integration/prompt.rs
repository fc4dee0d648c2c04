//! A question on a terminal, for one exec request.

use crate::harness::{RISKY, Terminal, World};

/// A risky command on a terminal that would leave a trace and exit with 7.
fn risky(world: &World) -> Terminal {
    let trace = world.trace("ran");
    world
        .alice()
        .terminal(&format!("{RISKY}; touch {}; exit 7", trace.display()))
}

#[test]
fn y_runs_it() {
    let world = World::new();
    let mut terminal = risky(&world);
    let question = terminal.answer("y");
    for part in [RISKY, "web-1", "HIGH"] {
        assert!(question.contains(part), "{part} is not in:\n{question}");
    }
    assert_eq!(terminal.finish(), 7);
    assert!(world.trace("ran").exists());

    let row = world.bastion.row();
    assert_eq!(
        (row.state.as_str(), row.user_confirmed, row.exit_code),
        ("finished", Some(true), Some(7))
    );
    assert_eq!(
        (row.answered_by.as_deref(), row.answer_channel.as_deref()),
        (Some("alice"), Some("terminal"))
    );
    assert_eq!(row.stderr_length, None, "a terminal has one stream");
}

/// Types `answer`, which must not run the command.
fn refuses(answer: &str) {
    let world = World::new();
    let mut terminal = risky(&world);
    terminal.question();
    terminal.send(answer);
    assert_eq!(terminal.finish(), 126, "after {answer:?}");
    assert!(!world.trace("ran").exists(), "after {answer:?}");

    let row = world.bastion.row();
    assert_eq!(
        (row.state.as_str(), row.user_confirmed),
        ("refused", Some(false)),
        "after {answer:?}"
    );
}

#[test]
fn n_cancels_it() {
    refuses("n\r");
}

#[test]
fn enter_alone_cancels_it() {
    refuses("\r");
}

#[test]
fn a_word_that_only_starts_with_y_cancels_it() {
    refuses("yikes\r");
}

#[test]
fn control_c_cancels_it() {
    refuses("\u{3}");
}

#[test]
fn control_d_cancels_it() {
    refuses("\u{4}");
}

#[test]
fn a_pasted_yes_does_not_answer() {
    refuses("\u{1b}[200~y\r\u{1b}[201~\r");
}

#[test]
fn what_was_typed_before_the_question_does_not_answer_it() {
    let world = World::new();
    let mut terminal = risky(&world);
    terminal.send("y\r");
    terminal.question();
    assert_eq!(world.bastion.rows_now()[0].state, "held");
    terminal.line("n");
    assert_eq!(terminal.finish(), 126);
    assert!(!world.trace("ran").exists());
}

#[test]
fn a_terminal_that_goes_while_asked_abandons_it() {
    let world = World::new();
    let mut terminal = risky(&world);
    terminal.question();
    terminal.vanish();
    assert_eq!(world.bastion.row().state, "abandoned");
}

#[test]
fn without_an_answer_it_expires() {
    let world = World::with(|config| config.confirm_timeout = "2s".to_owned());
    let mut terminal = risky(&world);
    assert_eq!(terminal.finish(), 126);
    assert_eq!(world.bastion.row().state, "expired");
}

#[test]
fn a_critical_command_wants_more_than_a_y() {
    let world = World::new();
    let mut terminal = world.alice().terminal("mkfs.ext4 /dev/nothing-of-this-name");
    let question = terminal.answer("y");
    assert!(question.contains("CRITICAL"), "{question}");
    assert_eq!(terminal.finish(), 126);
    assert_eq!(world.bastion.row().state, "refused");
}

#[test]
fn a_critical_command_runs_by_the_word_shown() {
    let world = World::new();
    let mut terminal = world.alice().terminal("mkfs.ext4 /dev/nothing-of-this-name; exit 7");
    let question = terminal.question();
    let shown = question.split("Type ").nth(1).and_then(|rest| rest.split(' ').next());
    terminal.line(shown.unwrap_or_else(|| panic!("no word in {question}")));
    assert_eq!(terminal.finish(), 7);
    assert_eq!(world.bastion.row().user_confirmed, Some(true));
}

#[test]
fn a_harmless_command_on_a_terminal_is_not_asked_about() {
    let world = World::new();
    let mut terminal = world.alice().terminal("stty size; exit 5");
    terminal.expect("24 100\n");
    assert_eq!(terminal.finish(), 5);
    assert_eq!(world.bastion.row().exit_code, Some(5));
}
