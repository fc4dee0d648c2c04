//! What is typed while the terminal is silent is stored nowhere and logged nowhere, at the most talkative level.
//!
//! Canaries, each a random string of its own, are typed at the prompts of shells, of real programs and of the kinds of programs
//! that there are; then every file that the daemon has written is searched for every one of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use opspilot::store::{Batch, Reader};

use super::driver::{Session, Stage};
use super::scenario::Step;
use super::{Answer, Prompt, Runs, See, Shell, Type};
use crate::harness::{Sshd, Terminal, eventually};

/// Places that ask for one canary, or for several in a row.
#[derive(Clone, Copy)]
struct Place {
    /// The program, where it is not on every machine.
    program: Option<&'static str>,
    line: &'static str,
    asks: &'static [&'static str],
    /// Whether all its prompts want the same.
    same: bool,
}

const fn place(line: &'static str, asks: &'static [&'static str]) -> Place {
    Place {
        program: None,
        line,
        asks,
        same: false,
    }
}

/// A program that the target may have or not.
const fn of(program: &'static str, line: &'static str, asks: &'static [&'static str]) -> Place {
    Place {
        program: Some(program),
        line,
        asks,
        same: false,
    }
}

const fn same(place: Place) -> Place {
    Place { same: true, ..place }
}

const PW: &[&str] = &["pw: "];

const BASH: &[Place] = &[
    place("read -sp 'pw: ' p", PW),
    place("read -rsp 'pw: ' p", PW),
    place("IFS= read -rsp 'pw: ' p; echo ${#p}", PW),
    place("read -s -t 60 -p 'pw: ' p", PW),
    place("read -s -n 64 -p 'pw: ' p", PW),
    place("read -sp 'pw: ' a b", PW),
    place("read -sp 'pw: ' p </dev/tty", PW),
    place("(read -sp 'pw: ' p)", PW),
    place("f() { read -sp 'pw: ' p; }; f", PW),
    place("p=$(read -sp 'pw: ' p; echo ${#p})", PW),
    place("for i in 1 2; do read -sp 'pw: ' p; done", &["pw: ", "pw: "]),
    place("until read -sp 'pw: ' p; do :; done", PW),
    place("stty -echo; printf 'pw: '; read p; stty echo", PW),
    place("stty -echo; printf 'pw: '; IFS= read -r p; stty echo", PW),
    place("stty -echo -icanon icrnl; printf 'pw: '; read p; stty sane", PW),
    place("stty -echo; printf 'pw: '; mapfile -n 1 p; stty echo", PW),
    place("stty -echo; printf 'pw: '; head -n 1 >/dev/null; stty echo", PW),
    place("sh -c 'stty -echo; printf \"pw: \"; read p; stty echo'", PW),
    place("bash -c 'read -sp \"pw: \" p'", PW),
    place("python3 -c 'import getpass; getpass.getpass()'", &["Password: "]),
    place(
        "python3 -c 'import getpass; getpass.getpass(\"[sudo] password for root: \")'",
        &["[sudo] password for root: "],
    ),
    place(
        "python3 -c 'import getpass; getpass.getpass(\"Enter password: \")'",
        &["Enter password: "],
    ),
    place(
        "python3 -c 'import getpass; [getpass.getpass() for _ in range(3)]'",
        &["Password: ", "Password: ", "Password: "],
    ),
    place(
        "python3 -c 'import getpass; open(\"/dev/null\", \"w\").write(getpass.getpass())' </dev/null",
        &["Password: "],
    ),
    same(place(
        "ssh-keygen -q -t ed25519 -f key",
        &["Enter passphrase", "Enter same passphrase again"],
    )),
    place("ssh-keygen -y -f key", &["Enter passphrase"]),
    of(
        "perl",
        "perl -e '$| = 1; system \"stty -echo\"; print \"pw: \"; <STDIN>; system \"stty echo\"'",
        PW,
    ),
    of(
        "script",
        "script -qc 'sh -c \"stty -echo; printf pw:; read p\"' /dev/null",
        &["pw:"],
    ),
    of(
        "openssl",
        "openssl passwd -6",
        &["Password: ", "Verifying - Password: "],
    ),
    of(
        "openssl",
        "openssl enc -aes-256-cbc -pbkdf2 -in editor -out enc",
        &["password:", "password:"],
    ),
    of("psql", "psql -h 127.0.0.1 -p 1 -W", &["Password"]),
    of("curl", "curl -s -u someone http://127.0.0.1:1/", &["password for user"]),
    of(
        "wget",
        "wget -q --user=someone --ask-password http://127.0.0.1:1/",
        &["Password for user"],
    ),
    of(
        "zip",
        "zip -q -e editor.zip editor",
        &["Enter password: ", "Verify password: "],
    ),
    of(
        "gpg",
        "gpg -q --no-symkey-cache --pinentry-mode loopback -c -o editor.gpg editor; gpgconf --kill all",
        &["passphrase"],
    ),
];

