//! Questions, and the indexes that answer them.

use rusqlite::params_from_iter;

use super::super::fixtures::{Fixture, name};
use super::super::reader::{EVENTS_OF, Question, SHOW};
use super::super::{LogFilter, NewCommand, Reader, SessionFilter};
use super::outsider;
use crate::domain::{CommandId, Decision, Level};

/// Five commands that differ in everything that can be asked for.
async fn five() -> (Fixture, Reader) {
    let fixture = Fixture::new().await;
    let commands = [
        fixture.running("ls"),
        fixture.held("rm -rf ./build"),
        fixture.denied("rm -rf /"),
        NewCommand {
            user: name("bob"),
            timestamp: "2026-11-22T14:00:00Z".parse().unwrap(),
            ..fixture.running("uptime")
        },
        NewCommand {
            target: name("db-1"),
            timestamp: "2026-11-22T13:59:59.999Z".parse().unwrap(),
            ..fixture.running("df -h")
        },
    ];
    for command in commands {
        fixture.store.record(command).await.unwrap();
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    (fixture, reader)
}

#[tokio::test]
async fn each_filter_finds_its_commands_newest_first() {
    let (_fixture, reader) = five().await;
    let all = LogFilter::default;
    let at = |time: &str| Some(time.parse().unwrap());
    for (filter, expected) in [
        (all(), vec![5, 4, 3, 2, 1]),
        (LogFilter { limit: 2, ..all() }, vec![5, 4]),
        (
            LogFilter {
                before: Some(CommandId(4)),
                limit: 2,
                ..all()
            },
            vec![3, 2],
        ),
        (
            LogFilter {
                user: Some(name("bob")),
                ..all()
            },
            vec![4],
        ),
        (
            LogFilter {
                target: Some(name("db-1")),
                ..all()
            },
            vec![5],
        ),
        (
            LogFilter {
                level: Some(Level::High),
                ..all()
            },
            vec![2],
        ),
        (
            LogFilter {
                decision: Some(Decision::Deny),
                ..all()
            },
            vec![3],
        ),
        (
            LogFilter {
                text: Some("rm -rf".to_owned()),
                ..all()
            },
            vec![3, 2],
        ),
        (
            LogFilter {
                text: Some("%".to_owned()),
                ..all()
            },
            vec![],
        ),
        (
            LogFilter {
                since: at("2026-11-22T13:59:59.999Z"),
                ..all()
            },
            vec![5, 4],
        ),
        (
            LogFilter {
                since: at("2026-11-22T14:00:00Z"),
                ..all()
            },
            vec![4],
        ),
        (
            LogFilter {
                since: at("2027-01-01T00:00:00Z"),
                ..all()
            },
            vec![],
        ),
        (
            LogFilter {
                user: Some(name("alice")),
                level: Some(Level::Medium),
                ..all()
            },
            vec![5, 1],
        ),
    ] {
        let found: Vec<i64> = reader
            .log(&filter)
            .unwrap()
            .iter()
            .map(|command| command.id.0)
            .collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn hostile_text_comes_back_as_it_went_in() {
    let fixture = Fixture::new().await;
    let hostile = "echo '\u{1b}[2J' \0 ; DROP TABLE command_executions; -- \u{202e}=cmd|' /C calc'!A0\n\r\t日本";
    fixture.store.record(fixture.running(hostile)).await.unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let after_the_nul = LogFilter {
        text: Some("; DROP TABLE".to_owned()),
        ..LogFilter::default()
    };
    let found = reader.log(&after_the_nul).unwrap();
    assert_eq!(found[0].command, hostile);
    assert_eq!(reader.show(found[0].id).unwrap().unwrap().columns["command"], hostile);
}

#[tokio::test]
async fn a_command_that_is_not_there_is_none() {
    let (_fixture, reader) = five().await;
    assert_eq!(reader.show(CommandId(6)).unwrap(), None);
}

#[tokio::test]
async fn sessions_are_listed_with_the_number_of_their_commands() {
    let (fixture, reader) = five().await;
    let sessions = reader.sessions(&SessionFilter::default()).unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(
        (sessions[0].id.as_str(), sessions[0].commands),
        (fixture.session.to_string().as_str(), 5)
    );
    let of_bob = SessionFilter {
        user: Some(name("bob")),
        ..SessionFilter::default()
    };
    assert_eq!(reader.sessions(&of_bob).unwrap(), []);
}

#[tokio::test]
async fn a_reader_sees_each_commit_and_cannot_write() {
    let (fixture, reader) = five().await;
    fixture.store.record(fixture.running("ls")).await.unwrap();
    assert_eq!(reader.log(&LogFilter::default()).unwrap().len(), 6);
    assert!(reader.connection.execute("DELETE FROM command_executions", []).is_err());
}

#[tokio::test]
async fn no_question_scans_a_table() {
    let (fixture, _reader) = five().await;
    let since = Some("2026-11-22T13:00:00Z".parse().unwrap());
    let all = LogFilter::default;
    let questions = [
        Question::log(&all()),
        Question::log(&LogFilter {
            user: Some(name("alice")),
            ..all()
        }),
        Question::log(&LogFilter {
            target: Some(name("web-1")),
            ..all()
        }),
        Question::log(&LogFilter {
            level: Some(Level::High),
            ..all()
        }),
        Question::log(&LogFilter {
            decision: Some(Decision::Deny),
            ..all()
        }),
        Question::log(&LogFilter { since, ..all() }),
        Question::log(&LogFilter {
            text: Some("rm".to_owned()),
            ..all()
        }),
        Question::sessions(&SessionFilter::default()),
        Question {
            sql: SHOW.to_owned(),
            values: vec![Box::new(1)],
        },
        Question {
            sql: EVENTS_OF.to_owned(),
            values: vec![Box::new(1)],
        },
    ];
    let database = outsider(&fixture);
    for question in questions {
        let mut statement = database
            .prepare(&format!("EXPLAIN QUERY PLAN {}", question.sql))
            .unwrap();
        let values = params_from_iter(question.values.iter().map(AsRef::as_ref));
        let plan: Vec<String> = statement
            .query_map(values, |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(!plan.is_empty());
        for step in plan {
            assert!(
                !step.starts_with("SCAN") && !step.contains("TEMP B-TREE"),
                "{step}\n{}",
                question.sql
            );
        }
    }
}
