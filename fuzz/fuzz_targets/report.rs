//! Whatever a target answers to the probe: numbers are finite, lists are bounded, and texts are short and safe to show.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opspilot::context::parse;

/// As many file systems, twice, and units as are kept, with their texts, names and punctuation.
const LARGEST: usize = 200 * 1024;

fuzz_target!(|answer: &[u8]| {
    let output = [b"opspilot-begin-m\n", answer].concat();
    let snapshot = parse(&output, "m", 0).expect("an answer to this probe");
    let told = serde_json::to_string(&snapshot).expect("finite numbers");
    assert!(told.len() <= LARGEST, "{}", told.len());
    assert!(!told.contains("\\u00") && !told.contains(char::is_control), "{told}");
});
