//! A hostile target: what a server says to the bastion, which is its client, before it is known to be the right one.

use std::net::{Ipv4Addr, TcpListener};
use std::thread::JoinHandle;

use russh::keys::signature::Signer as _;
use russh::keys::{PrivateKey, PublicKey};
use sha2::{Digest as _, Sha256};

use super::wire::{IGNORE, KEX_INIT, KEX_REPLY, KEXINIT, NEWKEYS, Offer, VERSION, Wire, string, take};
use crate::harness::{Config, Sshd, World};

const GROUP14: &str = "diffie-hellman-group14-sha256";
const STRICT: &str = "diffie-hellman-group14-sha256,kex-strict-s-v00@openssh.com";

/// The prime of group 14 (RFC 3526, section 3), in which 2 generates.
const PRIME: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
                     EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
                     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
                     83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
                     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
                     15728E5A8AACAA68FFFFFFFFFFFFFFFF";

/// What it does in the key exchange.
#[derive(Clone)]
struct Script {
    offer: Offer,
    /// Its share, as a number of SSH.
    share: Vec<u8>,
    /// The secret that comes of it; where there is none, it is the bastion's own share, as it is for a share of 2.
    secret: Option<Vec<u8>>,
    /// A packet that it sends before its share.
    before: Option<Vec<u8>>,
}

impl Script {
    /// A key exchange like any other: its private number is 1.
    fn honest(kex: &'static str) -> Self {
        Self {
            offer: Offer::of(kex),
            share: vec![2],
            secret: None,
            before: None,
        }
    }
}

/// Serves one connection by the script with this host key; says whether the bastion has finished the key exchange with it.
fn finishes(mut wire: Wire, script: &Script, key: &PrivateKey) -> bool {
    let client = wire.greet();
    let own = script.offer.kexinit();
    wire.send(&own);
    let Some(theirs) = wire.next(KEXINIT) else {
        return false;
    };
    let Some(init) = wire.next(KEX_INIT) else {
        return false;
    };
    let share = take(&mut &init[1..]);
    let host_key = key.public_key().to_bytes().unwrap();
    let secret = script.secret.as_ref().unwrap_or(&share);
    let texts = [
        client.as_bytes(),
        VERSION.as_bytes(),
        &theirs,
        &own,
        &host_key,
        &share,
        &script.share,
        secret,
    ];
    let hash = Sha256::digest(texts.map(string).concat());
    let signature = key.try_sign(&hash).unwrap();
    let signed = [string(b"ssh-ed25519"), string(signature.as_bytes())].concat();
    if let Some(before) = &script.before {
        wire.send(before);
    }
    wire.send(
        &[
            vec![KEX_REPLY],
            string(&host_key),
            string(&script.share),
            string(&signed),
        ]
        .concat(),
    );
    wire.next(NEWKEYS).is_some()
}

/// What becomes of a session to a target that acts by the script, and holds the right host key.
fn served_by(script: &Script) -> bool {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Sshd::start();
    let key = PrivateKey::read_openssh_file(&target.host_key.path).unwrap();
    let public = PublicKey::from(&key).to_openssh().unwrap();
    let targets = Config::target_at("web-1", port, &public, &target, "");
    let world = World::on(target, |config| config.targets = targets);
    let script = script.clone();
    let served: JoinHandle<bool> = std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        finishes(connection.into(), &script, &key)
    });
    // Once the script is over, its end of the connection is closed.
    world.alice().run("true").assert_failed();
    let finished = served.join().unwrap();
    assert_eq!(world.bastion.ssh("alice").run("whoami").code, 0);
    assert!(!world.bastion.log().contains("panicked"), "{}", world.bastion.log());
    finished
}

#[test]
fn a_targets_share_that_anybody_could_finish_with_is_refused() {
    assert!(served_by(&Script::honest(GROUP14)), "one that is honest so far");
    let prime = data_encoding::HEXUPPER.decode(PRIME.as_bytes()).unwrap();
    let number = |last: u8| [&[0], &prime[..prime.len() - 1], &[last]].concat();
    let (prime, less_one) = (number(0xff), number(0xfe));
    for (share, secret) in [
        (vec![], vec![]),
        (vec![0], vec![0]),
        (vec![1], vec![1]),
        (prime, vec![0]),
        (less_one.clone(), vec![1]),
        (less_one.clone(), less_one),
    ] {
        let script = Script {
            share: share.clone(),
            secret: Some(secret),
            ..Script::honest(GROUP14)
        };
        assert!(!served_by(&script), "{share:x?}");
    }
}

#[test]
fn a_targets_share_of_another_length_is_refused() {
    for length in [0, 31, 33, 64] {
        let script = Script {
            share: vec![9; length],
            secret: Some(vec![9; 32]),
            ..Script::honest("curve25519-sha256")
        };
        assert!(!served_by(&script), "{length}");
    }
}

#[test]
fn a_message_of_a_target_amid_a_strict_key_exchange_ends_it() {
    assert!(served_by(&Script::honest(STRICT)));
    for before in [[vec![IGNORE], string(b"")].concat(), vec![250]] {
        let script = Script {
            before: Some(before),
            ..Script::honest(STRICT)
        };
        assert!(!served_by(&script));
    }
}

#[test]
fn a_target_that_insists_on_compression_is_not_spoken_to() {
    let script = Script {
        offer: Offer {
            compression: "zlib,zlib@openssh.com",
            ..Offer::of(GROUP14)
        },
        ..Script::honest(GROUP14)
    };
    assert!(!served_by(&script));
}
