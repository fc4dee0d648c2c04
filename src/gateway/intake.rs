//! What arrives on one channel, taken as it comes.
//!
//! The SSH library re-credits a channel's window on receipt and stops reading the whole connection when nobody takes what
//! it received. Two directions that wait for one another's window would then stand still for good. So a task of its own
//! always takes. What a user sends and a target has not taken waits in memory and then in an unnamed temporary file: the
//! user's connection goes on, and with it what the user is sent. What a target's program sends waits in memory only: beyond
//! its bound the target has to wait, as it should for a user who reads slowly. Forwards wait in a file both ways: there are
//! many on one connection, and one that nobody reads must not stop the others. Messages without data are few on an honest
//! channel: one that is sent more of them than are taken ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, Sig};
use tokio::sync::{AcquireError, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::tape::Tape;
use super::user::{Screen, Size};

/// Data that waits in memory, bytes, where a channel is the only one. Each that is opened beside others has its share of that ...
const IN_MEMORY: usize = 4 * 1024 * 1024;
/// ... and so much at least.
const LEAST_IN_MEMORY: usize = 128 * 1024;
/// Data of a forward that waits in memory, bytes: no less than one packet. There are many forwards, and each has a file.
const FORWARD_IN_MEMORY: usize = 512 * 1024;
/// What a message of data takes beside its bytes: many small ones take as much as a few large ones.
const BESIDE_DATA: usize = 128;
/// The least that a piece takes of the file, so that their number is bounded too.
const LEAST_IN_FILE: u64 = 4096;
/// Messages without data that wait, bytes: enough for the longest command and what it is surrounded with.
const MAX_REQUESTS: usize = 512 * 1024;
/// What a message without data counts at least, bytes.
const LEAST_REQUEST: usize = 64;
/// How long data waits for memory before it goes to the file: a reader who is merely slower makes room in time. Nothing else on
/// the connection may move meanwhile ...
const MOMENT: Duration = Duration::from_millis(10);
/// ... so after each wait in vain the reader must take twice as much before the next, up to two to this power.
const LEAST_PATIENCE: u32 = 6;
/// What waits in a file, bytes. Beyond it the user's connection has to wait.
const IN_FILE: u64 = 1024 * 1024 * 1024;
/// The share of a file system that waiting data leaves free, as one part in so many.
const LEFT_FREE: u64 = 5;

/// The receiving side of a channel.
pub(super) struct Intake {
    items: mpsc::UnboundedReceiver<Item>,
    /// A spilled item that is being read back; kept here, so that a dropped read loses nothing.
    reading: Option<Spilled>,
    /// What was read and is to be read again, before all else.
    returned: Option<ChannelMsg>,
    room: Room,
    /// Where the sizes of the user's window are recorded.
    tape: Option<Tape>,
    /// The terminal whose window it is.
    screen: Option<Screen>,
    /// Cancelled when the other side has closed the channel, or is gone.
    closed: CancellationToken,
}

enum Item {
    Message(ChannelMsg),
    Spilled(Spilled),
}

/// What memory still has room for. Data waits for it; what is not data never does.
#[derive(Clone)]
struct Room {
    /// Bytes of data.
    data: Arc<Semaphore>,
    /// Bytes of other messages.
    requests: Arc<Semaphore>,
    /// Messages that were read, be it from memory or from the file.
    taken: Arc<AtomicU64>,
}

/// Where messages come from.
trait Source: Send + 'static {
    /// The next message; `None` when no more will come.
    fn wait(&mut self) -> impl Future<Output = Option<ChannelMsg>> + Send;
}

/// Data that waits in the file.
#[derive(Clone)]
struct Spilled {
    file: Arc<File>,
    offset: u64,
    length: usize,
    /// Bytes in the file that have not been read back.
    waiting: Arc<AtomicU64>,
}

impl Intake {
    /// Takes what a user sends, which must not stop their connection. What memory has no room for waits in an unnamed file in
    /// `directory`. So many channels are open, with this one.
    pub(super) fn spilling(half: ChannelReadHalf, directory: PathBuf, open: usize) -> Self {
        Self::new(half, share(open), Some(Spill::new(directory)))
    }

