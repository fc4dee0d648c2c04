//! The gate for shells that take no hook: the line is read off the screen, and Enter is held until it is answered.
//!
//! Keys go to the target as they are typed; the one that would run the line waits until the echo has settled. What then stands
//! after the prompt is the line. Where the screen cannot show for sure what will run (nothing that looks like a prompt, a
//! line that is a part of a longer one, history expansion, output in between), the line is unknown; it is never guessed.
//!
//! A line with nothing to see goes on unasked and leaves no trace: it is empty, or a password. Keys that a shell is told
//! to run something by, other than Enter and its like, are not seen; nor is anything while a program has the whole screen.

mod echo;
mod emulator;
mod entry;
mod keys;
#[cfg(test)]
mod tests;

use std::mem;
use std::time::{Duration, Instant};

use self::echo::Echo;
use self::emulator::{Emulator, Prompt};
use self::entry::{Entry, Reading};
use self::keys::{Piece, Typed};
use super::effect::{Effect, Line, LineEnd, Verdict};
use super::interrupt::last_signal;
use crate::command::{Opens, opens, parse};
use crate::domain::{Dialect, Exactness};

/// The most user input held back, in bytes; what comes on top of it is dropped.
const MAX_HELD: usize = 1024 * 1024;

/// Gives up the line that is typed, or what runs.
const INTERRUPT: u8 = 0x03;

/// Silence after which the prompt of the session's first line counts as drawn, and any prompt for single keys.
const PROMPT_SILENCE: Duration = Duration::from_millis(60);

/// The same for another prompt, when whole lines wait for it: it could be output that has not ended.
const OTHER_PROMPT_SILENCE: Duration = Duration::from_millis(300);

/// Silence after which keys go to a program that shows no prompt.
const NO_PROMPT_SILENCE: Duration = Duration::from_millis(250);

/// The longest that input waits for a prompt.
const PROMPT_LIMIT: Duration = Duration::from_secs(2);

/// The longest wait for the rest of a marked paste.
const PASTE_LIMIT: Duration = Duration::from_secs(1);

/// Follows one interactive shell by its screen, without I/O and without a clock: as
/// [`ShellGate`](super::ShellGate), whose interface it shares.
#[derive(Debug)]
pub struct ScreenGate {
    dialect: Dialect,
    screen: Emulator,
    state: State,
    entry: Entry,
    echo: Echo,
    pause: Pause,
    /// User input that has not been sent yet.
    held: Vec<u8>,
    /// When the user last typed.
    typed_at: Option<Instant>,
    /// The prompt of the first line that was read.
    usual_prompt: Option<Prompt>,
    /// What the line that runs has written, in bytes.
    running: Option<u64>,
    /// Whether that is a multiplexer: what is typed to it is unknown as a whole.
    multiplexed: bool,
    /// It was run by a key that puts another behind the next prompt.
    fetches_next: bool,
    /// A line was given up, and no new one has begun on the screen: it may stand there still.
    may_still_stand: bool,
    /// The prompt of a line that was let go because nothing was to be seen, until the screen moves on.
    unseen: Option<Prompt>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// No key of the next line has been sent.
    Between,
    /// The user types a line.
    Typing,
    /// A key that may run the line waits for the echo of those before it.
    Settling(Vec<u8>),
    /// The caller decides about a line; the bytes would run it.
    Asking(Vec<u8>),
}

/// The time between two lines.
#[derive(Debug, Default)]
struct Pause {
    last_output: Option<Instant>,
    /// Since when there is input that waits for a prompt.
    waiting_since: Option<Instant>,
}

impl ScreenGate {
    /// A gate for lines in this language, on a terminal of this size, in characters; 0 where that is not known. `None` if it
    /// cannot be emulated.
    #[must_use]
    pub fn new(dialect: Dialect, columns: u16, rows: u16) -> Option<Self> {
        Some(Self {
            dialect,
            screen: Emulator::new(columns, rows)?,
            state: State::Between,
            entry: Entry::default(),
            echo: Echo::default(),
            pause: Pause::default(),
            held: Vec::new(),
            typed_at: None,
            usual_prompt: None,
            running: None,
            multiplexed: false,
            fetches_next: false,
            may_still_stand: false,
            unseen: None,
        })
    }

