#![expect(clippy::float_cmp, reason = "the specimen's probabilities are exact in binary")]

use std::fs::File;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::files::{MAX_CARD_BYTES, MAX_MODEL_BYTES, hex};
use super::specimen::{self, FEATURE_COUNT, FEATURES, card, files, load, load_bytes, specimen_bytes};
use super::*;
use crate::risk::features;

#[test]
fn a_sound_model_answers_with_the_mean_of_its_trees() {
    let forest = load(&specimen::model()).unwrap();
    let answer = forest.predict(&[0.0, 0.0, 0.0]).unwrap();
    assert_eq!(answer.probabilities, [0.5, 0.0, 0.5, 0.0]);
    assert_eq!(answer.level, Level::High, "of equals the graver");
    assert!((answer.confidence - 0.5).abs() < 1e-9);
    assert_eq!(forest.classes(), Level::ALL);
    assert_eq!(forest.digest(), hex(&Sha256::digest(specimen_bytes())));
}

#[test]
fn a_value_on_the_threshold_goes_to_the_lower_side() {
    let forest = load(&specimen::model()).unwrap();
    let level = |x| forest.predict(&[x, 0.0, -1.0]).unwrap().probabilities;
    assert_eq!(level(0.5), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(level(0.5_f32.next_up()), [0.5, 0.0, 0.0, 0.5]);
}

#[test]
fn the_votes_pass_through_the_calibration() {
    let bytes = specimen_bytes();
    let mut card = card(&bytes);
    card["calibration"]["high"] = json!({"x": [0.0, 0.5, 1.0], "y": [0.0, 1.0, 1.0]});
    card["golden"][1]["probabilities"] = json!([0.0, 0.0, 2.0 / 3.0, 1.0 / 3.0]);
    card["golden"][1]["level"] = json!("high");
    assert!(load_bytes(&bytes, &card).is_ok());
}

#[test]
fn rows_that_are_not_whole_are_refused() {
    let forest = load(&specimen::model()).unwrap();
    assert!(matches!(
        forest.predict(&[0.0; 2]),
        Err(ForestError::Length { found: 2, expected: 3 })
    ));
    assert!(matches!(forest.predict(&[]), Err(ForestError::Length { found: 0, .. })));
    for hostile in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert!(matches!(
            forest.predict(&[0.0, hostile, 0.0]),
            Err(ForestError::NotFinite(1))
        ));
    }
}

#[test]
fn a_forest_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Forest>();
}

#[test]
fn a_card_for_other_features_says_so() {
    let bytes = specimen_bytes();
    let (_keep, path) = files(&bytes, &card(&bytes));
    let error = Forest::load(&path, "0123456789abcdef", FEATURE_COUNT)
        .unwrap_err()
        .to_string();
    assert!(error.contains("trained on other features (digest 5eed)"), "{error}");
    assert!(error.contains("(digest 0123456789ab)"), "{error}");
    assert!(error.contains("models/train"), "{error}");
}

#[test]
fn a_card_that_does_not_fit_is_refused() {
    let cases: [(&str, Value, &str); 9] = [
        ("/format", json!(2), "format is 2"),
        (
            "/classes",
            json!(["low", "high", "medium", "critical"]),
            "classes are not low, medium",
        ),
        ("/features/names", json!(["a"]), "names 1 features instead of 3"),
        ("/golden", json!([]), "no golden rows"),
        ("/golden/0/level", json!("none"), "not a model card"),
        ("/golden/0/probabilities", json!([1.0]), "not a model card"),
        ("/golden/0/features/1", json!(1e300), "not a model card"),
        ("/calibration/low/y", json!([1.0, 0.0]), "curve for `low`"),
        ("/model/sha256", json!("00"), "not the model that its card describes"),
    ];
    let bytes = specimen_bytes();
    for (place, value, expected) in cases {
        let mut card = card(&bytes);
        *card.pointer_mut(place).unwrap() = value;
        let error = load_bytes(&bytes, &card).unwrap_err().to_string();
        assert!(error.contains(expected), "{place}: {error}");
    }
}

#[test]
fn a_model_that_answers_otherwise_than_its_card_says_is_refused() {
    let bytes = specimen_bytes();
    let wrong: [(&str, Value); 3] = [
        ("/golden/1/probabilities", json!([0.0, 0.0, 0.4999, 0.5001])),
        ("/golden/1/level", json!("high")),
        ("/golden/1/features", json!([0.6, 0.0])),
    ];
    for (place, value) in wrong {
        let mut card = card(&bytes);
        *card.pointer_mut(place).unwrap() = value;
        let error = load_bytes(&bytes, &card).unwrap_err();
        let ForestError::Model {
            cause: ModelError::Golden { row: 1, .. },
            ..
        } = error
        else {
            panic!("{error}")
        };
    }
}

#[test]
fn files_that_are_missing_too_large_or_no_files_are_refused() {
    let bytes = specimen_bytes();
    let (directory, path) = files(&bytes, &card(&bytes));
    let load = |path: &Path| Forest::load(path, FEATURES, FEATURE_COUNT).unwrap_err();
    assert!(
        matches!(load(&directory.path().join("other.onnx")), ForestError::Read { path, .. } if path.ends_with("other.onnx"))
    );
    File::create(path.with_extension("json"))
        .unwrap()
        .set_len(MAX_CARD_BYTES + 1)
        .unwrap();
    assert!(matches!(
        load(&path),
        ForestError::TooLarge {
            limit: MAX_CARD_BYTES,
            ..
        }
    ));
    File::create(&path).unwrap().set_len(MAX_MODEL_BYTES + 1).unwrap();
    assert!(matches!(
        load(&path),
        ForestError::TooLarge {
            limit: MAX_MODEL_BYTES,
            ..
        }
    ));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(load(&path).to_string().contains("not a regular file"));
}

#[test]
fn the_shipped_model_fits_this_program_and_answers_a_cold_start() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/risk.onnx");
    let forest = Forest::load(&model, features::digest(), features::NAMES.len())
        .expect("after a change of the features or the rules: models/train");
    let answer = forest.predict(&vec![features::MISSING; features::NAMES.len()]).unwrap();
    assert!((answer.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
}
