//! Asking at the socket, as a friend, a stranger and an attacker would.

use std::fs;
use std::io;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::protocol::{MAX_REPLY, MAX_REQUEST, Reply};
use super::socket::MAX_CONNECTIONS;
use super::*;
use crate::domain::CommandId;
use crate::store::fixtures::{Fixture, exited};
use crate::store::{
    LogFilter, NewRecording, Reader, RecordingEnd, RecordingId, RecordingState, RemoveFile, SessionEnd, TrainingEnd,
    TrainingOutcome,
};

/// A record with one command, and the socket beside it.
struct Served {
    fixture: Fixture,
    id: CommandId,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let id = fixture.store.record(fixture.running("reboot")).await.unwrap();
        let socket = Socket::bind(fixture.dir.path()).unwrap();
        let stop = CancellationToken::new();
        let retention = Retention::default;
        let serving = tokio::spawn(socket.serve(fixture.store.clone(), retention, stop.clone()));
        Self {
            fixture,
            id,
            stop,
            serving,
        }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(socket_path(self.fixture.dir.path())).await.unwrap()
    }

    /// What the daemon answers to these bytes and the end of them.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // It may hang up before it has heard all.
        stream.write_all(bytes).await.unwrap_or_default();
        stream.shutdown().await.unwrap_or_default();
        let mut answer = Vec::new();
        // Where it did not read all, the answer is followed by a reset.
        stream.read_to_end(&mut answer).await.unwrap_or_default();
        String::from_utf8(answer).unwrap()
    }

    fn ratings(&self) -> Value {
        let reader = Reader::open(&self.fixture.path()).unwrap();
        reader.show(self.id).unwrap().unwrap().columns["ratings"].clone()
    }

    fn request(&self, rating: u8) -> String {
        format!("{{\"feedback\":{{\"id\":{},\"rating\":{rating}}}}}\n", self.id)
    }
}

fn own_account() -> String {
    format!("uid:{}", rustix::process::geteuid().as_raw())
}