    /// Takes what comes from either end of a forward, as [`Intake::spilling`].
    pub(super) fn forwarded(half: ChannelReadHalf, directory: PathBuf) -> Self {
        Self::new(half, FORWARD_IN_MEMORY, Some(Spill::new(directory)))
    }

    /// Takes what a target sends. So many channels are open, with this one.
    pub(super) fn from_target(half: ChannelReadHalf, open: usize) -> Self {
        Self::new(half, share(open), None)
    }

    /// One that hears what a test says.
    #[cfg(test)]
    pub(super) fn played() -> (mpsc::UnboundedSender<ChannelMsg>, Self) {
        let (said, heard) = mpsc::unbounded_channel();
        (said, Self::new(heard, IN_MEMORY, None))
    }

    fn new(source: impl Source, in_memory: usize, spill: Option<Spill>) -> Self {
        let room = Room::of(in_memory);
        // Unbounded in items, bounded in bytes, of which each item counts some.
        let (backlog, items) = mpsc::unbounded_channel();
        let closed = CancellationToken::new();
        let taking = take(source, backlog, room.clone(), spill, closed.clone());
        let gone = closed.clone().drop_guard();
        tokio::spawn(async move {
            taking.await;
            drop(gone);
        });
        Self {
            items,
            reading: None,
            returned: None,
            room,
            tape: None,
            screen: None,
            closed,
        }
    }

    /// Cancelled when the other side takes nothing any more, while what it has sent may still wait here: the SSH library would
    /// let a write to it wait for ever.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Records the sizes of the user's window from here on.
    pub(super) fn record_on(&mut self, tape: Tape) {
        self.tape = Some(tape);
    }

    /// Tells a terminal the sizes of the user's window from here on.
    pub(super) fn show_on(&mut self, screen: Screen) {
        self.screen = Some(screen);
    }

    fn resize(&self, size: Size) {
        if let Some(tape) = &self.tape {
            tape.resize(size);
        }
        if let Some(screen) = &self.screen {
            screen.resize(size);
        }
    }

    /// Has the next reader begin with what was read last, or with the end of it.
    pub(super) fn give_back(&mut self, unread: ChannelMsg) {
        self.returned = Some(unread);
    }

