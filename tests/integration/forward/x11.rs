//! `ssh -X`, with a display that is a socket and a program that is a few bytes.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use super::rows_of;
use crate::harness::{Output, Sshd, World};

/// Connects to the display with the cookie that sshd gave to `xauth`, says hello and shows the answer.
const PROGRAM: &str = r#"
import os, socket
number = int(os.environ["DISPLAY"].split(":")[1].split(".")[0])
cookie = bytes.fromhex(open(os.environ["HOME"] + "/xauth").read().split()[-1])
name = b"MIT-MAGIC-COOKIE-1"
display = socket.create_connection(("127.0.0.1", 6000 + number))
display.sendall(b"l\0\x0b\0\0\0\x12\0\x10\0\0\0" + name + b"\0\0" + cookie)
print(display.recv(100).decode())
"#;

/// A target that forwards X11, with what stands in for `xauth`.
fn target(dir: &std::path::Path) -> Sshd {
    let xauth = dir.join("xauth");
    std::fs::write(&xauth, "#!/bin/sh\ncat > \"$HOME/xauth\"\n").unwrap();
    std::fs::set_permissions(&xauth, std::fs::Permissions::from_mode(0o755)).unwrap();
    Sshd::start_with(&format!("X11Forwarding yes\nXAuthLocation {}\n", xauth.display()))
}

/// The first display number whose port is free.
fn display() -> (TcpListener, u16) {
    (100..1000)
        .find_map(|number| Some((TcpListener::bind((Ipv4Addr::LOCALHOST, 6000 + number)).ok()?, number)))
        .unwrap()
}

fn run(channels: &str) -> (World, Output) {
    let dir = tempfile::tempdir().unwrap();
    let world = World::on(target(dir.path()), |config| {
        config.allow_everything();
        config.policies = config.policies.replace("[\"shell\", \"exec\"]", channels);
    });
    let (listener, number) = display();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            draw(connection.unwrap());
        }
    });
    let program = world.trace("program.py");
    std::fs::write(&program, PROGRAM).unwrap();
    let mut ssh = world
        .alice()
        .arg("-Y")
        .command(std::ffi::OsStr::new(&format!("python3 {} 2>&1", program.display())));
    let output = ssh.env("DISPLAY", format!("127.0.0.1:{number}")).output().unwrap();
    let output = Output {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    (world, output)
}

/// Awaits a hello and answers it.
fn draw(mut connection: TcpStream) {
    let mut hello = [0; 48];
    connection.read_exact(&mut hello).unwrap();
    assert!(hello.starts_with(b"l\0\x0b\0") && hello[12..].starts_with(b"MIT-MAGIC"));
    connection.write_all(b"drawn").unwrap();
}

#[test]
fn a_program_draws_on_the_users_display() {
    let (world, output) = run("[\"exec\", \"x11\"]");
    assert_eq!(output.text(), "drawn\n", "{output:?}");
    let lent = rows_of(&world, "forward x11", 1).remove(0);
    let drawn = rows_of(&world, "accept x11", 1).remove(0);
    assert_eq!((drawn.parent_id, drawn.channel.as_str()), (Some(lent.id), "x11"));
    assert_eq!((drawn.stdout_length, drawn.input_length), (Some(48), Some(5)));
}

#[test]
fn what_the_policy_does_not_list_is_denied() {
    let (world, output) = run("[\"exec\"]");
    assert!(output.text().contains("KeyError: 'DISPLAY'"), "{output:?}");
    assert_eq!(rows_of(&world, "forward x11", 1)[0].state, "denied");
}
