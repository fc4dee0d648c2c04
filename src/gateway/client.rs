//! One user's SSH connection: who they are, and a table of their channels.
//!
//! No handler here waits for a target: the connection would stand still with it. Each session channel has a task of its
//! own that hears the channel's messages in order; the handlers only answer the requests.

mod forwards;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::domain::{printable_line, sheltered};

use super::Shared;
use super::auth::{Answer, Identity, Login, Proof, Question};
use super::channel;
use super::door::Stranger;
use super::drain::{LEAVING, Work, Works};
use super::environment::Asked;
use super::fault::Fault;
use super::forward::Address;
use super::idle::Usage;
use super::jump::{self, Jump};
use super::live::Live;
use super::session::{Origin, Way};
use super::user;

/// Channels that a client may have open at once on one connection.
const MAX_CHANNELS: usize = 64;

/// Told to who comes in while a target has a login in their name signed by their agent.
const LENT: &str =
    "a target had your agent sign a login in your name just now; if that was not this one, connect again";

/// How a connection comes to be.
pub(super) enum Arrival {
    /// From outside; its place at the door is held until authentication.
    Door(Stranger),
    /// Inside the connection of somebody who has proved who they are.
    Jump(Box<Jump>),
}

/// How far a connection is. Clones share it.
#[derive(Clone)]
pub(super) struct Life {
    /// Cancelled when who is there has been proved.
    pub proved: CancellationToken,
    /// Cancelled when authentication is done, and they are served.
    pub authenticated: CancellationToken,
    /// Cancelled when the connection must end.
    pub ended: CancellationToken,
    /// Told of everything that passes in a channel.
    pub usage: Usage,
    /// Noted where a part of it panics.
    pub fault: Fault,
    /// What runs in its channels.
    pub works: Works,
}

impl Life {
    /// A life that ends with another at the latest.
    pub(super) fn within(other: &CancellationToken) -> Self {
        Self {
            proved: CancellationToken::new(),
            authenticated: CancellationToken::new(),
            ended: other.child_token(),
            usage: Usage::new(),
            fault: Fault::default(),
            works: Works::none(),
        }
    }
}

/// The handler of one connection.
pub(super) struct Client {
    shared: Arc<Shared>,
    peer: SocketAddr,
    /// When it was accepted.
    since: Instant,
    /// Held until authentication: the place at the door.
    stranger: Option<Stranger>,
    login: Login,
    /// Who came by another connection is who they are there: nothing is proved here.
    jump: Option<Box<Jump>>,
    life: Life,
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
    variables: Asked,
}

impl Opened {
    fn new(closed: CancellationToken) -> Self {
        Self {
            closed,
            started: false,
            variables: Asked::default(),
        }
    }
}

impl Client {
    /// A connection that has just been accepted.
    pub(super) fn new(shared: Arc<Shared>, peer: SocketAddr, arrival: Arrival, life: Life) -> Self {
        let channels = HashMap::new();
        let (stranger, jump) = match arrival {
            Arrival::Door(stranger) => (Some(stranger), None),
            Arrival::Jump(jump) => (None, Some(jump)),
        };
        Self {
            login: Login::new(shared.clone(), peer),
            shared,
            peer,
            since: Instant::now(),
            stranger,
            jump,
            life,
            identity: None,
            live: None,
            channels,
            purpose: None,
        }
    }

    /// The address that it comes from.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// How far it is.
    pub(super) fn life(&self) -> Life {
        self.life.clone()
    }

    /// How long it may take to authenticate, and go unused.
    pub(super) fn times(&self) -> (Duration, Duration) {
        let engine = self.shared.gate.engine();
        (engine.config.server.login_grace, engine.config.server.idle_timeout)
    }

    /// Who they have proved to be, when authentication is done.
    fn proven(&self) -> Option<Identity> {
        match &self.jump {
            Some(jump) => jump.identity(),
            None => self.identity.clone(),
        }
    }

    /// The way from the console to a host and port that the user asks for; `None` where there is none for them.
    fn jump_to(&self, host: &str, port: u32) -> Option<Jump> {
        let at_console = matches!(self.purpose, Some(channel::Purpose::Console(_)));
        let may_begin = at_console && !self.shared.drain.has_begun();
        let who = self.identity.as_ref().filter(|_| may_begin)?;
        Jump::to(&self.shared.gate.engine(), who, host, port)
    }

    /// Something runs in a channel now.
    fn work(&self) -> Work {
        let works = [&self.life.works, &self.shared.works];
        Work::among(works, self.life.ended.clone())
    }

