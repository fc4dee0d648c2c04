//! A client that sends what no ordinary one would, and keeps all that it is told.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, SshId};

use crate::harness::DEADLINE;

/// Takes whatever host key it is shown.
pub(super) struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// One connection.
pub(super) struct Client {
    pub(super) connection: Handle<Trusting>,
}

/// What a channel was told until it ended.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) code: Option<u32>,
}

impl Client {
    /// Connects to a port of 127.0.0.1, calling itself `version`.
    pub(super) async fn connect(port: u16, version: &str) -> Result<Self, russh::Error> {
        let config = client::Config {
            client_id: SshId::Standard(Cow::Owned(format!("SSH-2.0-{version}"))),
            nodelay: true,
            ..client::Config::default()
        };
        let connection = client::connect(Arc::new(config), (Ipv4Addr::LOCALHOST, port), Trusting).await?;
        Ok(Self { connection })
    }

    /// Connects, and logs in as `name` with the key in `file`.
    pub(super) async fn logged_in(port: u16, version: &str, name: &str, file: &Path) -> Result<Self, russh::Error> {
        let mut client = Self::connect(port, version).await?;
        let key = PrivateKey::read_openssh_file(file).unwrap();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let admitted = client.connection.authenticate_publickey(name, key).await?;
        assert!(admitted.success(), "{name}");
        Ok(client)
    }

    /// A session channel.
    pub(super) async fn session(&self) -> Channel<client::Msg> {
        self.connection.channel_open_session().await.unwrap()
    }

    /// Runs a command to its end, without input.
    pub(super) async fn run(&self, command: &[u8]) -> Told {
        self.run_fed(command, b"").await
    }

    /// Runs a command on this input to its end.
    pub(super) async fn run_fed(&self, command: &[u8], input: &[u8]) -> Told {
        let channel = self.session().await;
        channel.exec(true, command).await.unwrap();
        if !input.is_empty() {
            channel.data_bytes(input.to_vec()).await.unwrap();
        }
        channel.eof().await.unwrap();
        rest(channel).await
    }

    /// Has a command asked about, and leaves while it is held; gives the question.
    pub(super) async fn leave_held(&self, command: &[u8]) -> Vec<u8> {
        let mut channel = self.session().await;
        channel.exec(true, command).await.unwrap();
        let question = until(&mut channel, b" confirm ").await;
        channel.close().await.unwrap();
        question
    }
}

/// What a channel is told until it ends.
pub(super) async fn rest(mut channel: Channel<client::Msg>) -> Told {
    let mut told = Told::default();
    let all = async {
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => told.stdout.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, .. } => told.stderr.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => told.code = Some(exit_status),
                _ => {}
            }
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("the channel ends");
    told
}

/// What a channel is told up to where `needle` is in it, both streams together.
pub(super) async fn until(channel: &mut Channel<client::Msg>, needle: &[u8]) -> Vec<u8> {
    let mut told = Vec::new();
    let all = async {
        while memchr::memmem::find(&told, needle).is_none() {
            match channel.wait().await {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    told.extend_from_slice(&data);
                }
                Some(_) => {}
                None => panic!(
                    "ended before {:?}: {:?}",
                    String::from_utf8_lossy(needle),
                    String::from_utf8_lossy(&told)
                ),
            }
        }
    };
    let waited = tokio::time::timeout(DEADLINE, all).await;
    assert!(
        waited.is_ok(),
        "no {:?}: {:?}",
        String::from_utf8_lossy(needle),
        String::from_utf8_lossy(&told)
    );
    told
}

/// What a channel is told until it has been told nothing for so long.
pub(super) async fn settled(channel: &mut Channel<client::Msg>, quiet: Duration) -> Vec<u8> {
    let mut told = Vec::new();
    while let Ok(Some(message)) = tokio::time::timeout(quiet, channel.wait()).await {
        if let ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } = message {
            told.extend_from_slice(&data);
        }
    }
    told
}

/// Awaits all of them.
pub(super) async fn together(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