    /// The next message; `None` when the channel has ended. May be dropped at the await.
    pub(super) async fn next(&mut self) -> Option<ChannelMsg> {
        if let Some(returned) = self.returned.take() {
            return Some(returned);
        }
        if self.reading.is_none() {
            match self.items.recv().await? {
                Item::Message(message) => {
                    self.room.give_back(&message);
                    if let Some(size) = Size::told_by(&message) {
                        self.resize(size);
                    }
                    return Some(message);
                }
                Item::Spilled(spilled) => self.reading = Some(spilled),
            }
        }
        let spilled = self.reading.clone()?;
        let data = spawn_blocking(move || spilled.read()).await;
        if let Some(read) = self.reading.take() {
            read.free();
            self.room.count_taken();
        }
        match data {
            Ok(Ok(data)) => Some(ChannelMsg::Data { data: data.into() }),
            // What cannot be read back must not be passed over in silence: the channel ends here.
            failed => {
                tracing::error!(?failed, "cannot read back what a user sent");
                None
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // Wakes a task that waits for room.
        self.room.data.close();
    }
}

impl Source for ChannelReadHalf {
    async fn wait(&mut self) -> Option<ChannelMsg> {
        Self::wait(self).await
    }
}

#[cfg(test)]
impl Source for mpsc::UnboundedReceiver<ChannelMsg> {
    async fn wait(&mut self) -> Option<ChannelMsg> {
        self.recv().await
    }
}

impl Room {
    fn of(in_memory: usize) -> Self {
        Self {
            data: Arc::new(Semaphore::new(in_memory)),
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            taken: Arc::default(),
        }
    }

    /// Messages that were read.
    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    fn count_taken(&self) {
        self.taken.fetch_add(1, Ordering::AcqRel);
    }

    /// Gives back the room that a message took.
    fn give_back(&self, message: &ChannelMsg) {
        self.count_taken();
        match data(message) {
            Some(data) => self.data.add_permits(data.len() + BESIDE_DATA),
            None => self.requests.add_permits(weight(message)),
        }
    }
}

impl Spilled {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut data = vec![0; self.length];
        self.file.read_exact_at(&mut data, self.offset)?;
        Ok(data)
    }

    /// Gives the place in the file back. Apart from reading, which may be tried more than once.
    fn free(self) {
        self.waiting.fetch_sub(self.length as u64, Ordering::AcqRel);
    }
}

/// The file that takes what memory has no room for; made when it is first needed, without a name.
struct Spill {
    directory: PathBuf,
    file: Option<Arc<File>>,
    end: u64,
    waiting: Arc<AtomicU64>,
    /// How often in a row the reader was waited for in vain.
    in_vain: u32,
    /// It is waited for again once it has taken so many messages in all.
    patient_from: u64,
}

impl Spill {
    fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            file: None,
            end: 0,
            waiting: Arc::default(),
            in_vain: 0,
            patient_from: 0,
        }
    }

    /// Waits a moment until memory has room for so many bytes, and says whether it had. One who has stopped reading is waited for
    /// once.
    ///
    /// # Errors
    /// Nobody reads any longer.
    async fn wait_for(&mut self, room: &Room, bytes: u32) -> Result<bool, AcquireError> {
        if room.taken() < self.patient_from {
            return Ok(false);
        }
        let Ok(permit) = timeout(MOMENT, room.data.acquire_many(bytes)).await else {
            self.in_vain = (self.in_vain + 1).min(LEAST_PATIENCE);
            self.patient_from = room.taken() + (1 << self.in_vain);
            return Ok(false);
        };
        permit?.forget();
        self.in_vain = 0;
        Ok(true)
    }

    /// Writes data to the file; `None` where there is no room in it.
    fn write(&mut self, data: &[u8]) -> io::Result<Option<Spilled>> {
        let length = data.len() as u64;
        let taken = length.max(LEAST_IN_FILE);
        if self.waiting.load(Ordering::Acquire) == 0 {
            self.end = 0;
        }
        if self.end + taken > IN_FILE {
            return Ok(None);
        }
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self
                .file
                .insert(Arc::new(tempfile::tempfile_in(&self.directory)?))
                .clone(),
        };
        file.write_all_at(data, self.end)?;
        let offset = self.end;
        self.end += taken;
        self.waiting.fetch_add(length, Ordering::AcqRel);
        Ok(Some(Spilled {
            file,
            offset,
            length: data.len(),
            waiting: self.waiting.clone(),
        }))
    }
}

/// The memory for the last of so many channels, bytes: whoever opens many does not get so many times as much.
fn share(open: usize) -> usize {
    (IN_MEMORY / open.max(1)).max(LEAST_IN_MEMORY)
}

/// Whether a file system has only the share left that waiting data must not take: others write there, too.
fn is_nearly_full(file_system: &rustix::fs::StatVfs) -> bool {
    file_system.f_bavail < file_system.f_blocks / LEFT_FREE
}

async fn take(
    mut source: impl Source,
    backlog: mpsc::UnboundedSender<Item>,
    room: Room,
    mut spill: Option<Spill>,
    closed: CancellationToken,
) {
    while let Some(message) = source.wait().await {
        if matches!(message, ChannelMsg::Close) {
            closed.cancel();
        }
        if is_void(&message) {
            continue;
        }
        let item = match keep(message, &room, &mut spill).await {
            Ok(Some(item)) => item,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "cannot hold what a channel is sent, so it ends");
                return;
            }
        };
        if backlog.send(item).is_err() {
            return;
        }
    }
}

