//! What the daemon does for its record beside serving: sign it, seal what a crash cut, erase what has been kept long enough.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::StoreSettings;
use crate::control::Retention;
use crate::domain::{Seal, sheltered};
use crate::gate::Gate;
use crate::recording;
use crate::store::{self, BackupPlan, Pruned, SealedRecording, Store, StoreError};

/// How much may be rewritten without the key, at most.
const SIGN_EVERY: Duration = Duration::from_mins(1);
/// How often what has been kept for long enough is looked for.
const PRUNE_EVERY: Duration = Duration::from_hours(24);
/// How far the clock may be set between two looks. Whoever can set it forward by years must not have all erased at once.
const MAX_JUMP: Duration = Duration::from_hours(1);
/// How long the last event may be ago at the start.
const MAX_ABSENCE: Duration = Duration::from_hours(7 * 24);
/// How long it waits where something else is being erased, or after a panic.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Sees to the record until it is dropped. What fails is logged and done again the next time.
pub(super) async fn run(gate: Arc<Gate>) {
    let backups = backup_plan(&gate.engine().config.store);
    let settings = gate.engine().config.store.clone();
    if let Err(error) = seal_cut(gate.store(), &settings).await {
        tracing::error!(%error, "recordings that were cut are not sealed");
    }
    tokio::join!(
        kept_up(|| sign_often(gate.store())),
        kept_up(|| erase_daily(&gate)),
        kept_up(|| store::keep(gate.store().clone(), backups.clone())),
    );
}

/// Begins a part anew where it panics, after a while, and leaves the others to their work.
async fn kept_up<F: Future<Output = ()>>(part: impl Fn() -> F) {
    while sheltered(part()).await.is_err() {
        sleep(ASK_AGAIN).await;
    }
}

async fn sign_often(store: &Store) {
    let mut sign = interval(SIGN_EVERY);
    sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sign.tick().await;
        if let Err(error) = store.sign().await {
            tracing::error!(%error, "the record is not signed");
        }
    }
}

fn backup_plan(settings: &StoreSettings) -> Option<BackupPlan> {
    Some(BackupPlan {
        directory: settings.backup_dir.clone()?,
        every: settings.backup_every,
        keep: settings.backup_keep,
    })
}

async fn erase_daily(gate: &Gate) {
    let mut prune = interval(PRUNE_EVERY);
    let mut before = gate.store().recorded_until().map(|at| Moment { at, then: None });
    loop {
        prune.tick().await;
        let now = Moment::now();
        if before.is_none_or(|before| now.follows(before)) {
            erase_due(gate).await;
        } else {
            tracing::error!("the clock has jumped: what is old by it stays for another day");
        }
        before = Some(now);
    }
}

/// A time by the clock, which may be set, and by that which only goes on.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Timestamp,
    /// `None` for a time before this process.
    then: Option<Instant>,
}

impl Moment {
    fn now() -> Self {
        Self {
            at: Timestamp::now(),
            then: Some(Instant::now()),
        }
    }

    /// Whether the clock has gone from another moment to this one as it should. From the last event before the start, nobody knows
    /// how long it was.
    fn follows(self, before: Self) -> bool {
        let by_clock = self.at.duration_since(before.at);
        let passed = self
            .then
            .zip(before.then)
            .map(|(now, then)| now.saturating_duration_since(then));
        match passed.map(SignedDuration::try_from) {
            Some(passed) => passed.is_ok_and(|passed| (by_clock - passed).unsigned_abs() <= MAX_JUMP),
            None => !by_clock.is_negative() && by_clock.unsigned_abs() <= MAX_ABSENCE,
        }
    }
}

/// Erases what has been kept for long enough, once nothing else is being erased.
async fn erase_due(gate: &Gate) {
    loop {
        let retention = Retention::of(&gate.engine().config);
        let due = retention.due(Timestamp::now());
        match gate.store().prune(due, retention.remover()).await {
            Err(StoreError::Pruning) => sleep(ASK_AGAIN).await,
            Err(error) => return tracing::error!(%error, "cannot erase what has been kept for long enough"),
            Ok(pruned) => return report(&pruned),
        }
    }
}

fn report(pruned: &Pruned) {
    tracing::info!(
        pruned.payloads,
        pruned.recordings,
        "erased what was kept for long enough"
    );
    if let Some(place) = &pruned.waits_for {
        tracing::warn!(%place, "what was kept for long enough stays: it is not shipped there yet");
    }
}

/// Seals recordings that a crash cut as they are found, so that they cannot be changed from then on.
async fn seal_cut(store: &Store, settings: &StoreSettings) -> Result<(), StoreError> {
    let Some(directory) = settings.recordings.clone() else {
        return Ok(());
    };
    let reader = store.clone();
    let cut = spawn_blocking(move || reader.reader()?.cut_recordings()).await;
    for (id, found) in cut.unwrap_or(Err(StoreError::Closed))? {
        let directory = directory.clone();
        let sealed = spawn_blocking(move || seal_found(&directory, &found)).await;
        match sealed {
            Ok(Ok(seal)) => store.seal_recording(id, seal).await?,
            Ok(Err(problem)) => tracing::error!(%id, problem, "a recording that was cut is not sealed"),
            Err(error) => tracing::error!(%id, %error, "a recording that was cut is not sealed"),
        }
    }
    Ok(())
}

/// What was sealed before the crash must still hold.
fn seal_found(directory: &Path, found: &SealedRecording) -> Result<Seal, String> {
    let path = recording::locate(directory, &found.path).map_err(|error| error.to_string())?;
    recording::check(&path, found.seal.as_ref(), false).map_err(|error| error.to_string())?;
    recording::seal(&path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hours by the clock, and hours that have passed.
    fn moment(at: i64, passed: Option<u64>, start: Instant) -> Moment {
        Moment {
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000 + at),
            then: passed.map(|passed| start + Duration::from_hours(passed)),
        }
    }

    #[test]
    fn a_clock_that_is_set_by_more_than_an_hour_is_not_believed_at_once() {
        let start = Instant::now();
        let look = |at, passed| moment(at, Some(passed), start);
        let first = look(0, 0);
        assert!(look(24, 24).follows(first) && look(25, 24).follows(first) && look(23, 24).follows(first));
        for set in [26, 22, 24 * 3650, 0, -24 * 3650] {
            assert!(!look(set, 24).follows(first), "{set}");
        }
        let jumped = look(24 * 3650, 24);
        assert!(look(24 * 3651, 48).follows(jumped), "it goes on from there");
    }

    #[test]
    fn at_the_start_the_last_event_tells() {
        let start = Instant::now();
        let last = moment(0, None, start);
        assert!(moment(0, Some(0), start).follows(last) && moment(7 * 24, Some(0), start).follows(last));
        for years in [-10, 1, 10] {
            assert!(!moment(years * 24 * 365, Some(0), start).follows(last), "{years}");
        }
    }
}
