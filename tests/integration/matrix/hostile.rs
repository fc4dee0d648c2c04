//! Bad input: targets that lie in marks, terminals that are too small or change, and bytes that are no text.
//!
//! The hostile target says that it is a bash; on a terminal it is a Python script of the test instead, with the hook's
//! handshake done. Whatever it does, the session goes on or ends with a clear message, and the bastion serves others.

use super::driver::{Session, Stage};
use super::{Ended, Prompt, See, Shell};
use crate::harness::{Row, SETTLED, eventually};

/// What every hostile target begins with: it knows the nonce and has shown its first prompt.
const PROMPT: &str = r"
import os, sys, time, tty
tty.setraw(0)

def out(data):
    while data:
        data = data[os.write(1, data):]

def mark(*fields):
    return b'\x1b]7717;' + b';'.join(fields) + b'\a'

def until(end):
    heard = b''
    while not heard.endswith(end):
        heard += os.read(0, 1)
    return heard[:-len(end)]

out(mark(b'?', b'R'))
nonce = until(b'\x15')
out(mark(nonce, b'D', b'1', b'0', b'/', b'0') + b'ready> ' + mark(nonce, b'B'))
";

/// A session at the first prompt of a target that then does what `script` says.
fn hostile(script: &str) -> (Stage, Session) {
    Stage::alone(Shell::Hostile, &format!("{PROMPT}{script}"))
}

/// The rows as soon as all are final and the session is over.
fn rows_after_end(stage: &Stage, session: &mut Session) -> Vec<Row> {
    session.terminal.finish();
    stage
        .world
        .bastion
        .rows_when("final rows", |rows| rows.iter().all(Row::is_final))
}

/// The bastion is as it was: it serves, and nothing in it gave way.
#[track_caller]
fn assert_serves(stage: &Stage) {
    assert_eq!(stage.ssh(0).run("echo fine").text(), "fine\n");
    let log = stage.world.bastion.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_flood_of_questions_ends_in_one_that_cannot_be_known() {
    let (stage, mut session) = hostile(
        r"
for number in range(100000):
    out(mark(nonce, b'G', b'1.%d' % number, b'h', b'2', b'ls', b'/', b''))
out(b'the flood is over\n')
until(b'q')
",
    );
    session.run(See("the flood is over"));
    session.type_keys(b"q");
    let rows = rows_after_end(&stage, &mut session);
    assert!(rows.len() < 600, "{} rows", rows.len());
    assert!(rows.iter().any(|row| row.exactness == "unknown"));
    assert_serves(&stage);
}

#[test]
fn a_flood_of_marks_with_another_nonce_makes_no_rows() {
    let (stage, mut session) = hostile(
        r"
for number in range(20000):
    out(mark(b'0' * 32, b'G', b'1.%d' % number, b'h', b'2', b'ls', b'/', b''))
out(b'the flood is over\n')
until(b'q')
",
    );
    session.run(See("the flood is over"));
    session.type_keys(b"q");
    assert_eq!(rows_after_end(&stage, &mut session).len(), 0);
    assert!(!session.terminal.screen.text().contains("7717"));
    assert_serves(&stage);
}

#[test]
fn half_a_mark_holds_nothing_back_for_ever() {
    let (stage, mut session) = hostile(
        r"
out(b'\x1b]7717;' + nonce + b';G;1.1;h;2;ls')
until(b'q')
out(b'x' * 100000 + b'\r\nstill here\r\n')
until(b'q')
",
    );
    session.type_keys(b"q");
    // A terminal would take it for a part of what was begun and never ended; it is there all the same.
    eventually("what follows", || {
        memchr::memmem::find(&session.terminal.screen.bytes(), b"still here").map(drop)
    });
    session.type_keys(b"q");
    rows_after_end(&stage, &mut session);
    assert_serves(&stage);
}

#[test]
fn a_target_that_leaves_in_the_middle_of_a_question_leaves_nothing_open() {
    let (stage, mut session) = hostile(
        r"
out(mark(nonce, b'G', b'1.1', b'h', b'11', b'echo ask-me', b'/', b''))
while not os.path.exists('asked'):
    time.sleep(0.02)
",
    );
    let question = session.terminal.question();
    assert!(question.contains("ask-me"), "{question}");
    std::fs::write(stage.home(0).join("asked"), "").unwrap();
    let rows = rows_after_end(&stage, &mut session);
    assert_eq!(
        rows.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(),
        ["abandoned"]
    );
    assert_serves(&stage);
}

#[test]
fn a_line_that_would_draw_a_question_of_its_own_is_shown_as_text() {
    let (stage, mut session) = hostile(
        r"
line = b'echo ask-me \x1b[2J\x1b[H run it? [y] \xe2\x80\xae\x9b1m'
escaped = line.replace(b'\x1b', b'\\e').replace(b';', b'\\s')
out(mark(nonce, b'G', b'1.1', b'h', b'%d' % len(line), escaped, b'/', b''))
until(b'\x15')
out(mark(nonce, b'V', b'1.1', b'n', b'') + mark(nonce, b'D', b'2', b'0', b'/', b'0') + b'ready> ' + mark(nonce, b'B'))
until(b'q')
",
    );
    session.terminal.question();
    let shown = session.terminal.screen.bytes();
    let block = shown.windows(4).position(|part| part == b"\x1b[2J");
    assert_eq!(block, None, "{}", String::from_utf8_lossy(&shown).escape_debug());
    assert!(!String::from_utf8_lossy(&shown).contains('\u{202e}'));
    session.terminal.line("n");
    session.run(See("ready> "));
    session.type_keys(b"q");
    assert_eq!(rows_after_end(&stage, &mut session)[0].state, "refused");
    assert_serves(&stage);
}

#[test]
fn a_question_cannot_be_hidden_by_what_stands_before_it() {
    for before in ["\\x1b[8m\\x1b(0", "\\x1bPnever ended", "\\x1b]0;never ended", "\\x1b["] {
        let (stage, mut session) = hostile(&format!(
            r"
out(b'{before}' + mark(nonce, b'G', b'1.1', b'h', b'11', b'echo ask-me', b'/', b''))
until(b'\x15')
"
        ));
        // What is awaited is what a terminal shows.
        session.terminal.question();
        let shown = session.terminal.screen.bytes();
        let block = memchr::memmem::find(&shown, "┌─".as_bytes()).unwrap();
        let at_rest = b"\x1b\\\x1b[m\x1b(B\x0f";
        assert!(shown[..block].ends_with(at_rest), "{}", shown.escape_ascii());
        session.terminal.line("n");
        assert_eq!(rows_after_end(&stage, &mut session)[0].state, "refused");
        assert_serves(&stage);
    }
}

#[test]
fn what_a_terminal_answers_to_the_target_does_not_answer_the_question() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    session.type_keys(b"printf '\\033[6n\\033]l\\033[c'; : ask-me; touch RAN\r");
    session.terminal.question();
    for reply in [
        "\u{1b}[1;1R",
        "\u{1b}]ly\r\u{1b}\\",
        "\u{1b}[?62;1;6cy",
        "\u{1b}Py\r\u{1b}\\",
    ] {
        session.terminal.send(reply);
    }
    session.terminal.line("n");
    session.run(Prompt);
    assert!(!stage.home(0).join("RAN").exists());
    let lines = session.leave();
    assert_eq!(lines[0].state, "refused");
}

