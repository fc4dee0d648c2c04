//! The way in for fuzzers, in builds with `--cfg fuzzing` alone: a connection from memory, without encryption.
//!
//! What is compiled for a daemon has none of it. A fuzzer's bytes are packets then, and what it says is not lost behind keys
//! that nobody could guess.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::server::Config;
use russh::{Preferred, cipher, kex, mac};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::{Arrival, Client, Life};
use super::read_ahead::ReadAhead;
use super::{Gateway, Shared, converse, enter, ssh};

impl Gateway {
    /// Serves a connection on `stream` as one that was accepted from `peer`, until it ends or has had its time.
    ///
    /// # Errors
    /// What the SSH library has against it.
    pub async fn converse_in_clear<S>(&self, stream: S, peer: SocketAddr) -> Result<(), russh::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = self.shared.clone();
        let life = Life::within(&shared.stopping);
        let stranger = enter(&shared, &shared.gate.engine().config.server, peer, life.ended.clone());
        let arrival = Arrival::Door(stranger.ok_or(russh::Error::Disconnect)?);
        let config = settings(&shared).ok_or(russh::Error::Inconsistent)?;
        let client = Client::new(shared.clone(), peer, arrival, life);
        let (_left, outcome) = converse(config, ReadAhead::new(stream), client, &shared, || {}).await;
        outcome
    }

    /// Waits until nothing goes on that a connection began: all of it ends once who wanted it has left.
    pub async fn settled(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.gate.settled().await;
    }
}

/// The daemon's settings, but for packets that are sent as they are, and where the client likes, without an exchange of keys.
fn settings(shared: &Shared) -> Option<Arc<Config>> {
    let server = &shared.gate.engine().config.server;
    let config = Arc::into_inner(ssh::server_config(server, shared.keys.host.clone()))?;
    let kex = [&[kex::NONE], &*config.preferred.kex].concat();
    Some(Arc::new(Config {
        preferred: Preferred {
            kex: Cow::Owned(kex),
            cipher: Cow::Borrowed(&[cipher::NONE]),
            mac: Cow::Borrowed(&[mac::NONE]),
            ..config.preferred
        },
        ..config
    }))
}
