//! The way from the session's tasks to the file: what comes is gathered, and goes through a bounded queue to a thread of its
//! own. Waking that thread for each piece would hold up the echo of every key.

use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Permit;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Interval, interval};
use tokio_util::sync::CancellationToken;

use super::RecordingError;
use super::cast::{Action, Header, sensible};
use super::file::{CastFile, FLUSH_EVERY};
use crate::domain::Seal;

/// Batches that may wait for the thread; beyond them, who shows something waits.
const QUEUE: usize = 8;
/// What a batch weighs that goes to the thread at once, bytes. A lighter one goes when the file is flushed.
const BATCH: usize = 32 * 1024;
/// What a piece weighs beside its bytes.
const PIECE_WEIGHT: usize = 64;
/// Longest piece of output, bytes; longer ones are divided.
const MAX_PIECE: usize = 64 * 1024;
/// Changes of the window's size that may wait for the thread. Beyond them the last is replaced: nothing was drawn in between.
const MAX_RESIZES: usize = 64;

/// The recording takes nothing any longer: it could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recording cannot be written any longer")]
pub struct Closed;

/// A hand on a recording. The recording ends when the last of its clones is dropped.
#[derive(Debug, Clone)]
pub struct Recorder {
    began: Instant,
    batch: Batch,
    queue: mpsc::Sender<Vec<Order>>,
    resizes: Resizes,
    closed: CancellationToken,
}

#[derive(Debug)]
enum Order {
    Output(Duration, Vec<u8>),
    Marker(Duration, String),
    Flush,
}

impl Recorder {
    fn into(queue: mpsc::Sender<Vec<Order>>) -> Self {
        Self {
            began: Instant::now(),
            batch: Batch::default(),
            queue,
            resizes: Resizes::default(),
            closed: CancellationToken::new(),
        }
    }

    fn watch(&self, seals: watch::Receiver<Option<Seal>>, written: oneshot::Receiver<Written>) -> Watch {
        Watch {
            batch: self.batch.clone(),
            queue: self.queue.downgrade(),
            ticks: interval(FLUSH_EVERY),
            seals,
            written,
        }
    }

    /// Records that `bytes` are shown. Waits while the queue is full.
    ///
    /// # Errors
    /// The recording cannot be written any longer.
    pub async fn output(&self, bytes: &[u8]) -> Result<(), Closed> {
        for piece in bytes.chunks(MAX_PIECE) {
            self.order(Order::Output(self.began.elapsed(), piece.to_vec())).await?;
        }
        Ok(())
    }

    /// Records that something begins.
    ///
    /// # Errors
    /// As [`Self::output`].
    pub async fn marker(&self, label: String) -> Result<(), Closed> {
        self.order(Order::Marker(self.began.elapsed(), label)).await
    }

    /// Records that the terminal has so many columns and rows. Never waits: it is written before what is shown next.
    pub fn resize(&self, columns: u32, rows: u32) {
        self.resizes.push(self.began.elapsed(), sensible((columns, rows)));
    }

    /// Cancelled when the recording cannot be written any longer.
    #[must_use]
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    async fn order(&self, order: Order) -> Result<(), Closed> {
        if self.queue.is_closed() {
            return Err(Closed);
        }
        if self.batch.push(order) {
            let place = self.queue.reserve().await.map_err(|_| Closed)?;
            self.batch.hand_on(place);
        }
        Ok(())
    }
}

impl Order {
    fn weight(&self) -> usize {
        match self {
            Self::Output(_, bytes) => PIECE_WEIGHT + bytes.len(),
            Self::Marker(_, label) => PIECE_WEIGHT + label.len(),
            Self::Flush => 0,
        }
    }
}

/// What the thread has not been handed yet.
// A std mutex: held for a few operations on a short list, never across an await.
#[derive(Debug, Clone, Default)]
struct Batch(Arc<Mutex<Gathered>>);

#[derive(Debug, Default)]
struct Gathered {
    orders: Vec<Order>,
    weight: usize,
}

