//! Any text as a configuration: every fault is at a line of it, and is told in words that are safe to show.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use opspilot::config::{Config, Problem};

/// Whether it is told in words that are safe to show, at a line that there is.
fn is_told(problem: &Problem, lines: usize) {
    assert!(
        problem.line.is_none_or(|line| (1..=lines).contains(&line)),
        "{problem:?}"
    );
    let shown = problem.to_string();
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(
        !shown.contains(|character: char| character.is_control() && character != '\n'),
        "{problem:?}"
    );
}

fuzz_target!(|text: &str| {
    let lines = text.split('\n').count();
    match Config::parse(text, Path::new("/nowhere/opspilot.toml")) {
        Ok(config) => config.warnings.iter().for_each(|warning| is_told(warning, lines)),
        Err(errors) => {
            assert!(!errors.problems().is_empty());
            errors.problems().iter().for_each(|problem| {
                assert!(problem.line.is_some(), "{problem:?}");
                is_told(problem, lines);
            });
        }
    }
});
