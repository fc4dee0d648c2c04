//! The roll-ups by day: what a recount of the rows says, whatever became of them.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite_migration::{M, Migrations};

use super::super::fixtures::{Fixture, begin_session, confirmed, exited, name, resolution, running, scoring};
use super::super::schema::{self, MIGRATIONS};
use super::super::{Aftermath, Answer, Forecast, NewCommand, Outcome, Resolution, Scoring, Start, Store, Verdict};
use super::*;
use crate::domain::{AnswerChannel, Decision, Impact, Level};

/// One command's life, as far as it goes.
#[derive(Debug, Clone)]
struct Life {
    hours: i64,
    who: usize,
    level: Option<Level>,
    forecast: Option<Level>,
    start: Start,
    verdict: Option<Verdict>,
    end: Option<Outcome>,
    amended: Option<Impact>,
    /// What somebody who keeps the record does with the row.
    fate: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Stays,
    Removed,
    Renamed,
}

fn level() -> impl Strategy<Value = Option<Level>> {
    proptest::option::weighted(0.8, proptest::sample::select(Level::ALL))
}

fn impact() -> impl Strategy<Value = Option<Impact>> {
    proptest::option::of(proptest::sample::select(Impact::ALL))
}

fn verdict() -> impl Strategy<Value = Option<Verdict>> {
    let answer = (0..1_000_000_u64).prop_map(|time_ms| Answer {
        by: name("alice"),
        channel: AnswerChannel::Terminal,
        time_ms,
    });
    proptest::option::weighted(
        0.9,
        prop_oneof![
            4 => answer.clone().prop_map(Verdict::Confirmed),
            2 => answer.prop_map(Verdict::Refused),
            1 => Just(Verdict::Unanswerable("nobody".to_owned())),
            1 => Just(Verdict::Expired),
            1 => Just(Verdict::Abandoned),
            1 => Just(Verdict::Denied("new".to_owned())),
            1 => Just(Verdict::Released("new".to_owned())),
            1 => Just(Verdict::Interrupted("end".to_owned())),
        ],
    )
}

fn end() -> impl Strategy<Value = Option<Outcome>> {
    let outcome = prop_oneof![
        3 => Just(exited(0)),
        1 => Just(exited(3)),
        1 => Just(Outcome::unseen("lost")),
    ];
    let with_impact = (outcome, impact()).prop_map(|(outcome, impact)| Outcome {
        aftermath: Aftermath {
            impact,
            ..Aftermath::default()
        },
        ..outcome
    });
    proptest::option::weighted(0.9, with_impact)
}

fn life() -> impl Strategy<Value = Life> {
    let start =
        proptest::sample::select(&[Start::Held, Start::Held, Start::Denied, Start::Running, Start::Running][..]);
    let fate = proptest::sample::select(&[Fate::Stays, Fate::Stays, Fate::Stays, Fate::Removed, Fate::Renamed][..]);
    (
        0..72_i64,
        0..4_usize,
        level(),
        level(),
        start,
        verdict(),
        end(),
        impact(),
        fate,
    )
        .prop_map(
            |(hours, who, level, forecast, start, verdict, end, amended, fate)| Life {
                hours,
                who,
                level,
                forecast,
                start,
                verdict,
                end,
                amended,
                fate,
            },
        )
}

impl Life {
    fn command(&self, template: NewCommand) -> NewCommand {
        let scoring = self.level.map(|level| Scoring {
            forecast: self.forecast.map(|level| Forecast { level, confidence: 0.5 }),
            reasons: serde_json::json!([
                {"rule": "one", "level": level.as_str(), "sentence": "s"},
                {"rule": "two", "level": "medium", "sentence": "s"}
            ]),
            ..scoring(level)
        });
        NewCommand {
            timestamp: template.timestamp.saturating_add(self.hours.hours()).unwrap(),
            user: name(["alice", "bob", "carol", "dave"][self.who]),
            command_hash: format!("{:032x}", self.who % 2),
            scoring,
            decision: match self.start {
                Start::Held => Decision::Confirm,
                Start::Denied => Decision::Deny,
                Start::Running => Decision::Allow,
            },
            start: self.start,
            ..template
        }
    }

