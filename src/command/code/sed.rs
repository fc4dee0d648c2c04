//! Whether a script of sed runs commands: by `e`, or by the flag `e` of `s`.

/// Whether a shell is given anything by this script. One that is not well formed may say yes.
pub(super) fn runs_commands(script: &str) -> bool {
    let mut rest = script;
    while let Some(command) = rest.chars().next() {
        let after = without_first(rest);
        rest = match command {
            'e' => return true,
            's' => {
                let flags = after_part(after_pattern(after), after.chars().next());
                let end = flags.find([';', '}', '\n', '#', 'w']).unwrap_or(flags.len());
                let (flags, after) = flags.split_at_checked(end).unwrap_or_default();
                if flags.contains('e') {
                    return true;
                }
                if after.starts_with('w') {
                    next_line(after)
                } else {
                    after
                }
            }
            'y' => after_part(
                after_part(without_first(after), after.chars().next()),
                after.chars().next(),
            ),
            '/' => after_pattern(rest),
            '\\' => after_pattern(after),
            'a' | 'i' | 'c' => after_text(after),
            'r' | 'R' | 'w' | 'W' | '#' => next_line(after),
            'b' | 't' | 'T' | ':' => after
                .find([';', '}', '\n'])
                .and_then(|end| after.get(end..))
                .unwrap_or_default(),
            // Addresses, blocks, and commands of one letter.
            _ => after,
        };
    }
    false
}

/// What follows a pattern with its delimiters; within brackets, a delimiter is none.
fn after_pattern(text: &str) -> &str {
    let Some(delimiter) = text.chars().next() else {
        return text;
    };
    let (mut rest, mut in_brackets) = (without_first(text), false);
    while let Some(character) = rest.chars().next() {
        let after = without_first(rest);
        rest = match character {
            '[' if !in_brackets => {
                in_brackets = true;
                let after = after.strip_prefix('^').unwrap_or(after);
                after.strip_prefix(']').unwrap_or(after)
            }
            ']' => {
                in_brackets = false;
                after
            }
            _ if in_brackets => after,
            '\\' => without_first(after),
            _ if character == delimiter => return after,
            _ => after,
        };
    }
    ""
}

/// What follows a text up to `delimiter`.
fn after_part(text: &str, delimiter: Option<char>) -> &str {
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = without_first(rest);
        rest = match character {
            '\\' => without_first(after),
            _ if Some(character) == delimiter => return after,
            _ => after,
        };
    }
    ""
}

fn without_first(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.as_str()
}

/// What follows a text, which goes on where its line ends in a backslash.
fn after_text(text: &str) -> &str {
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        if !line.ends_with('\\') {
            return rest;
        }
    }
    ""
}

fn next_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, after)| after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_runs_commands_by_e_only() {
        for script in [
            "e",
            "1e",
            "1,5e",
            "/x/e",
            "$!e",
            "e date",
            "p;e",
            "{e}",
            "{\ne\n}",
            "s/.*/&/e",
            "s/x/y/2e",
            "s|.*|&|pe",
            "s,x,y,e;p",
            "s/a\\/b/c/e",
            "s/[/]/w/e",
            "s/[]/]/w/e",
            "/[/]w/e",
            "y/e/x/;e",
            "\\,x,e",
            "a text\\\nmore\ne",
            "b;e",
            "s/x/y/w f\ne",
        ] {
            assert!(runs_commands(script), "{script}");
        }
        for script in [
            "",
            "p",
            "s/e/e/",
            "s/e/e/g;s,e,e,2p",
            "/e/d",
            "/e/!s/x/e/",
            "\\,e,d",
            "y/e/e/",
            "a e",
            "i\\\ne",
            "w e",
            "r e.txt",
            "be;:e",
            "# e",
            "s/x/y/w e",
            "$d",
            "1,/e/p",
            "s/a\\/e/e/",
        ] {
            assert!(!runs_commands(script), "{script}");
        }
    }
}
