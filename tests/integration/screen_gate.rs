//! What the bastion reads off the screens of real shells that take no hook, and that nothing they show runs unasked.
//!
//! Bytes typed at a terminal on the one side, the lines that the gate intercepts on the other. Lines with `rm -rf` are
//! refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opspilot::domain::{Dialect, Exactness};
use opspilot::terminal::{Effect, Line, LineEnd, ScreenGate, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Far more than a step takes on a busy machine; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What every shell here shows when it is ready.
const PROMPT: &str = "ready% ";

/// What a terminal answers by itself; busybox asks it at every prompt.
const WHERE_IS_THE_CURSOR: &[u8] = b"\x1b[6n";

/// One thing that the user does or waits for.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Keys.
    Type(&'static [u8]),
    /// Waits for the shell's prompt since the last keys.
    Prompt,
    /// Waits until this has been shown since the last keys.
    See(&'static str),
    /// Makes the window so many columns wide.
    Resize(u16),
}
use Step::{Prompt, Resize, See, Type};

/// A shell that takes no hook, or need not have one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    Bash,
    RestrictedBash,
    Tcsh,
    Dash,
    Busybox,
    Ksh,
    Mksh,
}
use Shell::{Bash, Busybox, Dash, Ksh, Mksh, RestrictedBash, Tcsh};

impl Shell {
    /// The program and its arguments.
    fn command(self) -> &'static [&'static str] {
        match self {
            Bash => &["bash", "--norc", "-i"],
            RestrictedBash => &["bash", "--norc", "-r", "-i"],
            Tcsh => &["tcsh", "-i"],
            Dash => &["dash", "-i"],
            Busybox => &["busybox", "ash", "-i"],
            Ksh => &["ksh93", "-i", "-o", "emacs"],
            Mksh => &["mksh", "-i", "-o", "emacs"],
        }
    }
}

/// The shells whose line editors move the cursor about.
const EDITING: &[Shell] = &[Bash, RestrictedBash, Tcsh, Busybox, Ksh, Mksh];
/// Those that wrap a long line, where mksh shows a part of it.
const WRAPPING: &[Shell] = &[Bash, RestrictedBash, Tcsh, Busybox, Ksh];
const ALL: &[Shell] = &[Bash, RestrictedBash, Tcsh, Dash, Busybox, Ksh, Mksh];

struct Scenario {
    name: &'static str,
    shells: &'static [Shell],
    steps: &'static [Step],
    /// The lines asked about, in order; `?` is a line that is unknown.
    lines: &'static [&'static str],
    /// How long the bastion's sight of the target lags behind.
    lag: Duration,
}

const fn scenario(
    name: &'static str,
    shells: &'static [Shell],
    steps: &'static [Step],
    lines: &'static [&'static str],
) -> Scenario {
    Scenario {
        name,
        shells,
        steps,
        lines,
        lag: Duration::ZERO,
    }
}

/// A shell behind a gate on a terminal.
struct Session {
    gate: ScreenGate,
    pty: pty_process::Pty,
    child: tokio::process::Child,
    home: tempfile::TempDir,
    lag: Duration,
    written: Vec<u8>,
    shown: Vec<u8>,
    /// Where in `shown` the last keys were typed.
    typed_at: usize,
    asked: Vec<Line>,
    ends: Vec<LineEnd>,
    /// Events that no scenario should see.
    alarms: Vec<Effect>,
    closed: bool,
}

