use proptest::prelude::*;

use super::super::marks::{MarkFilter, Segment};
use super::*;

const NONCE: &str = "00112233445566778899aabbccddeeff";

fn mark(body: &str) -> Vec<u8> {
    format!("\x1b]7717;{NONCE};{body}\x07").into_bytes()
}

fn ask(id: &str, line: &str) -> Vec<u8> {
    mark(&format!("G;{id};h;{};{line};/root;", line.len()))
}

fn asking(text: &str) -> Effect {
    Effect::Asking(Line {
        text: text.to_owned(),
        bytes: text.as_bytes().to_vec(),
        dialect: Dialect::Bash,
        exactness: Exactness::Exact,
        cwd: Some("/root".to_owned()),
        aliases: Vec::new(),
        opens: None,
    })
}

fn unasked(text: &str) -> Effect {
    Effect::Unasked {
        text: text.to_owned(),
        dialect: Dialect::Bash,
    }
}

fn ended(exit_code: Option<i32>, output_bytes: u64) -> Effect {
    let known = exit_code.is_some();
    Effect::Ended(LineEnd {
        exit_code,
        cwd: known.then(|| "/root".to_owned()),
        pipe_status: exit_code.into_iter().collect(),
        output_bytes,
    })
}

fn to_shell(bytes: &[u8]) -> Effect {
    Effect::ToTarget(bytes.to_vec())
}

/// A shell behind the filter for its marks.
struct Gate {
    filter: MarkFilter,
    shell: Asking,
}

impl Gate {
    fn new() -> Self {
        Self {
            filter: MarkFilter::default(),
            shell: Asking::new(NONCE.to_owned(), Dialect::Bash),
        }
    }
}

fn target(gate: &mut Gate, bytes: &[u8]) -> Vec<Effect> {
    let mut out = Vec::new();
    let Gate { filter, shell } = gate;
    filter.feed(bytes, |segment| match segment {
        Segment::Plain(bytes) => shell.shown(bytes.len()),
        Segment::Mark(mark) => match Report::parse(&mark) {
            Some(report) => shell.report(report, &mut out),
            None => out.push(Effect::Forged),
        },
    });
    let typed = [shell.strays().unwrap_or_default(), shell.released()].concat();
    shell.user_types(&typed, &mut out);
    out
}

fn hello(gate: &mut Gate) -> Vec<Effect> {
    let mut out = Vec::new();
    gate.shell.hello(&mut out);
    out
}

fn user(gate: &mut Gate, bytes: &[u8]) -> Vec<Effect> {
    let mut out = Vec::new();
    gate.shell.user_types(bytes, &mut out);
    out
}

fn answer(gate: &mut Gate, verdict: Verdict) -> Vec<Effect> {
    let mut out = Vec::new();
    gate.shell.answer(verdict, &mut out);
    out
}

/// A gate at its first prompt.
fn prompted() -> Gate {
    let mut gate = Gate::new();
    hello(&mut gate);
    target(&mut gate, &mark("D;1;0;/root;0"));
    gate
}

/// A gate whose shell asks about `ls`.
fn asked() -> Gate {
    let mut gate = prompted();
    target(&mut gate, &ask("1.77", "ls"));
    gate
}

#[test]
fn a_line_s_whole_way() {
    let mut gate = Gate::new();
    assert_eq!(user(&mut gate, b"l"), [], "held until the hook is in place");
    assert_eq!(hello(&mut gate), [to_shell(format!("{NONCE}\x15").as_bytes())]);
    assert_eq!(
        target(&mut gate, &mark("D;1;0;/root;0")),
        [Effect::Ready, to_shell(b"l")]
    );
    assert_eq!(user(&mut gate, b"s\r"), [to_shell(b"s\r")]);
    assert_eq!(target(&mut gate, &ask("1.77", "ls")), [asking("ls")]);
    assert_eq!(answer(&mut gate, Verdict::Run), [to_shell(b"1.77:y\x15")]);
    assert_eq!(target(&mut gate, &mark("V;1.77;y;")), [Effect::Started]);
    assert_eq!(target(&mut gate, b"a b c"), [], "counted");
    assert_eq!(target(&mut gate, &mark("D;2;3;/root;3")), [ended(Some(3), 5)]);
}