#[tokio::test]
async fn a_rating_is_recorded_under_the_account_of_who_asks() {
    let served = Served::new().await;
    assert_eq!(served.say(served.request(2).as_bytes()).await, "{\"done\":\"noted\"}\n");
    let ratings = served.ratings();
    assert_eq!(ratings[own_account()]["rating"], 2, "{ratings}");
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_a_line_and_changes_nothing() {
    let served = Served::new().await;
    let valid = served.request(1);
    let (id, long) = (served.id, "x".repeat(2 * MAX_REQUEST));
    let with = |more: &str| format!("{{\"feedback\":{{\"id\":{id},{more}}}}}\n").into_bytes();
    for hostile in [
        Vec::new(),
        b"\n".to_vec(),
        b"{}\n".to_vec(),
        b"null\n".to_vec(),
        b"\"feedback\"\n".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\xff\xfe\0\n".to_vec(),
        b"{\"shutdown\":{}}\n".to_vec(),
        with("\"rating\":0"),
        with("\"rating\":6"),
        with("\"rating\":\"1\""),
        with("\"rating\":1,\"rating\":2"),
        with("\"rating\":1,\"uid\":0"),
        with("\"rating\":1,\"comment\":7"),
        with(&format!("\"rating\":1,\"comment\":\"{}\"", "x".repeat(3_000))),
        format!("{{\"feedback\":{{\"id\":{},\"rating\":1}}}}\n", id.0 + 1).into_bytes(),
        format!("{}{valid}", valid.trim_end()).into_bytes(),
        valid.trim_end().as_bytes().to_vec(),
        with(&format!("\"rating\":1,\"comment\":\"{long}\"")),
        long.clone().into_bytes(),
        "[".repeat(MAX_REQUEST - 1).into_bytes(),
        ("[".repeat(MAX_REQUEST - 1) + "\n").into_bytes(),
    ] {
        let answer = served.say(&hostile).await;
        let start: String = String::from_utf8_lossy(&hostile).chars().take(100).collect();
        let reply: Reply =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{start:?}: {answer:?}: {error}"));
        assert!(matches!(reply, Reply::Refused(_)), "{start:?}: {answer}");
        assert!(answer.ends_with('\n') && answer.len() < 1_000, "{start:?}: {answer}");
    }
    assert_eq!(served.ratings(), Value::Null);
    served.say(valid.as_bytes()).await;
    assert_eq!(served.ratings()[own_account()]["rating"], 1, "it still serves");
}

const GRANT: &str = r#"{"id":"abcd2345","user":"alice","scopes":["ask"],"digest":"DIGEST","comment":null,"expires_at":"2999-01-01T00:00:00Z"}"#;

fn grant() -> String {
    GRANT.replace("DIGEST", &"07".repeat(32))
}

#[tokio::test]
async fn a_token_is_added_and_revoked_under_the_account_of_who_asks() {
    let served = Served::new().await;
    let add = format!("{{\"add_token\":{}}}\n", grant());
    assert_eq!(served.say(add.as_bytes()).await, "{\"done\":\"noted\"}\n");
    let twice = served.say(add.as_bytes()).await;
    assert!(twice.contains("refused"), "{twice}");
    let token = || served.fixture.store.reader().unwrap().tokens().unwrap().remove(0);
    assert_eq!((token().user_id.as_str(), token().added_by), ("alice", own_account()));
    assert!(token().is_valid(Timestamp::now()));

    let revoke = b"{\"revoke_token\":{\"id\":\"abcd2345\"}}\n";
    assert_eq!(served.say(revoke).await, "{\"done\":\"noted\"}\n");
    assert!(!token().is_valid(Timestamp::now()));
    let again = served.say(revoke).await;
    assert!(again.contains("no token abcd2345"), "{again}");
}

#[tokio::test]
async fn nobody_says_who_they_are_nor_when_it_is() {
    let served = Served::new().await;
    let with = |more: &str| grant().replace("\"comment\"", &format!("{more},\"comment\""));
    for hostile in [
        with("\"added_by\":\"uid:0\""),
        with("\"added_at\":\"2026-11-22T13:00:00Z\""),
        with("\"only_from\":\"127.0.0.1\""),
        grant().replace("\"ask\"", ""),
        grant().replace("\"ask\"", "\"everything\""),
        grant().replace("0707", ""),
        grant().replace("abcd2345", "../../.."),
    ] {
        let answer = served.say(format!("{{\"add_token\":{hostile}}}\n").as_bytes()).await;
        assert!(answer.contains("refused"), "{hostile}: {answer}");
    }
    assert_eq!(served.fixture.store.reader().unwrap().tokens().unwrap(), []);
}

#[tokio::test]
async fn the_largest_training_that_is_recorded_is_one_request() {
    let served = Served::new().await;
    let end = TrainingEnd {
        started_at: Timestamp::now(),
        finished_at: Timestamp::now(),
        requested_by: "alice".to_owned(),
        outcome: TrainingOutcome::Rejected,
        reason: "\u{1b}".repeat(2_000),
        rows_read: 300,
        samples: 120,
        positives: Some(31),
        metrics: Some(json!({"figures": "x".repeat(32 * 1024)})),
        champion_digest: Some("11".repeat(32)),
        model_digest: Some("22".repeat(32)),
    };
    let request = Request::EndTraining(Box::new(end)).line().unwrap();
    assert_eq!(served.say(request.as_bytes()).await, "{\"done\":\"noted\"}\n");
    let recorded = served.fixture.store.reader().unwrap().trainings(10).unwrap();
    assert_eq!((recorded.len(), recorded[0].samples), (1, 120));
}

#[tokio::test]
async fn who_only_asks_whether_it_listens_changes_nothing() {
    let served = Served::new().await;
    assert_eq!(served.say(b"\"ready\"\n").await, "{\"done\":\"ready\"}\n");
    assert_eq!(served.ratings(), Value::Null);
}

#[tokio::test]
async fn those_who_say_nothing_do_not_keep_the_others_out() {
    let served = Served::new().await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(served.connect().await);
    }
    assert_eq!(served.say(served.request(3).as_bytes()).await, "{\"done\":\"noted\"}\n");
    for mut stream in silent {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("refused"), "{answer}");
    }
}

#[tokio::test]
async fn what_was_asked_for_is_done_for_who_does_not_wait_too() {
    let served = Served::new().await;
    let mut stream = served.connect().await;
    stream.write_all(served.request(4).as_bytes()).await.unwrap();
    drop(stream);
    let done = async {
        while served.ratings().is_null() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), done).await.unwrap();
    assert_eq!(served.ratings()[own_account()]["rating"], 4);
}

