//! What a command did, by the evidence alone: never by what it was feared to do.
//!
//! How it ended says little; what differs between the host before and after says more. Without either, the impact
//! is not known, and that is said.

use serde_json::{Map, Value, json};

use super::Snapshot;
use super::changes::{Sign, conclusive, differences};
use crate::domain::{Impact, ImpactRules, whole_millis};

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
    /// Whether every connection to the target ended while it ran.
    pub connection_lost: bool,
    /// Whether the target did not answer when it was to be looked at afterwards.
    pub unreachable: bool,
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
pub fn classify(rules: &ImpactRules, evidence: &Evidence<'_>) -> (Option<Impact>, Value) {
    if !evidence.ran {
        return (None, json!({ "unknown": "it did not run" }));
    }
    let mut signs: Vec<Sign> = endings(rules, evidence).into_iter().flatten().collect();
    let compared = snapshots(rules, evidence).and_then(|(before, after)| {
        signs.extend(differences(rules, before, after));
        conclusive(before, after)
    });
    let gravest = signs
        .iter()
        .map(|sign| sign.impact)
        .filter(|impact| *impact > Impact::None)
        .max();
    let impact = gravest.or(compared.is_ok().then_some(Impact::None));
    (impact, stored(evidence, &signs, compared.err()))
}

/// The snapshots to compare, or why there are none.
fn snapshots<'a>(rules: &ImpactRules, evidence: &Evidence<'a>) -> Result<(&'a Snapshot, &'a Snapshot), &'static str> {
    let after = evidence.after.ok_or("no snapshot after")?;
    let before = evidence.before.ok_or("no snapshot before")?;
    let Ok(age_ms) = u64::try_from(evidence.started_at_ms.saturating_sub(before.taken_at_ms)) else {
        return Err("the snapshot before is from after the start");
    };
    if age_ms > whole_millis(rules.before_max_age) {
        return Err("the snapshot before is too old");
    }
    if after.taken_at_ms < evidence.started_at_ms {
        return Err("the snapshot after is too early");
    }
    Ok((before, after))
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
fn endings(rules: &ImpactRules, evidence: &Evidence<'_>) -> [Option<Sign>; 5] {
    let sign = |name, impact, detail| Sign { name, impact, detail };
    let stderr = evidence
        .stderr_length
        .filter(|length| *length >= rules.stderr_bytes.max(1));
    let failed = |code: &i32| *code != 0 && !rules.is_answer(evidence.programs, *code);
    let code = evidence.exit_code.filter(failed);
    let lost = |name, impact, is_so: bool| is_so.then(|| sign(name, impact, Value::Null));
    [
        lost("connection_lost", rules.connection_lost, evidence.connection_lost),
        lost("unreachable", rules.unreachable, evidence.unreachable),
        evidence
            .signal
            .map(|signal| sign("signal", rules.signal, json!(signal))),
        code.map(|code| sign("exit_code", rules.exit_code, json!(code))),
        stderr.map(|length| sign("stderr", rules.stderr, json!(length))),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::context::Usage;

    fn classify(evidence: &Evidence<'_>) -> (Option<Impact>, Value) {
        super::classify(&ImpactRules::default(), evidence)
    }

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
        let (too_old, too_late) = (at(1_000_499 - 5 * 60 * 1000), at(1_000_501));
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
    fn a_target_that_is_gone_needs_no_snapshot() {
        let ended = |connection_lost, unreachable| Evidence {
            exit_code: None,
            connection_lost,
            unreachable,
            ..ran()
        };
        assert_eq!(classify(&ended(true, false)).0, Some(Impact::Moderate));
        assert_eq!(classify(&ended(true, true)).0, Some(Impact::Severe));
        assert_eq!(classify(&ended(false, true)).0, Some(Impact::Severe));
    }

    #[test]
    fn standard_error_is_evidence_and_shows_nothing_until_the_rules_say_so() {
        let noisy = Evidence {
            stderr_length: Some(5000),
            ..ran()
        };
        let (impact, stored) = classify(&noisy);
        assert_eq!((impact, &stored["signs"][0]["sign"]), (None, &json!("stderr")));

        let strict = ImpactRules {
            stderr: Impact::Minor,
            stderr_bytes: 5000,
            ..ImpactRules::default()
        };
        assert_eq!(super::classify(&strict, &noisy).0, Some(Impact::Minor));
        let quieter = Evidence {
            stderr_length: Some(4999),
            ..noisy
        };
        assert_eq!(super::classify(&strict, &quieter).0, None);
    }

    #[test]
    fn what_is_an_answer_is_the_rules() {
        let rules = ImpactRules {
            answers: vec![("terraform".to_owned(), 2)],
            ..ImpactRules::default()
        };
        let exited = |programs, code| Evidence {
            exit_code: Some(code),
            programs,
            ..ran()
        };
        assert_eq!(super::classify(&rules, &exited(&["terraform"], 2)).0, None);
        assert_eq!(super::classify(&rules, &exited(&["grep"], 1)).0, Some(Impact::Minor));
    }

    #[test]
    fn confidence_falls_with_what_ran_at_the_same_time() {
        let confidence = |concurrent| classify(&Evidence { concurrent, ..ran() }).1["confidence"].clone();
        assert_eq!(
            [confidence(0), confidence(1), confidence(3)],
            [json!(1.0), json!(0.5), json!(0.25)]
        );
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
                    { "sign": "stderr", "impact": "none", "detail": 12 },
                    { "sign": "units_failed", "impact": "moderate", "detail": ["new.service"] },
                ],
                "exit_code": 1, "signal": null, "stderr_length": 12,
                "before_taken_at_ms": 1_000_000, "after_taken_at_ms": 1_001_000, "concurrent": 3, "confidence": 0.25,
            })
        );
    }
}