#[test]
fn type_ahead_follows_a_yes_in_its_order() {
    let mut gate = asked();
    assert_eq!(user(&mut gate, b"third\r"), []);
    answer(&mut gate, Verdict::Run);
    assert_eq!(target(&mut gate, &mark("T;1.77;first\\n")), []);
    let effects = target(&mut gate, &mark("V;1.77;y;second\\r"));
    assert_eq!(effects, [Effect::Started, to_shell(b"first\rsecond\rthird\r")]);
}

#[test]
fn type_ahead_is_dropped_after_a_no() {
    let mut gate = asked();
    user(&mut gate, b"rest\r");
    assert_eq!(answer(&mut gate, Verdict::Cancel), [to_shell(b"1.77:n\x15")]);
    user(&mut gate, b"more\r");
    assert_eq!(target(&mut gate, &mark("V;1.77;n;stray\\r")), [Effect::Cancelled]);
    assert_eq!(target(&mut gate, &mark("D;2;130;/root;130")), []);
    assert_eq!(user(&mut gate, b"x"), [to_shell(b"x")]);
}

#[test]
fn a_question_is_answered_once() {
    let mut gate = prompted();
    assert_eq!(answer(&mut gate, Verdict::Run), []);
    target(&mut gate, &ask("1.77", "ls"));
    answer(&mut gate, Verdict::Cancel);
    assert_eq!(answer(&mut gate, Verdict::Run), []);
}

#[test]
fn what_runs_without_a_yes_is_said_so() {
    for verdict in [None, Some(Verdict::Cancel)] {
        let mut gate = asked();
        verdict.map(|verdict| answer(&mut gate, verdict));
        assert_eq!(target(&mut gate, &mark("V;1.77;y;")), [unasked("ls")]);
    }
    assert_eq!(target(&mut prompted(), &mark("U;rm x")), [unasked("rm x")]);
}

#[test]
fn a_question_that_is_interrupted_is_cancelled() {
    let mut gate = asked();
    assert_eq!(target(&mut gate, &mark("D;2;130;/root;130")), [Effect::Cancelled]);
    assert_eq!(answer(&mut gate, Verdict::Run), [], "nobody waits any longer");
}

#[test]
fn replays_and_marks_out_of_order_are_not_believed() {
    let mut gate = asked();
    answer(&mut gate, Verdict::Run);
    target(&mut gate, &mark("V;1.77;y;"));
    for stale in [
        ask("1.77", "ls"),
        ask("0.1", "ls"),
        ask("2.1", "ls"),
        mark("V;1.77;y;"),
        mark("D;1;0;/;0"),
        mark("T;1.77;x"),
    ] {
        assert_eq!(
            target(&mut gate, &stale),
            [Effect::Forged],
            "{}",
            String::from_utf8_lossy(&stale)
        );
    }
    for malformed in [
        "",
        "D",
        "D;x;0;/;0",
        "G;1.2;h;2",
        "G;1.2;z;2;ls;/;",
        "V;1.77;maybe;",
        "Z",
    ] {
        assert_eq!(target(&mut gate, &mark(malformed)), [Effect::Forged], "{malformed}");
    }
}

#[test]
fn a_question_before_the_first_prompt_is_not_believed() {
    let mut gate = Gate::new();
    assert_eq!(target(&mut gate, &ask("0.1", "ls")), [Effect::Forged]);
}

#[test]
fn the_nonce_is_told_once() {
    let mut gate = prompted();
    assert_eq!(hello(&mut gate), [Effect::Forged]);
    let mut gate = Gate::new();
    hello(&mut gate);
    assert_eq!(hello(&mut gate), [Effect::Forged]);
}

#[test]
fn a_garbled_or_unknown_line_has_no_text() {
    for body in [
        "G;1.1;h;3;ls;/root;",
        "G;1.1;u;0;;/root;",
        "G;1.1;h;0;;/root;",
        "G;1.1;u;2;ls;/root;",
    ] {
        let effects = target(&mut prompted(), &mark(body));
        let Some(Effect::Asking(line)) = effects.first() else {
            panic!("{effects:?}")
        };
        assert_eq!((line.exactness, line.text.as_str()), (Exactness::Unknown, ""), "{body}");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let mut bytes = b"\x1b]7717;00112233445566778899aabbccddeeff;G;1.1;h;4;ls ".to_vec();
    bytes.extend(b"\xff;/root;\x07");
    let effects = target(&mut prompted(), &bytes);
    let Some(Effect::Asking(line)) = effects.first() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        (line.bytes.as_slice(), line.text.as_str()),
        (&b"ls \xff"[..], "ls \u{fffd}")
    );
    assert_eq!(line.exactness, Exactness::Exact);
}

