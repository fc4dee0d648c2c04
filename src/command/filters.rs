//! Filters, computed: programs that take parts of their input, or put it into another order.

use regex::Regex;

use super::decode::MAX_OUTPUT;

/// Longest script of sed or awk that is read, in bytes.
const MAX_SCRIPT: usize = 256;
/// Most scripts that one sed applies.
const MAX_SCRIPTS: usize = 32;

/// What a filter prints, given its input; `None` where it is none, or not of a kind that can be computed.
pub(super) fn run(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    match program {
        "head" => lines(arguments, input, |count, _| (0, count)),
        "tail" => lines(arguments, input, |count, all| (all.saturating_sub(count), count)),
        "tac" => Some(joined(input.lines().rev())),
        "sort" if arguments.is_empty() => {
            let mut sorted: Vec<&str> = input.lines().collect();
            sorted.sort_unstable();
            Some(joined(sorted.into_iter()))
        }
        "uniq" | "dd" | "pv" | "column" | "nl" if arguments.iter().all(|argument| is_harmless(argument)) => {
            Some(input.to_owned())
        }
        "fold" | "fmt" | "expand" | "unexpand" | "sponge" | "stdbuf" => Some(input.to_owned()),
        "cut" => cut(arguments, input),
        "awk" | "gawk" | "mawk" => awk(arguments, input),
        "sed" | "gsed" => sed(arguments, input),
        "grep" | "egrep" | "fgrep" => grep(arguments, input),
        "jq" => matches!(arguments, ["-r", "."] | ["-r"]).then(|| input.trim().trim_matches('"').to_owned()),
        _ => None,
    }
}

/// Operands of `dd` that say nothing of its input.
fn is_harmless(argument: &str) -> bool {
    argument.starts_with("bs=") || argument.starts_with("status=")
}

fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// `-n 2`, `-n2`, `-2`, `-1`: so many lines, from where `place` says.
fn lines(arguments: &[&str], input: &str, place: impl Fn(usize, usize) -> (usize, usize)) -> Option<String> {
    let count = match arguments {
        [] => 10,
        ["-n" | "--lines", count] => count.parse().ok()?,
        [only] => {
            let digits = only.strip_prefix("-n").or_else(|| only.strip_prefix('-'))?;
            digits.strip_prefix("-lines=").unwrap_or(digits).parse().ok()?
        }
        _ => return None,
    };
    let (skipped, taken) = place(count, input.lines().count());
    Some(joined(input.lines().skip(skipped).take(taken)))
}

/// `cut -d: -f2` and `cut -c3-`, for one range.
fn cut(arguments: &[&str], input: &str) -> Option<String> {
    let delimiter = option(arguments, "-d").map_or('\t', |text| text.chars().next().unwrap_or('\t'));
    let (list, by_character) = match (
        option(arguments, "-f"),
        option(arguments, "-c").or(option(arguments, "-b")),
    ) {
        (Some(list), None) => (list, false),
        (None, Some(list)) => (list, true),
        _ => return None,
    };
    let (from, to) = range(list)?;
    let line = |line: &str| -> String {
        if by_character {
            return line.chars().skip(from - 1).take(to.saturating_sub(from - 1)).collect();
        }
        let fields: Vec<&str> = line
            .split(delimiter)
            .skip(from - 1)
            .take(to.saturating_sub(from - 1))
            .collect();
        fields.join(&delimiter.to_string())
    };
    Some(
        input
            .lines()
            .map(line)
            .fold(String::new(), |text, line| text + &line + "\n"),
    )
}

/// The value of a short option, in its own word or the next.
fn option<'a>(arguments: &[&'a str], name: &str) -> Option<&'a str> {
    let position = arguments.iter().position(|argument| argument.starts_with(name))?;
    let attached = arguments
        .get(position)?
        .strip_prefix(name)
        .filter(|value| !value.is_empty());
    attached.or_else(|| arguments.get(position + 1).copied())
}

/// `2`, `2-`, `-3`, `2-3`, from one.
fn range(list: &str) -> Option<(usize, usize)> {
    let number = |text: &str, otherwise| {
        if text.is_empty() {
            Some(otherwise)
        } else {
            text.parse().ok().filter(|number: &usize| *number > 0)
        }
    };
    match list.split_once('-') {
        Some((from, to)) => Some((number(from, 1)?, number(to, usize::MAX)?)),
        None => number(list, 1).map(|place| (place, place)),
    }
}

/// `awk '{print $2}'`, with or without `-F`.
fn awk(arguments: &[&str], input: &str) -> Option<String> {
    let separator = option(arguments, "-F");
    let script = arguments.last()?.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let what = script.strip_prefix("print")?.trim().trim_end_matches(';');
    let field = if what.is_empty() {
        0
    } else {
        what.strip_prefix('$')?.parse::<usize>().ok()?
    };
    let line = |line: &str| -> String {
        let fields: Vec<&str> = match separator {
            Some(separator) => line.split(separator).collect(),
            None => line.split_whitespace().collect(),
        };
        match field.checked_sub(1) {
            None => line.to_owned(),
            Some(index) => fields.get(index).copied().unwrap_or_default().to_owned(),
        }
    };
    Some(
        input
            .lines()
            .map(line)
            .fold(String::new(), |text, line| text + &line + "\n"),
    )
}

