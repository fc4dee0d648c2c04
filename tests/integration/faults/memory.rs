//! Clients that send what no honest one would: the daemon's memory stays bounded, whatever they do on one connection.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg};
use russh::{Channel, Sig};

use crate::harness::{World, eventually};
use crate::login::attempts::Anyhow;

/// What one connection may cost, kB.
const BOUND: u64 = 64 * 1024;

/// Channels that one connection may have.
const CHANNELS: usize = 64;
/// So many of them a target takes for sure: as many as an OpenSSH server lets one connection have.
const MOST: u64 = 10;

struct Hostile {
    world: World,
    connection: Handle<Anyhow>,
    /// The daemon's memory before any of it, kB.
    before: u64,
}

impl Hostile {
    async fn enter() -> Self {
        let world = World::with(|config| {
            config.allow_everything();
            config.server += "accept_env = [\"A*\"]\n";
        });
        // What every daemon has by then: a session, with a probe and a recording.
        world.shell().run("true");
        world.alice().run("true");
        let before = world.bastion.resident();
        let address = (Ipv4Addr::LOCALHOST, world.bastion.config.port);
        let mut connection = client::connect(Arc::default(), address, Anyhow).await.unwrap();
        let key = PrivateKey::read_openssh_file(world.bastion.dir().join("alice")).unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let login = connection.authenticate_publickey("alice@web-1", key).await.unwrap();
        assert!(login.success());
        Self {
            world,
            connection,
            before,
        }
    }

    async fn channel(&self) -> Channel<Msg> {
        self.connection.channel_open_session().await.unwrap()
    }

    /// What it has cost by now, kB.
    fn cost(&self) -> u64 {
        self.world.bastion.resident().saturating_sub(self.before)
    }

    #[track_caller]
    fn assert_bounded(&self, what: &str) {
        let cost = self.cost();
        eprintln!("{what}: {cost} kB");
        assert!(cost < BOUND, "{what}: {cost} kB");
        assert_eq!(self.world.bastion.ssh("bob@web-1").run("echo sound").text(), "sound\n");
        let log = self.world.bastion.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_no_program_takes_costs_little_memory() {
    let hostile = Hostile::enter().await;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = hostile.channel().await;
        channel.exec(true, "exec sleep 1000").await.unwrap();
        channels.push(channel);
    }
    let sent = vec![7; 1 << 20];
    for _ in 0..2 {
        for channel in &channels {
            // What is not taken at all waits here, and is as good.
            let sending = channel.data(sent.as_slice());
            tokio::time::timeout(std::time::Duration::from_secs(2), sending)
                .await
                .ok();
        }
    }
    hostile.assert_bounded("data that nobody takes");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_takes_costs_little_memory() {
    let hostile = Hostile::enter().await;
    let [ready, go_on, begun] = ["ready", "go-on", "begun"].map(|name| hostile.world.trace(name));
    let program = format!(
        "echo >>{}; until [ -e {} ]; do sleep 1; done; echo >>{}; exec cat /dev/zero",
        ready.display(),
        go_on.display(),
        begun.display()
    );
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = hostile.channel().await;
        channel.exec(true, program.as_str()).await.unwrap();
        channels.push(channel);
    }
    let lines = |trace: &Path| std::fs::metadata(trace).map_or(0, |trace| trace.len());
    eventually("the programs", || (lines(&ready) >= MOST).then_some(()));
    // From here on nothing more is read of the connection.
    std::fs::write(&go_on, "").unwrap();
    eventually("the output to begin", || (lines(&begun) >= MOST).then_some(()));
    hostile.assert_bounded("output that nobody takes");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_end_cost_little_memory() {
    let hostile = Hostile::enter().await;
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        channels.push(hostile.channel().await);
    }
    let long = "x".repeat(20_000);
    for channel in &channels {
        for number in 0..20 {
            // Where it has been ended for it, there is nobody to tell.
            channel.set_env(false, format!("A{number}"), &long[..]).await.ok();
        }
    }
    hostile.assert_bounded("variables");

    // A shell draws its line anew for every size. Who does not read that is not listened to either.
    let (mut drawn, terminal) = channels.remove(0).split();
    tokio::spawn(async move { while drawn.wait().await.is_some() {} });
    let modes = vec![(russh::Pty::ECHO, 1); 100];
    terminal
        .request_pty(true, &long, u32::MAX, u32::MAX, u32::MAX, u32::MAX, &modes)
        .await
        .unwrap();
    terminal.request_shell(true).await.unwrap();
    for number in 0..5_000 {
        terminal.window_change(u32::MAX - number, u32::MAX, 0, 0).await.ok();
        if number % 10 == 0 {
            terminal.signal(Sig::Custom(long[..200].to_owned())).await.ok();
        }
    }
    hostile.assert_bounded("sizes and signals");
    for _ in 0..5_000 {
        hostile.connection.send_keepalive(true).await.ok();
    }
    hostile.assert_bounded("global requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_as_long_as_they_can_be_cost_little_memory() {
    let hostile = Hostile::enter().await;
    let long = format!("true {}", "x".repeat(200_000));
    let mut channels = Vec::new();
    for _ in 0..CHANNELS {
        let channel = hostile.channel().await;
        channel.exec(false, long.as_str()).await.unwrap();
        channels.push(channel);
    }
    let listed = || hostile.world.bastion.rows_now().len();
    eventually("the commands", || (listed() >= CHANNELS).then_some(()));
    hostile.assert_bounded("long commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_forwards_beyond_their_number_are_refused() {
    let hostile = Hostile::enter().await;
    let mut open = Vec::new();
    for _ in 0..2_000 {
        if let Ok(channel) = hostile.connection.channel_open_session().await {
            open.push(channel);
        }
    }
    assert_eq!(open.len(), CHANNELS);
    for port in 1..100 {
        assert!(hostile.connection.tcpip_forward("127.0.0.1", port).await.is_err());
        let address = ("127.0.0.1", port);
        let refused = hostile
            .connection
            .channel_open_direct_tcpip(address.0, address.1, "127.0.0.1", 1);
        assert!(refused.await.is_err());
    }
    hostile.assert_bounded("channels and forwards");
}