impl Served {
    /// Ends the session and its command, and gives it a recording, so that all of it may be erased.
    async fn over(&self) {
        let store = &self.fixture.store;
        let id = RecordingId {
            session_id: self.fixture.session,
            channel: 1,
        };
        let at: Timestamp = "2026-11-22T13:40:00Z".parse().unwrap();
        let recording = NewRecording {
            id,
            path: "2026-11-22/1.cast.zst".to_owned(),
            started_at: at,
        };
        store.begin_recording(recording).await.unwrap();
        let end = RecordingEnd {
            at: Some(at),
            bytes: Some(3),
            sha256: Some("ab".repeat(32)),
            state: RecordingState::Complete,
        };
        store.end_recording(id, end).await.unwrap();
        store.finish(self.id, exited(0)).await.unwrap();
        let end = SessionEnd {
            at: Some(at),
            reason: "the user left".to_owned(),
        };
        store.end_session(self.fixture.session, end).await.unwrap();
    }

    fn commands(&self) -> usize {
        let reader = Reader::open(&self.fixture.path()).unwrap();
        reader.log(&LogFilter::default()).unwrap().len()
    }
}

const EVERYTHING: &[u8] = b"{\"prune\":{\"keep_days\":0}}\n";

#[tokio::test]
async fn what_is_to_go_is_erased_as_it_is_configured_or_said() {
    let served = Served::new().await;
    served.over().await;
    let kept = served.say(b"{\"prune\":{}}\n").await;
    assert!(kept.contains("everything is kept"), "{kept}");
    let nobody = served.say(b"{\"prune\":{\"user\":\"bob\"}}\n").await;
    assert!(nobody.starts_with("{\"done\":{\"pruned\":{\"payloads\":0,"), "{nobody}");
    for hostile in [
        &b"{\"prune\":{\"keep_days\":-1}}\n"[..],
        b"{\"prune\":{\"keep_days\":0,\"recordings\":\"/\"}}\n",
        b"{\"prune\":{\"user\":\"../..\"}}\n",
        b"\"prune\"\n",
    ] {
        let answer = served.say(hostile).await;
        assert!(answer.contains("refused"), "{answer}");
    }
    assert_eq!(served.commands(), 1);
    let done = served.say(EVERYTHING).await;
    let Reply::Done(Answer::Pruned(pruned)) = serde_json::from_str(&done).unwrap() else {
        panic!("{done}");
    };
    assert!(pruned.payloads > 0, "{pruned:?}");
    assert_eq!(served.commands(), 0);
}

#[tokio::test]
async fn a_second_who_wants_something_erased_is_told_so_and_the_others_are_served() {
    let served = Served::new().await;
    served.over().await;
    let ((began, has_begun), (go_on, may_go_on)) = (mpsc::channel(), mpsc::channel::<()>());
    let (began, may_go_on) = (Mutex::new(began), Mutex::new(may_go_on));
    let remove: RemoveFile = Arc::new(move |_: &str| {
        began.lock().unwrap().send(()).unwrap();
        may_go_on.lock().unwrap().recv().map_err(io::Error::other)
    });
    let prune = Retention::default().wanted(Some(0), None, Timestamp::now()).unwrap();
    let store = served.fixture.store.clone();
    let first = tokio::spawn(async move { store.prune(prune, Some(remove)).await.unwrap() });
    spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();

    let second = served.say(EVERYTHING).await;
    assert!(second.contains("another prune is under way"), "{second}");
    assert_eq!(served.say(served.request(2).as_bytes()).await, "{\"done\":\"noted\"}\n");
    go_on.send(()).unwrap();
    let pruned = first.await.unwrap();
    assert_eq!((pruned.recordings, served.commands()), (1, 0));
}

#[tokio::test]
async fn what_is_being_erased_goes_on_for_who_does_not_wait() {
    let served = Served::new().await;
    served.over().await;
    let mut stream = served.connect().await;
    stream.write_all(EVERYTHING).await.unwrap();
    drop(stream);
    let done = async {
        while served.commands() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), done).await.unwrap();
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_goes_with_the_daemon() {
    let served = Served::new().await;
    let path = socket_path(served.fixture.dir.path());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    served.stop.cancel();
    served.serving.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced_and_a_live_ones_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket_path(dir.path());
    for left_behind in [&path, &dir.path().join("control.new")] {
        drop(net::UnixListener::bind(left_behind).unwrap());
    }
    assert!(client::ask(&path, "\n").unwrap().is_none(), "nobody listens there");

    let live = Socket::bind(dir.path()).unwrap();
    let error = Socket::bind(dir.path()).unwrap_err();
    assert!(matches!(error, ControlError::Taken { .. }), "{error}");
    UnixStream::connect(&path).await.unwrap();
    drop(live);
    Socket::bind(dir.path()).unwrap();
}

