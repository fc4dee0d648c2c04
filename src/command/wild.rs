//! A shell's patterns: `*`, `?` and `[...]`.

/// Whether `pattern` stands for all of `text`. Its work is at most the product of their lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where the last `*` was met, to try again with one more character given to it.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            retry = Some((rest, text));
            pattern = rest;
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        if let Some((rest_of_pattern, rest_of_text)) = one(pattern, text) {
            (pattern, text) = (rest_of_pattern, rest_of_text);
            continue;
        }
        let Some((after_star, from)) = retry else { return false };
        let mut characters = from.chars();
        if characters.next().is_none() {
            return false;
        }
        (pattern, text) = (after_star, characters.as_str());
        retry = Some((after_star, text));
    }
}

/// What is left of both after one character.
fn one<'a>(pattern: &'a str, text: &'a str) -> Option<(&'a str, &'a str)> {
    let mut characters = text.chars();
    let character = characters.next()?;
    let (first, rest) = split_first(pattern)?;
    let rest = match first {
        '?' => rest,
        '[' => match bracket(rest, character) {
            Some((holds, rest)) => holds.then_some(rest)?,
            None => (character == '[').then_some(rest)?,
        },
        '\\' => {
            let (escaped, rest) = split_first(rest)?;
            (escaped == character).then_some(rest)?
        }
        plain => (plain == character).then_some(rest)?,
    };
    Some((rest, characters.as_str()))
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut characters = text.chars();
    Some((characters.next()?, characters.as_str()))
}

/// Whether `[...]` holds for a character, and what follows it; `None` where no bracket closes it.
fn bracket(inside: &str, character: char) -> Option<(bool, &str)> {
    let negated = inside.starts_with(['!', '^']);
    let set = inside.get(usize::from(negated)..)?;
    let end = set.char_indices().skip(1).find(|(_, found)| *found == ']')?.0;
    let (set, rest) = set.split_at_checked(end)?;
    let members: Vec<char> = set.chars().collect();
    let in_range = members
        .windows(3)
        .any(|range| matches!(range, [from, '-', to] if (*from..=*to).contains(&character)));
    Some((
        (in_range || members.contains(&character)) != negated,
        rest.get(1..).unwrap_or_default(),
    ))
}

/// Length of the shortest or longest start of `text` that `pattern` stands for.
pub(super) fn prefix(text: &str, pattern: &str, longest: bool) -> Option<usize> {
    let mut ends = boundaries(text);
    let fits = |end: &usize| text.get(..*end).is_some_and(|start| matches(pattern, start));
    if longest { ends.rfind(fits) } else { ends.find(fits) }
}

/// Start of the shortest or longest end of `text` that `pattern` stands for.
pub(super) fn suffix(text: &str, pattern: &str, longest: bool) -> Option<usize> {
    let mut starts = boundaries(text);
    let fits = |start: &usize| text.get(*start..).is_some_and(|end| matches(pattern, end));
    if longest { starts.find(fits) } else { starts.rfind(fits) }
}

fn boundaries(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    (0..=text.len()).filter(|at| text.is_char_boundary(*at))
}

/// Replaces the first, or every, part of `text` that `pattern` stands for.
pub(super) fn replace(text: &str, pattern: &str, by: &str, all: bool) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    let mut is_done = false;
    while let Some(character) = rest.chars().next() {
        let found = if is_done {
            None
        } else {
            prefix(rest, pattern, true).filter(|length| *length > 0)
        };
        if let Some(length) = found {
            replaced.push_str(by);
            rest = rest.get(length..).unwrap_or_default();
            is_done = !all;
        } else {
            replaced.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_what_a_shell_says() {
        for (pattern, text) in [
            ("*", ""),
            ("r?", "rm"),
            ("r[lm]", "rm"),
            ("[a-z][!a-l]", "rm"),
            ("*.t*r", "x.tar"),
            ("a*b*c", "aXbYbZc"),
            ("[", "["),
            ("\\*", "*"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("r?", "r"), ("[!r]m", "rm"), ("a*b", "abc"), ("\\*", "x")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn ends_are_the_shortest_or_the_longest() {
        assert_eq!(prefix("a.b.c", "*.", false), Some(2));
        assert_eq!(prefix("a.b.c", "*.", true), Some(4));
        assert_eq!(suffix("a.b.c", ".*", false), Some(3));
        assert_eq!(suffix("a.b.c", ".*", true), Some(1));
        assert_eq!(replace("xaxbx", "x", "-", true), "-a-b-");
        assert_eq!(replace("xaxbx", "x", "", false), "axbx");
    }
}