impl Session {
    fn open(shell: Shell, lag: Duration) -> Self {
        let home = furnished_home();
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let (program, arguments) = shell.command().split_first().unwrap();
        let child = pty_process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs([
                ("PATH", std::env::var("PATH").unwrap()),
                ("HOME", home.path().to_str().unwrap().to_owned()),
            ])
            .envs([("TERM", "xterm"), ("LANG", "C.UTF-8"), ("PS1", PROMPT)])
            .current_dir(home.path())
            .kill_on_drop(true)
            .spawn(pts)
            .unwrap();
        Self {
            gate: ScreenGate::new(Dialect::Bash, 80, 24).unwrap(),
            pty,
            child,
            home,
            lag,
            written: Vec::new(),
            shown: Vec::new(),
            typed_at: 0,
            asked: Vec::new(),
            ends: Vec::new(),
            alarms: Vec::new(),
            closed: false,
        }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Type(keys) => self.type_keys(keys).await,
            Prompt => self.until(Self::has_prompt).await,
            See(text) => self.until(|session| session.shows(text)).await,
            Resize(columns) => {
                self.pty.resize(pty_process::Size::new(24, columns)).unwrap();
                self.gate.resize(columns, 24);
            }
        }
    }

    async fn type_keys(&mut self, keys: &[u8]) {
        self.typed_at = self.shown.len();
        let mut effects = Vec::new();
        self.gate.from_user(Instant::now(), keys, &mut effects);
        self.perform(effects).await;
    }

    fn since_keys(&self) -> String {
        String::from_utf8_lossy(&self.shown[self.typed_at..]).into_owned()
    }

    fn shows(&self, wanted: &str) -> bool {
        self.since_keys().contains(wanted)
    }

    /// Whether the shell has drawn its prompt and nothing after it, but for a question to the terminal.
    fn has_prompt(&self) -> bool {
        let shown = self.since_keys();
        // ksh clears the row and comes back.
        let drawn = shown.trim_end_matches("\x1b[6n").trim_end_matches([' ', '\x08']);
        drawn.ends_with(PROMPT.trim_end())
    }

    /// Leaves the shell and waits for its end.
    async fn leave(&mut self) {
        self.type_keys(b"exit\r").await;
        self.until(|session| session.closed).await;
        self.child.wait().await.unwrap();
    }

    async fn until(&mut self, reached: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !reached(self) && !self.closed {
                self.read().await;
            }
        });
        let in_time = waited.await.is_ok();
        assert!(
            in_time && reached(self),
            "{TOO_LATE}; asked {:?}, alarms {:?}, shown: {}",
            self.lines(),
            self.alarms,
            self.since_keys().escape_debug()
        );
    }

    /// Takes the next thing that happens: output, or the gate's deadline.
    async fn read(&mut self) {
        let mut buffer = [0; 4096];
        let deadline = self.gate.deadline().unwrap_or_else(|| Instant::now() + PATIENCE);
        let mut effects = Vec::new();
        tokio::select! {
            read = self.pty.read(&mut buffer) => match read {
                Ok(count @ 1..) => {
                    tokio::time::sleep(self.lag).await;
                    self.written.extend(&buffer[..count]);
                    self.gate.from_target(Instant::now(), &buffer[..count], &mut effects);
                    if buffer[..count].ends_with(WHERE_IS_THE_CURSOR) {
                        self.gate.from_user(Instant::now(), b"\x1b[24;8R", &mut effects);
                    }
                }
                _ => self.closed = true,
            },
            () = tokio::time::sleep_until(deadline.into()) => self.gate.timed_out(Instant::now(), &mut effects),
        }
        self.perform(effects).await;
    }

    async fn perform(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::ToUser(bytes) => self.shown.extend(bytes),
                Effect::ToTarget(bytes) => self.pty.write_all(&bytes).await.unwrap_or_default(),
                Effect::Asking(line) => effects.extend(self.decide(line)),
                Effect::Ended(end) => self.ends.push(end),
                Effect::Started | Effect::Cancelled => {}
                alarm => self.alarms.push(alarm),
            }
        }
    }

    fn decide(&mut self, line: Line) -> Vec<Effect> {
        let verdict = if line.text.contains("rm -rf") {
            Verdict::Cancel
        } else {
            Verdict::Run
        };
        self.asked.push(line);
        let mut effects = Vec::new();
        self.gate.answer(verdict, &mut effects);
        effects
    }

    fn lines(&self) -> Vec<&str> {
        let spelled = |line| match line {
            &Line {
                exactness: Exactness::Screen,
                ref text,
                ..
            } => text.as_str(),
            _ => "?",
        };
        self.asked.iter().map(spelled).collect()
    }
}

