//! Interactive shells and their gates: which line a shell is about to run, held until the caller answers.
//!
//! Shells stand on a terminal in layers: the login shell below, and on it what its lines open (`su -`, `ssh third`). Each
//! has a hook and a nonce of its own. A hook is placed in an inner shell by typing a line at its first prompt.

use std::time::{Duration, Instant};
use std::{iter, mem};

use super::bootstrap;
use super::effect::{Effect, Lost, Verdict};
use super::layer::Layer;
use super::lookout::{Found, Lookout};
use super::marks::{Mark, MarkFilter, Segment};
use super::multiplexer::Telltales;
use super::pace::Pace;
use super::probe::LoginShell;
use super::report::Report;
use crate::command::Opens;

/// How long a hook may take to show its first prompt.
const BOOT_LIMIT: Duration = Duration::from_secs(10);
/// How long an inner shell may take from the line that is typed to it until its hooked prompt.
const HOOK_LIMIT: Duration = Duration::from_secs(3);
/// The most inner shells that are followed on top of each other.
const MAX_INNER: usize = 16;
/// The most user input and the most output held back, bytes; input on top of it is dropped.
const MAX_HELD: usize = 1024 * 1024;

/// Makes what tells one hook's marks from others: at least 128 random bits, in hexadecimal.
pub type NewNonce = fn() -> String;

/// Follows the shells of one terminal between it and its user.
///
/// It has no clock: the caller says what time it is, and calls [`ShellGate::timed_out`] when [`ShellGate::deadline`] has come.
#[derive(Debug)]
pub struct ShellGate {
    filter: MarkFilter,
    terminal: Terminal,
}

impl ShellGate {
    /// A gate for a login shell, and the command line of the exec request, on a PTY, that starts it. `None` for a shell that
    /// has no hook.
    #[must_use]
    pub fn login(shell: LoginShell, new_nonce: NewNonce, now: Instant) -> Option<(Self, Vec<u8>)> {
        let command = bootstrap::login(shell)?;
        let bottom = Layer::hooked(new_nonce(), shell, now);
        let mut terminal = Terminal::new(bottom, new_nonce);
        terminal.boot_deadline = Some(now + BOOT_LIMIT);
        Some((Self::over(terminal), command))
    }

    /// A gate for a program that has passed the gate as a whole, and for the shells that it opens.
    #[must_use]
    pub fn program(opens: Opens, new_nonce: NewNonce, now: Instant, out: &mut Vec<Effect>) -> Self {
        let mut terminal = Terminal::new(Layer::Program(opens), new_nonce);
        terminal.look_out(now, out);
        Self::over(terminal)
    }

    fn over(terminal: Terminal) -> Self {
        Self {
            filter: MarkFilter::default(),
            terminal,
        }
    }

    /// Takes what the target wrote.
    pub fn from_target(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        let terminal = &mut self.terminal;
        self.filter.feed(bytes, |segment| terminal.segment(now, segment, out));
    }

    /// Takes what the user typed. Held back while it is not known what would read it, and while a shell waits for an answer.
    pub fn from_user(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        self.terminal.user_types(now, bytes, out);
    }

    /// Answers the question that stands. Without one, or for the second time, nothing happens.
    pub fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        self.terminal.top().answer(verdict, out);
    }

    /// When [`ShellGate::timed_out`] is to be called, unless something else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.terminal.deadline()
    }

    /// Takes note that time has passed.
    pub fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.terminal.timed_out(now, out);
    }
}

/// What is on top of the layers that are followed.
#[derive(Debug)]
enum Above {
    /// Nothing that could be a shell.
    Nothing,
    /// The line that runs may open a shell: its prompt is looked out for.
    Awaited(Lookout),
    /// A line has been typed to a shell that will place its hook. Its echo is hidden.
    Hooking(Hooking),
    /// Something that is not followed.
    Unknown,
}

#[derive(Debug)]
struct Hooking {
    nonce: String,
    shell: Option<LoginShell>,
    hidden: Vec<u8>,
    deadline: Instant,
}

