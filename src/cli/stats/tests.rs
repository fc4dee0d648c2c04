//! Pages of numbers from a record.

use jiff::civil::date;

use super::*;
use crate::store::fixtures::{Fixture, answer, confirmed, exited, resolution};
use crate::store::{ConnectionCounts, NewCommand, Verdict};

/// A name that would act on a terminal and in a browser, if it were let.
const HOSTILE: &str = "<script>alert('x')</script> \u{1b}[2J\u{202e}\" onload=\"x";

/// A moment of the fixture's day.
const NOW: &str = "2026-11-22T23:59:59Z";

async fn recorded() -> Fixture {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    fixture.eventful("rm -rf ./a").await;
    let refused = store.record(fixture.held("rm -rf ./b")).await.unwrap();
    store
        .resolve(refused, resolution(Verdict::Refused(answer())))
        .await
        .unwrap();
    let released = store.record(fixture.held("rm -rf ./c")).await.unwrap();
    store.resolve(released, confirmed()).await.unwrap();
    store.finish(released, exited(0)).await.unwrap();
    let hostile = NewCommand {
        scoring: None,
        pattern: HOSTILE.to_owned(),
        command_hash: "ab".repeat(16),
        ..fixture.running("ls")
    };
    store.record(hostile).await.unwrap();
    store.record(fixture.denied("rm -rf /")).await.unwrap();
    let counts = ConnectionCounts {
        accepted: 5,
        refused: 1,
        ..ConnectionCounts::default()
    };
    store.count_connections(date(2026, 11, 22), counts).await.unwrap();
    fixture
}

fn told(fixture: &Fixture, days: u16) -> Report {
    let args = Args {
        days,
        prompts: true,
        json: false,
        html: None,
        config: crate::cli::ConfigArg { file: None },
    };
    report(&Reader::open(&fixture.path()).unwrap(), &args, NOW.parse().unwrap()).unwrap()
}

fn page_of(report: &Report, style: Style) -> String {
    let mut out = Vec::new();
    page::write(&mut out, report, style).unwrap();
    String::from_utf8(out).unwrap()
}

const PLAIN: Style = Style {
    width: 80,
    colour: false,
};

#[tokio::test]
async fn the_json_has_every_number_under_its_name() {
    let fixture = recorded().await;
    let mut out = Vec::new();
    table::json(&mut out, &told(&fixture, 2)).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (&json["days"], &json["since"], &json["until"]),
        (&2.into(), &"2026-11-21".into(), &"2026-11-22".into())
    );
    assert_eq!(json["total_commands"], 5);
    assert_eq!(json["success_rate"], 0.5);
    assert_eq!(
        json["outcomes"],
        serde_json::json!({"succeeded": 1, "failed": 1, "unknown": 0, "not_run": 2, "open": 1})
    );
    assert_eq!(
        json["risk_distribution"],
        serde_json::json!({"low": 0, "medium": 0, "high": 3, "critical": 1, "unknown": 1})
    );
    assert_eq!(
        json["decisions"],
        serde_json::json!({"allow": 1, "warn": 0, "confirm": 3, "deny": 1})
    );
    let asked = serde_json::json!({
        "asked": 3, "confirmed": 2, "refused": 1, "expired": 0, "abandoned": 0, "open": 0, "unanswerable": 0,
        "settled_otherwise": 0, "median_time_ms": 2_400
    });
    let patterns = &json["confirmation_patterns"];
    assert_eq!(patterns["by_level"]["high"], asked);
    assert_eq!(patterns["by_level"]["low"]["median_time_ms"], serde_json::Value::Null);
    assert_eq!(patterns["asked"], 3);
    assert_eq!(patterns["median_time_ms"], 2_400);
    assert_eq!(json["top_patterns"][0]["pattern"], "rm -rf <relative>");
    assert_eq!(json["top_patterns"][1]["pattern"], HOSTILE);
    let counts =
        serde_json::json!({"name": "alice", "commands": 5, "confirmed": 2, "refused": 1, "failed": 1, "harmful": 1});
    assert_eq!(json["top_users"], serde_json::json!([counts]));
    assert_eq!(json["top_targets"][0]["name"], "web-1");
    assert_eq!(
        (&json["hours"][13]["hour"], &json["hours"][13]["commands"]),
        (&13.into(), &5.into())
    );
    assert_eq!(
        (&json["by_day"][0]["commands"], &json["by_day"][1]["commands"]),
        (&0.into(), &5.into())
    );
    assert_eq!(
        json["impact_by_level"]["high"],
        serde_json::json!({"none": 0, "minor": 0, "moderate": 0, "severe": 1, "unknown": 1, "not_run": 1})
    );
    assert_eq!(json["impact_by_level"]["unknown"]["not_run"], 1, "it is running");
    let model = &json["model_vs_outcome"];
    assert_eq!(
        (&model["forecasts"], &model["impact_known"], &model["too_low"]),
        (&4.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&model["agreement"], &model["refusal_agreement"]),
        (&0.0.into(), &0.0.into())
    );
    assert_eq!(model["impact_by_forecast"]["low"]["severe"], 1);
    assert_eq!(
        (
            &model["confirmed_by_forecast"]["low"],
            &model["refused_by_forecast"]["low"]
        ),
        (&2.into(), &1.into())
    );
    assert_eq!(json["prompts"], serde_json::json!([]), "its only rule is a medium one");
    assert_eq!(json["connections"][0]["accepted"], 5);
}

