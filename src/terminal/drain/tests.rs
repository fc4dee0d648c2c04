//! What a shell that is held at its prompt does, and what a hostile one cannot.

use proptest::prelude::*;

use super::*;
use crate::terminal::marks::{MarkFilter, Segment};

const NONCE: &str = "00112233445566778899aabbccddeeff";
const USUAL: &str = "4500:5:bf:8a3b:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0";

/// A shell and a clock.
struct Session {
    shell: Draining,
    program: &'static str,
    now: Instant,
}

impl Session {
    /// At the first prompt of a shell that is this program.
    fn of(program: &'static str) -> Self {
        let now = Instant::now();
        let mut session = Self {
            shell: Draining::new(NONCE.to_owned(), now),
            program,
            now,
        };
        session.shell.hello(&mut Vec::new());
        session.prompts(1, 0, "");
        session
    }

    fn prompted() -> Self {
        Self::of("dash")
    }

    /// Takes marks; what was released is typed again, as the terminal's other layers do.
    fn marks(&mut self, bodies: &[&str]) -> Vec<Effect> {
        let mut out = Vec::new();
        for body in bodies {
            let bytes = format!("\x1b]7717;{NONCE};{body}\x07");
            MarkFilter::default().feed(bytes.as_bytes(), |segment| match segment {
                Segment::Mark(mark) => match Report::parse(&mark) {
                    Some(report) => self.shell.report(report, &mut out),
                    None => out.push(Effect::Forged),
                },
                Segment::Plain(_) => panic!("{body}"),
            });
        }
        self.retype(&mut out);
        out
    }

    /// What was given back or let go is typed again.
    fn retype(&mut self, out: &mut Vec<Effect>) {
        let typed = [self.shell.strays().unwrap_or_default(), self.shell.released()].concat();
        self.shell.user_types(&typed, out);
    }

    /// A prompt after a line that ended with `code`, its barrier giving back `strays`.
    fn prompts(&mut self, seq: u64, code: i32, strays: &str) -> Vec<Effect> {
        let end = format!("D;{seq};{code};/root;");
        let silent = format!("S;{seq};{USUAL};{};smi", self.program);
        let strays = format!("T;{seq};{strays}");
        self.marks(&[&end, &silent, &strays, &format!("Q;{seq}"), "B"])
    }

    fn continues(&mut self, seq: u64) -> Vec<Effect> {
        let silent = format!("S;{seq};{USUAL};{};smi", self.program);
        self.marks(&["P", &silent, &format!("Q;{seq}"), "B"])
    }

    fn user(&mut self, keys: &str) -> Vec<Effect> {
        let mut out = Vec::new();
        self.shell.user_types(keys.as_bytes(), &mut out);
        out
    }

    fn answer(&mut self, verdict: Verdict) -> Vec<Effect> {
        let mut out = Vec::new();
        self.shell.answer(verdict, &mut out);
        out
    }

    /// Lets the wait that stands begin and end.
    fn rest(&mut self) -> Vec<Effect> {
        let mut out = Vec::new();
        self.shell.timed_out(self.now, &mut out);
        if let Some(deadline) = self.shell.deadline() {
            self.now = deadline;
            self.shell.timed_out(deadline, &mut out);
        }
        self.retype(&mut out);
        out
    }
}

fn to_shell(text: &str) -> Effect {
    Effect::ToTarget(text.as_bytes().to_vec())
}

fn word(seq: u64) -> Effect {
    to_shell(&format!("{NONCE}.{seq}\n"))
}

