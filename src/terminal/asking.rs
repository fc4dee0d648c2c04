//! A shell whose hook asks over its own terminal before it runs a line, and waits for the answer.

use std::{iter, mem};

use super::effect::{Effect, Line, LineEnd, Lost, Verdict};
use super::greeting::Greeting;
use super::interrupt::hold_typed;
use super::report::{Ask, Kind, Prompted, Report};
use crate::command::{Opens, opens, parse};
use crate::domain::{Dialect, Exactness};

/// The most user input held back, in bytes; what comes on top of it is dropped.
pub(super) const MAX_HELD: usize = 1024 * 1024;

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
    /// What the shell gave back with its last answer; taken by who knows whether it was typed.
    strays: Option<Vec<u8>>,
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
            strays: None,
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
            State::Boot | State::Gate => hold_typed(&mut self.held, bytes, MAX_HELD),
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

    /// Once for each answer that the shell has taken: what it gives back of all that was typed before.
    pub(super) fn strays(&mut self) -> Option<Vec<u8>> {
        self.strays.take()
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
            self.strays = Some(Vec::new());
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
        self.strays = Some(as_typed(pending.strays));
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
mod tests;