/// What stood on a shell that shows a prompt now, and may only have been stopped.
#[derive(Debug)]
struct Stopped {
    /// How many inner shells it stood on.
    on: usize,
    /// The shells in it; empty where they are not followed.
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Terminal {
    new_nonce: NewNonce,
    /// The login shell, or the program that stands in its place.
    bottom: Layer,
    /// The shells that stand on it, the innermost last.
    inner: Vec<Layer>,
    above: Above,
    stopped: Option<Stopped>,
    telltales: Telltales,
    /// Input that waits until it is known what reads it.
    held: Vec<u8>,
    pace: Pace,
    boot_deadline: Option<Instant>,
}

impl Terminal {
    fn new(bottom: Layer, new_nonce: NewNonce) -> Self {
        Self {
            new_nonce,
            bottom,
            inner: Vec::new(),
            above: Above::Nothing,
            stopped: None,
            telltales: Telltales::default(),
            held: Vec::new(),
            pace: Pace::default(),
            boot_deadline: None,
        }
    }

    fn segment(&mut self, now: Instant, segment: Segment<'_>, out: &mut Vec<Effect>) {
        match segment {
            Segment::Plain(bytes) => self.shown(now, bytes, out),
            Segment::Mark(mark) if mark.is_anonymous() => self.anonymous(now, &mark, out),
            Segment::Mark(mark) => self.mark(now, &mark, out),
        }
    }

    fn shown(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        if let Above::Hooking(hooking) = &mut self.above {
            hooking.hidden.extend_from_slice(bytes);
            if hooking.hidden.len() > MAX_HELD {
                self.give_up(Lost::InnerShell, out);
            }
            return;
        }
        if self.top().hides(bytes.len()) {
            return;
        }
        if let Above::Awaited(lookout) = &mut self.above {
            lookout.shown(now, bytes);
        }
        self.show(bytes, out);
        if self.telltales.shown(bytes) {
            self.shared(now, out);
        }
    }

    /// A multiplexer takes the terminal that was not expected there. At a prompt, it is only something that looks like it.
    fn shared(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.boot_deadline.is_some() {
            // The profile has started it: no hook comes up below it.
            self.boot_deadline = Some(now);
        } else if !self.top().is_at_prompt() && !matches!(self.above, Above::Unknown) {
            self.give_up(Lost::Multiplexer, out);
        }
    }

    fn show(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        for layer in iter::once(&mut self.bottom).chain(&mut self.inner) {
            layer.shown(bytes);
        }
        match out.last_mut() {
            Some(Effect::ToUser(before)) => before.extend_from_slice(bytes),
            _ => out.push(Effect::ToUser(bytes.to_vec())),
        }
    }

    /// A mark of somebody who does not know a nonce yet.
    fn anonymous(&mut self, now: Instant, mark: &Mark<'_>, out: &mut Vec<Effect>) {
        let fields: Vec<_> = mark.fields().collect();
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        match *fields.as_slice() {
            [b"R"] => self.bottom.hello(out),
            [b"X"] if matches!(self.above, Above::Hooking(_)) => self.give_up(Lost::InnerShell, out),
            [b"X"] => self.bottom.unhookable(out),
            [b"N", bash, zsh, fish] => self.place_hook(LoginShell::by_versions(bash, zsh, fish), out),
            _ => out.push(Effect::Forged),
        }
        self.settle(now, out);
    }

    /// A mark of one of the layers, or of the shell that is being hooked.
    fn mark(&mut self, now: Instant, mark: &Mark<'_>, out: &mut Vec<Effect>) {
        let Some(report) = Report::parse(mark) else {
            out.push(Effect::Forged);
            return;
        };
        let prompt = match &report {
            Report::Prompt(prompted) => Some(prompted),
            _ => None,
        };
        if prompt.is_some() && self.is_hooked_by(mark) {
            self.hooked(now, out);
        } else if let Some((prompted, kept)) = prompt.and_then(|it| Some((it, self.below(mark, it.seq)?))) {
            self.return_to(kept, prompted.exit_code, out);
        } else if !self.top().wrote(mark) {
            out.push(Effect::Forged);
            return;
        }
        self.keep_pace(now, &report);
        self.top().report(report, out);
        self.settle(now, out);
    }

