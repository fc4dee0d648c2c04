//! When the screen has caught up with the keys.

use std::time::{Duration, Instant};

/// Silence after which an echo counts as complete.
const SILENCE: Duration = Duration::from_millis(60);

/// The longest wait for silence, from when the last key's echo was due.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// How long the first echo of a line is waited for. What stays silent for so long is typed with echo off.
const SILENT_INPUT: Duration = Duration::from_secs(1);

/// When keys went out and output came in, and how far the echo lags behind.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// How long an echo takes, by those seen lately.
    lag: Duration,
    first_key: Option<Instant>,
    last_key: Option<Instant>,
    last_output: Option<Instant>,
    /// The first key that nothing has come back for.
    unanswered: Option<Instant>,
}

impl Echo {
    /// A new line begins.
    pub(super) fn begin(&mut self) {
        *self = Self {
            lag: self.lag,
            ..Self::default()
        };
    }

    /// A key was sent.
    pub(super) fn key(&mut self, now: Instant) {
        self.first_key.get_or_insert(now);
        self.last_key = Some(now);
        self.unanswered.get_or_insert(now);
    }

    /// Output has come. Says whether it may be the answer to a key.
    pub(super) fn output(&mut self, now: Instant) -> bool {
        let expected = self
            .last_key
            .is_some_and(|key| now <= key + SILENT_INPUT + 4 * self.lag);
        if let Some(key) = self.unanswered.take() {
            self.learn(now.saturating_duration_since(key).min(SILENT_INPUT));
        }
        self.last_output = Some(now);
        expected
    }

    /// Whether nothing at all has come back since the line began.
    pub(super) fn is_silent(&self) -> bool {
        self.last_output.is_none()
    }

    /// When the screen shows all that was typed. `None` where nothing was.
    pub(super) fn complete_at(&self) -> Option<Instant> {
        let (first_key, last_key) = self.first_key.zip(self.last_key)?;
        let due = last_key + self.lag + self.lag / 2;
        Some(match self.last_output {
            None => (first_key + SILENT_INPUT).max(due + LONGEST_WAIT),
            Some(output) => (output.max(due) + SILENCE).min(due + LONGEST_WAIT),
        })
    }

    /// Follows a growing lag at once, and a shrinking one slowly.
    fn learn(&mut self, lag: Duration) {
        self.lag = lag.max((3 * self.lag + lag) / 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn an_echo_is_complete_after_a_short_silence() {
        let (mut echo, start) = (Echo::default(), Instant::now());
        assert_eq!(echo.complete_at(), None, "nothing was typed");
        echo.key(start);
        assert!(echo.output(start + millis(4)));
        assert_eq!(
            echo.complete_at(),
            Some(start + millis(6) + SILENCE),
            "a key may have two answers"
        );
        echo.output(start + millis(200));
        assert_eq!(
            echo.complete_at(),
            Some(start + millis(6) + LONGEST_WAIT),
            "but not for ever"
        );
    }

    #[test]
    fn the_silence_is_as_much_longer_as_the_echo_lags() {
        let (mut echo, start) = (Echo::default(), Instant::now());
        echo.key(start);
        echo.output(start + millis(300));
        let next = start + millis(2000);
        echo.begin();
        echo.key(next);
        echo.output(next + millis(1));
        assert!(echo.complete_at().unwrap() > next + millis(300));
    }

    #[test]
    fn what_is_never_echoed_is_waited_for_longer_and_only_once() {
        let (mut echo, start) = (Echo::default(), Instant::now());
        echo.key(start);
        assert!(echo.is_silent());
        assert_eq!(echo.complete_at(), Some(start + SILENT_INPUT));
        echo.key(start + millis(3000));
        assert_eq!(echo.complete_at(), Some(start + millis(3000) + LONGEST_WAIT));
    }

    #[test]
    fn output_long_after_the_last_key_is_no_answer() {
        let (mut echo, start) = (Echo::default(), Instant::now());
        assert!(!echo.output(start), "no key at all");
        echo.key(start);
        assert!(!echo.output(start + millis(1500)));
    }
}
