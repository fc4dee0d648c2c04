//! `[[policies]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Fault, Table, Value};
use super::files;
use super::glob::{glob_matches, is_glob};
use super::names::Names;
use super::settings::Policy;
use super::{destination, values};
use crate::domain::{Channel, Decision, Level};

/// One policy, whose conditions may only speak of what is there.
pub(super) fn policy(table: &Table<'_>, names: &Names<'_>) -> Option<Policy> {
    let name = table
        .require("name", "name the policy: the record says which one decided")
        .and_then(|value| value.parse(values::title));
    let users = condition(table, "users", "user", &names.users);
    let roles = condition(table, "roles", "role", &names.roles);
    let targets = condition(table, "targets", "target", &names.targets);
    let logins = condition(table, "logins", "login", &names.logins);
    let labels = labels(table, names);
    let channels = table
        .require(
            "channels",
            "list what is allowed, as in channels = [\"shell\", \"exec\"]",
        )
        .and_then(|value| value.parse_list(values::word::<Channel>));
    let forward_to = table.read("forward_to", None, |value| {
        value.parse_list(destination::pattern).map(Some)
    });
    let decisions = decisions(table);
    let unknown = decision(table, "unknown");
    let remember = table.read("remember", Duration::ZERO, |value| value.parse(values::duration));
    let http_answers = table.read("http_answers", false, Value::flag);
    let files = table.tables("files").iter().map(files::rule).collect::<Vec<_>>();
    table.finish(&[]);
    Some(Policy {
        name: name?,
        users: users?,
        roles: roles?,
        targets: targets?,
        labels: labels?,
        logins: logins?,
        channels: channels?,
        forward_to: forward_to?,
        decisions: decisions?,
        unknown: unknown?,
        remember: remember?,
        http_answers: http_answers?,
        files: files.into_iter().collect::<Option<_>>()?,
    })
}

/// Names and patterns; `None` where the condition is not given, so that it always holds.
type Condition = Option<Vec<String>>;

/// One condition; `None` where it is wrong.
fn condition(table: &Table<'_>, key: &'static str, noun: &str, names: &[&str]) -> Option<Condition> {
    let Some(value) = table.get(key) else {
        return Some(None);
    };
    let items = value.items()?;
    if items.is_empty() {
        value.error(Fault::new(
            "is empty, and so matches nothing",
            "leave the key out to match everything, or remove the policy",
        ));
        return None;
    }
    let patterns: Vec<_> = items.iter().map(|item| reference(item, noun, names)).collect();
    patterns.into_iter().collect::<Option<Vec<_>>>().map(Some)
}

/// One name, which must exist, or pattern, which should match one that does.
fn reference(item: &Value<'_>, noun: &str, names: &[&str]) -> Option<String> {
    let text = item.text()?;
    if !names.iter().any(|name| glob_matches(text, name)) {
        let fault = Fault::new(
            format!("there is no {noun} `{text}`"),
            format!("{}; known: {}", "correct the name or add it", list(names)),
        );
        if !is_glob(text) {
            item.error(fault);
            return None;
        }
        item.warn(Fault::new(format!("no {noun} matches `{text}`"), fault.remedy));
    }
    Some(text.to_owned())
}

fn list(names: &[&str]) -> String {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

fn labels(table: &Table<'_>, names: &Names<'_>) -> Option<BTreeMap<String, String>> {
    let entries = table.table("labels").values();
    let parsed: Vec<_> = entries
        .into_iter()
        .map(|(key, value)| {
            let text = value.parse(|text| label(key, text, names))?;
            Some((key.to_owned(), text))
        })
        .collect();
    parsed.into_iter().collect()
}

fn label(key: &str, text: &str, names: &Names<'_>) -> Result<String, Fault> {
    if names.labels.contains(&(key, text)) {
        return Ok(text.to_owned());
    }
    let known: Vec<_> = names
        .labels
        .iter()
        .map(|(key, value)| format!("{key} = \"{value}\""))
        .collect();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    Err(Fault::new(
        format!("no target has the label {key} = \"{text}\""),
        format!("correct the label or add it to a target; known: {}", list(&known)),
    ))
}

fn decisions(table: &Table<'_>) -> Option<[Decision; Level::ALL.len()]> {
    let given = [
        decision(table, "low"),
        decision(table, "medium"),
        decision(table, "high"),
        decision(table, "critical"),
    ];
    let [Some(low), Some(medium), Some(high), Some(critical)] = given else {
        return None;
    };
    Some([low, medium, high, critical])
}

fn decision(table: &Table<'_>, key: &'static str) -> Option<Decision> {
    table
        .require(key, "every level must be given: allow, warn, confirm or deny")
        .and_then(|value| value.parse(values::word))
}