    /// What a channel that is opened now is for.
    fn purpose_of_channel(&self) -> Option<channel::Purpose> {
        if self.shared.drain.has_begun() {
            return Some(channel::Purpose::Fail(LEAVING));
        }
        self.purpose.clone()
    }

    /// Enters a channel in the table; `None` where there are too many. The token is cancelled when it is closed.
    fn enter(&mut self, channel: ChannelId, started: bool) -> Option<CancellationToken> {
        self.channels.retain(|_, opened| !opened.closed.is_cancelled());
        if self.channels.len() >= MAX_CHANNELS {
            return None;
        }
        let closed = self.life.ended.child_token();
        let opened = Opened {
            started,
            ..Opened::new(closed.clone())
        };
        self.channels.insert(channel, opened);
        Some(closed)
    }

    /// Serves a channel in a task of its own, after which it is closed. Where that panics, the connection ends.
    fn spawn(&self, closed: CancellationToken, work: Work, serving: impl Future<Output = ()> + Send + 'static) {
        let life = self.life.clone();
        self.shared.tasks.spawn(async move {
            if sheltered(serving).await.is_err() {
                life.fault.note();
                life.ended.cancel();
            }
            closed.cancel();
            work.end();
        });
    }

    /// Says the answer as SSH does.
    fn answer(&mut self, answer: Answer) -> Auth {
        let (methods, partial_success) = match answer {
            Answer::Admitted(identity) => {
                self.identity = Some(*identity);
                return Auth::Accept;
            }
            Answer::Continue(methods) => (methods, true),
            Answer::Refused(methods) => (methods, false),
        };
        Auth::Reject {
            proceed_with_methods: Some(methods),
            partial_success,
        }
    }

