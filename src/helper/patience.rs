//! Waiting for a worker that may never answer, and for no longer than that is worth.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use tokio::runtime::{Handle, RuntimeFlavor};

/// How long one text may take, from waiting for a worker to the whole answer. The longest that is known takes 27 ms of processor time.
const WHOLE: Duration = Duration::from_secs(2);
/// How long a thread that serves others as well waits by itself, and how often it looks whether all is up.
const SLICE: Duration = Duration::from_millis(30);

/// The time that is left for one text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    until: Instant,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            until: Instant::now() + WHOLE,
        }
    }

    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Has a socket's calls return now and then, so that [`Self::attempt`] can count the time.
    pub(super) fn divide(socket: impl AsFd) -> io::Result<()> {
        let socket = socket.as_fd();
        for timeout in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(socket, timeout, Some(SLICE))?;
        }
        Ok(())
    }

    /// Repeats a socket's call until it does something, or all time is up. A call that takes more than a moment leaves
    /// the thread's other tasks to other threads.
    pub(super) fn attempt<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match self.once(&mut call) {
            None => aside(|| self.until_done(call)),
            Some(done) => done,
        }
    }

    fn until_done<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            if let Some(done) = self.once(&mut call) {
                return done;
            }
        }
    }

    /// What a call came to; `None` if it did nothing in its slice of the time.
    fn once<T>(&self, call: &mut impl FnMut() -> io::Result<T>) -> Option<io::Result<T>> {
        if self.left().is_zero() {
            return Some(Err(ErrorKind::TimedOut.into()));
        }
        match call() {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            done => Some(done),
        }
    }
}

/// A stream that is read and written with patience.
#[derive(Debug)]
pub(super) struct Patient<'a> {
    pub(super) stream: &'a UnixStream,
    pub(super) patience: &'a Patience,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.patience.attempt(|| stream.read(buffer))
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.patience.attempt(|| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does what may block while the other tasks of this thread go on elsewhere.
pub(super) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trickles_is_not_waited_for_longer_than_all_is_worth() {
        let patience = Patience {
            until: Instant::now() + Duration::from_millis(100),
        };
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        Patience::divide(&ours).unwrap();
        let trickling = std::thread::spawn(move || while theirs.write_all(b"x").is_ok() {});
        let mut read = Patient {
            stream: &ours,
            patience: &patience,
        };
        let mut byte = [0; 1];
        let ended = std::iter::repeat_with(|| read.read(&mut byte)).find_map(Result::err);
        assert_eq!(ended.map(|error| error.kind()), Some(ErrorKind::TimedOut));
        drop(ours);
        trickling.join().unwrap();
    }

    #[test]
    fn what_never_comes_is_not_waited_for_either() {
        let patience = Patience {
            until: Instant::now() + Duration::from_millis(100),
        };
        let (ours, _theirs) = UnixStream::pair().unwrap();
        Patience::divide(&ours).unwrap();
        let mut silent = Patient {
            stream: &ours,
            patience: &patience,
        };
        assert_eq!(silent.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        let written = silent.write_all(&vec![0; 16 << 20]);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_of_the_thread_go_on() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        Patience::divide(&ours).unwrap();
        let waiting = tokio::spawn(async move {
            let mut read = [0; 1];
            let mut patient = Patient {
                stream: &ours,
                patience: &Patience::new(),
            };
            patient.read(&mut read).map(|_| read)
        });
        // On the only thread of the runtime; without it, nothing is ever sent.
        let other = tokio::spawn(async move { theirs.write_all(b"x") });
        other.await.unwrap().unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), *b"x");
    }
}
