//! A target that says hostile things wherever SSH lets it: its version, its banner, what its programs and channels end with.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Sig, SshId};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::corpus::{CORPUS, Hostile, lossy};
use crate::harness::Sshd;

/// Listens until it is dropped. Each connection that it takes says the next text of the corpus.
pub(super) struct HostileTarget {
    pub(super) port: u16,
    _runtime: Runtime,
}

impl HostileTarget {
    /// With the host key of `like`.
    pub(super) fn start(like: &Sshd) -> Self {
        let runtime = Runtime::new().unwrap();
        let key = PrivateKey::read_openssh_file(&like.host_key.path).unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(accept(listener, key));
        Self {
            port,
            _runtime: runtime,
        }
    }
}

async fn accept(listener: TcpListener, key: PrivateKey) {
    let next = AtomicUsize::new(0);
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let text = CORPUS[next.fetch_add(1, Ordering::Relaxed) % CORPUS.len()];
        let config = Config {
            // OpenSSH's name, so that its shells are looked into; a version has no line ends and 255 bytes.
            server_id: SshId::Standard(Cow::Owned(format!("SSH-2.0-OpenSSH_9.9 {}", within_line(text)))),
            keys: vec![key.clone()],
            auth_rejection_time: Duration::ZERO,
            nodelay: true,
            ..Config::default()
        };
        tokio::spawn(async move {
            // However it ends: the bastion may hang up at any time.
            if let Ok(session) = run_stream(Arc::new(config), socket, Host { text }).await {
                session.await.unwrap_or_default();
            }
        });
    }
}

fn within_line((_, text): Hostile) -> String {
    let text: String = lossy(text)
        .chars()
        .filter(|character| !matches!(character, '\r' | '\n' | '\0'))
        .collect();
    text.chars().take(50).collect()
}

struct Host {
    text: Hostile,
}

impl Host {
    fn says(&self) -> String {
        lossy(self.text.1)
    }
}

impl Handler for Host {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(Some(self.says()))
    }

    async fn auth_publickey_offered(&mut self, _user: &str, _offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn auth_publickey(&mut self, _user: &str, _key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let reason = self.says();
        reply.reject(ChannelOpenFailure::Other { code: 2, reason }).await;
        Ok(())
    }

    /// What the user runs says what is to happen; the bastion's own commands are answered with the text.
    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let (handle, text) = (session.handle(), self.says());
        match command {
            b"signal" => {
                handle
                    .exit_signal_request(channel, Sig::Custom(text.clone()), true, text.clone(), text)
                    .await
                    .unwrap_or_default();
            }
            b"disconnect" => return session.disconnect(Disconnect::ByApplication, &text, &text),
            b"vanish" => {}
            command => {
                handle.data(channel, answered(command, &text)).await.unwrap_or_default();
                handle.exit_status_request(channel, 0).await.unwrap_or_default();
            }
        }
        handle.close(channel).await.unwrap_or_default();
        Ok(())
    }
}

/// What the bastion's own command is answered with: the frame that it awaits, and hostile facts in it.
fn answered(command: &[u8], text: &str) -> Vec<u8> {
    let command = lossy(command);
    let marker = command.rsplit(' ').next().unwrap_or_default();
    let facts = ["distribution", "uname", "clock", "unit", "disk", "inode", "users"]
        .map(|fact| format!("{fact}={text} {text}\n"));
    format!(
        "\nopspilot-begin-{marker}\n{}disk=/dev/x 9 4 5 44% /{text}\nunit=.\nopspilot-end-{marker}\n",
        facts.concat()
    )
    .into_bytes()
}
