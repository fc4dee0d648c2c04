//! Where text comes out: each way is read as whoever looks there would read it.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::until;
use super::corpus::CORPUS;
use super::sources::Stage;
use crate::harness::eventually;

/// One way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sink {
    /// The command line, as text and as JSON, and the report that it writes.
    CommandLine,
    /// The HTTP API.
    Http,
    /// The daemon's log.
    Log,
    /// Events in a file.
    ShippedFile,
    /// Events over syslog.
    ShippedSyslog,
    /// A recording that is played.
    Replay,
}

/// What one place had to read, and which place it was.
pub(super) type Read = (String, Vec<u8>);

/// Every subcommand, with what is called of it here. An empty list is a subcommand that tells nothing of others.
const COMMAND_LINE: &[(&str, &[&[&str]])] = &[
    ("serve", &[]),
    ("check", &[&[]]),
    ("init", &[]),
    ("demo", &[]),
    (
        "score",
        &[
            &["--", "hostile-rule \u{1b}[2J\u{9b}2J\u{202e}"],
            &["--json", "--", "hostile-rule \u{1b}[2J\u{9b}2J\u{202e}"],
        ],
    ),
    (
        "policy",
        &[
            &[
                "--user",
                "alice",
                "--target",
                "web-1",
                "hostile-rule \u{1b}[2J\u{9b}2J\u{202e}",
            ],
            &[
                "--json",
                "--user",
                "alice",
                "--target",
                "web-1",
                "hostile-rule \u{1b}[2J\u{9b}2J\u{202e}",
            ],
        ],
    ),
    ("log", &[&["--limit", "100000"], &["--json", "--limit", "100000"]]),
    ("show", &[]),     // Of each command that was asked about, below.
    ("feedback", &[]), // Among the sources: it answers with a number.
    ("sessions", &[&["--limit", "100000"], &["--json", "--limit", "100000"]]),
    (
        "stats",
        &[
            &[],
            &["--json"],
            &["--prompts"],
            &["--prompts", "--json"],
            &["--html", "REPORT"],
        ],
    ),
    (
        "export",
        &[
            &["--format", "csv", "-o", "-"],
            &["--format", "json", "-o", "-"],
            &["--format", "csv", "--features", "-o", "-"],
        ],
    ),
    ("backup", &[]),
    ("replay", &[]), // A sink of its own.
    ("verify", &[&[], &["--json"]]),
    ("prune", &[&["--keep-days", "3650"]]),
    ("model", &[&["status"], &["status", "--json"]]),
    ("token", &[&["list"], &["list", "--json"]]),
    ("client-config", &[&[]]),
    ("completions", &[]),
];

/// Every path of the API, with what is asked for. A recording is what the target wrote, as a file: played, it is a sink.
const PATHS: &[(&str, &[&str])] = &[
    ("/analytics", &["/analytics"]),
    ("/ask", &[]), // Among the sources.
    ("/commands", &["/commands?limit=500", "/commands?text=alert"]),
    ("/commands/{id}", &[]), // Of all commands, below.
    ("/export", &["/export?format=csv", "/export?format=json"]),
    ("/healthz", &["/healthz"]),
    ("/metrics", &["/metrics"]),
    ("/ml/feedback", &[]), // Among the sources.
    ("/ml/status", &["/ml/status"]),
    ("/ml/train", &[]),
    ("/sessions", &["/sessions?limit=500"]),
    ("/sessions/{id}/recording", &[]),
];

impl Sink {
    pub(super) const ALL: [Self; 6] = [
        Self::CommandLine,
        Self::Http,
        Self::Log,
        Self::ShippedFile,
        Self::ShippedSyslog,
        Self::Replay,
    ];

    /// All that is to be read there.
    pub(super) fn read(self, stage: &Stage, syslog: &Syslog) -> Vec<Read> {
        match self {
            Self::CommandLine => command_line(stage),
            Self::Http => http(stage),
            Self::Log => log(stage),
            Self::ShippedFile => shipped_file(stage),
            Self::ShippedSyslog => syslog.read(stage),
            Self::Replay => replay(stage),
        }
    }
}

