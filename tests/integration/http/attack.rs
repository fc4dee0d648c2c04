//! What attackers try: tokens that are none, requests that are too large or never end, ids that are paths, text that acts.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::{ALICE, api};
use crate::harness::http::bearer;
use crate::harness::{Api, eventually};

fn connect(api: &Api) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, api.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

#[test]
fn a_token_that_is_none_is_refused_in_the_same_words_whatever_is_wrong_with_it() {
    let api = api();
    let token = api.token(0);
    let last = if token.ends_with('a') { "b" } else { "a" };
    let wrong_secret = format!("{}{last}", &token[..token.len() - 1]);
    let wrong_id = token.replacen(&token[9..17], "zzzzzzzz", 1);
    let other_secret = format!("{}{}", &token[..18], &api.token(1)[18..]);
    let attempts = [
        "",
        "x",
        &wrong_secret,
        &wrong_id,
        &other_secret,
        &token.to_uppercase(),
        "opspilot_' OR 1=1--_x",
    ];
    let refused: Vec<String> = attempts
        .iter()
        .map(|attempt| {
            let answer = api.curl(&["-H", &bearer(attempt), "/commands"]);
            assert_eq!(answer.fault(), (401, "unauthorized".to_owned()), "{attempt}");
            answer.body
        })
        .collect();
    assert!(refused.iter().all(|body| *body == refused[0]), "{refused:?}");
    let basic = format!("Authorization: Basic {token}");
    assert_eq!(api.curl(&["-H", &basic, "/commands"]).status, 401);
    let in_query = format!("/commands?access_token={token}");
    assert_eq!(
        api.curl(&[in_query.as_str()]).status,
        401,
        "tokens in addresses end up in logs"
    );
    assert_eq!(api.get(0, "/commands").status, 200);
}

#[test]
fn a_token_does_what_its_scopes_say_until_it_expires_is_revoked_or_loses_its_user() {
    let mut api = Api::start(
        &["--user bob --scope metrics", "--user bob --scope read --valid-for 5s"],
        |_| {},
    );
    assert_eq!(api.get(0, "/metrics").status, 200);
    assert_eq!(api.get(0, "/commands").fault(), (403, "scope_missing".to_owned()));
    assert_eq!(api.post(0, "/ask", "{}").fault(), (403, "scope_missing".to_owned()));
    for path in ["/analytics", "/export"] {
        assert_eq!(api.get(0, path).fault(), (403, "scope_missing".to_owned()), "{path}");
    }
    eventually("the other token to expire", || {
        (api.get(1, "/commands").status == 401).then_some(())
    });

    let id = api.token(0)[9..17].to_owned();
    let listed = api.world.bastion.opspilot(&["token", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(api.world.bastion.opspilot(&["token", "revoke", &id]).status.success());
    assert!(
        !api.world.bastion.opspilot(&["token", "revoke", &id]).status.success(),
        "once"
    );
    assert_eq!(
        api.get(0, "/metrics").fault(),
        (401, "unauthorized".to_owned()),
        "at once, without a restart"
    );

    api.add(&["--user bob --scope metrics"]);
    assert_eq!(api.get(2, "/metrics").status, 200);
    api.world
        .bastion
        .reload(|config| config.users = config.users.replace("\"bob\"", "\"robert\""));
    eventually("bob's token to be refused", || {
        (api.get(2, "/metrics").status == 401).then_some(())
    });
}

#[test]
fn no_secret_is_in_the_log_or_in_the_record() {
    let api = Api::start(&[ALICE], |config| config.log = "trace");
    assert_eq!(api.get(0, "/commands").status, 200);
    assert_eq!(
        api.post(
            0,
            "/ask",
            r#"{"target": "web-1", "command": "mysql --password=hunter2hunter2"}"#
        )
        .status,
        200
    );
    let secret = &api.token(0)[18..];
    let log = api.world.bastion.log();
    assert!(log.len() > 1000 && !log.contains(secret) && !log.contains("hunter2hunter2"));
    for file in ["opspilot.db", "opspilot.db-wal"] {
        let bytes = std::fs::read(api.world.bastion.dir().join("state").join(file)).unwrap_or_default();
        assert_eq!(memchr::memmem::find(&bytes, secret.as_bytes()), None, "{file}");
    }
}

#[test]
fn what_is_too_large_or_is_no_request_is_refused_as_json_and_harms_nobody() {
    let api = api();
    let file = api.world.bastion.dir().join("large.json");
    let large = json!({"target": "web-1", "command": "x".repeat(200_000)});
    std::fs::write(&file, large.to_string()).unwrap();
    let (header, data) = (bearer(api.token(0)), format!("@{}", file.display()));
    let answer = api.curl(&["-H", &header, "--json", &data, "/ask"]);
    assert_eq!(answer.fault(), (413, "too_large".to_owned()));
    let many = format!("X-Large: {}", "x".repeat(60_000));
    assert_eq!(api.curl(&["-H", &many, "/healthz"]).status, 431);

    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 422),
        ("{\"target\": \"web-1\"}", 422),
        ("{\"target\": \"../etc\", \"command\": \"ls\"}", 422),
        ("{\"target\": \"web-1\", \"command\": \"ls\", \"run\": true}", 422),
        ("{\"target\": \"web-1\", \"command\": \"l\\u0000s\"}", 400),
    ] {
        assert_eq!(
            api.post(0, "/ask", body).fault(),
            (status, "invalid".to_owned()),
            "{body}"
        );
    }
    let plain = api.curl(&["-H", &header, "-H", "Content-Type: text/plain", "--data", "{}", "/ask"]);
    assert_eq!(plain.fault(), (415, "invalid".to_owned()));
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(api.post(0, "/ask", &deep).fault().1, "invalid");
    assert_eq!(
        api.curl(&["-H", &header, "-X", "DELETE", "/commands"]).fault(),
        (405, "method_not_allowed".to_owned())
    );
    assert_eq!(api.curl(&["/nothing"]).fault(), (404, "not_found".to_owned()));

    let mut stream = connect(&api);
    stream
        .write_all(b"\x16\x03\x01\x00\xff no HTTP at all\r\n\r\n")
        .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    assert_eq!(api.curl(&["/healthz"]).status, 200);
}