#[test]
fn without_a_hook_the_input_is_let_go_and_nothing_is_known() {
    let mut gate = Gate::new();
    user(&mut gate, b"ls\r");
    let mut out = Vec::new();
    gate.shell.give_up_boot(&mut out);
    assert_eq!(out, [Effect::Lost(Lost::Shell)]);
    assert_eq!(gate.shell.released(), b"ls\r");
    assert_eq!(user(&mut gate, b"x"), [to_shell(b"x")]);
    assert_eq!(
        target(&mut gate, &mark("D;1;0;/root;0")),
        [Effect::Ready],
        "late, but there"
    );
    let mut gate = Gate::new();
    out.clear();
    gate.shell.unhookable(&mut out);
    assert_eq!(out, [Effect::Lost(Lost::Shell)]);
}

#[test]
fn a_prompt_that_was_not_announced_is_not_understood_until_the_next_that_is() {
    let mut gate = asked();
    answer(&mut gate, Verdict::Run);
    target(&mut gate, &mark("V;1.77;y;"));
    assert_eq!(target(&mut gate, &mark("B")), [Effect::Lost(Lost::Shell)]);
    assert_eq!(
        target(&mut gate, &mark("D;2;0;/root;0")),
        [ended(Some(0), 0), Effect::Ready]
    );
}

#[test]
fn a_prompt_number_that_was_skipped_is_not_understood() {
    assert_eq!(
        target(&mut prompted(), &mark("D;3;0;/root;0"))[0],
        Effect::Lost(Lost::Shell)
    );
}

#[test]
fn input_held_back_is_bounded() {
    let mut gate = asked();
    for _ in 0..40 {
        user(&mut gate, &vec![b'x'; 64 * 1024]);
    }
    assert_eq!(gate.shell.held.len(), MAX_HELD);
}

#[test]
fn a_shell_that_asks_without_end_is_given_up() {
    let mut gate = prompted();
    let effects: Vec<_> = (0..=MAX_CHALLENGES)
        .flat_map(|number| target(&mut gate, &ask(&format!("1.{number}"), "x")))
        .collect();
    assert_eq!(effects.last(), Some(&Effect::Lost(Lost::Shell)));
}

#[test]
fn a_shell_that_was_found_without_a_hook_is_told_no_nonce() {
    let mut gate = Gate::new();
    gate.shell.unhookable(&mut Vec::new());
    assert_eq!(hello(&mut gate), [Effect::Forged]);
}

#[test]
fn a_challenge_that_is_more_than_letters_and_digits_is_never_typed() {
    let mut gate = prompted();
    for id in ["1.\\rrm -rf /\\r", "1. ", "1.\\e[A", &format!("1.{}", "9".repeat(1000))] {
        assert_eq!(target(&mut gate, &ask(id, "ls")), [Effect::Forged], "{id}");
    }
}

proptest! {
    /// Whatever a hostile target writes, nothing starts that was not asked about and answered with yes.
    #[test]
    fn nothing_starts_without_a_yes(reports in proptest::collection::vec(0usize..9, 0..40)) {
        let mut gate = prompted();
        let (mut yes, mut started) = (0, 0);
        for report in reports {
            let effects = match report {
                0 => target(&mut gate, &ask("1.1", "a")),
                1 => target(&mut gate, &ask("1.2", "b")),
                2 => target(&mut gate, &mark("V;1.1;y;")),
                3 => target(&mut gate, &mark("V;1.2;n;")),
                4 => target(&mut gate, &mark("D;2;0;/;0")),
                5 => target(&mut gate, &ask("2.1", "c")),
                6 => target(&mut gate, &mark("V;2.1;y;")),
                7 => target(&mut gate, &mark("B")),
                _ => answer(&mut gate, Verdict::Run),
            };
            let is_yes = |effect: &&Effect| matches!(effect, Effect::ToTarget(bytes) if bytes.ends_with(b":y\x15"));
            yes += effects.iter().filter(is_yes).count();
            started += effects.iter().filter(|effect| **effect == Effect::Started).count();
            prop_assert!(started <= yes, "{effects:?}");
        }
    }
}
