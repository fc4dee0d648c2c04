//! Looks out for the prompt of a shell that a line may have opened on its terminal.
//!
//! What the user types meanwhile must not reach a shell that nobody follows yet, but must reach a program that asks for a
//! password first. So input is held until the output has rested, and the last line that stands there decides. Where that is
//! no prompt, a line is entered only if it was not shown, as a password is not, or is a word that was asked for: all else may
//! be a command, to a shell whose prompt looks different.

use std::time::{Duration, Instant};

use super::modes::Modes;

/// How long the output must have rested.
const REST: Duration = Duration::from_millis(250);
/// How long nothing at all may stand there before the look-out ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many lines may be typed to what asks before a shell, and is none: a host key's question and passwords.
const MAX_ANSWERS: u32 = 8;
/// The end of the output that is kept, bytes: enough for a prompt with its colours.
const TAIL: usize = 1024;
/// The widest line, in characters, that is taken for a prompt.
const MAX_PROMPT: usize = 200;

/// What questions say that show their answer: a host key's, and those for a name or a code.
const ASKS_FOR_A_WORD: &[&str] = &[
    "(yes/no",
    "login:",
    "username",
    "user name",
    "passcode",
    "code:",
    "token:",
];

/// How prompts of other programs than shells end.
const NOT_SHELLS: &[&str] = &[
    ">>>", "...", "(gdb)", "mysql>", "sqlite>", "ftp>", "telnet>", "=#", "=>",
];
/// How long something must still come after what looked like a prompt and was none.
const SECOND_PATIENCE: Duration = Duration::from_secs(3);

/// What stands on the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The prompt of a shell.
    Prompt,
    /// Something else that waits for input: the input held back is for it.
    Question,
    /// No shell that could be recognised.
    Nothing,
}

/// The look-out over the output of one line.
#[derive(Debug)]
pub(super) struct Lookout {
    tail: Vec<u8>,
    modes: Modes,
    /// Whether something else than a shell waits for input.
    answering: bool,
    /// What has been typed to it is more than one word, such as a name or a yes.
    is_more: bool,
    /// The terminal shows what is typed: it is no secret.
    is_shown: bool,
    /// When a line that may be for a shell after all has stood long enough to be seen, if it is shown.
    enters_at: Option<Instant>,
    /// The line that is typed was not shown: it may be entered.
    may_enter: bool,
    answers: u32,
    rests_at: Option<Instant>,
    gives_up_at: Instant,
}

impl Lookout {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            tail: Vec::new(),
            modes: Modes::default(),
            answering: false,
            is_more: false,
            is_shown: false,
            enters_at: None,
            may_enter: false,
            answers: 0,
            rests_at: None,
            gives_up_at: now + PATIENCE,
        }
    }

    /// Takes what the terminal shows.
    pub(super) fn shown(&mut self, now: Instant, bytes: &[u8]) {
        self.append(bytes);
        // What is typed is echoed; only a new line is more than that.
        if self.answering && !bytes.contains(&b'\n') {
            self.is_shown |= is_legible(bytes);
            return;
        }
        self.stop_answering();
        self.rests_at = Some(now + REST);
        self.gives_up_at = now + PATIENCE;
    }

    /// What was found was no prompt: this is all that came of an empty line.
    pub(super) fn tried(&mut self, now: Instant, bytes: &[u8]) {
        self.append(bytes);
        self.answers += 1;
        self.rests_at = (!bytes.is_empty()).then_some(now + REST);
        self.gives_up_at = now + SECOND_PATIENCE;
    }

    fn append(&mut self, bytes: &[u8]) {
        self.modes.feed(bytes);
        self.tail.extend_from_slice(bytes);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }

    /// The line that stands on the terminal, without its escape sequences.
    pub(super) fn line(&self) -> String {
        last_line(&self.tail)
    }

    /// The line that was being typed is forgotten.
    pub(super) fn interrupted(&mut self) {
        let answering = self.answering;
        self.stop_answering();
        self.answering = answering;
    }

    /// How much of this input is for what waits there now; the rest is to be held back.
    ///
    /// One line: what follows it may already meet the shell.
    pub(super) fn takes(&mut self, now: Instant, bytes: &[u8]) -> usize {
        if !self.answering {
            return 0;
        }
        let end = bytes.iter().position(|byte| may_end_line(*byte));
        let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        self.is_more |= !line.iter().all(u8::is_ascii_graphic);
        let Some(end) = end else {
            return bytes.len();
        };
        if !self.may_enter && (self.is_more || !self.asks_for_a_word()) {
            self.enters_at = Some(now + REST);
            return end;
        }
        self.stop_answering();
        self.answers += 1;
        self.gives_up_at = now + PATIENCE;
        end + 1
    }

    fn stop_answering(&mut self) {
        self.answering = false;
        self.is_more = false;
        self.is_shown = false;
        self.enters_at = None;
        self.may_enter = false;
    }

    /// Whether what waits there is known to ask for a word that it shows.
    fn asks_for_a_word(&self) -> bool {
        let question = self.line().to_lowercase();
        ASKS_FOR_A_WORD.iter().any(|words| question.contains(words))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.rests_at.or(self.enters_at) {
            Some(at) => Some(at),
            None if self.answering => None,
            None => Some(self.gives_up_at),
        }
    }

    /// What stands there when the deadline has come; `None` where it is too early to tell.
    pub(super) fn timed_out(&mut self, now: Instant) -> Option<Found> {
        if self.rests_at.take_if(|rests_at| *rests_at <= now).is_some() {
            return self.judge();
        }
        if self.enters_at.take_if(|enters_at| *enters_at <= now).is_some() {
            self.may_enter = !self.is_shown;
            return Some(if self.may_enter {
                Found::Question
            } else {
                Found::Nothing
            });
        }
        (self.deadline().is_some() && self.gives_up_at <= now).then_some(Found::Nothing)
    }

    /// Whether what stands there looks like the prompt of a shell: by its end, or because a line editor takes pastes. A program
    /// that has taken the whole screen is none.
    fn is_prompt(&self) -> bool {
        let line = self.line();
        let text = line.trim();
        let is_other = NOT_SHELLS.iter().any(|end| text.ends_with(end)) || text.chars().count() > MAX_PROMPT;
        let is_ready = self.modes.marks_pastes() && !text.is_empty();
        !is_other && !self.modes.is_full_screen() && (is_ready || ends_like_a_prompt(text))
    }

    fn judge(&mut self) -> Option<Found> {
        if self.is_prompt() {
            return Some(Found::Prompt);
        }
        if self.answers >= MAX_ANSWERS {
            return Some(Found::Nothing);
        }
        let stands = !self.line().trim().is_empty();
        self.answering = stands;
        stands.then_some(Found::Question)
    }
}

