//! OpenSSH's client: run to its end, left running, or on a terminal.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::Pty;

use super::askpass::Askpass;
use super::process::Child;
use super::stream::Stream;

/// Longer than the 250 ms after a question is drawn, in which input is not taken for its answer.
pub(crate) const SETTLED: Duration = Duration::from_millis(400);

/// What the block of a question on a PTY starts with.
const QUESTION: &str = "┌─";

/// An `ssh` about to be started.
pub(crate) struct Ssh {
    options: Vec<String>,
    destination: String,
    stdin: Vec<u8>,
    askpass: Option<PathBuf>,
}

impl Ssh {
    /// `ssh -p PORT LOGIN@127.0.0.1` with one key, pinned host keys, and nothing from the account's own configuration.
    pub(crate) fn new(login: &str, port: u16, key: &Path, known_hosts: &Path) -> Self {
        let options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            &format!("UserKnownHostsFile={}", known_hosts.display()),
            "GlobalKnownHostsFile=/dev/null",
            "IdentityAgent=none",
            "IdentitiesOnly=yes",
            &format!("IdentityFile={}", key.display()),
            &format!("Port={port}"),
        ];
        let options = options.iter().flat_map(|option| ["-o", option]);
        Self {
            options: ["-F", "none"].into_iter().chain(options).map(str::to_owned).collect(),
            destination: format!("{login}@127.0.0.1"),
            stdin: Vec::new(),
            askpass: None,
        }
    }

    /// `ssh -F FILE DESTINATION`: what an engineer types who has an `ssh_config`.
    pub(crate) fn configured(file: &Path, destination: &str) -> Self {
        Self {
            options: vec!["-F".to_owned(), file.display().to_string()],
            destination: destination.to_owned(),
            stdin: Vec::new(),
            askpass: None,
        }
    }

    /// With a program that answers its questions, each once.
    pub(crate) fn answered_by(mut self, askpass: &Askpass) -> Self {
        let batch = self.options.iter_mut().filter(|option| *option == "BatchMode=yes");
        batch.for_each(|option| "NumberOfPasswordPrompts=1".clone_into(option));
        self.askpass = Some(askpass.program());
        self
    }

    /// With one more argument before the destination.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.options.push(argument.to_owned());
        self
    }

    /// With the agent at `socket` forwarded, and not used otherwise.
    pub(crate) fn forward_agent(mut self, socket: &Path) -> Self {
        let agent = self.options.iter_mut().find(|option| *option == "IdentityAgent=none");
        *agent.unwrap() = format!("IdentityAgent={}", socket.display());
        self.arg("-A")
    }

    /// With variables (`NAME=value NAME=value`) that it asks the server to set.
    pub(crate) fn set_env(self, variables: &str) -> Self {
        self.arg("-o").arg(&format!("SetEnv={variables}"))
    }

    /// With this and no more on standard input.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Runs `command` to its end.
    pub(crate) fn run(mut self, command: impl AsRef<OsStr>) -> Output {
        let input = std::mem::take(&mut self.stdin);
        let mut running = self.start(command);
        running.send(&input);
        running.finish()
    }

    /// Starts `command` with standard input open; the empty command is a shell.
    pub(crate) fn start(self, command: impl AsRef<OsStr>) -> Running {
        let mut ssh = self.command(command.as_ref());
        let mut child = ssh
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ssh is needed: install openssh-client");
        Running {
            stdin: child.stdin.take(),
            stdout: Stream::gather(child.stdout.take().unwrap()),
            stderr: Stream::gather(child.stderr.take().unwrap()),
            child: child.into(),
        }
    }

    /// Starts `command` on a terminal of 24 rows and 100 columns; the empty command is a shell.
    pub(crate) fn terminal(self, command: &str) -> Terminal {
        Terminal::start(&self.arg("-tt").command(OsStr::new(command)))
    }

    /// Another program of OpenSSH (`sftp`, `scp`) with the same options; its arguments follow.
    pub(crate) fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(&self.options)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(askpass) = &self.askpass {
            command.env("SSH_ASKPASS", askpass).env("SSH_ASKPASS_REQUIRE", "force");
        }
        command
    }

    /// What such a program takes as the place of `path`.
    pub(crate) fn place(&self, path: &str) -> String {
        format!("{}:{path}", self.destination)
    }

    /// The `ssh` command line for programs that start one: `rsync -e`, `GIT_SSH_COMMAND`.
    pub(crate) fn command_line(&self) -> String {
        let options = self.options.iter().map(|option| format!("'{option}'"));
        format!("ssh {}", options.collect::<Vec<_>>().join(" "))
    }

    /// The program with its arguments and environment; the empty command is a shell.
    pub(crate) fn command(&self, command: &OsStr) -> Command {
        let mut ssh = self.program("ssh");
        ssh.arg(&self.destination).env("TERM", "xterm");
        if !command.is_empty() {
            ssh.arg("--").arg(command);
        }
        ssh
    }
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    /// Standard output, byte for byte.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
    /// The client's exit code.
    pub(crate) code: i32,
}

