//! Any text in any dialect: it is read within the bounds, every word points into it, and it has a pattern.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opspilot::command::{parse, pattern};
use opspilot::domain::Dialect;

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        let script = parse(text, *dialect);
        assert!(script.commands.len() <= 4_000, "{}", script.commands.len());
        for word in script.commands.iter().flat_map(|command| &command.words) {
            assert!(text.get(word.span.clone()).is_some(), "{:?}", word.span);
        }
        assert_eq!(pattern(&script).hash.len(), 32);
    }
});
