//! The daemon's side of one supervisor and its worker.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::frame::{Frame, GREETING, MAX_GREETING};
use super::orders::{self, Delivery};
use super::patience::{Patience, Patient};
use super::{HelperError, SUPERVISOR, worker};
use crate::command::Tree;
use crate::domain::printable_line;

/// After how many texts, and after how long, a worker is replaced: what one text made of it does not see others for longer.
const MOST_TEXTS: u32 = 1_000;
const MOST_AGE: Duration = Duration::from_mins(10);

/// One supervisor, and the worker that it has started last.
#[derive(Debug)]
pub(super) struct Slot {
    supervisor: OwnedFd,
    /// `None` until the next one is received.
    worker: Option<Worker>,
    /// Whether a worker was ordered that has not been received: never more than one at a time.
    is_ordered: bool,
    is_gone: bool,
}

#[derive(Debug)]
struct Worker {
    stream: UnixStream,
    /// How many texts it was asked about.
    asked: u32,
    since: Instant,
}

impl Slot {
    /// Starts a supervisor, and orders its first worker.
    pub(super) fn start(program: &Path) -> Result<Self, HelperError> {
        let (supervisor, theirs) = orders::pair().map_err(HelperError::Start)?;
        Command::new(program)
            .arg0("opspilot")
            .arg(SUPERVISOR)
            .env_clear()
            .current_dir("/")
            // What a terminal sends to the daemon's group is not meant for it: it serves until the daemon has drained.
            .process_group(0)
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(HelperError::Start)?;
        Self::served_by(supervisor)
    }

    /// Orders the first worker of a supervisor.
    pub(super) fn served_by(supervisor: OwnedFd) -> Result<Self, HelperError> {
        Patience::divide(&supervisor).map_err(HelperError::Start)?;
        let mut slot = Self {
            supervisor,
            worker: None,
            is_ordered: false,
            is_gone: false,
        };
        slot.order()?;
        Ok(slot)
    }

    /// Whether it can answer without a worker to wait for.
    pub(super) fn is_ready(&self) -> bool {
        self.worker.is_some()
    }

    /// Whether it will never answer again.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Awaits its worker.
    pub(super) fn prepare(&mut self) -> Result<(), HelperError> {
        let patience = Patience::new();
        self.worker(&patience).map(drop)
    }

    /// The tree of a text, or `None` where it is beyond the bounds. Whatever fails, another worker is ordered.
    pub(super) fn ask(&mut self, text: &str, patience: &Patience) -> Result<Option<Tree>, HelperError> {
        let answer = self.worker(patience).and_then(|worker| worker.ask(text, patience));
        if answer.is_err() || self.worker.as_ref().is_some_and(Worker::is_spent) {
            self.replace();
        }
        answer
    }

    /// The worker, once it is there and has said that it can serve.
    fn worker(&mut self, patience: &Patience) -> Result<&mut Worker, HelperError> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => self.receive(patience)?,
        };
        Ok(self.worker.insert(worker))
    }

    fn receive(&mut self, patience: &Patience) -> Result<Worker, HelperError> {
        self.order()?;
        let delivery = patience.attempt(|| orders::receive(&self.supervisor))?;
        self.is_ordered = false;
        match delivery {
            Delivery::Worker(socket) => Worker::greeted(socket, patience),
            Delivery::Failed(reason) => Err(HelperError::Refused(printable_line(&reason).into_owned())),
            Delivery::Gone => {
                self.is_gone = true;
                Err(HelperError::Gone)
            }
        }
    }

    /// Lets the worker go and orders another, which is started while nobody waits for it.
    fn replace(&mut self) {
        self.worker = None;
        if let Err(error) = self.order() {
            tracing::warn!(%error, "cannot order another worker yet");
        }
    }

    fn order(&mut self) -> Result<(), HelperError> {
        if self.is_ordered {
            return Ok(());
        }
        match orders::order(&self.supervisor) {
            Ok(()) => {
                self.is_ordered = true;
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.is_gone = true;
                Err(HelperError::Gone)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Worker {
    /// A worker as soon as it has said that it can serve.
    fn greeted(socket: OwnedFd, patience: &Patience) -> Result<Self, HelperError> {
        let stream = UnixStream::from(socket);
        Patience::divide(&stream)?;
        let mut patient = Patient {
            stream: &stream,
            patience,
        };
        let greeting = Frame::receive(&mut patient, MAX_GREETING)?;
        match greeting.bytes.as_slice() {
            [] if greeting.number == GREETING => Ok(Self {
                stream,
                asked: 0,
                since: Instant::now(),
            }),
            reason => Err(HelperError::Refused(
                printable_line(&String::from_utf8_lossy(reason)).into_owned(),
            )),
        }
    }

    fn ask(&mut self, text: &str, patience: &Patience) -> Result<Option<Tree>, HelperError> {
        self.asked += 1;
        let mut patient = Patient {
            stream: &self.stream,
            patience,
        };
        Frame::send(self.asked, text.as_bytes(), &mut patient)?;
        let answer = Frame::receive(&mut patient, worker::MAX_ANSWER)?;
        if answer.number != self.asked {
            return Err(HelperError::BadAnswer);
        }
        worker::read_answer(&answer.bytes, text)
    }

    fn is_spent(&self) -> bool {
        self.asked >= MOST_TEXTS || self.since.elapsed() >= MOST_AGE
    }
}
