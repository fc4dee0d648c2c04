//! asciicast, version 2: a header and then one event a line, each in JSON.
//! <https://docs.asciinema.org/manual/asciicast/v2/>

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{CommandId, printable_line};

/// The version that is written and read.
const VERSION: u8 = 2;
/// Columns and rows where a terminal does not know its own.
const DEFAULT_SIZE: (u16, u16) = (80, 24);
/// No terminal has more columns or rows.
const MAX_SIDE: u16 = 1000;
/// Longest name of a terminal type, bytes.
const MAX_TERM: usize = 64;

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    version: u8,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// When it began, in seconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// Who was where.
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    env: Env,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Env {
    #[serde(rename = "TERM", default, skip_serializing_if = "String::is_empty")]
    term: String,
}

impl Header {
    /// The header of a terminal of `size` (columns, rows) and type `term`, both as the client claims them.
    #[must_use]
    pub fn new(size: (u32, u32), term: &str, title: &str, began: Timestamp) -> Self {
        let (width, height) = sensible(size);
        Self {
            version: VERSION,
            width,
            height,
            timestamp: began.as_second(),
            title: printable_line(title).into_owned(),
            env: Env {
                term: Some(term)
                    .filter(|term| well_formed(term))
                    .unwrap_or_default()
                    .to_owned(),
            },
        }
    }

    /// The header as its line.
    pub(super) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the first line of a recording.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let header: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if header.version == VERSION {
            Ok(header)
        } else {
            Err(format!("asciicast version {}", header.version))
        }
    }
}

/// A size that a player can draw.
pub(super) fn sensible((columns, rows): (u32, u32)) -> (u16, u16) {
    let side = |given: u32, default: u16| match u16::try_from(given) {
        Ok(0) => default,
        Ok(side) => side.min(MAX_SIDE),
        Err(_) => MAX_SIDE,
    };
    (side(columns, DEFAULT_SIZE.0), side(rows, DEFAULT_SIZE.1))
}

/// Whether it looks like the name of a terminal type, so that nothing else travels under that name.
fn well_formed(term: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
    term.len() <= MAX_TERM && term.bytes().all(allowed)
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, since the recording began.
    pub at: Duration,
    /// What.
    pub action: Action,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// This was shown.
    Output(String),
    /// The terminal got so many columns and rows.
    Resize(u16, u16),
    /// Something began that is worth finding again.
    Marker(String),
}

impl Event {
    /// Appends the event's line. Microseconds are kept.
    pub(super) fn write(&self, line: &mut Vec<u8>) -> std::io::Result<()> {
        let size;
        let (code, data) = match &self.action {
            Action::Output(text) => ('o', text),
            Action::Resize(columns, rows) => {
                size = format!("{columns}x{rows}");
                ('r', &size)
            }
            Action::Marker(label) => ('m', label),
        };
        let (seconds, micros) = (self.at.as_secs(), self.at.subsec_micros());
        write!(line, "[{seconds}.{micros:06}, \"{code}\", ")?;
        serde_json::to_writer(&mut *line, data)?;
        line.extend_from_slice(b"]\n");
        Ok(())
    }

    /// Reads a line; `None` is an event of a kind that is not known, and may be passed over.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let (seconds, code, data): (f64, String, String) =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let at = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
        let action = match code.as_str() {
            "o" => Action::Output(data),
            "r" => parse_size(&data).ok_or_else(|| format!("a size of {}", printable_line(&data)))?,
            "m" => Action::Marker(data),
            _ => return Ok(None),
        };
        Ok(Some(Self { at, action }))
    }
}

fn parse_size(text: &str) -> Option<Action> {
    let (columns, rows) = text.split_once('x')?;
    Some(Action::Resize(columns.parse().ok()?, rows.parse().ok()?))
}

/// The label that stands where a command starts: its number, or that it has none.
#[must_use]
pub fn marker(command: Option<CommandId>) -> String {
    match command {
        Some(id) => format!("command {id}"),
        None => "command that is not on record".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(event: &Event) -> String {
        let mut line = Vec::new();
        event.write(&mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn events_look_as_the_format_says() {
        let at = Duration::from_micros(1_500_042);
        let lines = [
            (
                Action::Output("a\r\n\u{1b}[0m\"ü".to_owned()),
                "[1.500042, \"o\", \"a\\r\\n\\u001b[0m\\\"ü\"]\n",
            ),
            (Action::Resize(100, 24), "[1.500042, \"r\", \"100x24\"]\n"),
            (
                Action::Marker(marker(Some(CommandId(7)))),
                "[1.500042, \"m\", \"command 7\"]\n",
            ),
        ];
        for (action, line) in lines {
            assert_eq!(written(&Event { at, action }), line);
        }
    }

    #[test]
    fn the_header_holds_nothing_that_a_client_could_smuggle_in() {
        let began = "2026-11-22T13:30:00Z".parse().unwrap();
        let hostile = Header::new((0, u32::MAX), "xterm\u{1b}[2J", "alice\u{1b}]0;x\u{7}", began);
        let line = String::from_utf8(hostile.line().unwrap()).unwrap();
        assert_eq!(
            line,
            "{\"version\":2,\"width\":80,\"height\":1000,\"timestamp\":1795354200,\
             \"title\":\"alice\\\\x1b]0;x\\\\x07\",\"env\":{}}\n"
        );
        let honest = Header::new((100, 24), "xterm-256color", "alice", began);
        assert!(
            String::from_utf8(honest.line().unwrap())
                .unwrap()
                .contains("{\"TERM\":\"xterm-256color\"}")
        );
    }

    #[test]
    fn other_versions_and_impossible_times_are_refused_and_unknown_kinds_passed_over() {
        assert!(Header::parse("{\"version\":3,\"width\":80,\"height\":24}").is_err());
        for line in [
            "[-1.0, \"o\", \"x\"]",
            "[1e400, \"o\", \"x\"]",
            "[1.0, \"r\", \"x\"]",
            "[1.0]",
            "",
        ] {
            assert!(Event::parse(line).is_err(), "{line}");
        }
        assert_eq!(Event::parse("[1.0, \"i\", \"typed\"]"), Ok(None));
    }

    proptest! {
        #[test]
        fn any_text_is_one_line_and_reads_back(text: String, micros in 0..u64::from(u32::MAX)) {
            let event = Event { at: Duration::from_micros(micros), action: Action::Output(text) };
            let line = written(&event);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let read = Event::parse(&line).unwrap().unwrap();
            prop_assert_eq!(&read.action, &event.action);
            prop_assert!(read.at.abs_diff(event.at) <= Duration::from_micros(1));
        }
    }
}
