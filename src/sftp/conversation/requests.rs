//! What the client sends.

use bytes::Bytes;

use super::super::fault::{Fault, Side};
use super::super::frames::{Frame, Piece};
use super::super::intent::{Intent, reads, writes};
use super::super::open_files::{OpenFile, Written};
use super::super::paths::text;
use super::super::request::{Change, Request, read};
use super::super::wire::{Fields, VERSION_3, Writing, kind, status};
use super::{Conversation, Effect, Gated, MAX_OPEN, MAX_PATH, Stage, Ticket, Unanswered, Waiting, reused};

impl Conversation {
    /// Takes what the client sends.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn from_client(&mut self, came: &Bytes) -> Result<Vec<Effect>, Fault> {
        let mut at = 0;
        while let Some(frame) = self.from_client.next(came, &mut at)? {
            match frame {
                Frame::Packet(piece) if self.begun.by_client => self.request(piece, came)?,
                Frame::Packet(piece) => self.greeting(&piece.bytes)?,
                Frame::Data(piece) => self.data(piece, came),
            }
        }
        self.queue.seal();
        self.advance();
        Ok(self.taken())
    }

    /// The client sends no more. Said again, it means nothing.
    pub fn end_of_input(&mut self) -> Vec<Effect> {
        if !std::mem::replace(&mut self.is_at_end, true) {
            self.queue.push_other(Waiting::EndOfInput, 0);
        }
        self.advance();
        self.taken()
    }

    /// The first packet tells the version; what else it tells means nothing in version 3.
    fn greeting(&mut self, packet: &[u8]) -> Result<(), Fault> {
        let mut fields = Fields(packet);
        let (Some(_), Some(kind), Some(version)) = (fields.number(), fields.byte(), fields.number()) else {
            return Err(Fault::Malformed(Side::Client, kind::INIT));
        };
        if kind != kind::INIT {
            return Err(Fault::Unexpected(Side::Client, kind));
        }
        self.begun.by_client = true;
        let packet = Writing::new(kind::INIT).number(version.min(VERSION_3)).packet();
        self.queue.push_own(packet);
        Ok(())
    }

    fn request(&mut self, piece: Piece, came: &Bytes) -> Result<(), Fault> {
        let packet = piece.bytes.clone();
        let kind = packet.get(4).copied().unwrap_or_default();
        let read = packet.get(4..).and_then(read);
        let (id, request) = read.ok_or(Fault::Malformed(Side::Client, kind))?;
        if kind == kind::INIT {
            return Err(Fault::Unexpected(Side::Client, kind));
        }
        reused(id, &self.unanswered)?;
        self.writing = None;
        match request {
            Request::Look => self.pass(id, Unanswered::Look, piece, came),
            Request::Unknown => self.answer(id, status::UNSUPPORTED, "the bastion does not know this request"),
            Request::Open { path, flags } => self.open(id, path, flags, packet.clone()),
            Request::OpenDirectory => self.open_directory(id, piece, came),
            Request::Close { handle } => match self.files.release(handle) {
                Some(key) => self.pass(id, Unanswered::Close(key), piece, came),
                None => self.answer(id, status::FAILURE, NOT_OPEN),
            },
            Request::Read { handle } => match self.files.file(handle) {
                Some((key, file)) if file.can_read => self.pass(id, Unanswered::Read(key), piece, came),
                _ => self.answer(id, status::FAILURE, NOT_OPEN),
            },
            Request::Write { handle, offset } => match self.files.file(handle) {
                Some((key, file)) if file.can_write => {
                    file.written.begin(offset);
                    self.writing = Some(key);
                    self.pass(id, Unanswered::Write(key), piece, came);
                }
                _ => self.answer(id, status::FAILURE, NOT_OPEN),
            },
            Request::Change(change) => self.change(id, change, packet.clone()),
            Request::SetStatOfOpen { handle, sets_size } => match self.files.file(handle) {
                Some((_, file)) => {
                    if sets_size {
                        file.written.spoil();
                    }
                    let intent = Intent::set_stat_of_open(file, sets_size);
                    self.gate(id, intent, packet.clone(), Unanswered::Change);
                }
                None => self.answer(id, status::FAILURE, NOT_OPEN),
            },
            Request::Copy { from, to } => self.copy(id, from, to, packet.clone()),
        }
        Ok(())
    }

    /// The data of the last write; it goes the way of that.
    fn data(&mut self, piece: Piece, came: &Bytes) {
        let Some(key) = self.writing else { return };
        if let Some(file) = self.files.by_key(key) {
            file.written.add(&piece.bytes);
        }
        self.queue.push(piece, came);
    }

    fn pass(&mut self, id: u32, unanswered: Unanswered, piece: Piece, came: &Bytes) {
        self.unanswered.insert(id, unanswered);
        self.queue.push(piece, came);
    }

    fn open(&mut self, id: u32, path: &[u8], flags: u32, packet: Bytes) {
        if let Some(why) = self.too_many_open().or(bad_path(path)) {
            return self.answer(id, status::FAILURE, why);
        }
        self.opening += 1;
        let path_text = text(path);
        self.gate(id, Intent::open(path, flags), packet, |ticket| {
            Unanswered::Open(Box::new(OpenFile {
                ticket,
                path: path_text,
                known_as: Vec::new(),
                can_read: reads(flags),
                can_write: writes(flags),
                read: 0,
                written: Written::nothing(),
                failed: None,
            }))
        });
    }

    fn open_directory(&mut self, id: u32, piece: Piece, came: &Bytes) {
        if let Some(why) = self.too_many_open() {
            return self.answer(id, status::FAILURE, why);
        }
        self.opening += 1;
        self.pass(id, Unanswered::OpenDirectory, piece, came);
    }

    fn too_many_open(&self) -> Option<&'static str> {
        (self.files.count() + self.opening >= MAX_OPEN).then_some("too many files are open at once")
    }

    fn change(&mut self, id: u32, change: Change<'_>, packet: Bytes) {
        if let Some(why) = change.paths().into_iter().find_map(bad_path) {
            return self.answer(id, status::FAILURE, why);
        }
        self.gate(id, Intent::change(change), packet, Unanswered::Change);
    }

    fn copy(&mut self, id: u32, from: &[u8], to: &[u8], packet: Bytes) {
        let can_read = self.files.file(from).is_some_and(|(_, file)| file.can_read);
        match self.files.file(to) {
            Some((_, file)) if can_read && file.can_write => {
                file.written.spoil();
                let intent = Intent::copy_into(file);
                self.gate(id, intent, packet, Unanswered::Change);
            }
            _ => self.answer(id, status::FAILURE, NOT_OPEN),
        }
    }

    /// Holds a request until it is decided about.
    fn gate(&mut self, id: u32, intent: Intent, packet: Bytes, unanswered: impl FnOnce(Ticket) -> Unanswered) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.unanswered.insert(id, unanswered(ticket));
        let length = packet.len();
        let request = Gated {
            ticket,
            id,
            packet,
            intent,
            stage: Stage::Waits,
        };
        self.queue.push_other(Waiting::Request(request), length);
        if !self.judges_files {
            self.decide(ticket);
        }
    }
}

/// The answer to what is asked of a file that is not open, or not for that.
const NOT_OPEN: &str = "no file is open for this under that handle";

/// Why a path cannot be one.
fn bad_path(path: &[u8]) -> Option<&'static str> {
    if path.len() > MAX_PATH {
        return Some("the path is too long");
    }
    path.contains(&0).then_some("the path holds a NUL byte")
}
