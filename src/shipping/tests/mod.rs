//! Shipping to real files and real receivers, which stall, close, and come back.

mod files;
mod receiver;
mod streams;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Shipping;
use crate::config::Config;
use crate::domain::{CommandId, Name};
use crate::store::fixtures::{Fixture, exited};

/// The longest that anything here may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// The configuration with one place; `keys` are the lines of its table.
fn config(fixture: &Fixture, keys: &str) -> Config {
    let text = format!("[[ship]]\nname = \"siem\"\n{keys}");
    Config::parse(&text, &fixture.dir.path().join("opspilot.toml")).unwrap()
}

/// Starts to ship; blocking, as the daemon does before it serves.
fn ship(fixture: &Fixture, keys: &str) -> Shipping {
    let (config, store) = (config(fixture, keys), fixture.store.clone());
    std::thread::spawn(move || Shipping::start(&config, &store).unwrap())
        .join()
        .unwrap()
}

/// So many commands, each recorded and finished; their numbers.
async fn commands(fixture: &Fixture, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in 0..count {
        let CommandId(id) = fixture
            .store
            .record(fixture.running(&format!("echo {number}")))
            .await
            .unwrap();
        fixture.store.finish(CommandId(id), exited(0)).await.unwrap();
        ids.push(id);
    }
    ids
}

/// Awaits what another thread brings about.
#[expect(
    clippy::disallowed_methods,
    reason = "a pause between two looks at what other threads do"
)]
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The numbers of the events in these lines, as they came.
fn seqs(lines: &[Value]) -> Vec<i64> {
    lines.iter().map(|line| line["seq"].as_i64().unwrap()).collect()
}

/// The last event of the record. Signatures are among the events.
fn last(fixture: &Fixture) -> i64 {
    fixture.store.reader().unwrap().last_event().unwrap()
}

/// Whether each event of the record is among the lines.
fn has_all(fixture: &Fixture, lines: &[Value]) -> bool {
    let found: BTreeSet<i64> = seqs(lines).into_iter().collect();
    (1..=last(fixture)).all(|seq| found.contains(&seq))
}

fn mark(fixture: &Fixture) -> i64 {
    let place: Name = "siem".parse().unwrap();
    fixture.store.reader().unwrap().shipped_to(&place).unwrap().unwrap()
}

fn lines_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last one may be on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
