//! The shipped rules on any text: the level is that of the gravest, and medium at least where the text was not understood.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use opspilot::command::parse;
use opspilot::config::Config;
use opspilot::domain::{Dialect, Level};
use opspilot::risk::{Assessor, Circumstances};

static ASSESSOR: LazyLock<Assessor> = LazyLock::new(|| {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/rules.toml");
    let text = format!("[risk]\nrules = [\"{rules}\"]\nmodel = \"\"\n");
    let settings = Config::parse(&text, Path::new("/opspilot.toml"))
        .expect("a sound configuration")
        .risk;
    Assessor::load(&settings).expect("the shipped rules")
});

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        let script = parse(text, *dialect);
        let assessment = ASSESSOR.assess(&script, &Circumstances::default());
        let gravest = assessment.reasons.iter().map(|reason| reason.level).max();
        assert_eq!(assessment.rule_level, gravest.unwrap_or(Level::Low));
        assert!(assessment.level >= assessment.rule_level);
        assert!(script.understood() || assessment.level >= Level::Medium, "{text}");
    }
});