/// What the bastion says on a terminal without what it draws with itself: ends of lines, the block's attributes, erasures.
pub(super) fn without_own_drawing(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut plain = Vec::with_capacity(bytes.len());
    while let Some((first, behind)) = rest.split_first() {
        let own: [&[u8]; 6] = [
            opspilot::terminal::prompt::AT_REST.as_bytes(),
            b"\r\n",
            b"\x08 \x08",
            b"\x1b[0m",
            b"\x1b[31m",
            b"\x1b[33m",
        ];
        if let Some(behind_own) = own.iter().find_map(|own| rest.strip_prefix(*own)) {
            // The end of a line stays one.
            plain.extend(rest.starts_with(b"\r\n").then_some(b'\n'));
            rest = behind_own;
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    plain
}

fn command_line(stage: &Stage) -> Vec<Read> {
    let bastion = &stage.api.world.bastion;
    let report = bastion.dir().join("report.html").display().to_string();
    let mut read = Vec::new();
    for (subcommand, calls) in COMMAND_LINE {
        for arguments in *calls {
            let arguments = arguments.iter().map(|argument| {
                if *argument == "REPORT" {
                    report.as_str()
                } else {
                    argument
                }
            });
            // What follows `--` must stay behind everything else.
            let (options, words): (Vec<&str>, Vec<&str>) = {
                let all: Vec<&str> = arguments.collect();
                let cut = all.iter().position(|argument| *argument == "--").unwrap_or(all.len());
                (all[..cut].to_vec(), all[cut..].to_vec())
            };
            let mut command = crate::harness::opspilot(&[subcommand]);
            command.args(&options).arg("-c").arg(bastion.config_file());
            let output = command.args(&words).output().unwrap();
            let place = format!("opspilot {subcommand} {options:?}");
            assert!(output.status.success(), "{place}: {output:?}");
            read.push((place.clone(), output.stdout));
            read.push((place, output.stderr));
        }
    }
    for row in asked_about(stage) {
        for form in [&["show", &row][..], &["show", "--json", &row]] {
            let output = bastion.opspilot(form);
            read.push((format!("opspilot {form:?}"), output.stdout));
        }
    }
    read.push(("the report".to_owned(), std::fs::read(&report).unwrap()));
    let page = String::from_utf8(std::fs::read(&report).unwrap()).unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<img"), "{page}");
    read
}

/// The numbers of commands that were asked about, and of those with a signal.
fn asked_about(stage: &Stage) -> Vec<String> {
    let sql = stage.api.world.bastion.sql();
    let mut statement = sql
        .prepare("SELECT id FROM command_executions WHERE state = 'abandoned' OR exit_signal IS NOT NULL OR channel = 'env' ORDER BY id")
        .unwrap();
    let ids = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let ids: Vec<String> = ids.map(|id| id.unwrap().to_string()).collect();
    assert!(ids.len() > CORPUS.len(), "{}", ids.len());
    ids
}

fn http(stage: &Stage) -> Vec<Read> {
    let api = &stage.api;
    let mut paths: Vec<String> = PATHS
        .iter()
        .flat_map(|(_, paths)| *paths)
        .map(|path| (*path).to_owned())
        .collect();
    paths.extend(asked_about(stage).iter().map(|id| format!("/commands/{id}")));
    let answered = paths.into_iter().map(|path| {
        let answer = api.get(0, &path);
        assert_eq!(answer.status, 200, "{path}");
        (
            format!("GET {path}"),
            [answer.head.replace('\r', "").into_bytes(), answer.body.into_bytes()].concat(),
        )
    });
    answered.collect()
}

fn log(stage: &Stage) -> Vec<Read> {
    let bastion = &stage.api.world.bastion;
    let log = bastion.log();
    for line in log.lines() {
        assert!(line.starts_with("20"), "no event: {line:?}");
        assert!(
            !without_quoted(line).contains("forged=true"),
            "a field that nobody has set: {line:?}"
        );
    }
    assert!(
        log.contains("authentication failed") && !log.contains("panicked"),
        "{log}"
    );
    vec![("log".to_owned(), std::fs::read(bastion.dir().join("log")).unwrap())]
}

/// A line without its texts.
fn without_quoted(line: &str) -> String {
    let mut is_quoted = false;
    let mut characters = line.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => drop(characters.next()),
            _ if is_quoted => {}
            other => plain.push(other),
        }
    }
    plain
}

fn shipped_file(stage: &Stage) -> Vec<Read> {
    let file = stage.api.world.bastion.dir().join("state/events.jsonl");
    let last = last_event(stage);
    eventually("all events to be shipped", || {
        std::fs::read_to_string(&file)
            .unwrap()
            .contains(&format!("{{\"seq\":{last},"))
            .then_some(())
    });
    let bytes = std::fs::read(&file).unwrap();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
        serde_json::from_slice::<serde_json::Value>(line).unwrap();
    }
    vec![("events.jsonl".to_owned(), bytes)]
}

