//! The server: bound once, served until it is told to stop.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::Router;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::api::{self, Api};
use super::listen::{Door, Listener};
use super::tls::{self, TlsError};
use crate::config::{Config, HttpAddress};
use crate::domain::sheltered;
use crate::gate::Gate;
use crate::gateway;

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another daemon running there? change http.listen otherwise")]
    Listen {
        /// The address.
        address: HttpAddress,
        /// Why.
        source: io::Error,
    },
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The HTTP side of the daemon.
pub struct Server {
    listeners: Vec<Listener>,
    door: Arc<Door>,
    router: Router,
}

impl Server {
    /// Listens where `[http]` says, which may be nowhere.
    ///
    /// # Errors
    /// An address that cannot be listened on, a certificate that cannot be used.
    pub async fn bind(
        gate: Arc<Gate>,
        gateway: gateway::Control,
        inherited: &mut gateway::Inherited,
    ) -> Result<Self, HttpError> {
        let engine = gate.engine();
        let settings = &engine.config.http;
        let tls = settings.tls.as_ref().map(tls::load).transpose()?;
        let mut listeners = Vec::new();
        for address in &settings.listen {
            let listen = |source| HttpError::Listen {
                address: address.clone(),
                source,
            };
            listeners.push(Listener::bind(address, inherited).await.map_err(listen)?);
        }
        Ok(Self {
            listeners,
            door: Arc::new(Door::new(settings.max_connections, tls)),
            router: api::router(Api::new(gate, gateway)),
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> impl Iterator<Item = String> {
        self.listeners.iter().map(Listener::to_string)
    }

    /// A handle that applies new settings while it serves.
    pub fn control(&self) -> Control {
        Control {
            tls: self.door.tls.clone(),
        }
    }

    /// Accepts connections until `drain` is cancelled, then lets requests that have begun come to their end, for a moment.
    pub async fn serve(self, drain: CancellationToken) {
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            let (door, router, drain) = (self.door.clone(), self.router.clone(), drain.clone());
            accepting.spawn(async move { while sheltered(door.accept(&listener, &router, &drain)).await.is_err() {} });
        }
        while accepting.join_next().await.is_some() {}
        self.door.close().await;
    }
}

/// Applies new settings while the API is served.
#[derive(Clone)]
pub struct Control {
    tls: Arc<ArcSwapOption<ServerConfig>>,
}

impl Control {
    /// Takes the certificate anew: it may have been renewed. What cannot be used leaves the old one in place. Blocks.
    ///
    /// # Errors
    /// Why TLS cannot be spoken with the files.
    pub fn apply(&self, config: &Config) -> Result<(), TlsError> {
        // Whether there is TLS at all is settled at the start, together with the addresses.
        if let Some(files) = config.http.tls.as_ref().filter(|_| self.tls.load().is_some()) {
            self.tls.store(Some(tls::load(files)?));
        }
        Ok(())
    }
}
