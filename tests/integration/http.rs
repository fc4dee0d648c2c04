//! The HTTP API: what it answers about what real sessions left on record, and what it changes.

mod attack;
mod export;
mod tls;

use opspilot::learning::Queue;
use opspilot::store::Comment;
use serde_json::{Value, json};

use crate::harness::http::curl;
use crate::harness::{Api, Config, RISKY, World, eventually};

/// A token of alice, who is an admin, for everything.
const ALICE: &str = "--user alice --scope ask,feedback,read,export,train,metrics";

/// A token of bob, who is none, for everything.
const BOB: &str = "--user bob --scope ask,feedback,read,export,train,metrics";

fn api() -> Api {
    Api::start(&[ALICE, BOB], Config::make_alice_admin)
}

fn ids(page: &Value) -> Vec<i64> {
    let commands = page["commands"].as_array().unwrap();
    commands.iter().map(|command| command["id"].as_i64().unwrap()).collect()
}

#[test]
fn it_is_off_unless_it_is_configured() {
    let world = World::new();
    assert!(!world.bastion.log().contains("listening for HTTP"));
}

#[test]
fn whoever_has_no_token_learns_that_it_serves_and_what_there_is_to_ask() {
    let api = api();
    let health = api.curl(&["/healthz"]);
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    let document = api.curl(&["/openapi.json"]).json();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 12);
    for (path, methods) in paths.iter().filter(|(path, _)| *path != "/healthz") {
        for method in methods.as_object().unwrap().keys() {
            let answer = api.curl(&["-X", &method.to_uppercase(), "--json", "{}", path]);
            assert_eq!(answer.fault(), (401, "unauthorized".to_owned()), "{method} {path}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
    }
}

#[test]
fn asking_tells_what_would_be_made_of_a_command_and_leaves_nothing_on_record() {
    let api = api();
    let ask = |command: &str| api.post(0, "/ask", &json!({"target": "web-1", "command": command}).to_string());
    let risky = ask(RISKY);
    assert_eq!(risky.status, 200, "{risky:?}");
    let answer = risky.json();
    assert_eq!(answer["decision"], "confirm");
    assert_eq!((&answer["user"], &answer["policy"]), (&json!("alice"), &json!("ask")));
    assert_eq!(answer["level"], "high");
    assert!(answer["reasons"][0]["sentence"].is_string(), "{answer}");
    assert_eq!(ask("ls").json()["decision"], "allow");
    let redacted = ask("mysql --password=hunter2hunter2").json();
    assert!(!redacted.to_string().contains("hunter2"), "{redacted}");
    assert!(api.world.bastion.rows_now().is_empty());
    assert_eq!(api.world.target.sessions(), 0);
}

#[test]
fn asking_is_refused_where_the_user_could_not_go() {
    let api = Api::start(&[ALICE], |config| {
        config.policies = config.policies.replace("users = [\"*\"]", "users = [\"bob\"]");
    });
    for body in [
        r#"{"target": "web-1", "command": "ls"}"#,
        r#"{"target": "nowhere", "command": "ls"}"#,
        r#"{"target": "web-1", "login": "root2", "command": "ls"}"#,
    ] {
        assert_eq!(
            api.post(0, "/ask", body).fault(),
            (404, "not_found".to_owned()),
            "{body}"
        );
    }
}

#[test]
fn commands_of_real_sessions_are_listed_in_pages_and_shown_whole() {
    let api = api();
    for command in ["echo one", "echo two", "echo three"] {
        assert_eq!(api.world.alice().run(command).code, 0);
    }
    let rows = api.world.bastion.rows(3);
    let first = api.get(0, "/commands?limit=2").json();
    assert_eq!(ids(&first), [rows[2].id, rows[1].id]);
    assert_eq!(first["next"], rows[1].id);
    let second = api
        .get(0, &format!("/commands?limit=2&cursor={}", first["next"]))
        .json();
    assert_eq!(ids(&second), [rows[0].id]);
    assert_eq!(second["next"], Value::Null);

    let found = api.get(0, "/commands?text=two&level=low&decision=allow&target=web-1&user=alice");
    assert_eq!(ids(&found.json()), [rows[1].id]);
    assert_eq!(
        ids(&api.get(0, "/commands?since=2999-01-01T00:00:00Z").json()),
        [0_i64; 0]
    );

    let shown = api.get(0, &format!("/commands/{}", rows[0].id)).json();
    assert_eq!(shown["command"], "echo one");
    assert_eq!(shown["exit_code"], 0);
    assert_eq!(shown["events"][0]["kind"], "command_recorded");
}

#[test]
fn who_is_no_admin_sees_their_own_commands_alone() {
    let api = api();
    assert_eq!(api.world.alice().run("echo mine").code, 0);
    assert_eq!(api.world.bastion.ssh("bob@web-1").run("echo his").code, 0);
    let rows = api.world.bastion.rows(2);
    let (mine, his) = (&rows[0], &rows[1]);
    assert_eq!(ids(&api.get(0, "/commands").json()), [his.id, mine.id]);
    assert_eq!(ids(&api.get(1, "/commands").json()), [his.id]);
    assert_eq!(
        api.get(1, "/commands?user=alice").fault(),
        (403, "forbidden".to_owned())
    );
    let hidden = api.get(1, &format!("/commands/{}", mine.id));
    assert_eq!(hidden.fault(), (404, "not_found".to_owned()));
    assert_eq!(hidden.body, api.get(1, "/commands/999").body, "as if there were none");
    assert_eq!(api.get(1, &format!("/commands/{}", his.id)).status, 200);
    assert_eq!(api.get(1, "/sessions").json()["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(api.get(0, "/sessions").json()["sessions"].as_array().unwrap().len(), 2);
    for admin in ["/analytics", "/ml/status", "/export"] {
        assert_eq!(api.get(1, admin).fault(), (403, "forbidden".to_owned()), "{admin}");
    }
    assert_eq!(api.post(1, "/ml/train", "{}").fault(), (403, "forbidden".to_owned()));
}

#[test]
fn a_recording_comes_as_it_was_made_to_who_may_see_it() {
    let api = api();
    let mut shell = api.world.shell();
    shell.run("echo on record");
    shell.line("exit");
    shell.finish();
    let session = eventually("a session with a recording that is complete", || {
        let record = api.world.bastion.sql();
        let found = record.query_row(
            "SELECT session_id FROM recordings WHERE state = 'complete'",
            [],
            |row| row.get::<_, String>(0),
        );
        found.ok()
    });
    let path = format!("/sessions/{session}/recording");
    let answer = api.get(0, &path);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.head.contains("opspilot-recording-state: complete"),
        "{}",
        answer.head
    );
    let played = api.world.bastion.opspilot(&["replay", "--cast", &session]);
    assert_eq!(answer.body.as_bytes(), played.stdout);
    assert!(answer.body.contains("on record"));
    assert_eq!(
        api.get(0, &format!("{path}?channel=2")).fault(),
        (404, "not_found".to_owned())
    );
    assert_eq!(
        api.get(1, &path).fault(),
        (404, "not_found".to_owned()),
        "another's session"
    );
}

/// A question of alice's, and the number of its row.
fn held(api: &Api) -> i64 {
    let rows = api
        .world
        .bastion
        .rows_when("a held row", |rows| rows.iter().any(|row| row.state == "held"));
    rows.iter().find(|row| row.state == "held").unwrap().id
}

#[test]
fn a_held_command_is_answered_over_http_where_its_policy_lets_that_be() {
    let api = Api::start(&[ALICE, BOB], |config| {
        config.make_alice_admin();
        config.let_http_answer();
    });
    let (yes, no) = (
        r#"{"command_id": ID, "user_confirmed": true}"#,
        r#"{"command_id": ID, "user_confirmed": false}"#,
    );
    for (body, code, state, confirmed) in [(yes, 0, "finished", true), (no, 126, "refused", false)] {
        let running = api.world.alice().start(RISKY);
        let id = held(&api);
        let body = body.replace("ID", &id.to_string());
        assert_eq!(
            api.post(1, "/ml/feedback", &body).fault().0,
            404,
            "bob has not been asked"
        );
        let answer = api.post(0, "/ml/feedback", &body);
        assert_eq!(
            answer.json(),
            json!({"command_id": id, "answered": true, "recorded": false})
        );
        assert_eq!(running.finish().code, code);
        let rows = api
            .world
            .bastion
            .rows_when("its end", |rows| rows.iter().any(|row| row.id == id && row.is_final()));
        let row = rows.iter().find(|row| row.id == id).unwrap();
        assert_eq!((row.state.as_str(), row.user_confirmed), (state, Some(confirmed)));
        assert_eq!(row.answered_by.as_deref(), Some("alice"));
        assert_eq!(row.answer_channel.as_deref(), Some("http"));
    }
}

#[test]
fn a_held_command_is_not_answered_over_http_by_default_nor_ever_where_it_is_critical() {
    for (critical, change) in [(false, (|_| {}) as fn(&mut Config)), (true, Config::let_http_answer)] {
        let api = Api::start(&[ALICE], |config| {
            config.make_alice_admin();
            change(config);
        });
        let command = if critical { "rm -rf --no-preserve-root /" } else { RISKY };
        let running = api.world.alice().start(command);
        let id = held(&api);
        let answer = api.post(
            0,
            "/ml/feedback",
            &json!({"command_id": id, "user_confirmed": true}).to_string(),
        );
        assert_eq!(answer.fault(), (403, "forbidden".to_owned()), "{command}");
        assert_eq!(api.world.bastion.rows_now()[0].state, "held");
        drop(running);
    }
}

#[test]
fn an_owner_answers_for_a_robot_and_the_robot_does_not() {
    let api = Api::start(&[ALICE, "--user robot --scope feedback"], Config::let_http_answer);
    let running = api.world.bastion.ssh("robot@web-1").start(RISKY);
    let id = held(&api);
    let rated = json!({"command_id": id, "user_confirmed": true, "rating": 5}).to_string();
    let answer = api.post(0, "/ml/feedback", &rated);
    assert_eq!(answer.fault(), (404, "not_found".to_owned()), "an owner rates nothing");
    let body = json!({"command_id": id, "user_confirmed": true}).to_string();
    assert_eq!(api.post(1, "/ml/feedback", &body).fault(), (409, "conflict".to_owned()));
    assert_eq!(api.post(0, "/ml/feedback", &body).status, 200);
    assert_eq!(running.finish().code, 0);
}

#[test]
fn what_is_said_of_a_command_that_does_not_wait_must_be_what_the_record_says() {
    let api = api();
    let mut running = api.world.alice().start(RISKY);
    let code = running.code();
    running.send(format!("{code}\n").as_bytes());
    assert_eq!(running.finish().code, 0);
    let row = api.world.bastion.row();
    let say = |body: Value| api.post(0, "/ml/feedback", &body.to_string());
    let time = row.confirmation_time_ms.unwrap();
    let right = say(json!({"session_id": row.session_id, "user_confirmed": true, "confirmation_time_ms": time}));
    assert_eq!(
        right.json(),
        json!({"command_id": row.id, "answered": false, "recorded": false})
    );
    for wrong in [
        json!({"command_id": row.id, "user_confirmed": false}),
        json!({"command_id": row.id, "confirmation_time_ms": time + 1}),
    ] {
        assert_eq!(say(wrong.clone()).fault(), (409, "conflict".to_owned()), "{wrong}");
    }
    for (incomplete, status) in [
        (json!({"user_confirmed": true}), 400),
        (
            json!({"command_id": row.id, "session_id": row.session_id, "user_confirmed": true}),
            400,
        ),
        (json!({"command_id": row.id}), 400),
        (json!({"command_id": row.id, "rating": 6}), 400),
        (json!({"command_id": 999, "user_confirmed": true}), 404),
    ] {
        assert_eq!(say(incomplete.clone()).status, status, "{incomplete}");
    }
}

#[test]
fn a_training_is_asked_for_once_at_a_time() {
    let api = api();
    let first = api.post(0, "/ml/train", r#"{"min_samples": 60}"#);
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(api.post(0, "/ml/train", "{}").fault(), (409, "conflict".to_owned()));
    let queue = Queue::of(&api.world.bastion.dir().join("state"));
    let (id, request) = queue.take().unwrap().unwrap();
    assert_eq!(first.json()["job"], id.to_string());
    assert_eq!((request.min_samples, request.requested_by.as_str()), (60, "alice"));
    assert_eq!(api.post(0, "/ml/train", r#"{"min_samples": 0}"#).status, 400);
    assert_eq!(api.post(0, "/ml/train", "{}").json()["min_samples"], 50);
}

#[test]
fn the_record_in_numbers_is_told_as_on_the_command_line() {
    let api = api();
    assert_eq!(api.world.alice().run("true").code, 0);
    assert_eq!(api.world.bastion.ssh("bob@web-1").run("false").code, 1);
    api.world.bastion.rows(2);
    // Connections are counted a moment after they were made.
    let numbers = eventually("both to say the same", || {
        let said = api.world.bastion.opspilot(&["stats", "--days", "2", "--json"]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        (api.get(0, "/analytics?days=2").json() == said).then_some(said)
    });
    assert_eq!((&numbers["total_commands"], &numbers["days"]), (&json!(2), &json!(2)));
    assert_eq!(numbers["success_rate"], 0.5);
    assert_eq!(api.get(0, "/analytics").json()["days"], 30);
    for span in ["0", "3651", "70000", "-1", "x", ""] {
        let answer = api.get(0, &format!("/analytics?days={span}"));
        assert_eq!(answer.fault(), (400, "invalid".to_owned()), "{span}");
    }
}

#[test]
fn a_rating_is_recorded_in_the_name_of_the_tokens_user_and_of_their_own_commands_alone() {
    let api = api();
    assert_eq!(api.world.alice().run("echo hers").code, 0);
    assert_eq!(api.world.bastion.ssh("bob@web-1").run("echo his").code, 0);
    let rows = api.world.bastion.rows(2);
    let (hers, his) = (rows[0].id, rows[1].id);
    let say = |token, body: Value| api.post(token, "/ml/feedback", &body.to_string());

    let comment = "it broke the cache; password=hunter2";
    let rated = say(1, json!({"command_id": his, "rating": 2, "comment": comment}));
    assert_eq!(
        rated.json(),
        json!({"command_id": his, "answered": false, "recorded": true})
    );
    assert_eq!(say(0, json!({"command_id": his, "rating": 4})).status, 200, "an admin");
    let foreign = say(1, json!({"command_id": hers, "rating": 1}));
    assert_eq!(foreign.fault(), (404, "not_found".to_owned()));

    let shown = api.get(0, &format!("/commands/{his}")).json();
    assert_eq!(
        (&shown["feedback_by"], &shown["feedback_rating"]),
        (&json!("alice"), &json!(4))
    );
    let ratings = &shown["ratings"];
    assert_eq!(
        (&ratings["bob"]["rating"], &ratings["alice"]["rating"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(ratings["alice"]["roles"], json!(["sre", "admin"]));
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    assert_eq!(api.get(0, &format!("/commands/{hers}")).json()["ratings"], Value::Null);

    let long = "x".repeat(Comment::MAX + 1);
    assert_eq!(
        say(0, json!({"command_id": his, "rating": 4, "comment": long})).status,
        400
    );
}

#[test]
fn how_the_model_does_is_told_as_on_the_command_line() {
    let api = api();
    let status = api.get(0, "/ml/status");
    assert_eq!(status.status, 200, "{status:?}");
    let said = api.world.bastion.opspilot(&["model", "status", "--json"]);
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(status.json(), said);
    assert_eq!(said["learning"]["due"]["is_due"], false, "{said}");
}

#[test]
fn metrics_count_what_passed_under_labels_of_fixed_words() {
    let api = api();
    assert_eq!(api.world.alice().run("echo /made-up-by-the-user").code, 0);
    api.world.bastion.row();
    api.get(0, "/made-up-by-the-client");
    api.get(0, "/commands/12345");
    let answer = api.get(0, "/metrics");
    assert!(
        answer.head.contains("content-type: application/openmetrics-text"),
        "{}",
        answer.head
    );
    for line in [
        "opspilot_commands_judged_total{channel=\"exec\",level=\"low\",decision=\"allow\"} 1",
        "opspilot_recording_seconds_count 1",
        "opspilot_sessions_open 0",
        "opspilot_questions_open 0",
        "opspilot_record_queued 0",
        "opspilot_http_requests_total{route=\"none\",status=\"404\"} 1",
        "opspilot_http_requests_total{route=\"/commands/{id}\",status=\"404\"} 1",
    ] {
        assert!(answer.body.contains(line), "{line} is not in:\n{}", answer.body);
    }
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(
        !answer.body.contains("made-up") && !answer.body.contains("12345"),
        "{}",
        answer.body
    );
}

#[test]
fn metrics_tell_whether_the_configuration_on_disk_is_in_force() {
    let mut api = api();
    let until = |api: &Api, value: u8| {
        eventually("the metric", || {
            let metrics = api.get(0, "/metrics").body;
            let line = format!("\nopspilot_last_reload_successful {value}\n");
            metrics.contains(&line).then_some(())
        });
    };
    until(&api, 1);
    api.world.bastion.reload_text("[server]\nlisten = 7\n");
    until(&api, 0);
    api.world.bastion.reload(|_| {});
    until(&api, 1);
}

#[test]
fn a_unix_socket_serves_its_group_and_is_replaced_after_a_crash() {
    use std::os::unix::fs::PermissionsExt as _;

    let mut world = World::with(|config| config.http = "listen = [\"unix:http.sock\"]\n".to_owned());
    let socket = world.bastion.dir().join("state/http.sock");
    let path = socket.display().to_string();
    let health = || curl(&["--unix-socket", &path, "http://bastion/healthz"]).status;
    eventually("the socket to answer", || (health() == 200).then_some(()));
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    world.bastion.crash();
    assert!(socket.exists());
    world.bastion.restart();
    eventually("the socket to answer again", || (health() == 200).then_some(()));
    assert_eq!(world.bastion.stop(), 0);
    assert!(!socket.exists(), "nothing is left behind");
}
