//! The record's events sent elsewhere: to standard output, a file, or a syslog server.
//!
//! The `events` table is the queue. Each place has a thread of its own with a read-only connection of its own, and a mark in the
//! record up to where it has everything. What a place has not been seen to take is sent again, so an event comes once, and
//! at least once where a connection broke. A place that takes nothing holds up nobody else: its thread waits, and the
//! events wait where they are. docs/shipping.md has the format.

mod error;
mod event;
mod link;
mod syslog;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::mpsc as std_mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::config::{Config, Ship};
use crate::store::{Store, StoreError};

use worker::{Order, Worker};

/// How long the daemon waits at its end for places to take what there is.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// Everything that is being sent.
#[derive(Debug)]
pub struct Shipping {
    store: Store,
    running: Vec<Running>,
    /// Held by every worker; nothing is ever sent.
    at_work: mpsc::Sender<()>,
    all_ended: mpsc::Receiver<()>,
}

/// A worker, until its orders are dropped.
#[derive(Debug)]
struct Running {
    ship: Ship,
    host: String,
    orders: std_mpsc::Sender<Order>,
    thread: JoinHandle<()>,
}

impl Shipping {
    /// Starts to send what `config` says. Blocks: a place that is new is entered in the record before this returns.
    ///
    /// # Errors
    /// The record cannot be read or written.
    pub fn start(config: &Config, store: &Store) -> Result<Self, StoreError> {
        let (at_work, all_ended) = mpsc::channel(1);
        let mut shipping = Self {
            store: store.clone(),
            running: Vec::new(),
            at_work,
            all_ended,
        };
        shipping.apply(config)?;
        Ok(shipping)
    }

    /// Sends from now on what `config` says. Files are opened anew; a place that is as it was loses nothing. Blocks, as
    /// [`Shipping::start`].
    ///
    /// # Errors
    /// As [`Shipping::start`]; places that were not reached are not sent to then.
    pub fn apply(&mut self, config: &Config) -> Result<(), StoreError> {
        let host = &config.server.public_name;
        let (kept, mut leaving): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running| running.host == *host && config.ship.contains(&running.ship));
        for running in &kept {
            // A worker that has ended has said why.
            running.orders.send(Order::Reopen).unwrap_or_default();
        }
        self.running = kept;
        for ship in &config.ship {
            if self.running.iter().any(|running| running.ship == *ship) {
                continue;
            }
            let predecessor = leaving.iter().position(|running| running.ship.name == ship.name);
            let predecessor = predecessor.map(|index| leaving.swap_remove(index).thread);
            self.add(ship, host, predecessor)?;
        }
        Ok(())
    }

    /// Has every place take what there is, within some seconds, and stops.
    pub async fn stop(self) {
        let Self {
            running,
            at_work,
            mut all_ended,
            ..
        } = self;
        drop((running, at_work));
        if timeout(LAST_MOMENTS, all_ended.recv()).await.is_err() {
            tracing::warn!("not everything was shipped: the rest waits in the record for the next start");
        }
    }

    fn add(&mut self, ship: &Ship, host: &str, predecessor: Option<JoinHandle<()>>) -> Result<(), StoreError> {
        self.enter(ship)?;
        let (orders, received) = std_mpsc::channel();
        let worker = Worker::new(ship.clone(), host, self.store.clone(), received);
        let at_work = self.at_work.clone();
        let spawned = std::thread::Builder::new()
            .name(format!("ship-{}", ship.name))
            .spawn(move || {
                // Two that send to one place would send everything twice.
                if predecessor.is_some_and(|earlier| earlier.join().is_err()) {
                    tracing::error!("an earlier worker of a place panicked");
                }
                worker.work();
                drop(at_work);
            });
        match spawned {
            Ok(thread) => self.running.push(Running {
                ship: ship.clone(),
                host: host.to_owned(),
                orders,
                thread,
            }),
            Err(error) => tracing::error!(place = %ship.name, %error, "cannot start to ship"),
        }
        Ok(())
    }

    /// Gives a place that is new its mark, before anything else is recorded.
    fn enter(&self, ship: &Ship) -> Result<(), StoreError> {
        let reader = self.store.reader()?;
        if reader.shipped_to(&ship.name)?.is_none() {
            let from = if ship.backlog { 0 } else { reader.last_event()? };
            self.store.mark_shipped(&ship.name, from)?;
        }
        Ok(())
    }
}