/// Whether an output shows more than stars in the place of what is typed.
fn is_legible(bytes: &[u8]) -> bool {
    let is_star = |character: char| matches!(character, '*' | '•' | '●') || character.is_whitespace();
    !plain(&String::from_utf8_lossy(bytes)).chars().all(is_star)
}

/// Whether a key may hand over the line that is typed: any but those that erase. Editors run a line by more than Enter.
const fn may_end_line(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, 0x08 | 0x15 | 0x17)
}

/// Whether a text ends as prompts do, and not with a share of something (`42%`).
fn ends_like_a_prompt(text: &str) -> bool {
    let share = text
        .strip_suffix('%')
        .and_then(|rest| rest.split_whitespace().next_back());
    let is_share = share.is_some_and(|word| word.chars().all(|character| matches!(character, '0'..='9' | '.' | ',')));
    !is_share && text.ends_with(['$', '#', '%', '>', '❯', '➜', 'λ'])
}

/// The text of the last line, without its escape sequences.
pub(super) fn last_line(tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    let line = text.rsplit(['\n', '\r']).find(|line| !plain(line).trim().is_empty());
    line.filter(|_| !ends_with_newline(&text))
        .map_or_else(String::new, plain)
}

/// Whether the cursor stands at the start of an empty line.
fn ends_with_newline(text: &str) -> bool {
    plain(text.rsplit('\n').next().unwrap_or_default()).trim().is_empty()
}

/// A text without its escape sequences and other controls.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' => skip_sequence(&mut rest),
            control if control.is_control() => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Skips the rest of an escape sequence (ECMA-48): CSI up to its final byte, OSC up to BEL or ST, else one character.
