//! A shell that cannot ask before it runs a line, because nothing of its own runs in between.
//!
//! Its hook runs a barrier before each prompt, which hands back all that was typed ahead. So at a drawn prompt the shell
//! reads nothing but what comes from here, and here each key that ends a line is held until somebody has answered. What
//! the line is, is known from the keys: the kernel edits it ([`super::cooked`]), or an editor of the shell's own does, of
//! which only plain typing is known ([`super::keyboard`]).
//!
//! A line that the shell must continue ([`super::unfinished`]) is sent at once, and asked about with what follows it.

use std::mem;
use std::time::{Duration, Instant};

use super::asking::{MAX_HELD, hold, lossy, to_target};
use super::cooked::Key;
use super::effect::{Effect, Line, LineEnd, Lost, Verdict};
use super::greeting::Greeting;
use super::interrupt::hold_typed;
use super::keyboard::Keyboard;
use super::report::{Barrier, Prompted, Report};
use super::stake::{Stake, prompts_at_stake};
use super::unfinished::is_unfinished;
use crate::command::{Opens, opens, parse};
use crate::domain::{Dialect, Exactness};

/// The longest command, in bytes. What is longer is not known.
const MAX_COMMAND: usize = 64 * 1024;
/// How long input that follows a line waits for the next prompt. Then it goes to what runs, and comes back if that leaves it.
const PAUSE: Duration = Duration::from_millis(150);
/// How long the shell may take to answer an interrupt with a prompt, and an editor to take a line.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the shell may take over its barrier, and from there to the drawn prompt.
const BARRIER_LIMIT: Duration = Duration::from_secs(10);
/// Typed behind a line that gives the shell another prompt: puts the barrier into that too. Not for the history.
const REARM: &[u8] = b" __opspilot_arm";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The bootstrap or the profile is running.
    Boot,
    /// A prompt is announced: its barrier hands back what was typed ahead.
    Barrier,
    /// The user edits a line.
    Prompt,
    /// A signal was sent to the shell at its prompt. Most often a new prompt follows.
    Signalled,
    /// Somebody is asked.
    Asked,
    /// A line was sent; it runs, or the shell wants more.
    Sent,
    /// A line runs.
    Running,
    /// A line was sent that gives the shell another prompt; what puts the barrier back follows it, and is hidden.
    Rearming,
    /// A line was refused: it is being cancelled, by a signal first, and else by hand.
    Refused { by_hand: bool },
    /// The shell is not understood any longer.
    Lost,
}

/// A wait that begins when the time is next known.
#[derive(Debug, Clone, Copy)]
struct Wait {
    length: Duration,
    until: Option<Instant>,
}

/// A line that was sent.
#[derive(Debug)]
struct Sent {
    text: Vec<u8>,
    /// Somebody was asked about it.
    asked: bool,
    opens: Option<Opens>,
    /// It may take the barrier out of the prompt, or put another shell in this one's place.
    risky: bool,
    /// The shell took the key that ended it. An editor may do something else with that, and shows a new line if it does not.
    entered: bool,
    /// Input followed it to the terminal.
    followed: bool,
    /// What the terminal has shown since, bytes.
    output_bytes: u64,
}

/// Follows a shell that is held at its prompt.
#[derive(Debug)]
pub(super) struct Draining {
    greeting: Greeting,
    /// A time that is past, for waits that have not begun.
    past: Instant,
    state: State,
    /// Number of the last prompt; 0 before the first.
    seq: u64,
    cwd: Option<String>,
    keyboard: Keyboard,
    /// The lines of a command that is continued, each with its end.
    earlier: Vec<u8>,
    /// The line that somebody is asked about, and the key that would send it.
    pending: Option<(Line, u8)>,
    sent: Option<Sent>,
    /// The terminal holds type-ahead that the shell will read, unless a barrier gives it back.
    undrained: bool,
    /// What a barrier gives back.
    strays: Vec<u8>,
    /// All of that; taken by who knows whether it was typed.
    drained: Option<Vec<u8>>,
    /// User input held back.
    held: Vec<u8>,
    /// User input not held back any longer.
    released: Vec<u8>,
    wait: Option<Wait>,
}

