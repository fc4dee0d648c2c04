//! What others were found to be vulnerable to, tried against this daemon, and the table of it (docs/cve.md) held to the sources.

mod door;
mod target;
mod wire;

use std::path::Path;

use crate::harness::World;

/// What the table must tell of: the bastions' own vulnerabilities, and those of the libraries that this one stands on.
const KNOWN: [&str; 32] = [
    "CVE-2023-37268",
    "CVE-2023-43660",
    "CVE-2023-48712",
    "CVE-2026-58491",
    "CVE-2023-42442",
    "CVE-2023-42818",
    "CVE-2023-43652",
    "CVE-2023-46123",
    "CVE-2026-31864",
    "CVE-2026-54336",
    "CVE-2023-45140",
    "CVE-2025-59339",
    "CVE-2024-35175",
    "CVE-2025-49825",
    "CVE-2023-28486",
    "CVE-2023-28113",
    "CVE-2023-48795",
    "CVE-2024-43410",
    "CVE-2025-54804",
    "CVE-2026-42189",
    "CVE-2026-46702",
    "CVE-2026-46705",
    "CVE-2026-48107",
    "CVE-2026-48108",
    "CVE-2026-68930",
    "CVE-2026-48110",
    "CVE-2026-73429",
    "CVE-2026-73430",
    "CVE-2026-73489",
    "CVE-2026-116774",
    "CVE-2026-35414",
    "RUSTSEC-2025-0055",
];

/// One row of the table: what was found in whom, and the tests that show it is not here.
#[derive(Debug)]
struct Entry {
    id: String,
    /// The library and the version in which it was mended (`russh 0.61.0`), where it is one that is used here.
    mended: Option<(String, Version)>,
    tests: Vec<String>,
}

/// A version without what may follow its three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    fn parse(text: &str) -> Self {
        let numbers: Vec<u32> = text.split('.').map(|number| number.parse().unwrap()).collect();
        Self(numbers.try_into().unwrap())
    }
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of all tables of the document that begin with an id.
fn entries(document: &str) -> Vec<Entry> {
    document
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let id = cells[0];
            let is_entry = id.starts_with("CVE-") || id.starts_with("RUSTSEC-");
            is_entry.then(|| entry(id, &cells))
        })
        .collect()
}

fn entry(id: &str, cells: &[&str]) -> Entry {
    let &[_, place, _, _, tests] = cells else {
        panic!("{id} has other cells than the head of the table");
    };
    let mended = quoted(place).first().map(|mended| {
        let (library, version) = mended.split_once(' ').unwrap();
        (library.to_owned(), Version::parse(version))
    });
    Entry {
        id: id.to_owned(),
        mended,
        tests: quoted(tests),
    }
}

/// Whether a file of tests, in Rust or in Python, has one of this name.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(number, line)| {
        let in_rust = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        let begins = |rest: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
        let is_marked = || lines[..number].last().is_some_and(|above| above.starts_with("#["));
        in_rust.is_some_and(|rest| begins(rest) && is_marked()) || line.strip_prefix("def ").is_some_and(begins)
    })
}

fn table() -> Vec<Entry> {
    entries(&read("docs/cve.md"))
}

#[test]
fn every_known_vulnerability_is_in_the_table_once() {
    let mut told: Vec<String> = table().into_iter().map(|entry| entry.id).collect();
    let mut known: Vec<String> = KNOWN.map(str::to_owned).to_vec();
    told.sort();
    known.sort();
    assert_eq!(told, known);
}

#[test]
fn every_test_that_the_table_names_is_there() {
    for Entry { id, tests, .. } in table() {
        assert!(!tests.is_empty(), "{id} names no test");
        for test in tests {
            let (file, name) = test
                .split_once("::")
                .unwrap_or_else(|| panic!("{id}: {test} is no FILE::NAME"));
            assert!(has_test(&read(file), name), "{id}: {file} has no test {name}");
        }
    }
}

#[test]
fn every_test_that_the_promises_name_is_there() {
    let document = read("SECURITY.md");
    let named: Vec<String> = quoted(&document)
        .into_iter()
        .filter(|text| text.contains("::"))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for test in named {
        let (file, name) = test.split_once("::").unwrap();
        assert!(has_test(&read(file), name), "{file} has no test {name}");
    }
}

#[test]
fn every_library_is_of_a_version_in_which_its_faults_are_mended() {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let versions = |library: &str| -> Vec<Version> {
        let of_it = packages
            .iter()
            .filter(|package| package["name"].as_str() == Some(library));
        of_it
            .map(|package| Version::parse(package["version"].as_str().unwrap()))
            .collect()
    };
    let mended: Vec<_> = table()
        .into_iter()
        .filter_map(|entry| Some((entry.id, entry.mended?)))
        .collect();
    assert!(mended.len() > 10, "{mended:?}");
    for (id, (library, least)) in mended {
        let used = versions(&library);
        assert!(!used.is_empty(), "{id}: {library} is not used");
        assert!(used.iter().all(|version| *version >= least), "{id}: {library} {used:?}");
    }
}

#[test]
fn a_gap_in_the_table_would_be_caught() {
    let table = "| id | where | fault | here | tests |\n\
                 | --- | --- | --- | --- | --- |\n\
                 | CVE-1-1 | a peer | x | y | `a.rs::one`, `b.py::test_two` |\n\
                 | CVE-1-2 | `russh 0.61.0` | x `z` | y | |\n";
    let [first, second] = entries(table).try_into().unwrap();
    assert_eq!(
        (first.id.as_str(), first.mended, first.tests.len()),
        ("CVE-1-1", None, 2)
    );
    assert_eq!(second.mended, Some(("russh".to_owned(), Version([0, 61, 0]))));
    assert!(second.tests.is_empty());
    let source = "    #[test]\n    fn one() {}\n    fn helper() {}\n#[tokio::test]\nasync fn two() {}\n";
    assert!(has_test(source, "one") && has_test(source, "two"));
    assert!(!has_test(source, "on") && !has_test(source, "helper") && !has_test(source, "one()"));
    assert!(has_test("def test_two(bastion) -> None:\n", "test_two") && !has_test("# test_two(", "test_two"));
    assert!(Version::parse("0.9.0") < Version::parse("0.65.1"));
}

/// What template engines, shells and formatters would each make something else of.
const TEMPLATE: &str = "{{7*7}}${7*7}$(id)%n<%= 7*7 %>";

#[test]
fn what_stands_in_a_configuration_is_text_and_nothing_else() {
    let world = World::with(|config| {
        let labels = format!("labels = {{ env = '{TEMPLATE}' }}");
        config.targets = config.targets.replace("labels = { env = \"prod\" }", &labels);
    });
    let listed = world.bastion.ssh("alice").run("targets");
    assert!(listed.text().contains(TEMPLATE), "{listed:?}");
}

/// Nobody is answered with a page of a browser, or sent to one. What `stats --html` writes is a file.
#[test]
fn nothing_answers_with_a_page_or_a_redirect() {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = vec![house.join("http"), house.join("gateway"), house.join("gate")];
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap_or_default().to_lowercase();
        let pages = [
            "<html",
            "\"text/html",
            "response::html",
            "response::redirect",
            "header::location",
            "header::set_cookie",
        ];
        for page in pages {
            assert!(!source.contains(page), "{} has {page}", path.display());
        }
    }
}
