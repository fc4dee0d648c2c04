//! What a target once wrote, made safe for the terminal of whoever looks at it later.
//!
//! The recording is the target's work, and the terminal that plays it is an administrator's. So nothing passes as it is:
//! text passes, and of control sequences only those that draw, each written anew by this filter. What is not known to draw
//! is left out:
//!
//! - whatever makes a terminal answer: device attributes and status, reports of modes, settings, titles, colours, checksums
//!   (DA, DSR, DECRQM, DECRQSS, DECREQTPARM, ENQ, window reports). An answer would be typed into the administrator's shell;
//! - every string (OSC, DCS, APC, PM, SOS): clipboard, titles, colours, links, images, notifications, the pass-through of
//!   multiplexers;
//! - whatever changes what the keyboard, the mouse or the window does: mouse and focus reports, bracketed paste, application
//!   keys, keyboard protocols, locks, printing, moving and resizing;
//! - the setting and clearing of tab stops, which no terminal can be asked to put back as they were;
//! - characters that show a text in another order than it has;
//! - the erasing of lines that have scrolled off, and C1 controls, which are sequences of one character to some terminals.
//!
//! A string that never ends hides what follows it from any terminal; the recording itself, `replay --cast`, has it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Longest parameters of a sequence that draws.
const MAX_PARAMETERS: usize = 64;
/// Longest number in it, in digits.
const MAX_DIGITS: usize = 5;
/// How often a character is repeated at most: no recording is of a terminal with longer lines.
const MAX_REPEATS: u32 = 1000;

/// Final bytes of control sequences without a prefix that draw, move the cursor, or set how is drawn.
const DRAWING: &str = "@ABCDEFGHIJKLMPSTXZ`abdefmrsu";

/// Private modes that concern the screen alone, and whether they are on in a terminal at rest: reverse video, origin, wrapping,
/// blinking and visible cursor, reverse wrapping, the alternate screens.
const SCREEN_MODES: [(u16, bool); 10] = [
    (5, false),
    (6, false),
    (7, true),
    (12, false),
    (25, true),
    (45, false),
    (47, false),
    (1047, false),
    (1048, false),
    (1049, false),
];

/// Saving the cursor, which is a mode in name only: there is nothing to put back.
const SAVE_CURSOR: u16 = 1048;

/// The filter, with what it knows of the terminal behind it.
#[derive(Debug, Default)]
pub struct Tame {
    state: State,
    /// Parameters and intermediates of the control sequence that is being read.
    sequence: String,
    /// Screen modes that are not as in a terminal at rest.
    modes: BTreeMap<u16, bool>,
    /// Whether the cursor's shape or the scrolling region were set.
    shaped: bool,
    scrolled: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Text.
    #[default]
    Ground,
    /// After an escape.
    Escape,
    /// After an escape and an intermediate character.
    Intermediate(char),
    /// In a control sequence.
    Control,
    /// In a control sequence that is too long to draw.
    Overlong,
    /// In a string.
    String,
}

