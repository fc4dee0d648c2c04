//! A bastion as the daemon has it, but for its listener: who connects does so in memory, and nobody waits for a clock.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use opspilot::gate::{Engine, Gate};
use opspilot::gateway::{Gateway, Inherited};
use opspilot::store::Store;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::host::Host;

/// Connections until the record is begun anew, so that it stays small.
const CONNECTIONS: usize = 1_000;
/// Bytes that may wait on the way to the bastion, and as many on the way back.
const WAY: usize = 64 * 1024;
/// How long nothing is heard of a bastion that has nothing to say.
const SILENCE: Duration = Duration::from_millis(3);

/// The bastion, and the target behind it.
pub struct Bastion {
    gate: Arc<Gate>,
    host: Host,
    served: usize,
    _directory: TempDir,
}

impl Default for Bastion {
    fn default() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let host = Host::new(key(2));
        write(directory.path(), "ssh_host_ed25519_key", &private(&key(3)));
        write(directory.path(), "target", &private(&key(4)));
        write(directory.path(), "totp", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n");
        write(directory.path(), "opspilot.toml", &configuration(host.port()));
        let engine = Engine::load(&directory.path().join("opspilot.toml")).expect("a sound configuration");
        let store = Store::open(&engine.config.store.path).expect("a new record");
        Self {
            gate: Arc::new(Gate::new(engine, store)),
            host,
            served: 0,
            _directory: directory,
        }
    }
}

impl Bastion {
    /// Lets somebody come and leave, and waits until the bastion has done with them; gives what it wrote to them.
    ///
    /// Everything begins anew with each: a runtime, whose clock leaps to the next deadline when nothing else goes on, and what a
    /// gateway knows of those who come.
    pub fn receive(&mut self, visit: impl AsyncFnOnce(&mut Visitor, &Host)) -> Vec<u8> {
        if self.served == CONNECTIONS {
            *self = Self::default();
        }
        self.served += 1;
        let runtime = runtime();
        let written = runtime.block_on(async {
            let target = self.host.serve();
            let bound = Gateway::bind(self.gate.clone(), &mut Inherited::default()).await;
            let gateway = bound.expect("a port on loopback");
            let (near, far) = duplex(WAY);
            let mut visitor = Visitor::new(near);
            let visit = async {
                visit(&mut visitor, &self.host).await;
                visitor.leave().await
            };
            let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
            // What is wrong with a connection is what is looked for, and no fault of the bastion.
            let (_complaint, written) = tokio::join!(gateway.converse_in_clear(far, peer), visit);
            gateway.settled().await;
            target.abort();
            written
        });
        runtime.shutdown_background();
        written
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().expect("a runtime")
}

/// Who connects.
pub struct Visitor {
    voice: WriteHalf<DuplexStream>,
    heard: watch::Receiver<Vec<u8>>,
}

impl Visitor {
    fn new(stream: DuplexStream) -> Self {
        let (ear, voice) = split(stream);
        let (written, heard) = watch::channel(Vec::new());
        tokio::spawn(listen(ear, written));
        Self { voice, heard }
    }

    /// Says something; a bastion that has hung up does not hear it.
    pub async fn say(&mut self, bytes: &[u8]) {
        self.voice.write_all(bytes).await.ok();
    }

    /// Waits until the bastion has nothing more to say. The clock stands still meanwhile.
    pub async fn hear(&mut self) {
        loop {
            self.heard.mark_unchanged();
            let silence = spawn_blocking(|| thread::sleep(SILENCE));
            silence.await.expect("a pause");
            if !self.heard.has_changed().unwrap_or(false) {
                return;
            }
        }
    }

    /// Hangs up, and gives all that was heard once the bastion has too.
    async fn leave(&mut self) -> Vec<u8> {
        self.voice.shutdown().await.ok();
        while self.heard.changed().await.is_ok() {}
        self.heard.borrow().clone()
    }
}

async fn listen(mut ear: ReadHalf<DuplexStream>, written: watch::Sender<Vec<u8>>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = ear.read(&mut piece).await {
        written.send_modify(|all| all.extend_from_slice(&piece[..length]));
    }
}

/// Key number `number`; the first is that of all users.
#[must_use]
pub fn key(number: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[number; 32]);
    PrivateKey::new(KeypairData::Ed25519(pair), "").expect("a key")
}

fn private(key: &PrivateKey) -> String {
    key.to_openssh(LineEnding::LF)
        .expect("a key as a file has it")
        .to_string()
}

fn public(number: u8) -> String {
    key(number).public_key().to_openssh().expect("a key as a line has it")
}

fn write(directory: &Path, name: &str, text: &str) {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.join(name));
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("a file");
}

/// alice may do everything and is asked at times, bob may do nothing, carol has a password and codes, dave a certificate.
fn configuration(port: u16) -> String {
    let (users, host, ca) = (public(1), public(2), public(5));
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/rules.toml");
    let target = |name: &str, more: &str| {
        format!(
            "[[targets]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nlogin = \"root\"\nlogins = [\"deploy\"]\n\
             identity = \"target\"\nhost_key = \"{host}\"\n{more}\n"
        )
    };
    format!(
        r#"
[server]
listen = ["127.0.0.1:0"]
[risk]
rules = ["{rules}"]
model = ""
[[users]]
name = "alice"
roles = ["admin"]
authorized_keys = ["{users}"]
[[users]]
name = "bob"
authorized_keys = ["{users}"]
[[users]]
name = "carol"
password_hash = "$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2Ek5zMZVGrFVTlHZZgywf+fd0fS6/y+DB3Z5fAX1+zM"
totp_secret_file = "totp"
require = ["password", "totp"]
[[users]]
name = "dave"
trusted_user_ca = ["{ca}"]
[[policies]]
name = "all"
users = ["alice", "carol", "dave"]
channels = ["shell", "exec", "sftp", "scp", "rsync", "git", "forward", "local-forward", "remote-forward", "agent", "x11", "env"]
low = "allow"
medium = "warn"
high = "confirm"
critical = "deny"
unknown = "confirm"
files = [{{ ops = ["write"], paths = ["/etc/**"], action = "confirm" }}]
[[policies]]
name = "none"
users = ["bob"]
channels = ["shell", "exec", "sftp", "scp", "rsync", "git", "forward", "local-forward", "remote-forward", "agent", "x11", "env"]
low = "deny"
medium = "deny"
high = "deny"
critical = "deny"
unknown = "deny"
{}{}"#,
        target("box", "shell_gate = \"auto\""),
        target("screen", "shell_gate = \"screen\"\nprobe = \"off\""),
    )
}
