//! What passes beside programs: ports and sockets both ways, the user's agent, X11, and the environment.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::client::Running;
use crate::harness::{Row, World, eventually, free_port};

mod agent;
mod editor;
mod environment;
mod local;
mod remote;
mod x11;

/// A bastion that asks about nothing, whose policy lists `channels` (`"agent", "x11"`) besides shells and commands, and has the
/// lines `more`.
fn world(channels: &str, more: &str) -> World {
    World::with(|config| {
        config.allow_everything();
        let listed = format!("[\"shell\", \"exec\", {channels}]\n{more}");
        config.policies = config.policies.replace("[\"shell\", \"exec\"]", &listed);
    })
}

/// A server on a port of 127.0.0.1 that has each connection served by `talk` in a thread of its own.
fn service(talk: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (connection, talk) = (connection.unwrap(), talk.clone());
            std::thread::spawn(move || talk(connection));
        }
    });
    port
}

/// Sends back what comes, until its end.
fn echo(mut connection: TcpStream) {
    let mut reader = connection.try_clone().unwrap();
    std::io::copy(&mut reader, &mut connection)
        .map(drop)
        .unwrap_or_default();
    connection.shutdown(Shutdown::Write).unwrap_or_default();
}

/// Says how much came, once it has ended.
fn count(mut connection: TcpStream) {
    let mut all = Vec::new();
    connection.read_to_end(&mut all).unwrap();
    write!(connection, "{} bytes", all.len()).unwrap();
}

/// An `ssh -N` as alice with one forward that listens on a port of this machine; `{port}` in `forward` stands for it.
fn forwarding(world: &World, option: &str, forward: &str) -> (Running, u16) {
    let port = free_port();
    let forward = forward.replace("{port}", &format!("127.0.0.1:{port}"));
    let client = world.alice().arg("-N").arg(option).arg(&forward).start("");
    (client, port)
}

/// A connection to a port of this machine, as soon as somebody listens there.
fn reach(port: u16) -> TcpStream {
    let stream = eventually("a forwarded port", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// A connection to a host and port by a proxy on this machine, as RFC 1928 says: no authentication, then a name.
fn through_proxy(proxy: u16, host: &str, port: u16) -> TcpStream {
    let mut stream = reach(proxy);
    stream.write_all(&[5, 1, 0]).unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    let length = u8::try_from(host.len()).unwrap();
    let request = [&[5, 1, 0, 3, length][..], host.as_bytes(), &port.to_be_bytes()].concat();
    stream.write_all(&request).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..2], [5, 0], "connected");
    stream
}

/// Everything that comes until the end; an end by a reset is one.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    if let Err(error) = stream.read_to_end(&mut all) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    all
}

/// Sends `bytes`, ends that direction, and gives what comes back until its end.
fn exchange(mut stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    rest(stream)
}

/// Sends `bytes` and awaits that they come back.
#[track_caller]
fn assert_echoes(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

/// Why a row is as it is.
fn state_reason(world: &World, row: &Row) -> String {
    let query = "SELECT coalesce(state_reason, '') FROM command_executions WHERE id = ?1";
    world
        .bastion
        .sql()
        .query_row(query, [row.id], |row| row.get(0))
        .unwrap()
}

/// Awaits the rows whose text starts with `prefix`, `count` of them and all final.
fn rows_of(world: &World, prefix: &str, count: usize) -> Vec<Row> {
    let of = |rows: &[Row]| -> Vec<Row> {
        rows.iter()
            .filter(|row| row.command.starts_with(prefix))
            .cloned()
            .collect()
    };
    let rows = world.bastion.rows_when(&format!("{count} rows `{prefix}`"), |rows| {
        let rows = of(rows);
        rows.len() >= count && rows.iter().all(Row::is_final)
    });
    let rows = of(&rows);
    assert_eq!(rows.len(), count, "{rows:#?}");
    rows
}