#[tokio::test]
async fn a_record_without_commands_has_no_rates() {
    let fixture = Fixture::new().await;
    let report = told(&fixture, 30);
    let analytics = &report.analytics;
    assert_eq!((analytics.total_commands, analytics.success_rate), (0, None));
    assert_eq!(
        (analytics.model_vs_outcome.agreement, analytics.by_day.len()),
        (None, 30)
    );
    let page = page_of(&report, PLAIN);
    assert!(
        page.starts_with("0 commands from 2026-10-24 to 2026-11-22 (UTC).\nOf none is it known"),
        "{page}"
    );
    assert!(html::page(&report).ends_with("</html>\n"));
}

#[tokio::test]
async fn the_page_fits_the_terminal_and_nothing_in_it_acts() {
    let fixture = recorded().await;
    for (days, width) in [(2, 40), (30, 80), (3_650, 100)] {
        let page = page_of(&told(&fixture, days), Style { width, colour: false });
        for line in page.lines() {
            assert!(line.chars().count() <= width, "{width}: {line:?}");
        }
        assert!(
            page.chars()
                .all(|character| character == '\n' || !character.is_control()),
            "{page:?}"
        );
        assert!(!page.contains('\u{202e}'), "{page}");
    }
}

#[tokio::test]
async fn the_page_says_what_the_json_says() {
    let fixture = recorded().await;
    let page = page_of(&told(&fixture, 30), PLAIN);
    for part in [
        "5 commands from",
        "50.0 % of the 2 whose end is known succeeded.",
        "3 were asked about: 2 confirmed, 1 refused, 0 expired, 0 abandoned.",
        "Commands by hour (UTC)",
        "2.4 s",
        "rm -rf <relative>",
        "Connections",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[tokio::test]
async fn only_levels_are_painted() {
    let fixture = recorded().await;
    let style = Style { colour: true, ..PLAIN };
    let page = page_of(&told(&fixture, 30), style);
    assert!(page.contains("\x1b[31m#"), "{page:?}");
    assert_eq!(page.matches("\x1b[").count(), page.matches("\x1b[0m").count() * 2);
}

#[tokio::test]
async fn the_page_for_browsers_loads_and_runs_nothing() {
    let fixture = recorded().await;
    let page = html::page(&told(&fixture, 30));
    assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; \\x1b[2J\\u{202e}&quot; onload=&quot;x"));
    for forbidden in [
        "<script",
        "onload=\"",
        "http://",
        "https://",
        "url(",
        "style=",
        "<link",
        "<img",
        "\u{1b}",
        "\u{202e}",
    ] {
        assert!(!page.contains(forbidden), "{forbidden} is in the page");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    for element in ["svg", "table", "tr", "td", "th", "g", "title", "text", "p", "h2"] {
        let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
}

#[tokio::test]
async fn the_file_is_written_whole_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.html");
    for page in ["one", "two"] {
        save(&file, page).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), page);
    }
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let error = save(&directory.path().join("none/report.html"), "x").unwrap_err();
    assert!(error.to_string().contains("none/report.html"), "{error}");
}
