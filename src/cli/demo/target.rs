//! The demo's target: a small SSH server on loopback that runs the local shell in a scratch directory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::program::{self, Account, Voice};
use super::stage::TargetParts;

/// How long programs and connections may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The target, listening.
pub(super) struct Target {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What all connections share.
struct Shared {
    config: Arc<Config>,
    /// The one key that is let in.
    admitted: PublicKey,
    account: Account,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Target {
    /// Serves until [`Target::stop`]. Must be called within the runtime.
    pub(super) fn start(parts: TargetParts) -> io::Result<Self> {
        let TargetParts {
            listener,
            host_key,
            admitted,
            account,
        } = parts;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let shared = Arc::new(Shared {
            config: config(host_key),
            admitted,
            account,
            stop: stop.clone(),
            tasks: tasks.clone(),
        });
        tasks.spawn(accept(shared, listener));
        Ok(Self { stop, tasks })
    }

    /// Ends the programs that still run, and waits for that.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("something in the sandbox did not end");
        }
    }
}

fn config(host_key: PrivateKey) -> Arc<Config> {
    Arc::new(Config {
        keys: vec![host_key],
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    })
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        match accepted {
            Ok((socket, _)) => {
                shared.tasks.spawn(converse(shared.clone(), socket));
            }
            Err(error) => tracing::warn!(%error, "the sandbox cannot accept a connection"),
        }
    }
}

async fn converse(shared: Arc<Shared>, socket: TcpStream) {
    let host = Host { shared: shared.clone() };
    let conversation = async { run_stream(shared.config.clone(), socket, host).await?.await };
    if let Err(error) = conversation.await {
        tracing::debug!(%error, "a connection to the sandbox ended");
    }
}

/// The handler of one connection. Requests are accepted here, and heard in order by the channel's own task.
struct Host {
    shared: Arc<Shared>,
}

impl Host {
    fn judge(&self, key: &PublicKey) -> Auth {
        if key.key_data() == self.shared.admitted.key_data() {
            Auth::Accept
        } else {
            Auth::reject()
        }
    }
}

impl Handler for Host {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(offer.public_key))
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.judge(key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        let (shared, handle) = (self.shared.clone(), session.handle());
        let (ear, half) = channel.split();
        self.shared.tasks.spawn(async move {
            let voice = Voice { half, handle };
            if let Err(error) = program::attend(&shared.account, ear, &voice, shared.stop.clone()).await {
                tracing::debug!(%error, "a channel of the sandbox ended");
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

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
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

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
