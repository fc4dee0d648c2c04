//! `files` of a policy.

use super::document::{Fault, Table, Value};
use super::path_pattern::PathPattern;
use super::settings::FileRule;
use super::values;

/// One rule about files.
pub(super) fn rule(table: &Table<'_>) -> Option<FileRule> {
    let operations = table
        .require(
            "ops",
            "list what the rule is about, as in ops = [\"write\", \"remove\"]",
        )
        .filter(is_given)
        .and_then(|value| value.parse_list(values::word));
    let paths = table
        .require("paths", "list absolute paths, as in paths = [\"/etc/**\"]")
        .filter(is_given)
        .and_then(|value| value.parse_list(pattern));
    let action = table
        .require("action", "say what is decided: allow, warn, confirm or deny")
        .and_then(|value| value.parse(values::word));
    table.finish(&[]);
    Some(FileRule {
        operations: operations?,
        paths: paths?,
        action: action?,
    })
}

/// Whether a list has members; an empty one is noted.
fn is_given(value: &Value<'_>) -> bool {
    let is_empty = value.items().is_some_and(|items| items.is_empty());
    if is_empty {
        value.error(Fault::new(
            "is empty, and so matches nothing",
            "name something, or remove the rule",
        ));
    }
    !is_empty
}

fn pattern(text: &str) -> Result<PathPattern, Fault> {
    PathPattern::new(text).ok_or_else(|| {
        Fault::new(
            format!("`{text}` is not a pattern of absolute paths"),
            "begin with `/`, leave out `.`, `..` and empty parts, and let `**` stand between slashes: \"/etc/**\"",
        )
    })
}