#[test]
fn an_id_is_never_a_path_and_a_filter_never_sql() {
    let api = api();
    assert_eq!(api.world.alice().run("echo one").code, 0);
    api.world.bastion.row();
    for path in [
        "/commands/../sessions",
        "/commands/..%2f..%2fetc%2fpasswd",
        "/commands/-1",
        "/commands/99999999999999999999",
        "/commands/1%20OR%201=1",
        "/sessions/..%2f..%2fopspilot.db/recording",
        "/sessions/x/recording",
        "/sessions/00000000-0000-0000-0000-000000000000/recording?channel=-1",
        "/commands?limit=0",
        "/commands?limit=501",
        "/commands?limit=x",
        "/commands?nothing=1",
        "/commands?user=a'%20OR%20'1'='1",
        "/commands?level=HIGH",
    ] {
        let answer = api.get(0, path);
        let (status, _) = answer.fault();
        assert!((400..500).contains(&status), "{path}: {answer:?}");
    }
    let found = api.get(0, "/commands?text=%27%20OR%201%3D1%20--");
    assert_eq!(found.json()["commands"], json!([]));
}

#[test]
fn hostile_text_comes_out_as_json_and_nothing_else() {
    let api = api();
    let hostile = "echo '\u{1b}[2J</script><script>alert(1)</script>\"\\ \u{202e}'";
    assert_eq!(api.world.alice().run(hostile).code, 0);
    let row = api.world.bastion.row();
    let answer = api.get(0, &format!("/commands/{}", row.id));
    assert_eq!(answer.json()["command"], row.command);
    assert!(!answer.body.contains('\u{1b}'), "{:?}", answer.body);
    for header in [
        "content-type: application/json",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(answer.head.contains(header), "{header}: {}", answer.head);
    }
}

#[test]
fn a_token_has_its_allowance_and_others_keep_theirs() {
    let api = Api::start(&[ALICE, super::BOB], |config| {
        config.http.push_str("requests_per_minute = 3\n");
    });
    let refused = eventually("a request too many", || {
        let answer = api.get(0, "/commands");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.fault(), (429, "rate_limited".to_owned()));
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    assert_eq!(api.get(1, "/commands").status, 200);
    assert_eq!(api.curl(&["/healthz"]).status, 200);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for_for_ever() {
    let api = Api::start(&[ALICE], |_| {});
    let mut stream = connect(&api);
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let head = format!(
        "POST /ask HTTP/1.1\r\nHost: x\r\n{}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        bearer(api.token(0))
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 408") && said.contains("\"timeout\""),
        "{said}"
    );
}

#[test]
fn who_never_ends_a_request_loses_the_connection_and_takes_no_place_for_ever() {
    let api = Api::start(&[], |config| config.http.push_str("max_connections = 2\n"));
    let mut slow: Vec<TcpStream> = (0..2).map(|_| connect(&api)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-").unwrap();
    }
    let served = api.curl(&["/healthz"]);
    assert_eq!(served.status, 200, "once the places are free again");
    for stream in &mut slow {
        let mut rest = Vec::new();
        // Ended by the daemon; the read would fail at its deadline otherwise.
        stream.read_to_end(&mut rest).unwrap();
    }
}
