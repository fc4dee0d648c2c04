//! Whether the record can be read, and every page of it is sound.

use crate::config::{Config, Problem};
use crate::store::{Reader, StoreError};

/// What is wrong with the database; one that is not there yet is made at the first start.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    if !config.store.path.exists() {
        return Vec::new();
    }
    let remedy = "restore a backup over it, with the daemon stopped, or move it aside to start an empty record";
    match Reader::open(&config.store.path).and_then(|reader| reader.faults()) {
        Ok(faults) => {
            let damaged = |fault| format!("{} is damaged: {fault}", config.store.path.display());
            let problems = faults
                .into_iter()
                .map(|fault| config.problem("store.path", damaged(fault), remedy));
            problems.collect()
        }
        // The next start brings it up to date.
        Err(StoreError::Open { source, .. }) if matches!(*source, StoreError::Outdated { .. }) => Vec::new(),
        Err(error) => vec![config.problem("store.path", error.to_string(), remedy)],
    }
}
