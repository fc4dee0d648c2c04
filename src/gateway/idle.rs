//! When a connection was last used, whatever keepalives pass over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::domain::whole_millis;

/// When a connection was last used. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    began: Instant,
    /// Milliseconds after the beginning.
    last: Arc<AtomicU64>,
}

impl Usage {
    /// A connection that is used now.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: Arc::default(),
        }
    }

    /// It is used: something passes in a channel.
    pub(super) fn note(&self) {
        self.note_at(Instant::now());
    }

    fn note_at(&self, now: Instant) {
        let passed = now.saturating_duration_since(self.began);
        self.last.store(whole_millis(passed), Ordering::Relaxed);
    }

    /// Returns when it has not been used for `limit`; never where that is zero.
    pub(super) async fn idle_for(&self, limit: Duration) {
        if limit.is_zero() {
            std::future::pending::<()>().await;
        }
        while let Some(left) = self.left_at(Instant::now(), limit) {
            sleep(left).await;
        }
    }

    /// How long it may still go unused; `None` where that is over.
    fn left_at(&self, now: Instant, limit: Duration) -> Option<Duration> {
        let last = self.began + Duration::from_millis(self.last.load(Ordering::Relaxed));
        let left = limit.saturating_sub(now.saturating_duration_since(last));
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_puts_the_end_off() {
        let (usage, limit) = (Usage::new(), Duration::from_mins(10));
        let after = |minutes| usage.began + Duration::from_mins(minutes);
        assert_eq!(usage.left_at(after(9), limit), Some(Duration::from_mins(1)));
        assert_eq!(usage.left_at(after(10), limit), None);
        usage.note_at(after(9));
        assert_eq!(usage.left_at(after(10), limit), Some(Duration::from_mins(9)));
        assert_eq!(usage.left_at(after(19), limit), None);
    }
}
