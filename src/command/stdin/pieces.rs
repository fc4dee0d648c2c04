//! A long text of another interpreter, in pieces that are judged one by one.

use std::borrow::Cow;
use std::ops::Range;

use super::Interpreted;
use crate::command::code::hints_in;
use crate::command::heredoc::is_special;

/// Longest text of another interpreter that is judged, in bytes.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

/// What one piece may cost to parse as a quoted word: see [`cost`].
const MAX_COST: usize = 54 * 1024;

/// Longest piece of operands, in bytes: no more of them than are taken from one input.
const MAX_OPERANDS: usize = 1024;

/// Words of lines that belong together wherever they stand: what is brought in, what is called, where to.
const MARKS: &[&str] = &[
    "import",
    "require",
    "socket",
    "connect",
    "dup2",
    "exec",
    "eval",
    "system",
    "popen",
    "subprocess",
    "child_process",
    "spawn",
    "pty",
    "decode",
    "urlopen",
    "rmtree",
    "unlink",
];

/// Longest line that is taken for one of those, in bytes.
const MAX_MARKED: usize = 512;

impl Interpreted {
    /// The command lines that would run `text`, piece by piece: one where it can be parsed as a whole.
    ///
    /// Pieces overlap by half, so that what is shorter than half a piece stands whole in one of them. Lines that belong
    /// together however far apart they stand are put together once more behind all others.
    pub fn command_lines<'a>(&'a self, text: Cow<'a, str>) -> impl Iterator<Item = String> + 'a {
        let room = if self.piped { MAX_OPERANDS } else { MAX_COST };
        let ranges = pieces(&text, room);
        let is_whole = ranges.len() == 1 || self.piped;
        let program = self.words.first().map_or("", String::as_str);
        let hints = if is_whole {
            String::new()
        } else {
            hints_in(program, &text)
        };
        let marked = if is_whole { String::new() } else { marked_lines(&text) };
        let marked_ranges = pieces(&marked, room);
        let marked_pieces = marked_ranges
            .into_iter()
            .filter(move |_| !is_whole)
            .map(move |range| cut(&marked, range));
        let all = ranges
            .into_iter()
            .map(move |range| cut(&text, range))
            .chain(marked_pieces);
        all.map(move |piece| self.command_line(&format!("{hints}{piece}")))
    }
}

fn cut(text: &str, range: Range<usize>) -> String {
    text.get(range).unwrap_or_default().to_owned()
}

/// The short lines of a text that hold one of the marks.
fn marked_lines(text: &str) -> String {
    let is_marked = |line: &&str| line.len() <= MAX_MARKED && MARKS.iter().any(|mark| line.contains(mark));
    text.split_inclusive('\n').filter(is_marked).collect()
}

/// Where the pieces of a text stand, each from the middle of the one before.
fn pieces(text: &str, room: usize) -> Vec<Range<usize>> {
    let (mut found, mut start) = (Vec::new(), 0);
    loop {
        let rest = text.get(start..).unwrap_or_default();
        let end = piece_end(rest, room);
        found.push(start..start + end);
        if end == rest.len() {
            return found;
        }
        start += seam(rest, end / 4..end / 2);
    }
}