fn skip_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|c| !('\x40'..='\x7e').contains(&c)) {},
        Some(']') => {
            while let Some(character) = rest.next() {
                match character {
                    '\x07' => break,
                    '\x1b' => {
                        rest.next();
                        break;
                    }
                    _ => {}
                }
            }
        }
        Some('(' | ')') => drop(rest.next()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_after(output: &str) -> Option<Found> {
        let now = Instant::now();
        let mut lookout = Lookout::new(now);
        lookout.shown(now, output.as_bytes());
        assert_eq!(lookout.deadline(), Some(now + REST));
        lookout.timed_out(now + REST)
    }

    #[test]
    fn prompts_of_shells_are_recognised() {
        for prompt in [
            "$ ",
            "root@web-1:~# ",
            "\r\nbash-5.2$ ",
            "motd\r\n[alice@web ~]$ ",
            "\x1b[?2004h\x1b]0;title\x07\x1b[01;32malice\x1b[00m:\x1b[34m~\x1b[00m$ ",
            "%                                   \r \rhost% ",
            "\x1b[?2004hhost right-prompt\x1b[12D",
            "~/src ❯ ",
            "web-1% ",
            "% ",
            "\x1b[?1049hvi\x1b[?1049l$ ",
        ] {
            assert_eq!(found_after(prompt), Some(Found::Prompt), "{prompt:?}");
        }
    }

    #[test]
    fn questions_before_a_shell_are_not_prompts() {
        for question in [
            "Password: ",
            "[sudo] password for alice: ",
            "alice@third's password: ",
            "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
            ">>> ",
            "\x1b[?2004h>>> ",
            "mysql: [Warning] Using a password",
            "mysql> ",
            "\x1b[?2004h(gdb) ",
            "postgres=# ",
            "fetching: 42%",
            "fetching: 42.5 %",
            "\x1b[?1049h\x1b[?2004h~\x1b[24;1H\"notes\" 3L, 20B",
            "\x1b[?1049hroot# ",
        ] {
            assert_eq!(found_after(question), Some(Found::Question), "{question:?}");
        }
    }

    #[test]
    fn output_without_an_open_line_decides_nothing() {
        for output in ["Last login: today\r\n", "\x1b[2J", "a\n\x1b[m", "a\n\x1b[?2004h"] {
            assert_eq!(found_after(output), None, "{output:?}");
        }
    }

    #[test]
    fn input_is_held_until_something_waits_for_it() {
        let now = Instant::now();
        let mut lookout = Lookout::new(now);
        assert_eq!(lookout.takes(now, b"rm -rf /\r"), 0, "typed ahead");
        lookout.shown(now, b"Password: ");
        assert_eq!(lookout.takes(now, b"x"), 0);
        assert_eq!(lookout.timed_out(now + REST), Some(Found::Question));
        assert_eq!(lookout.takes(now, b"sec"), 3);
        assert_eq!(lookout.takes(now, b"ret\rls\r"), 3, "it may be shown any moment");
        assert_eq!(lookout.deadline(), Some(now + REST));
        assert_eq!(lookout.timed_out(now + REST), Some(Found::Question));
        assert_eq!(lookout.takes(now, b"\rls\r"), 1, "a shell may be there any moment");
        assert_eq!(lookout.takes(now, b"more\r"), 0);
    }

    #[test]
    fn an_echo_does_not_stop_what_is_being_typed() {
        let now = Instant::now();
        let mut lookout = Lookout::new(now);
        lookout.shown(now, b"(yes/no)? ");
        lookout.timed_out(now + REST);
        lookout.shown(now, b"y");
        assert_eq!(lookout.takes(now, b"es\r"), 3);
    }

    #[test]
    fn a_line_that_is_shown_is_not_entered_where_a_shell_may_read_it() {
        let now = Instant::now();
        for (question, line, shown, found) in [
            ("what now: ", "reboot", "reboot", Found::Nothing),
            ("what now: ", "reboot", "", Found::Question),
            ("login: ", "rm -rf /", "rm -rf /", Found::Nothing),
            ("Password: ", "secret", "******", Found::Question),
            ("Password: ", "secret", "s\x1b[me", Found::Nothing),
        ] {
            let mut lookout = Lookout::new(now);
            lookout.shown(now, question.as_bytes());
            lookout.timed_out(now + REST);
            assert_eq!(lookout.takes(now, format!("{line}\r").as_bytes()), line.len());
            lookout.shown(now, shown.as_bytes());
            assert_eq!(lookout.timed_out(now + REST), Some(found), "{question}{line}");
        }
    }

    #[test]
    fn any_key_that_an_editor_may_run_a_line_by_is_held_as_enter_is() {
        let now = Instant::now();
        for key in ["\r", "\n", "\x04", "\x0f", "\x18\x05", "\x1ba"] {
            let mut lookout = Lookout::new(now);
            lookout.shown(now, b"what now: ");
            lookout.timed_out(now + REST);
            assert_eq!(lookout.takes(now, format!("reboo\x7fot{key}").as_bytes()), 8, "{key:?}");
            lookout.shown(now, b"reboot");
            assert_eq!(lookout.timed_out(now + REST), Some(Found::Nothing), "{key:?}");
        }
    }

    #[test]
    fn an_interrupt_begins_a_new_line() {
        let now = Instant::now();
        let mut lookout = Lookout::new(now);
        lookout.shown(now, b"login: ");
        lookout.timed_out(now + REST);
        assert_eq!(lookout.takes(now, b"two words"), 9);
        lookout.interrupted();
        assert_eq!(lookout.takes(now, b"alice\r"), 6);
    }

    #[test]
    fn it_gives_up_when_nothing_stands_there_or_too_much_was_asked() {
        let now = Instant::now();
        let mut lookout = Lookout::new(now);
        assert_eq!(lookout.deadline(), Some(now + PATIENCE));
        assert_eq!(lookout.timed_out(now + PATIENCE), Some(Found::Nothing));

        let mut lookout = Lookout::new(now);
        let mut found = None;
        for _ in 0..=MAX_ANSWERS {
            lookout.shown(now, b"\r\nprompt of its own: ");
            found = lookout.timed_out(now + REST);
            lookout.takes(now, b"ls\r");
            lookout.timed_out(now + REST);
            lookout.takes(now, b"\r");
        }
        assert_eq!(found, Some(Found::Nothing));
    }

    #[test]
    fn memory_is_bounded() {
        let mut lookout = Lookout::new(Instant::now());
        for _ in 0..100 {
            lookout.shown(Instant::now(), &[b'x'; 4096]);
        }
        assert!(lookout.tail.len() <= TAIL);
    }
}
