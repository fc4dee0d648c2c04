//! One program of the demo's target: the local shell, on a PTY or on pipes, between an SSH channel and its end.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pty_process::{OwnedWritePty, Size};
use russh::server::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::signals::{name_of, signal_of};

/// Exit code for a program that could not be started, as shells have it.
const NOT_STARTED: u32 = 127;
/// How long a terminal may be silent after its program's end until its output counts as read.
const SILENCE: Duration = Duration::from_millis(100);
/// How long a program has to end after the hang-up.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes read from a program at once.
const CHUNK: usize = 32 * 1024;
/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The account that everything runs as.
#[derive(Debug)]
pub(super) struct Account {
    /// Its name.
    pub(super) login: &'static str,
    /// Its home, where programs start.
    pub(super) home: PathBuf,
    /// Its login shell.
    pub(super) shell: PathBuf,
}

/// What a channel was set up with.
#[derive(Debug, Default)]
struct Setup {
    terminal: Option<(String, Size)>,
    environment: Vec<(String, String)>,
    /// `None` for the login shell.
    command: Option<Vec<u8>>,
}

/// Serves one session channel: hears what is to run, and runs it until it ends, the channel closes or the demo stops.
pub(super) async fn attend(
    account: &Account,
    mut ear: ChannelReadHalf,
    voice: &Voice,
    stop: CancellationToken,
) -> Result<(), russh::Error> {
    let Some(setup) = hear_setup(&mut ear).await else {
        return Ok(());
    };
    let mut program = match Program::start(account, &setup) {
        Ok(program) => program,
        Err(error) => return voice.refuse(&error).await,
    };
    let ended = tokio::select! {
        status = run(&mut program, &mut ear, voice) => Some(status?),
        () = stop.cancelled() => None,
    };
    if let Some(status) = ended.flatten() {
        return voice.exit(status).await;
    }
    program.end().await;
    voice.half.close().await
}

/// Hears requests until a program is asked for; `None` when the channel closed first.
async fn hear_setup(ear: &mut ChannelReadHalf) -> Option<Setup> {
    let mut setup = Setup::default();
    loop {
        match ear.wait().await? {
            ChannelMsg::RequestPty {
                term,
                col_width,
                row_height,
                ..
            } => setup.terminal = Some((term, size(col_width, row_height))),
            ChannelMsg::SetEnv {
                variable_name,
                variable_value,
                ..
            } if accepts_variable(&variable_name) => setup.environment.push((variable_name, variable_value)),
            ChannelMsg::Exec { command, .. } => setup.command = Some(command),
            ChannelMsg::RequestShell { .. } => return Some(setup),
            ChannelMsg::Close => return None,
            _ => {}
        }
        if setup.command.is_some() {
            return Some(setup);
        }
    }
}

/// Whether a variable may be set from outside, as sshd's usual configuration has it.
fn accepts_variable(name: &str) -> bool {
    name == "LANG" || name.starts_with("LC_")
}

fn size(columns: u32, rows: u32) -> Size {
    let short = |length| u16::try_from(length).unwrap_or(u16::MAX);
    Size::new(short(rows), short(columns))
}

/// A program that has started.
struct Program {
    child: Child,
    /// It leads a process group of its own.
    group: Option<Pid>,
    input: Option<Input>,
    output: Box<dyn AsyncRead + Send + Unpin>,
    /// `None` on a terminal, which has one stream.
    errors: Option<Box<dyn AsyncRead + Send + Unpin>>,
}

/// Where a program's input goes.
enum Input {
    Pipe(ChildStdin),
    Terminal(OwnedWritePty),
}

impl Program {
    fn start(account: &Account, setup: &Setup) -> io::Result<Self> {
        let mut command = command(account, setup);
        match &setup.terminal {
            Some((_, size)) => Self::on_terminal(command, *size),
            None => Self::on_pipes(
                command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .process_group(0),
            ),
        }
    }

    fn on_pipes(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = (input, output, errors) else {
            return Err(io::Error::other("a program started without its pipes"));
        };
        Ok(Self {
            group: group(&child),
            child,
            input: Some(Input::Pipe(input)),
            output: Box::new(output),
            errors: Some(Box::new(errors)),
        })
    }

    fn on_terminal(command: Command, size: Size) -> io::Result<Self> {
        let (pty, pts) = pty_process::open().map_err(io::Error::other)?;
        pty.resize(size).map_err(io::Error::other)?;
        let child = pty_process::Command::from(command)
            .spawn(pts)
            .map_err(io::Error::other)?;
        let (output, input) = pty.into_split();
        Ok(Self {
            group: group(&child),
            child,
            input: Some(Input::Terminal(input)),
            output: Box::new(output),
            errors: None,
        })
    }

    /// Ends it, and what it has started in its group: with a hang-up, as when a line is cut, and then for good.
    async fn end(&mut self) {
        signal(self.group, Signal::HUP);
        if timeout(GRACE, self.child.wait()).await.is_err() {
            signal(self.group, Signal::KILL);
        }
    }
}

fn command(account: &Account, setup: &Setup) -> Command {
    let mut command = Command::new(&account.shell);
    command
        .current_dir(&account.home)
        .kill_on_drop(true)
        .env_clear()
        .env("HOME", &account.home)
        .env("SHELL", &account.shell)
        .env("PATH", PATH)
        .envs([("USER", account.login), ("LOGNAME", account.login)])
        .envs(setup.terminal.iter().map(|(term, _)| ("TERM", term)))
        .envs(setup.environment.iter().map(|(name, value)| (name, value)));
    match &setup.command {
        Some(line) => command.arg("-c").arg(OsString::from_vec(line.clone())),
        None => command.arg0("-bash"),
    };
    command
}

