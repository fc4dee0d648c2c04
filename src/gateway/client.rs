//! One user's SSH connection: who they are, and a table of their channels.
//!
//! No handler here waits for a target: the connection would stand still with it. Each session channel has a task of its
//! own that hears the channel's messages in order; the handlers only answer the requests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Pty};
use tokio_util::sync::CancellationToken;

use crate::config::User;
use crate::domain::{Name, printable_line};

use super::Shared;
use super::address::{Destination, Route};
use super::channel;
use super::door::Stranger;
use super::live::Live;
use super::session::Origin;
use super::user;

/// Session channels open at once on one connection.
const MAX_CHANNELS: usize = 64;
/// Environment variables and their bytes accepted on one channel.
const MAX_ENVIRONMENT: (usize, usize) = (128, 64 * 1024);

/// Somebody who has proved who they are.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Their name.
    pub user: Name,
    /// The key that proved it.
    pub key: PublicKey,
    /// Where they want to go; `None` for the console.
    pub destination: Option<Destination>,
}

/// The handler of one connection.
pub(super) struct Client {
    shared: Arc<Shared>,
    peer: SocketAddr,
    /// Held until authentication: the place at the door.
    stranger: Option<Stranger>,
    /// Told when authentication is done.
    authenticated: CancellationToken,
    /// Cancelled when the connection must end.
    ended: CancellationToken,
    identity: Option<Identity>,
    live: Option<Live>,
    channels: HashMap<ChannelId, Opened>,
    purpose: Option<channel::Purpose>,
}

/// What was asked for on an open channel.
#[derive(Debug)]
struct Opened {
    /// Cancelled when either side has closed the channel.
    closed: CancellationToken,
    started: bool,
    variables: usize,
    variable_bytes: usize,
}

impl Opened {
    fn new(closed: CancellationToken) -> Self {
        Self {
            closed,
            started: false,
            variables: 0,
            variable_bytes: 0,
        }
    }
}

impl Client {
    /// A connection that has just been accepted.
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: SocketAddr,
        stranger: Stranger,
        authenticated: CancellationToken,
        ended: CancellationToken,
    ) -> Self {
        let channels = HashMap::new();
        Self {
            shared,
            peer,
            stranger: Some(stranger),
            authenticated,
            ended,
            identity: None,
            live: None,
            channels,
            purpose: None,
        }
    }

    /// The identity that `login_name` and `key` stand for. Known and unknown names cost the same: each key of the
    /// configuration is compared either way.
    fn identify(&self, login_name: &str, key: &PublicKey) -> Option<Identity> {
        let route = Route::parse(login_name).ok();
        let engine = self.shared.gate.engine();
        let mut found = None;
        for user in &engine.config.users {
            let holds_key = user
                .authorized_keys
                .iter()
                .any(|known| known.key_data() == key.key_data());
            if holds_key && route.as_ref().is_some_and(|route| route.user == user.name) {
                found = Some(user);
            }
        }
        let (User { name, .. }, route) = (found?, route?);
        Some(Identity {
            user: name.clone(),
            key: key.clone(),
            destination: route.destination,
        })
    }

    /// Marks the one exec, shell or subsystem that a channel may ask for.
    fn start(&mut self, channel: ChannelId) -> bool {
        self.channels
            .get_mut(&channel)
            .is_some_and(|opened| !std::mem::replace(&mut opened.started, true))
    }

    fn reply(channel: ChannelId, accepted: bool, session: &mut Session) -> Result<(), russh::Error> {
        if accepted {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self
            .identify(user, offer.public_key)
            .map_or_else(Auth::reject, |_| Auth::Accept))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        // Whatever an earlier attempt under another name proved does not count.
        self.identity = self.identify(user, key.public_key);
        if self.identity.is_some() {
            Ok(Auth::Accept)
        } else {
            tracing::info!(peer = %self.peer, user = %printable_line(user), "authentication failed");
            Ok(Auth::reject())
        }
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        let Some(identity) = self.identity.clone() else {
            return Err(russh::Error::NotAuthenticated);
        };
        tracing::info!(peer = %self.peer, user = %identity.user, "authenticated");
        let target = identity
            .destination
            .as_ref()
            .map(|destination| destination.target.clone());
        let entered = self
            .shared
            .live
            .enter(&identity, target, self.ended.clone(), &self.shared.gate);
        self.purpose = Some(match entered {
            Ok(live) => {
                self.live = Some(live);
                self.authenticated.cancel();
                self.stranger = None;
                let client_version = printable_line(&String::from_utf8_lossy(session.remote_sshid())).into_owned();
                let origin = Origin {
                    peer: self.peer,
                    client_version,
                };
                channel::Purpose::of(&self.shared, &identity, origin, &self.ended)
            }
            // It keeps its place at the door, and leaves at the end of the login grace at the latest.
            Err(turned_away) => channel::Purpose::Refuse(turned_away.to_string()),
        });
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.retain(|_, opened| !opened.closed.is_cancelled());
        let Some(purpose) = self.purpose.clone().filter(|_| self.channels.len() < MAX_CHANNELS) else {
            reply.reject(russh::ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let closed = self.ended.child_token();
        self.channels.insert(channel.id(), Opened::new(closed.clone()));
        reply.accept().await;
        let directory = self.shared.gate.engine().config.server.state_dir.clone();
        let (ear, voice) = user::split(channel, session.handle(), closed.clone(), directory);
        self.shared.tasks.spawn(async move {
            channel::attend(purpose, ear, voice).await;
            closed.cancel();
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
        let accepted = self.channels.get(&channel).is_some_and(|opened| !opened.started);
        Self::reply(channel, accepted, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let engine = self.shared.gate.engine();
        let accepted = self.channels.get_mut(&channel).is_some_and(|opened| {
            opened.variables += 1;
            opened.variable_bytes += name.len() + value.len();
            !opened.started
                && opened.variables <= MAX_ENVIRONMENT.0
                && opened.variable_bytes <= MAX_ENVIRONMENT.1
                && channel::accepts_variable(&engine.config.server.accept_env, name)
        });
        Self::reply(channel, accepted, session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        let accepted = self.start(channel);
        Self::reply(channel, accepted, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let accepted = self.start(channel);
        Self::reply(channel, accepted, session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let accepted = self.start(channel);
        Self::reply(channel, accepted, session)
    }

    async fn window_change_request(
        &mut self,
        _channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // The channel's task hears it; OpenSSH asks for no reply.
        Ok(())
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        Self::reply(channel, false, session)
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(opened) = self.channels.remove(&channel) {
            opened.closed.cancel();
        }
        Ok(())
    }
}
