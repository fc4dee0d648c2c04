//! A syslog server that a test can have stall, break off, and come back.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// What a server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Reads everything, and closes after the end.
    Reads,
    /// Reads so many bytes and breaks off, with more unread.
    BreaksOff(usize),
    /// Takes the connection and reads nothing until it is let go.
    Stalls,
}

/// A server; what it does with each connection is told beforehand, and it reads all that come after.
pub(super) struct Receiver {
    heard: Arc<Mutex<Vec<Value>>>,
    connections: Arc<AtomicUsize>,
    /// Dropped to let stalled connections go, which breaks them off.
    release: Option<Sender<()>>,
}

/// A connection, of whatever kind.
trait Connection: Read + Send {
    fn limit_reads(&self, limit: Duration);
}

impl Connection for TcpStream {
    fn limit_reads(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).unwrap();
    }
}

impl Connection for UnixStream {
    fn limit_reads(&self, limit: Duration) {
        self.set_read_timeout(Some(limit)).unwrap();
    }
}

impl Connection for StreamOwned<ServerConnection, TcpStream> {
    fn limit_reads(&self, limit: Duration) {
        self.sock.set_read_timeout(Some(limit)).unwrap();
    }
}

impl Receiver {
    pub(super) fn tcp(listener: TcpListener, manners: &[Manner]) -> Self {
        Self::serve(manners, move || {
            Ok(Box::new(listener.accept()?.0) as Box<dyn Connection>)
        })
    }

    pub(super) fn unix(path: &Path, manners: &[Manner]) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        Self::serve(manners, move || {
            Ok(Box::new(listener.accept()?.0) as Box<dyn Connection>)
        })
    }

    pub(super) fn tls(listener: TcpListener, config: Arc<ServerConfig>, manners: &[Manner]) -> Self {
        Self::serve(manners, move || {
            let session = ServerConnection::new(config.clone()).unwrap();
            Ok(Box::new(StreamOwned::new(session, listener.accept()?.0)) as Box<dyn Connection>)
        })
    }

    /// What has come so far, in order, over all connections.
    pub(super) fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    /// How many connections have come.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Breaks off what stalls.
    pub(super) fn release(&mut self) {
        self.release = None;
    }

    fn serve(manners: &[Manner], accept: impl Fn() -> std::io::Result<Box<dyn Connection>> + Send + 'static) -> Self {
        let (release, released) = channel();
        let receiver = Self {
            heard: Arc::default(),
            connections: Arc::default(),
            release: Some(release),
        };
        let (heard, connections) = (receiver.heard.clone(), receiver.connections.clone());
        let manners = manners.to_vec();
        std::thread::spawn(move || {
            let mut manners = manners.into_iter();
            while let Ok(connection) = accept() {
                connections.fetch_add(1, Ordering::SeqCst);
                serve(connection, manners.next().unwrap_or(Manner::Reads), &heard, &released);
            }
        });
        receiver
    }
}

fn serve(mut connection: Box<dyn Connection>, manner: Manner, heard: &Mutex<Vec<Value>>, released: &Channel<()>) {
    connection.limit_reads(super::DEADLINE);
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    if manner == Manner::Stalls {
        // The sender is dropped to release it.
        released.recv().unwrap_err();
        return;
    }
    loop {
        match connection.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            // A client of TLS may close without a word of its own.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(_) => break,
        }
        heard.lock().unwrap().extend(messages(&mut bytes));
        if matches!(manner, Manner::BreaksOff(after) if after <= heard.lock().unwrap().len()) {
            break;
        }
    }
}

/// Takes the whole messages off the front, framed by their length, and gives their JSON.
fn messages(bytes: &mut Vec<u8>) -> Vec<Value> {
    let mut found = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let end = space + 1 + length;
        if bytes.len() < end {
            break;
        }
        found.push(json(std::str::from_utf8(&bytes[space + 1..end]).unwrap()));
        bytes.drain(..end);
    }
    found
}

/// The JSON of a message, whose head is as RFC 5424 has it.
pub(super) fn json(message: &str) -> Value {
    let fields: Vec<&str> = message.splitn(8, ' ').collect();
    assert!(fields[0].starts_with('<') && fields[0].ends_with(">1"), "{message}");
    assert_eq!(
        (fields[2], fields[3], fields[6]),
        ("localhost", "opspilot", "-"),
        "{message}"
    );
    let value: Value = serde_json::from_str(fields[7]).unwrap();
    assert_eq!(
        (fields[1], fields[5]),
        (value["at"].as_str().unwrap(), value["kind"].as_str().unwrap())
    );
    value
}
