//! The names that a configuration gives, as far as they can be read: what owners and policies may refer to.

use super::document::{Fault, Table};

/// Every name in the file, gathered before anything is parsed, so that one broken user does not break what refers to it.
#[derive(Debug, Default)]
pub(super) struct Names<'d> {
    pub(super) users: Vec<&'d str>,
    pub(super) robots: Vec<&'d str>,
    pub(super) roles: Vec<&'d str>,
    pub(super) targets: Vec<&'d str>,
    pub(super) logins: Vec<&'d str>,
    pub(super) labels: Vec<(&'d str, &'d str)>,
}

impl<'d> Names<'d> {
    pub(super) fn gather(users: &[Table<'d>], targets: &[Table<'d>]) -> Self {
        let mut names = Self {
            users: strings(users, "name"),
            roles: strings(users, "roles"),
            targets: strings(targets, "name"),
            logins: strings(targets, "login"),
            ..Self::default()
        };
        names.logins.extend(strings(targets, "logins"));
        let robots = users.iter().filter(|user| strings_of(user, "kind") == ["robot"]);
        names.robots = robots.flat_map(|user| strings_of(user, "name")).collect();
        names.labels = targets.iter().flat_map(labels).collect();
        names
    }
}

/// Refuses a name that stands in an earlier table under one of the keys.
pub(super) fn refuse_repeated(tables: &[Table<'_>], keys: &[&'static str], noun: &str) {
    let mut seen: Vec<(&str, usize, usize)> = Vec::new();
    let values = tables.iter().enumerate().flat_map(|(index, table)| {
        let values = keys.iter().filter_map(|key| table.get(key));
        values.map(move |value| (index, value))
    });
    for (index, value) in values {
        for name in value.strings() {
            match seen.iter().find(|(other, ..)| *other == name) {
                Some((_, owner, _)) if *owner == index => {}
                Some((_, _, line)) => value.error(Fault::new(
                    format!("`{name}` is already taken in line {line}"),
                    format!("give each {noun} a name of its own"),
                )),
                None => seen.push((name, index, value.line)),
            }
        }
    }
}

fn strings<'d>(tables: &[Table<'d>], key: &'static str) -> Vec<&'d str> {
    tables.iter().flat_map(|table| strings_of(table, key)).collect()
}

fn strings_of<'d>(table: &Table<'d>, key: &'static str) -> Vec<&'d str> {
    table.get(key).map(|value| value.strings()).unwrap_or_default()
}

fn labels<'d>(target: &Table<'d>) -> Vec<(&'d str, &'d str)> {
    let entries = target.entries_of("labels").into_iter();
    entries
        .flat_map(|(key, value)| value.strings().into_iter().map(move |text| (key, text)))
        .collect()
}
