//! A crowd at the door, and somebody who wants to get in.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::harness::{Ssh, World, eventually};

/// Where alice is: no network that anybody else comes from.
const HERE: Ipv4Addr = Ipv4Addr::new(127, 20, 0, 1);

/// More than `server.max_unauthenticated`, from everywhere.
const CROWD: u8 = 200;

/// What the daemon may grow by under any flood, kB.
const GROWTH: u64 = 64 * 1024;

fn stranger(world: &World, from: Ipv4Addr) -> TcpStream {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stream, &SocketAddrV4::new(from, 0)).unwrap();
    let bastion = SocketAddrV4::new(Ipv4Addr::LOCALHOST, world.bastion.config.port);
    connect(&stream, &bastion).unwrap();
    stream.into()
}

/// Says nothing, and hears whether the bastion greets it.
fn is_greeted(world: &World, from: Ipv4Addr) -> bool {
    let mut greeting = [0; 4];
    stranger(world, from).read_exact(&mut greeting).is_ok() && greeting == *b"SSH-"
}

fn alice(world: &World) -> Ssh {
    world.alice().arg("-b").arg(&HERE.to_string())
}

fn gets_in(world: &World) -> bool {
    alice(world).run("true").code == 0
}

#[test]
fn who_comes_from_elsewhere_gets_in_past_a_crowd_that_fills_the_door() {
    let world = World::new();
    assert!(gets_in(&world));
    let before = world.bastion.resident();
    let crowd: Vec<TcpStream> = (0..CROWD)
        .map(|number| stranger(&world, Ipv4Addr::new(127, 10, number % 4, 1 + number / 4 % 10)))
        .collect();
    for _ in 0..5 {
        let output = alice(&world).run("echo in");
        assert_eq!(output.text(), "in\n", "{output:?}");
    }
    let grown = world.bastion.resident().saturating_sub(before);
    assert!(grown < GROWTH, "{grown} kB for {} connections", crowd.len());
    let log = world.bastion.log();
    assert_eq!(
        log.matches("refused at the door").count(),
        1,
        "a line, not one for each: {log}"
    );
}

#[test]
fn a_crowd_that_dawdles_gives_way_to_the_next_of_its_own_address() {
    let world = World::with(|config| config.server = "max_abandoned_per_ip = 1\n".to_owned());
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| stranger(&world, HERE)).collect();
    eventually("a login from the crowd's address", || gets_in(&world).then_some(()));
    for _ in 0..5 {
        assert!(gets_in(&world), "those that give way are not held against it");
    }
    drop(crowd);
}

#[test]
fn an_address_whose_connections_try_nothing_is_refused_for_a_moment_and_no_other_is() {
    let mut world = World::new();
    let flood = Ipv4Addr::new(127, 10, 0, 1);
    let greeted = (0..1000).take_while(|_| is_greeted(&world, flood)).count();
    assert!((20..1000).contains(&greeted), "{greeted}");
    assert!(gets_in(&world));
    eventually("the address to be let in again", || {
        is_greeted(&world, flood).then_some(())
    });
    world.bastion.stop();
    let refused = world
        .bastion
        .sql()
        .query_row("SELECT sum(refused) FROM connection_counts", [], |row| row.get(0));
    assert!(refused.is_ok_and(|refused: i64| refused > 0));
}

#[test]
fn who_tries_to_log_in_and_goes_is_not_held_to_try_nothing() {
    let world =
        World::with(|config| config.server = "auth_penalty_max = \"60s\"\nmax_abandoned_per_ip = 1\n".to_owned());
    for _ in 0..3 {
        assert!(gets_in(&world));
    }
    let wrong = world
        .bastion
        .ssh_with_key_of("bob", "alice")
        .arg("-b")
        .arg(&HERE.to_string());
    assert!(wrong.run("true").stderr.contains("Permission denied"));
    assert!(gets_in(&world), "a failure to authenticate counts as such");
}
