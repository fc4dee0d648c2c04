//! One line while it is typed, and what of it the screen lets know.

use super::emulator::{Emulator, Input, Prompt};
use super::keys::Typed;

/// How shells ask for the rest of an unfinished line; before them may stand words that say what is open.
const CONTINUATIONS: &[&str] = &["> ", "? "];

/// The words that csh and zsh put there.
const OPEN: &[&str] = &[
    "foreach", "while", "if", "then", "else", "elif", "for", "until", "repeat", "select", "case", "function", "quote",
    "dquote", "bquote", "heredoc", "heredocd", "pipe", "cmdand", "cmdor", "cmdsubst", "subsh", "cursh", "array",
    "math",
];

/// What of a line the screen lets know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing stands there: the line is empty, or was typed with echo off.
    Nothing,
    /// This text.
    Text(String),
    /// Something, or it cannot be told.
    Unknown,
}

/// A line in the making.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// What it began after; `None` where that was no prompt.
    prompt: Option<Prompt>,
    /// It is only a part of what will run.
    is_part: bool,
    disturbed: bool,
    pub(super) typed: Typed,
}

impl Entry {
    /// A line that begins after `prompt`; `usual` is the prompt of the session's first line. A shell that fetches a line by
    /// itself shows it behind its prompt: where that is the usual one, they can be told apart.
    pub(super) fn new(prompt: Option<Prompt>, usual: Option<&Prompt>, is_fetched: bool) -> Self {
        let stands_already = |usual: &&Prompt| prompt.as_ref().is_some_and(|prompt| prompt.goes_on_from(usual));
        let mut entry = match usual.filter(stands_already) {
            Some(usual) => Self::after(Some(usual.clone()), None),
            None if is_fetched => Self::after(None, None),
            None => return Self::after(prompt, usual),
        };
        entry.typed.lose_count();
        entry
    }

    fn after(prompt: Option<Prompt>, usual: Option<&Prompt>) -> Self {
        let is_part = prompt
            .as_ref()
            .is_some_and(|prompt| usual.is_some_and(|usual| usual != prompt) && is_continuation(prompt.text()));
        Self {
            prompt,
            is_part,
            ..Self::default()
        }
    }

    /// What it began after.
    pub(super) fn prompt(&self) -> Option<&Prompt> {
        self.prompt.as_ref()
    }

    /// A paste of several lines went into it: what stands before the cursor is only its last.
    pub(super) fn becomes_part(&mut self) {
        self.is_part = true;
    }

    /// Something happened that could make the screen show something else than what was typed: output that no key had asked
    /// for, a move by tab stops, another size. Only the count of the keys can make up for it.
    pub(super) fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// Whether the screen shows, key for key, as much as was typed.
    pub(super) fn is_complete_on(&self, screen: &Emulator) -> bool {
        let shown = || self.shown_on(screen).map(|input| input.text.chars().count());
        self.typed.only_added()
            && self
                .typed
                .columns()
                .is_some_and(|typed| typed > 0 && shown() == Some(typed))
    }

    /// Reads it off a screen that shows all of it. `silent` says that nothing came back since it began.
    pub(super) fn read(&self, screen: &Emulator, silent: bool) -> Reading {
        match self.shown_on(screen) {
            Some(input) if input.text.trim().is_empty() && self.may_be_nothing() => Reading::Nothing,
            Some(input) if !self.is_part && self.vouches_for(&input) => Reading::Text(input.text),
            None if self.prompt.is_none() && (silent && self.typed.columns().is_some() || self.typed.is_nothing()) => {
                Reading::Nothing
            }
            _ => Reading::Unknown,
        }
    }

    /// The rest of a longer line is none only where no key came, for its echo may stand elsewhere.
    fn may_be_nothing(&self) -> bool {
        !self.is_part || self.typed.is_nothing()
    }

    fn shown_on(&self, screen: &Emulator) -> Option<Input> {
        screen.input(self.prompt.as_ref()?)
    }

    /// Whether the shell will take the text for what it looks like.
    fn vouches_for(&self, Input { text, may_be_cut }: &Input) -> bool {
        let undisturbed = match self.typed.columns() {
            Some(typed) => typed == text.chars().count(),
            None => !self.disturbed && !may_be_cut && !has_caret_notation(text),
        };
        undisturbed && !expands_history(text)
    }
}

fn is_continuation(prompt: &str) -> bool {
    let open = CONTINUATIONS.iter().find_map(|end| prompt.strip_suffix(end));
    open.is_some_and(|words| words.split_whitespace().all(|word| OPEN.contains(&word)))
}

/// Whether there is a control character as terminals spell it, `^C`; or what looks like one.
fn has_caret_notation(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).any(|pair| matches!(pair, [b'^', b'?'..=b'_']))
}

/// Whether a shell with a history may run something else: `!!`, `!x`, `^a^b`. The quotes that prevent it differ by shell.
fn expands_history(text: &str) -> bool {
    let mut after_marks = text.split('!').skip(1);
    let plain = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t', '=', '(']);
    text.starts_with('^') || !after_marks.all(plain) || text.contains("!!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_history_would_change_is_told_from_what_it_would_not() {
        for text in ["!!", "!ls", "sudo !!", "^a^b", "echo !$", "echo 'hi!there'"] {
            assert!(expands_history(text), "{text}");
        }
        for text in ["echo hi!", "[ ! -f x ]", "[ a != b ]", "! true", "a^b"] {
            assert!(!expands_history(text), "{text}");
        }
    }

    #[test]
    fn prompts_for_the_rest_of_a_line_are_known_by_their_words() {
        for prompt in ["> ", "? ", "foreach? ", "for> ", "cmdsubst quote> "] {
            assert!(is_continuation(prompt), "{prompt}");
        }
        for prompt in ["$ ", "mysql> ", "rm: remove 'x'? ", ">>> ", "user@host> "] {
            assert!(!is_continuation(prompt), "{prompt}");
        }
    }

    #[test]
    fn control_characters_as_terminals_spell_them() {
        assert!(has_caret_notation("^[[A") && has_caret_notation("x^C") && has_caret_notation("^?"));
        assert!(!has_caret_notation("grep ^a") && !has_caret_notation("2^10"));
    }
}
