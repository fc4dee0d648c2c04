//! Asks a target for its host key, and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use russh::client::{self, Handler};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::sync::oneshot;

use crate::config::Address;

/// How long the target may take to present its key.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The host key that a target presents; the connection ends before anything is sent to it.
pub(super) fn host_key(address: &Address) -> anyhow::Result<PublicKey> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, presented(address))
            .await
            .with_context(|| format!("{}:{} did not answer within 10 seconds", address.host, address.port))?
    })
}

async fn presented(address: &Address) -> anyhow::Result<PublicKey> {
    let (seen, key) = oneshot::channel();
    let place = (address.host.as_str(), address.port);
    let connected = client::connect(Arc::default(), place, Witness(Some(seen))).await;
    match (key.await, connected) {
        (Ok(key), _) => Ok(key),
        (Err(_), Err(error)) => {
            Err(error).with_context(|| format!("cannot ask {}:{} for its host key", address.host, address.port))
        }
        (Err(_), Ok(_)) => bail!("{}:{} presented no plain host key", address.host, address.port),
    }
}

/// Passes on the key that it sees, and trusts none.
struct Witness(Option<oneshot::Sender<PublicKey>>);

impl Handler for Witness {
    type Error = russh::Error;

    async fn check_server_key(&mut self, presented: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        if let (PublicKeyOrCertificate::PublicKey { key, .. }, Some(seen)) = (presented, self.0.take()) {
            // A receiver that is gone has timed out, and says so itself.
            seen.send(key.clone()).unwrap_or_default();
        }
        Ok(false)
    }
}