/// The group that a child leads. Known as long as the child has not been waited for.
fn group(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

fn signal(group: Option<Pid>, signal: Signal) {
    // Nobody left in the group is what was wanted.
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, signal)
    {
        tracing::debug!(%error, "a program of the sandbox was gone already");
    }
}

/// Runs a program to its end; `None` when the channel closed first.
async fn run(
    program: &mut Program,
    ear: &mut ChannelReadHalf,
    voice: &Voice,
) -> Result<Option<ExitStatus>, russh::Error> {
    let (queue, queued) = mpsc::unbounded_channel();
    let Program {
        child,
        group,
        input,
        output,
        errors,
    } = program;
    let exited = CancellationToken::new();
    let terminal = errors.is_none().then_some(&exited);
    let speaking = async {
        tokio::join!(
            speak(output, voice, None, terminal),
            async {
                match errors {
                    Some(errors) => speak(errors, voice, Some(STDERR), None).await,
                    None => Ok(()),
                }
            },
            async {
                let status = child.wait().await;
                exited.cancel();
                status
            }
        )
    };
    let hearing = async { tokio::join!(hear(ear, *group, queue), write(input.take(), queued)) };
    tokio::select! {
        (output, errors, status) = speaking => output.and(errors).map(|()| status.ok()),
        ((), ()) = hearing => Ok(None),
    }
}

/// The number of standard error among a channel's extended streams, RFC 4254 section 5.2.
const STDERR: u32 = 1;

/// Passes on what a program writes. A terminal may be kept open by others: after its program's end, silence ends it.
async fn speak(
    from: &mut (dyn AsyncRead + Send + Unpin),
    voice: &Voice,
    extended: Option<u32>,
    exited: Option<&CancellationToken>,
) -> Result<(), russh::Error> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = tokio::select! {
            biased;
            read = from.read(&mut chunk) => read,
            () = silence_after(exited) => return Ok(()),
        };
        // A terminal's end is an error to its reader.
        let bytes = chunk.get(..read.unwrap_or(0)).unwrap_or_default().to_vec();
        if bytes.is_empty() {
            return Ok(());
        }
        match extended {
            None => voice.half.data_bytes(bytes).await?,
            Some(stream) => voice.half.extended_data_bytes(stream, bytes).await?,
        }
    }
}

async fn silence_after(exited: Option<&CancellationToken>) {
    match exited {
        Some(exited) => exited.cancelled().await,
        None => std::future::pending().await,
    }
    sleep(SILENCE).await;
}

/// Hears what comes on the channel until it closes. Never waits for the program, or the whole connection would.
async fn hear(ear: &mut ChannelReadHalf, group: Option<Pid>, queue: mpsc::UnboundedSender<ChannelMsg>) {
    while let Some(message) = ear.wait().await {
        match message {
            ChannelMsg::Close => return,
            ChannelMsg::Signal { signal: sent } => {
                if let Some(known) = signal_of(&sent) {
                    signal(group, known);
                }
            }
            other => {
                if queue.send(other).is_err() {
                    tracing::debug!("input for a program that reads no more");
                }
            }
        }
    }
}

/// Writes queued input to a program as fast as it reads, and resizes its terminal.
async fn write(input: Option<Input>, mut queued: mpsc::UnboundedReceiver<ChannelMsg>) {
    let mut input = input;
    while let Some(message) = queued.recv().await {
        let written = match (message, &mut input) {
            (ChannelMsg::Data { data }, Some(Input::Pipe(pipe))) => pipe.write_all(&data).await,
            (ChannelMsg::Data { data }, Some(Input::Terminal(pty))) => pty.write_all(&data).await,
            (
                ChannelMsg::WindowChange {
                    col_width, row_height, ..
                },
                Some(Input::Terminal(pty)),
            ) => pty.resize(size(col_width, row_height)).map_err(io::Error::other),
            (ChannelMsg::Eof, Some(Input::Pipe(_))) => {
                input = None;
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = written {
            tracing::debug!(%error, "a program reads no more");
            input = None;
        }
    }
}

/// Says things on one channel.
pub(super) struct Voice {
    /// The channel's sending half.
    pub(super) half: ChannelWriteHalf<Msg>,
    /// The connection, for what the half cannot say.
    pub(super) handle: Handle,
}

impl Voice {
    async fn refuse(&self, error: &io::Error) -> Result<(), russh::Error> {
        let text = format!("sandbox: cannot start the shell: {error}\r\n");
        self.half.extended_data_bytes(STDERR, text.into_bytes()).await?;
        self.close_with(self.half.exit_status(NOT_STARTED)).await
    }

    async fn exit(&self, status: ExitStatus) -> Result<(), russh::Error> {
        match (status.code(), status.signal()) {
            (None, Some(number)) => {
                let (none, id) = (String::new(), self.half.id());
                let said =
                    self.handle
                        .exit_signal_request(id, name_of(number), status.core_dumped(), none.clone(), none);
                self.close_with(async { said.await.map_err(|()| russh::Error::Disconnect) })
                    .await
            }
            (code, _) => {
                let code = code.map_or(NOT_STARTED, i32::cast_unsigned);
                self.close_with(self.half.exit_status(code)).await
            }
        }
    }

    async fn close_with(&self, ending: impl Future<Output = Result<(), russh::Error>>) -> Result<(), russh::Error> {
        self.half.eof().await?;
        ending.await?;
        self.half.close().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_language_is_set_from_outside() {
        assert!(accepts_variable("LANG") && accepts_variable("LC_ALL"));
        for refused in ["LD_PRELOAD", "BASH_ENV", "LANGUAGE", "PATH", ""] {
            assert!(!accepts_variable(refused), "{refused}");
        }
    }
}
