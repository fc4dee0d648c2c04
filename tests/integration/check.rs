//! `opspilot check` on an admin's own rules, and on what the record says of rules that ask in vain.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Config, RISKY, World};

/// A world with a file of rules `own.toml` after the shipped ones, which holds `text`.
fn with_own_rules(text: &str) -> World {
    let world = World::new();
    write_own_rules(&world, text);
    world
}

fn write_own_rules(world: &World, text: &str) {
    let mut config: Config = world.bastion.config.clone();
    config.risk = config.risk.replace("rules.toml\"]", "rules.toml\", \"own.toml\"]");
    fs::write(world.bastion.config_file(), config.render()).unwrap();
    fs::write(world.bastion.dir().join("own.toml"), text).unwrap();
}

/// What `check` says on standard output and standard error, and whether it finds nothing wrong.
fn check(world: &World) -> (String, bool) {
    let output = world.bastion.opspilot(&["check"]);
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.success())
}

fn score(world: &World, command: &str) -> Value {
    let output = world.bastion.opspilot(&["score", "--json", command]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn rules_of(answer: &Value) -> Vec<&str> {
    let reasons = answer["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason["rule"].as_str().unwrap()).collect()
}

const OWN_RULE: &str = r#"
[[rule]]
id = "own.reindex"
family = "own"
level = "high"
sentence = "Rebuilds the search index, which takes the shop down."
when = [{ program = ["reindex-shop"] }]
match = ["reindex-shop --all"]
no_match = ["ls"]
"#;

#[test]
fn an_own_rule_hits_and_an_override_changes_or_ends_a_shipped_one() {
    let world = with_own_rules(OWN_RULE);
    assert!(check(&world).1);
    assert_eq!(rules_of(&score(&world, "reindex-shop --all")), ["own.reindex"]);
    let risky = score(&world, RISKY);
    let rule = rules_of(&risky)[0].to_owned();

    write_own_rules(&world, &format!("[[override]]\nid = \"{rule}\"\nlevel = \"low\"\n"));
    assert!(check(&world).1);
    let lowered = score(&world, RISKY);
    let mut reasons = lowered["reasons"].as_array().unwrap().iter();
    assert!(
        reasons.any(|reason| reason["rule"] == rule && reason["level"] == "low"),
        "{lowered}"
    );

    write_own_rules(&world, &format!("[[override]]\nid = \"{rule}\"\noff = true\n"));
    assert!(check(&world).1);
    assert!(!rules_of(&score(&world, RISKY)).contains(&rule.as_str()));
}

#[test]
fn a_fault_in_own_rules_is_told_with_its_file_its_line_and_a_remedy() {
    let cases = [
        (OWN_RULE.replace("level =", "levle ="), 5, "levle"),
        (OWN_RULE.replace("\"high\"", "\"severe\""), 5, "severe"),
        (OWN_RULE.replace("own.reindex", "Own Rule"), 3, "not well formed"),
        (
            OWN_RULE.replace("[{ program = [\"reindex-shop\"] }]", "[]"),
            3,
            "can never match",
        ),
        (
            OWN_RULE.replace("program = [\"reindex-shop\"]", "words = \"(\""),
            3,
            "pattern",
        ),
        (
            OWN_RULE.replace("[\"ls\"]", "[\"reindex-shop\"]"),
            3,
            "matches its example `reindex-shop`",
        ),
        (OWN_RULE.repeat(2), 12, "already a rule `own.reindex`"),
        (
            "[[override]]\nid = \"no.such\"\noff = true\n".to_owned(),
            2,
            "no rule `no.such`",
        ),
        (
            "[[override]]\nid = \"fs.remove-root\"\n".to_owned(),
            2,
            "must do one thing",
        ),
        ("\n\n[exceptions.a]\nwords = \"(\"\n".to_owned(), 3, "pattern"),
    ];
    let world = with_own_rules("");
    for (text, line, expected) in cases {
        write_own_rules(&world, &text);
        let (said, fine) = check(&world);
        let place = format!("{}:{line}: ", world.bastion.dir().join("own.toml").display());
        assert!(!fine && said.contains(&place), "{place} for\n{text}\n{said}");
        assert!(
            said.contains(expected) && said.contains("remedy: "),
            "{expected}: {said}"
        );
    }
}

/// Copies the only command on record, which was asked about, until there are so many; `refused` of them were not confirmed.
fn multiply(database: &Path, count: u32, refused: u32) {
    let connection = Connection::open(database).unwrap();
    let columns =
        "SELECT group_concat(name) FROM pragma_table_info('command_executions') WHERE name NOT IN ('id', 'uid')";
    let columns: String = connection.query_row(columns, [], |row| row.get(0)).unwrap();
    for _ in 1..count {
        let copy = format!(
            "INSERT INTO command_executions (uid, {columns}) SELECT hex(randomblob(16)), {columns} FROM command_executions LIMIT 1"
        );
        connection.execute(&copy, []).unwrap();
    }
    let refuse = format!(
        "UPDATE command_executions SET state = 'refused', user_confirmed = 0, execution_success = NULL, exit_code = NULL,
         execution_time_ms = NULL, stdout_length = NULL, stderr_length = NULL, actual_impact = NULL, impact_evidence = NULL,
         system_context_after = NULL, context_after_missing = NULL WHERE id <= {refused}"
    );
    connection.execute(&refuse, []).unwrap();
}

/// A world whose record has so many questions about one command, with so many refusals.
fn asked(count: u32, refused: u32) -> World {
    let mut world = World::new();
    let mut running = world.alice().start(RISKY);
    let code = running.code();
    running.send(format!("{code}\n").as_bytes());
    running.finish();
    world.bastion.row();
    world.bastion.stop();
    multiply(&world.bastion.database(), count, refused);
    world
}

#[test]
fn a_rule_that_asked_fifty_times_in_vain_is_named_until_it_is_lowered() {
    let world = asked(50, 0);
    let answer = score(&world, RISKY);
    let (rule, level) = (
        rules_of(&answer)[0].to_owned(),
        answer["rule_level"].as_str().unwrap().to_owned(),
    );
    let (said, fine) = check(&world);
    let warning = format!("rule `{rule}` ({level}) asked 50 times and was refused 0 times (0.0 %)");
    assert!(fine && said.contains(&warning), "{warning}: {said}");
    assert!(said.contains("[[override]]") && said.contains("remedy: "), "{said}");

    write_own_rules(&world, &format!("[[override]]\nid = \"{rule}\"\nlevel = \"medium\"\n"));
    let (said, fine) = check(&world);
    assert!(fine && !said.contains(&format!("`{rule}`")), "{said}");
}

#[test]
fn a_rule_that_is_refused_at_times_or_asks_seldom_is_not_named() {
    for (count, refused) in [(49, 0), (50, 1)] {
        let (said, fine) = check(&asked(count, refused));
        assert!(fine && !said.contains("asked"), "{count}, {refused}: {said}");
    }
}
