//! Interactive shells and their gates: which line a shell is about to run, held until the caller answers.
//!
//! Shells stand on a terminal in layers: the login shell below, and on it what its lines open (`su -`, `ssh third`). Each
//! has a hook and a nonce of its own. A hook is placed in an inner shell by typing a line at its first prompt.

use std::time::{Duration, Instant};
use std::{iter, mem};

use super::bootstrap;
use super::effect::{Effect, Lost, Verdict};
use super::hooking::{self, Hooking, Late};
use super::interrupt::{hold_typed, last_signal};
use super::layer::Layer;
use super::lookout::{Found, Lookout};
use super::marks::{Mark, MarkFilter, Segment};
use super::multiplexer::Telltales;
use super::pace::Pace;
use super::probe::LoginShell;
use super::report::Report;
use super::trail::Trail;
use crate::command::Opens;

/// How long a hook may take to show its first prompt.
const BOOT_LIMIT: Duration = Duration::from_secs(10);
/// The most inner shells that are followed on top of each other.
const MAX_INNER: usize = 16;
/// The most user input held back, bytes; what comes on top of it is dropped.
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
    /// What looks like a shell is to get its hook.
    Hooking(Hooking),
    /// Something that is not followed. Its hook may still come up.
    Unknown(Option<Hooking>),
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
    /// Input that was handed on.
    trail: Trail,
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
            trail: Trail::default(),
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
            out.extend(hooking.shown(now, bytes).map(Effect::ToTarget));
            if hooking.is_flooded() {
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
        } else if !self.top().is_at_prompt() && !matches!(self.above, Above::Unknown(_)) {
            self.give_up(Lost::Multiplexer, out);
        }
    }

    fn show(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        if bytes.is_empty() {
            return;
        }
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
            [b"N", bash, zsh, fish] => self.place_hook(LoginShell::by_versions(bash, zsh, fish), now, out),
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
            Above::Hooking(mut hooking) => self.show(&hooking.reveal(), out),
            Above::Unknown(_) => out.push(Effect::Ready),
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

    /// The nonce and the shell of a hook that may come up now.
    fn placed(&self) -> Option<(&str, LoginShell)> {
        match &self.above {
            Above::Hooking(hooking) | Above::Unknown(Some(hooking)) => hooking.placed(),
            Above::Nothing | Above::Awaited(_) | Above::Unknown(None) => None,
        }
    }

    fn is_hooked_by(&self, mark: &Mark<'_>) -> bool {
        self.placed().is_some_and(|(nonce, _)| mark.carries(nonce))
    }

    /// The first prompt of an inner shell that has its hook now. It takes the place of the one that is shown already.
    fn hooked(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Some((nonce, shell)) = self.placed() {
            let layer = Layer::hooked(nonce.to_owned(), shell, now);
            self.inner.push(layer);
            self.above = Above::Nothing;
            self.show(b"\r\x1b[K", out);
        }
    }

    /// Types the inner shell the code of its hook; its terminal is silent. Too late, it is told that there is none: until
    /// then it takes for code whatever is typed.
    fn place_hook(&mut self, shell: LoginShell, now: Instant, out: &mut Vec<Effect>) {
        let code = match &mut self.above {
            Above::Hooking(hooking) if hooking.wants_code() => hooking.place(shell, now),
            Above::Unknown(late) if late.as_ref().is_some_and(Hooking::wants_code) => {
                *late = None;
                None
            }
            _ => {
                out.push(Effect::Forged);
                return;
            }
        };
        let is_hopeless = code.is_none() && matches!(self.above, Above::Hooking(_));
        out.push(Effect::ToTarget(code.unwrap_or_else(|| bootstrap::NO_CODE.to_vec())));
        if is_hopeless {
            self.give_up(Lost::InnerShell, out);
        }
    }

    /// After a layer has spoken: looks out for what it opens, and lets its type-ahead go.
    fn settle(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if !self.top().is_booting() {
            self.boot_deadline = None;
        }
        self.look_out(now, out);
        let mut typed = self.given_back(out);
        if matches!(self.above, Above::Nothing) {
            typed.append(&mut self.held);
        }
        typed.append(&mut self.top().released());
        self.user_types(now, &typed, out);
    }

    /// What the shell on top gives back of the input, as far as the user can have typed it.
    fn given_back(&mut self, out: &mut Vec<Effect>) -> Vec<u8> {
        let Some(strays) = self.top().strays() else {
            return Vec::new();
        };
        if self.trail.gave_back(&strays) {
            return strays;
        }
        out.push(Effect::Invented);
        Vec::new()
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
        let bytes = self.signalled(bytes, out);
        let is_at_prompt = self.top().is_at_prompt();
        let taken = match &mut self.above {
            Above::Nothing if self.pace.waits() => 0,
            Above::Nothing if is_at_prompt => self.pace.line(now, bytes),
            Above::Nothing | Above::Unknown(_) => bytes.len(),
            // What was held back comes first.
            Above::Awaited(_) if !self.held.is_empty() => 0,
            Above::Awaited(lookout) => lookout.takes(now, bytes),
            Above::Hooking(_) => 0,
        };
        let (taken, rest) = bytes.split_at(taken);
        self.hand_on(taken, out);
        hold_typed(&mut self.held, rest, MAX_HELD);
    }

    /// A key that signals goes past the input that is held, to whatever runs, and that input is forgotten. Gives what follows it.
    fn signalled<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<Effect>) -> &'a [u8] {
        match &mut self.above {
            Above::Nothing if self.pace.waits() => {}
            Above::Awaited(lookout) if last_signal(bytes).is_some() => lookout.interrupted(),
            // While a hook is placed, the key would end that.
            Above::Nothing | Above::Awaited(_) | Above::Hooking(_) | Above::Unknown(_) => return bytes,
        }
        let Some(at) = last_signal(bytes) else { return bytes };
        self.held.clear();
        let (signal, rest) = bytes.split_at(at).1.split_at(1);
        self.hand_on(signal, out);
        rest
    }

    fn deadline(&self) -> Option<Instant> {
        let above = match &self.above {
            Above::Nothing | Above::Unknown(_) => None,
            Above::Awaited(lookout) => lookout.deadline(),
            Above::Hooking(hooking) => Some(hooking.deadline()),
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
            Above::Hooking(hooking) if hooking.deadline() <= now => match hooking.late() {
                Late::NoShell(lookout) => self.look_on(*lookout, now, out),
                Late::NoHook => self.give_up(Lost::InnerShell, out),
            },
            Above::Hooking(_) | Above::Nothing | Above::Unknown(_) => {}
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
        let nonce = (self.new_nonce)();
        if let Above::Awaited(lookout) = mem::replace(&mut self.above, Above::Nothing) {
            self.above = Above::Hooking(Hooking::new(nonce, lookout, now));
            out.push(Effect::ToTarget(hooking::TRY.to_vec()));
        }
    }

    /// What looked like a prompt was none.
    fn look_on(&mut self, mut lookout: Lookout, now: Instant, out: &mut Vec<Effect>) {
        let hidden = self.reveal(out);
        lookout.tried(now, &hidden);
        self.above = Above::Awaited(lookout);
    }

    /// What runs above is not followed: the caller decides whether it goes on.
    fn give_up(&mut self, why: Lost, out: &mut Vec<Effect>) {
        out.push(Effect::Lost(why));
        self.reveal(out);
        let above = mem::replace(&mut self.above, Above::Nothing);
        self.above = Above::Unknown(match above {
            Above::Hooking(hooking) => Some(hooking),
            Above::Nothing | Above::Awaited(_) | Above::Unknown(_) => None,
        });
        self.let_go(out);
    }

    /// Shows what was hidden while a hook was placed.
    fn reveal(&mut self, out: &mut Vec<Effect>) -> Vec<u8> {
        let Above::Hooking(hooking) = &mut self.above else {
            return Vec::new();
        };
        let hidden = hooking.reveal();
        self.show(&hidden, out);
        hidden
    }

    /// Hands on the input that was held back.
    fn let_go(&mut self, out: &mut Vec<Effect>) {
        let held = mem::take(&mut self.held);
        self.hand_on(&held, out);
    }

    fn hand_on(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        let before = out.len();
        self.top().user_types(bytes, out);
        for effect in out.iter().skip(before) {
            if let Effect::ToTarget(sent) = effect {
                self.trail.note(sent);
            }
        }
    }

    /// The shell that has the terminal, as far as is known.
    fn top(&mut self) -> &mut Layer {
        self.inner.last_mut().unwrap_or(&mut self.bottom)
    }
}

#[cfg(test)]
mod tests;
