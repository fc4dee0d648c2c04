//! Lives as real sessions write them: ordinary commands with their features, what was seen of the target before and after.

use serde_json::json;

use super::super::fixtures::{Fixture, confirmed, exited, name, scoring};
use super::super::{Aftermath, NewCommand, NewSnapshot, Outcome, Scoring};
use crate::command;
use crate::context::{LoadAvg, OsInfo, Snapshot, Usage};
use crate::domain::{Channel, Dialect, Impact, Level};
use crate::risk::{Circumstances, features};

/// Records so many, one after the other on eight hosts; every twentieth was asked about.
pub(super) async fn play(fixture: &Fixture, count: u32) {
    let lines = lines();
    for (number, line) in (0..count).zip(lines.iter().cycle()) {
        let (before, after) = (snapshot(number), snapshot(number + 1));
        let command = life(fixture, number, line, &before);
        let is_asked = command.decision == crate::domain::Decision::Confirm;
        let target = command.target.clone();
        let id = fixture.store.record(command).await.unwrap();
        if is_asked {
            fixture.store.resolve(id, confirmed()).await.unwrap();
        }
        let outcome = Outcome {
            cwd_after: Some("/srv/www".to_owned()),
            pipe_status: vec![0],
            aftermath: Aftermath {
                context_missing: Some("not taken yet".to_owned()),
                evidence: Some(json!({"unknown": "no snapshot after"})),
                ..Aftermath::default()
            },
            ..exited(0)
        };
        fixture.store.finish(id, outcome).await.unwrap();
        // At most one snapshot of a host in five seconds: commands that follow closely share it.
        if number.is_multiple_of(2) {
            fixture.store.save_snapshot(whole(&target, &after)).await.unwrap();
        }
        fixture
            .store
            .amend_context_after(id, aftermath(&before, &after))
            .await
            .unwrap();
    }
}

/// The lines of ordinary sessions.
fn lines() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sessions");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn life(fixture: &Fixture, number: u32, line: &str, before: &Snapshot) -> NewCommand {
    let script = command::parse(line, Dialect::Bash);
    let pattern = command::pattern(&script);
    let circumstances = Circumstances {
        snapshot: Some(before),
        snapshot_age_ms: Some(1_234 + u64::from(number) % 9_000),
        environment: Some("prod"),
        now_ms: Some(before.taken_at_ms),
        ..Circumstances::default()
    };
    let verdict = features::Verdict {
        reasons: &[],
        score: 0.0,
    };
    let mac = fixture.store.mac(format!("{number}").as_bytes());
    let base = if number.is_multiple_of(20) {
        fixture.held(line)
    } else {
        fixture.running(line)
    };
    let host = name(&format!("web-{}", number / 12 % 8));
    NewCommand {
        timestamp: jiff::Timestamp::from_millisecond(before.taken_at_ms + 1_234).unwrap(),
        host_info: super::super::HostInfo {
            target: host.clone(),
            ..base.host_info
        },
        target: host,
        channel: Channel::Shell,
        system_context: Some(before.compact(1_234 + u64::from(number) % 9_000)),
        command_hash: pattern.hash,
        pattern: pattern.text,
        scoring: Some(Scoring {
            reasons: json!([]),
            features: features::compute(&script, verdict, &circumstances),
            feature_digest: features::digest().to_owned(),
            model_digest: Some(fixture.store.mac(b"model")),
            final_risk_score: 0.016 + f64::from(number) / 77_777.7,
            ..scoring(Level::Low)
        }),
        command_mac: mac,
        ..base
    }
}

fn snapshot(number: u32) -> Snapshot {
    let used = 26_168_791_040 + u64::from(number) * 4_096 * 7;
    Snapshot {
        taken_at_ms: 1_795_429_474_181 + i64::from(number) * 11_113,
        os_info: OsInfo {
            distribution: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            kernel: Some("Linux 6.1.0-28-amd64".to_owned()),
            architecture: Some("x86_64".to_owned()),
        },
        uptime_s: Some(1_050_888 + u64::from(number) * 11),
        cpus: Some(4),
        load_avg: LoadAvg {
            one: Some(f64::from(number % 211) / 100.0),
            five: Some(0.72),
            fifteen: Some(0.66),
        },
        memory_usage: usage(25_276_502_016, 975_720_448 + u64::from(number) % 97 * 104_857_600),
        swap_usage: usage(1_073_737_728, 0),
        disk_usage: [
            ("/", used),
            ("/boot", 104_857_600),
            ("/var", used / 2 + u64::from(number) % 13 * 1_048_576),
        ]
        .map(|(mount, used)| (mount.to_owned(), usage(270_553_174_016, used)))
        .into(),
        users: Some(2),
        processes: Some(91 + number % 17),
        failed_units: Some(Vec::new()),
        utc_offset_minutes: Some(60),
        ..Snapshot::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 53 bits")]
fn usage(total: u64, used: u64) -> Usage {
    Usage {
        total: Some(total),
        used: Some(used),
        percent: Some((used as f64 / total as f64 * 1000.0).round() / 10.0),
    }
}

fn whole(target: &crate::domain::Name, snapshot: &Snapshot) -> NewSnapshot {
    NewSnapshot {
        target: target.clone(),
        taken_at: jiff::Timestamp::from_millisecond(snapshot.taken_at_ms).unwrap(),
        profile: serde_json::to_value(&snapshot.os_info).ok(),
        snapshot: snapshot.full(),
    }
}

fn aftermath(before: &Snapshot, after: &Snapshot) -> Aftermath {
    Aftermath {
        system_context: Some(after.compact(0)),
        impact: Some(Impact::None),
        evidence: Some(json!({
            "signs": [], "exit_code": 0, "signal": null, "stderr_length": null, "concurrent": 0, "confidence": 1.0,
            "before_taken_at_ms": before.taken_at_ms, "after_taken_at_ms": after.taken_at_ms
        })),
        ..Aftermath::default()
    }
}
