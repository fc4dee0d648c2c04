//! Attempts that no ordinary client makes: out of order, under several names, with what nobody should accept.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, MethodKind};

use super::{Certified, PASSWORD, PASSWORD_HASH, secret_file, step, totp, world};
use crate::harness::{Key, World};

/// A client that trusts any host key: what is tried is told apart by the bastion alone.
pub(crate) struct Anyhow;

impl client::Handler for Anyhow {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// What an attempt came to, with what may follow it.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Admitted,
    Counts(Vec<MethodKind>),
    Refused(Vec<MethodKind>),
}

impl Told {
    fn failure(methods: &[MethodKind], partial_success: bool) -> Self {
        if partial_success {
            Self::Counts(methods.to_vec())
        } else {
            Self::Refused(methods.to_vec())
        }
    }
}

const KEY: MethodKind = MethodKind::PublicKey;
const QUESTION: MethodKind = MethodKind::KeyboardInteractive;
const WORD: MethodKind = MethodKind::Password;

/// One connection, and what is tried on it.
pub(crate) struct Attempts {
    connection: Handle<Anyhow>,
}

impl Attempts {
    /// Connects to the bastion.
    pub(crate) async fn new(world: &World) -> Self {
        let address = (Ipv4Addr::LOCALHOST, world.bastion.config.port);
        let connection = client::connect(Arc::default(), address, Anyhow).await.unwrap();
        Self { connection }
    }

    async fn nothing(&mut self, name: &str) -> Told {
        told(self.connection.authenticate_none(name).await.unwrap())
    }

    /// Tries a password.
    pub(crate) async fn password(&mut self, name: &str, password: &str) -> Told {
        told(self.connection.authenticate_password(name, password).await.unwrap())
    }

    async fn key(&mut self, name: &str, file: &Path) -> Told {
        self.key_by(name, file, None).await
    }

    async fn key_by(&mut self, name: &str, file: &Path, hash: Option<HashAlg>) -> Told {
        let key = PrivateKey::read_openssh_file(file).unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        told(self.connection.authenticate_publickey(name, key).await.unwrap())
    }

    async fn certificate(&mut self, name: &str, file: &Path) -> Told {
        let key = Arc::new(PrivateKey::read_openssh_file(file).unwrap());
        let certificate = std::fs::read_to_string(format!("{}-cert.pub", file.display())).unwrap();
        let certificate = Certificate::from_openssh(&certificate).unwrap();
        told(
            self.connection
                .authenticate_openssh_cert(name, key, certificate)
                .await
                .unwrap(),
        )
    }

    /// What a command says, once they are in.
    async fn run(&self, command: &str) -> String {
        let mut channel = self.connection.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        let mut said = Vec::new();
        while let Some(message) = channel.wait().await {
            if let ChannelMsg::Data { data } = message {
                said.extend_from_slice(&data);
            }
        }
        String::from_utf8(said).unwrap()
    }

    /// Answers what keyboard-interactive asks; where it asks nothing, that is what it came to.
    async fn answer(&mut self, name: &str, answers: &[&str]) -> Told {
        let begun = self.connection.authenticate_keyboard_interactive_start(name, None);
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        match begun.await.unwrap() {
            KeyboardInteractiveAuthResponse::InfoRequest { .. } => told_by(
                self.connection
                    .authenticate_keyboard_interactive_respond(answers)
                    .await
                    .unwrap(),
            ),
            other => told_by(other),
        }
    }
}

fn told(result: AuthResult) -> Told {
    match result {
        AuthResult::Success => Told::Admitted,
        AuthResult::Failure {
            remaining_methods,
            partial_success,
        } => Told::failure(&remaining_methods, partial_success),
    }
}

fn told_by(response: KeyboardInteractiveAuthResponse) -> Told {
    match response {
        KeyboardInteractiveAuthResponse::Success => Told::Admitted,
        KeyboardInteractiveAuthResponse::Failure {
            remaining_methods,
            partial_success,
        } => Told::failure(&remaining_methods, partial_success),
        KeyboardInteractiveAuthResponse::InfoRequest { .. } => panic!("asked again"),
    }
}

fn counts(methods: &[MethodKind]) -> Told {
    Told::Counts(methods.to_vec())
}

fn refused(methods: &[MethodKind]) -> Told {
    Told::Refused(methods.to_vec())
}

/// alice must show her key, her password and a code; bob's key will do.
fn three_methods(dir: &Path) -> World {
    let secret = secret_file(dir);
    let lines = format!(
        "{PASSWORD_HASH}totp_secret_file = \"{}\"\nrequire = [\"publickey\", \"password\", \"totp\"]",
        secret.display()
    );
    world(&lines, true)
}

#[tokio::test]
async fn every_method_that_is_required_is_done_in_order_and_what_follows_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let world = three_methods(dir.path());
    let key = world.bastion.dir().join("alice");
    let mut alice = Attempts::new(&world).await;
    assert_eq!(alice.nothing("alice").await, refused(&[KEY]));
    assert_eq!(alice.password("alice", PASSWORD).await, refused(&[KEY]), "out of order");
    assert_eq!(
        alice.answer("alice", &[PASSWORD]).await,
        refused(&[KEY]),
        "out of order"
    );
    assert_eq!(alice.key("alice", &key).await, counts(&[QUESTION, WORD]));
    assert_eq!(alice.answer("alice", &[PASSWORD]).await, counts(&[QUESTION]));
    assert_eq!(alice.answer("alice", &[&totp(step())]).await, Told::Admitted);
}

