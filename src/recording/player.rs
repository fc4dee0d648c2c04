//! Reading a recording, as far as it goes.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use zstd::stream::read::Decoder;

use super::RecordingError;
use super::cast::{Action, Event, Header};
use super::file::open;

/// Longest line that is read, bytes; the writer's are shorter than half of that.
const MAX_LINE: u64 = 1024 * 1024;

/// A recording, read from its beginning.
pub struct Player {
    path: PathBuf,
    lines: BufReader<Decoder<'static, BufReader<File>>>,
    header: Header,
    first_line: String,
    cut: bool,
}

impl Player {
    /// Opens a recording and reads its header.
    ///
    /// # Errors
    /// The file cannot be read or is not a recording.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let fault = |source| RecordingError::Read {
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(fault)?;
        let mut lines = BufReader::new(Decoder::new(file).map_err(fault)?);
        let first_line = match read_line(&mut lines) {
            Ok(Line::Whole(line)) => line,
            Ok(Line::Cut | Line::None) => return Err(damaged(path, "it has no header")),
            Err(error) => return Err(damaged(path, error.to_string())),
        };
        let header = Header::parse(&first_line).map_err(|reason| damaged(path, reason))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            header,
            first_line,
            cut: false,
        })
    }

    /// What it begins with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header as it stands in the file, with its line feed.
    pub fn header_line(&self) -> &str {
        &self.first_line
    }

    /// The next event; `None` at the end, be it the real one or the place where the file is cut.
    ///
    /// # Errors
    /// The file is damaged there.
    pub fn next_event(&mut self) -> Result<Option<Event>, RecordingError> {
        while let Some(line) = self.next_line()? {
            let parsed = Event::parse(&line).map_err(|reason| damaged(&self.path, reason))?;
            if parsed.is_some() {
                return Ok(parsed);
            }
        }
        Ok(None)
    }

    /// The next event as it stands in the file, with its line feed; `None` as for [`Self::next_event`].
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub fn next_line(&mut self) -> Result<Option<String>, RecordingError> {
        match read_line(&mut self.lines).map_err(|error| damaged(&self.path, error.to_string()))? {
            Line::Whole(line) => Ok(Some(line)),
            Line::None => Ok(None),
            Line::Cut => {
                self.cut = true;
                Ok(None)
            }
        }
    }

    /// Goes on to the marker with this label and gives its event; `None` where there is none from here on.
    ///
    /// # Errors
    /// As [`Self::next_event`].
    pub fn skip_to(&mut self, label: &str) -> Result<Option<Event>, RecordingError> {
        while let Some(event) = self.next_event()? {
            if matches!(&event.action, Action::Marker(found) if found == label) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Whether the end that was reached is not the end of what was recorded: it is still being written, or was cut off.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

enum Line {
    /// A line to its end.
    Whole(String),
    /// The file stops in the middle of something.
    Cut,
    /// The file ends.
    None,
}

fn read_line(lines: &mut impl io::BufRead) -> io::Result<Line> {
    let mut line = Vec::new();
    match lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
        Ok(0) => Ok(Line::None),
        Ok(_) if line.ends_with(b"\n") => String::from_utf8(line)
            .map(Line::Whole)
            .map_err(|_| io::Error::other("a line is not UTF-8")),
        Ok(length) if length as u64 == MAX_LINE => Err(io::Error::other("a line has no end")),
        Ok(_) => Ok(Line::Cut),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Line::Cut),
        Err(error) => Err(error),
    }
}

fn damaged(path: &Path, reason: impl Into<String>) -> RecordingError {
    RecordingError::Damaged {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &Path, content: &[u8]) -> PathBuf {
        let path = dir.join("x.cast.zst");
        std::fs::write(&path, content).unwrap();
        path
    }

    fn compressed(text: &str) -> Vec<u8> {
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn what_is_not_a_recording_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        for content in [
            b"".to_vec(),
            b"plain text".to_vec(),
            compressed("{}\n"),
            compressed("\n"),
        ] {
            let error = Player::open(&file(dir.path(), &content)).map(drop).unwrap_err();
            assert!(error.to_string().contains("x.cast.zst"), "{error}");
        }
    }

    #[test]
    fn damage_is_told_from_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let header = "{\"version\":2,\"width\":80,\"height\":24}\n";
        let mut player = Player::open(&file(dir.path(), &compressed(&format!("{header}junk\n")))).unwrap();
        assert!(player.next_event().is_err());

        let endless = format!("{header}{}", "x".repeat(2 * 1024 * 1024));
        let mut player = Player::open(&file(dir.path(), &compressed(&endless))).unwrap();
        assert!(
            player.next_event().is_err(),
            "no line is read into memory without bound"
        );

        let mut player = Player::open(&file(dir.path(), &compressed(&format!("{header}[1.0, \"o")))).unwrap();
        assert_eq!(player.next_event().unwrap(), None);
        assert!(player.is_cut());
    }

    #[test]
    fn markers_are_found_by_their_whole_label() {
        let dir = tempfile::tempdir().unwrap();
        let text = "{\"version\":2,\"width\":80,\"height\":24}\n[1.0, \"m\", \"command 12\"]\n[2.0, \"m\", \"command 1\"]\n\
                    [3.0, \"o\", \"one\"]\n";
        let path = file(dir.path(), &compressed(text));
        let mut player = Player::open(&path).unwrap();
        assert_eq!(player.skip_to("command 1").unwrap().unwrap().at.as_secs(), 2);
        assert_eq!(
            player.next_event().unwrap().unwrap().action,
            Action::Output("one".to_owned())
        );
        assert_eq!(Player::open(&path).unwrap().skip_to("command 3").unwrap(), None);
    }
}