fn last_event(stage: &Stage) -> i64 {
    stage
        .api
        .world
        .bastion
        .sql()
        .query_row("SELECT max(seq) FROM events", [], |row| row.get(0))
        .unwrap()
}

/// A receiver of syslog.
pub(super) struct Syslog {
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
    is_over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Syslog {
    pub(super) fn listen(stage: &Stage) -> Self {
        let socket = UnixDatagram::bind(stage.api.world.bastion.dir().join("state/syslog")).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (messages, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, over) = (messages.clone(), is_over.clone());
        let listening = std::thread::spawn(move || {
            let mut message = vec![0; 1 << 20];
            while !over.load(Ordering::Relaxed) {
                if let Ok(length) = socket.recv(&mut message) {
                    kept.lock().unwrap().push(message[..length].to_vec());
                }
            }
        });
        Self {
            messages,
            is_over,
            listening: Some(listening),
        }
    }

    /// Each message is of printable ASCII, and begins as one of ours.
    fn read(&self, stage: &Stage) -> Vec<Read> {
        let needle = format!("\"seq\":{},", last_event(stage));
        eventually("all messages of syslog", || {
            let messages = self.messages.lock().unwrap();
            let is_last = |message: &Vec<u8>| memchr::memmem::find(message, needle.as_bytes()).is_some();
            messages.iter().rev().any(is_last).then_some(())
        });
        let messages = self.messages.lock().unwrap();
        for message in messages.iter() {
            let is_plain = message.iter().all(|byte| (b' '..=b'~').contains(byte));
            assert!(
                is_plain && message.starts_with(b"<8"),
                "{:?}",
                String::from_utf8_lossy(message)
            );
        }
        messages
            .iter()
            .map(|message| ("syslog".to_owned(), message.clone()))
            .collect()
    }
}

impl Drop for Syslog {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap_or_default();
        }
    }
}

/// What no player may pass to a terminal, as bytes.
const NEVER_PLAYED: [&[u8]; 17] = [
    b"\x1b]",
    b"\x1bP",
    b"\x1b_",
    b"\x1b^",
    b"\x1bX",
    b"\x1bZ",
    b"\x1bc",
    b"\x1b[c",
    b"\x1b[>c",
    b"\x1b[6n",
    b"\x1b[?6n",
    b"\x1b[21t",
    b"\x1b[?1003",
    b"\x1b G",
    b"\x05",
    "\u{9b}".as_bytes(),
    "\u{202e}".as_bytes(),
];

/// The target writes the whole corpus to a terminal, as it is; its recording is played.
fn replay(stage: &Stage) -> Vec<Read> {
    let whole: Vec<u8> = CORPUS
        .iter()
        .flat_map(|(_, text)| [*text, b"\x18\r\n"].concat())
        .collect();
    let file = stage.api.world.target.home().join("corpus");
    std::fs::write(&file, &whole).unwrap();
    let session = stage.runtime.block_on(async {
        let alice = stage.alice("alice@web-1").await;
        let mut channel = alice.session().await;
        channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
        let command = format!("cat {}; echo the end of it", file.display());
        channel.exec(true, command.as_bytes()).await.unwrap();
        let shown = until(&mut channel, b"the end of it").await;
        assert!(
            memchr::memmem::find(&shown, b"\x1b]52;c;cm0").is_some(),
            "the stream itself is the target's"
        );
        let sql = stage.api.world.bastion.sql();
        let newest = "SELECT session_id FROM command_executions WHERE command LIKE 'cat %' ORDER BY id DESC LIMIT 1";
        sql.query_row(newest, [], |row| row.get::<_, String>(0)).unwrap()
    });
    let played = eventually("the recording to be whole", || {
        let output = stage.api.world.bastion.opspilot(&["replay", &session]);
        let is_whole = memchr::memmem::find(&output.stdout, b"the end of it").is_some();
        is_whole.then_some(output.stdout)
    });
    assert!(
        std::str::from_utf8(&played).is_ok(),
        "no byte is a control of eight bits"
    );
    for never in NEVER_PLAYED {
        assert_eq!(
            memchr::memmem::find(&played, never).map(|_| String::from_utf8_lossy(never)),
            None
        );
    }
    // What is left draws, and is not judged as a text.
    Vec::new()
}

#[test]
fn every_subcommand_and_every_path_is_among_the_sinks() {
    let help = crate::harness::opspilot(&["--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    let listed: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let known: Vec<&str> = COMMAND_LINE.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, known);

    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let paths: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(paths, PATHS.iter().map(|(path, _)| *path).collect::<Vec<_>>());
}
