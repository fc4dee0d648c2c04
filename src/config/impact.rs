//! `[impact]`: what evidence shows which impact.

use super::document::{Fault, Table, Value};
use super::values;
use crate::domain::{Impact, ImpactRules};

const MIB: u64 = 1 << 20;

/// The rules, each of which has a default.
pub(super) fn impact(table: &Table<'_>) -> Option<ImpactRules> {
    let usual = ImpactRules::default();
    let before_max_age = table.read("before_max_age", usual.before_max_age, |value| {
        value.parse(values::positive_duration)
    });
    let answers = table.read("answers", usual.answers, |value| value.parse_list(answer));
    let exit_code = at_most_minor(table, "exit_code", usual.exit_code);
    let signal = at_most_minor(table, "signal", usual.signal);
    let stderr = at_most_minor(table, "stderr", usual.stderr);
    let stderr_bytes = table.read("stderr_bytes", usual.stderr_bytes, Value::whole);
    let connection_lost = shows(table, "connection_lost", usual.connection_lost);
    let unreachable = shows(table, "unreachable", usual.unreachable);
    let restarted = shows(table, "restarted", usual.restarted);
    let mounts_gone = shows(table, "mounts_gone", usual.mounts_gone);
    let units_failed = shows(table, "units_failed", usual.units_failed);
    let users_gone = shows(table, "users_gone", usual.users_gone);
    let users_gone_count = count(table, "users_gone_count", usual.users_gone_count);
    let processes_gone = shows(table, "processes_gone", usual.processes_gone);
    let processes_gone_count = count(table, "processes_gone_count", usual.processes_gone_count);
    let disk_full = shows(table, "disk_full", usual.disk_full);
    let disk_full_percent = percent(table, "disk_full_percent", usual.disk_full_percent);
    let disk_use = shows(table, "disk_use", usual.disk_use);
    let disk_use_bytes = mib(table, "disk_use_mib", usual.disk_use_bytes);
    let disk_use_points = percent(table, "disk_use_points", usual.disk_use_points);
    let disk_touched = shows(table, "disk_touched", usual.disk_touched);
    let disk_touched_bytes = mib(table, "disk_touched_mib", usual.disk_touched_bytes);
    let load = shows(table, "load", usual.load);
    let load_high = table.read("load_high", usual.load_high, |value| {
        value.count().map(small).map(f64::from)
    });
    let memory_short = shows(table, "memory_short", usual.memory_short);
    let memory_short_percent = percent(table, "memory_short_percent", usual.memory_short_percent);
    let memory_use = shows(table, "memory_use", usual.memory_use);
    let memory_use_points = percent(table, "memory_use_points", usual.memory_use_points);
    table.finish(&[]);
    Some(ImpactRules {
        before_max_age: before_max_age?,
        answers: answers?,
        exit_code: exit_code?,
        signal: signal?,
        stderr: stderr?,
        stderr_bytes: stderr_bytes?,
        connection_lost: connection_lost?,
        unreachable: unreachable?,
        restarted: restarted?,
        mounts_gone: mounts_gone?,
        units_failed: units_failed?,
        users_gone: users_gone?,
        users_gone_count: users_gone_count?,
        processes_gone: processes_gone?,
        processes_gone_count: processes_gone_count?,
        disk_full: disk_full?,
        disk_full_percent: disk_full_percent?,
        disk_use: disk_use?,
        disk_use_bytes: disk_use_bytes?,
        disk_use_points: disk_use_points?,
        disk_touched: disk_touched?,
        disk_touched_bytes: disk_touched_bytes?,
        load: load?,
        load_high: load_high?,
        memory_short: memory_short?,
        memory_short_percent: memory_short_percent?,
        memory_use: memory_use?,
        memory_use_points: memory_use_points?,
    })
}

fn shows(table: &Table<'_>, key: &'static str, usual: Impact) -> Option<Impact> {
    table.read(key, usual, |value| value.parse(values::word))
}

/// How a command ended says little, whatever an admin would have it say.
fn at_most_minor(table: &Table<'_>, key: &'static str, usual: Impact) -> Option<Impact> {
    table.read(key, usual, |value| {
        value.parse(|text| values::choice(text, &[("none", Impact::None), ("minor", Impact::Minor)]))
    })
}

fn count(table: &Table<'_>, key: &'static str, usual: u32) -> Option<u32> {
    table.read(key, usual, |value| value.count().map(small))
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn mib(table: &Table<'_>, key: &'static str, usual: u64) -> Option<u64> {
    table.read(key, usual, |value| Some(value.whole()?.saturating_mul(MIB)))
}

fn percent(table: &Table<'_>, key: &'static str, usual: f64) -> Option<f64> {
    table.read(key, usual, |value| {
        let percent = u8::try_from(value.count()?).ok().filter(|percent| *percent <= 100);
        if percent.is_none() {
            value.error(Fault::new("is not from 1 to 100", "give a whole number of percent"));
        }
        percent.map(f64::from)
    })
}

/// `grep:1`: a program, and a status of it that is an answer.
fn answer(text: &str) -> Result<(String, i32), Fault> {
    let parts = text.rsplit_once(':');
    let answer = parts.and_then(|(program, code)| Some((program, code.parse::<u8>().ok()?)));
    match answer {
        Some((program, code @ 1..)) if !program.is_empty() => Ok((program.to_owned(), code.into())),
        _ => Err(Fault::new(
            format!("`{text}` is not a program and a status"),
            "give a program's name and an exit code from 1 to 255, as in \"grep:1\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigErrors};

    fn parsed(lines: &str) -> Result<ImpactRules, ConfigErrors> {
        Config::parse(&format!("[impact]\n{lines}"), Path::new("/etc/opspilot.toml")).map(|config| config.impact)
    }

    #[test]
    fn without_a_word_the_rules_are_the_usual_ones() {
        assert_eq!(parsed("").unwrap(), ImpactRules::default());
    }

    #[test]
    fn each_key_sets_its_rule() {
        let rules = parsed(
            "answers = [\"terraform:2\"]\nexit_code = \"none\"\nunits_failed = \"severe\"\ndisk_use_mib = 10\n\
             load_high = 8\nmemory_short_percent = 90\nusers_gone_count = 3\nbefore_max_age = \"1m\"",
        )
        .unwrap();
        let expected = ImpactRules {
            answers: vec![("terraform".to_owned(), 2)],
            exit_code: Impact::None,
            units_failed: Impact::Severe,
            disk_use_bytes: 10 * MIB,
            load_high: 8.0,
            memory_short_percent: 90.0,
            users_gone_count: 3,
            before_max_age: std::time::Duration::from_mins(1),
            ..ImpactRules::default()
        };
        assert_eq!(rules, expected);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "exit_code = \"moderate\"",
            "stderr = \"severe\"",
            "restarted = \"critical\"",
            "disk_full_percent = 101",
            "disk_full_percent = 0",
            "answers = [\"grep\"]",
            "answers = [\"grep:0\"]",
            "answers = [\":1\"]",
            "answers = [\"grep:256\"]",
            "disk_fill = \"minor\"",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