/// The lines asked about; `?` where one is unknown.
fn asked(effects: &[Effect]) -> Vec<&str> {
    let text = |effect| match effect {
        &Effect::Asking(Line {
            ref text,
            exactness: Exactness::Exact,
            ..
        }) => Some(text.as_str()),
        Effect::Asking(_) => Some("?"),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

#[test]
fn a_line_s_whole_way() {
    let mut session = Session::prompted();
    assert_eq!(session.user("lx\x7fs"), [to_shell("lx\x7fs")]);
    assert_eq!(asked(&session.user("\r")), ["ls"], "and the key is held");
    assert_eq!(session.answer(Verdict::Run), [Effect::Started, to_shell("\r")]);
    session.shell.shown(b"a b c");
    let effects = session.prompts(2, 3, "");
    let end = LineEnd {
        exit_code: Some(3),
        cwd: Some("/root".to_owned()),
        pipe_status: Vec::new(),
        output_bytes: 5,
    };
    assert_eq!(effects, [Effect::Ended(end), word(2)]);
}

#[test]
fn the_nonce_is_told_once() {
    let mut session = Session::prompted();
    let mut out = Vec::new();
    session.shell.hello(&mut out);
    assert_eq!(out, [Effect::Forged]);
}

#[test]
fn what_follows_a_line_waits_for_the_prompt_and_is_asked_about_in_turn() {
    let mut session = Session::prompted();
    assert_eq!(asked(&session.user("a\rb\rc")), ["a"]);
    session.answer(Verdict::Run);
    assert_eq!(asked(&session.prompts(2, 0, "")), ["b"]);
    session.answer(Verdict::Run);
    assert_eq!(session.prompts(3, 0, "").last(), Some(&to_shell("c")));
}

#[test]
fn what_runs_gets_the_input_after_a_pause_and_gives_back_what_it_leaves() {
    let mut session = Session::prompted();
    session.user("sleep 1\r");
    session.answer(Verdict::Run);
    assert_eq!(session.user("ls\r"), []);
    assert_eq!(session.rest(), [to_shell("ls\r")]);
    assert_eq!(session.user("p"), [to_shell("p")]);
    assert_eq!(asked(&session.prompts(2, 0, "ls\\rp")), ["ls"]);
}

#[test]
fn a_refused_line_is_cancelled_and_what_was_typed_behind_it_dropped() {
    let mut session = Session::prompted();
    session.user("rm x\rrm y\r");
    assert_eq!(
        session.answer(Verdict::Cancel),
        [Effect::Cancelled, to_shell("\x15\x03")]
    );
    assert_eq!(session.user("ls"), [], "held until the prompt is back");
    assert_eq!(session.prompts(2, 130, "").last(), Some(&to_shell("ls")));
}

#[test]
fn a_shell_that_does_not_hear_the_interrupt_is_rid_of_the_line_by_hand() {
    let mut session = Session::prompted();
    session.user("rm x\r");
    session.answer(Verdict::Cancel);
    assert_eq!(session.rest(), [to_shell("\x15\n")]);
    assert_eq!(session.rest(), [Effect::Lost(Lost::Shell)]);
}

#[test]
fn a_command_of_several_lines_is_one_question() {
    let mut session = Session::prompted();
    assert_eq!(session.user("echo 'a\r"), [to_shell("echo 'a"), to_shell("\r")]);
    session.continues(2);
    assert_eq!(asked(&session.user("b'\r")), ["echo 'a\nb'"]);
    session.answer(Verdict::Cancel);
    assert_eq!(session.prompts(3, 130, ""), [word(3)]);
    assert_eq!(asked(&session.user("ls\r")), ["ls"]);
}

#[test]
fn a_line_that_the_shell_continues_unexpectedly_is_asked_about_again_as_a_whole() {
    let mut session = Session::prompted();
    assert_eq!(asked(&session.user("strange\r")), ["strange"]);
    session.answer(Verdict::Run);
    assert_eq!(session.continues(2), [Effect::Cancelled, word(2)]);
    assert_eq!(asked(&session.user("end\r")), ["strange\nend"]);
}

#[test]
fn a_line_that_was_not_continued_after_all_ran_unasked_and_is_said_so() {
    let mut session = Session::prompted();
    session.user("echo 'a\r");
    assert_eq!(session.prompts(2, 0, "")[0], unasked(b"echo 'a"));
}

#[test]
fn an_end_of_file_asks_where_it_could_run_something() {
    assert_eq!(Session::prompted().user("\x04"), [to_shell("\x04")]);
    assert_eq!(asked(&Session::prompted().user("rm x\x04\x04")), ["rm x"]);
    let mut session = Session::prompted();
    session.user("cat <<E\r");
    session.continues(2);
    assert_eq!(asked(&session.user("\x04")), ["cat <<E\n"]);
}

#[test]
fn nothing_is_asked_about_blanks_and_comments() {
    for line in ["", " \t", "# rm x"] {
        assert_eq!(
            asked(&Session::prompted().user(&format!("{line}\r"))),
            [""; 0],
            "{line:?}"
        );
    }
    assert_eq!(
        asked(&Session::prompted().user("\u{a0}\r")),
        ["\u{a0}"],
        "a word to the shell"
    );
}

#[test]
fn an_interrupt_at_the_prompt_holds_the_input_until_the_shell_has_answered() {
    let mut session = Session::prompted();
    assert_eq!(session.user("rm x\x03ls\r"), [to_shell("rm x\x03")]);
    assert_eq!(asked(&session.prompts(2, 130, "")), ["ls"]);
    let mut session = Session::prompted();
    session.user("rm x\x03ls\r");
    assert_eq!(asked(&session.rest()), ["ls"], "the shell ignores it");
}

#[test]
fn the_barrier_is_put_back_into_a_prompt_that_was_set() {
    let mut session = Session::prompted();
    session.user("PS1='> '\r");
    let effects = session.answer(Verdict::Run);
    assert_eq!(effects.last(), Some(&to_shell(" __opspilot_arm\r")));
    assert!(session.shell.hides());
    session.prompts(2, 0, "");
    assert!(!session.shell.hides());
}

#[test]
fn a_shell_that_may_have_lost_its_barrier_is_not_understood_at_the_next_line() {
    for line in ["exec dash", "PS1=\"$(date)\"", ". ./file", "eval \"$x\""] {
        let mut session = Session::prompted();
        assert_eq!(asked(&session.user(&format!("{line}\r"))), [line]);
        session.answer(Verdict::Run);
        session.rest();
        assert_eq!(session.user("x"), [to_shell("x")], "{line}");
        assert_eq!(session.user("\r"), [Effect::Lost(Lost::Shell)], "{line}");
        assert_eq!(session.prompts(2, 0, "")[1], Effect::Ready, "{line}");
    }
}

#[test]
fn of_a_shell_with_an_editor_plain_typing_is_known() {
    for (keys, line) in [
        ("ls x\x7fy\r", "ls y"),
        ("rm\x15ls\r", "ls"),
        ("\x1b[24;80Rls\r", "ls"),
        ("l\ts\r", "?"),
        ("\x1b[A\r", "?"),
        ("ls\x0f", "ls"),
        ("a\\b\x7f\r", "?"),
    ] {
        assert_eq!(asked(&Session::of("busybox").user(keys)), [line], "{keys:?}");
    }
}

#[test]
fn an_editor_that_does_not_take_the_line_may_hold_it_still() {
    let mut session = Session::of("busybox");
    session.user("ls\r");
    session.answer(Verdict::Run);
    session.rest();
    assert_eq!(session.user("rm\r"), [Effect::Lost(Lost::Shell)]);
}

#[test]
fn marks_out_of_order_are_not_believed() {
    let mut session = Session::prompted();
    for mark in [
        "D;1;0;/;",
        "P",
        "Q;1",
        "T;1;x",
        "S;1;x;dash;",
        "G;1.1;h;2;ls;/;",
        "V;1.1;y;",
        "U;x",
        "Z",
    ] {
        assert_eq!(session.marks(&[mark]), [Effect::Forged], "{mark}");
    }
}

#[test]
fn a_barrier_that_does_not_end_is_not_waited_for() {
    let mut session = Session::prompted();
    session.marks(&["D;2;0;/;"]);
    assert_eq!(session.user("ls\r"), []);
    assert_eq!(session.rest(), [Effect::Lost(Lost::Shell), to_shell("ls\r")]);
}

#[test]
fn input_held_back_is_bounded() {
    let mut session = Session::prompted();
    session.user("ls\r");
    for _ in 0..40 {
        session.user(&"x".repeat(64 * 1024));
    }
    assert!(session.shell.held.len() <= 1024 * 1024);
}

proptest! {
    /// Whatever a target writes and a user types: a key that ends a line of the user's goes to a shell that is understood
    /// only after a yes, or where the line cannot run yet.
    #[test]
    fn nothing_starts_without_a_yes(steps in proptest::collection::vec(0usize..10, 0..60)) {
        let mut session = Session::prompted();
        let (mut seq, mut yes, mut started) = (1, 0, 0);
        for step in steps {
            let effects = match step {
                0 => session.user("rm x\r"),
                1 => session.user("a"),
                2 => session.user("\x03"),
                3 => { seq += 1; session.prompts(seq, 0, "") }
                4 => { seq += 1; session.continues(seq) }
                5 => session.rest(),
                6 => session.marks(&["B"]),
                7 => session.answer(Verdict::Cancel),
                8 => session.user("echo 'q\r"),
                _ => {
                    yes += usize::from(session.shell.pending.is_some());
                    session.answer(Verdict::Run)
                }
            };
            started += effects.iter().filter(|effect| **effect == Effect::Started).count();
            prop_assert!(started <= yes);
            let sends_line = effects.iter().any(|effect| matches!(effect, Effect::ToTarget(keys) if keys.ends_with(b"rm x\r")));
            prop_assert!(!sends_line || matches!(session.shell.state, State::Running | State::Lost), "{:?}", effects);
        }
    }
}
