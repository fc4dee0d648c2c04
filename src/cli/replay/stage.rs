//! Where a recording is played: a terminal, which gets back what it was, or anything else.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, OutputModes, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// Standard output, made ready.
pub(super) struct Stage {
    /// The terminal's settings from before; `None` where standard output is none.
    saved: Option<Termios>,
    interrupted: Receiver<()>,
}

impl Stage {
    /// Makes the terminal take output as it is, echo nothing, and still hear ^C. Says so where it is smaller than `size`,
    /// columns and rows.
    pub(super) fn set(size: (u16, u16)) -> anyhow::Result<Self> {
        let interrupted = hear_interrupts()?;
        let saved = io::stdout().is_terminal().then(quieten).transpose()?;
        if saved.is_some() {
            warn_if_smaller(size)?;
        }
        Ok(Self { saved, interrupted })
    }

    /// Waits; false where there was an interrupt. Without a terminal nobody watches, and nothing waits.
    pub(super) fn wait(&self, pause: Duration) -> bool {
        let pause = if self.saved.is_some() { pause } else { Duration::ZERO };
        self.interrupted.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
    }

    /// Brings a terminal back to rest by `restore`, and to a line of its own.
    pub(super) fn clear(&self, restore: &str) {
        if self.saved.is_some()
            && let Err(error) = show(&format!("{restore}\r\n"))
        {
            tracing::debug!(%error, "the terminal is gone");
        }
    }
}

impl Drop for Stage {
    /// Also throws away what was typed meanwhile: a terminal that could be made to answer has not answered the shell.
    fn drop(&mut self) {
        if let Some(saved) = &self.saved
            && let Err(error) = tcsetattr(io::stdout(), OptionalActions::Flush, saved)
        {
            tracing::debug!(%error, "the terminal is gone");
        }
    }
}

/// Shows `text` at once.
pub(super) fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Gives the settings from before.
fn quieten() -> io::Result<Termios> {
    let saved = tcgetattr(io::stdout())?;
    let mut quiet = saved.clone();
    quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
    quiet.output_modes.remove(OutputModes::OPOST);
    tcsetattr(io::stdout(), OptionalActions::Flush, &quiet)?;
    Ok(saved)
}

fn warn_if_smaller((columns, rows): (u16, u16)) -> io::Result<()> {
    let here = tcgetwinsize(io::stdout())?;
    if here.ws_col < columns || here.ws_row < rows {
        let (width, height) = (here.ws_col, here.ws_row);
        let note = format!("opspilot: recorded on {columns}x{rows}, larger than this terminal ({width}x{height})\r\n");
        io::stderr().write_all(note.as_bytes())?;
    }
    Ok(())
}

/// Hears the signals that end the playing, on a thread of its own, so that the terminal can be put back.
fn hear_interrupts() -> anyhow::Result<Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    let (interrupted, heard) = mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        // Nobody listens any longer once the recording is over.
        interrupted.send(()).unwrap_or_default();
    })?;
    Ok(heard)
}
