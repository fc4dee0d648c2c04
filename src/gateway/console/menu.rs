//! The menu: what is typed goes in, what is to be shown and what is asked for come out. Without I/O.
//!
//! The list is drawn anew below the last ordinary line with every key, so that it narrows while a search is typed, and
//! nothing above it is touched. Where a terminal cannot do that, it is written again with every line that ends.

use super::keys::{Key, Keys};
use super::list::{self, Entry};
use super::window::Window;
use super::words::{Words, WordsError};
use crate::domain::Name;
use crate::terminal::{Answer, AnswerReader, Expect};

/// Longest line that is read, bytes.
const MAX_LINE: usize = 256;

/// The menu of one channel.
#[derive(Debug)]
pub(super) struct Menu {
    user: Name,
    entries: Vec<Entry>,
    window: Window,
    keys: Keys,
    /// The line as it is typed: a search, until it ends.
    line: String,
    page: usize,
    /// Said below the list until something else is typed.
    notice: Option<String>,
    /// Rows that were drawn above the line, to be drawn over.
    drawn: usize,
    /// The code of the command that the next line lets run or not, and who reads that line.
    confirming: Option<(String, AnswerReader)>,
}

/// What came of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard<'a> {
    /// What the terminal is to be sent.
    pub shown: String,
    /// What was asked for; nothing behind it has been looked at.
    pub asked: Option<Asked>,
    /// The bytes behind it.
    pub rest: &'a [u8],
}

/// What somebody asks for at the menu.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A command.
    Command(Words),
    /// A shell on a target.
    Connect {
        /// The target.
        target: Name,
        /// As whom.
        login: String,
    },
    /// Yes to the command that was shown for this code.
    Confirmed(String),
    /// To leave.
    Leave,
}

/// Why a line leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum SelectError {
    #[error("no target matches")]
    None,
    #[error("{0} targets match: type more, or a number")]
    Several(usize),
    #[error("that is the number of one target and the name of another: type more of the name, or the other's number")]
    Ambiguous,
    #[error(transparent)]
    Words(#[from] WordsError),
}

impl Menu {
    /// The menu of a user who may reach `entries`.
    pub(super) fn new(user: Name, entries: Vec<Entry>, window: Window) -> Self {
        Self {
            user,
            entries,
            window,
            keys: Keys::default(),
            line: String::new(),
            page: 0,
            notice: None,
            drawn: 0,
            confirming: None,
        }
    }

