//! A hostile client at the door of the daemon, before anybody has proved who they are.

use super::wire::{IGNORE, KEX_INIT, KEX_REPLY, KEXINIT, Offer, Wire, names, string};
use crate::harness::{Config, World};
use crate::login::attempts::Attempts;

/// X25519 as every client has it, and the mark of a client that counts its packets (`kex-strict-c`).
const PLAIN: &str = "curve25519-sha256";
const STRICT: &str = "curve25519-sha256,kex-strict-c-v00@openssh.com";

/// The base point of Curve25519: a share like any other.
const SHARE: [u8; 32] = {
    let mut share = [0; 32];
    share[0] = 9;
    share
};

/// So long a grace that whatever ends within the deadline of a test was not ended by it, and no penalty for many strangers.
fn patient(config: &mut Config) {
    config.server += "login_grace = \"10m\"\nauth_penalty_max = \"0s\"\nmax_unauthenticated_per_ip = 100\n";
}

fn key_exchange_init(share: &[u8]) -> Vec<u8> {
    [vec![KEX_INIT], string(share)].concat()
}

/// The bastion's reply to these packets, after versions were exchanged; `None` where it ends the connection instead.
fn reply_to(world: &World, packets: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut wire = Wire::greeted(world.bastion.config.port);
    for packet in packets {
        wire.send(packet);
    }
    wire.next(KEX_REPLY)
}

/// Asserts that the daemon still serves, and that no part of it fell over.
#[track_caller]
fn assert_sound(world: &World) {
    assert_eq!(world.alice().run("echo sound").text(), "sound\n");
    assert!(!world.bastion.log().contains("panicked"), "{}", world.bastion.log());
}

#[test]
fn an_address_is_never_taken_from_what_a_client_says() {
    let world = World::with(patient);
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\xdc\x04\0\x16";
    for header in [
        b"PROXY TCP4 192.0.2.7 127.0.0.1 56324 22\r\n".as_slice(),
        b"PROXY UNKNOWN\r\n",
        binary,
        b"X-Forwarded-For: 192.0.2.7\r\n",
    ] {
        let mut wire = Wire::connect(world.bastion.config.port);
        wire.say(header);
        wire.greet();
        wire.send(&Offer::of(PLAIN).kexinit());
        wire.send(&key_exchange_init(&SHARE));
        assert_eq!(wire.next(KEX_REPLY), None, "{}", header.escape_ascii());
    }
    assert_sound(&world);
    let log = world.bastion.log();
    assert!(!log.contains("192.0.2.7"), "{log}");
}

#[test]
fn a_client_begins_with_its_version_and_with_nothing_else() {
    let world = World::with(patient);
    let port = world.bastion.config.port;
    for beginning in [
        "debug\r\nSSH-2.0-x\r\n".to_owned(),
        "\r\n".repeat(50),
        "SSH-1.5-x\r\n".to_owned(),
        "x".repeat(300),
        format!("SSH-2.0-{}\r\n", "x".repeat(400)),
    ] {
        let mut wire = Wire::connect(port);
        wire.line();
        wire.say(beginning.as_bytes());
        wire.await_end();
    }
    let mut ordinary = Wire::greeted(port);
    assert!(ordinary.next(KEXINIT).is_some());
    assert_sound(&world);
}

#[test]
fn a_length_is_not_believed_before_its_bytes_are_there() {
    let world = World::with(patient);
    assert_sound(&world);
    let before = world.bastion.resident();
    let connections: Vec<Wire> = [u32::MAX, u32::MAX / 2, 1 << 28, 1 << 20, 0, 1]
        .iter()
        .cycle()
        .take(60)
        .map(|length| {
            let mut wire = Wire::greeted(world.bastion.config.port);
            assert!(wire.next(KEXINIT).is_some());
            wire.say(&length.to_be_bytes());
            wire.say(&[4; 64]);
            wire.await_end();
            wire
        })
        .collect();
    let grown = world.bastion.resident().saturating_sub(before);
    assert!(grown < 32 * 1024, "{} connections took {grown} kB", connections.len());
    assert_sound(&world);
}

#[test]
fn a_message_amid_a_strict_key_exchange_ends_it() {
    let world = World::with(patient);
    let ignored = [vec![IGNORE], string(b"")].concat();
    let init = || key_exchange_init(&SHARE);
    let strict = || Offer::of(STRICT).kexinit();
    for packets in [
        [strict(), ignored.clone(), init()],
        [ignored.clone(), strict(), init()],
        [strict(), vec![250], init()],
    ] {
        assert_eq!(reply_to(&world, &packets), None);
    }
    assert!(reply_to(&world, &[strict(), init()]).is_some());
    let lenient = Offer::of(PLAIN).kexinit();
    assert!(
        reply_to(&world, &[lenient, ignored, init()]).is_some(),
        "who is not strict"
    );
    assert_sound(&world);
}

