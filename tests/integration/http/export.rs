//! Rows that are taken away: those of the command line, whatever the pace of who takes them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use rusqlite::Connection;

use super::{ALICE, api};
use crate::harness::http::bearer;
use crate::harness::{Api, eventually, pause};

/// Exports that are served at once.
const PLACES: usize = 4;

/// Longer than a client may take nothing, 30 s, less what `eventually` waits.
const STALLED: Duration = Duration::from_secs(20);

/// Changes the record as nothing of the product would.
fn tamper(api: &mut Api, sql: &str) {
    assert_eq!(api.world.bastion.stop(), 0);
    let database = Connection::open(api.world.bastion.database()).unwrap();
    database.execute(sql, []).unwrap();
    drop(database);
    api.world.bastion.restart();
    eventually("the API to answer", || {
        (api.curl(&["/healthz"]).status == 200).then_some(())
    });
}

/// An API whose export is more than any socket holds.
fn large() -> Api {
    let mut api = api();
    assert_eq!(api.world.alice().run("echo one").code, 0);
    api.world.bastion.row();
    tamper(
        &mut api,
        "UPDATE command_executions SET cwd_after = printf('%.*c', 16000000, 'x')",
    );
    api
}

/// A client that has read that an export comes, and reads no further.
fn slow(api: &Api) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, api.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!("GET /export HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n", bearer(api.token(0)));
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

fn unnamed_files(api: &Api, count: usize) {
    eventually(&format!("{count} unnamed files"), || {
        (api.world.bastion.unnamed_files() == count).then_some(())
    });
}

#[test]
fn they_are_what_the_command_line_writes() {
    let mut api = Api::start(&[ALICE], |config| {
        config.allow_everything();
        config.make_alice_admin();
    });
    for command in ["echo one", "=1+1", "echo '\u{1b}[2J'"] {
        api.world.alice().run(command);
    }
    let rows = api.world.bastion.rows(3);
    let hundred_days_ago = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-100 days')";
    let older = format!(
        "UPDATE command_executions SET timestamp = {hundred_days_ago} WHERE id = {}",
        rows[0].id
    );
    tamper(&mut api, &older);
    for (query, arguments, count, kind) in [
        ("", "--format json", 2, "application/x-ndjson"),
        ("?days=3650", "--format json --days 3650", 3, "application/x-ndjson"),
        (
            "?format=json&features=true",
            "--format json --features",
            2,
            "application/x-ndjson",
        ),
        (
            "?format=csv&features=false&days=3650",
            "--format csv --days 3650",
            4,
            "text/csv",
        ),
        (
            "?format=csv&features=true&days=1",
            "--format csv --features --days 1",
            3,
            "text/csv",
        ),
    ] {
        let answer = api.get(0, &format!("/export{query}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.head.contains(&format!("content-type: {kind}")),
            "{}",
            answer.head
        );
        let arguments: Vec<&str> = ["export", "-o", "-"].into_iter().chain(arguments.split(' ')).collect();
        let said = api.world.bastion.opspilot(&arguments);
        assert_eq!(answer.body.as_bytes(), said.stdout, "{query}");
        assert_eq!(answer.body.lines().count(), count, "{query}: {}", answer.body);
        assert!(!answer.body.contains('\u{1b}'), "{query}");
        assert_eq!(answer.body.contains(",'=1+1,"), kind == "text/csv", "{query}");
    }
    assert_eq!(api.world.bastion.unnamed_files(), 0);
}

#[test]
fn what_is_asked_for_wrongly_is_refused() {
    let api = api();
    for query in [
        "days=0",
        "days=3651",
        "format=xml",
        "format=CSV",
        "features=2",
        "user=bob",
    ] {
        let answer = api.get(0, &format!("/export?{query}"));
        assert_eq!(answer.fault(), (400, "invalid".to_owned()), "{query}");
    }
}

#[test]
fn who_reads_slowly_holds_up_nobody_and_who_goes_leaves_nothing() {
    let api = large();
    assert_eq!(api.world.alice().run("echo two").code, 0);
    let clients: Vec<TcpStream> = (0..PLACES).map(|_| slow(&api)).collect();
    assert_eq!(api.get(0, "/export").fault(), (503, "busy".to_owned()));
    assert_eq!(api.get(0, "/commands").status, 200, "questions are still answered");
    unnamed_files(&api, PLACES);

    assert_eq!(api.world.alice().run("echo three").code, 0);
    let database = Connection::open(api.world.bastion.database()).unwrap();
    eventually("the journal to be emptied, which no reader of the past keeps", || {
        let emptied = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        (!emptied.unwrap()).then_some(())
    });

    unnamed_files(&api, PLACES);
    drop(clients);
    unnamed_files(&api, 0);
    let whole = eventually("a place", || {
        let answer = api.get(0, "/export");
        (answer.status == 200).then_some(answer)
    });
    assert!(whole.body.len() > 16_000_000);
    assert_eq!(whole.body.lines().count(), 3);
}

#[test]
fn who_takes_nothing_loses_the_connection_and_what_came_never_looks_whole() {
    let api = large();
    let mut client = slow(&api);
    unnamed_files(&api, 1);
    // The daemon counts this time itself.
    pause(STALLED);
    unnamed_files(&api, 0);
    let mut rest = Vec::new();
    let ended = client.read_to_end(&mut rest);
    assert!(ended.is_err() || !rest.ends_with(b"\r\n0\r\n\r\n"));
    assert!(rest.len() < 16_000_000, "{}", rest.len());
}
