//! Whether a model that was trained may take the place of the one in force.

use super::measured::{Figures, Ground, Trained};

/// Grave commands that must be among the held-out rows, or nothing is known of recall.
const LEAST_POSITIVES: u64 = 20;
/// What the share of benign commands that are flagged may rise by: a tenth of a percentage point.
const FALSE_POSITIVES_MAY_RISE: f64 = 0.001;
/// Golden lines that are named at most.
const NAMED: usize = 3;

/// What speaks against the model, in plain words; nothing where it is better.
pub(super) fn objections(trained: &Trained) -> Vec<String> {
    let mut found = Vec::new();
    if trained.positives < LEAST_POSITIVES {
        found.push(format!(
            "only {} of the held-out commands were high or critical; {LEAST_POSITIVES} are needed",
            trained.positives
        ));
    }
    match &trained.figures.both {
        Some(ground) => found.extend(worse(ground)),
        None => found.push("there was nothing to compare it on".to_owned()),
    }
    found.extend(fallen(trained));
    found
}

fn worse(ground: &Ground) -> Vec<String> {
    let (before, after) = (ground.champion, ground.challenger);
    let recall = is_lower(before.recall, after.recall, 0.0).then(|| {
        format!(
            "recall on high and critical falls {}",
            change(before, after, |figures| figures.recall)
        )
    });
    let alarms = is_lower(after.false_positives, before.false_positives, FALSE_POSITIVES_MAY_RISE).then(|| {
        let change = change(before, after, |figures| figures.false_positives);
        format!("false positives rise {change}, by more than 0.1 point")
    });
    // Not a number is not better either.
    let brier = !matches!(after.brier.partial_cmp(&before.brier), Some(std::cmp::Ordering::Less));
    let brier = brier.then(|| {
        format!(
            "the Brier score is not better ({:.4}, was {:.4})",
            after.brier, before.brier
        )
    });
    [recall, alarms, brier].into_iter().flatten().collect()
}

/// Whether `second` is below `first` by more than that; what is not known counts as lower.
fn is_lower(first: Option<f64>, second: Option<f64>, allowed: f64) -> bool {
    first.zip(second).is_none_or(|(first, second)| first - second > allowed)
}

fn change(before: Figures, after: Figures, of: fn(&Figures) -> Option<f64>) -> String {
    let percent = |share: Option<f64>| share.map_or("unknown".to_owned(), |share| format!("{:.2}%", 100.0 * share));
    format!("from {} to {}", percent(of(&before)), percent(of(&after)))
}

fn fallen(trained: &Trained) -> Option<String> {
    let golden = &trained.golden_fallen;
    if !golden.is_empty() {
        let named: Vec<_> = golden.iter().take(NAMED).map(|line| format!("`{line}`")).collect();
        return Some(format!(
            "{} golden lines fall a level: {}",
            golden.len(),
            named.join(", ")
        ));
    }
    let patterns = trained.irreversible_fallen;
    (patterns > 0).then(|| format!("{patterns} irreversible patterns of the record fall a level"))
}

#[cfg(test)]
mod tests {
    use super::super::measured::{Grounds, Rows};
    use super::*;

    const CHAMPION: Figures = Figures {
        recall: Some(0.9),
        false_positives: Some(0.01),
        brier: 0.3,
    };

    /// A model that is just good enough.
    fn good() -> Trained {
        let challenger = Figures {
            false_positives: Some(0.0109),
            brier: 0.299,
            ..CHAMPION
        };
        Trained {
            model_digest: "22".repeat(32),
            rows: Rows {
                read: 300,
                labelled: 200,
            },
            positives: LEAST_POSITIVES,
            figures: Grounds {
                both: Some(Ground {
                    champion: CHAMPION,
                    challenger,
                }),
            },
            golden_fallen: Vec::new(),
            irreversible_fallen: 0,
        }
    }

    fn with(change: impl FnOnce(&mut Figures)) -> Trained {
        let mut trained = good();
        if let Some(ground) = &mut trained.figures.both {
            change(&mut ground.challenger);
        }
        trained
    }

    #[test]
    fn a_model_that_is_better_in_every_way_is_promoted() {
        assert_eq!(objections(&good()), [] as [String; 0]);
    }

    #[test]
    fn each_thing_that_is_worse_keeps_it_out_and_is_named() {
        let cases = [
            (
                with(|new| new.recall = Some(0.8999)),
                "recall on high and critical falls from 90.00%",
            ),
            (with(|new| new.recall = None), "to unknown"),
            (
                with(|new| new.false_positives = Some(0.0111)),
                "false positives rise from 1.00% to 1.11%",
            ),
            (
                with(|new| new.brier = 0.3),
                "Brier score is not better (0.3000, was 0.3000)",
            ),
            (with(|new| new.brier = f64::NAN), "Brier score is not better"),
            (
                Trained {
                    positives: LEAST_POSITIVES - 1,
                    ..good()
                },
                "only 19 of the held-out commands",
            ),
            (
                Trained {
                    golden_fallen: vec!["rm -rf /".to_owned()],
                    ..good()
                },
                "1 golden lines fall a level: `rm -rf /`",
            ),
            (
                Trained {
                    irreversible_fallen: 2,
                    ..good()
                },
                "2 irreversible patterns",
            ),
            (
                Trained {
                    figures: Grounds { both: None },
                    ..good()
                },
                "nothing to compare it on",
            ),
        ];
        for (trained, expected) in cases {
            let found = objections(&trained);
            assert!(
                matches!(found.as_slice(), [only] if only.contains(expected)),
                "{expected}: {found:?}"
            );
        }
    }
}