    fn keep_pace(&mut self, now: Instant, report: &Report) {
        match report {
            Report::Taken { run: true, .. } if matches!(self.top(), Layer::Asking(_)) => self.pace.wait(now),
            Report::Prompt(_) | Report::Continuation | Report::Ask(_) | Report::Taken { .. } => self.pace.go_on(),
            _ => {}
        }
    }

    /// How many inner shells stand below, or are, the layer that shows prompt `seq`. A replayed mark shows none.
    fn below(&self, mark: &Mark<'_>, seq: u64) -> Option<usize> {
        let shows = |layer: &Layer| layer.wrote(mark) && seq > layer.last_prompt();
        let inner = self.inner.iter().position(shows).map(|at| at + 1);
        inner.or_else(|| shows(&self.bottom).then_some(0))
    }

    /// A shell shows a prompt: what stood above it is gone, or stopped.
    fn return_to(&mut self, kept: usize, exit_code: Option<i32>, out: &mut Vec<Effect>) {
        let mut gone: Vec<Layer> = self.inner.drain(kept..).collect();
        for layer in gone.iter_mut().rev() {
            layer.left(out);
        }
        let above = mem::replace(&mut self.above, Above::Nothing);
        let was_followed = matches!(above, Above::Nothing);
        if self.top().may_have_stopped(exit_code) && !(was_followed && gone.is_empty()) {
            let is_only_one = self.stopped.is_none();
            gone.truncate(if was_followed && is_only_one { gone.len() } else { 0 });
            self.stopped = Some(Stopped { on: kept, layers: gone });
        }
        match above {
            Above::Nothing | Above::Awaited(_) => {}
            Above::Hooking(hooking) => self.show(&hooking.hidden, out),
            Above::Unknown => out.push(Effect::Ready),
        }
    }

    /// What was stopped goes on: shells that are followed where they stood, or something that is not known.
    fn resume(&mut self, out: &mut Vec<Effect>) {
        match self.stopped.take() {
            Some(Stopped { on, layers }) if !layers.is_empty() && on == self.inner.len() => self.inner.extend(layers),
            Some(stopped) => {
                // There may be more of them.
                self.stopped = Some(stopped);
                self.give_up(Lost::InnerShell, out);
            }
            None => {}
        }
    }

    fn is_hooked_by(&self, mark: &Mark<'_>) -> bool {
        matches!(&self.above, Above::Hooking(hooking) if hooking.shell.is_some() && mark.carries(&hooking.nonce))
    }

    /// The first prompt of an inner shell that has its hook now. It takes the place of the one that is shown already.
    fn hooked(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Above::Hooking(Hooking {
            nonce,
            shell: Some(shell),
            ..
        }) = mem::replace(&mut self.above, Above::Nothing)
        {
            self.inner.push(Layer::hooked(nonce, shell, now));
            self.show(b"\r\x1b[K", out);
        }
    }

    /// Types the inner shell the code of its hook; its terminal is silent.
    fn place_hook(&mut self, shell: LoginShell, out: &mut Vec<Effect>) {
        let Above::Hooking(hooking) = &mut self.above else {
            out.push(Effect::Forged);
            return;
        };
        match bootstrap::inner(shell, &hooking.nonce) {
            Some(code) if hooking.shell.is_none() => {
                hooking.shell = Some(shell);
                out.push(Effect::ToTarget(code));
            }
            Some(_) => out.push(Effect::Forged),
            None => {
                out.push(Effect::ToTarget(bootstrap::NO_CODE.to_vec()));
                self.give_up(Lost::InnerShell, out);
            }
        }
    }