fn furnished_home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for file in ["uniquefile_zzz", "amb_a", "amb_b"] {
        std::fs::write(home.path().join(file), "").unwrap();
    }
    std::fs::write(
        home.path().join(".tcshrc"),
        format!("set prompt='{PROMPT}'\nset autologout=0\n"),
    )
    .unwrap();
    std::fs::write(home.path().join(".inputrc"), "").unwrap();
    std::fs::write(home.path().join(".mkshrc"), format!("PS1='{PROMPT}'\n")).unwrap();
    let ask = "stty -echo; printf 'Password: '; read p; stty echo; echo; echo got $p\n";
    std::fs::write(home.path().join("ask"), ask).unwrap();
    std::fs::write(home.path().join("long"), "line\n".repeat(100)).unwrap();
    home
}

/// Plays one scenario; the error says what was different.
async fn play(scenario: &Scenario, shell: Shell) -> Result<(), String> {
    let name = format!("{} in {shell:?}", scenario.name);
    let mut session = Session::open(shell, scenario.lag);
    session.run(Prompt).await;
    for step in scenario.steps {
        session.run(*step).await;
    }
    let wanted = scenario.lines.len();
    session
        .until(|session| session.asked.len() >= wanted && session.has_prompt())
        .await;
    session.leave().await;
    let mut lines = session.lines();
    let last = lines.pop();
    if lines != scenario.lines && only_unknown(&lines, scenario.lines) {
        return Err(format!("{UNSURE} {name}: asked {lines:?}, not {:?}", scenario.lines));
    }
    if lines != scenario.lines || last != Some("exit") {
        return Err(format!(
            "{name}: asked {lines:?} and {last:?}, not {:?}",
            scenario.lines
        ));
    }
    if session.written != session.shown {
        return Err(format!("{name}: not everything that was written was shown"));
    }
    if !session.alarms.is_empty() {
        return Err(format!("{name}: {:?}", session.alarms));
    }
    if session.home.path().join("RAN").exists() {
        return Err(format!("{name}: a refused line left its trace"));
    }
    Ok(())
}

/// What an error begins with where lines were unknown that could have been known: a busy machine draws late.
const UNSURE: &str = "unsure:";
/// What it holds where something was waited for in vain. bash 5.2, without any gate, keeps the line and draws no prompt when `^C`
/// comes while it still takes keys in; what is entered next is then unknown.
const TOO_LATE: &str = "never came";

/// Whether lines differ from those wanted in being unknown, and in nothing else.
fn only_unknown(lines: &[&str], wanted: &[&str]) -> bool {
    lines.len() == wanted.len()
        && lines
            .iter()
            .zip(wanted)
            .all(|(line, wanted)| line == wanted || *line == "?")
}

/// Plays one scenario, and once more where the machine may have been too busy to tell.
async fn play_until_sure(scenario: Arc<Scenario>, shell: Shell) -> Result<(), String> {
    match attempt(scenario.clone(), shell).await {
        Err(error) if error.starts_with(UNSURE) || error.contains(TOO_LATE) => attempt(scenario, shell).await,
        played => played,
    }
}

/// Plays one scenario; a panic in it is a failure like others.
async fn attempt(scenario: Arc<Scenario>, shell: Shell) -> Result<(), String> {
    let name = scenario.name;
    tokio::spawn(async move { play(&scenario, shell).await })
        .await
        .unwrap_or_else(|error| Err(format!("{name} in {shell:?}: {error}")))
}

