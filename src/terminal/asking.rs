//! A shell whose hook asks over its own terminal before it runs a line, and waits for the answer.

use std::{iter, mem};

use super::effect::{Effect, Line, LineEnd, Lost, Verdict};
use super::greeting::Greeting;
use super::report::{Ask, Kind, Prompted, Report};
use crate::command::{Opens, opens, parse};
use crate::domain::{Dialect, Exactness};

/// The most user input held back, in bytes; what comes on top of it is dropped.
const MAX_HELD: usize = 1024 * 1024;

/// The most output that is hidden after one refusal, in bytes; what comes on top of it is shown.
const MAX_HIDDEN: usize = 64 * 1024;

/// The most questions that one prompt may ask; a shell that asks more is not followed any longer.
const MAX_CHALLENGES: usize = 256;

/// Ends an answer. A line editor that finds an answer nobody waits for any longer erases it at this byte (`^U`).
const END_OF_ANSWER: u8 = 0x15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The bootstrap or the profile is running.
    Boot,
    /// The user edits a line.
    Prompt,
    /// The shell waits for an answer.
    Gate,
    /// A line runs.
    Running,
    /// A line was refused; the next prompt is about to come.
    Denied,
    /// The shell is not understood any longer.
    Lost,
}

/// A question that the shell waits to have answered.
#[derive(Debug)]
struct Pending {
    id: String,
    text: String,
    opens: Option<Opens>,
    kind: Kind,
    verdict: Option<Verdict>,
    strays: Vec<u8>,
}

/// A line that runs.
#[derive(Debug)]
struct Running {
    /// Where its text came from.
    kind: Kind,
    /// What it leaves its terminal to.
    opens: Option<Opens>,
    /// What the terminal has shown since, bytes.
    output_bytes: u64,
}

/// Follows a shell that asks.
#[derive(Debug)]
pub(super) struct Asking {
    greeting: Greeting,
    dialect: Dialect,
    state: State,
    /// Number of the last prompt; 0 before the first.
    seq: u64,
    /// Questions asked since that prompt: none is taken twice.
    challenges: Vec<String>,
    pending: Option<Pending>,
    running: Option<Running>,
    /// Output that may still be hidden, in bytes; `None` while the shell hides nothing.
    hiding: Option<usize>,
    /// User input held back.
    held: Vec<u8>,
    /// User input not held back any longer.
    released: Vec<u8>,
}

impl Asking {
    /// A shell that speaks `dialect` and whose hook will be told `nonce`.
    pub(super) fn new(nonce: String, dialect: Dialect) -> Self {
        Self {
            greeting: Greeting::new(nonce),
            dialect,
            state: State::Boot,
            seq: 0,
            challenges: Vec::new(),
            pending: None,
            running: None,
            hiding: None,
            held: Vec::new(),
            released: Vec::new(),
        }
    }

    /// What makes its marks authentic.
    pub(super) fn nonce(&self) -> &str {
        self.greeting.nonce()
    }

    /// The number of its last prompt; 0 before the first.
    pub(super) fn last_prompt(&self) -> u64 {
        self.seq
    }

    /// The hook is being read and asks for its nonce.
    pub(super) fn hello(&mut self, out: &mut Vec<Effect>) {
        let may = matches!(self.state, State::Boot | State::Lost);
        self.greeting.give(may, END_OF_ANSWER, out);
    }

    /// The bootstrap could not hook the shell and starts it as it is.
    pub(super) fn unhookable(&mut self, out: &mut Vec<Effect>) {
        if self.is_booting() {
            self.greeting.close();
            self.lose(out);
        } else {
            out.push(Effect::Forged);
        }
    }

    /// Takes what the user typed. Held back until the first prompt, and while the shell waits for an answer.
    pub(super) fn user_types(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        match self.state {
            State::Boot | State::Gate => hold(&mut self.held, bytes),
            State::Prompt | State::Running | State::Denied | State::Lost => to_target(bytes.to_vec(), out),
        }
    }

    /// Whether the user edits a line.
    pub(super) fn is_at_prompt(&self) -> bool {
        self.state == State::Prompt
    }

    /// Whether the first prompt is still awaited.
    pub(super) fn is_booting(&self) -> bool {
        self.state == State::Boot
    }

