//! Any bytes as a model, and any text as the card of a sound one: they are refused, or make a forest that answers with a distribution.
//! What the engine panics at is the file's fault; a panic of the loader's own is not.
#![no_main]

use std::fs::write;
use std::panic;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use opspilot::risk::{Forest, ModelFiles};
use tempfile::TempDir;

/// A sound model of two stumps; what follows its first byte.
const MODEL: &[u8] = include_bytes!("../seeds/model/sound");
/// The card of a sound model of three features, which names its digest so.
const CARD: &[u8] = include_bytes!("../seeds/model/card");
const DIGEST: &str = "DIGEST";

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory"));

fn quiet_for_libraries() {
    let abort = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|place| place.file().contains("/registry/")) {
            abort(info);
        }
    }));
}

fn files(model: &[u8], card: &[u8]) -> ModelFiles {
    let path: PathBuf = DIRECTORY.path().join("risk.onnx");
    write(&path, model).expect("a model");
    let card_path = path.with_extension("json");
    write(&card_path, card).expect("a card");
    let digest = ModelFiles::read(&path).expect("what was written").digest();
    let card = String::from_utf8_lossy(card).replace(DIGEST, &digest);
    write(card_path, card).expect("a card");
    ModelFiles::read(&path).expect("what was written")
}

fuzz_target!(init: quiet_for_libraries(), |bytes: &[u8]| {
    let files = match bytes.split_first() {
        Some((b'c', card)) => files(&MODEL[1..], card),
        Some((_, model)) => files(model, &CARD[1..]),
        None => return,
    };
    drop(files.facts());
    if let Ok(forest) = Forest::verify(&files, "5eed", 3) {
        for row in [[0.0; 3], [f32::MAX; 3], [-1.0, 0.5, f32::MIN_POSITIVE]] {
            if let Ok(seen) = forest.predict(&row) {
                let sum: f64 = seen.probabilities.iter().sum();
                assert!((sum - 1.0).abs() < 1e-6 && seen.probabilities.iter().all(|each| (0.0..=1.0).contains(each)), "{seen:?}");
            }
        }
    }
});
