//! Workers of all sorts, as threads: what the daemon makes of their answers.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::frame::{Frame, GREETING};
use super::patience::Patience;
use super::slot::Slot;
use super::worker::{MAX_ANSWER, answer_all};
use super::{HelperError, Helpers, orders};
use crate::command::{Grammar as _, InProcess, MAX_PARSED, NoTree, Tree};

const TEXT: &str = "f() { rm -r \"$1\"; }; f /x | wc";

/// What a worker does with its socket.
type Work = fn(UnixStream);

/// A slot whose supervisor delivers these workers, one an order, and then is gone.
fn slot(workers: &[Work]) -> Slot {
    let (ours, theirs) = orders::pair().unwrap();
    let mut workers: VecDeque<_> = workers.iter().copied().collect();
    thread::spawn(move || {
        while orders::await_order(&theirs).unwrap() {
            let Some(work) = workers.pop_front() else { return };
            let (daemons, workers) = UnixStream::pair().unwrap();
            orders::deliver(&theirs, daemons.as_fd()).unwrap();
            thread::spawn(move || work(workers));
        }
    });
    Slot::served_by(ours).unwrap()
}

fn greet(socket: &mut UnixStream) {
    Frame::send(GREETING, &[], socket).unwrap();
}

/// One that works as it should.
fn good(mut socket: UnixStream) {
    greet(&mut socket);
    // A slot that ended in the middle is no fault of this one.
    answer_all(&mut socket).unwrap_or_default();
}

/// One that answers its first question with these bytes under this number, and waits for more.
fn answers(mut socket: UnixStream, number: u32, bytes: &[u8]) {
    greet(&mut socket);
    Frame::receive(&mut socket, MAX_PARSED).unwrap();
    Frame::send(number, bytes, &mut socket).unwrap();
    socket.read_to_end(&mut Vec::new()).unwrap();
}

fn ask(slot: &mut Slot) -> Result<Option<Tree>, HelperError> {
    slot.ask(TEXT, &Patience::new())
}

#[test]
fn an_answer_is_what_the_grammar_says_in_this_process() {
    let mut slot = slot(&[good]);
    for text in [TEXT, "", "if ; then", "cat <<E\nx\nE\n", "echo \u{fc}\u{65e5}"] {
        let tree = slot.ask(text, &Patience::new()).unwrap();
        assert!(tree == InProcess.tree(text).ok(), "{text}");
    }
    let too_deep = format!("{}a; {}", "if a; then ".repeat(300), "fi; ".repeat(300));
    assert!(slot.ask(&too_deep, &Patience::new()).unwrap().is_none());
    let longest = "x".repeat(MAX_PARSED);
    assert!(slot.ask(&longest, &Patience::new()).unwrap() == InProcess.tree(&longest).ok());
}

#[test]
fn whatever_a_worker_does_the_text_has_no_tree_and_the_next_one_is_read() {
    let workers: [(&str, Work); 11] = [
        ("dies before it greets", drop),
        ("greets out of turn", |mut socket| {
            Frame::send(1, &[], &mut socket).unwrap();
        }),
        ("greets at length", |mut socket| {
            Frame::send(GREETING, &[b'x'; 4096], &mut socket).unwrap();
        }),
        ("dies when it is asked", |mut socket| {
            greet(&mut socket);
            Frame::receive(&mut socket, MAX_PARSED).unwrap();
        }),
        ("dies in the middle of an answer", |mut socket| {
            greet(&mut socket);
            socket.write_all(&[1, 0, 0, 0, 9, 0]).unwrap();
        }),
        ("says nothing", silent),
        ("answers nothing", |socket| answers(socket, 1, b"")),
        ("answers garbage", |socket| answers(socket, 1, b"\x01\x00rm -rf /")),
        ("answers another question", |socket| answers(socket, 2, &[0])),
        ("answers about another text", |socket| {
            let tree = InProcess.tree(&TEXT.repeat(2)).unwrap();
            answers(socket, 1, &[vec![1], tree.to_bytes()].concat());
        }),
        ("answers too much", |socket| {
            answers(socket, 1, &vec![0; MAX_ANSWER + 1]);
        }),
    ];
    for (what, bad) in workers {
        let mut slot = slot(&[bad, good]);
        let failed = ask(&mut slot).map(|_| ()).unwrap_err();
        assert!(!slot.is_gone(), "{what}: {failed}");
        assert!(ask(&mut slot).unwrap() == InProcess.tree(TEXT).ok(), "{what}");
    }
}

#[test]
fn why_a_worker_cannot_serve_is_told_and_made_harmless() {
    let mut slot = slot(&[|mut socket| Frame::send(GREETING, b"no seccomp\x1b[2J", &mut socket).unwrap()]);
    let said = slot.prepare().unwrap_err().to_string();
    assert!(said.contains("no seccomp") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_worker_that_has_read_enough_is_replaced_between_two_texts() {
    let mut slot = slot(&[good, good]);
    for text in 0..1_500 {
        assert!(slot.ask("ls", &Patience::new()).unwrap().is_some(), "{text}");
    }
}

#[test]
fn without_its_supervisor_a_slot_answers_until_its_worker_ends_and_then_never() {
    let mut slot = slot(&[good]);
    let texts = std::iter::repeat_with(|| slot.ask("ls", &Patience::new()));
    assert_eq!(texts.take_while(Result::is_ok).count(), 1_000);
    assert!(matches!(ask(&mut slot), Err(HelperError::Gone)));
    assert!(slot.is_gone());
}

/// One that greets and answers nothing until it is let go.
fn silent(mut socket: UnixStream) {
    greet(&mut socket);
    socket.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn where_no_process_can_be_started_nobody_serves_and_it_is_said_what_to_do() {
    let said = Helpers::start(Path::new("/nothing/here")).unwrap_err().to_string();
    assert!(said.contains("must be allowed to run its own program again"), "{said}");
    // A program that is no supervisor.
    assert!(matches!(Helpers::start(Path::new("/bin/true")), Err(HelperError::Gone)));
}

#[test]
fn a_text_that_failed_is_not_read_a_moment_later_and_others_are() {
    let dies: Work = |mut socket| greet(&mut socket);
    let helpers = Helpers::with(vec![slot(&[dies, good]), slot(&[good])]);
    assert_eq!(helpers.tree(TEXT), Err(NoTree::Failed));
    assert_eq!(helpers.tree(TEXT), Err(NoTree::Failed));
    for text in ["ls", "id", "pwd"] {
        assert!(helpers.tree(text) == InProcess.tree(text), "{text}");
    }
}

#[test]
fn where_no_supervisor_is_left_nothing_is_read_and_nobody_waits() {
    let helpers = Helpers::with(vec![slot(&[]), slot(&[])]);
    for text in ["a", "b", "c", "d"] {
        assert_eq!(helpers.tree(text), Err(NoTree::Failed));
    }
    assert!(helpers.free().iter().all(super::Slot::is_gone));
}

#[test]
fn whoever_finds_all_workers_at_work_waits_for_one_and_not_for_ever() {
    let helpers = Helpers::with(vec![slot(&[silent, silent]), slot(&[silent, silent])]);
    let trees = thread::scope(|scope| {
        let helpers = &helpers;
        let asking: Vec<_> = (0..6)
            .map(|number: u32| scope.spawn(move || helpers.tree(&number.to_string())))
            .collect();
        asking
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(trees, vec![Err(NoTree::Failed); 6]);
    assert_eq!(helpers.free().len(), 2, "both came back");
}
