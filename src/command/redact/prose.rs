//! Secrets out of what people write about commands: a command may stand anywhere in it, and a quote may be an apostrophe.

use super::programs::{Call, Place};
use super::{Edit, MASK, applied, in_order, mask_shapes, redact, secret_start};
use crate::command::{Word, parse};
use crate::domain::Dialect;

/// Words behind a program that are looked at; a sentence that goes on longer is not its command.
const MAX_ARGUMENTS: usize = 32;

/// `text` with what would be a secret of a command replaced by `[redacted]`, whichever word of it the command begins with.
#[must_use]
pub fn redact_prose(text: &str) -> String {
    let text = redact(&parse(text, Dialect::Bash));
    let edits = text.split_inclusive('\n').scan(0, |begin, line| {
        let words = words(line, *begin);
        *begin += line.len();
        Some(secrets(&words))
    });
    let edits = in_order(edits.flatten().collect());
    // Where an apostrophe made all the rest a quotation, the shell's reading has spared them.
    mask_shapes(&applied(&text, &edits)).into_owned()
}

/// The words of a line that begins at the byte `begin` of the text. What encloses them is no part of them.
fn words(line: &str, begin: usize) -> Vec<Word> {
    let encloses = |character: char| character.is_whitespace() || "'\"`()".contains(character);
    let mut at = begin;
    let words = line.split_inclusive(encloses).map(|piece| {
        let start = at;
        at += piece.len();
        let text = piece.trim_end_matches(encloses);
        Word {
            span: start..start + text.len(),
            ..Word::computed(text.to_owned())
        }
    });
    words.filter(|word| !word.text.is_empty()).collect()
}

fn secrets(words: &[Word]) -> Vec<Edit> {
    let calls = (0..words.len()).filter_map(|first| {
        let end = words.len().min(first + 1 + MAX_ARGUMENTS);
        words.get(first..end)?.split_first()
    });
    calls
        .flat_map(|(program, arguments)| of_call(program, arguments))
        .collect()
}

/// The secrets of a call, if it is one.
fn of_call(program: &Word, arguments: &[Word]) -> Vec<Edit> {
    let name = program.text.rsplit('/').next().unwrap_or_default();
    let call = Call::of(name, arguments);
    let befores = std::iter::once(program).chain(arguments);
    let mut edits = Vec::new();
    for (index, (before, word)) in befores.zip(arguments).enumerate() {
        let place = Place {
            before: &before.text,
            is_last: index + 1 == arguments.len(),
        };
        let secret = secret_start(&call, &place, &word.text).filter(|_| !word.text.contains(MASK));
        edits.extend(secret.map(|start| Edit {
            span: word.span.start + start..word.span.end,
            masked: MASK.to_owned(),
        }));
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_its_command_stands() {
        for (text, kept) in [
            ("mysql -phunter2 shop", "mysql -p[redacted] shop"),
            ("I ran mysql -phunter2 shop", "I ran mysql -p[redacted] shop"),
            (
                "I don't think `mysql -phunter2` did it",
                "I don't think `mysql -p[redacted]` did it",
            ),
            (
                "well (/usr/bin/curl -u me:hunter2 x) it's bad",
                "well (/usr/bin/curl -u me:[redacted] x) it's bad",
            ),
            (
                "see #7: sshpass -p hunter2 ssh db",
                "see #7: sshpass -p [redacted] ssh db",
            ),
            (
                "don't pass --password hunter2 again",
                "don't pass --password [redacted] again",
            ),
            (
                "first\nthat's redis-cli -a hunter2\nlast",
                "first\nthat's redis-cli -a [redacted]\nlast",
            ),
            (
                "isn't https://me:hunter2@host wrong",
                "isn't https://me:[redacted]@host wrong",
            ),
        ] {
            assert_eq!(redact_prose(text), kept, "{text:?}");
        }
    }

    #[test]
    fn ordinary_sentences_stay_as_they_are() {
        for text in [
            "",
            "it took nginx down for 5 minutes; I'd not do it again",
            "was fine (see ticket #123), the password prompt came as usual",
            "rm -p and -u are no options of rm, \"really\" & truly $5 > $3",
            "日本 'ü",
        ] {
            assert_eq!(redact_prose(text), text, "{text:?}");
        }
    }

    #[test]
    fn what_is_long_costs_little() {
        let text = "mysql -p$( ' \" ".repeat(150);
        assert!(redact_prose(&text).len() >= text.len());
    }
}