/// Finds a place for a message; `None` when nobody wants it any longer.
///
/// # Errors
/// There is none, and there must not be: the channel ends.
async fn keep(message: ChannelMsg, room: &Room, spill: &mut Option<Spill>) -> io::Result<Option<Item>> {
    let Some(data) = data(&message) else {
        let weight = u32::try_from(weight(&message)).map_err(io::Error::other)?;
        let permit = room.requests.try_acquire_many(weight);
        permit
            .map_err(|_| io::Error::other("more requests than are taken"))?
            .forget();
        return Ok(Some(Item::Message(message)));
    };
    let length = u32::try_from(data.len() + BESIDE_DATA).map_err(io::Error::other)?;
    if let Ok(permit) = room.data.try_acquire_many(length) {
        permit.forget();
        return Ok(Some(Item::Message(message)));
    }
    if matches!(message, ChannelMsg::Data { .. })
        && let Some(mut file) = spill.take()
    {
        match file.wait_for(room, length).await {
            Ok(false) => {}
            Ok(true) => {
                *spill = Some(file);
                return Ok(Some(Item::Message(message)));
            }
            Err(_unread) => return Ok(None),
        }
        let (file, written) = write_elsewhere(file, data.to_vec()).await?;
        *spill = Some(file);
        if let Some(spilled) = written {
            return Ok(Some(Item::Spilled(spilled)));
        }
    }
    let Ok(permit) = room.data.acquire_many(length).await else {
        return Ok(None);
    };
    permit.forget();
    Ok(Some(Item::Message(message)))
}

async fn write_elsewhere(mut spill: Spill, data: Vec<u8>) -> io::Result<(Spill, Option<Spilled>)> {
    let writing = move || {
        let is_full = is_nearly_full(&rustix::fs::statvfs(&spill.directory)?);
        let written = if is_full { None } else { spill.write(&data)? };
        Ok((spill, written))
    };
    spawn_blocking(writing).await.map_err(io::Error::other)?
}

/// Whether a message says nothing: windows are the SSH library's, which tells of each change.
fn is_void(message: &ChannelMsg) -> bool {
    matches!(message, ChannelMsg::WindowAdjusted { .. }) || data(message).is_some_and(Bytes::is_empty)
}

fn data(message: &ChannelMsg) -> Option<&Bytes> {
    match message {
        ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => Some(data),
        _ => None,
    }
}