/// Plays all in all their shells, a few at a time, and reports every failure.
async fn play_all(scenarios: Vec<Scenario>) {
    let turns = Arc::new(tokio::sync::Semaphore::new(4));
    let mut games = tokio::task::JoinSet::new();
    for scenario in scenarios.into_iter().map(Arc::new) {
        for shell in scenario.shells.iter().copied() {
            let (turns, scenario) = (Arc::clone(&turns), Arc::clone(&scenario));
            games.spawn(async move {
                let _turn = turns.acquire_owned().await.unwrap();
                play_until_sure(scenario, shell).await
            });
        }
    }
    let failures: Vec<String> = games.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn a_line_is_read_as_it_was_edited() {
    play_all(vec![
        scenario("plain", ALL, &[Type(b"echo one\r")], &["echo one"]),
        scenario("newline as Enter", ALL, &[Type(b"echo cj\n")], &["echo cj"]),
        scenario("backspace", ALL, &[Type(b"echo onex\x7f\x7fe2\r")], &["echo one2"]),
        scenario("^U", ALL, &[Type(b"rm -rf /q\x15echo safe\r")], &["echo safe"]),
        scenario("^A", EDITING, &[Type(b"foo bar\x01echo \r")], &["echo foo bar"]),
        scenario("^W", &[Bash, RestrictedBash, Dash, Busybox], &[Type(b"echo foo bar\x17baz\r")], &["echo foo baz"]),
        scenario("an arrow and an insertion", EDITING, &[Type(b"echo ac\x1b[Db\r")], &["echo abc"]),
        scenario("up", EDITING, &[Type(b"echo hist1\r"), Prompt, Type(b"\x1b[A\r")], &["echo hist1", "echo hist1"]),
        scenario(
            "^O",
            &[Bash, RestrictedBash],
            &[Type(b"echo o1\r"), Prompt, Type(b"echo o2\r"), Prompt, Type(b"\x1b[A\x1b[A\x0f"), See("echo o2"), Type(b"\r")],
            &["echo o1", "echo o2", "echo o1", "echo o2"],
        ),
        scenario("completion", EDITING, &[Type(b"cat uniq\t\r")], &["cat uniquefile_zzz "]),
        scenario("completion from a list", EDITING, &[Type(b"cat amb\t\tb\r")], &["cat amb_b"]),
        scenario("an empty line", ALL, &[Type(b"\r"), Prompt, Type(b"   \r"), Prompt, Type(b"echo on\r")], &["echo on"]),
        scenario("given up", ALL, &[Type(b"rm -rf /x"), See("/x"), Type(b"\x03"), Prompt, Type(b"echo on\r")], &["echo on"]),
        scenario(
            "beyond the right margin",
            &[Bash, RestrictedBash, Tcsh, Dash, Busybox, Ksh],
            &[Type(b"echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r")],
            &["echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        ),
        scenario(
            "a long line edited at its start",
            WRAPPING,
            &[
                Type(b"echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
                Type(b"\x01true; \r"),
            ],
            &["true; echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_the_screen_cannot_tell_is_unknown() {
    play_all(vec![
        scenario(
            "history expansion",
            &[Bash, Tcsh],
            &[Type(b"echo h1\r"), Prompt, Type(b"!!\r")],
            &["echo h1", "?"],
        ),
        scenario(
            "^R",
            &[Bash, RestrictedBash],
            &[Type(b"echo alpha\r"), Prompt, Type(b"\x12alph\r")],
            &["echo alpha", "?"],
        ),
        scenario(
            "a line over two",
            ALL,
            &[Type(b"echo a \\\r"), See("\n"), Type(b"b\r")],
            &["echo a \\", "?"],
        ),
        scenario(
            "a paste of two lines",
            &[Bash, RestrictedBash],
            &[Type(b"\x1b[200~echo p1\recho p2\x1b[201~"), See("p2"), Type(b"\r")],
            &["?", "?"],
        ),
        scenario(
            "input without a prompt",
            ALL,
            &[
                Type(b"cat\r"),
                See("\n"),
                Type(b"text\r"),
                See("text\r\ntext"),
                Type(b"\x04"),
            ],
            &["cat", "?"],
        ),
        scenario(
            "keys as a plain terminal spells them",
            &[Dash],
            &[Type(b"echo x\x1b[A\r")],
            &["?"],
        ),
        scenario(
            "a line of which a part is shown",
            &[Mksh],
            &[Type(b"echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), Type(b"\x01true; \r")],
            &["?"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn lines_that_come_at_once_are_asked_about_one_by_one() {
    play_all(vec![
        scenario(
            "a paste",
            ALL,
            &[Type(b"echo u1\recho u2\recho u3\r")],
            &["echo u1", "echo u2", "echo u3"],
        ),
        scenario(
            "typed ahead",
            ALL,
            &[Type(b"sleep 1\r"), Type(b"echo ta1\recho ta2\r")],
            &["sleep 1", "echo ta1", "echo ta2"],
        ),
        scenario(
            "a paste with a refusal",
            ALL,
            &[Type(b"echo a1\rtouch RAN; rm -rf /zz\rtouch RAN\r")],
            &["echo a1", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "a refusal, and on",
            ALL,
            &[Type(b"touch RAN; rm -rf /zz\r"), See("\n"), Prompt, Type(b"echo on\r")],
            &["touch RAN; rm -rf /zz", "echo on"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_typed_with_echo_off_leaves_no_trace() {
    play_all(vec![scenario(
        "a password",
        ALL,
        &[
            Type(b"sh ask\r"),
            See("Password: "),
            Type(b"S3cretPw\r"),
            See("got S3cretPw"),
        ],
        &["sh ask"],
    )])
    .await;
}

#[tokio::test]
async fn programs_that_take_the_whole_screen_are_left_alone() {
    play_all(vec![
        scenario(
            "less",
            ALL,
            &[Type(b"less long\r"), See("line"), Type(b"/line\r"), Type(b"q")],
            &["less long"],
        ),
        scenario(
            "vi",
            ALL,
            &[Type(b"vi -u NONE x\r"), See("~"), Type(b":q!\r")],
            &["vi -u NONE x"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn binary_output_is_survived_and_passed_on_whole() {
    for shell in [Bash, Dash] {
        let mut session = Session::open(shell, Duration::ZERO);
        session.run(Prompt).await;
        session.type_keys(b"head -c 300000 /dev/urandom; echo done\r").await;
        session.until(|session| session.shows("done\r\n")).await;
        session.leave().await;
        assert!(session.written == session.shown);
        assert_eq!(session.lines().first(), Some(&"head -c 300000 /dev/urandom; echo done"));
    }
}

#[tokio::test]
async fn a_slow_link_is_waited_for() {
    let slow = |scenario: Scenario| Scenario {
        lag: Duration::from_millis(300),
        ..scenario
    };
    play_all(vec![
        slow(scenario("plain", &[Bash, Dash], &[Type(b"echo one\r")], &["echo one"])),
        slow(scenario(
            "up",
            &[Bash, Tcsh],
            &[Type(b"echo hist1\r"), Prompt, Type(b"\x1b[A\r")],
            &["echo hist1", "echo hist1"],
        )),
        slow(scenario(
            "edited",
            &[Bash, Tcsh],
            &[Type(b"foo bar\x01echo \r")],
            &["echo foo bar"],
        )),
    ])
    .await;
}

#[tokio::test]
async fn a_line_is_read_across_a_resize() {
    play_all(vec![scenario(
        "a resize",
        &[Bash, Tcsh],
        &[
            Type(b"echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
            See("yyyy"),
            Resize(40),
            Type(b"zz\r"),
        ],
        &["echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyzz"],
    )])
    .await;
}
