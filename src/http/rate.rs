//! How often a token may be used. Without a clock of its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::TokenId;

/// The time in which a whole allowance comes back, evenly.
const WINDOW: Duration = Duration::from_mins(1);

/// What each token has used of its allowance. Only tokens that were shown to be valid are here, so there are never more than those.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    // A std mutex: held for one map operation, never across an await.
    used: Mutex<HashMap<TokenId, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Requests that have not been forgotten yet.
    level: f64,
    at: Instant,
}

impl Limiter {
    /// Counts a request, of `limit` in a minute.
    ///
    /// # Errors
    /// How long to wait, where that is one too many; it does not count.
    pub(super) fn count(&self, token: &TokenId, limit: usize, now: Instant) -> Result<(), Duration> {
        let limit = f64::from(u32::try_from(limit).unwrap_or(u32::MAX));
        let per_second = limit / WINDOW.as_secs_f64();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = used.entry(token.clone()).or_insert(Bucket { level: 0.0, at: now });
        let forgotten = now.saturating_duration_since(bucket.at).as_secs_f64() * per_second;
        let level = (bucket.level - forgotten).max(0.0) + 1.0;
        if level > limit {
            let wait = ((level - limit) / per_second).ceil().max(1.0);
            return Err(Duration::try_from_secs_f64(wait).unwrap_or(WINDOW));
        }
        *bucket = Bucket { level, at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_allowance_and_gets_it_back_evenly() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let (one, other) = ("aaaa2345".parse().unwrap(), "bbbb2345".parse().unwrap());
        for _ in 0..6 {
            assert_eq!(limiter.count(&one, 6, now), Ok(()));
        }
        let wait = Duration::from_secs(10);
        assert_eq!(limiter.count(&one, 6, now), Err(wait));
        assert_eq!(limiter.count(&one, 6, now), Err(wait), "what is refused does not count");
        assert_eq!(limiter.count(&other, 6, now), Ok(()), "each token alone");
        assert_eq!(limiter.count(&one, 6, now + wait), Ok(()));
        assert_eq!(limiter.count(&one, 6, now + wait), Err(wait));
    }
}