#[tokio::test]
async fn what_is_no_socket_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, precious) = (socket_path(dir.path()), dir.path().join("precious"));
    fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, &path).unwrap();
    let error = Socket::bind(dir.path()).unwrap_err();
    assert!(matches!(error, ControlError::InTheWay { .. }), "{error}");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(path.is_symlink());
}

#[tokio::test]
async fn a_path_that_no_socket_can_have_is_an_error_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = Socket::bind(&dir.path().join("x".repeat(120))).unwrap_err();
    assert!(error.to_string().contains("may not be a long path"), "{error}");
}

/// Who connects is sent this.
fn impostor(path: &Path, answer: Vec<u8>) -> std::thread::JoinHandle<()> {
    let listener = net::UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read(&mut [0; 1024]).map(drop).unwrap();
        // Who has heard enough hangs up.
        stream.write_all(&answer).unwrap_or_default();
    })
}

#[test]
fn an_answer_that_is_none_is_an_error_and_never_endless() {
    let dir = tempfile::tempdir().unwrap();
    let endless = vec![b' '; usize::try_from(2 * MAX_REPLY).unwrap()];
    for (name, answer, word) in [
        ("silent", Vec::new(), "did not answer"),
        ("cut", b"{\"done\":\"noted\"}".to_vec(), "did not answer"),
        ("endless", endless, "did not answer"),
        ("newer", b"{\"done\":{\"pruned\":7}}\n".to_vec(), "does not know"),
    ] {
        let path = dir.path().join(name);
        let answering = impostor(&path, answer);
        let error = client::ask(&path, "{}\n").unwrap_err();
        assert!(error.to_string().contains(word), "{name}: {error}");
        answering.join().unwrap();
    }
}

#[test]
fn what_a_daemon_says_has_no_power_over_the_terminal() {
    let refused = ControlError::Refused("no\u{1b}]0;owned\u{7}\n".to_owned());
    assert_eq!(refused.to_string(), "no\\x1b]0;owned\\x07\\n");
}

fn feedback(id: CommandId, comment: &str) -> Request {
    Request::Feedback {
        id,
        rating: 5.try_into().unwrap(),
        comment: Some(comment.to_owned()),
    }
}

#[test]
fn where_no_daemon_serves_it_is_done_here_under_the_same_lock() {
    let runtime = Runtime::new().unwrap();
    let fixture = runtime.block_on(Fixture::new());
    let id = runtime.block_on(fixture.store.record(fixture.running("ls"))).unwrap();
    let keeper = Keeper::new(fixture.dir.path(), &fixture.path(), Retention::default());
    let locked = keeper.ask(&feedback(id, "well")).unwrap_err();
    assert!(locked.to_string().contains("another opspilot is using it"), "{locked}");
    runtime.block_on(fixture.store.close());

    assert_eq!(keeper.ask(&feedback(id, "well")).unwrap(), Answer::Noted);
    let unknown = keeper.ask(&feedback(CommandId(id.0 + 1), "")).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no command 2 that you may rate");
    let life = Reader::open(&fixture.path()).unwrap().show(id).unwrap().unwrap();
    assert_eq!(life.columns["user_feedback"], json!("well"));
    assert_eq!(life.columns["feedback_by"], json!(own_account()));

    // Its command runs for all that is known, but a crash has ended it by now.
    let pruned = keeper.prune(Some(0), None).unwrap();
    assert!(pruned.payloads > 0, "{pruned:?}");
    assert!(Reader::open(&fixture.path()).unwrap().show(id).unwrap().is_none());
}

#[test]
fn where_there_is_no_record_none_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::new(dir.path(), &dir.path().join("opspilot.db"), Retention::default());
    let error = keeper.ask(&feedback(CommandId(1), "")).unwrap_err();
    assert!(error.to_string().contains("there is no such file"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn too_long_a_request_is_not_sent() {
    let error = feedback(CommandId(1), &"x".repeat(MAX_REQUEST)).line().unwrap_err();
    assert!(matches!(error, ControlError::TooLong { .. }), "{error}");
}
