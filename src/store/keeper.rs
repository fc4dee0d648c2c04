//! What keeps a record in order while the daemon serves: scheduled backups, and free pages given back to the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::backup::{self, BackedUp, Existing, SCHEDULED};
use super::{Store, StoreError};

/// How scheduled backups are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    /// Where they are put; made (0700) where it is not there.
    pub directory: PathBuf,
    /// The time between two.
    pub every: Duration,
    /// So many are kept, the newest; at least one.
    pub keep: usize,
}

/// How often it is looked whether a backup is due, and whether pages are free: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The pause between two steps of vacuuming, which leaves the writer to the sessions.
const BETWEEN_STEPS: Duration = Duration::from_millis(50);

/// The pause after a backup that failed: it may have copied nearly all of a large record.
const RETRY_AFTER: Duration = Duration::from_hours(1);

/// Keeps the record in order until it is dropped or the record is closed. Without a plan there are no backups.
pub async fn keep(store: Store, plan: Option<BackupPlan>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut not_before = Instant::now();
    loop {
        looks.tick().await;
        match vacuum(&store).await {
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "cannot give free pages of the record back"),
            Ok(()) => {}
        }
        let plan = plan.clone().filter(|_| Instant::now() >= not_before);
        if let Some(plan) = plan
            && !back_up(store.clone(), plan).await
        {
            not_before = Instant::now() + RETRY_AFTER;
        }
    }
}

/// Gives free pages back, a few at a time.
async fn vacuum(store: &Store) -> Result<(), StoreError> {
    while store.vacuum_a_little().await? {
        sleep(BETWEEN_STEPS).await;
    }
    Ok(())
}

/// Whether all is well: a backup was taken, or none is due.
async fn back_up(store: Store, plan: BackupPlan) -> bool {
    let done = tokio::task::spawn_blocking(move || back_up_when_due(&store, &plan, Timestamp::now())).await;
    match done.unwrap_or_else(|error| Err(StoreError::Task(error.to_string()))) {
        Ok(None) => true,
        Ok(Some(BackedUp { bytes, events, head })) => {
            tracing::info!(bytes, events, head, "backed up the record");
            true
        }
        Err(error) => {
            tracing::error!(%error, "cannot back up the record; tried again in an hour");
            false
        }
    }
}

/// Takes the backup that is due at `now`, and removes those that are too many; `None` where none is due.
pub(super) fn back_up_when_due(
    store: &Store,
    plan: &BackupPlan,
    now: Timestamp,
) -> Result<Option<BackedUp>, StoreError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File { path, source }
    };
    make_private(&plan.directory).map_err(at(&plan.directory))?;
    let newest = taken(&plan.directory).map_err(at(&plan.directory))?.pop();
    if newest
        .and_then(|newest| taken_at(&newest))
        .is_some_and(|newest| !is_due(newest, plan.every, now))
    {
        return Ok(None);
    }
    let (begin, end) = SCHEDULED;
    let file = plan.directory.join(format!("{begin}{}{end}", now.strftime(TIME)));
    let done = store.reader()?.back_up(&file, Existing::Keep, |_, _| {})?;
    let mut all = taken(&plan.directory).map_err(at(&plan.directory))?;
    let surplus = all.len().saturating_sub(plan.keep.max(1));
    for old in all.drain(..surplus) {
        fs::remove_file(&old).map_err(at(&old))?;
    }
    Ok(Some(done))
}

/// The backups of a directory, oldest first. A file whose name says no time is somebody else's, be it the record itself.
fn taken(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = backup::scheduled(directory)?;
    found.retain(|file| taken_at(file).is_some());
    Ok(found)
}

/// A time in a name.
const TIME: &str = "%Y-%m-%dT%H-%M-%SZ";

fn taken_at(file: &Path) -> Option<Timestamp> {
    let name = file.file_name()?.to_str()?;
    let time = name.strip_prefix(SCHEDULED.0)?.strip_suffix(SCHEDULED.1)?;
    let time = jiff::fmt::strtime::parse(TIME, time).ok()?.to_datetime().ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// A backup from the future was named by a clock that has been set back, and stands for nothing.
fn is_due(newest: Timestamp, every: Duration, now: Timestamp) -> bool {
    let age = now.duration_since(newest);
    age.is_negative() || age.unsigned_abs() >= every
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if directory.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
