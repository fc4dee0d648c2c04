//! A new daemon in the place of an old one, while the service manager keeps the socket: nobody is refused, and what ran on the
//! old one comes to its end.

use std::net::TcpStream;
use std::process::Command;

use crate::harness::{Bastion, Config, Sshd, World, eventually, free_port, opspilot};

/// A bastion that is started anew whenever it ends, on a socket that stays.
fn world() -> World {
    let target = Sshd::start();
    let bastion = Bastion::activated(&target, |config| {
        "drain_timeout = \"10m\"".clone_into(&mut config.server);
    });
    World { bastion, target }
}

/// How many daemons have been ready so far.
fn daemons(world: &World) -> usize {
    world.bastion.log().matches(" ready ").count()
}

#[test]
fn who_comes_while_an_old_daemon_ends_is_served_by_the_new_one() {
    let world = world();
    let mut old = world.alice().start("echo up; cat");
    old.stdout.expect("up\n");
    world.bastion.signal_served("TERM");
    old.stderr.expect("about to stop");

    let new = world.alice().start("echo served");
    old.send(b"to the end\n");
    let output = old.finish();
    assert_eq!((output.code, output.text().as_str()), (0, "up\nto the end\n"));
    let output = new.finish();
    assert_eq!((output.code, output.text().as_str()), (0, "served\n"), "{output:?}");
    assert_eq!(daemons(&world), 2);
    let rows = world.bastion.rows(2);
    assert!(rows.iter().all(|row| row.state == "finished"), "{rows:?}");
}

#[test]
fn a_handed_over_daemon_serves_until_nothing_runs_and_then_makes_room() {
    let world = world();
    let mut first = world.alice().start("echo up; cat");
    first.stdout.expect("up\n");
    world.bastion.signal_served("USR2");
    eventually("the signal to be heard", || {
        world.bastion.log().contains("as soon as nothing runs").then_some(())
    });
    let mut second = world.alice().start("echo up; cat");
    second.stdout.expect("up\n");
    assert_eq!(first.finish().code, 0);
    second.send(b"undisturbed\n");
    let output = second.finish();
    assert_eq!((output.code, output.text().as_str()), (0, "up\nundisturbed\n"));
    assert!(!output.stderr.contains("opspilot"), "{output:?}");

    eventually("the next daemon", || (daemons(&world) == 2).then_some(()));
    assert_eq!(world.alice().run("true").code, 0);
}

#[test]
fn a_socket_that_the_configuration_does_not_name_is_not_served() {
    let target = Sshd::start();
    let (dir, config): (_, Config) = Bastion::prepare(&target);
    std::fs::write(dir.path().join("opspilot.toml"), config.render()).unwrap();
    let other = free_port();
    let daemon = opspilot(&["serve", "-c"]);
    let mut activated = Command::new("systemd-socket-activate");
    activated
        .arg(format!("--listen=127.0.0.1:{other}"))
        .arg(daemon.get_program())
        .args(daemon.get_args())
        .arg(dir.path().join("opspilot.toml"));
    let mut activated = crate::harness::Child::server(&mut activated, &dir.path().join("log"));
    // It is the first connection that starts the daemon.
    let _waiting = eventually("the socket", || TcpStream::connect(("127.0.0.1", other)).ok());
    assert_eq!(activated.code(), 1);
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(
        log.contains(&format!("listens on 127.0.0.1:{other}, which is not in server.listen")),
        "{log}"
    );
}
