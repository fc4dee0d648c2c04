//! The rule of floors: a room uses only rooms on lower floors, never a neighbour on its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room with its floor, from the ground up. A new room is entered here first.
const FLOORS: &[(&str, u8)] = &[
    ("domain", 0),
    ("config", 1),
    ("command", 1),
    ("context", 1),
    ("sftp", 1),
    ("risk", 2),
    ("policy", 2),
    ("terminal", 2),
    ("store", 3),
    ("recording", 3),
    ("sandbox", 3),
    ("gate", 4),
    ("shipping", 4),
    ("learning", 4),
    ("helper", 4),
    ("gateway", 5),
    ("control", 5),
    ("http", 6),
    ("cli", 7),
];

#[test]
fn rooms_use_only_rooms_on_lower_floors() {
    let mut faults = Vec::new();
    for (room, file) in sources() {
        let text = fs::read_to_string(&file).unwrap();
        faults.extend(used_rooms(&text).iter().filter_map(|used| fault(&room, used, &file)));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_room_has_a_floor_and_every_floor_its_rooms() {
    let mut built: Vec<String> = sources().into_iter().map(|(room, _)| room).collect();
    built.sort();
    built.dedup();
    let mut drawn: Vec<&str> = FLOORS.iter().map(|(room, _)| *room).collect();
    drawn.sort_unstable();
    assert_eq!(built, drawn, "src/ and the table of floors differ");
}

#[test]
fn a_bad_edge_would_be_caught() {
    let verdict = |room, line: &str| {
        let used = used_rooms(line);
        assert_eq!(used.len(), 1, "{line}: {used:?}");
        fault(room, &used[0], Path::new("x.rs"))
    };
    assert_eq!(verdict("gate", "use crate::store::Store;"), None);
    assert_eq!(
        verdict("gate", "use crate::gate::Permit;"),
        None,
        "a room may speak of itself"
    );
    assert!(verdict("store", "use crate::gate::Permit;").is_some(), "upward");
    assert!(
        verdict("risk", "fn f(policy: &crate::policy::Rule) {}").is_some(),
        "sideways, without a use"
    );
    assert!(verdict("cli", "use crate::attic::Box;").is_some(), "no such room");
}

#[test]
fn every_way_to_name_a_room_is_read_and_nothing_else() {
    let text = "\
//! See `crate::cli`.
use crate::{
    domain::{Level, Name},
    config::Config,
    store,
};
pub(in crate::gateway) fn f(x: &crate::risk::Reason) {} // not crate::cli
#[cfg(test)]
mod tests {
    use crate::cli;
}
";
    assert_eq!(used_rooms(text), ["domain", "config", "store", "gateway", "risk"]);
}

/// Why `room` may not use `used`, if it may not.
fn fault(room: &str, used: &str, file: &Path) -> Option<String> {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let file = file.display();
    match (floors.get(room), floors.get(used)) {
        (None, _) => Some(format!("{file}: the room `{room}` has no floor")),
        (_, None) => Some(format!("{file}: `crate::{used}` is not a room with a floor")),
        (Some(own), Some(other)) if used == room || other < own => None,
        (Some(own), Some(other)) => Some(format!("{file}: `{room}` (floor {own}) uses `{used}` (floor {other})")),
    }
}

/// The rooms that a source file names by `crate::`, outside comments and its tests, in order.
fn used_rooms(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    code.split("crate::").skip(1).flat_map(first_segments).collect()
}

/// `store::Store` is `store`; `{domain::{Level, Name}, config}` is `domain` and `config`.
fn first_segments(path: &str) -> Vec<String> {
    let segment = |path: &str| {
        let path = path.trim_start();
        path.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![segment(path)];
    };
    let mut depth = 0;
    let top_level = group.split_inclusive(['{', '}', ',']).filter(|piece| {
        let at_top = depth == 0;
        depth += i32::from(piece.ends_with('{')) - i32::from(piece.ends_with('}'));
        at_top
    });
    top_level.map(segment).filter(|name| !name.is_empty()).collect()
}

/// Every source file inside a room, with the room's name; `main.rs` and `lib.rs` are the house itself.
fn sources() -> Vec<(String, PathBuf)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = entries(&src).into_iter().filter(|entry| entry.is_dir());
    rooms
        .flat_map(|room| {
            let name = room.file_name().unwrap().to_string_lossy().into_owned();
            rust_files(&room).into_iter().map(move |file| (name.clone(), file))
        })
        .collect()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let (directories, files): (Vec<_>, Vec<_>) = entries(directory).into_iter().partition(|entry| entry.is_dir());
    let is_code = |file: &PathBuf| file.extension().is_some_and(|end| end == "rs") && !file.ends_with("tests.rs");
    files
        .into_iter()
        .filter(is_code)
        .chain(directories.iter().flat_map(|inner| rust_files(inner)))
        .collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}
