//! `ssh -L`, `-D` and `-W`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::sync::mpsc;

use super::{
    assert_echoes, count, echo, exchange, forwarding, reach, rest, rows_of, service, state_reason, through_proxy, world,
};
use crate::harness::{Config, World, eventually, free_port};

const LOCAL: &str = "\"local-forward\"";

/// What `ssh -W` makes of a destination: its output, and what it says of a refusal.
fn through(world: &World, destination: &str) -> (String, String) {
    let output = world.alice().arg("-W").arg(destination).run("");
    (output.text(), output.stderr)
}

#[test]
fn a_connection_is_forwarded_and_is_a_row() {
    let world = world(LOCAL, "");
    let port = service(count);
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{port}"));
    assert_eq!(
        exchange(&reach(local), &vec![7; 100_000]),
        b"100000 bytes",
        "each way ends by itself"
    );

    let row = world.bastion.row();
    assert_eq!(row.command, format!("connect 127.0.0.1:{port}"));
    assert_eq!(
        (row.channel.as_str(), row.state.as_str()),
        ("local-forward", "finished")
    );
    assert_eq!((row.input_length, row.stdout_length), (Some(100_000), Some(12)));
    assert!(row.execution_time_ms.is_some() && row.exit_code.is_none() && row.context_missing.is_some());
    client.vanish();
}

#[test]
fn large_amounts_pass_both_ways_at_once() {
    let world = world(LOCAL, "");
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{}", service(echo)));
    let stream = reach(local);
    let sent: Vec<u8> = (0..16_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut writer, copy) = (stream.try_clone().unwrap(), sent.clone());
    let writing = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert!(rest(&stream) == sent, "what came back is not what was sent");
    writing.join().unwrap();
    client.vanish();
}

#[test]
fn a_socket_is_forwarded() {
    let world = world(LOCAL, "forward_to = [\"/*.sock\"]");
    let (there, here) = (world.trace("there.sock"), world.trace("here"));
    let listener = UnixListener::bind(&there).unwrap();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.write_all(b"hello").unwrap();
    });
    let client = world
        .alice()
        .arg("-N")
        .arg("-L")
        .arg(&format!("{}:{}", here.display(), there.display()))
        .start("");
    let mut stream = eventually("the socket", || UnixStream::connect(&here).ok());
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");
    drop(stream);
    let row = world.bastion.row();
    assert_eq!(
        (row.command, row.state.as_str()),
        (format!("connect {}", there.display()), "finished")
    );
    client.vanish();
}

#[test]
fn a_proxy_is_a_forward_for_each_connection() {
    let world = world(LOCAL, "");
    let port = service(echo);
    let (client, proxy) = forwarding(&world, "-D", "{port}");
    let stream = through_proxy(proxy, "localhost", port);
    assert_echoes(&stream, b"through the proxy");
    drop(stream);
    assert_eq!(world.bastion.row().command, format!("connect localhost:{port}"));
    client.vanish();
}

#[test]
fn what_nobody_listens_on_is_said_to_be_so() {
    let world = world(LOCAL, "");
    let port = free_port();
    let (_, error) = through(&world, &format!("127.0.0.1:{port}"));
    assert!(error.contains("connect failed"), "{error}");
    let row = world.bastion.row();
    assert_eq!(row.state, "interrupted");
    assert!(state_reason(&world, &row).contains("not opened"), "{row:?}");
}

#[test]
fn what_the_policy_does_not_list_is_denied() {
    let world = world("\"remote-forward\"", "");
    let port = service(|mut stream| stream.write_all(b"reached").unwrap());
    let (text, error) = through(&world, &format!("127.0.0.1:{port}"));
    assert_eq!(text, "");
    assert!(
        error.contains("administratively prohibited: denied by policy `ask`"),
        "{error}"
    );
    let row = world.bastion.row();
    assert_eq!((row.state.as_str(), row.channel.as_str()), ("denied", "local-forward"));
    assert!(world.bastion.log().contains("refused"), "{}", world.bastion.log());
    assert_eq!(world.target.logins(), 0, "the target was contacted");
}

#[test]
fn destinations_may_be_limited() {
    let port = service(|mut stream| stream.write_all(b"reached").unwrap());
    let world = world(LOCAL, &format!("forward_to = [\"127.0.0.*:{port}\"]"));
    for (destination, reached) in [
        (format!("127.0.0.1:{port}"), true),
        (format!("2130706433:{port}"), true),
        (format!("localhost:{port}"), false),
        (format!("127.0.0.1:{}", service(echo)), false),
        (format!("127.0.0.1.example.com:{port}"), false),
    ] {
        let (text, error) = through(&world, &destination);
        assert_eq!(text == "reached", reached, "{destination}: {error}");
        assert_eq!(
            error.contains("its forward_to does not list this"),
            !reached,
            "{destination}: {error}"
        );
    }
}

#[test]
fn the_ssh_server_of_a_target_is_reached_by_no_forward() {
    let other = crate::harness::Sshd::start();
    let world = World::with(|config| {
        config.policies = config.policies.replace("\"exec\"]", "\"exec\", \"forward\"]");
        config.targets += &Config::target("db-1", &other, "aliases = [\"db-1.internal\"]");
    });
    for destination in [
        format!("127.0.0.1:{}", other.port),
        format!("LOCALHOST:{}", other.port),
        format!("[::ffff:127.0.0.1]:{}", other.port),
        "db-1:22".to_owned(),
        "DB-1.internal.:22".to_owned(),
    ] {
        let (text, error) = through(&world, &destination);
        assert_eq!(text, "", "{destination}");
        let hint = format!("use ssh -J alice@127.0.0.1 {}@db-1", other.login);
        assert!(error.contains(&hint), "{destination}: {error}");
    }
    let (_, own) = through(&world, &format!("localhost:{}", world.target.port));
    assert!(own.contains("web-1"), "{own}");
    let rows = world.bastion.rows(6);
    assert!(rows.iter().all(|row| row.state == "denied"), "{rows:#?}");
    assert!(state_reason(&world, &rows[0]).contains("ssh -J"));
    assert_eq!((world.target.logins(), other.logins()), (0, 0));
}

