//! What a command did, by the evidence alone: never by what it was feared to do.
//!
//! How it ended says little; what differs between the host before and after says more. Without either, the impact
//! is not known, and that is said.

use serde_json::{Map, Value, json};

use super::Snapshot;
use super::changes::{Sign, conclusive, differences};
use crate::domain::Impact;

/// A snapshot that was taken longer than this before the start says nothing of the moment before: 5 minutes.
const MAX_BEFORE_AGE_MS: i64 = 5 * 60 * 1000;
/// Programs for which a non-zero status is an answer, and that status.
const ANSWERS: &[(&str, i32)] = &[
    ("[", 1),
    ("[[", 1),
    ("ack", 1),
    ("ag", 1),
    ("cmp", 1),
    ("command", 1),
    ("diff", 1),
    ("egrep", 1),
    ("expr", 1),
    ("false", 1),
    ("fgrep", 1),
    ("getent", 2),
    ("grep", 1),
    ("mountpoint", 1),
    ("mountpoint", 32),
    ("pgrep", 1),
    ("pidof", 1),
    ("ping", 1),
    ("rg", 1),
    ("service", 3),
    ("systemctl", 3),
    ("systemctl", 4),
    ("test", 1),
    ("type", 1),
    ("which", 1),
    ("zgrep", 1),
];

/// What was observed of one command.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// Whether it was sent to the target at all.
    pub ran: bool,
    /// When it was sent, milliseconds since the Unix epoch, on the bastion's clock.
    pub started_at_ms: i64,
    /// Its exit code, where the target told one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, without `SIG`.
    pub signal: Option<&'a str>,
    /// Base names of the programs that its exit code may come from.
    pub programs: &'a [&'a str],
    /// Bytes that it wrote to standard error, where that is a stream of its own.
    pub stderr_length: Option<u64>,
    /// Whether the connection ended while it ran and the target could not be reached again.
    pub connection_lost: bool,
    /// The target's last snapshot from before the start.
    pub before: Option<&'a Snapshot>,
    /// A snapshot from after the end.
    pub after: Option<&'a Snapshot>,
    /// Other commands that ran on the target meanwhile; what changed may be their doing.
    pub concurrent: u32,
}

/// The impact that the evidence shows, and the evidence as it is stored: `actual_impact` and `impact_evidence`.
///
/// `None` means not known: it did not run, or nothing was seen and there are no two snapshots that could show anything.
#[must_use]
pub fn classify(evidence: &Evidence<'_>) -> (Option<Impact>, Value) {
    if !evidence.ran {
        return (None, json!({ "unknown": "it did not run" }));
    }
    let mut signs: Vec<Sign> = ending(evidence).into_iter().collect();
    let compared = snapshots(evidence).and_then(|(before, after)| {
        signs.extend(differences(before, after));
        conclusive(before, after)
    });
    let gravest = signs.iter().map(|sign| sign.impact).max();
    let impact = gravest.or(compared.is_ok().then_some(Impact::None));
    (impact, stored(evidence, &signs, compared.err()))
}

/// The snapshots to compare, or why there are none.
fn snapshots<'a>(evidence: &Evidence<'a>) -> Result<(&'a Snapshot, &'a Snapshot), &'static str> {
    let after = evidence.after.ok_or("no snapshot after")?;
    let before = evidence.before.ok_or("no snapshot before")?;
    match evidence.started_at_ms.saturating_sub(before.taken_at_ms) {
        ..0 => Err("the snapshot before is from after the start"),
        0..=MAX_BEFORE_AGE_MS if after.taken_at_ms < evidence.started_at_ms => Err("the snapshot after is too early"),
        0..=MAX_BEFORE_AGE_MS => Ok((before, after)),
        _ => Err("the snapshot before is too old"),
    }
}

fn stored(evidence: &Evidence<'_>, signs: &[Sign], incomparable: Option<&str>) -> Value {
    let signs: Vec<Value> = signs
        .iter()
        .map(|sign| json!({ "sign": sign.name, "impact": sign.impact, "detail": sign.detail }))
        .collect();
    let mut stored = Map::from_iter([
        ("signs".to_owned(), json!(signs)),
        ("exit_code".to_owned(), json!(evidence.exit_code)),
        ("signal".to_owned(), json!(evidence.signal)),
        ("stderr_length".to_owned(), json!(evidence.stderr_length)),
        (
            "before_taken_at_ms".to_owned(),
            json!(evidence.before.map(|snapshot| snapshot.taken_at_ms)),
        ),
        (
            "after_taken_at_ms".to_owned(),
            json!(evidence.after.map(|snapshot| snapshot.taken_at_ms)),
        ),
        ("concurrent".to_owned(), json!(evidence.concurrent)),
        ("confidence".to_owned(), json!(confidence(evidence.concurrent))),
    ]);
    if let Some(reason) = incomparable {
        stored.insert("unknown".to_owned(), json!(reason));
    }
    Value::Object(stored)
}

/// The share of what changed that is this command's, if it and the others are equally likely to have done it.
fn confidence(concurrent: u32) -> f64 {
    1.0 / (1.0 + f64::from(concurrent))
}

