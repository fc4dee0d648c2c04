//! What comes out: every row that is asked for, as it is stored, and harmless wherever it goes.

use std::collections::BTreeSet;
use std::io;

use csv::StringRecord;
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use serde_json::{Map, Value, json};

use super::super::fixtures::{Fixture, confirmed, exited, name, scoring};
use super::super::{
    Aftermath, ExportError, Exported, FeatureList, Format, LogFilter, NewCommand, Outcome, Reader, Scoring, recordable,
};
use super::{columns, outsider, text};
use crate::domain::{CommandId, Impact, Level, acts};

/// The list of the fixtures' features.
const LIST: FeatureList<'static> = FeatureList {
    digest: "1111111111111111111111111111111111111111111111111111111111111111",
    names: &["length", "words", "entropy"],
};

fn everything() -> LogFilter {
    LogFilter {
        limit: u32::MAX,
        ..LogFilter::default()
    }
}

fn export(
    fixture: &Fixture,
    format: Format,
    filter: LogFilter,
    features: Option<FeatureList<'_>>,
) -> (Exported, String) {
    let reader = Reader::open(&fixture.path()).unwrap();
    let mut out = Vec::new();
    let exported = reader
        .export(filter)
        .unwrap()
        .write(format, features, &mut out, |_| Ok(()))
        .unwrap();
    (exported, String::from_utf8(out).unwrap())
}

fn lines(fixture: &Fixture, filter: LogFilter, features: Option<FeatureList<'_>>) -> Vec<Map<String, Value>> {
    let (exported, text) = export(fixture, Format::Json, filter, features);
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.rows, u64::try_from(lines.len()).unwrap());
    lines
}

/// The heading and the rows.
fn sheet(fixture: &Fixture, features: Option<FeatureList<'_>>) -> (StringRecord, Vec<StringRecord>) {
    let (_, text) = export(fixture, Format::Csv, everything(), features);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let heading = reader.headers().unwrap().clone();
    (heading, reader.records().map(Result::unwrap).collect())
}

fn ids(lines: &[Map<String, Value>]) -> Vec<i64> {
    lines.iter().map(|line| line["id"].as_i64().unwrap()).collect()
}

fn table_columns(connection: &Connection) -> Vec<String> {
    let names = text(
        connection,
        "SELECT group_concat(name) FROM pragma_table_info('command_executions')",
    );
    names.split(',').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_line_of_json_is_the_row_as_show_has_it() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./build").await;
    fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let lines = lines(&fixture, everything(), None);
    for (line, id) in lines.into_iter().zip(1..) {
        assert_eq!(line, columns(&fixture, CommandId(id)));
    }
}

#[tokio::test]
async fn a_cell_of_the_sheet_is_the_value_of_json() {
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./build \"a, b\"").await;
    fixture.store.record(fixture.denied("rm -rf /\nls")).await.unwrap();
    let (heading, rows) = sheet(&fixture, None);
    assert_eq!(heading.iter().collect::<Vec<_>>(), table_columns(&outsider(&fixture)));
    for (row, line) in rows.iter().zip(lines(&fixture, everything(), None)) {
        for (name, cell) in heading.iter().zip(row) {
            let read = match &line[name] {
                Value::Null => Some(cell.is_empty()),
                Value::String(text) => Some(cell == text),
                other => serde_json::from_str::<Value>(cell).ok().map(|value| value == *other),
            };
            assert_eq!(read, Some(true), "{name}: {cell}");
        }
    }
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn the_columns_are_those_of_the_architecture_page() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let page = include_str!("../../../ARCHITECTURE.md");
    let (_, table) = page.split_once("### Columns of command_executions").unwrap();
    let (table, _) = table.split_once("\nColumns whose content").unwrap();
    let cells = table
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let documented: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let exported = lines(&fixture, everything(), None).remove(0);
    let once: BTreeSet<&str> = documented.iter().copied().collect();
    assert_eq!(once.len(), documented.len(), "each is listed once");
    assert_eq!(once, exported.keys().map(String::as_str).collect());
    let mut named = lines(&fixture, everything(), Some(LIST)).remove(0);
    assert!(named.remove("features_missing").is_some());
    assert!(named.keys().eq(exported.keys()));
    assert!(page.contains("`features_missing`"));
}