    /// No prompt came in time: gives up on the hook and lets the input go. The hook may still turn up later.
    pub(super) fn give_up_boot(&mut self, out: &mut Vec<Effect>) {
        if self.is_booting() {
            self.lose(out);
        }
    }

    /// Counts what the terminal shows.
    pub(super) fn shown(&mut self, count: usize) {
        if let Some(running) = &mut self.running {
            running.output_bytes += count as u64;
        }
    }

    /// Whether `count` bytes that the shell writes now are not for the user: a shell that refuses a line by a detour says so.
    pub(super) fn hides(&mut self, count: usize) -> bool {
        self.hiding = self.hiding.and_then(|left| left.checked_sub(count));
        self.hiding.is_some()
    }

    /// What the line that runs opens on its terminal.
    pub(super) fn opens(&self) -> Option<Opens> {
        self.running.as_ref().and_then(|running| running.opens)
    }

    /// Whether the exit code of a line tells that it was stopped.
    pub(super) fn tells_stops(&self) -> bool {
        self.dialect != Dialect::Fish
    }

    /// Takes the input that is not held back any longer.
    pub(super) fn released(&mut self) -> Vec<u8> {
        mem::take(&mut self.released)
    }

    /// The shell is gone: another one speaks.
    pub(super) fn left(&mut self, out: &mut Vec<Effect>) {
        self.drop_question(out);
        self.end(LineEnd::default(), out);
    }

    /// Takes what an authentic mark says.
    pub(super) fn report(&mut self, report: Report, out: &mut Vec<Effect>) {
        match report {
            Report::Prompt(prompted) => self.prompted(prompted, out),
            Report::PromptDrawn => self.prompt_drawn(out),
            Report::Continuation => {}
            Report::Ask(ask) => self.asked(ask, out),
            Report::Strays { id, bytes } => match self.pending.as_mut().filter(|pending| pending.id == id) {
                Some(pending) => hold(&mut pending.strays, &bytes),
                None => out.push(Effect::Forged),
            },
            Report::Taken { id, run, strays } => match self.pending.take_if(|pending| pending.id == id) {
                Some(pending) => self.taken(pending, run, &strays, out),
                None => out.push(Effect::Forged),
            },
            Report::Unasked(line) => self.unasked(lossy(&line), out),
            Report::Hide(hide) => self.hiding = (hide && self.state == State::Denied).then_some(MAX_HIDDEN),
            Report::Barrier(_) | Report::Drained { .. } => out.push(Effect::Forged),
        }
    }

    /// A prompt is about to show: whatever ran before it has ended.
    fn prompted(&mut self, prompted: Prompted, out: &mut Vec<Effect>) {
        if prompted.seq <= self.seq {
            out.push(Effect::Forged);
            return;
        }
        if prompted.seq != self.seq + 1 {
            self.lose(out);
        }
        self.seq = prompted.seq;
        self.hiding = None;
        self.challenges.clear();
        self.drop_question(out);
        self.end(
            LineEnd {
                exit_code: prompted.exit_code,
                cwd: Some(lossy(&prompted.cwd)),
                pipe_status: prompted.pipe_status,
                output_bytes: 0,
            },
            out,
        );
        if matches!(self.state, State::Boot | State::Lost) {
            out.push(Effect::Ready);
        }
        self.state = State::Prompt;
        self.release();
    }

    /// A drawn prompt that was not announced is another shell's, or the hook's work was undone.
    fn prompt_drawn(&mut self, out: &mut Vec<Effect>) {
        match (self.state, self.running.as_ref().map(|running| running.kind)) {
            (State::Running, Some(Kind::Bound)) => {
                self.end(LineEnd::default(), out);
                self.state = State::Prompt;
            }
            (State::Denied, _) => self.state = State::Prompt,
            (State::Running, _) => self.lose(out),
            (State::Boot | State::Prompt | State::Gate | State::Lost, _) => {}
        }
    }