impl Batch {
    /// Takes an order, and says whether the batch is to be handed on now.
    fn push(&self, order: Order) -> bool {
        let mut gathered = self.lock();
        gathered.weight += order.weight();
        gathered.orders.push(order);
        gathered.weight >= BATCH
    }

    /// Hands what was gathered to the thread, under the lock: two who do so at once keep their order.
    fn hand_on(&self, place: Permit<'_, Vec<Order>>) {
        let mut gathered = self.lock();
        place.send(mem::take(&mut *gathered).orders);
    }

    fn take(&self) -> Vec<Order> {
        mem::take(&mut *self.lock()).orders
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sizes that were told and not written yet.
// A std mutex: held for a few operations on a short list, never across an await.
#[derive(Debug, Clone, Default)]
struct Resizes(Arc<Mutex<Vec<Resize>>>);

/// When, and how many columns and rows.
type Resize = (Duration, (u16, u16));

impl Resizes {
    fn push(&self, at: Duration, size: (u16, u16)) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.truncate(MAX_RESIZES - 1);
        waiting.push((at, size));
    }

    /// Takes those that were told up to `until`.
    fn take(&self, until: Duration) -> Vec<Resize> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = waiting.partition_point(|(at, _)| *at <= until);
        waiting.drain(..due).collect()
    }
}

/// What became of a recording.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// All of it is in the file.
    Whole(Seal),
    /// It could not be written, or not to its end.
    Failed {
        /// What is in the file; `None` where that is not known.
        seal: Option<Seal>,
        /// Why, in plain words.
        reason: String,
    },
}

/// Sees to a recording from outside: that it is flushed while nothing happens, and how it ends.
#[derive(Debug)]
pub struct Watch {
    batch: Batch,
    queue: mpsc::WeakSender<Vec<Order>>,
    ticks: Interval,
    seals: watch::Receiver<Option<Seal>>,
    written: oneshot::Receiver<Written>,
}

/// How far a recording has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// This much of it is on disk.
    Sealed(Seal),
    /// It has ended.
    Ended(Written),
}

impl Watch {
    /// Waits for the recording to get further; not to be asked again after its end.
    pub async fn next(&mut self) -> Progress {
        loop {
            tokio::select! {
                written = &mut self.written => return Progress::Ended(written.unwrap_or_else(|_| Written::Failed {
                    seal: None,
                    reason: "its writer broke down".to_owned(),
                })),
                Ok(()) = self.seals.changed() => {
                    if let Some(seal) = self.seals.borrow_and_update().clone() {
                        return Progress::Sealed(seal);
                    }
                }
                _ = self.ticks.tick() => self.flush(),
            }
        }
    }

    /// A queue that is full needs no reminder: who takes from it looks at the clock.
    fn flush(&self) {
        if let Some(queue) = self.queue.upgrade()
            && let Ok(place) = queue.try_reserve()
        {
            self.batch.push(Order::Flush);
            self.batch.hand_on(place);
        }
    }
}

/// Makes the file of a recording at `path`, with its directories, and starts to write. A file that outgrows `limit`, in bytes,
/// has failed; `None` is without one.
///
/// # Errors
/// [`RecordingError::Create`] where the file cannot be made or the thread not be started.
pub async fn begin(path: PathBuf, header: Header, limit: Option<u64>) -> Result<(Recorder, Watch), RecordingError> {
    let create = {
        let path = path.clone();
        spawn_blocking(move || CastFile::create(&path, &header, limit))
    };
    let created = create.await.map_err(io::Error::other).and_then(|file| file);
    created
        .and_then(start)
        .map_err(|source| RecordingError::Create { path, source })
}

fn start(file: CastFile) -> io::Result<(Recorder, Watch)> {
    let (queue, mut orders) = mpsc::channel(QUEUE);
    let (done, written) = oneshot::channel();
    let recorder = Recorder::into(queue);
    let (seals, sealed) = watch::channel(None);
    let watch = recorder.watch(sealed, written);
    let batch = recorder.batch.clone();
    let (resizes, closed) = (recorder.resizes.clone(), recorder.closed.clone().drop_guard());
    std::thread::Builder::new()
        .name("recording".to_owned())
        .spawn(move || {
            let written = write(file, &mut orders, (&batch, &resizes), &seals);
            // Before the queue: whom the queue turns away finds the recording closed.
            drop(closed);
            drop(orders);
            // Whoever asked may have stopped waiting.
            done.send(written).unwrap_or_default();
        })?;
    Ok((recorder, watch))
}