    /// Takes what was typed at `now_ms`, up to the first thing that is asked for.
    pub(super) fn hear<'a>(&mut self, bytes: &'a [u8], now_ms: u64) -> Heard<'a> {
        match self.confirming.take() {
            Some((code, reader)) => self.hear_answer(code, reader, bytes, now_ms),
            None => self.hear_keys(bytes),
        }
    }

    fn hear_keys<'a>(&mut self, bytes: &'a [u8]) -> Heard<'a> {
        let mut shown = String::new();
        for (index, byte) in bytes.iter().enumerate() {
            let Some(key) = self.keys.key(*byte) else { continue };
            let before = self.prompt();
            if let Some(asked) = self.press(key, &mut shown) {
                shown += &self.left_behind(&before);
                let rest = bytes.get(index + 1..).unwrap_or_default();
                return Heard {
                    shown,
                    asked: Some(asked),
                    rest,
                };
            }
        }
        if self.window.draws_in_place() {
            shown = self.redrawn();
        }
        Heard {
            shown,
            asked: None,
            rest: &[],
        }
    }

    /// What comes with the answer or before it can be one is dropped.
    fn hear_answer<'a>(&mut self, code: String, mut reader: AnswerReader, bytes: &[u8], now_ms: u64) -> Heard<'a> {
        let fed = reader.feed(bytes, now_ms);
        let mut shown = String::from_utf8_lossy(&fed.echo).into_owned();
        let asked = match fed.answer {
            Some(Answer::Yes) => Some(Asked::Confirmed(code)),
            Some(Answer::No) => {
                self.notice = Some("not confirmed; it still waits".to_owned());
                shown += &self.block();
                None
            }
            None => {
                self.confirming = Some((code, reader));
                None
            }
        };
        Heard {
            shown,
            asked,
            rest: &[],
        }
    }

    /// Shows an answer, and the menu again below it.
    pub(super) fn say(&mut self, text: &str) -> String {
        let text = text.replace('\n', "\r\n");
        format!("{text}{}", self.block())
    }

    /// Has the next line answer whether the command that waits for `code` may run, which is shown at `now_ms`.
    pub(super) fn ask_about(&mut self, code: String, now_ms: u64) {
        self.confirming = Some((code, AnswerReader::new(Expect::Yes, now_ms)));
    }

    /// Takes the targets as they are now.
    pub(super) fn update(&mut self, entries: Vec<Entry>) {
        self.entries = entries;
    }

    /// Takes the window's new size.
    pub(super) fn resize(&mut self, size: (u16, u16)) -> String {
        let window = self.window.resized(size);
        if window == self.window {
            return String::new();
        }
        self.window = window;
        if self.confirming.is_some() {
            // What has been typed of the answer stays on the screen as it is.
            return String::new();
        }
        // A terminal wraps what stands there anew, so nothing can be drawn over.
        if window.clears() {
            format!("\x1b[H\x1b[2J{}", self.block())
        } else {
            String::new()
        }
    }

    /// Does what a key says. Where nothing can be drawn over, `echo` gets what shows it.
    fn press(&mut self, key: Key, echo: &mut String) -> Option<Asked> {
        match key {
            Key::Text(character) => self.insert(character, echo),
            Key::Erase => self.erase(echo),
            Key::Enter => return self.submit(echo),
            Key::Interrupt if self.line.is_empty() => return Some(Asked::Leave),
            Key::EraseLine | Key::Interrupt => self.start_over(echo),
            Key::End => return self.line.is_empty().then_some(Asked::Leave),
            Key::NextPage => self.turn(self.page + 1, echo),
            Key::PreviousPage => self.turn(self.page.saturating_sub(1), echo),
        }
        None
    }

    fn insert(&mut self, character: char, echo: &mut String) {
        if self.line.len() + character.len_utf8() <= MAX_LINE {
            self.line.push(character);
            self.edited();
            if !self.window.draws_in_place() {
                echo.push(character);
            }
        }
    }

    fn erase(&mut self, echo: &mut String) {
        if self.line.pop().is_some() {
            self.edited();
            if !self.window.draws_in_place() {
                echo.push_str("\x08 \x08");
            }
        }
    }

    fn start_over(&mut self, echo: &mut String) {
        self.line.clear();
        self.edited();
        self.write_again(echo);
    }

    fn edited(&mut self) {
        self.page = 0;
        self.notice = None;
    }

    fn turn(&mut self, page: usize, echo: &mut String) {
        self.page = page;
        self.notice = None;
        self.write_again(echo);
    }

    /// Where nothing can be drawn over, the list is written below what stands there.
    fn write_again(&mut self, echo: &mut String) {
        if !self.window.draws_in_place() {
            echo.push_str("\r\n");
            echo.push_str(&self.block());
        }
    }

    /// The end of a line: an answer, a command, a target, or the next page.
    fn submit(&mut self, echo: &mut String) -> Option<Asked> {
        if self.line.trim().is_empty() {
            self.next_page(echo);
            return None;
        }
        match self.select() {
            Ok(Asked::Command(Words::Targets(search))) => {
                self.line = search;
                self.edited();
                self.write_again(echo);
                None
            }
            Ok(asked) => {
                self.line.clear();
                self.edited();
                Some(asked)
            }
            Err(error) => {
                if matches!(error, SelectError::Several(_)) {
                    self.next_page(echo);
                }
                self.notice = Some(error.to_string());
                self.write_again(echo);
                None
            }
        }
    }

    fn next_page(&mut self, echo: &mut String) {
        let next = self.page + 1;
        self.turn(if next < self.pages() { next } else { 0 }, echo);
    }

    /// What a line asks for: a command, or a target by number, name, or a search that finds one alone.
    fn select(&self) -> Result<Asked, SelectError> {
        let unknown = match Words::parse(&self.line) {
            Ok(words) => return Ok(Asked::Command(words)),
            Err(WordsError::Unknown(word)) => word,
            Err(error) => return Err(error.into()),
        };
        let line = self.line.trim();
        let (login, wanted) = match line.rsplit_once('@') {
            Some((login, wanted)) if unknown == line => (Some(login), wanted),
            _ => (None, line),
        };
        let entry = self.find(wanted)?;
        let usual = entry.logins.first().map(String::as_str);
        Ok(Asked::Connect {
            target: entry.target.clone(),
            login: login.or(usual).unwrap_or_default().to_owned(),
        })
    }

    fn find(&self, wanted: &str) -> Result<&Entry, SelectError> {
        let by_number = self.entries.iter().find(|entry| entry.number.to_string() == wanted);
        let by_name = self.entries.iter().find(|entry| entry.is_called(wanted));
        match (by_number, by_name) {
            (Some(number), Some(name)) if number != name => return Err(SelectError::Ambiguous),
            (Some(found), _) | (None, Some(found)) => return Ok(found),
            (None, None) => {}
        }
        match self.matching(wanted).as_slice() {
            _ if wanted.is_empty() => Err(SelectError::None),
            [] => Err(SelectError::None),
            [found] => Ok(found),
            several => Err(SelectError::Several(several.len())),
        }
    }

    fn matching(&self, search: &str) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.matches(search)).collect()
    }

    /// What is searched for: what stands behind the last `@`, since a login may stand before it.
    fn search(&self) -> &str {
        self.line
            .rsplit_once('@')
            .map_or(self.line.as_str(), |(_, search)| search)
    }

    fn pages(&self) -> usize {
        self.matching(self.search()).len().div_ceil(self.window.page()).max(1)
    }

    /// Draws over what was drawn.
    fn redrawn(&mut self) -> String {
        format!("{}{}", self.erased(), self.block())
    }

    fn erased(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => "\r\x1b[J".to_owned(),
            rows => format!("\r\x1b[{rows}A\x1b[J"),
        }
    }

    /// What stays of the menu where a line has asked for something: that line.
    fn left_behind(&mut self, prompt: &str) -> String {
        if self.window.draws_in_place() {
            format!("{}{prompt}\r\n", self.erased())
        } else {
            "\r\n".to_owned()
        }
    }

    /// The list and the line, from the cursor on.
    fn block(&mut self) -> String {
        self.page = self.page.min(self.pages() - 1);
        let rows = if self.confirming.is_some() {
            Vec::new()
        } else {
            self.rows()
        };
        self.drawn = rows.len();
        let mut block = String::new();
        for row in rows {
            block += &row;
            block += "\r\n";
        }
        block + &self.prompt()
    }

    fn rows(&self) -> Vec<String> {
        let columns = self.window.usable();
        let matching = self.matching(self.search());
        let page = self.window.page();
        let visible: Vec<&Entry> = matching.iter().copied().skip(self.page * page).take(page).collect();
        let mut rows = vec![self.window.bold(&list::clipped(&self.title(matching.len()), columns))];
        rows.extend(list::rows(&visible, columns));
        rows.push(list::clipped(&self.hint(), columns));
        rows
    }

    fn title(&self, matching: usize) -> String {
        match (self.entries.len(), matching) {
            (0, _) => format!("opspilot: no policy lets {} reach a target", self.user),
            (all, some) if all == some => format!("opspilot: {all} targets for {}", self.user),
            (all, some) => format!("opspilot: {some} of {all} targets for {}", self.user),
        }
    }

    fn hint(&self) -> String {
        match (&self.notice, self.pages()) {
            (Some(notice), _) => notice.clone(),
            (None, 1) => "a number or text to search for; help, exit".to_owned(),
            (None, pages) => format!(
                "page {} of {pages}, Enter: next; a number or text; help, exit",
                self.page + 1
            ),
        }
    }

    fn prompt(&self) -> String {
        let prompt = if self.confirming.is_some() {
            "run it? [y/N] "
        } else {
            "> "
        };
        let room = self.window.usable().saturating_sub(prompt.len());
        format!("{prompt}{}", list::last_columns(&self.line, room))
    }
}

#[cfg(test)]
mod tests;
