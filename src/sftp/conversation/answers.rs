//! What the target sends.

use bytes::Bytes;

use crate::domain::absolute_path;

use super::super::extensions::Extension;
use super::super::fault::{Fault, Side};
use super::super::frames::{Frame, MAX_HANDLE, Piece};
use super::super::intent::About;
use super::super::open_files::{OpenFile, Opened};
use super::super::passage::{Item, Passage};
use super::super::paths::text;
use super::super::reply::{Reply, Type, read};
use super::super::wire::{Fields, VERSION_3, Writing, kind, status};
use super::{Conversation, Effect, Ended, Stage, Ticket, Unanswered};

impl Conversation {
    /// Takes what the target sends.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn from_target(&mut self, came: &Bytes) -> Result<Vec<Effect>, Fault> {
        let mut passage = Passage::<()>::default();
        let mut at = 0;
        while let Some(frame) = self.from_target.next(came, &mut at)? {
            match frame {
                Frame::Packet(piece) if self.begun.by_target => {
                    if let Some(answers) = self.answers() {
                        passage.push_own(answers);
                    }
                    if self.reply(&piece.bytes)? {
                        passage.push(piece, came);
                    }
                }
                Frame::Packet(piece) => passage.push_own(self.version(&piece.bytes)?),
                Frame::Data(piece) => passage.push(piece, came),
            }
        }
        while let Some(Item::Bytes(Piece { bytes, .. })) = passage.pop() {
            self.effects.push(Effect::ToClient(bytes));
        }
        self.advance();
        Ok(self.taken())
    }

    /// The first packet tells the version and the extensions; the client hears of those that are understood.
    fn version(&mut self, packet: &[u8]) -> Result<Bytes, Fault> {
        let malformed = || Fault::Malformed(Side::Target, kind::VERSION);
        let mut fields = Fields(packet);
        fields.number().ok_or_else(malformed)?;
        let kind = fields.byte().ok_or_else(malformed)?;
        if kind != kind::VERSION || !self.begun.by_client {
            return Err(Fault::Unexpected(Side::Target, kind));
        }
        let version = fields.number().ok_or_else(malformed)?;
        if version != VERSION_3 {
            return Err(Fault::Version(version));
        }
        let mut told = Writing::new(kind::VERSION).number(VERSION_3);
        while !fields.0.is_empty() {
            let name = fields.string().ok_or_else(malformed)?;
            let value = fields.string().ok_or_else(malformed)?;
            if Extension::named(name).is_some() {
                told = told.string(name).string(value);
            }
        }
        self.begun.by_target = true;
        Ok(told.packet())
    }

    /// Whether the client hears the answer.
    fn reply(&mut self, packet: &[u8]) -> Result<bool, Fault> {
        let kind = packet.get(4).copied().unwrap_or_default();
        let read = packet.get(4..).and_then(read);
        let (id, reply) = read.ok_or(Fault::Malformed(Side::Target, kind))?;
        let unanswered = self.unanswered.remove(&id).ok_or(Fault::Unasked(id))?;
        let unexpected = Err(Fault::Unexpected(Side::Target, kind));
        match (unanswered, reply) {
            (Unanswered::Read(key), Reply::Data { length }) => {
                if let Some(file) = self.files.by_key(key) {
                    file.read = file.read.saturating_add(length.into());
                }
            }
            // What follows data goes on with it, so it must be what was asked for.
            (_, Reply::Data { .. }) | (Unanswered::Look, Reply::Handle(_)) => return unexpected,
            (Unanswered::Own(ticket, about), reply) => {
                self.learn(ticket, about, reply);
                return Ok(false);
            }
            (Unanswered::Look, _) => {}
            (Unanswered::Open(file), Reply::Handle(handle)) => self.opened(handle, Opened::File(file))?,
            (Unanswered::Open(file), Reply::Status(code)) => self.not_opened(&file, code),
            (Unanswered::OpenDirectory, Reply::Handle(handle)) => self.opened(handle, Opened::Directory)?,
            (Unanswered::OpenDirectory, Reply::Status(_)) => self.opening = self.opening.saturating_sub(1),
            (Unanswered::Close(key), Reply::Status(code)) => {
                if let Some(Opened::File(file)) = self.files.remove(key) {
                    self.ended(file.ticket, Ended::of(&file, Some(code)));
                }
            }
            (Unanswered::Read(key), Reply::Status(code)) => {
                if let Some(file) = self.files.by_key(key) {
                    file.note(code);
                }
            }
            (Unanswered::Write(key), Reply::Status(code)) => {
                if let Some(file) = self.files.by_key(key) {
                    file.note(code);
                    if code != status::OK {
                        file.written.spoil();
                    }
                }
            }
            (Unanswered::Change(ticket), Reply::Status(code)) => self.ended(ticket, Ended::with(code)),
            _ => return unexpected,
        }
        Ok(true)
    }

    fn opened(&mut self, handle: &[u8], opened: Opened) -> Result<(), Fault> {
        self.opening = self.opening.saturating_sub(1);
        if handle.len() > MAX_HANDLE {
            return Err(Fault::Handle);
        }
        self.files.insert(handle, opened).ok_or(Fault::Handle)
    }

    fn not_opened(&mut self, file: &OpenFile, code: u32) {
        self.opening = self.opening.saturating_sub(1);
        self.ended(file.ticket, Ended::with(code));
    }

    fn ended(&mut self, ticket: Ticket, ended: Ended) {
        self.effects.push(Effect::Ended(ticket, ended));
    }

    /// Takes an answer to a question of the bastion's own; what the target does not say is not known.
    fn learn(&mut self, ticket: Ticket, about: About, reply: Reply<'_>) {
        if about == About::Home {
            self.home = Some(match reply {
                Reply::Name(home) => absolute_path(&text(home), None),
                _ => None,
            });
        }
        let Some(gated) = self.gated(ticket) else { return };
        match (about, reply) {
            (About::Path { subject, name }, Reply::Name(path)) if path.starts_with(b"/") => {
                gated.intent.is_at(subject, path, &name);
            }
            (About::Path { subject, name }, _) => gated.intent.is_lost(subject, &name),
            (About::Presence { subject }, Reply::Status(status::NO_SUCH_FILE)) => gated.intent.is_new(subject),
            (About::Kind, Reply::Attributes { file_type: Type::Other }) => gated.intent.moves_no_directory(),
            _ => {}
        }
        if let Stage::Asks(left) = &mut gated.stage {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.decide(ticket);
            }
        }
    }
}
