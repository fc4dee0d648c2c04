//! Questions to the record, which block, away from the threads that serve.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::error::ApiError;
use crate::store::{Reader, Store, StoreError};

/// Questions that are asked at once; others wait.
const AT_ONCE: usize = 4;

/// Downloads that are under way at once; others are refused, since nobody knows how long those last.
const STREAMS: usize = 4;

/// A bounded number of readers, opened when they are first needed and kept.
#[derive(Clone)]
pub(super) struct Readers {
    store: Store,
    asking: Arc<Semaphore>,
    streaming: Arc<Semaphore>,
    // A std mutex: held to push or pop, never across an await.
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl Readers {
    /// None open yet.
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            asking: Arc::new(Semaphore::new(AT_ONCE)),
            streaming: Arc::new(Semaphore::new(STREAMS)),
            idle: Arc::default(),
        }
    }

    /// What `question` learns from the record.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let readers = self.clone();
        let asked = self.work(move || {
            let reader = readers.take()?;
            let answer = question(&reader)?;
            readers.give_back(reader);
            Ok(answer)
        });
        asked.await?
    }

    /// Does what keeps a processor busy, one of few at a time.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = self.asking.clone().acquire_owned().await;
        let permit = permit.map_err(|error| ApiError::Internal(error.to_string()))?;
        let working = spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        working.await.map_err(|error| ApiError::Internal(error.to_string()))
    }

    /// A place among those who download; it is free again when the permit is dropped.
    pub(super) fn enter_stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = self.streaming.clone().try_acquire_owned();
        permit.map_err(|_| ApiError::Busy)
    }

    fn take(&self) -> Result<Reader, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.store.reader(), Ok)
    }

    fn give_back(&self, reader: Reader) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }
}
