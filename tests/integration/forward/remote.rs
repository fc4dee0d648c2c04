//! `ssh -R`.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};

use super::{assert_echoes, count, echo, exchange, reach, rest, rows_of, service, state_reason, world};
use crate::harness::client::Running;
use crate::harness::{World, eventually, free_port};

const REMOTE: &str = "\"remote-forward\"";

/// An `ssh -N` as alice that has the target listen, or fails.
fn listening(world: &World, forward: &str) -> Running {
    let ssh = world.alice().arg("-N").arg("-o").arg("ExitOnForwardFailure=yes");
    ssh.arg("-R").arg(forward).start("")
}

#[test]
fn a_listener_and_each_connection_to_it_are_rows() {
    let world = world(REMOTE, "");
    let (there, here) = (free_port(), service(count));
    let client = listening(&world, &format!("127.0.0.1:{there}:127.0.0.1:{here}"));
    for bytes in [10, 100_000] {
        let answer = exchange(&reach(there), &vec![7; bytes]);
        assert_eq!(String::from_utf8_lossy(&answer), format!("{bytes} bytes"));
    }
    let accepted = rows_of(&world, "accept", 2);
    client.vanish();
    let listener = rows_of(&world, "listen", 1).remove(0);
    assert_eq!(listener.command, format!("listen 127.0.0.1:{there}"));
    assert_eq!(
        (listener.channel.as_str(), listener.state.as_str()),
        ("remote-forward", "finished")
    );
    for (row, bytes) in accepted.iter().zip([10, 100_000]) {
        assert_eq!(row.parent_id, Some(listener.id));
        assert!(
            row.command
                .starts_with(&format!("accept 127.0.0.1:{there} from 127.0.0.1:")),
            "{}",
            row.command
        );
        assert_eq!((row.stdout_length, row.state.as_str()), (Some(bytes), "finished"));
    }
    eventually("the target to listen no longer", || {
        std::net::TcpStream::connect(("127.0.0.1", there)).err()
    });
}

#[test]
fn the_target_may_choose_the_port() {
    let world = world(REMOTE, "");
    let here = service(echo);
    let mut client = listening(&world, &format!("0:127.0.0.1:{here}"));
    client.stderr.expect("Allocated port ");
    let port: u16 = client.stderr.expect(" ").parse().unwrap();
    assert_echoes(&reach(port), b"chosen");
    client.vanish();
    rows_of(&world, "listen localhost:0", 1);
    rows_of(&world, &format!("accept localhost:{port}"), 1);
}

#[test]
fn a_socket_on_the_target_leads_to_the_user() {
    let world = world(REMOTE, "");
    let (there, here) = (world.trace("there"), world.trace("here"));
    let listener = UnixListener::bind(&here).unwrap();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(b"hello").unwrap();
    });
    let client = listening(&world, &format!("{}:{}", there.display(), here.display()));
    let mut stream = eventually("the socket", || UnixStream::connect(&there).ok());
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");
    client.vanish();
    rows_of(&world, "listen /", 1);
    rows_of(&world, "accept /", 1);
}

#[test]
fn what_the_policy_does_not_list_is_denied() {
    let there = free_port();
    for (channels, more) in [
        ("\"local-forward\"", ""),
        (REMOTE, "forward_to = [\"127.0.0.1:1\", \"*:443\"]"),
    ] {
        let world = world(channels, more);
        let mut client = listening(&world, &format!("127.0.0.1:{there}:127.0.0.1:1"));
        client.stderr.expect("remote port forwarding failed");
        assert_eq!(client.wait(), 255);
        let row = world.bastion.row();
        assert_eq!(
            (row.command, row.state.as_str()),
            (format!("listen 127.0.0.1:{there}"), "denied")
        );
    }
}

#[test]
fn what_is_listed_may_be_listened_on() {
    let there = free_port();
    let world = world(REMOTE, &format!("forward_to = [\"127.0.0.1:{there}\"]"));
    let client = listening(&world, &format!("127.0.0.1:{there}:127.0.0.1:{}", service(echo)));
    assert_echoes(&reach(there), b"listed");
    client.vanish();
}

#[test]
fn an_address_that_is_taken_is_said_to_be_so() {
    let world = world(REMOTE, "");
    let taken = service(echo);
    let mut client = listening(&world, &format!("127.0.0.1:{taken}:127.0.0.1:1"));
    client.stderr.expect("remote port forwarding failed");
    assert_eq!(client.wait(), 255);
    assert_eq!(world.bastion.row().state, "interrupted");
}

#[test]
fn the_users_own_ssh_server_is_not_reached_from_the_target() {
    let world = world(REMOTE, "");
    let (there, here) = (
        free_port(),
        service(|mut stream| {
            stream.write_all(b"SSH-2.0-mine\r\n").unwrap_or_default();
            rest(&stream);
        }),
    );
    let client = listening(&world, &format!("127.0.0.1:{there}:127.0.0.1:{here}"));
    assert_eq!(rest(&reach(there)), b"");
    let row = rows_of(&world, "accept", 1).remove(0);
    assert!(state_reason(&world, &row).contains("spoke SSH"), "{row:?}");
    client.vanish();
}

#[test]
fn a_session_listens_on_a_bounded_number_of_addresses() {
    let world = world(REMOTE, "");
    let mut ssh = world.alice().arg("-N");
    for port in 1..=17 {
        ssh = ssh.arg("-R").arg(&format!("0:127.0.0.1:{port}"));
    }
    let mut client = ssh.start("");
    for _ in 0..16 {
        client.stderr.expect("Allocated port ");
    }
    client.stderr.expect("remote port forwarding failed");
    client.vanish();
    let rows = rows_of(&world, "listen", 17);
    assert_eq!(
        rows.iter().filter(|row| row.state == "interrupted").count(),
        1,
        "{rows:#?}"
    );
}
