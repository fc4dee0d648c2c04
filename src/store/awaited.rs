//! Questions that end when nobody waits for their answer any longer.

use super::{Reader, StoreError};

/// Steps of `SQLite` between two looks whether somebody waits: less than a millisecond.
const STEPS: i32 = 10_000;

impl Reader {
    /// Asks a question, which fails once `is_awaited` says that nobody waits for its answer.
    ///
    /// # Errors
    /// As the question; [`StoreError::Database`] where nobody waited.
    pub fn while_awaited<T>(
        &self,
        is_awaited: impl Fn() -> bool + Send + 'static,
        question: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connection.progress_handler(STEPS, Some(move || !is_awaited()))?;
        let answer = question(self);
        self.connection.progress_handler(0, None::<fn() -> bool>)?;
        answer
    }
}
