//! What is no answer: what was typed before the question was there, and what terminals say of themselves.

use std::collections::BTreeSet;

/// A word that could be taken for a yes, or a code that could be guessed.
const WORDS: [&str; 16] = [
    "y",
    "Y",
    "yes",
    "YES",
    "Yes",
    " y ",
    "y\t",
    "true",
    "1",
    "run",
    "confirm",
    "7K3QXM",
    "000000",
    "confirm 7K3QXM",
    "ye",
    "",
];

/// What ends a line.
const ENDS: [&str; 6] = ["\r", "\n", "\r\n", "\r\r", "\r\ny\r", "\ry\r\n"];

/// A word and the end of its line, as somebody or something may type them ahead.
fn typed(word: &str, end: &str) -> Vec<String> {
    let letters = |form: fn(u32) -> String| word.chars().map(|letter| form(u32::from(letter))).collect::<String>();
    vec![
        format!("{word}{end}"),
        format!("{word}{end}").repeat(20),
        format!("echo one{end}echo two{end}{word}{end}"),
        format!("nope\u{15}{word}{end}"),
        format!("no\u{7f}\u{7f}{word}{end}"),
        format!("\u{8}\u{8}\0{word}{end}"),
        // A paste, with its marks and with only one of them.
        format!("\u{1b}[200~{word}{end}\u{1b}[201~"),
        format!("\u{1b}[200~{word}{end}\u{1b}[201~{word}{end}"),
        format!("{word}\u{1b}[201~{end}"),
        // Keys as the protocols of kitty and of xterm write them, with an Enter of each.
        format!("{}\u{1b}[13u", letters(|letter| format!("\u{1b}[{letter}u"))),
        format!(
            "{}\u{1b}[13;1:1u{end}",
            letters(|letter| format!("\u{1b}[{letter};1:1u\u{1b}[{letter};1:3u"))
        ),
        format!(
            "{}\u{1b}[27;1;13~{end}",
            letters(|letter| format!("\u{1b}[27;1;{letter}~"))
        ),
        format!(
            "{}{end}",
            letters(|letter| format!("\u{1b}{}", char::from_u32(letter).unwrap_or_default()))
        ),
    ]
}

/// Answers that are typed before the question is drawn: each another one. None has a key that interrupts.
pub(super) fn pre_typed() -> Vec<Vec<u8>> {
    let all: BTreeSet<String> = WORDS
        .iter()
        .flat_map(|word| ENDS.iter().flat_map(|end| typed(word, end)))
        .collect();
    all.into_iter().map(String::into_bytes).collect()
}

/// What a target may have put into a terminal, to have it said back.
const PAYLOADS: [&str; 8] = [
    "y",
    "yes",
    "y\r",
    "yes\r",
    "\ry\r",
    "\u{15}yes\r",
    "7K3QXM\r",
    "rgb:ffff/yyyy/0000",
];

/// Replies that carry what a target chose: the introducer, and what stands before it.
const STRINGS: [(char, &str); 14] = [
    (']', "l"), // The title (CSI 21 t), and the icon's (CSI 20 t).
    (']', "L"),
    (']', "10;"), // Colours.
    (']', "11;"),
    (']', "4;1;"),
    (']', "52;c;"), // The clipboard.
    (']', "50;"),   // The font.
    (']', "1337;ReportCellSize="),
    ('P', "1$r"),      // Settings (DECRQSS).
    ('P', "1+r544e="), // Capabilities (XTGETTCAP).
    ('P', ">|"),       // The version (XTVERSION), and the unit (DA3).
    ('P', "!|"),
    ('_', "Gi=1;"), // Images.
    ('^', ""),
];

/// Replies of numbers.
const NUMBERS: [&str; 14] = [
    "?64;1;2;6;22c",
    ">41;354;0c",
    "?1;2c",
    "0n",
    "?13n",
    "?2004;1$y",
    "?1;0$y",
    "?1u",
    "?62u",
    "8;24;80t",
    "4;480;640t",
    "I",
    "O",
    "3;1;1t",
];

/// The spelling of a control in seven bits, and those in eight: as a byte, and as a character of UTF-8.
fn spellings(introducer: char) -> [Vec<u8>; 3] {
    let seven = u8::try_from(u32::from(introducer)).unwrap();
    let eight = seven + 0x40;
    [vec![0x1b, seven], vec![eight], vec![0xc2, eight]]
}

/// What terminals answer by themselves: each another one.
pub(super) fn replies() -> Vec<Vec<u8>> {
    let mut all = BTreeSet::new();
    for (introducer, before) in STRINGS {
        for payload in PAYLOADS {
            let said = [before, payload].concat();
            let [seven, ..] = spellings(introducer);
            all.insert([&seven, said.as_bytes(), b"\x07"].concat());
            for (begin, end) in spellings(introducer).into_iter().zip(spellings('\\')) {
                all.insert([&begin, said.as_bytes(), &end].concat());
            }
        }
    }
    for begin in spellings('[') {
        for numbers in NUMBERS {
            all.insert([&begin, numbers.as_bytes()].concat());
        }
        for row in 1..=20 {
            all.insert([begin.as_slice(), format!("{row};121R").as_bytes()].concat());
            all.insert([begin.as_slice(), format!("?{row};121;1R").as_bytes()].concat());
            all.insert([begin.as_slice(), format!("<0;121;{row}M").as_bytes()].concat());
            all.insert([begin.as_slice(), format!("32;121;{row}M").as_bytes()].concat());
        }
        // The mouse as X10 has it: three characters, which may spell anything that can be seen.
        for characters in ["yes", "YES", "y!!", " y!", "  y", "!!y", "yyy", "\u{e9}y!"] {
            all.insert([begin.as_slice(), b"M", characters.as_bytes()].concat());
        }
    }
    // VT52, and what answers an ENQ where people leave it as it is delivered.
    for other in [
        "\u{1b}/Z",
        "\u{1b}Oy",
        "\u{1b}Ny",
        "PuTTY",
        "SecureCRT",
        "xterm-256color",
        "VT102",
    ] {
        all.insert(other.as_bytes().to_vec());
    }
    all.into_iter().collect()
}

#[test]
fn there_are_a_thousand_of_each() {
    assert!(pre_typed().len() >= 1000, "{}", pre_typed().len());
    assert!(replies().len() >= 700, "{}", replies().len());
}
