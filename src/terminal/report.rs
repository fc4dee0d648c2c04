//! What the hook reports, parsed from its marks.

use super::marks::Mark;

/// The longest challenge, in bytes.
const MAX_CHALLENGE: usize = 512;

/// One report of the hook.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// `D`: a prompt is about to show.
    Prompt(Prompted),
    /// `B`: the prompt has been drawn.
    PromptDrawn,
    /// `P`: the shell wants more of the same line.
    Continuation,
    /// `G`: the shell asks whether it may run a line, and waits.
    Ask(Ask),
    /// `T`: a part of the type-ahead that the waiting shell swallowed.
    Strays { id: String, bytes: Vec<u8> },
    /// `V`: the shell has taken its answer.
    Taken { id: String, run: bool, strays: Vec<u8> },
    /// `U`: a line ran that was not asked about.
    Unasked(Vec<u8>),
    /// `H`: whether what the shell writes now is an after-effect of the refusal, of no interest to the user.
    Hide(bool),
    /// `S`: a shell at its prompt has made the terminal silent and gives back what was typed ahead.
    Barrier(Barrier),
    /// `Q`: all of it is given back, and the terminal is as it was.
    Drained { id: String },
}

/// The end of what ran before, as far as the shell knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prompted {
    pub(super) seq: u64,
    pub(super) exit_code: Option<i32>,
    pub(super) cwd: Vec<u8>,
    pub(super) pipe_status: Vec<i32>,
}

/// How the terminal is set where a shell edits its next line, and by what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Barrier {
    pub(super) seq: u64,
    /// What `stty -g` says.
    pub(super) settings: Vec<u8>,
    /// The shell's program file, without its directory; empty where it could not be found out.
    pub(super) program: Vec<u8>,
    /// The shell's `$-`.
    pub(super) flags: Vec<u8>,
}

/// A question of the shell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    /// `seq.challenge`, which the answer repeats.
    pub(super) id: String,
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) line: Vec<u8>,
    pub(super) cwd: Vec<u8>,
    pub(super) aliases: Vec<(String, String)>,
}

/// Where the text of a question comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The line as the shell read it.
    Line,
    /// A command that a key or an editor started, as the shell prints it.
    Bound,
    /// The shell cannot tell.
    Unknown,
}

impl Report {
    /// `None` for a mark that the hook does not write.
    pub(super) fn parse(mark: &Mark<'_>) -> Option<Self> {
        let fields: Vec<_> = mark.fields().collect();
        let fields: Vec<&[u8]> = fields.iter().map(AsRef::as_ref).collect();
        match *fields.as_slice() {
            [b"D", seq, exit, cwd, pipe] => Some(Self::Prompt(Prompted {
                seq: number(seq)?,
                exit_code: number(exit),
                cwd: cwd.to_vec(),
                pipe_status: pipe.split(|byte| *byte == b' ').filter_map(number).collect(),
            })),
            [b"B"] => Some(Self::PromptDrawn),
            [b"P"] => Some(Self::Continuation),
            [b"G", id, kind, length, line, cwd, aliases] => {
                ask(id, kind, number(length)?, line, cwd, aliases).map(Self::Ask)
            }
            [b"T", id, bytes] => Some(Self::Strays {
                id: text(id),
                bytes: bytes.to_vec(),
            }),
            [b"V", id, verdict @ (b"y" | b"n"), strays] => Some(Self::Taken {
                id: text(id),
                run: verdict == b"y",
                strays: strays.to_vec(),
            }),
            [b"S", seq, settings, program, flags] => Some(Self::Barrier(Barrier {
                seq: number(seq)?,
                settings: settings.to_vec(),
                program: program.to_vec(),
                flags: flags.to_vec(),
            })),
            [b"Q", id] => Some(Self::Drained { id: text(id) }),
            [b"U", line] => Some(Self::Unasked(line.to_vec())),
            [b"H", hide @ (b"1" | b"0")] => Some(Self::Hide(hide == b"1")),
            _ => None,
        }
    }
}

/// A line whose length is not what the shell says was garbled on its way: it is unknown.
fn ask(id: &[u8], kind: &[u8], length: usize, line: &[u8], cwd: &[u8], aliases: &[u8]) -> Option<Ask> {
    let kind = match kind {
        _ if length != line.len() || line.is_empty() => Kind::Unknown,
        b"h" => Kind::Line,
        b"b" => Kind::Bound,
        b"u" => Kind::Unknown,
        _ => return None,
    };
    let seq = number(id.split(|byte| *byte == b'.').next()?)?;
    Some(Ask {
        id: challenge(id)?,
        seq,
        kind,
        line: if kind == Kind::Unknown {
            Vec::new()
        } else {
            line.to_vec()
        },
        cwd: cwd.to_vec(),
        aliases: text(aliases)
            .lines()
            .filter_map(|alias| alias.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    })
}

/// What the answer repeats to a terminal that may be another program's by then: never a key that does something there.
fn challenge(id: &[u8]) -> Option<String> {
    let is_harmless = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    (id.len() <= MAX_CHALLENGE && id.iter().all(is_harmless)).then(|| text(id))
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
