//! The thread that serves one place.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use crate::config::{Ship, ShipTo, glob_matches};
use crate::domain::shelter;
use crate::store::{Batch, Outgoing, Reader, Store};

use super::error::ShipError;
use super::event;
use super::link::{Entry, Link, Parcel};
use super::syslog::Header;

/// How often the record is looked at for new events.
const POLL: Duration = Duration::from_millis(250);
/// The first and the longest pause after a failure; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// How long a worker that is to end goes on sending what has been recorded.
const LAST_MOMENTS: Duration = Duration::from_secs(3);
/// Events and bytes of payload that are in memory at once, but for the last event of them.
const EVENTS: u32 = 500;
const BYTES: usize = 1 << 20;

/// What a worker is told. That its orders have ended tells it to end.
#[derive(Debug)]
pub(super) enum Order {
    /// Open the place anew: its file may have been moved away.
    Reopen,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    On,
    /// Its orders have ended, at this moment.
    Ending(Instant),
}

/// The server of one place.
pub(super) struct Worker {
    ship: Ship,
    header: Option<Header>,
    store: Store,
    orders: Receiver<Order>,
    next: Next,
    reopen: bool,
}

/// How far a place is.
struct Progress {
    /// Everything up to here has been taken, and the record knows.
    settled: i64,
    /// Everything up to here has been sent, or is none of the place's business.
    sent: i64,
    /// Bytes that were sent and not seen to be taken, and since when.
    unsettled: usize,
    since: Instant,
    link: Option<Link>,
}

impl Worker {
    pub(super) fn new(ship: Ship, host: &str, store: Store, orders: Receiver<Order>) -> Self {
        let header = match &ship.to {
            ShipTo::Syslog(syslog) => Some(Header::new(syslog.facility, host, std::process::id())),
            ShipTo::Stdout | ShipTo::File(_) => None,
        };
        Self {
            ship,
            header,
            store,
            orders,
            next: Next::On,
            reopen: false,
        }
    }

    /// Serves until its orders end; whatever fails is tried again.
    pub(super) fn work(mut self) {
        let mut pause = PAUSE;
        while self.next == Next::On {
            let Err((error, got_on)) = self.serve() else { return };
            if got_on {
                pause = PAUSE;
            }
            self.complain(&error, pause);
            self.wait(pause);
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Serves until its orders end or something fails; with a failure, whether anything was taken before it.
    fn serve(&mut self) -> Result<(), (ShipError, bool)> {
        let mut got_on = false;
        // A panic is a failure like others: what was not seen to be taken is sent again.
        let outcome = shelter(|| self.serve_from_mark(&mut got_on)).unwrap_or_else(|panicked| Err(panicked.into()));
        outcome.map_err(|error| (error, got_on))
    }

    fn serve_from_mark(&mut self, got_on: &mut bool) -> Result<(), ShipError> {
        let reader = self.store.reader()?;
        let mut progress = Progress::from(reader.shipped_to(&self.ship.name)?.unwrap_or_default());
        loop {
            let is_idle = self.send_some(&reader, &mut progress)?;
            let over = match self.next {
                Next::On => false,
                Next::Ending(since) => is_idle || since.elapsed() >= LAST_MOMENTS,
            };
            if over || self.reopen || progress.is_due() {
                *got_on |= self.settle(&mut progress)?;
            }
            if over {
                return Ok(());
            }
            self.reopen = false;
            self.wait(if is_idle { POLL } else { Duration::ZERO });
        }
    }

    /// Sends what comes next; whether there was nothing.
    fn send_some(&self, reader: &Reader, progress: &mut Progress) -> Result<bool, ShipError> {
        if let Some(link) = &progress.link {
            link.check()?;
        }
        let batch = Batch {
            events: EVENTS,
            bytes: BYTES,
            payload: self.ship.max_payload,
        };
        let events = reader.events_after(progress.sent, batch)?;
        let Some(last) = events.last() else { return Ok(true) };
        let entries = self.entries(&events, progress.sent)?;
        if !entries.is_empty() {
            let link = match &mut progress.link {
                Some(link) => link,
                none => none.insert(Link::open(&self.ship)?),
            };
            let parcel = link.pack(&self.ship, self.header.as_ref(), &entries);
            link.send(&parcel)?;
            progress.note(&parcel);
        }
        progress.sent = last.seq;
        Ok(false)
    }

    /// The lines about those events that the place is to have, and about those that should be there and are not.
    fn entries(&self, events: &[Outgoing], after: i64) -> Result<Vec<Entry>, ShipError> {
        let (mut entries, mut expected) = (Vec::new(), after + 1);
        for event in events {
            if event.seq > expected {
                entries.push(missing(event, expected));
            }
            expected = event.seq + 1;
            if self
                .ship
                .events
                .iter()
                .any(|pattern| glob_matches(pattern, &event.kind))
            {
                entries.push(Entry::of(event)?);
            }
        }
        Ok(entries)
    }

    /// Makes sure that what was sent was taken, and has the record remember it; whether there was anything.
    fn settle(&self, progress: &mut Progress) -> Result<bool, ShipError> {
        if let Some(link) = progress.link.take() {
            progress.link = link.settle()?.filter(|_| !self.reopen);
        }
        let moved = progress.sent > progress.settled;
        if moved {
            self.store.mark_shipped(&self.ship.name, progress.sent)?;
            progress.settled = progress.sent;
        }
        progress.unsettled = 0;
        Ok(moved)
    }

    /// Waits for an order, no longer than `limit`.
    fn wait(&mut self, limit: Duration) {
        let order = match self.next {
            Next::Ending(_) => return,
            Next::On if limit.is_zero() => self.orders.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            Next::On => self.orders.recv_timeout(limit),
        };
        match order {
            Ok(Order::Reopen) => self.reopen = true,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.next = Next::Ending(Instant::now()),
        }
    }

    /// Says that it does not work, and from then on only to those who look closely.
    fn complain(&self, error: &ShipError, pause: Duration) {
        let place = &self.ship.name;
        if pause == PAUSE {
            tracing::warn!(%place, %error, "cannot ship: what is recorded waits, and this is tried again");
        } else {
            tracing::debug!(%place, %error, "still cannot ship");
        }
    }
}

impl Progress {
    fn from(settled: i64) -> Self {
        Self {
            settled,
            sent: settled,
            unsettled: 0,
            since: Instant::now(),
            link: None,
        }
    }

    fn note(&mut self, parcel: &Parcel) {
        if self.unsettled == 0 {
            self.since = Instant::now();
        }
        self.unsettled += parcel.length();
    }

    fn is_due(&self) -> bool {
        match &self.link {
            Some(link) if self.unsettled > 0 => link.is_due(self.unsettled, self.since.elapsed()),
            // Nothing but what the place is not to have.
            _ => self.sent - self.settled >= i64::from(EVENTS),
        }
    }
}

fn missing(next: &Outgoing, from: i64) -> Entry {
    Entry {
        at: next.at.clone(),
        kind: "events_missing".to_owned(),
        line: event::gap(&next.bastion_id, from, next.seq - 1),
        bare: None,
    }
}
