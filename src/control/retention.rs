//! What is erased, and where: by the configuration of whoever has the record open.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::config::Config;
use crate::domain::Name;
use crate::recording;
use crate::store::{Prune, RemoveFile};

/// For how long what is kept, as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Commands and their sessions, days; `None` for ever.
    days: Option<u32>,
    /// Recordings of terminals, days; `None` for ever.
    recordings_days: Option<u32>,
    /// Where recordings are; `None` where that is not known.
    recordings: Option<PathBuf>,
    /// Places that events are sent to.
    ships: Vec<Name>,
}

impl Retention {
    /// What `config` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            days: config.store.retention_days,
            recordings_days: config.store.recordings_retention_days,
            recordings: config.store.recordings.clone(),
            ships: config.ship.iter().map(|ship| ship.name.clone()).collect(),
        }
    }

    /// What may go at this moment.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Prune {
        Prune {
            before: self.days.map(|days| days_before(now, days)),
            recordings_before: self.recordings_days.map(|days| days_before(now, days)),
            user: None,
            ships: self.ships.clone(),
        }
    }

    /// What somebody wants gone: all but the last days, or what is due; of everybody, or of one user. `None` where nothing
    /// would go because everything is kept.
    pub(super) fn wanted(&self, keep_days: Option<u32>, user: Option<Name>, now: Timestamp) -> Option<Prune> {
        if keep_days.is_none() && user.is_none() {
            return self.days.map(|_| self.due(now));
        }
        let before = keep_days.map(|days| days_before(now, days));
        Some(Prune {
            before,
            recordings_before: before,
            user,
            ships: self.ships.clone(),
        })
    }

    /// What removes the files of recordings; `None` where it is not known where they are.
    #[must_use]
    pub fn remover(&self) -> Option<RemoveFile> {
        let directory = self.recordings.clone()?;
        Some(Arc::new(move |name: &str| {
            let path = recording::locate(&directory, name).map_err(std::io::Error::other)?;
            recording::remove(&path)
        }))
    }
}

/// The moment so many days before; the first there is where that is too far.
fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(i64::from(days) * 24))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixtures::name;

    #[test]
    fn days_are_counted_back_from_the_moment() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(days_before(now, 365), "2025-11-22T12:00:00Z".parse().unwrap());
        assert_eq!(days_before(now, 0), now);
        assert!(days_before(now, u32::MAX) <= Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn what_is_wanted_is_what_was_said_or_else_what_is_due() {
        let retention = Retention {
            days: Some(30),
            recordings_days: Some(7),
            ships: vec![name("siem")],
            ..Retention::default()
        };
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let days_ago = |days| Some(days_before(now, days));
        let wanted = |keep_days, user| {
            let prune = retention.wanted(keep_days, user, now).unwrap();
            assert_eq!(prune.ships, [name("siem")]);
            (prune.before, prune.recordings_before, prune.user)
        };
        assert_eq!(wanted(None, None), (days_ago(30), days_ago(7), None));
        assert_eq!(wanted(Some(1), None), (days_ago(1), days_ago(1), None));
        let bob = Some(name("bob"));
        assert_eq!(wanted(None, bob.clone()), (None, None, bob.clone()));
        assert_eq!(wanted(Some(1), bob.clone()), (days_ago(1), days_ago(1), bob));

        let for_ever = Retention {
            recordings_days: Some(7),
            ..Retention::default()
        };
        assert!(for_ever.wanted(None, None, now).is_none());
        assert!(for_ever.wanted(Some(0), None, now).is_some());
    }
}