    /// Takes what the target wrote.
    pub fn from_target(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        if bytes.is_empty() {
            return;
        }
        out.push(Effect::ToUser(bytes.to_vec()));
        if let Some(written) = &mut self.running {
            *written += bytes.len() as u64;
        }
        let was_alternate = self.screen.is_alternate();
        self.show(bytes, out);
        if bytes.contains(&b'\n') && !was_alternate && !self.screen.is_alternate() {
            self.may_still_stand = false;
        }
        self.notice(now, bytes);
        self.advance(now, out);
    }

    /// Takes what the user typed. Held back until there is a prompt, and while a line waits for its echo or its answer.
    pub fn from_user(&mut self, now: Instant, bytes: &[u8], out: &mut Vec<Effect>) {
        self.typed_at = Some(now);
        let room = MAX_HELD.saturating_sub(self.held.len());
        self.held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.signal(out);
        self.advance(now, out);
    }

    /// Whether all that was typed has gone to the target, or was dropped.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        self.held.is_empty() && matches!(self.state, State::Between | State::Typing)
    }

    /// Answers the question that stands. Without one, nothing happens.
    pub fn answer(&mut self, verdict: Verdict, out: &mut Vec<Effect>) {
        let State::Asking(keys) = &mut self.state else { return };
        let keys = mem::take(keys);
        match verdict {
            Verdict::Run => self.run(keys, out),
            Verdict::Cancel => self.cancel(out),
        }
    }

    /// Takes the size of the terminal, in characters.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.resize(columns, rows);
        self.entry.disturb();
    }

    /// When [`ScreenGate::timed_out`] is to be called, unless something else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Settling(_) => self.echo.complete_at(),
            State::Between if !self.held.is_empty() => self.prompt_due().or(self.typed_at),
            State::Typing if !self.held.is_empty() => self.paste_due(),
            State::Between | State::Typing | State::Asking(_) => None,
        }
    }

    /// Takes note that time has passed.
    pub fn timed_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.advance(now, out);
    }

    /// Goes on as far as it can without another event.
    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while self.step(now, out) {}
    }

    /// Takes one step, and says whether another may follow.
    fn step(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        match &self.state {
            State::Asking(_) => false,
            State::Settling(_) => self.settle(now, out),
            _ if self.screen.is_alternate() => self.pass_everything(out),
            State::Between => self.begin(now, out),
            State::Typing => self.forward(now, out),
        }
    }

    /// Sends all input to a program that has the whole screen. One that was called from within a line, to pick a file or an
    /// old command, comes back to it.
    fn pass_everything(&mut self, out: &mut Vec<Effect>) -> bool {
        if self.state == State::Typing {
            self.entry.typed.lose_count();
            if self.entry.prompt().is_none() {
                self.may_still_stand = true;
                self.pause_begins();
            }
        }
        to_target(mem::take(&mut self.held), out);
        self.pause.waiting_since = None;
        false
    }

    /// Begins a line where its first key waits and the screen is ready for it.
    fn begin(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        if let Piece::Report(length) = Piece::first(&self.held, &Typed::default(), false) {
            to_target(self.take_held(length), out);
            return true;
        }
        self.pause.waiting_since.get_or_insert(now);
        if self.prompt_due().is_some_and(|due| now < due) {
            return false;
        }
        let prompt = self
            .screen
            .prompt()
            .filter(|_| self.is_quiet(now) && !self.may_still_stand);
        self.end(out);
        self.entry = Entry::new(prompt, self.usual_prompt.as_ref(), mem::take(&mut self.fetches_next));
        self.echo.begin();
        self.state = State::Typing;
        true
    }

    /// When waiting input may go on as the next line. `None` while none waits.
    fn prompt_due(&self) -> Option<Instant> {
        let limit = self.pause.waiting_since? + PROMPT_LIMIT;
        let quiet = self.pause.last_output.map(|output| output + self.silence());
        Some(quiet.map_or(limit, |quiet| quiet.min(limit)))
    }

    /// How long nothing must come before the next line may begin.
    fn silence(&self) -> Duration {
        let lines_wait = self.held.iter().any(|byte| matches!(byte, b'\r' | b'\n'));
        match self.screen.prompt() {
            Some(prompt) if !lines_wait || self.usual_prompt.as_ref() == Some(&prompt) => PROMPT_SILENCE,
            Some(_) => OTHER_PROMPT_SILENCE,
            None if lines_wait => PROMPT_LIMIT,
            None => NO_PROMPT_SILENCE,
        }
    }

    fn is_quiet(&self, now: Instant) -> bool {
        self.pause
            .last_output
            .is_some_and(|output| now >= output + PROMPT_SILENCE)
    }

    /// Sends the next keys of the line.
    fn forward(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let mut piece = Piece::first(&self.held, &self.entry.typed, self.screen.marks_pastes());
        if piece == Piece::Unfinished {
            if self.paste_due().is_some_and(|due| now < due) {
                return false;
            }
            piece = Piece::given_up(&self.held);
        }
        match piece {
            Piece::Submits => self.state = State::Settling(self.take_held(1)),
            Piece::Leaves => self.leave(out),
            Piece::Paste(length) => self.paste(length, now, out),
            Piece::Report(length) => to_target(self.take_held(length), out),
            Piece::Keys(length) => {
                let keys = self.take_held(length);
                self.entry.typed.take(&keys);
                self.send_keys(keys, now, out);
            }
            Piece::Unfinished => return false,
        }
        true
    }

    fn paste_due(&self) -> Option<Instant> {
        let is_key = self.held.len() == 1;
        Some(self.typed_at? + if is_key { PROMPT_SILENCE } else { PASTE_LIMIT })
    }

    /// Sends a marked paste. One with several lines asks first, for not every program waits for Enter after it.
    fn paste(&mut self, length: usize, now: Instant, out: &mut Vec<Effect>) {
        let paste = self.take_held(length);
        self.entry.typed.take_paste(&paste);
        if keys::runs_something(&paste) {
            self.entry.becomes_part();
            self.ask(Reading::Unknown, paste, out);
        } else {
            self.send_keys(paste, now, out);
        }
    }

    fn send_keys(&mut self, keys: Vec<u8>, now: Instant, out: &mut Vec<Effect>) {
        self.echo.key(now);
        to_target(keys, out);
    }

    /// Sends a key that gives the line up, stops what runs, or leaves it.
    fn leave(&mut self, out: &mut Vec<Effect>) {
        to_target(self.take_held(1), out);
        self.may_still_stand |= !self.entry.typed.is_nothing();
        self.pause_begins();
    }

    /// A key that signals waits for nothing, and what was typed before it and not sent is given up.
    fn signal(&mut self, out: &mut Vec<Effect>) {
        let waits = matches!(self.state, State::Between | State::Settling(_)) && !self.screen.is_alternate();
        let Some(at) = last_signal(&self.held).filter(|_| waits) else {
            return;
        };
        self.may_still_stand |= matches!(self.state, State::Settling(_));
        drop(self.take_held(at));
        to_target(self.take_held(1), out);
        self.pause_begins();
    }

    /// Decides about the line as soon as the screen shows all of it.
    fn settle(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        let is_due = self.echo.complete_at().is_none_or(|complete| now >= complete);
        if !is_due && !self.entry.is_complete_on(&self.screen) {
            return false;
        }
        let State::Settling(keys) = &mut self.state else {
            return false;
        };
        let keys = mem::take(keys);
        match self.entry.read(&self.screen, self.echo.is_silent()) {
            Reading::Nothing if !self.may_still_stand => self.pass_unseen(keys, out),
            reading => self.ask(reading, keys, out),
        }
        true
    }

    /// Lets an empty line or a hidden one go.
    fn pass_unseen(&mut self, keys: Vec<u8>, out: &mut Vec<Effect>) {
        if self.echo.is_silent() && !self.entry.typed.is_nothing() {
            self.unseen = self.entry.prompt().cloned();
        }
        to_target(keys, out);
        self.pause_begins();
    }

    fn ask(&mut self, reading: Reading, keys: Vec<u8>, out: &mut Vec<Effect>) {
        self.end(out);
        if matches!(reading, Reading::Text(_)) && self.usual_prompt.is_none() {
            self.usual_prompt = self.entry.prompt().cloned();
        }
        let line = line(reading, self.dialect);
        self.multiplexed = line.opens.is_some();
        out.push(Effect::Asking(line));
        self.state = State::Asking(keys);
    }

    fn run(&mut self, keys: Vec<u8>, out: &mut Vec<Effect>) {
        let is_paste = keys.len() > 1;
        self.fetches_next = keys == [keys::RUN_AND_FETCH_NEXT];
        to_target(keys, out);
        out.push(Effect::Started);
        self.running = Some(0);
        self.pause_begins();
        if is_paste {
            // The line goes on behind it.
            self.state = State::Typing;
        }
    }

    fn cancel(&mut self, out: &mut Vec<Effect>) {
        self.held.clear();
        to_target(vec![INTERRUPT], out);
        out.push(Effect::Cancelled);
        self.may_still_stand = true;
        self.pause_begins();
    }

    fn end(&mut self, out: &mut Vec<Effect>) {
        if let Some(output_bytes) = self.running.take() {
            out.push(Effect::Ended(LineEnd {
                output_bytes,
                ..LineEnd::default()
            }));
            if mem::take(&mut self.multiplexed) {
                out.push(Effect::Ready);
            }
        }
    }

    fn pause_begins(&mut self) {
        self.state = State::Between;
        self.pause = Pause::default();
    }

    /// Shows output on the screen, and sees whether an echo comes after all for a line that was let go as unseen.
    fn show(&mut self, bytes: &[u8], out: &mut Vec<Effect>) {
        let Some(prompt) = self.unseen.take() else {
            return self.screen.feed(bytes);
        };
        let end_of_line = memchr::memchr(b'\n', bytes);
        let mut length = end_of_line.unwrap_or(bytes.len());
        // Behind the text of a line, the cursor goes back to its beginning.
        while length > 0 && bytes.get(length - 1) == Some(&b'\r') {
            length -= 1;
        }
        let (line, rest) = bytes.split_at(length);
        self.screen.feed(line);
        if self
            .screen
            .input(&prompt)
            .is_some_and(|input| !input.text.trim().is_empty())
        {
            out.push(Effect::Unasked {
                text: String::new(),
                dialect: self.dialect,
            });
        } else if end_of_line.is_none() {
            self.unseen = Some(prompt);
        }
        self.screen.feed(rest);
    }

    /// Takes note of what output means for the line that is typed or comes next.
    fn notice(&mut self, now: Instant, bytes: &[u8]) {
        match self.state {
            State::Between => self.pause.last_output = Some(now),
            State::Typing | State::Settling(_) => {
                let was_expected = self.echo.output(now);
                if !was_expected || bytes.contains(&b'\t') {
                    self.entry.disturb();
                }
            }
            State::Asking(_) => {}
        }
    }

    fn take_held(&mut self, length: usize) -> Vec<u8> {
        let rest = self.held.split_off(length.min(self.held.len()));
        mem::replace(&mut self.held, rest)
    }
}

/// A line as it is asked about. Other shells that it opens are followed on the screen as the first.
fn line(reading: Reading, dialect: Dialect) -> Line {
    let (text, exactness) = match reading {
        Reading::Text(text) => (text, Exactness::Screen),
        Reading::Nothing | Reading::Unknown => (String::new(), Exactness::Unknown),
    };
    Line {
        bytes: text.clone().into_bytes(),
        dialect,
        exactness,
        opens: opens(&parse(&text, dialect)).filter(|opens| *opens == Opens::Multiplexer),
        text,
        cwd: None,
        aliases: Vec::new(),
    }
}

fn to_target(bytes: Vec<u8>, out: &mut Vec<Effect>) {
    if !bytes.is_empty() {
        out.push(Effect::ToTarget(bytes));
    }
}
