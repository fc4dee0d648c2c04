//! Both directions of one SFTP conversation.

mod answers;
mod requests;

use std::collections::HashMap;

use bytes::Bytes;

use crate::domain::Access;

use super::fault::{Fault, Side};
use super::frames::Frames;
use super::intent::{About, Intent, Question};
use super::open_files::{FileKey, OpenFile, OpenFiles};
use super::passage::{Item, Passage};
use super::wire::{path_packet, status, status_packet};

/// Requests that the target has not answered; beyond them the client is not to be read.
const MAX_UNANSWERED: usize = 4096;
/// Bytes that wait for a decision, or to be answered; beyond them the client is not to be read.
const MAX_HELD: usize = 1024 * 1024;
/// Files and directories that are open at once.
const MAX_OPEN: usize = 1024;
/// The longest path, bytes: Linux's `PATH_MAX`.
const MAX_PATH: usize = 4096;

/// The number of something that is decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to the target.
    ToTarget(Bytes),
    /// Send to the client.
    ToClient(Bytes),
    /// End the target's input.
    EndOfInput,
    /// Decide about this, then say [`Conversation::permitted`] or [`Conversation::refused`]: once all else that is to be done
    /// has been.
    Decide {
        /// Its number.
        ticket: Ticket,
        /// What it is.
        access: Access,
        /// The exact bytes that ask for it.
        packet: Bytes,
    },
    /// What was permitted has ended.
    Ended(Ticket, Ended),
}

/// How something ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// The first status of the target that was not `OK`, or `OK`; `None` where the end was not seen.
    pub status: Option<u32>,
    /// Bytes that were read from a file; `None` where it was not open for that.
    pub read: Option<u64>,
    /// Bytes that were written to a file; `None` where it was not open for that.
    pub written: Option<u64>,
    /// Their SHA-256, where they were written from the beginning on, in order.
    pub sha256: Option<[u8; 32]>,
}

/// Both directions of one SFTP conversation, from its first byte on.
pub struct Conversation {
    from_client: Frames,
    from_target: Frames,
    begun: Begun,
    /// Requests that are not answered, by their numbers: those that wait for a decision too.
    unanswered: HashMap<u32, Unanswered>,
    files: OpenFiles,
    /// Opens that are not answered.
    opening: usize,
    /// What goes to the target, in order.
    queue: Passage<Waiting>,
    /// What becomes of the data that comes from the client.
    writing: Option<FileKey>,
    /// Where relative paths begin, once the target was asked.
    home: Option<Home>,
    /// Whether files are judged by where they are on the target.
    judges_files: bool,
    /// Whether the client has said that it sends no more.
    is_at_end: bool,
    last_ticket: u64,
    last_own_id: u32,
    /// What the client is answered in the target's place, and has not been sent: never amid a packet of the target's.
    answers: Vec<u8>,
    effects: Vec<Effect>,
}

/// How far the greeting has come.
#[derive(Debug, Clone, Copy, Default)]
struct Begun {
    by_client: bool,
    by_target: bool,
}

/// What the target says of the home directory; `None` in it where it does not.
type Home = Option<String>;

/// A request that is not answered.
enum Unanswered {
    /// An open, and what it opens.
    Open(Box<OpenFile>),
    OpenDirectory,
    Close(FileKey),
    Read(FileKey),
    Write(FileKey),
    /// Something that was decided about and ends with its status.
    Change(Ticket),
    Look,
    /// The bastion's own, on behalf of something that waits.
    Own(Ticket, About),
}

/// What stands in the queue beside bytes.
enum Waiting {
    Request(Gated),
    EndOfInput,
}

/// A request that must be decided about before it goes on, and nothing behind it goes on before it.
struct Gated {
    ticket: Ticket,
    id: u32,
    packet: Bytes,
    intent: Intent,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// For what stands before it: files may be somewhere else by then.
    Waits,
    /// For so many answers of the target.
    Asks(usize),
    Decided,
    Permitted(Bytes),
}

impl Default for Conversation {
    fn default() -> Self {
        Self::new()
    }
}

