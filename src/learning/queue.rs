//! Requests to train that wait for the trainer's process: one file each, the oldest first.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is asked of a training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Commands that must say something, at least.
    pub min_samples: u32,
    /// Of so many days.
    pub days: u32,
    /// Who asks, or what.
    pub requested_by: String,
}

impl Request {
    /// Commands that must say something where nobody says how many.
    pub const MIN_SAMPLES: u32 = 50;
    /// Days that are learned from where nobody says how many.
    pub const DAYS: u32 = 90;

    /// The ordinary request.
    #[must_use]
    pub fn by(requested_by: &str) -> Self {
        Self {
            min_samples: Self::MIN_SAMPLES,
            days: Self::DAYS,
            requested_by: requested_by.to_owned(),
        }
    }
}

/// Why a request cannot wait, or cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Another waits already: a second would only repeat it.
    #[error("a request to train waits already; see that opspilot-trainer.path is running, or train by hand")]
    Full,
    /// The directory cannot be used.
    #[error("cannot use {}: {cause}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is no request.
    #[error("{} is no request to train and was removed: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: serde_json::Error,
    },
}

/// The directory of requests. Nothing is kept of one that was taken: should its training not end, nobody repeats it.
#[derive(Debug, Clone)]
pub struct Queue {
    dir: PathBuf,
}

impl Queue {
    /// The queue of a state directory; it need not be there yet.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self {
            dir: super::training::place(state_dir).join("queue"),
        }
    }

    /// Adds a request, and gives the id of the job that it becomes.
    ///
    /// # Errors
    /// [`QueueError::Full`] and [`QueueError::Directory`].
    pub fn push(&self, request: &Request) -> Result<Uuid, QueueError> {
        let id = Uuid::now_v7();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|cause| self.failed(cause))?;
        // Whoever comes at the same time waits, and then finds this one waiting.
        let directory = File::open(&self.dir).map_err(|cause| self.failed(cause))?;
        directory.lock().map_err(|cause| self.failed(cause))?;
        if !self.waiting()?.is_empty() {
            return Err(QueueError::Full);
        }
        self.write(id, request).map_err(|cause| self.failed(cause))?;
        Ok(id)
    }

    /// Takes the oldest request, if there is one.
    ///
    /// # Errors
    /// [`QueueError::Malformed`], after which the next may be taken, and [`QueueError::Directory`].
    pub fn take(&self) -> Result<Option<(Uuid, Request)>, QueueError> {
        let Some(id) = self.waiting()?.into_iter().next() else {
            return Ok(None);
        };
        let path = self.file(id);
        let text = fs::read(&path).map_err(|cause| self.failed(cause))?;
        fs::remove_file(&path).map_err(|cause| self.failed(cause))?;
        let request = serde_json::from_slice(&text).map_err(|cause| QueueError::Malformed { path, cause })?;
        Ok(Some((id, request)))
    }

    /// The jobs that wait, the oldest first.
    ///
    /// # Errors
    /// [`QueueError::Directory`].
    pub fn waiting(&self) -> Result<Vec<Uuid>, QueueError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(self.failed(cause)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(|cause| self.failed(cause))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            ids.extend(id.and_then(|id| id.parse::<Uuid>().ok()));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Whole or not at all: whoever watches the directory reads what is there at once.
    fn write(&self, id: Uuid, request: &Request) -> io::Result<()> {
        let unfinished = self.dir.join(format!(".{id}"));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&serde_json::to_vec(request)?)?;
        file.sync_all()?;
        fs::rename(unfinished, self.file(id))
    }

    fn file(&self, id: Uuid) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn failed(&self, cause: io::Error) -> QueueError {
        QueueError::Directory {
            path: self.dir.clone(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One more that waits, whatever waits already.
    fn waits(queue: &Queue, request: &Request) -> Uuid {
        let id = Uuid::now_v7();
        fs::create_dir_all(&queue.dir).unwrap();
        queue.write(id, request).unwrap();
        id
    }

    #[test]
    fn requests_are_taken_once_and_in_the_order_in_which_they_came() {
        let state = tempfile::tempdir().unwrap();
        let queue = Queue::of(state.path());
        assert_eq!(queue.take().unwrap(), None, "nothing is there yet");
        let requests = ["alice", "bob", "carol"].map(Request::by);
        let ids = requests.clone().map(|request| waits(&queue, &request));
        assert_eq!(queue.waiting().unwrap(), ids);
        for (id, request) in ids.into_iter().zip(requests) {
            assert_eq!(queue.take().unwrap(), Some((id, request)));
        }
        assert_eq!(queue.take().unwrap(), None);
    }

    #[test]
    fn of_those_who_ask_at_once_one_waits() {
        let state = tempfile::tempdir().unwrap();
        let queue = Queue::of(state.path());
        let asking = [(); 8].map(|()| {
            let queue = queue.clone();
            std::thread::spawn(move || queue.push(&Request::by("alice")))
        });
        let pushed = asking.map(|thread| thread.join().unwrap());
        assert_eq!(pushed.iter().filter(|pushed| pushed.is_ok()).count(), 1, "{pushed:?}");
        queue.take().unwrap().unwrap();
        queue.push(&Request::by("bob")).unwrap();
        assert!(matches!(queue.push(&Request::by("bob")), Err(QueueError::Full)));
    }

    #[test]
    fn what_is_no_request_is_removed_and_keeps_nobody_waiting() {
        let state = tempfile::tempdir().unwrap();
        let queue = Queue::of(state.path());
        queue.push(&Request::by("alice")).unwrap();
        fs::write(queue.file(Uuid::nil()), "{\"min_samples\": -1}").unwrap();
        fs::write(queue.dir.join(".unfinished"), "").unwrap();
        assert!(matches!(queue.take(), Err(QueueError::Malformed { .. })));
        assert!(queue.take().unwrap().is_some());
        assert_eq!(queue.take().unwrap(), None);
    }
}