/// Writes until everybody who could show something is gone, or writing fails.
fn write(
    mut file: CastFile,
    orders: &mut mpsc::Receiver<Vec<Order>>,
    (rest, resizes): (&Batch, &Resizes),
    seals: &watch::Sender<Option<Seal>>,
) -> Written {
    let mut outcome = Ok(());
    while outcome.is_ok()
        && let Some(batch) = orders.blocking_recv()
    {
        outcome = obey(&mut file, batch, resizes);
        if let Some(seal) = file.take_seal() {
            seals.send_replace(Some(seal));
        }
    }
    let outcome = outcome
        .and_then(|()| obey(&mut file, rest.take(), resizes))
        .and_then(|()| write_resizes(&mut file, Duration::MAX, resizes))
        .and_then(|()| file.finish());
    let seal = file.seal();
    match outcome {
        Ok(()) => Written::Whole(seal),
        Err(error) => Written::Failed {
            seal: Some(seal),
            reason: error.to_string(),
        },
    }
}

fn obey(file: &mut CastFile, batch: Vec<Order>, resizes: &Resizes) -> io::Result<()> {
    for order in batch {
        match order {
            Order::Output(at, bytes) => {
                write_resizes(file, at, resizes)?;
                file.output(at, &bytes)?;
            }
            Order::Marker(at, label) => {
                write_resizes(file, at, resizes)?;
                file.event(at, Action::Marker(label))?;
            }
            Order::Flush => file.flush()?,
        }
    }
    Ok(())
}

