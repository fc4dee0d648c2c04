//! Where a recording is played: a terminal, which gets back what it was, or anything else.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Signal, getpid, getppid, getsid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, OutputModes, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{self, SignalKind};

/// Standard output, made ready.
pub(super) struct Stage {
    /// The terminal's settings from before; `None` where standard output is none.
    saved: Option<Termios>,
    signals: Receiver<Heard>,
}

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The playing is to end.
    End,
    /// The program is to stop: ^Z.
    Stop,
    /// It goes on after it was stopped, and whoever had the terminal meanwhile may have changed it.
    Continue,
}

impl Stage {
    /// Makes the terminal take output as it is, echo nothing, and still hear ^C. Says so where it is smaller than `size`,
    /// columns and rows.
    pub(super) fn set(size: (u16, u16)) -> anyhow::Result<Self> {
        let signals = hear_signals()?;
        let saved = io::stdout()
            .is_terminal()
            .then(|| tcgetattr(io::stdout()))
            .transpose()?;
        let stage = Self { saved, signals };
        stage.enter("")?;
        if stage.saved.is_some() {
            warn_if_smaller(size)?;
        }
        Ok(stage)
    }

    /// Waits; `None` where no signal came. Without a terminal nobody watches, and nothing waits.
    pub(super) fn wait(&self, pause: Duration) -> Option<Heard> {
        let pause = if self.saved.is_some() { pause } else { Duration::ZERO };
        match self.signals.recv_timeout(pause) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            // Without its thread no signal would be heard any longer.
            Err(RecvTimeoutError::Disconnected) => Some(Heard::End),
        }
    }

    /// Makes a terminal ready, by `resume` also for what is played next. Waits for the foreground, as the system has it.
    pub(super) fn enter(&self, resume: &str) -> io::Result<()> {
        let Some(saved) = &self.saved else { return Ok(()) };
        let mut quiet = saved.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        quiet.output_modes.remove(OutputModes::OPOST);
        tcsetattr(io::stdout(), OptionalActions::Flush, &quiet)?;
        show(resume)
    }

    /// Gives a terminal back, at rest by `restore`, and stops the program until it is continued. Does neither where no shell
    /// is there that could continue it.
    pub(super) fn leave(&self, restore: &str) -> io::Result<()> {
        if !has_shell() {
            return Ok(());
        }
        self.clear(restore);
        self.put_back();
        Ok(kill_process(getpid(), Signal::STOP)?)
    }

    /// Brings a terminal back to rest by `restore`, and to a line of its own.
    pub(super) fn clear(&self, restore: &str) {
        if self.saved.is_some()
            && let Err(error) = show(&format!("{restore}\r\n"))
        {
            tracing::debug!(%error, "the terminal is gone");
        }
    }

    /// Also throws away what was typed meanwhile: a terminal that could be made to answer has not answered the shell.
    fn put_back(&self) {
        if let Some(saved) = &self.saved
            && let Err(error) = tcsetattr(io::stdout(), OptionalActions::Flush, saved)
        {
            tracing::debug!(%error, "the terminal is gone");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.put_back();
    }
}

/// Whether this program's parent runs it as a job: only then is somebody there to continue it.
fn has_shell() -> bool {
    let session_of = |process| getsid(process).ok();
    getppid().is_some_and(|parent| session_of(Some(parent)) == session_of(None))
}

/// Shows `text` at once.
pub(super) fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
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

/// Hears signals on a thread of its own, so that the terminal can be put back.
fn hear_signals() -> anyhow::Result<Receiver<Heard>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals::listen()?
    };
    let (tell, heard) = mpsc::channel();
    // Nobody listens any longer once the recording is over.
    let listen = move || while tell.send(runtime.block_on(signals.next())).is_ok() {};
    std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
    Ok(heard)
}

struct Signals {
    ending: [unix::Signal; 4],
    stop: unix::Signal,
    resume: unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let listen = |number: Signal| unix::signal(SignalKind::from_raw(number.as_raw()));
        Ok(Self {
            ending: [
                listen(Signal::INT)?,
                listen(Signal::QUIT)?,
                listen(Signal::TERM)?,
                listen(Signal::HUP)?,
            ],
            stop: listen(Signal::TSTP)?,
            resume: listen(Signal::CONT)?,
        })
    }

    async fn next(&mut self) -> Heard {
        let [interrupt, quit, terminate, hangup] = &mut self.ending;
        tokio::select! {
            _ = interrupt.recv() => Heard::End,
            _ = quit.recv() => Heard::End,
            _ = terminate.recv() => Heard::End,
            _ = hangup.recv() => Heard::End,
            _ = self.stop.recv() => Heard::Stop,
            _ = self.resume.recv() => Heard::Continue,
        }
    }
}
