//! docs/origins.md: every part of the original design has its line, and every test that a line names exists.

use std::fs;
use std::path::{Path, PathBuf};

/// What the original design had.
const ORIGINAL: &[&str] = &[
    "collect_command_execution",
    "start_execution_timer",
    "finalize_command_collection",
    "get_training_dataset(days_back, min_samples)",
    "extract_features",
    "map_impact_to_labels",
    "train_model(min_samples)",
    "should_retrain",
    "get_analytics_summary",
    "get_model_performance",
    "export_training_data",
    "cleanup_old_data(keep_days)",
    "command_executions",
    "command_patterns",
    "user_behavior",
    "system_contexts",
    "training_sessions",
    "/ask",
    "/ml/feedback",
    "/ml/train",
];

/// A line of a table: what was, and what shows what became of it.
struct Line {
    original: String,
    shown_by: String,
}

fn house() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn lines() -> Vec<Line> {
    let text = fs::read_to_string(house().join("docs/origins.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [original, _here, shown_by] = cells.as_slice() else {
            panic!("not three cells: {row}")
        };
        (*original != "original").then(|| Line {
            original: (*original).to_owned(),
            shown_by: (*shown_by).to_owned(),
        })
    })
    .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Why what a line names does not show anything; `None` where it does.
fn fault(house: &Path, shown_by: &str) -> Option<String> {
    let [file, test] = quoted(shown_by)[..] else {
        return Some(format!("not a file and a test: {shown_by}"));
    };
    let source = fs::read_to_string(house.join(file)).unwrap_or_default();
    let found = source.contains(&format!("fn {test}(")) || source.contains(&format!("def {test}("));
    (!found).then(|| format!("there is no {test} in {file}"))
}

#[test]
fn every_part_of_the_original_design_has_its_line() {
    let rows = lines();
    let has_line = |part: &str| rows.iter().any(|line| line.original == format!("`{part}`"));
    let missing: Vec<_> = ORIGINAL.iter().filter(|part| !has_line(part)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let faults: Vec<_> = lines()
        .iter()
        .filter_map(|line| Some(format!("{}: {}", line.original, fault(&house(), &line.shown_by)?)))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_test_that_is_not_there_would_be_noticed() {
    let fault = |shown_by: &str| fault(&house(), shown_by);
    assert_eq!(
        fault("`tests/integration/origins.rs` `a_test_that_is_not_there_would_be_noticed`"),
        None
    );
    assert!(fault("`tests/integration/origins.rs` `no_such_test`").is_some());
    assert!(fault("`tests/nowhere.rs` `fault`").is_some());
    assert!(fault("nothing").is_some());
}