    /// After a layer has spoken: looks out for what it opens, and lets its type-ahead go.
    fn settle(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if !self.top().is_booting() {
            self.boot_deadline = None;
        }
        self.look_out(now, out);
        let mut typed = self.top().released();
        if matches!(self.above, Above::Nothing) {
            typed.splice(..0, mem::take(&mut self.held));
        }
        self.user_types(now, &typed, out);
    }

    /// Looks out for what the line that runs on top opens.
    fn look_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let opens = self.top().opens();
        match (&self.above, opens) {
            (Above::Awaited(_), None) => self.above = Above::Nothing,
            (Above::Nothing, Some(opens)) => self.opened(opens, now, out),
            _ => return,
        }
        self.pace.go_on();
    }

    fn opened(&mut self, opens: Opens, now: Instant, out: &mut Vec<Effect>) {
        match (Lost::by_opening(opens), opens) {
            (Some(why), _) => self.give_up(why, out),
            (None, Opens::Stopped) => self.resume(out),
            (None, _) if self.inner.len() >= MAX_INNER => self.give_up(Lost::InnerShell, out),
            (None, _) => self.above = Above::Awaited(Lookout::new(now)),
        }
    }

    fn user_types(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        let is_at_prompt = self.top().is_at_prompt();
        let taken = match &mut self.above {
            Above::Nothing if self.pace.waits() => self.interrupts(bytes),
            Above::Nothing if is_at_prompt => self.pace.line(now, bytes),
            Above::Nothing | Above::Unknown => bytes.len(),
            // What was held back comes first.
            Above::Awaited(_) if !self.held.is_empty() && !matches!(bytes, [0x03 | 0x1c]) => 0,
            Above::Awaited(lookout) => lookout.takes(now, bytes),
            Above::Hooking(_) => 0,
        };
        let (taken, rest) = bytes.split_at(taken);
        self.top().user_types(taken, out);
        let room = MAX_HELD.saturating_sub(self.held.len());
        self.held.extend_from_slice(rest.get(..room).unwrap_or(rest));
    }

    /// While a line's fate is awaited: how much of the input is an interrupt. A terminal forgets at it what was typed ahead.
    fn interrupts(&mut self, bytes: &[u8]) -> usize {
        if !matches!(bytes, [0x03 | 0x1a | 0x1c]) {
            return 0;
        }
        self.held.clear();
        bytes.len()
    }

    fn deadline(&self) -> Option<Instant> {
        let above = match &self.above {
            Above::Nothing | Above::Unknown => None,
            Above::Awaited(lookout) => lookout.deadline(),
            Above::Hooking(hooking) => Some(hooking.deadline),
        };
        let top = self.inner.last().unwrap_or(&self.bottom);
        let others = [self.boot_deadline, top.deadline(), self.pace.deadline()];
        above.into_iter().chain(others.into_iter().flatten()).min()
    }

    fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.boot_deadline.take_if(|deadline| *deadline <= now).is_some() {
            self.bottom.give_up_boot(out);
            self.settle(now, out);
        }
        if self.top().deadline().is_some_and(|deadline| deadline <= now) {
            self.top().timed_out(now, out);
            self.settle(now, out);
        }
        if self.pace.deadline().is_some_and(|deadline| deadline <= now) {
            self.pace.go_on();
            self.settle(now, out);
        }
        match &mut self.above {
            Above::Awaited(lookout) => {
                if let Some(found) = lookout.timed_out(now) {
                    self.found(found, now, out);
                }
            }
            Above::Hooking(hooking) if hooking.deadline <= now => self.give_up(Lost::InnerShell, out),
            Above::Hooking(_) | Above::Nothing | Above::Unknown => {}
        }
    }

    fn found(&mut self, found: Found, now: Instant, out: &mut Vec<Effect>) {
        match found {
            Found::Prompt => self.start_hooking(now, out),
            Found::Question => {
                let held = mem::take(&mut self.held);
                self.user_types(now, &held, out);
            }
            Found::Nothing => self.give_up(Lost::InnerShell, out),
        }
    }

    fn start_hooking(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.above = Above::Hooking(Hooking {
            nonce: (self.new_nonce)(),
            shell: None,
            hidden: Vec::new(),
            deadline: now + HOOK_LIMIT,
        });
        out.push(Effect::ToTarget(bootstrap::inner_line()));
    }

    /// What runs above is not followed: the caller decides whether it goes on.
    fn give_up(&mut self, why: Lost, out: &mut Vec<Effect>) {
        let above = mem::replace(&mut self.above, Above::Unknown);
        out.push(Effect::Lost(why));
        if let Above::Hooking(hooking) = above {
            self.show(&hooking.hidden, out);
        }
        self.let_go(out);
    }

    /// Hands on the input that was held back.
    fn let_go(&mut self, out: &mut Vec<Effect>) {
        let held = mem::take(&mut self.held);
        self.top().user_types(&held, out);
    }

    /// The shell that has the terminal, as far as is known.
    fn top(&mut self) -> &mut Layer {
        self.inner.last_mut().unwrap_or(&mut self.bottom)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::terminal::effect::Line;

    thread_local! {
        static NONCES: Cell<u128> = const { Cell::new(0) };
    }

    /// 0001, 0002, ... within one test.
    fn new_nonce() -> String {
        let number = NONCES.get() + 1;
        NONCES.set(number);
        nonce(number)
    }

    fn nonce(number: u128) -> String {
        format!("{number:032x}")
    }

    /// A gate, its clock, and what it wanted so far.
    struct Session {
        gate: ShellGate,
        now: Instant,
    }

    impl Session {
        /// At the first prompt of a login shell.
        fn prompted() -> Self {
            NONCES.set(0);
            let now = Instant::now();
            let (gate, _) = ShellGate::login(LoginShell::Bash, new_nonce, now).unwrap();
            let mut session = Self { gate, now };
            session.target("\x1b]7717;?;R\x07");
            session.marks(1, "D;1;0;/;0");
            session
        }

        /// A login shell that runs `line`.
        fn running(line: &str) -> Self {
            let mut session = Self::prompted();
            session.runs(1, 1, line);
            session
        }

        /// A login shell whose line opened a bash that is hooked now.
        fn nested() -> Self {
            let mut session = Self::running("bash");
            session.target("in$ ");
            session.rest();
            session.target("\x1b]7717;?;N;5.2;;\x07");
            session.marks(2, "D;1;0;/in;0");
            session
        }

        fn target(&mut self, text: &str) -> Vec<Effect> {
            let mut out = Vec::new();
            self.gate.from_target(self.now, text.as_bytes(), &mut out);
            out
        }

        fn marks(&mut self, layer: u128, body: &str) -> Vec<Effect> {
            self.target(&format!("\x1b]7717;{};{body}\x07", nonce(layer)))
        }

        fn user(&mut self, text: &str) -> Vec<Effect> {
            let mut out = Vec::new();
            self.gate.from_user(self.now, text.as_bytes(), &mut out);
            out
        }

        /// Lets a layer ask about a line at its prompt, and run it.
        fn runs(&mut self, layer: u128, prompt: u64, line: &str) -> Vec<Effect> {
            let mut out = self.marks(layer, &format!("G;{prompt}.7;h;{};{line};/;", line.len()));
            self.gate.answer(Verdict::Run, &mut out);
            out.extend(self.marks(layer, &format!("V;{prompt}.7;y;")));
            out
        }

        /// Lets time pass until the gate wants to be woken.
        fn rest(&mut self) -> Vec<Effect> {
            let mut out = Vec::new();
            self.now = self.gate.deadline().expect("a deadline");
            self.gate.timed_out(self.now, &mut out);
            out
        }
    }

    fn shown(text: &str) -> Effect {
        Effect::ToUser(text.as_bytes().to_vec())
    }

    fn typed(text: &str) -> Effect {
        Effect::ToTarget(text.as_bytes().to_vec())
    }

    fn asked(effects: &[Effect]) -> Vec<&str> {
        let text = |effect| match effect {
            &Effect::Asking(Line { ref text, .. }) => Some(text.as_str()),
            _ => None,
        };
        effects.iter().filter_map(text).collect()
    }

    #[test]
    fn an_inner_shell_is_hooked_at_its_prompt_and_its_lines_are_asked_about() {
        let mut session = Session::running("sudo -i");
        assert_eq!(session.target("root# "), [shown("root# ")]);
        assert_eq!(session.rest(), [Effect::ToTarget(bootstrap::inner_line())]);
        assert_eq!(session.target(" eval ... echoed"), [], "hidden");
        let code = session.target("\x1b]7717;?;N;5.2.15(1)-release;;\x07");
        assert!(matches!(code.as_slice(), [Effect::ToTarget(code)] if code.ends_with(b"\n.\n")));
        assert_eq!(session.marks(2, "D;1;0;/root;0"), [shown("\r\x1b[K"), Effect::Ready]);
        assert_eq!(asked(&session.runs(2, 1, "rm -rf /x")), ["rm -rf /x"]);
    }

    #[test]
    fn what_a_shell_does_to_refuse_a_line_is_hidden_while_it_says_so() {
        let mut session = Session::prompted();
        session.marks(1, "G;1.7;h;2;ls;/;");
        session.gate.answer(Verdict::Cancel, &mut Vec::new());
        assert_eq!(session.marks(1, "V;1.7;n;"), [Effect::Cancelled]);
        session.marks(1, "H;1");
        assert_eq!(session.target("There are still jobs active"), []);
        session.marks(1, "H;0");
        assert_eq!(session.target("$ "), [shown("$ ")]);
        session.marks(1, "H;1");
        session.marks(1, "D;2;0;/;0");
        assert_eq!(session.target("$ "), [shown("$ ")], "a prompt ends it");
    }

    #[test]
    fn only_a_refusal_hides_and_only_so_much() {
        let mut session = Session::prompted();
        session.marks(1, "H;1");
        assert_eq!(session.target("text"), [shown("text")]);
        session.runs(1, 1, "ls");
        session.marks(1, "H;1");
        assert_eq!(session.target("text"), [shown("text")]);
        session.marks(1, "D;2;0;/;0");
        session.marks(1, "G;2.7;h;2;ls;/;");
        session.gate.answer(Verdict::Cancel, &mut Vec::new());
        session.marks(1, "V;2.7;n;");
        session.marks(1, "H;1");
        let flood = "x".repeat(1024);
        assert!((0..100).any(|_| !session.target(&flood).is_empty()));
    }

    #[test]
    fn lines_end_from_the_innermost_to_the_outermost() {
        let mut session = Session::nested();
        session.runs(2, 1, "exit");
        let ends = session.marks(1, "D;2;7;/;7");
        let codes: Vec<_> = ends
            .iter()
            .filter_map(|effect| match effect {
                Effect::Ended(end) => Some(end.exit_code),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [None, Some(7)]);
        assert_eq!(asked(&session.runs(1, 2, "ls")), ["ls"]);
    }

    #[test]
    fn what_is_typed_ahead_waits_for_the_hook() {
        let mut session = Session::prompted();
        session.marks(1, "G;1.7;h;4;bash;/;");
        session.user("rm -rf /x\r");
        session.gate.answer(Verdict::Run, &mut Vec::new());
        assert_eq!(session.marks(1, "V;1.7;y;"), [Effect::Started]);
        assert_eq!(session.user("more"), []);
        session.target("$ ");
        session.rest();
        session.target("\x1b]7717;?;N;5.2;;\x07");
        let effects = session.marks(2, "D;1;0;/;0");
        assert_eq!(effects.last(), Some(&typed("rm -rf /x\r")), "a line at a time");
    }

    #[test]
    fn lines_that_come_at_once_go_to_the_prompt_one_by_one() {
        let mut session = Session::prompted();
        assert_eq!(session.user("a\rb\rc"), [typed("a\r")]);
        assert_eq!(session.runs(1, 1, "a").last(), Some(&Effect::Started));
        assert_eq!(session.marks(1, "D;2;0;/;0").last(), Some(&typed("b\r")));
        session.runs(1, 2, "b");
        assert_eq!(session.rest(), [typed("c")], "it runs on, and may want input");
    }

    #[test]
    fn a_refused_line_takes_those_behind_it_along_and_so_does_an_interrupt() {
        let mut session = Session::prompted();
        session.user("a\rb\r");
        session.marks(1, "G;1.7;h;1;a;/;");
        session.gate.answer(Verdict::Cancel, &mut Vec::new());
        session.marks(1, "V;1.7;n;");
        assert_eq!(session.marks(1, "D;2;130;/;130"), []);
        assert_eq!(session.user("c\rd\r"), [typed("c\r")]);
        assert_eq!(session.user("\x03"), [typed("\x03")]);
        assert_eq!(session.rest(), []);
    }

    #[test]
    fn a_password_reaches_the_program_that_asks_for_it() {
        let mut session = Session::running("su -");
        session.target("Password: ");
        assert_eq!(session.user("sec"), [], "not yet known who reads it");
        assert_eq!(session.rest(), [typed("sec")]);
        assert_eq!(
            session.user("ret\rrm -rf /x\r"),
            [typed("ret")],
            "not yet known whether it is shown"
        );
        assert_eq!(session.rest(), [typed("\r")], "the next line may meet the shell");
        session.target("\r\nroot# ");
        assert_eq!(session.user("ls\r"), []);
        assert_eq!(session.rest(), [Effect::ToTarget(bootstrap::inner_line())]);
    }

    #[test]
    fn a_line_that_opens_nothing_is_not_disturbed() {
        let mut session = Session::running("cat");
        session.target("$ ");
        assert_eq!(session.rest(), [], "it might have ended in no time");
        assert_eq!(session.gate.deadline(), None);
        assert_eq!(session.user("ls\r"), [typed("ls\r")]);
    }

    #[test]
    fn an_inner_shell_that_does_not_answer_is_unknown_until_the_outer_one_is_back() {
        let mut session = Session::running("ssh router");
        session.target("router> ");
        session.rest();
        session.target("% Unknown command\r\nrouter> ");
        assert_eq!(session.user("show\r"), []);
        assert_eq!(
            session.rest(),
            [
                Effect::Lost(Lost::InnerShell),
                shown("% Unknown command\r\nrouter> "),
                typed("show\r")
            ]
        );
        assert_eq!(session.marks(1, "D;2;0;/;0")[0], Effect::Ready);
    }

    #[test]
    fn shells_of_a_multiplexer_are_unknown_at_once() {
        let mut session = Session::prompted();
        let effects = session.runs(1, 1, "tmux attach");
        assert_eq!(effects.last(), Some(&Effect::Lost(Lost::Multiplexer)));
    }

    #[test]
    fn a_multiplexer_that_nobody_named_is_told_when_it_takes_the_terminal() {
        let taken = "\x1b[?1049h\x1b[>c\x1b[>q";
        let lost = [shown(taken), Effect::Lost(Lost::Multiplexer)];
        assert_eq!(Session::running("./work").target(taken), lost);
        let mut awaited = Session::running("ssh third");
        awaited.target("motd\r\n");
        assert_eq!(awaited.target(taken), lost, "and no hook is typed to it");
        assert_eq!(awaited.gate.deadline(), None);
        assert_eq!(
            Session::prompted().target(taken),
            [shown(taken)],
            "a prompt is the shell's"
        );
    }

    #[test]
    fn a_profile_that_starts_a_multiplexer_is_not_waited_for() {
        let now = Instant::now();
        let (gate, _) = ShellGate::login(LoginShell::Bash, new_nonce, now).unwrap();
        let mut session = Session { gate, now };
        session.target("\x1b[>c\x1b[>q");
        assert_eq!(session.gate.deadline(), Some(now));
        assert_eq!(session.rest(), [Effect::Lost(Lost::Shell)]);
    }

    #[test]
    fn a_program_of_its_own_may_open_a_shell_too() {
        NONCES.set(1);
        let (now, mut out) = (Instant::now(), Vec::new());
        let gate = ShellGate::program(Opens::Shell, new_nonce, now, &mut out);
        let mut session = Session { gate, now };
        assert_eq!(session.user("ls\r"), []);
        session.target("$ ");
        session.rest();
        session.target("\x1b]7717;?;N;5.2;;\x07");
        assert_eq!(session.marks(2, "D;1;0;/;0").last(), Some(&typed("ls\r")));
    }

    #[test]
    fn code_is_sent_once_and_only_when_it_was_wanted() {
        let mut session = Session::running("cat");
        assert_eq!(session.target("\x1b]7717;?;N;5.2;;\x07"), [Effect::Forged]);
        let mut session = Session::running("bash");
        assert_eq!(session.target("\x1b]7717;?;N;5.2;;\x07"), [Effect::Forged]);
        session.target("$ ");
        session.rest();
        session.target("\x1b]7717;?;N;5.2;;\x07");
        assert_eq!(session.target("\x1b]7717;?;N;5.2;;\x07"), [Effect::Forged]);
    }

    #[test]
    fn an_outer_shell_cannot_speak_while_an_inner_one_has_the_terminal() {
        let mut session = Session::nested();
        for mark in ["G;1.9;h;2;ls;/;", "V;1.7;y;", "B", "U;x"] {
            assert_eq!(session.marks(1, mark), [Effect::Forged], "{mark}");
        }
    }

    #[test]
    fn an_old_prompt_of_an_outer_shell_ends_nothing() {
        let mut session = Session::nested();
        assert_eq!(session.marks(1, "D;1;0;/;0"), [Effect::Forged]);
        assert_eq!(asked(&session.runs(2, 1, "ls")), ["ls"]);
        let mut session = Session::prompted();
        session.runs(1, 1, "tmux");
        assert_eq!(session.marks(1, "D;1;0;/;0"), [Effect::Forged], "still unknown");
    }

    #[test]
    fn an_inner_shell_that_was_stopped_is_followed_again() {
        let mut session = Session::nested();
        session.runs(2, 1, "suspend");
        session.marks(1, "D;2;148;/;148");
        session.runs(1, 2, "fg");
        session.marks(2, "D;2;0;/in;0");
        assert_eq!(asked(&session.runs(2, 2, "ls")), ["ls"]);
    }

    #[test]
    fn what_was_stopped_unknown_is_unknown_again() {
        let mut session = Session::prompted();
        session.runs(1, 1, "tmux");
        assert_eq!(session.marks(1, "D;2;148;/;148")[0], Effect::Ready);
        for prompt in 2..4 {
            let effects = session.runs(1, prompt, "fg");
            assert_eq!(effects.last(), Some(&Effect::Lost(Lost::InnerShell)));
            session.marks(1, &format!("D;{};148;/;148", prompt + 1));
        }
    }

    #[test]
    fn a_job_that_was_no_shell_goes_on_undisturbed() {
        let mut session = Session::running("bash");
        session.marks(1, "D;2;0;/;0");
        session.runs(1, 2, "vim");
        session.marks(1, "D;3;148;/;148");
        assert_eq!(session.runs(1, 3, "fg").last(), Some(&Effect::Started));
        assert_eq!(session.user("x\r"), [typed("x\r")]);
    }

    #[test]
    fn layers_are_bounded() {
        let mut session = Session::prompted();
        let mut last = Vec::new();
        for layer in 1..=u128::try_from(MAX_INNER).unwrap() + 1 {
            last = session.runs(layer, 1, "bash");
            if session.gate.deadline().is_some() {
                session.target("$ ");
                session.rest();
                session.target("\x1b]7717;?;N;5.2;;\x07");
                session.marks(layer + 1, "D;1;0;/;0");
            }
        }
        assert_eq!(last.last(), Some(&Effect::Lost(Lost::InnerShell)));
    }
}