/// Where the first piece of a text ends: between words, where it has any.
fn piece_end(text: &str, room: usize) -> usize {
    let mut left = room;
    let mut characters = text.char_indices();
    let end = characters.find(|(_, character)| match left.checked_sub(cost(*character)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    end.map_or(text.len(), |(end, _)| seam(text, end / 2..end))
}

/// What a character costs in a quoted word: its length, or more where a grammar's work grows with it.
fn cost(character: char) -> usize {
    const SPECIAL: usize = 7;
    match character {
        '\'' => 4 * SPECIAL,
        character if u8::try_from(character).is_ok_and(is_special) => SPECIAL,
        character => character.len_utf8(),
    }
}

/// The last place in `window` behind a line, else behind what is no part of a word, else its end.
fn seam(text: &str, window: Range<usize>) -> usize {
    let mut window = window;
    while !text.is_char_boundary(window.start) {
        window.start -= 1;
    }
    while !text.is_char_boundary(window.end) {
        window.end -= 1;
    }
    let part = text.get(window.clone()).unwrap_or_default();
    let is_apart =
        |character: char| character.is_ascii() && !character.is_ascii_alphanumeric() && !"+/=_-".contains(character);
    let place = part.rfind('\n').or_else(|| part.rfind(is_apart));
    place.map_or(window.end, |place| window.start + place + 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{SimpleCommand, Stdin, parse, program_on_stdin};
    use crate::domain::Dialect;

    fn interpreted(command: &str) -> Interpreted {
        match program_on_stdin(&parse(command, Dialect::Bash)) {
            Some(Stdin::Text(interpreted)) => interpreted,
            other => panic!("{command} reads a text, not {other:?}"),
        }
    }

    /// A module as tools send them: a program with an archive in it, and more source behind.
    fn module(bytes: usize) -> String {
        let line = "    result['changed'] = module.params.get(\"state\", 'present') != (current or {}).get('state')\n";
        let archive = "UEsDBBQAAAAIAK1Xa0x4c2VjcmV0".repeat(bytes / 56);
        format!(
            "import json\nimport sys\n\nARCHIVE = \"\"\"{archive}\"\"\"\n\n{}",
            line.repeat(bytes / 2 / line.len())
        )
    }

    fn shows(text: &str, wanted: &[&str]) -> bool {
        let python = interpreted("python3 -");
        let runs = |command: &SimpleCommand| {
            command
                .words
                .iter()
                .map(|word| word.text.as_str())
                .eq(wanted.iter().copied())
        };
        let mut lines = python.command_lines(Cow::Borrowed(text));
        lines.any(|line| parse(&line, Dialect::Bash).commands.iter().any(runs))
    }

    #[test]
    fn a_short_text_is_one_line() {
        let python = interpreted("python3 -");
        for text in ["", "print(1)\n", "it's\n"] {
            let lines: Vec<String> = python.command_lines(Cow::Borrowed(text)).collect();
            assert_eq!(lines, [python.command_line(text)]);
        }
    }

    #[test]
    fn every_piece_of_a_long_text_is_understood() {
        let python = interpreted("python3 -");
        let text = module(200 * 1024);
        let lines: Vec<String> = python.command_lines(Cow::Borrowed(&text)).collect();
        assert!(lines.len() > 5);
        for line in lines {
            let script = parse(&line, Dialect::Bash);
            assert!(script.understood(), "{:?}", script.doubts);
        }
    }

    #[test]
    fn what_runs_is_found_wherever_it_stands() {
        let (call, text) = ("os.system(\"rm -rf /\")\n", module(200 * 1024));
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let seams = pieces(&text, MAX_COST)
            .into_iter()
            .flat_map(|piece| [piece.start, piece.end]);
        let places = seams
            .filter(|seam| starts.contains(seam))
            .chain(starts.iter().copied().step_by(401))
            .chain([text.len()]);
        for place in places {
            let mut hidden = text.clone();
            hidden.insert_str(place, call);
            assert!(shows(&hidden, &["rm", "-rf", "/"]), "at {place}");
        }
    }

    #[test]
    fn what_runs_is_found_behind_any_length() {
        for length in (0..2 * MAX_COST).step_by(4_999) {
            let text = format!(
                "x = '{}'\nos.system('rm -rf /')\n{}",
                "a".repeat(length),
                "y = 1\n".repeat(20_000)
            );
            assert!(shows(&text, &["rm", "-rf", "/"]), "{length}");
        }
    }

    #[test]
    fn what_is_brought_in_far_above_is_known() {
        let text = format!(
            "from subprocess import run\n{}run(['rm', '-rf', '/'])\n",
            "x = 1\n".repeat(30_000)
        );
        assert!(shows(&text, &["rm", "-rf", "/"]));
    }

    #[test]
    fn pieces_cover_a_text_and_fit() {
        for text in [
            "a".repeat(300_000),
            "'".repeat(20_000),
            "\u{e9}".repeat(100_000),
            "(\n".repeat(50_000),
            module(1024 * 1024),
        ] {
            let found = pieces(&text, MAX_COST);
            assert_eq!(found.first().map(|piece| piece.start), Some(0));
            assert_eq!(found.last().map(|piece| piece.end), Some(text.len()));
            assert!(
                found
                    .windows(2)
                    .all(|pair| pair[0].start < pair[1].start && pair[1].start < pair[0].end)
            );
            let cost_of = |piece: &Range<usize>| text[piece.clone()].chars().map(cost).sum::<usize>();
            assert!(found.iter().all(|piece| cost_of(piece) <= MAX_COST));
        }
    }

    #[test]
    fn operands_are_all_taken() {
        let xargs = interpreted("xargs rm -rf");
        let text = format!("{}/ {}", "a ".repeat(5_000), "b ".repeat(5_000));
        let mut lines = xargs.command_lines(Cow::Owned(text));
        let runs_root = |line: String| {
            let script = parse(&line, Dialect::Bash);
            assert!(script.understood(), "{:?}", script.doubts);
            script
                .commands
                .iter()
                .any(|command| command.words.iter().any(|word| word.text == "/"))
        };
        assert!(lines.any(runs_root));
    }
}
