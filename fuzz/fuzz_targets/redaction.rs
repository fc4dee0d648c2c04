//! A secret in the place of one: it is gone after redaction, whatever stands behind it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opspilot::command::{parse, redact};
use opspilot::domain::Dialect;

/// No text that a fuzzer makes up holds it.
const SECRET: &str = "qX7vT2mZ9kLp4RwY";
const FORMS: &[&str] = &[
    "mysql -p% db",
    "app --password % run",
    "API_TOKEN=% app",
    "curl -u bob:% x",
    "curl https://bob:%@host/",
];

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        drop(redact(&parse(text, *dialect)));
    }
    // A value that becomes a program is no secret.
    if text.contains(SECRET) || text.contains(['$', '`']) || text.len() > 4_096 {
        return;
    }
    for form in FORMS {
        let line = format!("{}\n{text}", form.replace('%', SECRET));
        let script = parse(&line, Dialect::Bash);
        if script.understood() {
            assert!(!redact(&script).contains(SECRET), "{line}");
        }
    }
});