const ZSH: &[Place] = &[
    place("read -s 'p?pw: '", PW),
    place("read -rs 'p?pw: '", PW),
    place("IFS= read -rs 'p?pw: '", PW),
    place("(read -s 'p?pw: ')", PW),
    place("f() { read -s 'p?pw: '; }; f", PW),
    place("p=$(read -s 'p?pw: '; echo $#p)", PW),
    place("stty -echo; printf 'pw: '; read p; stty echo", PW),
    place("python3 -c 'import getpass; getpass.getpass()'", &["Password: "]),
];

const FISH: &[Place] = &[
    place("read -sP 'pw: ' p", PW),
    place("read --silent --prompt-str 'pw: ' p", PW),
    place("read -sP 'pw: ' p q", PW),
    place("set p (read -sP 'pw: ')", PW),
    place("begin; read -sP 'pw: ' p; end", PW),
    place("begin; read -sP 'pw: ' p; read -sP 'pw: ' q; end", &["pw: ", "pw: "]),
    place("sh -c 'stty -echo; printf \"pw: \"; read p; stty echo'", PW),
    place("python3 -c 'import getpass; getpass.getpass()'", &["Password: "]),
];

const DASH: &[Place] = &[
    place("stty -echo; printf 'pw: '; read p; stty echo", PW),
    place("stty -echo; printf 'pw: '; IFS= read -r p; stty echo", PW),
    place("(stty -echo; printf 'pw: '; read p; stty echo)", PW),
    place("stty -echo; printf 'pw: '; head -n 1 >/dev/null; stty echo", PW),
    place("python3 -c 'import getpass; getpass.getpass()'", &["Password: "]),
];

/// Where lines are read from the screen, if at all.
const UNHOOKED: &[Place] = &[
    place("read -sp 'pw: ' p", PW),
    place("IFS= read -rsp 'pw: ' p; echo ${#p}", PW),
    place("(read -sp 'pw: ' p)", PW),
    place("for i in 1 2; do read -sp 'pw: ' p; done", &["pw: ", "pw: "]),
    place("stty -echo; printf 'pw: '; read p; stty echo", PW),
    place("sh -c 'stty -echo; printf \"pw: \"; read p; stty echo'", PW),
    place("python3 -c 'import getpass; getpass.getpass()'", &["Password: "]),
];

/// Random strings, and what they were typed at.
#[derive(Default)]
struct Canaries {
    typed: Vec<(String, String)>,
    /// The terminal of the session on the target, where it is known.
    tty: Option<String>,
}

impl Canaries {
    fn new_at(&mut self, place: &str) -> String {
        let canary = format!("Cn{:016x}", rand::random::<u64>());
        self.typed.push((canary.clone(), place.to_owned()));
        canary
    }

    /// Learns the terminal of a session at its prompt, so that its silence can be awaited: some programs prompt before it.
    fn learn_terminal(&mut self, session: &mut Session) {
        let shown = session.shown_by("tty");
        self.tty = shown.lines().find(|line| line.starts_with("/dev/")).map(str::to_owned);
        assert!(self.tty.is_some(), "{shown}");
    }

    fn await_silence(&self) {
        let Some(tty) = &self.tty else { return };
        eventually("the terminal to be silent", || {
            let output = Command::new("stty").args(["-a", "-F", tty]).output().unwrap();
            let settings = String::from_utf8_lossy(&output.stdout).into_owned();
            settings
                .split_whitespace()
                .any(|setting| setting == "-echo")
                .then_some(())
        });
    }

    /// Types one at each prompt of a place, and awaits the shell's prompt.
    fn visit(&mut self, session: &mut Session, place: &Place) {
        if place.program.is_some_and(|program| !is_installed(program)) {
            return;
        }
        session.type_keys(format!("{}\r", place.line).as_bytes());
        // What the line itself holds is no prompt.
        session.run(See("\n"));
        self.answer(&mut session.terminal, place);
        session.run(Prompt);
    }

    fn answer(&mut self, terminal: &mut Terminal, place: &Place) {
        let mut last = None;
        for prompt in place.asks {
            terminal.expect(prompt);
            let canary = last.take().filter(|_| place.same);
            let canary = canary.unwrap_or_else(|| self.new_at(place.line));
            self.await_silence();
            terminal.line(&canary);
            last = Some(canary);
        }
    }

