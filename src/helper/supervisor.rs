//! A supervisor's process: starts a worker for each order, and ends the one before.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::close;

use super::{HelperError, WORKER, orders};
use crate::sandbox;

/// The shortest time between the starts of two workers, so that workers that die at once cost little.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the daemon that has standard input's other end, until that is closed.
///
/// # Errors
/// Standard input is no such socket, or breaks.
#[expect(clippy::disallowed_methods, reason = "this process has one thread, and no tasks")]
pub fn supervise() -> Result<(), HelperError> {
    close_all_but_the_first_three().map_err(HelperError::Start)?;
    let daemon = own_socket()?;
    ignore_what_is_meant_for_the_daemon()?;
    sandbox::forbid_core_dumps().map_err(HelperError::Start)?;
    let mut last: Option<Worker> = None;
    while orders::await_order(&daemon).map_err(|_| HelperError::ByHand)? {
        let pause = last.take().map_or(Duration::ZERO, Worker::end);
        thread::sleep(pause);
        match Worker::start() {
            Ok((worker, socket)) => {
                last = Some(worker);
                orders::deliver(&daemon, socket.as_fd())?;
            }
            Err(error) => orders::report(&daemon, &error.to_string())?,
        }
    }
    Ok(())
}

/// Closes what whoever started the daemon has left open to it and all that it starts.
fn close_all_but_the_first_three() -> io::Result<()> {
    let open = fs::read_dir("/proc/self/fd")?;
    let numbers: Vec<RawFd> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        match close(number) {
            // The directory that was read.
            Ok(()) | Err(Errno::EBADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Standard input, as a socket of its own that no program inherits.
pub(super) fn own_socket() -> Result<OwnedFd, HelperError> {
    io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|_| HelperError::ByHand)
}

/// Signals that are sent to all processes of a service, or to all of that name, mean the daemon, which drains or reloads.
pub(super) fn ignore_what_is_meant_for_the_daemon() -> Result<(), HelperError> {
    let meant: SigSet = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM]
        .into_iter()
        .collect();
    meant.thread_block().map_err(|error| HelperError::Start(error.into()))
}

/// A worker, killed and reaped when dropped.
struct Worker {
    process: Child,
    since: Instant,
}

impl Worker {
    /// Starts one; with it comes the other end of its socket.
    fn start() -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        // The very file that this process runs, also when another version has been put in its place.
        let process = Command::new("/proc/self/exe")
            .arg0("opspilot")
            .arg(WORKER)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let since = Instant::now();
        Ok((Self { process, since }, ours))
    }

    /// Ends it; gives the time to wait before another is started.
    fn end(self) -> Duration {
        PAUSE.saturating_sub(self.since.elapsed())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // An error says that it has ended already.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}
