//! What the bastion learns of a real bash, and that nothing runs there unasked.
//!
//! Bytes typed at a terminal on the one side, the lines that the gate intercepts on the other. Lines with `rm -rf` are
//! refused. Every scenario ends with `exit`, so that its record is complete when the shell is gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is how a test fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opspilot::domain::Exactness;
use opspilot::terminal::{Effect, Line, LineEnd, LoginShell, ShellGate, Verdict, probe};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Far more than a step takes on a busy machine; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What readline writes when it is ready for keys.
const READY: &[u8] = b"\x1b[?2004h";

const NONCE: &str = "6f1c2f0a9be34d7fb2a0c55d1e8f4a63";

/// One thing that the user does or waits for.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Keys.
    Type(&'static [u8]),
    /// Waits until the line editor is ready again.
    Prompt,
    /// Waits until this has been shown since the last keys.
    See(&'static str),
    /// Makes the window so many columns wide.
    Resize(u16),
}
use Step::{Prompt, Resize, See, Type};

struct Scenario {
    name: &'static str,
    steps: &'static [Step],
    /// The lines asked about, in order; `?` is a line that is unknown.
    lines: &'static [&'static str],
    /// `.bash_profile`.
    profile: &'static str,
    /// How long the bastion's sight of the target lags behind.
    lag: Duration,
}

const fn scenario(name: &'static str, steps: &'static [Step], lines: &'static [&'static str]) -> Scenario {
    Scenario {
        name,
        steps,
        lines,
        profile: "",
        lag: Duration::ZERO,
    }
}

impl Scenario {
    const fn with_profile(mut self, profile: &'static str) -> Self {
        self.profile = profile;
        self
    }

    const fn with_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }
}

/// A bash behind a gate on a terminal.
struct Session {
    gate: ShellGate,
    pty: pty_process::Pty,
    child: tokio::process::Child,
    home: tempfile::TempDir,
    lag: Duration,
    shown: Vec<u8>,
    /// Where in `shown` the last keys were typed.
    typed_at: usize,
    asked: Vec<Line>,
    started: usize,
    ends: Vec<LineEnd>,
    /// Events that no scenario should see.
    alarms: Vec<Effect>,
    closed: bool,
}

impl Session {
    fn open(profile: &str, lag: Duration) -> Self {
        let home = furnished_home(profile);
        let (gate, bootstrap) = ShellGate::login(LoginShell::Bash, || NONCE.to_owned(), Instant::now()).unwrap();
        let (pty, pts) = pty_process::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let child = pty_process::Command::new("/bin/bash")
            .arg("-c")
            .arg(String::from_utf8(bootstrap).unwrap())
            .env_clear()
            .envs([("PATH", std::env::var("PATH").unwrap()), ("HOME", text(home.path()))])
            .envs([("TERM", "xterm"), ("LANG", "C.UTF-8"), ("SHELL", "/bin/bash")])
            .envs([("USER", "root"), ("LOGNAME", "root"), ("EDITOR", "./editor")])
            .current_dir(home.path())
            .kill_on_drop(true)
            .spawn(pts)
            .unwrap();
        Self {
            gate,
            pty,
            child,
            home,
            lag,
            shown: Vec::new(),
            typed_at: 0,
            asked: Vec::new(),
            started: 0,
            ends: Vec::new(),
            alarms: Vec::new(),
            closed: false,
        }
    }

    async fn run(&mut self, step: Step) {
        match step {
            Type(keys) => self.type_keys(keys).await,
            Prompt => self.until(|session| session.shows(READY)).await,
            See(text) => self.until(|session| session.shows(text.as_bytes())).await,
            Resize(columns) => self.pty.resize(pty_process::Size::new(24, columns)).unwrap(),
        }
    }

    async fn type_keys(&mut self, keys: &[u8]) {
        self.typed_at = self.shown.len();
        let mut effects = Vec::new();
        self.gate.from_user(Instant::now(), keys, &mut effects);
        self.perform(effects).await;
    }