/// `sed s/x/y/g`, one script after the other, for expressions that are the same to us.
fn sed(arguments: &[&str], input: &str) -> Option<String> {
    let scripts = arguments
        .iter()
        .filter(|argument| !matches!(**argument, "-e" | "-E" | "-r"));
    let scripts: Vec<&str> = scripts.flat_map(|script| script.split(';')).collect();
    if scripts.len() > MAX_SCRIPTS {
        return None;
    }
    let mut text = input.to_owned();
    for script in scripts {
        text = substituted(script.trim(), &text).filter(|text| text.len() <= MAX_OUTPUT)?;
    }
    Some(text)
}

fn substituted(script: &str, input: &str) -> Option<String> {
    let rest = script.strip_prefix('s').filter(|_| script.len() <= MAX_SCRIPT)?;
    let delimiter = rest.chars().next()?;
    let parts: Vec<&str> = rest.split(delimiter).collect();
    let [_, pattern, replacement, flags] = parts.as_slice() else {
        return None;
    };
    // What basic and extended expressions agree on, and a replacement without references.
    let is_plain = !pattern.contains(['\\', '(', '{', '|', '+', '?']) && !replacement.contains(['\\', '&', '$']);
    if !is_plain || !flags.chars().all(|flag| flag == 'g') {
        return None;
    }
    let pattern = Regex::new(pattern).ok()?;
    let count = usize::from(!flags.contains('g'));
    let line = |line: &str| pattern.replacen(line, count, *replacement).into_owned();
    Some(
        input
            .lines()
            .map(line)
            .fold(String::new(), |text, line| text + &line + "\n"),
    )
}

/// `grep WORD`.
fn grep(arguments: &[&str], input: &str) -> Option<String> {
    let [pattern] = arguments else { return None };
    let is_plain = pattern
        .chars()
        .all(|character| character.is_alphanumeric() || " -_/.".contains(character));
    (is_plain && !pattern.starts_with('-')).then(|| joined(input.lines().filter(|line| line.contains(pattern))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_print_what_they_would() {
        for (program, arguments, input, output) in [
            ("head", &["-1"][..], "a\nb\n", "a\n"),
            ("head", &["-n", "2"], "a\nb\nc\n", "a\nb\n"),
            ("tail", &["-n1"], "a\nb\n", "b\n"),
            ("tac", &[], "a\nb\n", "b\na\n"),
            ("sort", &[], "b\na\n", "a\nb\n"),
            ("cut", &["-d:", "-f2"], "a:b:c\n", "b\n"),
            ("cut", &["-d", " ", "-f2-"], "x rm -rf /\n", "rm -rf /\n"),
            ("cut", &["-c4-5"], "abcrm!\n", "rm\n"),
            ("awk", &["{print $2}"], "x rm y\n", "rm\n"),
            ("awk", &["-F:", "{ print $1; }"], "rm:x\n", "rm\n"),
            ("sed", &["s/@//g"], "r@m\n", "rm\n"),
            ("sed", &["-e", "s|x|r|;s/y/m/"], "xy\n", "rm\n"),
            ("grep", &["rm"], "ls\nrm x\n", "rm x\n"),
            ("jq", &["-r", "."], "\"rm\"", "rm"),
        ] {
            assert_eq!(
                run(program, arguments, input).as_deref(),
                Some(output),
                "{program} {arguments:?}"
            );
        }
    }

    #[test]
    fn a_text_does_not_grow_beyond_bounds() {
        let grow = "s/x/xxxxxxxxxx/g";
        assert_eq!(run("sed", &[grow; 4], "x").map(|text| text.len()), Some(10_001));
        assert_eq!(run("sed", &[grow; 9], "x"), None);
        assert_eq!(run("sed", &["s/x/x/"; MAX_SCRIPTS + 1], "x"), None);
    }

    #[test]
    fn no_number_is_too_large() {
        let most = usize::MAX.to_string();
        for (program, arguments) in [
            ("head", vec!["-n", &most]),
            ("tail", vec!["-n", &most]),
            ("cut", vec!["-c", &most]),
            ("cut", vec!["-f", &most]),
            ("awk", vec!["{print $18446744073709551615}"]),
        ] {
            assert!(run(program, &arguments, "a\n").is_some(), "{program}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_not() {
        for (program, arguments) in [
            ("head", &["-c", "3"][..]),
            ("cut", &["-f0"]),
            ("awk", &["{system($1)}"]),
            ("sed", &["s/\\(a\\)/\\1/"]),
            ("sed", &["1d"]),
            ("grep", &["-v", "x"]),
            ("sort", &["-R"]),
            ("shuf", &[]),
        ] {
            assert_eq!(run(program, arguments, "a\n"), None, "{program} {arguments:?}");
        }
    }
}