    fn refuse(&mut self) -> Auth {
        let methods = match &self.jump {
            // Who they are is known from outside: nothing is proved here, and nothing fails.
            Some(_) => MethodSet::from(&[MethodKind::None][..]),
            None => self.login.methods(),
        };
        self.answer(Answer::Refused(methods))
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

/// A question of keyboard-interactive; what is typed is not shown.
fn ask(question: Question) -> Auth {
    let prompt = match question {
        Question::Password => "Password: ",
        Question::Code => "Verification code: ",
    };
    Auth::Partial {
        name: "".into(),
        instructions: "".into(),
        prompts: vec![(prompt.into(), false)].into(),
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.life.fault.note();
        }
        self.life.ended.cancel();
        // Who dawdled kept nobody out, and was too slow to be a burden.
        let was_hasty = self.stranger.as_ref().is_some_and(|stranger| !stranger.has_dawdled());
        if was_hasty && !self.login.has_tried() {
            let engine = self.shared.gate.engine();
            let source = self.peer.ip().into();
            self.shared.guard.abandoned(source, &engine.config.server);
        }
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        if self.jump.as_mut().is_some_and(|jump| jump.name_login(user)) {
            return Ok(Auth::Accept);
        }
        Ok(self.refuse())
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        let key = offer.public_key.key_data();
        // Asked before every signature, that of a certificate included.
        if self.jump.is_none() && self.login.wants_signature(user, key, offer.algorithm) {
            return Ok(Auth::Accept);
        }
        Ok(self.refuse())
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let answer = self.login.key(user, key.public_key.key_data());
        Ok(self.answer(answer))
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        let answer = self.login.certificate(user, certificate);
        Ok(self.answer(answer))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        if self.jump.is_some() {
            return Ok(self.refuse());
        }
        let answer = self.login.password(user, password).await;
        Ok(self.answer(answer))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        if self.jump.is_some() {
            return Ok(self.refuse());
        }
        let Some(response) = response else {
            return Ok(match self.login.question(user) {
                Some(question) => ask(question),
                None => self.refuse(),
            });
        };
        let mut texts = response.map(|text| Zeroizing::new(text.to_vec()));
        let only = texts.next().filter(|_| texts.next().is_none());
        let text = only.as_ref().and_then(|text| std::str::from_utf8(text).ok());
        let answer = self.login.respond(user, text).await;
        Ok(self.answer(answer))
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), Self::Error> {
        let Some(identity) = self.proven() else {
            return Err(russh::Error::NotAuthenticated);
        };
        self.life.proved.cancel();
        self.identity = Some(identity.clone());
        tracing::info!(peer = %self.peer, user = %identity.user, "authenticated");
        if identity.destination.is_none() && self.shared.lent.signed_since(&identity.user, self.since) {
            tracing::warn!(peer = %self.peer, user = %identity.user, "a forwarded agent may have been used to log in here");
            self.purpose = Some(channel::Purpose::Refuse(LENT.to_owned()));
            return Ok(());
        }
        let target = identity
            .destination
            .as_ref()
            .map(|destination| destination.target.clone());
        let entered = self
            .shared
            .live
            .enter(&identity, target, self.life.ended.clone(), &self.shared.gate);
        self.purpose = Some(match entered {
            Ok(live) => {
                self.live = Some(live);
                if self.jump.is_none() {
                    self.shared.counters.authenticated.count();
                }
                self.life.usage.note();
                self.life.authenticated.cancel();
                self.stranger = None;
                let client_version = printable_line(&String::from_utf8_lossy(session.remote_sshid())).into_owned();
                let origin = Origin {
                    peer: self.peer,
                    client_version,
                    proved_by: identity.proofs.iter().map(Proof::description).collect(),
                    way: if self.jump.is_some() { Way::ProxyJump } else { Way::Name },
                    handle: session.handle(),
                    fault: self.life.fault.clone(),
                    works: self.life.works.clone(),
                };
                channel::Purpose::of(&self.shared, &identity, origin, &self.life.ended)
            }
            // It keeps its place at the door, and leaves at the end of the login grace at the latest.
            Err(turned_away) => {
                self.shared.counters.turned_away.count();
                channel::Purpose::Refuse(turned_away.to_string())
            }
        });
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let restrictions = self.identity.as_ref().map(|who| who.restrictions);
        let ready = self.purpose_of_channel().zip(restrictions);
        let entered = ready.and_then(|ready| Some((ready, self.enter(channel.id(), false)?)));
        let Some(((purpose, restrictions), closed)) = entered else {
            reply.reject(russh::ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let work = self.work();
        reply.accept().await;
        let memory = (self.shared.spill_directory(), self.channels.len());
        let (ear, mut voice) = user::split(channel, session.handle(), closed.clone(), memory);
        voice.count_as_use(self.life.usage.clone());
        self.spawn(closed, work, channel::attend(purpose, restrictions, ear, voice));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(jump) = self.jump_to(host, port) else {
            self.connect(Address::destination(host, port), channel, reply).await;
            return Ok(());
        };
        // Nothing else may be asked for on it.
        let Some(closed) = self.enter(channel.id(), true) else {
            reply.reject(russh::ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        reply.accept().await;
        let (shared, peer, work) = (self.shared.clone(), self.peer, self.work());
        let serving = jump::serve(shared, peer, jump, (channel, self.channels.len()), closed.clone());
        self.spawn(closed, work, serving);
        Ok(())
    }

    async fn data(&mut self, _channel: ChannelId, _data: &[u8], _session: &mut Session) -> Result<(), Self::Error> {
        self.life.usage.note();
        Ok(())
    }

    async fn window_adjusted(
        &mut self,
        _channel: ChannelId,
        _new_size: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.life.usage.note();
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
        let permitted = self.identity.as_ref().is_some_and(|who| !who.restrictions.no_pty);
        let accepted = permitted && self.channels.get(&channel).is_some_and(|opened| !opened.started);
        Self::reply(channel, accepted, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let purpose = self.purpose.as_ref();
        let accepted = self.channels.get_mut(&channel).is_some_and(|opened| {
            opened.variables.count(name, value)
                && !opened.started
                && purpose.is_some_and(|purpose| purpose.accepts(name))
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
        Self::reply(channel, self.lends_display(channel), session)
    }

    async fn agent_request(&mut self, channel: ChannelId, _session: &mut Session) -> Result<bool, Self::Error> {
        Ok(self.lends_agent(channel))
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.connect(Address::socket(path), channel, reply).await;
        Ok(())
    }

    async fn tcpip_forward(&mut self, host: &str, port: &mut u32, _session: &mut Session) -> Result<bool, Self::Error> {
        let chosen = self.listen(Address::listened_on(host, *port)).await;
        *port = chosen.map_or(*port, u32::from);
        Ok(chosen.is_some())
    }

    async fn cancel_tcpip_forward(
        &mut self,
        host: &str,
        port: u32,
        _session: &mut Session,
    ) -> Result<bool, Self::Error> {
        Ok(self.forget(Address::listened_on(host, port)))
    }

    async fn streamlocal_forward(&mut self, path: &str, _session: &mut Session) -> Result<bool, Self::Error> {
        Ok(self.listen(Address::socket(path)).await.is_some())
    }

    async fn cancel_streamlocal_forward(&mut self, path: &str, _session: &mut Session) -> Result<bool, Self::Error> {
        Ok(self.forget(Address::socket(path)))
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        if let Some(opened) = self.channels.remove(&channel) {
            opened.closed.cancel();
        }
        Ok(())
    }
}