    fn asked(&mut self, ask: Ask, out: &mut Vec<Effect>) {
        if self.state == State::Boot || ask.seq != self.seq || self.challenges.contains(&ask.id) {
            out.push(Effect::Forged);
            return;
        }
        if self.challenges.len() >= MAX_CHALLENGES {
            self.lose(out);
            return;
        }
        self.challenges.push(ask.id.clone());
        self.drop_question(out);
        self.end(LineEnd::default(), out);
        let line = line(&ask, self.dialect);
        self.pending = Some(Pending {
            id: ask.id,
            text: line.text.clone(),
            opens: line.opens,
            kind: ask.kind,
            verdict: None,
            strays: Vec::new(),
        });
        self.state = State::Gate;
        out.push(Effect::Asking(line));
    }

    /// Answers the question that stands. Without one, or for the second time, nothing happens.
    pub(super) fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.verdict.is_none()) else {
            return;
        };
        pending.verdict = Some(verdict);
        let letter = match verdict {
            Verdict::Run => 'y',
            Verdict::Cancel => 'n',
        };
        let answer = format!("{}:{letter}{}", pending.id, char::from(END_OF_ANSWER));
        to_target(answer.into_bytes(), out);
    }

    /// The shell has taken an answer, or given up waiting for one.
    fn taken(&mut self, mut pending: Pending, run: bool, strays: &[u8], out: &mut Vec<Effect>) {
        if !run {
            self.held.clear();
            self.state = State::Denied;
            out.push(Effect::Cancelled);
            return;
        }
        hold(&mut pending.strays, strays);
        self.running = Some(Running {
            kind: pending.kind,
            opens: pending.opens,
            output_bytes: 0,
        });
        self.state = State::Running;
        self.released.extend(as_typed(pending.strays));
        match pending.verdict {
            Some(Verdict::Run) => out.push(Effect::Started),
            Some(Verdict::Cancel) | None => self.unasked(pending.text, out),
        }
        self.release();
    }

    fn unasked(&self, text: String, out: &mut Vec<Effect>) {
        let dialect = self.dialect;
        out.push(Effect::Unasked { text, dialect });
    }

    /// A question that the shell no longer asks: it was interrupted.
    fn drop_question(&mut self, out: &mut Vec<Effect>) {
        if self.pending.take().is_some() {
            out.push(Effect::Cancelled);
        }
    }

    fn end(&mut self, end: LineEnd, out: &mut Vec<Effect>) {
        if let Some(Running { output_bytes, .. }) = self.running.take() {
            out.push(Effect::Ended(LineEnd { output_bytes, ..end }));
        }
    }

    fn lose(&mut self, out: &mut Vec<Effect>) {
        self.hiding = None;
        self.drop_question(out);
        if self.state != State::Lost {
            self.state = State::Lost;
            out.push(Effect::Lost(Lost::Shell));
        }
        self.release();
    }

    fn release(&mut self) {
        self.released.append(&mut self.held);
    }
}

fn line(ask: &Ask, dialect: Dialect) -> Line {
    Line {
        text: lossy(&ask.line),
        bytes: ask.line.clone(),
        dialect,
        exactness: match ask.kind {
            Kind::Line | Kind::Bound => Exactness::Exact,
            Kind::Unknown => Exactness::Unknown,
        },
        cwd: Some(lossy(&ask.cwd)),
        aliases: ask.aliases.clone(),
        opens: opened_by(ask, dialect),
    }
}

/// What a line opens, its aliases considered.
fn opened_by(ask: &Ask, dialect: Dialect) -> Option<Opens> {
    let line = lossy(&ask.line);
    let mut texts = iter::once(&line).chain(ask.aliases.iter().map(|(_, value)| value));
    texts.find_map(|text| opens(&parse(text, dialect)))
}

pub(super) fn to_target(bytes: Vec<u8>, out: &mut Vec<Effect>) {
    if !bytes.is_empty() {
        out.push(Effect::ToTarget(bytes));
    }
}

pub(super) fn hold(held: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_HELD.saturating_sub(held.len());
    held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
}

/// The waiting shell's terminal turned the Enter key into a newline.
fn as_typed(mut strays: Vec<u8>) -> Vec<u8> {
    for byte in &mut strays {
        if *byte == b'\n' {
            *byte = b'\r';
        }
    }
    strays
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
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
        let released = shell.released();
        shell.user_types(&released, &mut out);
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
}
