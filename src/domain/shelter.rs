//! Panics kept to the part of the program in which they happen.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A part of the program panicked: there is a defect in it. What was being done there is undone or half done, as its caller knows;
/// what its values held by then is gone with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it panicked; the log says where")]
pub struct Panicked;

/// Runs `work`; a panic in it ends it, and not its caller.
///
/// # Errors
/// [`Panicked`]. What `work` shares with others must be sound between any two of its steps.
pub fn shelter<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Waits for `task`; a panic in it ends it, and not its caller.
///
/// # Errors
/// As [`shelter`].
pub async fn sheltered<F: Future>(task: F) -> Result<F::Output, Panicked> {
    let mut task = pin!(task);
    poll_fn(|context| match shelter(|| task.as_mut().poll(context)) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        // It is not polled again.
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_the_work_alone() {
        assert_eq!(shelter(|| 1), Ok(1));
        assert_eq!(shelter(|| panic!("a defect")), Err::<(), _>(Panicked));
    }

    #[tokio::test]
    async fn a_panic_ends_a_task_alone_whenever_it_comes() {
        assert_eq!(sheltered(async { 1 }).await, Ok(1));
        let (said, heard) = tokio::sync::oneshot::channel::<()>();
        let task = sheltered(async {
            tokio::task::yield_now().await;
            let _said = said;
            panic!("a defect");
        });
        assert_eq!(task.await, Err::<(), _>(Panicked));
        assert!(heard.await.is_err(), "what it held is let go of");
    }
}
