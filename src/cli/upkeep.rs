//! What the daemon does for its record beside serving: sign it, seal what a crash cut, erase what has been kept long enough.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::StoreSettings;
use crate::control::Retention;
use crate::domain::Seal;
use crate::gate::Gate;
use crate::recording;
use crate::store::{self, BackupPlan, Pruned, SealedRecording, Store, StoreError};

/// How much may be rewritten without the key, at most.
const SIGN_EVERY: Duration = Duration::from_mins(1);
/// How often what has been kept for long enough is looked for.
const PRUNE_EVERY: Duration = Duration::from_hours(24);
/// How long it waits where something else is being erased.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Sees to the record until it is dropped. What fails is logged and done again the next time.
pub(super) async fn run(gate: Arc<Gate>) {
    let backups = backup_plan(&gate.engine().config.store);
    tokio::join!(
        sign_often(gate.store()),
        erase_daily(&gate),
        store::keep(gate.store().clone(), backups)
    );
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
    let settings = gate.engine().config.store.clone();
    if let Err(error) = seal_cut(gate.store(), &settings).await {
        tracing::error!(%error, "recordings that were cut are not sealed");
    }
    let mut prune = interval(PRUNE_EVERY);
    loop {
        prune.tick().await;
        erase_due(gate).await;
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