#[tokio::test]
async fn the_oldest_come_first_and_filters_narrow_down() {
    let fixture = Fixture::new().await;
    let commands = [
        fixture.running("ls"),
        NewCommand {
            user: name("bob"),
            ..fixture.running("uptime")
        },
        NewCommand {
            timestamp: "2026-11-21T13:00:00Z".parse().unwrap(),
            ..fixture.running("late to arrive")
        },
        fixture.denied("rm -rf /"),
    ];
    for command in commands {
        fixture.store.record(command).await.unwrap();
    }
    let found = |filter| ids(&lines(&fixture, filter, None));
    assert_eq!(found(everything()), [1, 2, 3, 4]);
    let alice = Some(name("alice"));
    assert_eq!(
        found(LogFilter {
            user: alice,
            ..everything()
        }),
        [1, 3, 4]
    );
    let level = Some(Level::Critical);
    assert_eq!(found(LogFilter { level, ..everything() }), [4]);
    let since = Some("2026-11-22T00:00:00Z".parse().unwrap());
    assert_eq!(found(LogFilter { since, ..everything() }), [1, 2, 4]);
    assert_eq!(
        found(LogFilter {
            limit: 2,
            ..everything()
        }),
        [1, 2]
    );
    let since = Some("2030-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(found(LogFilter { since, ..everything() }), [] as [i64; 0]);
}

#[tokio::test]
async fn what_is_written_meanwhile_is_not_among_them() {
    let fixture = Fixture::new().await;
    let id = fixture.store.record(fixture.running("ls")).await.unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let export = reader.export(everything()).unwrap();
    fixture.store.finish(id, exited(0)).await.unwrap();
    fixture.store.record(fixture.running("uptime")).await.unwrap();
    assert_eq!(export.outcomes(10).unwrap(), 0);
    let mut out = Vec::new();
    export.write(Format::Json, None, &mut out, |_| Ok(())).unwrap();
    let rows = String::from_utf8(out).unwrap();
    assert_eq!(rows.lines().count(), 1);
    assert!(rows.contains("\"state\":\"running\""), "{rows}");
}

#[tokio::test]
async fn features_have_the_names_of_the_list_that_they_were_made_by() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let unscored = NewCommand {
        scoring: None,
        ..fixture.running("")
    };
    fixture.store.record(unscored).await.unwrap();
    let lines = lines(&fixture, everything(), Some(LIST));
    assert_eq!(lines[0]["features"], json!({"length": 0, "words": 1, "entropy": 0.5}));
    assert_eq!(
        (&lines[1]["features"], &lines[1]["features_missing"]),
        (&Value::Null, &Value::Null)
    );
    let (heading, rows) = sheet(&fixture, Some(LIST));
    let of = |row: &StringRecord| -> Vec<(String, String)> {
        let cells = heading.iter().zip(row).filter(|(name, _)| name.starts_with("features"));
        cells.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    let expected = [
        ("features.length", "0"),
        ("features.words", "1"),
        ("features.entropy", "0.5"),
        ("features_missing", ""),
    ];
    assert_eq!(
        of(&rows[0]),
        expected.map(|(name, cell)| (name.to_owned(), cell.to_owned()))
    );
    assert!(of(&rows[1]).iter().all(|(_, cell)| cell.is_empty()));
}

#[tokio::test]
async fn features_of_another_list_or_length_are_never_given_names() {
    let fixture = Fixture::new().await;
    let with = |features: &[f32], digest: &str| NewCommand {
        scoring: Some(Scoring {
            features: features.to_vec(),
            feature_digest: digest.to_owned(),
            ..scoring(Level::Low)
        }),
        ..fixture.running("ls")
    };
    for command in [with(&[1.0, 2.0, 3.0], "33"), with(&[1.0, 2.0], LIST.digest)] {
        fixture.store.record(command).await.unwrap();
    }
    let (exported, text) = export(&fixture, Format::Json, everything(), Some(LIST));
    assert_eq!(
        exported,
        Exported {
            rows: 2,
            named: 0,
            unnamed: 2
        }
    );
    for (line, reason) in text.lines().zip(["another list", "not one number for each name"]) {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap();
        assert_eq!(line["features"], Value::Null);
        assert!(line["features_missing"].as_str().unwrap().contains(reason), "{line:?}");
    }
    let (heading, rows) = sheet(&fixture, Some(LIST));
    for row in rows {
        let mut cells = heading
            .iter()
            .zip(&row)
            .filter(|(name, _)| name.starts_with("features."));
        assert!(cells.all(|(_, cell)| cell.is_empty()), "{row:?}");
    }
    let numbers = lines(&fixture, everything(), None);
    assert_eq!(numbers[0]["features"], json!([1, 2, 3]), "as numbers they come out");
}

#[tokio::test]
async fn an_outcome_is_an_end_or_an_impact_that_is_known() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();
    let held = fixture.store.record(fixture.held("rm -rf ./build")).await.unwrap();
    fixture.store.resolve(held, confirmed()).await.unwrap();
    for outcome in [
        exited(1),
        Outcome::unseen("the connection was lost"),
        Outcome {
            aftermath: Aftermath {
                impact: Some(Impact::Severe),
                ..Aftermath::default()
            },
            ..Outcome::unseen("the host is gone")
        },
    ] {
        let id = fixture.store.record(fixture.running("ls")).await.unwrap();
        fixture.store.finish(id, outcome).await.unwrap();
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    let export = reader.export(everything()).unwrap();
    assert_eq!(export.outcomes(10).unwrap(), 2);
    assert_eq!(export.outcomes(1).unwrap(), 1, "no more is counted than is enough");
}

/// Texts that no column should have.
const HOSTILE: &[&[u8]] = &[
    b"\x1b[2J\x1b]0;owned\x07",
    b"a\0b",
    b"\xff\xfe\xc3\x28",
    b"=cmd|' /C calc'!A0",
    b"+1",
    b"-1+1",
    b"@SUM(A1)",
    b"\t=1",
    b"\r=1",
    b"\n=1,2",
    "\u{ff1d}1+1".as_bytes(),
    "\u{202e}\u{9b}\u{7f}\u{2028}\u{e0041}".as_bytes(),
    b"\"quoted\", 'and', \\back\\slashed\\u001b\r\n",
];

/// Puts `value` into every column of text of every row, whatever the table thinks of it; into columns of JSON as JSON.
fn poison(fixture: &Fixture, value: &[u8]) {
    let connection = outsider(fixture);
    connection
        .pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    let triggers =
        "SELECT ifnull(group_concat('DROP TRIGGER ' || name, ';'), '') FROM sqlite_schema WHERE type = 'trigger'";
    connection.execute_batch(&text(&connection, triggers)).unwrap();
    let columns = text(
        &connection,
        "SELECT group_concat(name) FROM pragma_table_info('command_executions') WHERE type = 'TEXT' AND name <> 'uid'",
    );
    for column in columns.split(',') {
        let is_json = text(
            &connection,
            "SELECT sql FROM sqlite_schema WHERE name = 'command_executions'",
        )
        .contains(&format!("json_valid({column})"));
        let bytes = if is_json {
            // The quotes and controls as JSON has them, the other bytes as they are.
            let quoted: Vec<Vec<u8>> = value
                .iter()
                .map(|byte| match byte {
                    0..0x20 | b'"' | b'\\' => format!("\\u{byte:04x}").into_bytes(),
                    _ => vec![*byte],
                })
                .collect();
            [b"{\"text\":\"", quoted.concat().as_slice(), b"\"}"].concat()
        } else {
            value.to_vec()
        };
        let sql = format!("UPDATE command_executions SET {column} = CAST(?1 AS TEXT)");
        connection.execute(&sql, [Stored::Blob(bytes)]).unwrap();
    }
}

/// Whether a text may do more than be seen; lines and tabs stay in cells.
fn is_harmless(text: &str) -> bool {
    !text
        .chars()
        .any(|character| acts(character) && !matches!(character, '\n' | '\t'))
}

#[tokio::test]
async fn hostile_text_in_every_column_is_read_back_and_does_nothing() {
    let fixture = Fixture::new().await;
    fixture.eventful("ls").await;
    fixture.store.close().await;
    for hostile in HOSTILE {
        poison(&fixture, hostile);
        let (_, json) = export(&fixture, Format::Json, everything(), None);
        assert!(is_harmless(&json) && json.lines().count() == 1, "{json:?}");
        let line: Map<String, Value> = serde_json::from_str(&json).unwrap();
        for column in ["command", "cwd", "user_id", "state", "user_feedback", "feature_digest"] {
            assert_eq!(line[column], recordable(hostile), "{column}");
        }
        for column in ["host_info", "reasons", "system_context", "impact_evidence"] {
            assert_eq!(line[column]["text"], recordable(hostile), "{column}");
        }
        let (heading, rows) = sheet(&fixture, None);
        assert_eq!((rows.len(), rows[0].len()), (1, heading.len()));
        for (name, cell) in heading.iter().zip(&rows[0]) {
            assert!(is_harmless(cell), "{name}: {cell:?}");
            assert!(
                cell.parse::<f64>().is_ok() && line[name].is_number()
                    || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}']),
                "{name}: {cell:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_line_of_a_megabyte_is_one_row() {
    let fixture = Fixture::new().await;
    let long = "=x\u{1b}".repeat(350_000);
    fixture.store.record(fixture.running(&long)).await.unwrap();
    fixture.store.record(fixture.running("ls")).await.unwrap();
    let lines = lines(&fixture, everything(), None);
    assert_eq!(
        (ids(&lines), &lines[0]["command"]),
        (vec![1, 2], &Value::from(long.as_str()))
    );
    let (heading, rows) = sheet(&fixture, None);
    let place = heading.iter().position(|name| name == "command").unwrap();
    assert_eq!(
        (rows.len(), &rows[0][place]),
        (2, format!("'{}", long.replace('\u{1b}', "\\x1b")).as_str())
    );
}

#[tokio::test]
async fn a_name_that_is_hostile_is_no_list_of_features() {
    let fixture = Fixture::new().await;
    fixture.eventful("ls").await;
    fixture.store.close().await;
    for hostile in HOSTILE {
        poison(&fixture, hostile);
        let line = lines(&fixture, everything(), Some(LIST)).remove(0);
        assert_eq!(line["features"], Value::Null);
        assert!(line["features_missing"].is_string());
    }
}

/// An output that breaks after so many bytes.
struct Breaks(usize);

impl io::Write for Breaks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(taken)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_output_that_breaks_ends_the_export_with_what_broke_it() {
    let fixture = Fixture::new().await;
    fixture.eventful("ls").await;
    let reader = Reader::open(&fixture.path()).unwrap();
    let export = reader.export(everything()).unwrap();
    for format in [Format::Csv, Format::Json] {
        for room in [0, 100] {
            let error = export.write(format, None, Breaks(room), |_| Ok(())).unwrap_err();
            assert!(
                matches!(&error, ExportError::Write(error) if error.kind() == io::ErrorKind::StorageFull),
                "{format:?}: {error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_watcher_hears_how_far_it_is_and_may_end_it() {
    let fixture = Fixture::new().await;
    let commands = (0..2_100).map(|_| fixture.running("ls")).collect();
    for recorded in fixture.store.record_all(commands).await {
        recorded.unwrap();
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    let export = reader.export(everything()).unwrap();
    assert_eq!(export.span(), 1..=2_100);
    let mut heard = Vec::new();
    let watch = |progress: super::super::Progress| {
        heard.push((progress.rows, progress.last.0));
        Ok(())
    };
    export.write(Format::Json, None, io::sink(), watch).unwrap();
    assert_eq!(heard, [(1_024, 1_024), (2_048, 2_048)]);
    let stopped = export.write(Format::Csv, None, io::sink(), |_| Err(io::Error::other("enough")));
    assert!(matches!(stopped, Err(ExportError::Write(_))));
}