impl Draining {
    /// A shell whose hook will be told `nonce`.
    pub(super) fn new(nonce: String, now: Instant) -> Self {
        Self {
            greeting: Greeting::new(nonce),
            past: now,
            state: State::Boot,
            seq: 0,
            cwd: None,
            keyboard: Keyboard::default(),
            earlier: Vec::new(),
            pending: None,
            sent: None,
            undrained: false,
            strays: Vec::new(),
            drained: None,
            held: Vec::new(),
            released: Vec::new(),
            wait: None,
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
        self.greeting.give(may, b'\n', out);
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
    pub(super) fn shown(&mut self, bytes: &[u8]) {
        if let Some(sent) = &mut self.sent {
            sent.output_bytes += bytes.len() as u64;
            let enters = !sent.entered && bytes.contains(&b'\n');
            sent.entered |= enters;
            if enters && self.state == State::Sent {
                self.wait_for(PAUSE);
            }
        }
    }

    /// What the line that runs opens on its terminal.
    pub(super) fn opens(&self) -> Option<Opens> {
        self.sent.as_ref().and_then(|sent| sent.opens)
    }

    /// Once for each barrier: what it gives back of all that was typed before.
    pub(super) fn strays(&mut self) -> Option<Vec<u8>> {
        self.drained.take()
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

    /// When [`Draining::timed_out`] is to be called, unless something else happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wait.map(|wait| wait.until.unwrap_or(self.past))
    }

    /// Takes note that time has passed.
    pub(super) fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match &mut self.wait {
            Some(Wait { until: Some(until), .. }) if *until <= now => {
                self.wait = None;
                self.waited(out);
            }
            Some(wait @ Wait { until: None, .. }) => {
                wait.until = Some(now + wait.length);
                // What opens a shell is looked out for by others, who hold the input then.
                if self.state == State::Sent && self.opens().is_some() {
                    self.runs();
                }
            }
            _ => {}
        }
    }

    /// Takes what the user typed.
    pub(super) fn user_types(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        match self.state {
            State::Running => self.pass(bytes, out),
            State::Lost => to_target(bytes.to_vec(), out),
            State::Prompt => {
                hold(&mut self.held, bytes);
                self.type_held(out);
            }
            _ => hold_typed(&mut self.held, bytes, MAX_HELD),
        }
    }

    /// Hands input to what runs. Where that may be a prompt without a barrier by now, a line could run unasked.
    fn pass(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        let risky = self.sent.as_ref().is_some_and(|sent| sent.risky || !sent.entered);
        if risky && bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            self.lose(out);
            self.released.extend_from_slice(bytes);
        } else {
            if let Some(sent) = &mut self.sent {
                sent.followed |= !bytes.is_empty();
            }
            to_target(bytes.to_vec(), out);
        }
    }

    /// Whether what the terminal shows is the bastion's own doing.
    pub(super) fn hides(&self) -> bool {
        self.state == State::Rearming
    }