/// Shares of Curve25519 that give the same secret whoever multiplies them: its points of small order, and other spellings of them.
fn low_order() -> [[u8; 32]; 7] {
    let spelled = |first: u8, last: u8| {
        let mut share = [0xff; 32];
        (share[0], share[31]) = (first, last);
        share
    };
    let one = {
        let mut share = [0; 32];
        share[0] = 1;
        share
    };
    let hex = |text: &str| -> [u8; 32] {
        data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .unwrap()
            .try_into()
            .unwrap()
    };
    [
        [0; 32],
        one,
        hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        spelled(0xec, 0x7f),
        spelled(0xed, 0x7f),
        spelled(0xee, 0x7f),
    ]
}

#[test]
fn a_share_that_anybody_could_finish_with_is_refused() {
    let world = World::with(patient);
    let exchange = |share: &[u8]| reply_to(&world, &[Offer::of(PLAIN).kexinit(), key_exchange_init(share)]);
    for share in low_order() {
        assert_eq!(exchange(&share), None, "{share:?}");
    }
    assert!(exchange(&SHARE).is_some());
    // A public key of ML-KEM of zeros is one, and the half of X25519 must not be saved by it.
    let hybrid = Offer::of("mlkem768x25519-sha256").kexinit();
    let shares = |share: &[u8]| key_exchange_init(&[&[0; 1184], share].concat());
    assert_eq!(reply_to(&world, &[hybrid.clone(), shares(&[0; 32])]), None);
    assert!(reply_to(&world, &[hybrid, shares(&SHARE)]).is_some());
    assert_sound(&world);
}

#[test]
fn a_key_exchange_that_is_cut_short_is_survived() {
    let world = World::with(patient);
    for kex in [PLAIN, "mlkem768x25519-sha256"] {
        for init in [
            vec![KEX_INIT],
            vec![KEX_INIT, 0, 0],
            vec![KEX_INIT, 0, 0, 0, 32],
            vec![KEX_INIT, 0xff, 0xff, 0xff, 0xff],
            key_exchange_init(&[9; 31]),
            key_exchange_init(&[9; 33]),
        ] {
            assert_eq!(reply_to(&world, &[Offer::of(kex).kexinit(), init]), None);
        }
    }
    for cut in [1, 17, 20, 60] {
        let kexinit = Offer::of(PLAIN).kexinit();
        assert_eq!(reply_to(&world, &[kexinit[..cut].to_vec()]), None);
    }
    assert_sound(&world);
}

#[test]
fn compression_is_never_agreed_to() {
    let world = World::with(patient);
    let offered = Wire::greeted(world.bastion.config.port).next(KEXINIT).unwrap();
    assert_eq!(names(&offered)[6..8], ["none", "none"]);
    let compressed = Offer {
        compression: "zlib@openssh.com,zlib",
        ..Offer::of(PLAIN)
    };
    assert_eq!(
        reply_to(&world, &[compressed.kexinit(), key_exchange_init(&SHARE)]),
        None
    );
    assert_sound(&world);
}

/// What would act on the terminal of whoever reads it: a title, a cleared screen, a new line of the log, in seven and eight bits.
const ACTING: &str = "\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}2J\u{8}\r\u{202e}";

#[tokio::test]
async fn nothing_that_a_client_says_of_itself_acts_on_who_reads_the_log() {
    let world = World::with(|config| {
        patient(config);
        // All that speaks of clients, the SSH library's own lines too.
        config.log = "info,opspilot=trace,russh=trace";
    });
    let mut wire = Wire::connect(world.bastion.config.port);
    wire.line();
    wire.say(format!("SSH-2.0-{ACTING}\r\n").as_bytes());
    wire.send(&Offer::of(PLAIN).kexinit());
    assert!(wire.next(KEXINIT).is_some());
    drop(wire);
    let mut attempts = Attempts::new(&world).await;
    for name in [ACTING.to_owned(), format!("alice@{ACTING}"), format!("a\n{ACTING}")] {
        attempts.password(&name, "wrong").await;
    }
    let ran = world.alice().run(format!("echo '{ACTING}'"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let logged = world.bastion.log();
    assert!(logged.contains("alice"), "it logs: {logged}");
    let acting = |character: &char| (character.is_control() && *character != '\n') || *character == '\u{202e}';
    let lines = logged
        .lines()
        .filter(|line| line.chars().any(|character| acting(&character)));
    let lines: Vec<String> = lines.map(|line| line.escape_debug().to_string()).collect();
    assert!(lines.is_empty(), "{lines:#?}");
    assert!(
        logged
            .lines()
            .all(|line| line.starts_with(|first: char| first.is_ascii_digit())),
        "{logged}"
    );
}
