//! What sessions in number cost: memory of the daemon for each, while they are idle and after bytes have passed.
//!
//! ```text
//! cargo bench --bench sessions                  # 1,000, then 2,000 sessions
//! cargo bench --bench sessions -- 200 shell     # so many; shells on a terminal, recorded, instead of commands
//! ```
//!
//! Clients and the target are in this process, so that each costs one connection and no process. Every session is one connection
//! to the bastion and one to the target, and runs `cat` there, or a shell. Printed are, at each number of sessions: the growth of
//! the daemon's resident memory for each, the median of the time from connecting to the first echo, and the median and the 99th
//! of 100 of an echo in each of 300 of them. Then 1 MiB goes through each of 100, and the growth for each is printed again.

#![allow(dead_code, unused_imports, reason = "what the tests stand on is used in part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "as in the tests; the figures are small"
)]
#![allow(unreachable_pub, reason = "as in the tests")]

#[path = "../tests/integration/harness/mod.rs"]
mod harness;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::{self, Handle};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, Pty};
use tokio::net::TcpListener;

use harness::{Config, World};

/// Sessions at which the daemon is looked at, unless the command line says otherwise.
const STEPS: &[usize] = &[1_000, 2_000];
/// Sessions of which an echo is taken at each step, and through which bytes go at the end.
const SAMPLES: usize = 300;
const BUSY: usize = 100;
/// What goes through each of those.
const BYTES: usize = 1 << 20;

/// The daemon has come to rest after so long.
const REST: Duration = Duration::from_secs(3);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_shell = arguments.iter().any(|argument| argument == "shell");
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let steps = if numbers.is_empty() { STEPS } else { &numbers };

    let port = harness::free_port();
    let world = tokio::task::spawn_blocking(move || in_front_of(port)).await.unwrap();
    tokio::spawn(serve(
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap(),
        world.target.host_key.path.clone(),
    ));
    let mut load = Load::new(&world, is_shell);
    load.one_more().await;
    load.rest().await;
    load.before = world.bastion.resident();
    for step in steps {
        load.grow_to(*step).await;
        load.report().await;
    }
    load.move_bytes().await;
}

/// A bastion in front of the target in this process, with the host key of another that is not used.
fn in_front_of(port: u16) -> World {
    World::with(|config| {
        config.allow_everything();
        config.server += "max_sessions = 5000\nmax_sessions_per_user = 5000\nsession_notice = \"\"\n";
        config.targets = config
            .targets
            .replace("[[targets]]", "[[targets]]\nprobe = \"off\"\nshell_gate = \"off\"");
        let address = config
            .targets
            .lines()
            .find(|line| line.starts_with("address"))
            .unwrap()
            .to_owned();
        config.targets = config
            .targets
            .replace(&address, &format!("address = \"127.0.0.1:{port}\""));
    })
}

/// The target: gives back what it gets.
async fn serve(listener: TcpListener, host_key: std::path::PathBuf) {
    let config = Arc::new(server::Config {
        keys: vec![load_secret_key(host_key, None).unwrap()],
        inactivity_timeout: None,
        nodelay: true,
        ..server::Config::default()
    });
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let config = config.clone();
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(config, socket, Echo).await {
                session.await.unwrap_or_default();
            }
        });
    }
}

struct Echo;

impl server::Handler for Echo {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _user: &str, _key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        let (mut heard, said) = channel.split();
        tokio::spawn(async move {
            while let Some(message) = heard.wait().await {
                if let ChannelMsg::Data { data } = message {
                    said.data_bytes(data).await.unwrap_or_default();
                }
            }
        });
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }
}

struct Client;

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Sessions that are held open.
struct Load<'a> {
    world: &'a World,
    is_shell: bool,
    config: Arc<client::Config>,
    key: PrivateKeyWithHashAlg,
    sessions: Vec<(Handle<Client>, Channel<client::Msg>)>,
    set_up: Vec<Duration>,
    /// Resident memory before, kB.
    before: u64,
}

impl<'a> Load<'a> {
    fn new(world: &'a World, is_shell: bool) -> Self {
        let key = load_secret_key(world.bastion.dir().join("alice"), None).unwrap();
        Self {
            world,
            is_shell,
            config: Arc::new(client::Config {
                nodelay: true,
                ..client::Config::default()
            }),
            key: PrivateKeyWithHashAlg::new(Arc::new(key), None),
            sessions: Vec::new(),
            set_up: Vec::new(),
            before: 0,
        }
    }

    async fn one_more(&mut self) {
        let began = Instant::now();
        let address = (Ipv4Addr::LOCALHOST, self.world.bastion.config.port);
        let mut handle = client::connect(self.config.clone(), address, Client).await.unwrap();
        let entered = handle
            .authenticate_publickey("alice@web-1", self.key.clone())
            .await
            .unwrap();
        assert!(entered.success());
        let mut channel = handle.channel_open_session().await.unwrap();
        if self.is_shell {
            channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
            channel.request_shell(true).await.unwrap();
        } else {
            channel.exec(true, "cat").await.unwrap();
        }
        echo(&mut channel, b"x").await;
        self.set_up.push(began.elapsed());
        self.sessions.push((handle, channel));
    }

    async fn grow_to(&mut self, number: usize) {
        while self.sessions.len() < number {
            self.one_more().await;
        }
    }

    async fn rest(&self) {
        tokio::time::sleep(REST).await;
    }

    async fn report(&mut self) {
        self.rest().await;
        let number = self.sessions.len();
        let growth = self.world.bastion.resident().saturating_sub(self.before) as f64 / number as f64;
        let mut echoes = Vec::new();
        for (_, channel) in self.sessions.iter_mut().take(SAMPLES) {
            let began = Instant::now();
            echo(channel, b"y").await;
            echoes.push(began.elapsed());
        }
        println!(
            "{number} sessions: {growth:.0} kB each; set-up p50 {:?}; echo p50 {:?}, p99 {:?}",
            percentile(&mut self.set_up, 50),
            percentile(&mut echoes, 50),
            percentile(&mut echoes, 99),
        );
    }

    async fn move_bytes(&mut self) {
        let before = self.world.bastion.resident();
        let bytes = vec![b'z'; BYTES];
        let busy = self.sessions.len().min(BUSY);
        for (_, channel) in self.sessions.iter_mut().take(BUSY) {
            echo(channel, &bytes).await;
        }
        self.rest().await;
        let growth = self.world.bastion.resident().saturating_sub(before) as f64 / busy as f64;
        println!("after 1 MiB through each of {busy}: {growth:.0} kB more each");
    }
}

/// Sends bytes and awaits as many.
async fn echo(channel: &mut Channel<client::Msg>, bytes: &[u8]) {
    let mut sent = bytes.chunks(32 * 1024);
    let mut missing = bytes.len();
    while missing > 0 {
        if let Some(chunk) = sent.next() {
            channel.data(chunk).await.unwrap();
        }
        match channel.wait().await.expect("the session ended") {
            ChannelMsg::Data { data } => missing = missing.saturating_sub(data.len()),
            ChannelMsg::ExitStatus { exit_status } => panic!("ended with {exit_status}"),
            _ => {}
        }
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[times.len() * percent / 100]
}
