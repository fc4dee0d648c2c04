//! The plan of every question.

use rusqlite::Connection;

use super::*;
use crate::domain::{Decision, Level};
use crate::store::fixtures::{Fixture, name};

/// Each list of commands that can be asked for: every set of conditions, with what is rare and what is not.
fn lists() -> Vec<Question> {
    let moment = "2026-11-22T13:00:00Z".parse().unwrap();
    let mut lists = Vec::new();
    for user in [None, Some(name("alice"))] {
        for target in [None, Some(name("web-1"))] {
            for level in [None, Some(Level::Low), Some(Level::Critical)] {
                for decision in [None, Some(Decision::Allow), Some(Decision::Deny)] {
                    for since in [None, Some(moment)] {
                        for text in [None, Some("rm"), Some("rm -rf")] {
                            let filter = LogFilter {
                                user: user.clone(),
                                target: target.clone(),
                                level,
                                decision,
                                since,
                                text: text.map(str::to_owned),
                                ..LogFilter::default()
                            };
                            lists.extend(Question::log(&filter, CommandId(1)));
                            lists.push(Question::export(&filter, CommandId(1)));
                            lists.push(Question::outcomes(&filter, CommandId(1), 50));
                        }
                    }
                }
            }
        }
    }
    for user in [None, Some(name("alice"))] {
        for target in [None, Some(name("web-1"))] {
            lists.push(Question::sessions(&SessionFilter {
                user: user.clone(),
                target,
                ..SessionFilter::default()
            }));
        }
    }
    lists
}

/// The steps of the plan. Values play no part in it.
fn plan(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    assert!(!steps.is_empty(), "{sql}");
    steps
}

/// Whether a step walks over a table or an index from end to end. What a question has gathered itself is no table.
fn walks(step: &str) -> bool {
    step.strip_prefix("SCAN ").is_some_and(|what| {
        let is_led_by_texts = what.starts_with("command_texts VIRTUAL TABLE INDEX") && what.contains('M');
        !is_led_by_texts && !what.starts_with('(')
    })
}

#[tokio::test]
async fn no_question_walks_over_a_table() {
    let fixture = Fixture::new().await;
    let database = Connection::open(fixture.path()).unwrap();
    let lists = lists();
    let fixed = FIXED.iter().map(|fixed| fixed.sql());
    for sql in fixed.chain(lists.iter().map(Question::sql)) {
        for step in plan(&database, sql) {
            assert!(!walks(&step), "{step}\n{sql}");
        }
    }
}

#[tokio::test]
async fn a_list_is_read_in_its_order_and_never_sorted() {
    let fixture = Fixture::new().await;
    let database = Connection::open(fixture.path()).unwrap();
    for question in lists() {
        for step in plan(&database, question.sql()) {
            assert!(!step.contains("TEMP B-TREE"), "{step}\n{}", question.sql());
        }
    }
}

#[tokio::test]
async fn a_walk_would_be_caught() {
    let fixture = Fixture::new().await;
    let database = Connection::open(fixture.path()).unwrap();
    for sql in [
        "SELECT count(*) FROM command_executions",
        "SELECT id FROM command_executions WHERE instr(command, 'x')",
        "SELECT text FROM command_texts",
        "SELECT sum(commands) FROM daily_counts WHERE name = 'alice'",
    ] {
        assert!(plan(&database, sql).iter().any(|step| walks(step)), "{sql}");
    }
}

#[test]
fn readers_put_no_question_that_is_not_listed_here() {
    let store = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
    let mut files: Vec<_> = std::fs::read_dir(store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.extend(
        std::fs::read_dir(format!("{store}/analytics"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    // What holds the record against itself reads all of it, by what the chain is made of.
    files.retain(|file| !file.ends_with("verify.rs") && !file.ends_with("head.rs"));
    let prepares = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default()
            .to_owned();
        let in_readers = code
            .split("impl Reader {")
            .skip(1)
            .map(|rest| rest.split("\n}\n").next().unwrap_or_default());
        in_readers
            .map(|body| body.matches(".prepare").count() + body.matches(".query_row").count())
            .sum::<usize>()
    };
    let found: Vec<_> = files.iter().filter(|file| prepares(file) > 0).collect();
    let all: usize = files.iter().map(prepares).sum();
    assert_eq!(all, 1, "only `walk` of reader.rs prepares a statement: {found:?}");
}