    fn shows(&self, wanted: &[u8]) -> bool {
        self.shown[self.typed_at..]
            .windows(wanted.len())
            .any(|window| window == wanted)
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
            "never came; asked {:?}, alarms {:?}, shown: {}",
            self.lines(),
            self.alarms,
            String::from_utf8_lossy(&self.shown).escape_debug()
        );
    }

    async fn read(&mut self) {
        let mut buffer = [0; 4096];
        let Ok(count @ 1..) = self.pty.read(&mut buffer).await else {
            self.closed = true;
            return;
        };
        tokio::time::sleep(self.lag).await;
        let mut effects = Vec::new();
        self.gate.from_target(Instant::now(), &buffer[..count], &mut effects);
        self.perform(effects).await;
    }

    async fn perform(&mut self, effects: Vec<Effect>) {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::ToUser(bytes) => self.shown.extend(bytes),
                Effect::ToTarget(bytes) => self.pty.write_all(&bytes).await.unwrap_or_default(),
                Effect::Asking(line) => effects.extend(self.decide(line)),
                Effect::Started => self.started += 1,
                Effect::Ended(end) => self.ends.push(end),
                Effect::Ready | Effect::Cancelled => {}
                alarm @ (Effect::Unasked { .. } | Effect::Forged | Effect::Lost(_)) => self.alarms.push(alarm),
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
                exactness: Exactness::Exact,
                ref text,
                ..
            } => text.as_str(),
            _ => "?",
        };
        self.asked.iter().map(spelled).collect()
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn furnished_home(profile: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    for file in [".hushlogin", "uniquefile_zzz", "amb_a", "amb_b"] {
        std::fs::write(home.path().join(file), "").unwrap();
    }
    std::fs::write(home.path().join(".bash_profile"), format!("PS1='% '\n{profile}")).unwrap();
    let editor = home.path().join("editor");
    std::fs::write(&editor, "#!/bin/sh\necho 'echo edited' >\"$1\"\n").unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    home
}

/// Plays one scenario; the error says what was different.
async fn play(scenario: &Scenario) -> Result<(), String> {
    let mut session = Session::open(scenario.profile, scenario.lag);
    session.run(Prompt).await;
    for step in scenario.steps {
        session.run(*step).await;
    }
    let wanted = scenario.lines.len();
    session
        .until(|session| session.asked.len() >= wanted && session.shown.ends_with_prompt())
        .await;
    session.leave().await;
    let mut lines = session.lines();
    let last = lines.pop();
    if lines != scenario.lines || !matches!(last, Some("exit" | "?")) {
        return Err(format!(
            "{}: asked {lines:?} and {last:?}, not {:?}",
            scenario.name, scenario.lines
        ));
    }
    if !session.alarms.is_empty() {
        return Err(format!("{}: {:?}", scenario.name, session.alarms));
    }
    if session.home.path().join("RAN").exists() {
        return Err(format!("{}: a refused line left its trace", scenario.name));
    }
    Ok(())
}

trait EndsWithPrompt {
    fn ends_with_prompt(&self) -> bool;
}

impl EndsWithPrompt for Vec<u8> {
    /// Whether the line editor has taken the terminal since it last gave it back.
    fn ends_with_prompt(&self) -> bool {
        let last = |wanted: &[u8]| self.windows(wanted.len()).rposition(|window| window == wanted);
        last(READY) > last(b"\x1b[?2004l")
    }
}