/// What a message without data counts, bytes.
fn weight(message: &ChannelMsg) -> usize {
    let custom = |signal: &Sig| match signal {
        Sig::Custom(name) => name.len(),
        _ => 0,
    };
    let bytes = match message {
        ChannelMsg::RequestPty {
            term, terminal_modes, ..
        } => term.len() + size_of_val(terminal_modes.as_slice()),
        ChannelMsg::Exec { command, .. } => command.len(),
        ChannelMsg::RequestSubsystem { name, .. } => name.len(),
        ChannelMsg::RequestX11 {
            x11_authentication_protocol: protocol,
            x11_authentication_cookie: cookie,
            ..
        } => protocol.len() + cookie.len(),
        ChannelMsg::SetEnv {
            variable_name,
            variable_value,
            ..
        } => variable_name.len() + variable_value.len(),
        ChannelMsg::Signal { signal } => custom(signal),
        ChannelMsg::ExitSignal {
            signal_name,
            error_message,
            lang_tag,
            ..
        } => custom(signal_name) + error_message.len() + lang_tag.len(),
        _ => 0,
    };
    bytes.max(LEAST_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(length: usize) -> ChannelMsg {
        ChannelMsg::SetEnv {
            want_reply: false,
            variable_name: "A".to_owned(),
            variable_value: "x".repeat(length),
        }
    }

    fn text(text: &'static str) -> ChannelMsg {
        ChannelMsg::Data {
            data: Bytes::from_static(text.as_bytes()),
        }
    }

    /// How many messages are kept of those that a channel is sent at once.
    async fn kept(sent: impl IntoIterator<Item = ChannelMsg>) -> usize {
        let (said, mut intake) = Intake::played();
        sent.into_iter().for_each(|message| said.send(message).unwrap());
        drop(said);
        // It has taken what it takes: nothing is read before.
        intake.closed().clone().cancelled().await;
        let mut kept = 0;
        while intake.next().await.is_some() {
            kept += 1;
        }
        kept
    }

    #[tokio::test]
    async fn requests_that_nobody_takes_end_the_channel() {
        assert_eq!(kept((0..10).map(|_| variable(200_000))).await, MAX_REQUESTS / 200_000);
        let empty = (0..100_000).map(|_| ChannelMsg::Success);
        assert_eq!(kept(empty).await, MAX_REQUESTS / LEAST_REQUEST);
    }

    #[tokio::test]
    async fn requests_that_are_taken_are_not_bounded() {
        let (said, mut intake) = Intake::played();
        for _ in 0..10 {
            said.send(variable(200_000)).unwrap();
            assert!(intake.next().await.is_some());
        }
    }

    #[tokio::test]
    async fn what_says_nothing_is_not_kept() {
        let nothing = (0..100_000).flat_map(|_| [text(""), ChannelMsg::WindowAdjusted { new_size: 1 }]);
        assert_eq!(kept(nothing.chain([text("x")])).await, 1);
    }

    #[tokio::test]
    async fn the_end_does_not_wait_behind_data_that_fills_memory() {
        let room = Room::of(BESIDE_DATA + 3);
        let mut none = None;
        assert!(keep(text("abc"), &room, &mut none).await.unwrap().is_some());
        let end = keep(ChannelMsg::Eof, &room, &mut none).await;
        assert!(matches!(end, Ok(Some(Item::Message(ChannelMsg::Eof)))));
    }

    #[tokio::test]
    async fn a_reader_is_waited_for_again_once_it_has_taken_enough() {
        let (room, mut spill) = (Room::of(0), Spill::new(std::env::temp_dir()));
        for taken in [2, 4, 8, 16, 32, 64, 64, 64] {
            assert!(!spill.wait_for(&room, 1).await.unwrap(), "nothing was taken");
            room.data.add_permits(1);
            assert!(
                !spill.wait_for(&room, 1).await.unwrap(),
                "too little was taken to be waited for"
            );
            room.data.forget_permits(1);
            room.taken.fetch_add(taken, Ordering::AcqRel);
        }
        room.data.add_permits(1);
        assert!(spill.wait_for(&room, 1).await.unwrap());
        assert_eq!(spill.in_vain, 0, "patient again");
    }

    #[tokio::test]
    async fn a_reader_who_takes_makes_room_in_memory() {
        let (said, mut intake) = Intake::played();
        let (room, mut spill) = (intake.room.clone(), Some(Spill::new(std::env::temp_dir())));
        let room_for_one = BESIDE_DATA + 3;
        room.data.forget_permits(IN_MEMORY - room_for_one);
        said.send(text("abc")).unwrap();
        while room.data.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let reading = async {
            assert!(intake.next().await.is_some());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            kept = keep(text("def"), &room, &mut spill) => {
                assert!(matches!(kept, Ok(Some(Item::Message(_)))), "not in the file");
            }
            () = reading => {}
        }
    }

    #[test]
    fn what_was_spilled_is_read_back_and_its_place_is_used_again() {
        let mut spill = Spill::new(std::env::temp_dir());
        let first = spill.write(b"first").unwrap().unwrap();
        let second = spill.write(b"second").unwrap().unwrap();
        assert_eq!(
            (second.offset, first.read().unwrap()),
            (LEAST_IN_FILE, b"first".to_vec())
        );
        first.free();
        assert_eq!(second.read().unwrap(), b"second");
        second.free();
        assert_eq!(spill.write(b"third").unwrap().unwrap().offset, 0);
    }

    #[test]
    fn a_fifth_of_the_file_system_stays_free() {
        let mut file_system = rustix::fs::statvfs("/").unwrap();
        (file_system.f_blocks, file_system.f_bavail) = (1000, 200);
        assert!(!is_nearly_full(&file_system));
        file_system.f_bavail = 199;
        assert!(is_nearly_full(&file_system));
    }

    #[test]
    fn many_channels_have_little_more_memory_than_few() {
        assert_eq!(share(1), IN_MEMORY);
        let of_all: usize = (1..=64).map(share).sum();
        assert!(of_all < 6 * IN_MEMORY, "{of_all}");
    }

    #[test]
    fn the_file_is_bounded() {
        let mut spill = Spill {
            end: IN_FILE - LEAST_IN_FILE,
            ..Spill::new(std::env::temp_dir())
        };
        spill.waiting.store(1, Ordering::Release);
        let too_long = [0; 4097];
        assert!(spill.write(&too_long).unwrap().is_none());
        assert!(spill.write(b"a").unwrap().is_some());
        assert!(
            spill.write(b"b").unwrap().is_none(),
            "small ones take a place of their own"
        );
    }
}