impl Tame {
    /// What may be shown of `text`, which goes on where the last one ended.
    pub fn feed(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            self.take(character, &mut shown);
        }
        shown
    }

    /// What makes a terminal at rest again draw as it did after everything that was fed: its modes, not what was on it.
    pub fn resume(&self) -> String {
        let mut shown = String::new();
        for (mode, set) in &self.modes {
            write_mode(&mut shown, *mode, *set);
        }
        shown
    }

    /// What brings a terminal back to rest after everything that was fed.
    pub fn restore(&self) -> String {
        let mut shown = String::new();
        for (mode, set) in &self.modes {
            write_mode(&mut shown, *mode, !set);
        }
        if self.scrolled || self.modes.contains_key(&6) {
            // Taking the region back moves the cursor to the top.
            shown.push_str("\u{1b}[r\u{1b}[999H");
        }
        if self.shaped {
            shown.push_str("\u{1b}[0 q");
        }
        // Attributes, insertion, character sets.
        shown.push_str("\u{1b}[m\u{1b}[4l\u{1b}(B\u{f}");
        shown
    }

    fn take(&mut self, character: char, shown: &mut String) {
        match (self.state, character) {
            (_, '\u{1b}') => self.state = State::Escape,
            // Cancel and substitute end whatever was begun.
            (_, '\u{18}' | '\u{1a}') | (State::String, '\u{7}') | (State::Overlong, '@'..='~') => {
                self.state = State::Ground;
            }
            (State::String | State::Overlong, _) | (_, '\u{80}'..='\u{9f}' | '\u{7f}') => {}
            (_, '\0'..='\u{1f}') => push_control(character, shown),
            (State::Ground, _) if reorders(character) => {}
            (State::Ground, _) => shown.push(character),
            (State::Escape, _) => self.escape(character, shown),
            (State::Intermediate(intermediate), _) => self.intermediate(intermediate, character, shown),
            (State::Control, _) => self.control(character, shown),
        }
    }

    fn escape(&mut self, character: char, shown: &mut String) {
        self.state = match character {
            '[' => {
                self.sequence.clear();
                State::Control
            }
            ']' | 'P' | 'X' | '^' | '_' => State::String,
            ' '..='/' => State::Intermediate(character),
            _ => State::Ground,
        };
        match character {
            '7' | '8' | 'D' | 'E' | 'M' => shown.extend(['\u{1b}', character]),
            // A full reset would also take what has scrolled off.
            'c' => shown.push_str("\u{1b}[!p\u{1b}[H\u{1b}[2J"),
            _ => {}
        }
    }

    fn intermediate(&mut self, intermediate: char, character: char, shown: &mut String) {
        if matches!(character, ' '..='/') {
            // Longer ones do not draw: no final character makes anything of this one.
            self.state = State::Intermediate(' ');
            return;
        }
        self.state = State::Ground;
        if matches!(intermediate, '(' | ')' | '*' | '+') && character.is_ascii_alphanumeric() {
            shown.extend(['\u{1b}', intermediate, character]);
        }
    }

    fn control(&mut self, character: char, shown: &mut String) {
        match character {
            '@'..='~' => {
                self.state = State::Ground;
                let sequence = std::mem::take(&mut self.sequence);
                self.draw(&sequence, character, shown);
            }
            ' '..='?' if self.sequence.len() < MAX_PARAMETERS => self.sequence.push(character),
            _ => self.state = State::Overlong,
        }
    }

    /// Passes a whole control sequence on, if it does nothing but draw.
    fn draw(&mut self, sequence: &str, last: char, shown: &mut String) {
        let (prefix, parameters, intermediates) = parts(sequence);
        if !well_formed(parameters) {
            return;
        }
        match (prefix, intermediates, last) {
            // 3 erases what has scrolled off.
            ("" | "?", "", 'J') if !matches!(parameters, "" | "0" | "1" | "2") => {}
            ("", "", 'T') if parameters.contains(';') => {}
            ("?", "", 'h' | 'l') => self.set_modes(parameters, last == 'h', shown),
            ("", "", 'h' | 'l') if parameters == "4" => push_sequence(sequence, last, shown),
            ("?", "", 'J' | 'K') | ("", "!", 'p') => push_sequence(sequence, last, shown),
            ("", " ", 'q') => {
                self.shaped = true;
                push_sequence(sequence, last, shown);
            }
            ("", "", 'b') => push_repetition(parameters, shown),
            ("", "", _) if DRAWING.contains(last) => {
                self.scrolled |= last == 'r';
                push_sequence(sequence, last, shown);
            }
            _ => {}
        }
    }

    fn set_modes(&mut self, parameters: &str, set: bool, shown: &mut String) {
        for mode in parameters.split(';').filter_map(|mode| mode.parse().ok()) {
            let Some((_, at_rest)) = SCREEN_MODES.iter().find(|(known, _)| *known == mode) else {
                continue;
            };
            write_mode(shown, mode, set);
            if set == *at_rest || mode == SAVE_CURSOR {
                self.modes.remove(&mode);
            } else {
                self.modes.insert(mode, set);
            }
        }
    }
}

/// Controls that move the cursor, choose a character set, or ring.
fn push_control(character: char, shown: &mut String) {
    if matches!(character, '\u{7}'..='\u{f}') {
        shown.push(character);
    }
}

fn push_repetition(parameters: &str, shown: &mut String) {
    let times = parameters.parse().unwrap_or(1).min(MAX_REPEATS);
    push_sequence(&times.to_string(), 'b', shown);
}

