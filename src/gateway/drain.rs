//! The daemon's end as its users meet it: who is told, what may still go on, and until when.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::user::Voice;

/// Told to who asks for something new on a connection that is about to end.
pub(super) const LEAVING: &str =
    "the bastion is about to stop, so nothing new is begun here; connect again in a moment";

/// Told to whose connection ends.
pub(super) const LEFT: &str = "opspilot: the bastion stops; connect again in a moment";

/// How long something counts as running after its end: what was sent at last may still be on its way, and a client throws away
/// what it has not shown when its connection is ended. Most end it by themselves before.
const PARTING: Duration = Duration::from_secs(5);

/// What tells a gateway to end. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Cancelled when nobody is let in any longer; who is in has until `server.drain_timeout`.
    pub drain: CancellationToken,
    /// Cancelled when everybody must leave now.
    pub at_once: CancellationToken,
}

/// Whether the daemon is about to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Drain {
    ends: watch::Sender<Option<Instant>>,
}

impl Drain {
    /// From now on everybody has `limit`.
    pub(super) fn begin(&self, limit: Duration) {
        self.ends.send_replace(Some(Instant::now() + limit));
    }

    /// Whether nothing new may begin.
    pub(super) fn has_begun(&self) -> bool {
        self.ends.borrow().is_some()
    }

    /// Returns when it begins, with the time that is left.
    pub(super) async fn begun(&self) -> Duration {
        let mut ends = self.ends.subscribe();
        loop {
            let known = *ends.borrow_and_update();
            match known {
                Some(end) => return end.saturating_duration_since(Instant::now()),
                None if ends.changed().await.is_ok() => {}
                None => pending().await,
            }
        }
    }

    /// Tells a channel's user when it begins how much time they have; never returns.
    pub(super) async fn tell(&self, voice: Voice) -> Infallible {
        let left = self.begun().await;
        if !left.is_zero() && voice.aside(&notice(left)).await.is_err() {
            tracing::debug!("a user left before being told that the bastion is about to stop");
        }
        pending().await
    }

    /// Returns when it has begun and nothing runs on a connection any longer.
    pub(super) async fn leaves_unused(&self, works: &Works) {
        self.begun().await;
        works.over().await;
    }
}

fn notice(left: Duration) -> String {
    format!(
        "the bastion is about to stop; what runs here has {} left",
        spelled(left)
    )
}

/// A time in the largest unit that tells it well, rounded up.
fn spelled(time: Duration) -> String {
    let seconds = time.as_millis().div_ceil(1000);
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// What runs in channels. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Works(TaskTracker);

/// Something that runs in a channel.
#[derive(Debug)]
pub(super) struct Work {
    counted: [TaskTrackerToken; 2],
    /// Cancelled when the connection has ended.
    ended: CancellationToken,
}

impl Work {
    /// One more of those on a connection and of those on all, until the connection has `ended`.
    pub(super) fn among(works: [&Works; 2], ended: CancellationToken) -> Self {
        Self {
            counted: works.map(|works| works.0.token()),
            ended,
        }
    }

    /// It has ended, and counts for a moment longer where the connection stays.
    pub(super) fn end(self) {
        tokio::spawn(async move {
            let Self { counted, ended } = self;
            timeout(PARTING, ended.cancelled()).await.unwrap_or_default();
            drop(counted);
        });
    }
}

impl Works {
    /// Nothing.
    pub(super) fn none() -> Self {
        let works = TaskTracker::new();
        // More may come; closed only means that one can wait for there being none.
        works.close();
        Self(works)
    }

    /// Returns when nothing runs.
    pub(super) async fn over(&self) {
        self.0.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        for (millis, expected) in [
            (1, "1 s"),
            (29_990, "30 s"),
            (120_000, "120 s"),
            (120_001, "3 min"),
            (3_600_000, "60 min"),
            (7_200_001, "3 h"),
        ] {
            assert_eq!(spelled(Duration::from_millis(millis)), expected);
        }
    }

    #[tokio::test]
    async fn a_connection_stays_while_something_runs() {
        let (drain, works, all) = (Drain::default(), Works::none(), Works::none());
        let ended = CancellationToken::new();
        let work = Work::among([&works, &all], ended.clone());
        drain.begin(Duration::from_mins(1));
        tokio::select! {
            biased;
            () = drain.leaves_unused(&works) => panic!("left"),
            () = tokio::task::yield_now() => {}
        }
        work.end();
        assert!(!works.0.is_empty(), "its client may still be listening");
        ended.cancel();
        works.over().await;
        all.over().await;
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_runs_leaves_at_once() {
        let drain = Drain::default();
        drain.begin(Duration::from_mins(1));
        drain.leaves_unused(&Works::none()).await;
    }

    #[tokio::test]
    async fn one_is_told_whenever_one_asks() {
        let drain = Drain::default();
        assert!(!drain.has_begun());
        let waiting = drain.clone();
        let told = tokio::spawn(async move { waiting.begun().await });
        tokio::task::yield_now().await;
        let limit = Duration::from_secs(30);
        drain.begin(limit);
        assert!(drain.has_begun());
        for left in [told.await.unwrap(), drain.begun().await] {
            assert!(!left.is_zero() && left <= limit, "{left:?}");
        }
    }
}