    #[track_caller]
    fn assert_not_in(&self, what: &str, bytes: &[u8]) {
        for (canary, place) in &self.typed {
            let found = memchr::memmem::find(bytes, canary.as_bytes()).is_some();
            assert!(!found, "what was typed at `{place}` is in {what}");
        }
    }

    /// Searches all that the daemon has written.
    #[track_caller]
    fn assert_nowhere(&self, stage: &Stage) {
        let bastion = &stage.world.bastion;
        let log = bastion.log();
        assert!(log.contains("TRACE"), "the log is not at its most talkative:\n{log}");
        self.assert_not_in("the log", log.as_bytes());
        let files = files_below(&bastion.dir().join("state"));
        assert!(files.contains(&bastion.database()), "{files:?}");
        for file in files {
            self.assert_not_in(&file.display().to_string(), &content(&file));
        }
        for payload in payloads(&bastion.database()) {
            self.assert_not_in("an event", payload.as_bytes());
        }
    }
}

/// What the events of a record hold, which is compressed in its file.
fn payloads(database: &Path) -> Vec<String> {
    let all = Batch {
        events: 100_000,
        bytes: usize::MAX,
        payload: u32::MAX,
    };
    let events = Reader::open(database).unwrap().events_after(0, all).unwrap();
    let payloads: Vec<String> = events.into_iter().filter_map(|event| event.payload).collect();
    assert!(payloads.len() > 1, "{payloads:?}");
    payloads
}

fn is_installed(program: &str) -> bool {
    std::env::split_paths("/usr/local/bin:/usr/bin:/bin").any(|dir| dir.join(program).is_file())
}

/// The bytes of a file, of a recording those that were compressed.
fn content(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "zst") {
        return zstd::decode_all(bytes.as_slice()).unwrap();
    }
    bytes
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .filter(|path| path.is_file())
        .collect()
}

/// There is a recording, and it can be read.
#[track_caller]
fn assert_recorded(stage: &Stage) {
    let files = files_below(&stage.world.bastion.dir().join("state"));
    let shows_prompt = |file: &PathBuf| memchr::memmem::find(&content(file), b"ready> ").is_some();
    let mut recordings = files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "zst"));
    assert!(recordings.any(shows_prompt), "{files:?}");
}

fn stage(shell: Shell) -> Stage {
    Stage::set_with(shell, 1, |config, _| config.log = "trace")
}

/// Visits all places in one session; the terminal must not have shown a canary either.
fn nothing_is_kept_of(shell: Shell, places: &[Place]) -> usize {
    let stage = stage(shell);
    let mut canaries = Canaries::default();
    let mut session = stage.enter_at_prompt(0, "");
    canaries.learn_terminal(&mut session);
    for place in places {
        canaries.visit(&mut session, place);
    }
    canaries.assert_not_in("what was shown", session.terminal.screen.text().as_bytes());
    session.leave();
    canaries.assert_nowhere(&stage);
    assert_recorded(&stage);
    canaries.typed.len()
}

#[test]
fn typed_in_bash() {
    let typed = nothing_is_kept_of(Shell::Bash, BASH);
    assert!(typed >= 30, "only {typed} were typed");
}

#[test]
fn typed_in_zsh() {
    nothing_is_kept_of(Shell::Zsh, ZSH);
}

#[test]
fn typed_in_fish() {
    nothing_is_kept_of(Shell::Fish, FISH);
}

#[test]
fn typed_in_dash() {
    nothing_is_kept_of(Shell::Dash, DASH);
}

#[test]
fn typed_in_a_shell_that_is_not_hooked() {
    nothing_is_kept_of(Shell::Rbash, UNHOOKED);
}

#[test]
fn typed_at_the_prompts_of_su_and_passwd() {
    let stage = stage(Shell::Bash);
    let mut canaries = Canaries::default();
    let mut session = stage.enter_at_prompt(0, "");
    let places = if rustix::process::geteuid().is_root() {
        // root is not asked by su, and mistypes the new password.
        [
            place("setpriv --reuid 65534 --clear-groups su root -c true", &["Password: "]),
            place("passwd", &["New password: ", "Retype new password: "]),
        ]
    } else {
        [
            place("su root -c true", &["Password: "]),
            place("passwd", &["Current password: "]),
        ]
    };
    canaries.learn_terminal(&mut session);
    for place in &places {
        canaries.visit(&mut session, place);
    }
    session.leave();
    canaries.assert_nowhere(&stage);
}

