//! A target that does nothing, and says what it is told to say.

use std::net::{Ipv4Addr, TcpListener as Socket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::keys::PrivateKey;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, ChannelMsg, Preferred, Pty, Sig, SshId, kex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What the target says and does, and what it was asked for.
#[derive(Default)]
pub struct Script {
    /// What its programs write; of the first byte, each bit is something that they do or leave.
    pub says: Vec<u8>,
    /// How many programs, subsystems and connections it was asked for.
    pub asked: usize,
}

/// The target, on loopback.
pub struct Host {
    socket: Socket,
    config: Arc<Config>,
    script: Arc<Mutex<Script>>,
}

impl Host {
    #[must_use]
    pub fn new(host_key: PrivateKey) -> Self {
        let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        socket.set_nonblocking(true).expect("a socket");
        let config = Config {
            // By this name it has Unix shells.
            server_id: SshId::Standard("SSH-2.0-OpenSSH_10.0".into()),
            keys: vec![host_key],
            preferred: Preferred {
                kex: vec![kex::CURVE25519].into(),
                ..Preferred::DEFAULT
            },
            inactivity_timeout: None,
            ..Config::default()
        };
        Self {
            socket,
            config: Arc::new(config),
            script: Arc::default(),
        }
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("an address").port()
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves within the runtime until the task is aborted.
    pub fn serve(&self) -> JoinHandle<()> {
        let socket = self.socket.try_clone().expect("a second handle");
        let listener = TcpListener::from_std(socket).expect("a socket of the runtime");
        let (config, script) = (self.config.clone(), self.script.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = run_stream(config.clone(), stream, Account(script.clone()));
                tokio::spawn(async { served.await?.await });
            }
        })
    }
}

/// One connection to the target.
struct Account(Arc<Mutex<Script>>);

impl Account {
    fn asked(&self) -> Vec<u8> {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script.asked += 1;
        script.says.clone()
    }

    /// Answers a request for a program, or does not.
    fn begin(&self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let says = self.asked();
        let (deeds, text) = says.split_first().unwrap_or((&0, &[]));
        if deeds & 1 != 0 {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)?;
        session.data(channel, text.to_vec())?;
        if deeds & 2 != 0 {
            session.extended_data(channel, 1, text.to_vec())?;
        }
        if deeds & 4 != 0 {
            session.channel_open_agent()?;
        }
        if deeds & 8 != 0 {
            session.channel_open_forwarded_tcpip("localhost", 8080, "127.0.0.1", 1)?;
        }
        if deeds & 16 != 0 {
            session.exit_signal_request(channel, Sig::KILL, true, &String::from_utf8_lossy(text), "")?;
        }
        if deeds & 32 != 0 {
            session.exit_status_request(channel, text.len() as u32)?;
            session.eof(channel)?;
            session.close(channel)?;
        }
        if deeds & 64 != 0 {
            session.disconnect(russh::Disconnect::ByApplication, &String::from_utf8_lossy(text), "")?;
        }
        Ok(())
    }
}

impl Handler for Account {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _user: &str, _offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

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
        tokio::spawn(echo(channel));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.asked();
        reply.accept().await;
        tokio::spawn(echo(channel));
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        _address: &str,
        port: &mut u32,
        _session: &mut Session,
    ) -> Result<bool, Self::Error> {
        self.asked();
        *port = 8080;
        Ok(true)
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
        self.begin(channel, session)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.begin(channel, session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.begin(channel, session)
    }

    async fn agent_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<bool, Self::Error> {
        session.channel_success(channel)?;
        Ok(true)
    }
}

/// Gives back what comes, and ends when nothing more does.
async fn echo(mut channel: Channel<Msg>) -> Result<(), russh::Error> {
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => channel.data_bytes(data).await?,
            ChannelMsg::Eof => return channel.close().await,
            _ => {}
        }
    }
    Ok(())
}
