//! The attackers: connections that hold a place at the door for as long as they may, and come back when they have lost it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::client;
use russh::keys::PublicKeyOrCertificate;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// Between two bytes, or two attempts, of one that says anything.
const DAWDLE: Duration = Duration::from_secs(1);
/// Before one that was cut off connects again.
const RETURN: Duration = Duration::from_secs(1);
/// The time in which all of them arrive.
const ARRIVAL: Duration = Duration::from_secs(2);

/// What one of them does.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Says nothing.
    Silent,
    /// Says its version, a byte a second.
    Dripping,
    /// Begins the message that begins a key exchange.
    Stalled,
    /// Exchanges keys, and says nothing more.
    Quiet,
    /// Exchanges keys, and tries a wrong password a second.
    Guessing,
}

const MANNERS: [Manner; 5] = [
    Manner::Silent,
    Manner::Dripping,
    Manner::Stalled,
    Manner::Quiet,
    Manner::Guessing,
];

/// Where they come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A hundred addresses of ten networks.
    Many,
    /// One address, which is given.
    One(Ipv4Addr),
}

impl Origin {
    fn of(self, number: usize) -> Ipv4Addr {
        let digit = |place: usize| u8::try_from(number / place % 10).unwrap();
        match self {
            Self::Many => Ipv4Addr::new(127, 10, digit(1), 1 + digit(10)),
            Self::One(address) => address,
        }
    }
}

/// Runs `number` of them against a port of 127.0.0.1 until the process is ended; who `stays_away` does not come back.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(port: u16, number: usize, origin: Origin, stays_away: bool) {
    let most = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        rustix::process::Rlimit {
            current: most.maximum,
            ..most
        },
    )
    .unwrap();
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for index in 0..number {
        let (manner, from) = (MANNERS[index % MANNERS.len()], origin.of(index / MANNERS.len()));
        tokio::spawn(async move {
            loop {
                hold(manner, from, target).await;
                if stays_away {
                    return;
                }
                sleep(RETURN).await;
            }
        });
        sleep(ARRIVAL / u32::try_from(number).unwrap()).await;
    }
    std::future::pending::<()>().await;
}

/// Connects and stays until it is cut off.
async fn hold(manner: Manner, from: Ipv4Addr, target: SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let Ok(stream) = socket.connect(target).await else {
        return;
    };
    match manner {
        Manner::Silent => listen(stream).await,
        Manner::Dripping => drip(stream, b"SSH-2.0-", true).await,
        // 512 bytes are announced, of which the first are there.
        Manner::Stalled => drip(stream, b"SSH-2.0-x\r\n\0\0\x02\0\x08\x14", false).await,
        Manner::Quiet => exchange_keys(stream, false).await,
        Manner::Guessing => exchange_keys(stream, true).await,
    }
}

/// Takes what comes until the end.
async fn listen(mut stream: TcpStream) {
    let mut chunk = [0; 1024];
    while let Ok(1..) = stream.read(&mut chunk).await {}
}

/// Says `first`, and then a byte at a time where it `goes_on`.
async fn drip(stream: TcpStream, first: &[u8], goes_on: bool) {
    let (mut heard, mut said) = stream.into_split();
    if said.write_all(first).await.is_err() {
        return;
    }
    let mut chunk = [0; 1024];
    loop {
        match timeout(DAWDLE, heard.read(&mut chunk)).await {
            Err(_) if goes_on && said.write_all(b"a").await.is_err() => return,
            Ok(Ok(0) | Err(_)) => return,
            _ => {}
        }
    }
}

struct Credulous;

impl client::Handler for Credulous {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn exchange_keys(stream: TcpStream, guesses: bool) {
    let Ok(mut connection) = client::connect_stream(Arc::default(), stream, Credulous).await else {
        return;
    };
    while !connection.is_closed() {
        sleep(DAWDLE).await;
        if guesses && connection.authenticate_password("alice", "wrong").await.is_err() {
            return;
        }
    }
}
