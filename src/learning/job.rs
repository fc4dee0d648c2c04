//! What the trainer is told: `job.json`, and the rows beside it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::training::TrainError;
use crate::config::{ModelBounds, Window};
use crate::domain::Level;
use crate::store::{ExportError, FeatureList, Format, LogFilter, Reader};

/// A job as `models/retrain.py` reads it.
#[derive(Debug, Serialize)]
pub(super) struct Job<'a> {
    pub(super) rows: &'a Path,
    /// Where model, card and outcome go.
    pub(super) output: &'a Path,
    /// The model in force.
    pub(super) champion: &'a Path,
    /// This program, for the features of the corpus.
    pub(super) binary: PathBuf,
    pub(super) rules: &'a [PathBuf],
    pub(super) bounds: Bounds,
    pub(super) maintenance: &'a [Window],
    pub(super) min_samples: u32,
    pub(super) trained_at: Timestamp,
    /// A small part of the corpus and few trees, for tests.
    pub(super) quick: bool,
}

/// What the forest may do, as `models/joining.py` has it.
#[derive(Debug, Serialize)]
pub(super) struct Bounds {
    raises_from: f64,
    lowers_from: f64,
    /// A level's number; -1 where nothing may be lowered.
    lowers: i8,
}

impl From<ModelBounds> for Bounds {
    fn from(bounds: ModelBounds) -> Self {
        let number = |level: Level| i8::try_from(level.index()).unwrap_or(-1);
        Self {
            raises_from: bounds.raises_from,
            lowers_from: bounds.lowers_from,
            lowers: bounds.lowers.map_or(-1, number),
        }
    }
}

/// Writes the rows from `since` on as JSON lines, for their owner only, and gives how many were scored by the features of
/// this program.
pub(super) fn write_rows(reader: &Reader, since: Timestamp, path: &Path) -> Result<u64, TrainError> {
    let failed = |cause| TrainError::Directory {
        path: path.to_owned(),
        cause,
    };
    let file = create(path).map_err(failed)?;
    let filter = LogFilter {
        since: Some(since),
        limit: u32::MAX,
        ..LogFilter::default()
    };
    let features = Some(FeatureList::of_this_program());
    let written = reader.export(filter)?.write(Format::Json, features, file, |_| Ok(()));
    match written {
        Ok(exported) => Ok(exported.named),
        Err(ExportError::Store(error)) => Err(error.into()),
        Err(ExportError::Write(error)) => Err(failed(error)),
    }
}

/// Writes a job for its owner only.
pub(super) fn write(job: &Job<'_>, path: &Path) -> io::Result<()> {
    let mut file = create(path)?;
    serde_json::to_writer(&mut file, job)?;
    file.flush()
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::CommandId;
    use crate::risk::features;
    use crate::store::fixtures::{Fixture, name, scoring};
    use crate::store::{Feedback, NewCommand, Rater, Scoring};

    /// A command of a day in November that was scored by this program's features.
    async fn scored(fixture: &Fixture, day: u8) -> CommandId {
        let command = NewCommand {
            timestamp: format!("2026-11-{day:02}T00:00:00Z").parse().unwrap(),
            scoring: Some(Scoring {
                features: vec![0.5; features::NAMES.len()],
                feature_digest: features::digest().to_owned(),
                ..scoring(Level::High)
            }),
            ..fixture.running("ls")
        };
        fixture.store.record(command).await.unwrap()
    }

    /// What the trainer is given from the tenth of November on, and how many of these rows it can use.
    fn given(fixture: &Fixture) -> (Vec<Value>, u64) {
        let reader = Reader::open(&fixture.path()).unwrap();
        let path = fixture.dir.path().join("rows.jsonl");
        let count = write_rows(&reader, "2026-11-10T00:00:00Z".parse().unwrap(), &path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (rows.collect(), count)
    }

    #[tokio::test]
    async fn the_trainer_gets_columns_as_they_are_and_features_by_name() {
        let fixture = Fixture::new().await;
        for day in [1, 11, 12] {
            scored(&fixture, day).await;
        }
        // Judged by features that this program does not compute.
        fixture.store.record(fixture.held("rm x")).await.unwrap();

        let (rows, count) = given(&fixture);
        assert_eq!((rows.len(), count), (3, 2));
        assert_eq!(rows[0]["timestamp"], "2026-11-11T00:00:00.000000Z", "the oldest first");
        assert_eq!(rows[0]["features"]["command_length"], 0.5);
        assert_eq!(rows[0]["features"].as_object().unwrap().len(), features::NAMES.len());
        assert_eq!(rows[0]["user_confirmed"], Value::Null);
        assert_eq!(rows[2]["features"], Value::Null);
    }

    #[tokio::test]
    async fn the_trainer_gets_each_authors_last_rating_with_the_roles_of_that_moment() {
        let fixture = Fixture::new().await;
        let id = scored(&fixture, 11).await;
        let (tess, alice) = (("tess", &["trainer", "admin"][..]), ("alice", &["sre"][..]));
        for ((user, roles), rating) in [(tess, 1), (alice, 2), (tess, 5)] {
            let feedback = Feedback {
                by: Rater::User {
                    name: name(user),
                    roles: roles.iter().map(|role| name(role)).collect(),
                },
                rating: rating.try_into().unwrap(),
                comment: None,
                at: "2026-11-12T00:00:00Z".parse().unwrap(),
            };
            fixture.store.give_feedback(id, feedback).await.unwrap();
        }
        let (rows, _) = given(&fixture);
        let at = "2026-11-12T00:00:00.000000Z";
        let expected = json!({
            "tess": {"rating": 5, "roles": ["trainer", "admin"], "at": at},
            "alice": {"rating": 2, "roles": ["sre"], "at": at},
        });
        assert_eq!(rows[0]["ratings"], expected);
    }
}
