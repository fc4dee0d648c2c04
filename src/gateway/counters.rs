//! What comes to the door, counted in memory and put on record in aggregate: whoever has not authenticated causes no write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::sheltered;
use crate::store::{ConnectionCounts, Store};

/// How long the numbers are gathered before they are put on record. What is counted around midnight may so be the next day's.
const INTERVAL: Duration = Duration::from_mins(1);

/// What has been counted since it was last put on record; see [`ConnectionCounts`] for what each number means.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) unauthenticated: Counter,
    pub(super) timed_out: Counter,
    pub(super) authenticated: Counter,
    pub(super) turned_away: Counter,
}

/// One number.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(super) fn count(&self) {
        self.add(1);
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Counters {
    /// Puts the numbers on record at intervals, and what is left once `stopping` is cancelled.
    pub(super) async fn keep(self: Arc<Self>, store: Store, stopping: CancellationToken) {
        while timeout(INTERVAL, stopping.cancelled()).await.is_err() {
            self.try_to_put_on_record(&store).await;
        }
        self.try_to_put_on_record(&store).await;
    }

    /// A panic costs these numbers, and not those to come.
    async fn try_to_put_on_record(&self, store: &Store) {
        if let Err(panicked) = sheltered(self.put_on_record(store)).await {
            tracing::error!(%panicked, "some connections are not counted");
        }
    }

    async fn put_on_record(&self, store: &Store) {
        let counted = self.take();
        if counted == ConnectionCounts::default() {
            return;
        }
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        if let Err(error) = store.count_connections(today, counted).await {
            tracing::error!(%error, "cannot record how many connections there were; they count with the next ones");
            self.give_back(counted);
        }
    }

    fn take(&self) -> ConnectionCounts {
        ConnectionCounts {
            accepted: self.accepted.take(),
            refused: self.refused.take(),
            unauthenticated: self.unauthenticated.take(),
            timed_out: self.timed_out.take(),
            authenticated: self.authenticated.take(),
            turned_away: self.turned_away.take(),
        }
    }

    fn give_back(&self, counted: ConnectionCounts) {
        self.accepted.add(counted.accepted);
        self.refused.add(counted.refused);
        self.unauthenticated.add(counted.unauthenticated);
        self.timed_out.add(counted.timed_out);
        self.authenticated.add(counted.authenticated);
        self.turned_away.add(counted.turned_away);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_put_on_record_counts_with_the_next() {
        let counters = Counters::default();
        counters.refused.count();
        let taken = counters.take();
        assert_eq!(counters.take(), ConnectionCounts::default());
        counters.refused.count();
        counters.accepted.count();
        counters.give_back(taken);
        let both = counters.take();
        assert_eq!((both.accepted, both.refused), (1, 2));
    }
}