impl Output {
    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Asserts that the bastion refused with 126, ran nothing and said why.
    #[track_caller]
    pub(crate) fn assert_refused(&self) {
        assert_eq!((self.code, self.text().as_str()), (126, ""), "{self:?}");
        assert!(self.stderr.contains("opspilot:"), "{self:?}");
    }

    /// Asserts that the bastion failed with 255 and one line of its own.
    #[track_caller]
    pub(crate) fn assert_failed(&self) {
        assert_eq!((self.code, self.text().as_str()), (255, ""), "{self:?}");
        let own = self.stderr.lines().filter(|line| line.starts_with("opspilot:")).count();
        assert_eq!(own, 1, "{self:?}");
    }
}

/// An `ssh` without a terminal that has not ended.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it wrote to standard output so far.
    pub(crate) stdout: Stream,
    /// What it wrote to standard error so far.
    pub(crate) stderr: Stream,
}

impl Running {
    /// Writes to its standard input. A command that ended without reading it all is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input is open");
        if let Err(error) = stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
        }
    }

    /// Awaits the question to its end and gives its code.
    pub(crate) fn code(&mut self) -> String {
        self.stderr.expect(" confirm ");
        let code = self.stderr.expect("\n");
        let well_formed = code.len() == 6 && code.chars().all(|c| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(c));
        assert!(well_formed, "not six Crockford characters: {code:?}");
        code
    }

    /// Ends its standard input and awaits its end.
    pub(crate) fn finish(mut self) -> Output {
        drop(self.stdin.take());
        Output {
            code: self.child.code(),
            stdout: self.stdout.to_end(),
            stderr: String::from_utf8_lossy(&self.stderr.to_end()).into_owned(),
        }
    }

    /// Kills the client, as a lost connection would.
    pub(crate) fn vanish(mut self) {
        self.child.signal("KILL");
        self.child.wait();
    }

    /// Awaits the client's end, however it comes, with standard input left open.
    pub(crate) fn wait(&mut self) -> i32 {
        self.child.code()
    }
}

/// A program, nearly always `ssh`, on a terminal: what is typed goes in, what is shown comes out.
pub(crate) struct Terminal {
    pty: std::sync::Arc<Pty>,
    child: Child,
    /// What the terminal shows.
    pub(crate) screen: Stream,
}

/// Starts `program` on a terminal of its own, of 24 rows and 100 columns, with its own variables only.
pub(crate) fn on_terminal(program: &Command) -> (Pty, std::process::Child) {
    let (pty, pts) = pty_process::blocking::open().unwrap();
    pty.resize(Size::new(24, 100)).unwrap();
    let child = pty_process::blocking::Command::new(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .spawn(pts)
        .expect("ssh is needed: install openssh-client");
    (pty, child)
}

/// The master's side, shared by the reading thread.
struct Reader(std::sync::Arc<Pty>);

impl std::io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Terminal {
    /// Starts `program` on a terminal of 24 rows and 100 columns, with its own variables only.
    pub(crate) fn start(program: &Command) -> Self {
        let (pty, child) = on_terminal(program);
        let pty = std::sync::Arc::new(pty);
        let screen = Stream::gather(Reader(std::sync::Arc::clone(&pty)));
        Self {
            pty,
            child: child.into(),
            screen,
        }
    }

    /// Awaits `needle` on the screen, after what was awaited last; gives what stood before it.
    pub(crate) fn expect(&mut self, needle: &str) -> String {
        self.screen.expect(needle)
    }

    /// Types `keys` as they are.
    pub(crate) fn send(&mut self, keys: impl AsRef<[u8]>) {
        (&*self.pty).write_all(keys.as_ref()).unwrap();
    }

    /// Types `text` and Enter.
    pub(crate) fn line(&mut self, text: &str) {
        self.send(format!("{text}\r"));
    }

    /// Types `text` and Enter, and awaits the shell's next prompt; gives what was shown in between.
    pub(crate) fn run(&mut self, text: &str) -> String {
        self.line(text);
        self.expect(super::READY)
    }

    /// Awaits a question, drawn to its end, and gives its text.
    pub(crate) fn question(&mut self) -> String {
        self.expect(QUESTION);
        self.screen.settle(SETTLED)
    }

    /// Awaits a question and answers it with `word`; gives its text.
    pub(crate) fn answer(&mut self, word: &str) -> String {
        let question = self.question();
        self.line(word);
        question
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    /// Whether the terminal echoes what is typed.
    pub(crate) fn echoes(&self) -> bool {
        let settings = rustix::termios::tcgetattr(&*self.pty).unwrap();
        settings.local_modes.contains(rustix::termios::LocalModes::ECHO)
    }

    /// Awaits the client's end and gives its exit code.
    pub(crate) fn finish(&mut self) -> i32 {
        self.child.code()
    }

    /// Kills the client, as a lost connection would.
    pub(crate) fn vanish(mut self) {
        self.child.signal("KILL");
        self.child.wait();
    }
}