/// What the way it ended shows.
fn ending(evidence: &Evidence<'_>) -> Option<Sign> {
    if evidence.connection_lost {
        return Some(Sign {
            name: "target_lost",
            impact: Impact::Severe,
            detail: Value::Null,
        });
    }
    if let Some(signal) = evidence.signal {
        return Some(Sign {
            name: "killed",
            impact: Impact::Minor,
            detail: json!(signal),
        });
    }
    let code = evidence
        .exit_code
        .filter(|code| *code != 0 && !is_answer(evidence.programs, *code))?;
    Some(Sign {
        name: "exit_code",
        impact: Impact::Minor,
        detail: json!(code),
    })
}

fn is_answer(programs: &[&str], code: i32) -> bool {
    programs.iter().any(|program| ANSWERS.contains(&(*program, code)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::context::Usage;

    /// A host as it was at a moment.
    fn at(taken_at_ms: i64) -> Snapshot {
        Snapshot {
            taken_at_ms,
            uptime_s: Some(5000),
            failed_units: Some(Vec::new()),
            disk_usage: BTreeMap::from([("/".to_owned(), Usage::of(1000, 500))]),
            ..Snapshot::default()
        }
    }

    fn ran() -> Evidence<'static> {
        Evidence {
            ran: true,
            started_at_ms: 1_000_500,
            exit_code: Some(0),
            ..Evidence::default()
        }
    }

    #[test]
    fn the_way_it_ended_is_at_most_minor_and_nothing_where_it_is_an_answer() {
        let minor = Some(Impact::Minor);
        let rows = [
            ("rm", Some(0), None, None),
            ("rm", Some(1), None, minor),
            ("make", Some(255), None, minor),
            ("grep", Some(1), None, None),
            ("grep", Some(2), None, minor),
            ("diff", Some(1), None, None),
            ("test", Some(1), None, None),
            ("systemctl", Some(3), None, None),
            ("cat grep", Some(1), None, None),
            ("", Some(1), None, minor),
            ("grep", None, Some("KILL"), minor),
            ("rm", None, None, None),
        ];
        for (programs, exit_code, signal, alone) in rows {
            let programs: Vec<&str> = programs.split_whitespace().collect();
            let ended = Evidence {
                exit_code,
                signal,
                programs: &programs,
                ..ran()
            };
            assert_eq!(classify(&ended).0, alone, "{programs:?} {exit_code:?} {signal:?}");

            let (before, after) = (at(1_000_000), at(1_001_000));
            let unchanged = Evidence {
                before: Some(&before),
                after: Some(&after),
                ..ended
            };
            assert_eq!(
                classify(&unchanged).0,
                alone.or(Some(Impact::None)),
                "{programs:?} {exit_code:?} {signal:?}"
            );
        }
    }

    #[test]
    fn without_two_snapshots_that_fit_the_impact_is_not_known() {
        let (before, after) = (at(1_000_000), at(1_001_000));
        let (too_old, too_late) = (at(1_000_000 - MAX_BEFORE_AGE_MS), at(1_000_501));
        let rows = [
            (None, Some(&after), "no snapshot before"),
            (Some(&before), None, "no snapshot after"),
            (Some(&too_old), Some(&after), "the snapshot before is too old"),
            (
                Some(&too_late),
                Some(&after),
                "the snapshot before is from after the start",
            ),
            (Some(&before), Some(&before), "the snapshot after is too early"),
        ];
        for (before, after, reason) in rows {
            let (impact, stored) = classify(&Evidence { before, after, ..ran() });
            assert_eq!((impact, &stored["unknown"]), (None, &json!(reason)));
        }
    }

    #[test]
    fn what_did_not_run_had_no_impact_to_know() {
        assert_eq!(classify(&Evidence { ran: false, ..ran() }).0, None);
    }

    #[test]
    fn a_target_that_was_lost_is_severe_without_a_snapshot() {
        let evidence = Evidence {
            exit_code: None,
            connection_lost: true,
            ..ran()
        };
        assert_eq!(classify(&evidence).0, Some(Impact::Severe));
    }

    #[test]
    fn the_evidence_is_stored_with_what_may_have_blurred_it() {
        let before = at(1_000_000);
        let after = Snapshot {
            failed_units: Some(vec!["new.service".into()]),
            ..at(1_001_000)
        };
        let evidence = Evidence {
            exit_code: Some(1),
            programs: &["make"],
            stderr_length: Some(12),
            before: Some(&before),
            after: Some(&after),
            concurrent: 3,
            ..ran()
        };
        let (impact, stored) = classify(&evidence);

        assert_eq!(impact, Some(Impact::Moderate), "the gravest sign counts");
        assert_eq!(
            stored,
            json!({
                "signs": [
                    { "sign": "exit_code", "impact": "minor", "detail": 1 },
                    { "sign": "units_failed", "impact": "moderate", "detail": ["new.service"] },
                ],
                "exit_code": 1, "signal": null, "stderr_length": 12,
                "before_taken_at_ms": 1_000_000, "after_taken_at_ms": 1_001_000, "concurrent": 3, "confidence": 0.25,
            })
        );
    }
}