    /// Lives it. A step that does not fit where the command stands is refused, and so changes nothing.
    async fn live(&self, store: &Store, template: NewCommand) -> CommandId {
        let id = store.record(self.command(template)).await.unwrap();
        if let (Start::Held, Some(verdict)) = (self.start, self.verdict.clone()) {
            let resolution: Resolution = resolution(verdict);
            store.resolve(id, resolution).await.unwrap();
        }
        if let Some(end) = self.end.clone() {
            store.finish(id, end).await.unwrap_or_default();
        }
        if self.amended.is_some() {
            let aftermath = Aftermath {
                impact: self.amended,
                ..Aftermath::default()
            };
            store.amend_context_after(id, aftermath).await.unwrap_or_default();
        }
        id
    }
}

/// What a table holds, by its first columns, and the numbers after them.
type Table = BTreeMap<Vec<String>, Vec<i64>>;

fn table(connection: &Connection, sql: &str, keys: usize) -> Table {
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let key = (0..keys)
            .map(|index| row.get(index))
            .collect::<Result<Vec<String>, _>>()?;
        let numbers = (keys..width)
            .map(|index| row.get(index))
            .collect::<Result<Vec<i64>, _>>()?;
        Ok((key, numbers))
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Every roll-up as it stands.
fn rolled_up(connection: &Connection) -> [Table; 4] {
    [
        table(connection, "SELECT * FROM daily_commands", 8),
        table(
            connection,
            "SELECT day, level, CAST(time_ms AS TEXT), commands FROM daily_answers",
            3,
        ),
        table(connection, "SELECT * FROM daily_questions", 3),
        table(connection, "SELECT * FROM daily_counts", 3),
    ]
}

/// The columns of a row that count, read without the help of SQL.
struct Counted {
    day: String,
    level: String,
    reasons: Value,
    time_ms: Option<i64>,
    standing: Vec<String>,
    names: [(&'static str, String); 4],
    counts: Vec<i64>,
    settled: bool,
}

fn counted(row: &Map<String, Value>) -> Counted {
    let word = |column: &str| row[column].as_str().unwrap_or("unknown").to_owned();
    let truth = |column: &str, missing: &str| match row[column].as_bool() {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => missing.to_owned(),
    };
    let (day, hour) = (word("timestamp")[..10].to_owned(), word("timestamp")[11..13].to_owned());
    let is = |column: &str, value: bool| i64::from(row[column].as_bool() == Some(value));
    let harmful = matches!(word("actual_impact").as_str(), "moderate" | "severe");
    let nobody = matches!(word("state").as_str(), "refused" | "expired" | "abandoned");
    Counted {
        standing: vec![
            day.clone(),
            word("final_risk_level"),
            word("ml_risk_level"),
            word("decision"),
            word("state"),
            truth("user_confirmed", "none"),
            truth("execution_success", "unknown"),
            word("actual_impact"),
        ],
        day,
        level: word("final_risk_level"),
        reasons: row["reasons"].clone(),
        time_ms: row["confirmation_time_ms"].as_i64(),
        names: [
            ("hour", hour),
            ("pattern", word("command_hash")),
            ("target", word("target")),
            ("user", word("user_id")),
        ],
        counts: vec![
            1,
            is("user_confirmed", true),
            is("user_confirmed", false),
            is("execution_success", false),
            i64::from(harmful),
        ],
        settled: word("decision") == "confirm" && (row["user_confirmed"].is_boolean() || nobody),
    }
}

fn add(table: &mut Table, key: Vec<String>, numbers: &[i64]) {
    let sums = table.entry(key).or_insert_with(|| vec![0; numbers.len()]);
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += number;
    }
}

/// The roll-ups by a recount of all rows; of the answers the times themselves, in order.
fn recounted(rows: &[Counted]) -> (Table, Vec<i64>, Table, Table) {
    let (mut standing, mut times, mut questions, mut counts) = (Table::new(), Vec::new(), Table::new(), Table::new());
    for row in rows {
        add(&mut standing, row.standing.clone(), &[1]);
        times.extend(row.time_ms);
        for (scope, name) in &row.names {
            add(
                &mut counts,
                vec![(*scope).to_owned(), row.day.clone(), name.clone()],
                &row.counts,
            );
        }
        for reason in row.reasons.as_array().into_iter().flatten() {
            if row.settled && reason["level"] == row.level.as_str() {
                let rule = reason["rule"].as_str().unwrap().to_owned();
                let (yes, no) = (row.counts[1], row.counts[2]);
                add(
                    &mut questions,
                    vec![row.day.clone(), rule, row.level.clone()],
                    &[yes, no, 1 - yes - no],
                );
            }
        }
    }
    times.sort_unstable();
    (standing, times, questions, counts)
}

fn rows(fixture: &Fixture) -> Vec<Counted> {
    let reader = Reader::open(&fixture.path()).unwrap();
    let ids = table(&outsider(fixture), "SELECT uid, id FROM command_executions", 1);
    let ids = ids.values().map(|id| CommandId(id[0]));
    ids.map(|id| counted(&reader.show(id).unwrap().unwrap().columns))
        .collect()
}

/// The values of a histogram, in order.
fn values(answers: &Table) -> Vec<i64> {
    let mut values: Vec<i64> = answers
        .iter()
        .flat_map(|(key, times)| std::iter::repeat_n(key[2].parse().unwrap(), usize::try_from(times[0]).unwrap()))
        .collect();
    values.sort_unstable();
    values
}

fn assert_recount(fixture: &Fixture) {
    let [standing, answers, questions, counts] = rolled_up(&outsider(fixture));
    let recount = recounted(&rows(fixture));
    assert_eq!(standing, recount.0);
    assert_eq!(questions, recount.2);
    assert_eq!(counts, recount.3);
    let kept = values(&answers);
    assert_eq!(kept.len(), recount.1.len());
    for (kept, exact) in kept.iter().zip(&recount.1) {
        assert!(
            (kept - exact).abs() * 200 <= *exact,
            "{kept} for {exact}: off by more than 0.5 %"
        );
    }
}

/// What pruning and erasing do to rows.
fn meet_fates(fixture: &Fixture, lives: &[(CommandId, Fate)]) {
    let database = outsider(fixture);
    for (id, fate) in lives {
        let sql = match fate {
            Fate::Stays => continue,
            Fate::Removed => "DELETE FROM command_executions WHERE id = ?1",
            Fate::Renamed => {
                "UPDATE command_executions SET user_id = 'erased', command = 'erased', execution_success = NULL,
                 exit_code = NULL, timestamp = '2026-11-20T05:00:00.000000Z' WHERE id = ?1"
            }
        };
        database.execute(sql, [id.0]).unwrap();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn roll_ups_are_what_a_recount_says(lives in vec(life(), 1..30)) {
        runtime().block_on(async {
            let fixture = Fixture::new().await;
            let mut ends = Vec::new();
            for life in &lives {
                let id = life.live(&fixture.store, fixture.running("ls")).await;
                ends.push((id, life.fate));
            }
            assert_recount(&fixture);
            meet_fates(&fixture, &ends);
            assert_recount(&fixture);
            let database = outsider(&fixture);
            let health: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(health, "ok");
        });
    }
}

#[tokio::test]
async fn nothing_is_left_of_what_was_removed() {
    let fixture = Fixture::new().await;
    let template = fixture.held("rm -rf ./zqj");
    let asked = Life {
        hours: 0,
        who: 0,
        level: Some(Level::High),
        forecast: None,
        start: Start::Held,
        verdict: Some(confirmed().verdict),
        end: Some(exited(1)),
        amended: Some(Impact::Severe),
        fate: Fate::Removed,
    };
    let id = asked.live(&fixture.store, template).await;
    let database = outsider(&fixture);
    let is_in_the_index = || {
        let sql = "SELECT count(*) FROM command_texts_data WHERE instr(block, CAST('zqj' AS BLOB))";
        number(&database, sql) > 0
    };
    assert!(rolled_up(&database).iter().all(|table| !table.is_empty()));
    assert!(is_in_the_index());
    meet_fates(&fixture, &[(id, Fate::Removed)]);
    assert!(rolled_up(&database).iter().all(Table::is_empty));
    assert!(!is_in_the_index(), "the text can still be read from its index");
}

#[tokio::test]
async fn a_record_from_before_them_gets_its_roll_ups() {
    let step = M::up(include_str!("../../../migrations/0010_analytics.sql"));
    let before = MIGRATIONS.iter().position(|known| *known == step).unwrap();
    let fixture = Fixture::new().await;
    fixture.eventful("rm -rf ./a").await;
    fixture.store.record(fixture.denied("rm -rf /")).await.unwrap();
    fixture.store.record(fixture.running("ls \0 nul")).await.unwrap();
    fixture.store.close().await;

    let old = fixture.dir.path().join("old.db");
    let mut connection = Connection::open(&old).unwrap();
    Migrations::from_slice(MIGRATIONS)
        .to_version(&mut connection, before)
        .unwrap();
    connection
        .execute("ATTACH ?1 AS new", [fixture.path().to_str().unwrap()])
        .unwrap();
    for table in ["sessions", "command_executions"] {
        let columns = columns_of(&connection, table);
        connection
            .execute_batch(&format!(
                "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"
            ))
            .unwrap();
    }
    drop(connection);

    drop(schema::open_writer(&old).unwrap());
    let (old, new) = (Connection::open(&old).unwrap(), outsider(&fixture));
    for sql in [
        "SELECT day, first_id FROM command_days",
        "SELECT name, commands FROM daily_counts",
        "SELECT state, commands FROM daily_commands",
    ] {
        assert_eq!(table(&old, sql, 1), table(&new, sql, 1), "{sql}");
    }
    let found = |database: &Connection| {
        let sql = "SELECT rowid FROM command_texts WHERE command_texts MATCH '\"nul\"'";
        number(database, sql)
    };
    assert_eq!((found(&old), found(&new)), (3, 3));
}

/// The columns that the table has in this schema, as a list.
fn columns_of(connection: &Connection, table: &str) -> String {
    let statement = connection.prepare(&format!("SELECT * FROM main.{table}")).unwrap();
    statement.column_names().join(", ")
}

#[tokio::test]
async fn the_first_number_of_a_day_bounds_a_walk() {
    let fixture = Fixture::new().await;
    let session = begin_session(&fixture.store).await;
    // The clock was put back a day between the first two.
    for time in ["2026-11-23T08:00:00Z", "2026-11-22T08:00:00Z", "2026-11-23T09:00:00Z"] {
        let command = NewCommand {
            timestamp: time.parse().unwrap(),
            ..running(session, "ls")
        };
        fixture.store.record(command).await.unwrap();
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    let since = |time: &str| {
        let filter = super::super::LogFilter {
            since: Some(time.parse().unwrap()),
            ..super::super::LogFilter::default()
        };
        reader
            .log(&filter)
            .unwrap()
            .iter()
            .map(|command| command.id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(since("2026-11-23T00:00:00Z"), [3, 1]);
    assert_eq!(since("2026-11-23T08:30:00Z"), [3]);
    assert_eq!(since("2026-11-22T00:00:00Z"), [3, 2, 1]);
    assert_eq!(since("2026-11-24T00:00:00Z"), [0_i64; 0]);
    let moved = "UPDATE command_executions SET timestamp = '2026-11-24T08:00:00.000000Z' WHERE id = 1";
    outsider(&fixture).execute(moved, []).unwrap();
    assert_eq!(since("2026-11-24T00:00:00Z"), [1]);
}
