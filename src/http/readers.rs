//! Questions to the record, which block, away from the threads that serve.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use crate::store::{Reader, Store, StoreError, Token, TokenId};

/// Questions that are asked at once; others wait.
const AT_ONCE: usize = 4;

/// Tokens that are looked up at once.
const RECOGNISED_AT_ONCE: usize = 4;

/// Downloads that are under way at once; others are refused, since nobody knows how long those last.
const STREAMS: usize = 4;

/// A bounded number of readers, opened when they are first needed and kept.
#[derive(Clone)]
pub(super) struct Readers {
    store: Store,
    asking: Arc<Semaphore>,
    recognising: Arc<Semaphore>,
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
            recognising: Arc::new(Semaphore::new(RECOGNISED_AT_ONCE)),
            streaming: Arc::new(Semaphore::new(STREAMS)),
            idle: Arc::default(),
        }
    }

    /// What `question` learns from the record. Where nobody waits for it any longer, it ends.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.ask_among(&self.asking, question).await
    }

    /// The token with this id. Takes no time, and waits for none of those whose questions do.
    pub(super) async fn recognise(&self, id: TokenId) -> Result<Option<Token>, ApiError> {
        let asked = self.ask_among(&self.recognising, move |reader| reader.token(&id));
        asked.await
    }

    async fn ask_among<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (readers, gone) = (self.clone(), CancellationToken::new());
        let _cancelled_with_this = gone.clone().drop_guard();
        let asked = work_among(places, move || {
            let reader = readers.take()?;
            let answer = reader.while_awaited(move || !gone.is_cancelled(), question)?;
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
        work_among(&self.asking, work).await
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

/// Does something that blocks once there is a place for it.
async fn work_among<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let permit = places.clone().acquire_owned().await;
    let permit = permit.map_err(|error| ApiError::Internal(error.to_string()))?;
    let working = spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    working.await.map_err(|error| ApiError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::store::fixtures::{Fixture, endless};

    #[tokio::test]
    async fn a_question_ends_when_nobody_waits_for_its_answer() {
        let fixture = Fixture::new().await;
        let readers = Readers::new(fixture.store.clone());
        for _ in 0..AT_ONCE {
            let readers = readers.clone();
            let asking = tokio::spawn(async move { readers.ask(endless).await });
            tokio::task::yield_now().await;
            asking.abort();
        }
        let session = fixture.session;
        let asked = readers.ask(move |reader| reader.session(session)).await;
        assert!(asked.unwrap().is_some());
    }

    #[tokio::test]
    async fn questions_that_take_their_time_keep_no_token_from_being_known() {
        let fixture = Fixture::new().await;
        let readers = Readers::new(fixture.store.clone());
        let asking = [(); AT_ONCE].map(|()| {
            let (readers, (answer, awaited)) = (readers.clone(), mpsc::channel::<()>());
            let asking = tokio::spawn(async move { readers.ask(move |_| Ok(awaited.recv().is_ok())).await });
            (answer, asking)
        });
        while readers.asking.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let token = readers.recognise("abcd2345".parse().unwrap()).await;
        assert_eq!(token.unwrap(), None);
        for (answer, asking) in asking {
            answer.send(()).unwrap();
            assert!(asking.await.unwrap().unwrap());
        }
    }
}