/// Plays all, a few at a time, and reports every failure.
async fn play_all(scenarios: Vec<Scenario>) {
    let turns = Arc::new(tokio::sync::Semaphore::new(4));
    let mut games = tokio::task::JoinSet::new();
    for scenario in scenarios {
        let turns = Arc::clone(&turns);
        games.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            let name = scenario.name;
            let game = tokio::spawn(async move { play(&scenario).await });
            game.await.unwrap_or_else(|error| Err(format!("{name}: {error}")))
        });
    }
    let failures: Vec<String> = games.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn a_line_is_known_as_it_was_edited() {
    play_all(vec![
        scenario("plain", &[Type(b"echo one\r")], &["echo one"]),
        scenario("newline as Enter", &[Type(b"echo cj\n")], &["echo cj"]),
        scenario("backspace", &[Type(b"echo onex\x7f\x7fe2\r")], &["echo one2"]),
        scenario("^U", &[Type(b"rm -rf /q\x15echo safe\r")], &["echo safe"]),
        scenario("^A", &[Type(b"foo bar\x01echo \r")], &["echo foo bar"]),
        scenario("^W", &[Type(b"echo foo bar\x17baz\r")], &["echo foo baz"]),
        scenario("an arrow and an insertion", &[Type(b"echo ac\x1b[Db\r")], &["echo abc"]),
        scenario("up", &[Type(b"echo hist1\r"), Prompt, Type(b"\x1b[A\r")], &["echo hist1", "echo hist1"]),
        scenario(
            "^R",
            &[Type(b"echo alpha\r"), Prompt, Type(b"echo beta\r"), Prompt, Type(b"\x12alph\r")],
            &["echo alpha", "echo beta", "echo alpha"],
        ),
        scenario(
            "history expansion",
            &[Type(b"echo h1\r"), Prompt, Type(b"!!\r")],
            &["echo h1", "echo h1"],
        ),
        scenario("completion", &[Type(b"cat uniq\t\r")], &["cat uniquefile_zzz "]),
        scenario("completion from a list", &[Type(b"cat amb\t\tb\r")], &["cat amb_b"]),
        scenario(
            "a long line edited at its start",
            &[
                Type(b"echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
                Type(b"\x01true; \r"),
            ],
            &["true; echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        ),
        scenario(
            "a resize within a line",
            &[
                Type(b"echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"),
                See("yyyy"),
                Resize(40),
                Type(b"zz\r"),
            ],
            &["echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyzz"],
        ),
        scenario("kill and yank", &[Type(b"one two\x17\x01echo \x05\x19\r")], &["echo one two"]),
        scenario("the last argument", &[Type(b"echo first\r"), Prompt, Type(b"echo \x1b.\r")], &["echo first", "echo first"]),
        scenario("wide characters", &[Type(b"echo h\xc3\xa9\xe6\x97\xa5\xe6\x9c\xac\x7f\xe8\xaa\x9e\r")], &["echo hé日語"]),
        scenario("a literal tab", &[Type(b"echo a\x16\tb\r")], &["echo a\tb"]),
        scenario(
            "vi mode",
            &[Type(b"set -o vi\r"), Prompt, Type(b"echo abx"), See("abx"), Type(b"\x1bxAc\r")],
            &["set -o vi", "echo abc"],
        ),
        scenario(
            "^O",
            &[Type(b"echo o1\r"), Prompt, Type(b"echo o2\r"), Prompt, Type(b"\x1b[A\x1b[A\x0f"), Prompt, Type(b"\r")],
            &["echo o1", "echo o2", "echo o1", "echo o2"],
        ),
        scenario(
            "up before the echo is seen",
            &[Type(b"echo slow\r"), Prompt, Type(b"\x1b[A"), Type(b"\r")],
            &["echo slow", "echo slow"],
        )
        .with_lag(Duration::from_millis(100)),
    ])
    .await;
}

#[tokio::test]
async fn a_command_of_several_lines_is_one_question() {
    play_all(vec![
        scenario(
            "a continued line",
            &[Type(b"echo a \\\r"), Prompt, Type(b"b\r")],
            &["echo a b"],
        ),
        scenario(
            "an open quote",
            &[Type(b"echo 'a\r"), Prompt, Type(b"b'\r")],
            &["echo 'a\nb'"],
        ),
        scenario(
            "a here-document",
            &[Type(b"cat <<E\r"), Prompt, Type(b"x y\r"), Prompt, Type(b"E\r")],
            &["cat <<E\nx y\nE\n"],
        ),
        scenario(
            "a loop",
            &[
                Type(b"for i in 1 2\r"),
                Prompt,
                Type(b"do echo $i\r"),
                Prompt,
                Type(b"done\r"),
            ],
            &["for i in 1 2; do echo $i; done"],
        ),
        scenario(
            "a loop, with cmdhist off",
            &[
                Type(b"shopt -u cmdhist\r"),
                Prompt,
                Type(b"for i in 1\r"),
                Prompt,
                Type(b"do echo $i; done\r"),
            ],
            &["shopt -u cmdhist", "?"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn several_commands_at_once_are_a_question_each() {
    play_all(vec![
        scenario(
            "three lines",
            &[Type(b"echo u1\recho u2\recho u3\r")],
            &["echo u1", "echo u2", "echo u3"],
        ),
        scenario(
            "a bracketed paste",
            &[Type(b"\x1b[200~echo p1\recho p2\x1b[201~\r")],
            &["echo p1", "echo p2"],
        ),
        scenario(
            "typed ahead",
            &[Type(b"sleep 0.2\r"), Type(b"echo ta1\recho ta2\r")],
            &["sleep 0.2", "echo ta1", "echo ta2"],
        ),
        scenario(
            "Enter and a comment",
            &[Type(b"\r"), Prompt, Type(b"# rm -rf /x\r"), Prompt, Type(b"echo z\r")],
            &["echo z"],
        ),
        scenario(
            "^C",
            &[Type(b"rm -rf /x"), See("/x"), Type(b"\x03"), Prompt, Type(b"echo cc\r")],
            &["echo cc"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn input_of_programs_is_no_command() {
    play_all(vec![
        scenario(
            "read -s",
            &[
                Type(b"read -s p; echo got\r"),
                See("\n"),
                Type(b"S3cretPw\r"),
                See("got"),
                Prompt,
                Type(b"echo done\r"),
            ],
            &["read -s p; echo got", "echo done"],
        ),
        scenario(
            "cat",
            &[
                Type(b"cat\r"),
                See("\n"),
                Type(b"some data\r"),
                See("some data\r\nsome data"),
                Type(b"\x04"),
                Prompt,
            ],
            &["cat"],
        ),
        scenario(
            "an inner shell's command",
            &[Type(b"sh -c 'echo deep'\r")],
            &["sh -c 'echo deep'"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_refused_line_leaves_nothing_behind() {
    play_all(vec![
        scenario("alone", &[Type(b"touch RAN; rm -rf /zz\r")], &["touch RAN; rm -rf /zz"]),
        scenario(
            "in the middle of a paste, which it ends",
            &[Type(b"echo a1\rtouch RAN; rm -rf /zz\rtouch RAN\r")],
            &["echo a1", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "typed ahead",
            &[Type(b"sleep 0.2\r"), Type(b"touch RAN; rm -rf /zz\r")],
            &["sleep 0.2", "touch RAN; rm -rf /zz"],
        ),
        scenario(
            "a redirected group",
            &[Type(b"{ rm -rf /zz; } >RAN\r")],
            &["{ rm -rf /zz; } >RAN"],
        ),
        scenario(
            "a redirected subshell",
            &[Type(b"(rm -rf /zz) >RAN\r")],
            &["(rm -rf /zz) >RAN"],
        ),
        scenario(
            "a substitution",
            &[Type(b"for i in $(touch RAN; rm -rf /zz); do :; done\r")],
            &["for i in $(touch RAN; rm -rf /zz); do :; done"],
        ),
        scenario(
            "with SIGINT trapped",
            &[
                Type(b"trap 'echo caught' INT\r"),
                Prompt,
                Type(b"{ rm -rf /zz; } >RAN\r"),
            ],
            &["trap 'echo caught' INT", "{ rm -rf /zz; } >RAN"],
        ),
        scenario(
            "with SIGINT ignored",
            &[Type(b"trap '' INT\r"), Prompt, Type(b"{ rm -rf /zz; } >RAN\r")],
            &["trap '' INT", "{ rm -rf /zz; } >RAN"],
        ),
        scenario(
            "on a key of one's own",
            &[Type(b"\x14"), See("\r\n% ")],
            &["rm -rf /zz > RAN"],
        )
        .with_profile("bind -x '\"\\C-t\":\"rm -rf /zz >RAN; touch RAN\"'\n"),
    ])
    .await;
}

#[tokio::test]
async fn commands_that_keys_start_are_asked_about() {
    play_all(vec![scenario(
        "bind -x",
        &[
            Type(b"bind -x '\"\\C-t\":\"echo bx\"'\r"),
            Prompt,
            Type(b"\x14"),
            See("bx\r\n"),
            Type(b"echo after\r"),
        ],
        &["bind -x '\"\\C-t\":\"echo bx\"'", "echo bx", "echo after"],
    )])
    .await;
}

#[tokio::test]
async fn a_line_is_never_another_line_s_text() {
    play_all(vec![
        scenario(
            "ignorespace and ignoredups",
            &[
                Type(b"HISTCONTROL=ignoreboth\r"),
                Prompt,
                Type(b" echo sp\r"),
                Prompt,
                Type(b"echo dup\r"),
                Prompt,
                Type(b"echo dup\r"),
            ],
            &["HISTCONTROL=ignoreboth", " echo sp", "echo dup", "echo dup"],
        ),
        scenario(
            "HISTIGNORE",
            &[Type(b"HISTIGNORE='echo*'\r"), Prompt, Type(b"echo ig\r")],
            &["HISTIGNORE='echo*'", "echo ig"],
        ),
        scenario(
            "history off",
            &[Type(b"set +o history\r"), Prompt, Type(b"echo ho\r"), Prompt],
            &["set +o history", "?"],
        )
        .with_profile(""),
        scenario(
            "HISTSIZE=0",
            &[Type(b"echo a\r"), Prompt, Type(b"echo b\r")],
            &["echo a", "echo b"],
        )
        .with_profile("HISTSIZE=0\n"),
        scenario(
            "HISTSIZE=1",
            &[Type(b"echo a\r"), Prompt, Type(b"echo b\r")],
            &["echo a", "echo b"],
        )
        .with_profile("HISTSIZE=1\n"),
        scenario(
            "a history that the shell may not change",
            &[Type(b"echo a\r"), Prompt, Type(b" echo b\r")],
            &["?", "?"],
        )
        .with_profile("readonly HISTCONTROL=ignorespace\n"),
    ])
    .await;
}

#[tokio::test]
async fn a_mark_of_another_hand_is_stripped_and_reported() {
    let mut session = Session::open("", Duration::ZERO);
    session.run(Prompt).await;
    session
        .run(Type(b"printf 'a\\033]7717;0123;G;1.1;h;2;ls;/;\\007b'\r"))
        .await;
    session.run(See("ab")).await;
    session.leave().await;
    assert_eq!(session.alarms, [Effect::Forged]);
    assert_eq!(session.asked.len(), 2);
}

#[tokio::test]
async fn a_secret_read_without_echo_is_in_no_question_and_not_shown() {
    let mut session = Session::open("", Duration::ZERO);
    session.run(Prompt).await;
    session.run(Type(b"read -sp pass$((1+1)): p; echo ${#p}\r")).await;
    session.run(See("pass2:")).await;
    session.run(Type(b"S3cretPw\r")).await;
    session.run(See("8\r\n")).await;
    session.leave().await;
    assert!(
        session.asked.iter().all(|line| !line.text.contains("S3cret")),
        "{:?}",
        session.lines()
    );
    assert!(!String::from_utf8_lossy(&session.shown).contains("S3cret"));
}

#[tokio::test]
async fn a_line_s_end_says_how_and_where() {
    let mut session = Session::open("alias home='cd /'\n", Duration::ZERO);
    session.run(Prompt).await;
    session.run(Type(b"home; printf 0123456789; false | (exit 7)\r")).await;
    session.run(See("\x1b[?2004l")).await;
    session.run(Prompt).await;
    session.leave().await;
    let asked = &session.asked[0];
    assert_eq!(asked.cwd, Some(text(&session.home.path().canonicalize().unwrap())));
    assert_eq!(asked.aliases, [("home".to_owned(), "cd /".to_owned())]);
    let end = &session.ends[0];
    assert_eq!((end.exit_code, end.cwd.as_deref()), (Some(7), Some("/")));
    assert_eq!(end.pipe_status, [1, 7]);
    assert_eq!(end.output_bytes, 10);
}

#[tokio::test]
async fn the_user_s_own_settings_do_not_open_the_gate() {
    const LINES: &[&str] = &["echo a", "touch RAN; rm -rf /zz", "echo b"];
    const STEPS: &[Step] = &[
        Type(b"echo a\r"),
        Prompt,
        Type(b"touch RAN; rm -rf /zz\r"),
        Prompt,
        Type(b"echo b\r"),
    ];
    let profiles = [
        ("a PROMPT_COMMAND that ends in a semicolon", "PROMPT_COMMAND='x=1;'\n"),
        ("a PROMPT_COMMAND of several", "PROMPT_COMMAND=(true 'y=2')\n"),
        ("a prompt set anew each time", "p() { PS1='% '; }; PROMPT_COMMAND=p\n"),
        ("an empty prompt", "PS1=\n"),
        ("a PS0", "PS0='run \\t\\n'\n"),
        ("a DEBUG trap", "trap 'echo DBG >/dev/null' DEBUG\n"),
        ("an INT trap", "trap 'echo caught' INT\n"),
        ("set -u", "set -u\n"),
        ("set -x", "set -x\n"),
        ("set -a", "set -a\n"),
        ("set -T", "set -T\n"),
        ("extdebug", "shopt -s extdebug\n"),
        ("promptvars off", "shopt -u promptvars\n"),
        ("another IFS", "IFS=,\n"),
        ("no PATH", "PATH=\n"),
        ("posix mode", "set -o posix\n"),
        ("nocasematch", "shopt -s nocasematch\n"),
        ("a time format of the history", "HISTTIMEFORMAT='%F %T '\n"),
        ("TMOUT", "TMOUT=300\n"),
        (
            "aliases of builtins",
            "alias local='echo x' printf='echo y' history='history 3' read='read -e'\n",
        ),
    ];
    let of_profile = |(name, profile)| scenario(name, STEPS, LINES).with_profile(profile);
    play_all(profiles.into_iter().map(of_profile).collect()).await;
}

#[tokio::test]
async fn the_user_s_traps_and_options_are_given_back() {
    let mut session = Session::open(
        "HISTCONTROL=ignorespace\nshopt -s extdebug\ntrap 'n=1' DEBUG\ntrap 'echo caught' INT\nPROMPT_COMMAND=(true)\n",
        Duration::ZERO,
    );
    session.run(Prompt).await;
    for line in [&b"rm -rf /zz\r"[..], b" echo hidden >/dev/null\r"] {
        session.type_keys(line).await;
        session.run(See("\x1b[?2004l")).await;
        session.run(Prompt).await;
    }
    session
        .run(Type(b"trap -p DEBUG INT; shopt extdebug; history; echo e\"n\"d.\r"))
        .await;
    session.run(See("end.\r\n")).await;
    let shown = String::from_utf8_lossy(&session.shown[session.typed_at..]).into_owned();
    assert!(shown.contains("trap -- 'n=1' DEBUG"), "{shown}");
    assert!(shown.contains("trap -- 'echo caught' SIGINT"), "{shown}");
    assert!(shown.contains("extdebug       \ton"), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
    assert!(!shown.contains("__opspilot"), "{shown}");
    session.leave().await;
}

#[tokio::test]
async fn it_is_a_login_shell_like_any_other() {
    let mut session = Session::open("", Duration::ZERO);
    session.run(Prompt).await;
    session
        .run(Type(
            b"shopt login_shell; echo $0 $SHLVL ${HISTFILE##*/} [${POSIXLY_CORRECT-}] [$ENV] [${!OPSPILOT*}]; [ -e /proc/$$/fd/9 ]; echo $?; grep -c 6f1c2f0a9be /proc/$$/environ; echo e\"n\"d.\r",
        ))
        .await;
    session.run(See("end.\r\n")).await;
    let shown = String::from_utf8_lossy(&session.shown[session.typed_at..]).into_owned();
    assert!(shown.contains("login_shell    \ton"), "{shown}");
    assert!(
        shown.contains("-bash 1 .bash_history [] [] []\r\n1\r\n0\r\n"),
        "{shown}"
    );
    session.leave().await;
}

#[tokio::test]
async fn a_command_written_in_an_editor_is_asked_about() {
    let mut session = Session::open("", Duration::ZERO);
    session.run(Prompt).await;
    session.run(Type(b"echo tmpl\x18\x05")).await;
    session.run(See("\nedited")).await;
    session.leave().await;
    assert!(session.lines().contains(&"echo edited"), "{:?}", session.lines());
    assert!(!session.lines().contains(&"echo tmpl"), "{:?}", session.lines());
    assert_eq!(session.alarms, []);
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_erased() {
    let mut session = Session::open("", Duration::ZERO);
    session.run(Prompt).await;
    session.run(Type(b"")).await;
    session.pty.write_all(b"1.4711:y\x15").await.unwrap();
    session.leave().await;
    assert_eq!(session.lines(), ["exit"]);
}

#[tokio::test]
async fn the_probe_tells_shells_apart() {
    for (shell, expected) in [
        ("/bin/bash", LoginShell::Bash),
        ("/bin/rbash", LoginShell::Restricted),
        ("/bin/sh", LoginShell::Posix),
    ] {
        let output = tokio::process::Command::new(shell)
            .args(["-c", &probe::command("k3y")])
            .env("SHELL", shell)
            .output()
            .await
            .unwrap();
        assert_eq!(probe::parse(&output.stdout, "k3y"), Some(expected), "{shell}");
        assert_eq!(probe::parse(&output.stdout, "k4y"), None, "{shell}");
    }
}