#[tokio::test]
async fn a_failure_or_a_repetition_takes_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = three_methods(dir.path());
    let key = world.bastion.dir().join("alice");
    let mut alice = Attempts::new(&world).await;
    for _ in 0..2 {
        assert_eq!(alice.key("alice", &key).await, counts(&[QUESTION, WORD]));
        assert_eq!(alice.password("alice", PASSWORD).await, counts(&[QUESTION]));
        assert_eq!(alice.answer("alice", &["000000"]).await, refused(&[KEY]));
    }
    assert_eq!(alice.answer("alice", &[&totp(step())]).await, refused(&[KEY]));
    assert_eq!(alice.key("alice", &key).await, counts(&[QUESTION, WORD]));
    assert_eq!(alice.key("alice", &key).await, refused(&[KEY]), "a key twice");
    assert_eq!(alice.password("alice", PASSWORD).await, refused(&[KEY]));
}

#[tokio::test]
async fn what_was_done_under_one_name_does_not_count_under_another() {
    let dir = tempfile::tempdir().unwrap();
    let world = three_methods(dir.path());
    let [alices, bobs] = ["alice", "bob"].map(|name| world.bastion.dir().join(name));
    for other in ["bob", "alice@web-1", "nobody"] {
        let mut attempts = Attempts::new(&world).await;
        assert_eq!(attempts.key("alice", &alices).await, counts(&[QUESTION, WORD]));
        assert_eq!(attempts.password(other, PASSWORD).await, refused(&[KEY]), "{other}");
        assert_eq!(
            attempts.password("alice", PASSWORD).await,
            refused(&[KEY]),
            "nor for alice after that"
        );
    }
    let mut attempts = Attempts::new(&world).await;
    assert_eq!(attempts.key("bob", &alices).await, refused(&[KEY]));
    assert_eq!(attempts.key("alice", &bobs).await, refused(&[KEY]));
    assert_eq!(
        attempts.key("bob", &bobs).await,
        Told::Admitted,
        "bob is still who he is"
    );
}

#[tokio::test]
async fn who_gets_in_is_who_was_proved_and_not_who_was_tried_before() {
    let world = world(PASSWORD_HASH, true);
    let bobs = world.bastion.dir().join("bob");
    let mut attempts = Attempts::new(&world).await;
    attempts.nothing("alice").await;
    attempts.password("alice", "wrong").await;
    attempts.answer("alice", &["wrong"]).await;
    attempts.key("alice", &bobs).await;
    assert_eq!(attempts.key("bob", &bobs).await, Told::Admitted);
    let who = attempts.run("whoami").await;
    assert!(who.contains("bob") && !who.contains("alice"), "{who}");
}

#[tokio::test]
async fn every_name_gets_the_same_answers() {
    let world = world(PASSWORD_HASH, true);
    let stranger = Key::generate(world.bastion.dir(), "stranger");
    let all = [KEY, QUESTION, WORD];
    for name in ["alice", "bob", "nobody", "alice@nowhere", ""] {
        let mut attempts = Attempts::new(&world).await;
        assert_eq!(attempts.nothing(name).await, refused(&all), "{name}");
        assert_eq!(attempts.key(name, &stranger.path).await, refused(&all), "{name}");
        assert_eq!(attempts.password(name, "wrong").await, refused(&all), "{name}");
        assert_eq!(attempts.answer(name, &["wrong"]).await, refused(&all), "{name}");
        assert_eq!(
            attempts.answer(name, &[PASSWORD, PASSWORD]).await,
            refused(&all),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_signature_with_sha1_is_never_accepted() {
    let keys = tempfile::tempdir().unwrap();
    let key = Key::generate_as(keys.path(), "rsa", &["-t", "rsa", "-b", "2048"]);
    let world = world(&format!("authorized_keys = [\"{}\"]", key.public), false);
    let mut attempts = Attempts::new(&world).await;
    assert_eq!(attempts.key_by("alice", &key.path, None).await, refused(&[KEY]));
    for hash in [HashAlg::Sha256, HashAlg::Sha512] {
        let mut attempts = Attempts::new(&world).await;
        assert_eq!(
            attempts.key_by("alice", &key.path, Some(hash)).await,
            Told::Admitted,
            "{hash}"
        );
    }
}

#[tokio::test]
async fn a_hosts_certificate_is_no_users() {
    let certified = Certified::new();
    let world = certified.world();
    for (kind, outcome) in [(["-h"].as_slice(), refused(&[KEY])), (&[], Told::Admitted)] {
        certified.ca.sign(&certified.key, &[&["-n", "alice"], kind].concat());
        let mut attempts = Attempts::new(&world).await;
        assert_eq!(
            attempts.certificate("alice", &certified.key.path).await,
            outcome,
            "{kind:?}"
        );
    }
    assert!(world.bastion.log().contains("not a user certificate"));
}