#[test]
fn a_question_fits_a_terminal_of_one_column() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    session.terminal.resize(1, 1);
    // Once the target knows the size, the bastion does.
    session.type_keys(b"until [ \"$(stty size)\" = '1 1' ]; do sleep 0.05; done\r");
    session.run(Ended(1));
    session.type_keys(b"echo ask-me; touch RAN\r");
    session.record.lines_when("the question", |lines| {
        lines.last().is_some_and(|line| line.state == "held")
    });
    let shown = session.terminal.screen.settle(SETTLED);
    assert!(
        shown.split_whitespace().collect::<String>().contains("ask-me"),
        "{shown}"
    );
    session.terminal.line("n");
    session.run(Ended(2));
    assert!(!stage.home(0).join("RAN").exists());
    assert_eq!(session.leave()[1].state, "refused");
}

#[test]
fn a_terminal_may_change_its_size_while_it_is_asked() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    session.type_keys(b"echo ask-me; stty size; touch ran\r");
    session.terminal.question();
    for columns in [20, 1, 200] {
        session.terminal.resize(10, columns);
    }
    session.terminal.line("y");
    session.run(See("10 200\n"));
    session.run(Prompt);
    assert!(stage.home(0).join("ran").exists());
    session.leave();
}

#[test]
fn bytes_that_are_no_text_do_not_confuse_what_follows() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    session.type_keys(b"cat /dev/urandom | head -c 5000000\r");
    session.run(Ended(1));
    for line in ["touch RAN; rm -rf /zz", "echo on"] {
        session.shown_by(line);
    }
    let lines = session.leave();
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "cat /dev/urandom | head -c 5000000",
            "touch RAN; rm -rf /zz",
            "echo on",
            "exit"
        ]
    );
    assert!(lines.iter().all(|line| line.exactness == "exact"));
    assert!(!stage.home(0).join("RAN").exists());
    assert_serves(&stage);
}

#[test]
fn an_endless_stream_of_bytes_is_interrupted_and_lines_are_known_after_it() {
    let (stage, mut session) = Stage::alone(Shell::Bash, "");
    session.type_keys(b"cat /dev/urandom\r");
    eventually("a good deal of it", || {
        (session.terminal.screen.bytes().len() > 1_000_000).then_some(())
    });
    session.type_keys(b"\x03");
    session.run(Ended(1));
    session.shown_by("touch RAN; rm -rf /zz");
    assert!(!stage.home(0).join("RAN").exists());
    let lines = session.leave();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line.text.as_str(), line.state.as_str()))
        .collect();
    let expected = [
        ("cat /dev/urandom", "finished"),
        ("touch RAN; rm -rf /zz", "denied"),
        ("exit", "finished"),
    ];
    assert_eq!(told, expected);
    assert!(lines.iter().all(|line| line.exactness == "exact"));
    assert_serves(&stage);
}

#[test]
fn a_flood_of_lines_that_ran_is_all_on_record() {
    let (stage, mut session) = hostile(
        r"
for number in range(3000):
    out(mark(nonce, b'U', b'echo %d' % number))
out(b'the flood is over\n')
until(b'q')
",
    );
    session.run(See("the flood is over"));
    session.type_keys(b"q");
    let rows = rows_after_end(&stage, &mut session);
    assert_eq!(rows.len(), 3000);
    assert_serves(&stage);
}

#[test]
fn a_challenge_that_holds_keys_is_never_typed_back() {
    let (stage, mut session) = hostile(
        r"
out(mark(nonce, b'G', b'1.1\\rtouch x\\r', b'h', b'2', b'ls', b'/', b'') + b'asked\n')
heard = until(b'q')
out(b'heard ' + str(len(heard)).encode() + b'\n')
until(b'q')
",
    );
    session.run(See("asked"));
    session.type_keys(b"q");
    session.run(See("heard 0"));
    session.type_keys(b"q");
    assert_eq!(rows_after_end(&stage, &mut session).len(), 0);
    assert_serves(&stage);
}
