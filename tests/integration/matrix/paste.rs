//! Sixty lines pasted at once, without the marks of a bracketed paste.

use super::Shell;
use super::driver::{Session, Stage};
use super::verdict::Line;

const LINES: usize = 60;

/// Long enough that the paste fills what a terminal takes, and is read in many parts.
fn line(number: usize) -> String {
    format!("echo line_{number}_{}", "x".repeat(40))
}

fn paste(session: &mut Session, lines: &[String]) {
    let keys = lines.join("\r") + "\r";
    session.type_keys(keys.as_bytes());
}

/// Awaits so many final rows and the prompt, and gives all rows but the closing `exit`.
fn recorded(session: Session, count: usize) -> Vec<Line> {
    session.record.lines_when("the rows of the paste", |lines| {
        lines.len() >= count && lines.iter().all(Line::has_ended)
    });
    session.await_end_prompt();
    let mut lines = session.leave();
    lines.pop();
    lines
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

fn each_line_of_a_paste_is_asked_about(shell: Shell) {
    let (_stage, mut session) = Stage::alone(shell, "");
    let lines: Vec<_> = (0..LINES).map(line).collect();
    paste(&mut session, &lines);
    let rows = recorded(session, LINES);
    assert_eq!(texts(&rows), lines);
    assert!(
        rows.iter()
            .all(|row| row.exactness == "exact" && row.state == "finished")
    );
}

fn nothing_of_a_paste_runs_after_a_refused_line(shell: Shell) {
    const REFUSED: usize = LINES / 2;
    let (stage, mut session) = Stage::alone(shell, "");
    let mut lines: Vec<_> = (0..LINES).map(line).collect();
    "touch RAN; rm -rf /zz".clone_into(&mut lines[REFUSED]);
    for line in &mut lines[REFUSED + 1..] {
        "touch RAN".clone_into(line);
    }
    paste(&mut session, &lines);
    let rows = recorded(session, REFUSED + 1);
    assert_eq!(texts(&rows), lines[..=REFUSED]);
    assert!(!stage.home(0).join("RAN").exists());
}

#[test]
fn in_bash() {
    each_line_of_a_paste_is_asked_about(Shell::Bash);
    nothing_of_a_paste_runs_after_a_refused_line(Shell::Bash);
}

#[test]
fn in_zsh() {
    each_line_of_a_paste_is_asked_about(Shell::Zsh);
    nothing_of_a_paste_runs_after_a_refused_line(Shell::Zsh);
}

#[test]
fn in_fish() {
    each_line_of_a_paste_is_asked_about(Shell::Fish);
    nothing_of_a_paste_runs_after_a_refused_line(Shell::Fish);
}

#[test]
fn in_dash() {
    each_line_of_a_paste_is_asked_about(Shell::Dash);
    nothing_of_a_paste_runs_after_a_refused_line(Shell::Dash);
}