    /// Answers the question that stands. Without one, or for the second time, nothing happens.
    pub(super) fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        let Some((line, key)) = self.pending.take() else {
            return;
        };
        match verdict {
            Verdict::Run => self.run(line, key, out),
            Verdict::Cancel => self.refuse(out),
        }
    }

    fn run(&mut self, line: Line, key: u8, out: &mut Vec<Effect>) {
        out.push(Effect::Started);
        let prompts = prompts_at_stake(&line.text);
        let sent = Sent {
            text: line.bytes,
            asked: true,
            opens: line.opens,
            risky: prompts == Stake::Unclear,
            entered: self.keyboard.is_foreseen(),
            followed: false,
            output_bytes: 0,
        };
        self.send(sent, key, out);
        if prompts == Stake::Assigned {
            self.state = State::Rearming;
            self.wait_for(PATIENCE);
            out.push(Effect::ToUser(b"\r\n".to_vec()));
            to_target([REARM, &[key]].concat(), out);
        }
    }

    /// Takes what an authentic mark says.
    pub(super) fn report(&mut self, report: Report, out: &mut Vec<Effect>) {
        match report {
            Report::Prompt(prompted) if prompted.seq > self.seq => self.prompted(&prompted, out),
            Report::Continuation if matches!(self.state, State::Sent | State::Running) => self.continued(out),
            Report::Barrier(barrier) if self.state == State::Barrier && barrier.seq >= self.seq => {
                self.drain(&barrier, out);
            }
            Report::Strays { id, bytes } if self.is_barrier(&id) => hold(&mut self.strays, &bytes),
            Report::Drained { id } if self.is_barrier(&id) => self.wait_for(BARRIER_LIMIT),
            Report::PromptDrawn => self.prompt_drawn(out),
            _ => out.push(Effect::Forged),
        }
    }

    fn is_barrier(&self, id: &str) -> bool {
        self.state == State::Barrier && id.parse() == Ok(self.seq)
    }

    /// A prompt is about to show: whatever ran before it has ended.
    fn prompted(&mut self, prompted: &Prompted, out: &mut Vec<Effect>) {
        let cwd = lossy(&prompted.cwd);
        self.seq = prompted.seq;
        self.cwd = Some(cwd.clone());
        self.drop_question(out);
        let end = LineEnd {
            exit_code: prompted.exit_code,
            cwd: Some(cwd),
            ..LineEnd::default()
        };
        self.end(end, out);
        match self.state {
            State::Boot | State::Lost => out.push(Effect::Ready),
            State::Prompt if !self.keyboard.is_foreseen() && !self.keyboard.is_empty() => out.push(unasked(b"")),
            _ => {}
        }
        self.earlier.clear();
        self.undrained = true;
        self.barrier();
    }

    /// The shell wants more: nothing of the command has run yet.
    fn continued(&mut self, out: &mut Vec<Effect>) {
        let Some(sent) = self.sent.take() else {
            out.push(Effect::Forged);
            return;
        };
        if sent.asked {
            out.push(Effect::Cancelled);
        }
        self.undrained = sent.followed;
        self.keyboard.clear();
        self.earlier = sent.text;
        self.earlier.push(b'\n');
        self.barrier();
    }

    fn barrier(&mut self) {
        self.state = State::Barrier;
        self.wait_for(BARRIER_LIMIT);
    }

    /// The terminal is silent: what was typed ahead comes back, up to this word.
    fn drain(&mut self, barrier: &Barrier, out: &mut Vec<Effect>) {
        self.seq = barrier.seq;
        self.undrained = false;
        self.keyboard = Keyboard::new(barrier);
        to_target(format!("{}.{}\n", self.nonce(), self.seq).into_bytes(), out);
    }

    /// From here on the shell reads what it is sent. A drawn prompt that was not announced is another shell's, or the hook's
    /// work was undone.
    fn prompt_drawn(&mut self, out: &mut Vec<Effect>) {
        match self.state {
            State::Barrier if self.undrained => self.lose(out),
            State::Barrier => {
                self.drained = Some(mem::take(&mut self.strays));
                self.edit();
            }
            State::Running | State::Sent => self.lose(out),
            _ => {}
        }
    }

    fn edit(&mut self) {
        self.state = State::Prompt;
        self.wait = None;
        self.released.append(&mut self.held);
    }

    /// Types what was held back, up to a key that ends a line.
    fn type_held(&mut self, out: &mut Vec<Effect>) {
        let held = mem::take(&mut self.held);
        let mut keys = held.iter().copied();
        let mut typed = Vec::new();
        while self.state == State::Prompt {
            let Some(key) = keys.next() else { break };
            match self.keyboard.foresee(key) {
                Key::End => self.enter(key, true, &mut typed, out),
                Key::EndOfFile if !self.keyboard.is_empty() || !self.earlier.is_empty() => {
                    self.enter(key, false, &mut typed, out);
                }
                Key::EndOfFile | Key::Signal => {
                    self.keyboard.take(key);
                    typed.push(key);
                    self.state = State::Signalled;
                    self.wait_for(PATIENCE);
                }
                Key::Edit | Key::Push => {
                    self.keyboard.take(key);
                    typed.push(key);
                }
            }
        }
        self.held.extend(keys);
        to_target(typed, out);
    }

    /// A key that ends the line: holds it, and asks. After an end of file the shell does not wait for more.
    fn enter(&mut self, key: u8, may_continue: bool, typed: &mut Vec<u8>, out: &mut Vec<Effect>) {
        to_target(mem::take(typed), out);
        let line = self.line();
        let known = line.exactness == Exactness::Exact;
        if known && (runs_nothing(&line.text) || (may_continue && is_unfinished(&line.bytes))) {
            let sent = Sent {
                text: line.bytes,
                asked: false,
                opens: None,
                risky: false,
                entered: self.keyboard.is_foreseen(),
                followed: false,
                output_bytes: 0,
            };
            self.send(sent, key, out);
        } else {
            self.state = State::Asked;
            self.pending = Some((line.clone(), key));
            out.push(Effect::Asking(line));
        }
    }

    /// The command, with the line that is being edited.
    fn line(&self) -> Line {
        let bytes = self
            .keyboard
            .line()
            .map(|line| [self.earlier.as_slice(), &line].concat());
        let bytes = bytes.filter(|bytes| bytes.len() <= MAX_COMMAND && !bytes.contains(&0));
        let known = bytes.is_some();
        let bytes = bytes.unwrap_or_default();
        let text = lossy(&bytes);
        Line {
            opens: opens(&parse(&text, Dialect::Sh)),
            text,
            bytes,
            dialect: Dialect::Sh,
            exactness: if known { Exactness::Exact } else { Exactness::Unknown },
            cwd: self.cwd.clone(),
            aliases: Vec::new(),
        }
    }

    fn send(&mut self, sent: Sent, key: u8, out: &mut Vec<Effect>) {
        to_target(vec![key], out);
        self.keyboard.take(key);
        self.wait_for(if sent.entered { PAUSE } else { PATIENCE });
        self.sent = Some(sent);
        self.state = State::Sent;
    }

    /// Cancels the line at the prompt, and forgets what was typed behind it.
    fn refuse(&mut self, out: &mut Vec<Effect>) {
        self.held.clear();
        out.push(Effect::Cancelled);
        match self.keyboard.interrupt() {
            Some(key) => {
                self.state = State::Refused { by_hand: false };
                // The terminal may be told to keep its line at an interrupt.
                let keys = self.keyboard.kill().into_iter().chain([key]).collect();
                to_target(keys, out);
                self.wait_for(PATIENCE);
            }
            None => self.erase(out),
        }
    }

    /// Cancels a line where the shell does not listen to signals: erases it and enters what is left.
    fn erase(&mut self, out: &mut Vec<Effect>) {
        match self.keyboard.kill().filter(|_| self.earlier.is_empty()) {
            Some(key) => {
                self.state = State::Refused { by_hand: true };
                to_target(vec![key, b'\n'], out);
                self.wait_for(PATIENCE);
            }
            None => self.lose(out),
        }
    }

    fn wait_for(&mut self, length: Duration) {
        self.wait = Some(Wait { length, until: None });
    }

    fn waited(&mut self, out: &mut Vec<Effect>) {
        match self.state {
            State::Sent => self.runs(),
            State::Signalled => self.edit(),
            State::Refused { by_hand: false } => self.erase(out),
            State::Barrier | State::Rearming | State::Refused { by_hand: true } => self.lose(out),
            State::Boot | State::Prompt | State::Asked | State::Running | State::Lost => {}
        }
    }

    /// What was sent runs, as far as can be told: the input is its own.
    fn runs(&mut self) {
        self.state = State::Running;
        self.wait = None;
        self.released.append(&mut self.held);
    }

    /// A question whose line is gone.
    fn drop_question(&mut self, out: &mut Vec<Effect>) {
        if self.pending.take().is_some() {
            out.push(Effect::Cancelled);
        }
    }

    fn end(&mut self, end: LineEnd, out: &mut Vec<Effect>) {
        let Some(sent) = self.sent.take() else { return };
        if sent.asked {
            out.push(Effect::Ended(LineEnd {
                output_bytes: sent.output_bytes,
                ..end
            }));
        } else if !runs_nothing(&lossy(&sent.text)) {
            out.push(unasked(&sent.text));
        }
    }

    fn lose(&mut self, out: &mut Vec<Effect>) {
        self.drop_question(out);
        self.wait = None;
        if self.state != State::Lost {
            self.state = State::Lost;
            out.push(Effect::Lost(Lost::Shell));
        }
        self.released.append(&mut self.held);
    }
}

/// Whether a text is nothing but blanks and comments.
fn runs_nothing(text: &str) -> bool {
    let is_nothing = |line: &str| line.is_empty() || line.starts_with('#');
    text.split('\n').all(|line| is_nothing(line.trim_matches([' ', '\t'])))
}

fn unasked(text: &[u8]) -> Effect {
    Effect::Unasked {
        text: lossy(text),
        dialect: Dialect::Sh,
    }
}

#[cfg(test)]
mod tests;