fn write_resizes(file: &mut CastFile, until: Duration, resizes: &Resizes) -> io::Result<()> {
    for (at, (columns, rows)) in resizes.take(until) {
        file.event(at, Action::Resize(columns, rows))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use super::super::{Event, Player};
    use super::*;

    fn header() -> Header {
        Header::new((80, 24), "xterm", "alice on web-1", Timestamp::UNIX_EPOCH)
    }

    fn events(path: &Path) -> Vec<Event> {
        let mut player = Player::open(path).unwrap();
        std::iter::from_fn(|| player.next_event().unwrap()).collect()
    }

    async fn end(mut watch: Watch) -> Written {
        loop {
            if let Progress::Ended(written) = watch.next().await {
                return written;
            }
        }
    }

    #[tokio::test]
    async fn everything_is_written_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let (recorder, watch) = begin(path.clone(), header(), None).await.unwrap();
        recorder.output(b"$ ").await.unwrap();
        recorder.marker("command 1".to_owned()).await.unwrap();
        recorder.resize(0, 40);
        recorder.output(b"done").await.unwrap();
        recorder.resize(120, 50);
        drop(recorder);

        let written = end(watch).await;
        assert_eq!(written, Written::Whole(super::super::seal(&path).unwrap()));
        let actions: Vec<Action> = events(&path).into_iter().map(|event| event.action).collect();
        assert_eq!(
            actions,
            [
                Action::Output("$ ".to_owned()),
                Action::Marker("command 1".to_owned()),
                Action::Resize(80, 40),
                Action::Output("done".to_owned()),
                Action::Resize(120, 50),
            ]
        );
    }

    #[tokio::test]
    async fn the_thread_is_woken_for_a_flush_and_for_a_heavy_batch_and_not_for_a_key() {
        let (queue, mut orders) = mpsc::channel(QUEUE);
        let (_done, written) = oneshot::channel();
        let recorder = Recorder::into(queue);
        let watch = recorder.watch(watch::channel(None).1, written);
        recorder.output(b"k").await.unwrap();
        assert!(orders.is_empty());
        watch.flush();
        let batch = orders.try_recv().unwrap();
        assert!(
            matches!(&batch[..], [Order::Output(_, key), Order::Flush] if key == b"k"),
            "{batch:?}"
        );

        recorder.output(b"k").await.unwrap();
        recorder.output(&vec![b'x'; BATCH]).await.unwrap();
        assert_eq!(orders.try_recv().unwrap().len(), 2);
        recorder.output(b"k").await.unwrap();
        assert!(orders.is_empty(), "a new batch has weighed nothing");
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_all_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let (recorder, watch) = begin(path.clone(), header(), None).await.unwrap();
        let bytes = "0123456789abcdé ".repeat(1024 * 1024 / 16);
        for _ in 0..8 {
            recorder.output(bytes.as_bytes()).await.unwrap();
        }
        drop(recorder);
        assert!(matches!(end(watch).await, Written::Whole(_)));

        let text: String = events(&path)
            .into_iter()
            .map(|event| match event.action {
                Action::Output(text) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(text == bytes.repeat(8), "{} bytes", text.len());
    }

    #[tokio::test]
    async fn what_cannot_be_written_closes_the_recording_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let (recorder, watch) = begin(path.clone(), header(), None).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let watched = tokio::spawn(end(watch));
        recorder.closed().cancelled().await;
        let written = watched.await.unwrap();
        assert!(
            matches!(&written, Written::Failed { reason, .. } if reason == "its file was removed"),
            "{written:?}"
        );
        assert_eq!(recorder.output(b"x").await, Err(Closed));
    }

    #[tokio::test]
    async fn a_recording_that_outgrows_its_limit_is_closed_with_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let (recorder, watch) = begin(path.clone(), header(), Some(1)).await.unwrap();
        recorder.output(b"more than a byte").await.unwrap();
        let written = end(watch).await;
        assert!(recorder.closed().is_cancelled());
        let seal = Some(super::super::seal(&path).unwrap());
        let reason = "it has outgrown store.recordings_max_bytes".to_owned();
        assert_eq!(written, Written::Failed { seal, reason });
        assert_eq!(events(&path).len(), 1, "what was taken is in it");
    }

    #[tokio::test]
    async fn a_task_that_panics_leaves_what_it_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.cast.zst");
        let (recorder, watch) = begin(path.clone(), header(), None).await.unwrap();
        let task = tokio::spawn(async move {
            recorder.output(b"before").await.unwrap();
            panic!("the task gives way");
        });
        assert!(task.await.is_err_and(|error| error.is_panic()));
        assert!(matches!(end(watch).await, Written::Whole(_)));
        let shown = events(&path).pop().map(|event| event.action);
        assert_eq!(shown, Some(Action::Output("before".to_owned())));
    }

    #[tokio::test]
    async fn a_writer_that_panics_is_a_failure() {
        let (queue, orders) = mpsc::channel(QUEUE);
        let (done, written) = oneshot::channel::<Written>();
        let watch = Recorder::into(queue).watch(watch::channel(None).1, written);
        let writer = std::thread::spawn(move || {
            let _held = (done, orders);
            panic!("the writer gives way");
        });
        let written = end(watch).await;
        assert!(matches!(written, Written::Failed { seal: None, .. }), "{written:?}");
        assert!(writer.join().is_err());
    }

    #[tokio::test]
    async fn where_no_file_can_be_made_the_error_names_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("recordings"), "a file").unwrap();
        let error = begin(dir.path().join("recordings/day/x"), header(), None)
            .await
            .map(drop)
            .unwrap_err();
        assert!(error.to_string().contains("recordings/day/x"), "{error}");
    }

    #[test]
    fn a_flood_of_sizes_is_bounded_and_ends_with_the_last() {
        let resizes = Resizes::default();
        for number in 0..1000 {
            resizes.push(Duration::from_millis(number), (80, u16::try_from(number).unwrap()));
        }
        let taken = resizes.take(Duration::MAX);
        assert_eq!((taken.len(), taken.last().unwrap().1), (MAX_RESIZES, (80, 999)));
    }
}