impl Conversation {
    /// One in which nothing has been said.
    pub fn new() -> Self {
        Self {
            from_client: Frames::of(Side::Client),
            from_target: Frames::of(Side::Target),
            begun: Begun::default(),
            unanswered: HashMap::new(),
            files: OpenFiles::default(),
            opening: 0,
            queue: Passage::default(),
            writing: None,
            home: None,
            judges_files: false,
            is_at_end: false,
            last_ticket: 0,
            last_own_id: u32::MAX,
            answers: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Whether so much is under way that the client is not to be read for now.
    pub fn is_full(&self) -> bool {
        self.unanswered.len() >= MAX_UNANSWERED || self.queue.length() >= MAX_HELD || self.answers.len() >= MAX_HELD
    }

    /// Judges files by where they are on the target from now on, which it is asked for: one request at a time.
    pub fn judge_files(&mut self, judges: bool) {
        self.judges_files = judges;
    }

    /// What was decided about may go on: `packet` is what is sent.
    pub fn permitted(&mut self, ticket: Ticket, packet: Bytes) -> Vec<Effect> {
        if let Some(gated) = self.gated(ticket) {
            gated.stage = Stage::Permitted(packet);
        }
        self.advance();
        self.taken()
    }

    /// What was decided about does not go on, and the client hears why.
    pub fn refused(&mut self, ticket: Ticket, why: &str) -> Vec<Effect> {
        if let Some(Waiting::Request(gated)) = self.queue.remove(|waiting| waiting.has(ticket)) {
            if let Some(Unanswered::Open(_)) = self.unanswered.remove(&gated.id) {
                self.opening = self.opening.saturating_sub(1);
            }
            self.answer(gated.id, status::PERMISSION_DENIED, why);
        }
        self.advance();
        self.taken()
    }

    /// The conversation is over: how all ends that was permitted and has not.
    pub fn end(&mut self) -> Vec<Effect> {
        let unanswered = self.unanswered.drain().filter_map(|(_, unanswered)| match unanswered {
            Unanswered::Open(file) => Some((file.ticket, Ended::default())),
            Unanswered::Change(ticket) => Some((ticket, Ended::default())),
            _ => None,
        });
        let open = self.files.drain().map(|file| (file.ticket, Ended::of(&file, None)));
        let ended = unanswered.chain(open);
        ended.map(|(ticket, ended)| Effect::Ended(ticket, ended)).collect()
    }

    fn taken(&mut self) -> Vec<Effect> {
        if !self.from_target.is_amid_data() {
            let answers = self.answers();
            self.effects.extend(answers.map(Effect::ToClient));
        }
        std::mem::take(&mut self.effects)
    }

    fn answers(&mut self) -> Option<Bytes> {
        let answers = std::mem::take(&mut self.answers);
        (!answers.is_empty()).then(|| answers.into())
    }

    fn gated(&mut self, ticket: Ticket) -> Option<&mut Gated> {
        let mut waiting = self.queue.others_mut();
        match waiting.find(|waiting| waiting.has(ticket))? {
            Waiting::Request(gated) => Some(gated),
            Waiting::EndOfInput => None,
        }
    }

    /// Answers the client in the target's place.
    fn answer(&mut self, id: u32, code: u32, message: &str) {
        self.answers.extend(status_packet(id, code, message));
    }

    /// Lets go on what may, and asks for what the first that may not waits for.
    fn advance(&mut self) {
        while let Some(first) = self.queue.front_mut() {
            let effect = match first {
                Item::Bytes(piece) => Effect::ToTarget(piece.bytes.clone()),
                Item::Other(Waiting::EndOfInput, _) => Effect::EndOfInput,
                Item::Other(Waiting::Request(gated), _) => match &gated.stage {
                    Stage::Permitted(packet) => Effect::ToTarget(packet.clone()),
                    Stage::Waits => return self.ask_about_first(),
                    Stage::Asks(_) | Stage::Decided => return,
                },
            };
            self.queue.pop();
            self.effects.push(effect);
        }
    }

    /// Asks the target where the files of the first request are.
    fn ask_about_first(&mut self) {
        let home_is_known = self.home.is_some();
        let Some(Item::Other(Waiting::Request(gated), _)) = self.queue.front_mut() else {
            return;
        };
        let (ticket, questions) = (gated.ticket, gated.intent.questions(home_is_known));
        if questions.is_empty() {
            return self.decide(ticket);
        }
        gated.stage = Stage::Asks(questions.len());
        for Question { kind, path, about } in questions {
            let id = self.own_id();
            self.unanswered.insert(id, Unanswered::Own(ticket, about));
            self.effects.push(Effect::ToTarget(path_packet(kind, id, &path)));
        }
    }

    /// A number that no request has.
    fn own_id(&mut self) -> u32 {
        while self.unanswered.contains_key(&self.last_own_id) {
            self.last_own_id = self.last_own_id.wrapping_sub(1);
        }
        self.last_own_id
    }

    /// Lets be decided what is known about now.
    fn decide(&mut self, ticket: Ticket) {
        let home = self.home.clone().flatten();
        let Some(gated) = self.gated(ticket) else { return };
        gated.stage = Stage::Decided;
        let (id, packet) = (gated.id, gated.packet.clone());
        let (access, known_as) = (
            gated.intent.access(home.as_deref()),
            gated.intent.known_as(home.as_deref()),
        );
        if let Some(Unanswered::Open(file)) = self.unanswered.get_mut(&id) {
            file.known_as = known_as;
        }
        self.effects.push(Effect::Decide { ticket, access, packet });
    }
}

impl Waiting {
    fn has(&self, ticket: Ticket) -> bool {
        matches!(self, Self::Request(gated) if gated.ticket == ticket)
    }
}

impl Ended {
    /// The end of something that has no more than a status.
    fn with(status: u32) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// The end of a file that was open, and the status of its close.
    fn of(file: &OpenFile, closed: Option<u32>) -> Self {
        Self {
            status: closed.map(|code| file.failed.unwrap_or(code)),
            read: file.can_read.then_some(file.read),
            written: file.can_write.then_some(file.written.length),
            sha256: file.written.sha256().filter(|_| file.can_write),
        }
    }
}

/// A request that the client may not make while another has its number.
fn reused(id: u32, unanswered: &HashMap<u32, Unanswered>) -> Result<(), Fault> {
    if unanswered.contains_key(&id) {
        return Err(Fault::Reused(id));
    }
    Ok(())
}
