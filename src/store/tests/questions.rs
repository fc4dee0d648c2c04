//! Questions, and their answers.

use super::super::fixtures::{Fixture, name};
use super::super::{LogFilter, NewCommand, Reader, SessionFilter};
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
async fn any_part_of_any_text_is_found() {
    let fixture = Fixture::new().await;
    let controls: String = (0..=0x20_u8).chain([0x7f]).map(char::from).collect();
    let long = format!("cat {} the-end", "x".repeat(9_000));
    for text in [&controls, "say \"it's\" \\ done", "läs 日本語 \u{1f600}", &long] {
        fixture.store.record(fixture.running(text)).await.unwrap();
    }
    let reader = Reader::open(&fixture.path()).unwrap();
    let found = |text: &str| -> Vec<i64> {
        let filter = LogFilter {
            text: Some(text.to_owned()),
            ..LogFilter::default()
        };
        reader
            .log(&filter)
            .unwrap()
            .iter()
            .map(|command| command.id.0)
            .collect()
    };
    let characters: Vec<char> = controls.chars().collect();
    for three in characters.windows(3) {
        assert_eq!(found(&three.iter().collect::<String>()), [1], "{three:?}");
    }
    assert_eq!(found("\"it's\" \\ d"), [2]);
    assert_eq!(found("\\ d"), [2]);
    assert_eq!(found("\""), [2], "one character");
    assert_eq!(found("日本"), [3], "two characters");
    assert_eq!(found("日本語"), [3]);
    assert_eq!(found("语日本"), [0_i64; 0]);
    assert_eq!(found("the-end"), [4], "longer than what is found by its parts");
    assert_eq!(found("THE-END"), [0_i64; 0]);
    assert_eq!(found(&long), [4]);
    assert_eq!(found("a OR b"), [0_i64; 0], "words of the index's language are text");
}

#[tokio::test]
async fn a_text_that_was_erased_is_not_found() {
    let fixture = Fixture::new().await;
    fixture.store.record(fixture.running("echo gone")).await.unwrap();
    fixture.store.record(fixture.running("echo gone too")).await.unwrap();
    let database = super::outsider(&fixture);
    database
        .execute("DELETE FROM command_executions WHERE id = 1", [])
        .unwrap();
    database
        .execute("UPDATE command_executions SET command = 'echo here' WHERE id = 2", [])
        .unwrap();
    let reader = Reader::open(&fixture.path()).unwrap();
    let found = |text: &str| {
        let filter = LogFilter {
            text: Some(text.to_owned()),
            ..LogFilter::default()
        };
        reader.log(&filter).unwrap().len()
    };
    assert_eq!((found("gone"), found("here"), found("echo")), (0, 1, 1));
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
