//! Untrusted text made safe to show: the one place where it happens.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes everything in `text` that could act on a terminal, a log or a reader's eyes, but for newline and tab.
///
/// C0 and C1 controls, DEL, bidirectional overrides and isolates, zero-width and other invisible format characters,
/// and line and paragraph separators become `\x..` or `\u{..}`. What is left is printable.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |character| matches!(character, '\n' | '\t'), spell)
}

/// As [`printable`], and newline, carriage return and tab are written as `\n`, `\r`, `\t`: always a single line.
#[must_use]
pub fn printable_line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false, spell)
}

/// As [`printable`], for JSON, whose values stay what they are: what acts is written as `\u....`.
///
/// Outside of strings JSON is plain ASCII, so what acts stands inside of one. A serializer escapes only what JSON demands.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escape(json, |character| character == '\n', spell_in_json)
}

fn escape(text: &str, keep: impl Fn(char) -> bool, spell: fn(char, &mut String)) -> Cow<'_, str> {
    if !text.chars().any(|character| acts(character) && !keep(character)) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if keep(character) || !acts(character) {
            escaped.push(character);
        } else {
            spell(character, &mut escaped);
        }
    }
    Cow::Owned(escaped)
}

fn spell(character: char, escaped: &mut String) {
    match character {
        '\n' => escaped.push_str("\\n"),
        '\r' => escaped.push_str("\\r"),
        '\t' => escaped.push_str("\\t"),
        low if (low as u32) < 0x100 => write!(escaped, "\\x{:02x}", low as u32).unwrap_or_default(),
        other => write!(escaped, "\\u{{{:x}}}", other as u32).unwrap_or_default(),
    }
}

fn spell_in_json(character: char, escaped: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        write!(escaped, "\\u{unit:04x}").unwrap_or_default();
    }
}

/// Whether a character does something other than being seen.
#[must_use]
pub fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character as u32,
            0x00ad                   // soft hyphen
            | 0x034f                 // combining grapheme joiner
            | 0x061c                 // Arabic letter mark
            | 0x070f                 // Syriac abbreviation mark
            | 0x115f | 0x1160 | 0x3164 | 0xffa0 // Hangul fillers: blank letters
            | 0x17b4 | 0x17b5        // Khmer inherent vowels: invisible
            | 0x180b..=0x180f        // Mongolian selectors
            | 0x200b..=0x200f        // zero width, direction marks
            | 0x2028..=0x202e        // separators, embeddings, overrides
            | 0x2060..=0x206f        // joiners, isolates, deprecated format characters
            | 0xfe00..=0xfe0f        // variation selectors
            | 0xfeff                 // byte order mark
            | 0xfff0..=0xfffb        // interlinear annotation and specials
            | 0x13430..=0x1343f      // Egyptian format controls
            | 0x1bca0..=0x1bca3      // shorthand format controls
            | 0x1d173..=0x1d17a      // musical format controls
            | 0xe0000..=0xe0fff      // tags and selectors
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(printable("rm -rf ./büild 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn controls_and_overrides_are_spelled_out() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\x1b[2Jb");
        assert_eq!(printable("a\u{9b}2J"), "a\\x9b2J");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(printable("a\u{200b}b"), "a\\u{200b}b");
    }

    #[test]
    fn only_the_line_form_escapes_newlines() {
        assert_eq!(printable("a\nb\tc"), "a\nb\tc");
        assert_eq!(printable_line("a\nb\tc\r"), "a\\nb\\tc\\r");
    }
    #[test]
    fn json_keeps_its_values() {
        let hostile = "\u{1b}[2J \u{9b}2J \u{7f} \u{202e} \u{e0041} \0 \n \t ü 日本 \u{1f600}";
        let json = serde_json::to_string_pretty(&[hostile]).unwrap();
        let shown = printable_json(&json);
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [hostile]);
        assert!(
            !shown.chars().any(|character| acts(character) && character != '\n'),
            "{shown:?}"
        );
        assert!(shown.contains("ü 日本 \u{1f600}"), "what is printable stays readable");
    }
}
