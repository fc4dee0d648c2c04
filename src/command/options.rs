//! Options among the arguments of a command.

use super::Word;

/// The letters of a cluster of short options (`-lc`), with what may follow as a value in the same word.
pub(super) fn cluster(word: &str) -> Option<&str> {
    word.strip_prefix('-')
        .filter(|letters| !letters.is_empty() && !letters.starts_with('-'))
}

/// Whether a cluster has one of `flags` before one of `values`, whose value would be the rest.
pub(super) fn has_flag(arguments: &[Word], flags: &str, values: &str) -> bool {
    arguments.iter().filter_map(|word| cluster(&word.text)).any(|letters| {
        let known = letters.find(|letter| flags.contains(letter) || values.contains(letter));
        known
            .and_then(|at| letters.get(at..))
            .is_some_and(|rest| rest.starts_with(|letter| flags.contains(letter)))
    })
}

/// Whether the first letter of a cluster that takes a value finds it in the next word.
pub(super) fn takes_next(values: &str, letters: &str) -> bool {
    letters
        .find(|letter| values.contains(letter))
        .is_some_and(|position| position + 1 == letters.len())
}

/// The arguments before the first operand, where letters of `values` take a value: those of a wrapper itself.
pub(super) fn own_options<'a>(arguments: &'a [Word], values: &str) -> &'a [Word] {
    let mut end = 0;
    while let Some(letters) = arguments.get(end).and_then(|word| word.text.strip_prefix('-')) {
        if letters == "-" {
            break;
        }
        end += 1 + usize::from(!letters.starts_with('-') && takes_next(values, letters));
    }
    arguments.get(..end).unwrap_or(arguments)
}

/// Whether one of `names` stands among the arguments, as it is.
pub(super) fn names_any(arguments: &[Word], names: &[&str]) -> bool {
    arguments.iter().any(|word| names.contains(&word.text.as_str()))
}

/// The value of an option, the last that is given: `-a VALUE`, `-aVALUE`, `-ba VALUE`, `--args VALUE`, `--args=VALUE`, where
/// letters of `values` take one.
pub(super) fn value<'a>(arguments: &'a [Word], letter: char, long: &str, values: &str) -> Option<&'a str> {
    let attached = |word: &'a str| {
        let (_, value) = word.split_once('=').filter(|(name, _)| *name == long)?;
        Some(value)
    };
    let in_cluster = |word: &'a str| {
        let letters = cluster(word)?;
        let at = letters.find(|known| values.contains(known))?;
        letters.get(at..)?.strip_prefix(letter)
    };
    arguments.iter().enumerate().rev().find_map(|(index, word)| {
        let text = word.text.as_str();
        let value = attached(text).or_else(|| in_cluster(text));
        let is_next = text == long || value == Some("");
        let next = || arguments.get(index + 1).map(|word| word.text.as_str());
        if is_next { next() } else { value }
    })
}