#[test]
fn ssh_within_a_forward_is_cut_off_whoever_begins() {
    let world = world(LOCAL, "");
    let server = service(|mut stream| {
        // However it is cut: the last of the four bytes never passes.
        for piece in [&b"SS"[..], b"H", b"-2.0-server\r\n"] {
            stream.set_nodelay(true).unwrap();
            stream.write_all(piece).unwrap_or_default();
            crate::harness::pause(std::time::Duration::from_millis(50));
        }
        rest(&stream);
    });
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{server}"));
    let said = rest(&reach(local));
    assert!(!said.contains(&b'-'), "{}", String::from_utf8_lossy(&said));
    client.vanish();

    let (sender, heard) = mpsc::channel();
    let silent = service(move |stream| sender.send(rest(&stream)).unwrap());
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{silent}"));
    let mut stream = reach(local);
    stream.write_all(b"SSH-2.0-client\r\n").unwrap();
    assert_eq!(rest(&stream), b"");
    assert_eq!(heard.recv().unwrap(), b"", "nothing of it reached the server");
    client.vanish();

    for row in world.bastion.rows(2) {
        assert_eq!(row.state, "interrupted");
        assert!(state_reason(&world, &row).contains("spoke SSH"), "{row:?}");
    }
}

#[test]
fn one_byte_that_ssh_begins_with_too_is_not_held_back() {
    let world = world(LOCAL, "");
    // As PostgreSQL does before TLS: one `S`, and then it waits.
    let server = service(|mut stream| {
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"S").unwrap();
        echo(stream);
    });
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{server}"));
    let mut stream = reach(local);
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
    assert_echoes(&stream, b"\x16\x03\x01");
    client.vanish();
}

#[test]
fn a_reader_that_has_stopped_delays_no_other() {
    let world = world(LOCAL, "");
    let port = service(|mut stream| {
        let mut kind = [0];
        stream.read_exact(&mut kind).unwrap();
        match kind {
            // More than every buffer on the way holds.
            [b'f'] => stream.write_all(&vec![1; 64 << 20]).unwrap_or_default(),
            _ => echo(stream),
        }
    });
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{port}"));
    let mut stopped = reach(local);
    stopped.write_all(b"f").unwrap();
    let others: Vec<TcpStream> = (0..50).map(|_| reach(local)).collect();
    for (number, other) in others.iter().enumerate() {
        (&*other).write_all(b"e").unwrap();
        assert_echoes(other, format!("number {number}").as_bytes());
    }
    for other in others.iter().rev() {
        assert_echoes(other, b"again");
    }
    drop((stopped, others));
    rows_of(&world, "connect", 51);
    client.vanish();
}

#[test]
fn a_program_whose_output_nobody_reads_delays_no_forward() {
    let world = world(LOCAL, "");
    let port = service(echo);
    let local = free_port();
    let client = world
        .alice()
        .arg("-L")
        .arg(&format!("127.0.0.1:{local}:127.0.0.1:{port}"));
    // More than every buffer on the way holds.
    let mut client = client.command("head -c 67108864 /dev/zero".as_ref());
    let mut client = client.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut unread = client.stdout.take().unwrap();
    unread.read_exact(&mut vec![0; 1 << 20]).unwrap();
    for number in 0..5 {
        assert_echoes(&reach(local), format!("number {number}").as_bytes());
    }
    std::io::copy(&mut unread, &mut std::io::sink()).unwrap();
    assert!(client.wait().unwrap().success());
}

#[test]
fn what_was_sent_arrives_though_its_sender_has_closed_long_ago() {
    let world = world(LOCAL, "");
    let (go, wait) = mpsc::channel();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let (told, tells) = mpsc::channel();
    let port = service(move |mut stream| {
        wait.lock().unwrap().recv().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        told.send(all.len()).unwrap();
    });
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{port}"));
    let mut stream = reach(local);
    stream.write_all(&vec![1; 24 << 20]).unwrap();
    drop(stream);
    go.send(()).unwrap();
    assert_eq!(tells.recv().unwrap(), 24 << 20);
    client.vanish();
}

#[test]
fn a_forward_ends_with_its_client_and_with_its_target() {
    let world = world(LOCAL, "");
    let port = service(echo);
    let (client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{port}"));
    assert_echoes(&reach(local), b"here");
    client.vanish();
    rows_of(&world, "connect", 1);

    let (mut client, local) = forwarding(&world, "-L", &format!("{{port}}:127.0.0.1:{port}"));
    let stream = reach(local);
    assert_echoes(&stream, b"here");
    world.target.end_sessions();
    assert_eq!(rest(&stream), b"", "the target is gone");
    rows_of(&world, "connect", 2);
    drop(stream);
    assert!(reach(local).write_all(b"x").is_ok(), "the client still listens");
    rows_of(&world, "connect", 3);
    client.wait();
}

#[test]
fn the_console_forwards_nothing() {
    let world = world("\"forward\"", "");
    let port = service(echo);
    let output = world
        .bastion
        .ssh("alice")
        .arg("-W")
        .arg(&format!("127.0.0.1:{port}"))
        .run("");
    assert!(output.stderr.contains("administratively prohibited"), "{output:?}");
    assert_eq!(output.text(), "");
}
