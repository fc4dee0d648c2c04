//! The record in numbers: they are what the rows say that sessions wrote.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{RISKY, Row, Terminal, World, opspilot};

/// A world in which one command of each fate was recorded: succeeded, failed, confirmed, refused, abandoned, and one still asked.
fn eventful() -> World {
    let world = World::new();
    assert_eq!(world.alice().run("true").code, 0);
    assert_eq!(world.alice().run("false").code, 1);
    let mut confirmed = world.alice().start(RISKY);
    let code = confirmed.code();
    confirmed.send(format!("{code}\n").as_bytes());
    assert_eq!(confirmed.finish().code, 0);
    let mut refusing = world.alice().terminal(RISKY);
    refusing.answer("n");
    refusing.finish();
    let mut abandoned = world.alice().start(RISKY);
    abandoned.code();
    abandoned.vanish();
    world.bastion.rows(5);
    world
}

/// `stats --json` of today and yesterday, as midnight may pass meanwhile.
fn stats(world: &World, arguments: &[&str]) -> Value {
    let output = world
        .bastion
        .opspilot(&[&["stats", "--days", "2", "--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How many rows are so.
fn count(rows: &[Row], is: impl Fn(&Row) -> bool) -> Value {
    json!(rows.iter().filter(|row| is(row)).count())
}

#[test]
fn the_numbers_are_what_the_rows_say() {
    let world = eventful();
    let mut asks = world.alice().start(RISKY);
    asks.code();
    let rows = world.bastion.rows_when("six rows", |rows| rows.len() == 6);
    let numbers = stats(&world, &[]);

    assert_eq!(numbers["total_commands"], 6);
    let rate = numbers["success_rate"].as_f64().unwrap();
    assert!((rate - 2.0 / 3.0).abs() < 1e-9, "{rate}");
    let outcomes = json!({"succeeded": 2, "failed": 1, "unknown": 0, "not_run": 2, "open": 1});
    assert_eq!(numbers["outcomes"], outcomes);
    for level in ["low", "medium", "high", "critical"] {
        let of_level = count(&rows, |row| row.final_risk_level.as_deref() == Some(level));
        assert_eq!(numbers["risk_distribution"][level], of_level, "{level}");
    }
    let asked = &numbers["confirmation_patterns"];
    for (fate, number) in [
        ("asked", 4),
        ("confirmed", 1),
        ("refused", 1),
        ("expired", 0),
        ("abandoned", 1),
        ("open", 1),
        ("unanswerable", 0),
    ] {
        assert_eq!(asked[fate], number, "{fate}");
    }
    let mut times: Vec<i64> = rows.iter().filter_map(|row| row.confirmation_time_ms).collect();
    times.sort_unstable();
    let median = asked["median_time_ms"].as_i64().unwrap();
    assert!((median - times[0]).abs() * 200 <= times[0], "{median} of {times:?}");
}

#[test]
fn the_tops_the_hours_and_the_days_are_those_of_the_rows() {
    let world = eventful();
    let numbers = stats(&world, &[]);
    assert_eq!(numbers["top_users"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&numbers["top_users"][0]["name"], &numbers["top_users"][0]["commands"]),
        (&json!("alice"), &json!(5))
    );
    assert_eq!(
        (
            &numbers["top_targets"][0]["name"],
            &numbers["top_targets"][0]["refused"]
        ),
        (&json!("web-1"), &json!(1))
    );
    let risky = &numbers["top_patterns"][0];
    assert_eq!((&risky["commands"], &risky["confirmed"]), (&json!(3), &json!(1)));
    assert!(risky["pattern"].as_str().unwrap().starts_with("rm"), "{risky}");
    let sum = |list: &Value| {
        list.as_array()
            .unwrap()
            .iter()
            .map(|part| part["commands"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum(&numbers["hours"]), sum(&numbers["by_day"])), (5, 5));
    assert_eq!(
        (
            numbers["hours"].as_array().unwrap().len(),
            numbers["by_day"].as_array().unwrap().len()
        ),
        (24, 2)
    );
}

#[test]
fn the_forest_is_held_against_what_came_of_its_commands() {
    let world = eventful();
    let settled = |row: &Row| !matches!(row.state.as_str(), "finished") || row.system_context_after.is_some();
    let rows = world
        .bastion
        .rows_when("the snapshots afterwards", |rows| rows.iter().all(settled));
    let model = &stats(&world, &[])["model_vs_outcome"];
    assert_eq!(model["forecasts"], count(&rows, |row| row.ml_risk_level.is_some()));
    let known = |row: &Row| row.ml_risk_level.is_some() && row.actual_impact.is_some();
    assert_eq!(model["impact_known"], count(&rows, known));
    let parts = ["agreed", "too_low", "too_high"].map(|part| model[part].as_u64().unwrap());
    assert_eq!(json!(parts.iter().sum::<u64>()), model["impact_known"]);
    let refused = rows.iter().find(|row| row.user_confirmed == Some(false)).unwrap();
    assert_eq!(
        model["refused_by_forecast"][refused.ml_risk_level.as_deref().unwrap()],
        1
    );
}

#[test]
fn how_the_questions_were_taken_is_told_by_rule() {
    let world = eventful();
    assert!(stats(&world, &[]).get("prompts").is_none());
    let prompts = stats(&world, &["--prompts"])["prompts"].clone();
    let rule = &prompts[0];
    let taken = ["asked", "confirmed", "refused", "unanswered"].map(|how| rule[how].as_u64().unwrap());
    assert_eq!(taken, [3, 1, 1, 1], "{prompts}");
}

#[test]
fn a_terminal_gets_a_page_that_fits_it_in_colours_unless_it_wants_none() {
    let world = eventful();
    let page = |no_color: &str| {
        let mut program: Command = opspilot(&["stats"]);
        program.arg("-c").arg(world.bastion.config_file());
        program.env("TERM", "xterm").env("NO_COLOR", no_color);
        let mut terminal = Terminal::start(&program);
        assert_eq!(terminal.finish(), 0);
        String::from_utf8(terminal.screen.to_end()).unwrap()
    };
    let plain = page("1");
    for part in ["5 commands", "Commands by level", "web-1", "alice"] {
        assert!(plain.contains(part), "{part} is not in\n{plain}");
    }
    assert!(!plain.contains('\x1b'), "{plain:?}");
    let widest = plain.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}\n{plain}");
    assert!(page("").contains("\x1b[32m#"), "what is low is green");
}

#[test]
fn the_page_for_browsers_is_one_file() {
    let world = eventful();
    let file = world.bastion.dir().join("report.html");
    let output = world.bastion.opspilot(&["stats", "--html", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"),
        "{page}"
    );
    assert!(
        page.contains("default-src 'none'") && page.contains("<svg") && page.contains("alice"),
        "{page}"
    );
    assert!(
        !page.contains("<script") && !page.contains("http:") && !page.contains("https:"),
        "{page}"
    );
}

#[test]
fn what_a_crash_left_open_is_counted_where_it_ended() {
    let mut world = World::new();
    let mut running = world.alice().start("echo up; cat");
    running.stdout.expect("up\n");
    assert_eq!(stats(&world, &[])["outcomes"]["open"], 1);
    world.bastion.crash();
    world.bastion.restart();
    let numbers = stats(&world, &[]);
    assert_eq!(
        (&numbers["outcomes"]["open"], &numbers["outcomes"]["unknown"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(numbers["success_rate"], Value::Null);
}

#[test]
fn any_part_of_a_text_is_found_in_the_list() {
    let world = World::new();
    for command in ["echo \"it's here\"", "echo nothing"] {
        assert_eq!(world.alice().run(command).code, 0);
    }
    for (text, found) in [
        ("it's h", 1),
        ("echo", 2),
        ("\"it", 1),
        ("o n", 1),
        ("t's", 1),
        ("hidden", 0),
        ("ec", 2),
    ] {
        let output = world.bastion.opspilot(&["log", "--json", text]);
        let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(rows.len(), found, "{text}: {output:?}");
    }
}