/// Marks, embeddings, overrides and isolates of the bidirectional algorithm.
fn reorders(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_sequence(sequence: &str, last: char, shown: &mut String) {
    shown.push_str("\u{1b}[");
    shown.push_str(sequence);
    shown.push(last);
}

fn write_mode(shown: &mut String, mode: u16, set: bool) {
    let last = if set { 'h' } else { 'l' };
    write!(shown, "\u{1b}[?{mode}{last}").unwrap_or_default();
}

/// A sequence's prefix, parameters and intermediates.
fn parts(sequence: &str) -> (&str, &str, &str) {
    let is_prefix = |character| matches!(character, '<'..='?');
    let (prefix, rest) = sequence.split_at(sequence.find(|c| !is_prefix(c)).unwrap_or(sequence.len()));
    let is_intermediate = |character| matches!(character, ' '..='/');
    let (parameters, intermediates) = rest.split_at(rest.find(is_intermediate).unwrap_or(rest.len()));
    (prefix, parameters, intermediates)
}

/// Numbers, none of them so large that a terminal would be busy with it for long.
fn well_formed(parameters: &str) -> bool {
    parameters
        .split([';', ':'])
        .all(|number| number.len() <= MAX_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tamed(text: &str) -> String {
        Tame::default().feed(text)
    }

    #[test]
    fn what_draws_passes_as_it_is() {
        for drawing in [
            "plain ü 日本 \u{1f600}\r\n\t\u{8}\u{7}",
            "\u{1b}[1;38;5;208mcolour\u{1b}[38:2::1:2:3m\u{1b}[0m",
            "\u{1b}[2J\u{1b}[H\u{1b}[10;20H\u{1b}[K\u{1b}[3A\u{1b}[5X\u{1b}[2;20r\u{1b}[4h\u{1b}[4l\u{1b}[3b",
            "\u{1b}7\u{1b}8\u{1b}M\u{1b}D\u{1b}(0lqk\u{1b}(B\u{e}\u{f}",
            "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[?25h\u{1b}[?1049l",
            "\u{1b}[2 q\u{1b}[!p\u{1b}[?K",
        ] {
            assert_eq!(tamed(drawing), drawing);
        }
    }

    #[test]
    fn nothing_makes_the_terminal_answer() {
        for query in [
            "\u{1b}[c",
            "\u{1b}[0c",
            "\u{1b}[>c",
            "\u{1b}[=c",
            "\u{1b}Z", // device attributes
            "\u{1b}[5n",
            "\u{1b}[6n",
            "\u{1b}[?6n",
            "\u{1b}[?996n", // status
            "\u{1b}[21t",
            "\u{1b}[18t",
            "\u{1b}[>q",
            "\u{1b}[x", // title, size, version, parameters
            "\u{1b}[?25$p",
            "\u{1b}[4$p",
            "\u{1b}[1;1;1;1;1;1*y",
            "\u{1b}[?u",
            "\u{1b}[?m", // modes, checksum, keyboard
            "\u{5}",     // answerback
        ] {
            assert_eq!(tamed(query), "", "{query:?}");
        }
    }

    #[test]
    fn no_string_passes_whatever_ends_it() {
        for string in [
            "\u{1b}]52;c;ZXZpbA==\u{7}",
            "\u{1b}]52;c;?\u{1b}\\",
            "\u{1b}]0;title\u{7}",
            "\u{1b}]4;1;?\u{7}",
            "\u{1b}]8;;http://evil\u{1b}\\",
            "\u{1b}P$qm\u{1b}\\",
            "\u{1b}Ptmux;\u{1b}\u{1b}]52;c;eA==\u{7}\u{1b}\\",
            "\u{1b}_Gf=24;AAAA\u{1b}\\",
            "\u{1b}^private\u{1b}\\",
            "\u{1b}Xsos\u{1b}\\",
            "\u{1b}]0;a\nb\u{18}",
        ] {
            assert_eq!(tamed(&format!("a{string}b")), "ab", "{string:?}");
        }
        assert_eq!(
            tamed("a\u{9d}52;c;eA==\u{9c}"),
            "a52;c;eA==",
            "eight-bit controls begin nothing"
        );
    }

    #[test]
    fn keyboard_mouse_window_and_scrollback_are_left_alone() {
        for sequence in [
            "\u{1b}[?1000h",
            "\u{1b}[?1003;1006h",
            "\u{1b}[?2004h",
            "\u{1b}[?1h",
            "\u{1b}=",
            "\u{1b}[?1004h",
            "\u{1b}[2h",
            "\u{1b}[>4;2m",
            "\u{1b}[>1u",
            "\u{1b}[8;999;999t",
            "\u{1b}[5i",
            "\u{1b}[3J",
            "\u{1b}[1;2;3;4;5T",
            "\u{1b}%@",
            "\u{1b}#8",
            "\u{1b}[?2026h",
            "\u{1b}[1$r",
            "\u{1b}H",
            "\u{1b}[g",
            "\u{1b}[3g",
            "\u{1b}[?5W",
            "\u{9b}2J",
            "\u{7f}",
            "\0",
        ] {
            let shown = tamed(sequence);
            assert!(
                !shown.contains('\u{1b}') && !shown.contains('\u{9b}'),
                "{sequence:?}: {shown:?}"
            );
        }
        assert_eq!(tamed("\u{1b}[03J\u{1b}[0;3J\u{1b}[?3J"), "", "however it is spelled");
        assert_eq!(
            tamed("\u{1b}[?1000;25;2004l"),
            "\u{1b}[?25l",
            "of several modes, those that draw"
        );
        assert!(
            !tamed("\u{1b}c").contains("\u{1b}c"),
            "a reset that spares what has scrolled off"
        );
    }

    #[test]
    fn endless_and_overlong_sequences_pass_nothing_and_keep_nothing() {
        let mut tame = Tame::default();
        assert_eq!(tame.feed(&format!("\u{1b}[{}", "1;".repeat(100_000))), "");
        assert!(tame.sequence.len() <= MAX_PARAMETERS);
        assert_eq!(tame.feed("mtext"), "text");
        assert_eq!(tamed("\u{1b}[999999C"), "", "no number keeps a terminal busy");
        assert_eq!(tamed("\u{1b}[99999b\u{1b}[1;2b"), "\u{1b}[1000b\u{1b}[1b");
        assert_eq!(tamed(&format!("\u{1b}]{}", "x".repeat(100_000))), "");
    }

    #[test]
    fn text_is_shown_in_its_own_order() {
        assert_eq!(
            tamed("rm \u{202e}fdp.x\u{202c} \u{2067}a\u{2069}\u{200f}"),
            "rm fdp.x a"
        );
        assert_eq!(
            tamed("שלום e\u{301} 👩\u{200d}💻"),
            "שלום e\u{301} 👩\u{200d}💻",
            "which may be from right to left"
        );
    }

    #[test]
    fn sequences_may_be_cut_anywhere() {
        let text = "a\u{1b}[1;31mb\u{1b}]0;x\u{7}c\u{1b}[6nd\u{1b}(0e";
        let whole = tamed(text);
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let mut tame = Tame::default();
            let (start, end) = text.split_at(cut);
            assert_eq!(tame.feed(start) + &tame.feed(end), whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_was_changed_is_put_back_and_no_more() {
        let mut tame = Tame::default();
        assert_eq!(tame.restore(), "\u{1b}[m\u{1b}[4l\u{1b}(B\u{f}");
        tame.feed("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[?7h\u{1b}[2;9r\u{1b}[4 q");
        let restored = tame.restore();
        for part in ["\u{1b}[?1049l", "\u{1b}[?25h", "\u{1b}[r", "\u{1b}[0 q"] {
            assert!(restored.contains(part), "{part:?} in {restored:?}");
        }
        assert!(!restored.contains("?7"), "{restored:?}");
        assert_eq!(tame.resume(), "\u{1b}[?25l\u{1b}[?1049h");
    }

    /// Whether every escape begins one of the sequences that draw, whole and with its end.
    fn only_draws(text: &str) -> bool {
        text.split('\u{1b}').skip(1).all(|rest| {
            let mut characters = rest.chars();
            match characters.next() {
                Some('[') => characters
                    .find(|character| matches!(character, '@'..='~'))
                    .is_some_and(|last| DRAWING.contains(last) || "hlpq".contains(last)),
                Some('(' | ')' | '*' | '+') => characters.next().is_some(),
                Some(other) => "78DEM".contains(other),
                None => false,
            }
        })
    }

    proptest! {
        #[test]
        fn whatever_comes_only_drawing_goes_on(text in "[\\x1b\\[\\]P?>!$ ;0-9a-zA-Z\\\\\\x07\\x18\u{80}-\u{9f}é]{0,200}") {
            let mut tame = Tame::default();
            let shown = tame.feed(&text) + &tame.restore();
            prop_assert!(only_draws(&shown), "{:?}", shown);
            let controls = shown.chars().any(|character| matches!(character, '\u{80}'..='\u{9f}' | '\0'..='\u{6}'));
            prop_assert!(!controls, "{:?}", shown);
        }
    }
}