#[test]
fn typed_at_the_password_prompt_of_ssh() {
    let third = Sshd::start_with("PasswordAuthentication yes\nPubkeyAuthentication no\n");
    let stage = stage(Shell::Bash);
    let mut canaries = Canaries::default();
    let mut session = stage.enter_at_prompt(0, "");
    canaries.learn_terminal(&mut session);
    let ssh = format!(
        "ssh -o NumberOfPasswordPrompts=2 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p {} 127.0.0.1",
        third.port
    );
    session.type_keys(format!("{ssh}\r").as_bytes());
    session.run(See("\n"));
    canaries.answer(&mut session.terminal, &place("ssh", &["password: ", "password: "]));
    session.run(Prompt);
    session.leave();
    canaries.assert_nowhere(&stage);
}

/// Steps with canaries between them.
fn nothing_is_kept_after(shell: Shell, before: &[Step], place: &'static str, after: &[Step]) {
    let stage = stage(shell);
    let mut canaries = Canaries::default();
    let mut session = stage.enter_at_prompt(0, "");
    for step in before {
        session.run(*step);
    }
    let canary = canaries.new_at(place);
    session.terminal.line(&canary);
    for step in after {
        session.run(*step);
    }
    canaries.assert_not_in("what was shown", session.terminal.screen.text().as_bytes());
    session.leave();
    canaries.assert_nowhere(&stage);
}

#[test]
fn typed_in_an_inner_shell() {
    nothing_is_kept_after(
        Shell::Bash,
        &[
            Type(b"PS1='inner> ' bash --norc\r"),
            See("\ninner> "),
            Type(b"read -sp 'pw: ' p\r"),
            See("\npw: "),
        ],
        "an inner bash",
        &[See("inner> "), Type(b"exit\r"), Prompt],
    );
}

#[test]
fn typed_in_an_inner_shell_that_has_no_hook() {
    nothing_is_kept_after(
        Shell::Bash,
        &[
            Type(b"PS1='inner> ' sh\r"),
            See("\ninner> "),
            Type(b"stty -echo; printf 'p%s: ' w; read p; stty echo\r"),
            See("pw: "),
        ],
        "an inner sh",
        &[See("inner> "), Type(b"exit\r"), Prompt],
    );
}

#[test]
fn typed_at_the_python_prompt() {
    nothing_is_kept_after(
        Shell::Bash,
        &[
            Type(b"python3 -q\r"),
            See("\n>>> "),
            Type(b"import getpass; p = getpass.getpass()\r"),
            See("\nPassword: "),
        ],
        "a Python prompt",
        &[See(">>> "), Type(b"exit()\r"), Prompt],
    );
}

#[test]
fn typed_ahead_of_the_prompt() {
    nothing_is_kept_after(
        Shell::Bash,
        &[
            Type(b"stty -echo; echo silent; sleep 0.5; read -p 'pw: ' p; stty echo\r"),
            See("\nsilent\n"),
        ],
        "a silent terminal, before the prompt",
        &[See("pw: "), Prompt],
    );
}

#[test]
fn pasted_with_the_marks_of_a_paste() {
    let stage = stage(Shell::Bash);
    let mut canaries = Canaries::default();
    let mut session = stage.enter_at_prompt(0, "");
    for line_end in ["\r", "\n"] {
        session.type_keys(b"read -sp 'pw: ' p\r");
        session.run(See("\npw: "));
        let canary = canaries.new_at("a paste");
        session
            .terminal
            .send(format!("\u{1b}[200~{canary}\u{1b}[201~{line_end}"));
        session.run(Prompt);
    }
    session.leave();
    canaries.assert_nowhere(&stage);
}

#[test]
fn typed_after_a_question_was_answered() {
    nothing_is_kept_after(
        Shell::Bash,
        &[Type(b"read -sp 'pw: ' p; : ask-me\r"), Answer("y"), Runs, See("pw: ")],
        "what was asked about",
        &[Prompt],
    );
}

#[test]
fn typed_at_the_prompt_of_a_command_on_a_terminal() {
    let stage = stage(Shell::Bash);
    let mut canaries = Canaries::default();
    for place in [
        place("read -sp 'pw: ' p", PW),
        place("python3 -c 'import getpass; getpass.getpass()'", &["Password: "]),
        place("bash -c 'read -sp \"pw: \" p'", PW),
    ] {
        let mut terminal = stage.ssh(0).terminal(place.line);
        canaries.answer(&mut terminal, &place);
        assert_eq!(terminal.finish(), 0, "{}", place.line);
    }
    canaries.assert_nowhere(&stage);
}

#[test]
fn given_to_a_command_on_standard_input() {
    let stage = stage(Shell::Bash);
    let mut canaries = Canaries::default();
    for command in ["cat >/dev/null", "read -r p", "sh -c 'read -r p'"] {
        let canary = canaries.new_at(command);
        let output = stage.ssh(0).stdin(format!("{canary}\n")).run(command);
        assert_eq!(output.code, 0, "{output:?}");
    }
    canaries.assert_nowhere(&stage);
}
