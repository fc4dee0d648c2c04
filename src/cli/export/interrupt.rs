//! Being told to end, so that what was begun can be taken away.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether ^C or another signal has asked the program to end: the channel's other end goes with the first.
#[derive(Debug)]
pub(super) struct Interrupt(Receiver<Infallible>);

impl Interrupt {
    /// Listens from now on, on a thread of its own.
    pub(super) fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _context = runtime.enter();
            Signals::listen()?
        };
        let (held, heard) = mpsc::channel();
        let listen = move || {
            runtime.block_on(signals.any());
            drop(held);
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(Self(heard))
    }

    /// An error once a signal has come.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.0.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(io::Error::other("a signal asked to end")),
            Ok(never) => match never {},
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[test]
    fn the_first_signal_is_heard_and_stays_so() {
        let interrupt = Interrupt::listen().unwrap();
        interrupt.check().unwrap();
        kill_process(getpid(), Signal::HUP).unwrap();
        interrupt.0.recv().unwrap_err();
        interrupt.check().unwrap_err();
        interrupt.check().unwrap_err();
    }
}
