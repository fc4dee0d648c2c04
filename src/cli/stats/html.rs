//! The page for browsers: one file that loads nothing and runs nothing, whatever stands in the record.

use std::fmt::Write as _;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::Report;
use super::sections::{Section, level_word, sections, summary};
use super::svg::{self, Column};
use crate::domain::printable_line;

/// Longest text of a cell, in characters.
const MAX_CELL: usize = 300;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2024; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
svg { width: 100%; height: auto; font-size: 12px; fill: #1c2024; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.15rem 0.8rem 0.15rem 0; border-bottom: 1px solid #d9dce0; vertical-align: top; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
th { font-size: 0.75rem; color: #60666d; }
.low, .succeeded { fill: #3a8f5c; } .medium { fill: #d9a514; } .high, .failed { fill: #d9541e; } .critical { fill: #9c1c2e; }
.unknown, .open { fill: #a4abb3; } .plain { fill: #3f6fb5; } .not-run { fill: #6b7680; }
@media (prefers-color-scheme: dark) {
  body { color: #e3e6e9; background: #16191c; } svg { fill: #e3e6e9; } th, td { border-color: #33393f; } th { color: #9aa2aa; }
}
";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let title = format!("opspilot: {} to {}", report.analytics.since, report.analytics.until);
    let mut html = head(&title);
    writeln!(html, "<h1>{}</h1>", escaped(&title)).unwrap_or_default();
    for sentence in summary(report) {
        writeln!(html, "<p>{}</p>", escaped(&sentence)).unwrap_or_default();
    }
    for (title, plot) in plots(report) {
        write!(html, "<h2>{}</h2>\n{plot}", escaped(title)).unwrap_or_default();
    }
    for section in sections(report) {
        table(&mut html, &section);
    }
    html + "</body>\n</html>\n"
}

/// The policy lets the browser use the style that is here, by its digest, and nothing else from anywhere.
fn head(title: &str) -> String {
    let digest = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        escaped(title)
    )
}

fn plots(report: &Report) -> [(&'static str, String); 4] {
    let analytics = &report.analytics;
    let days = analytics.by_day.iter().map(|day| Column {
        name: day.day.to_string(),
        parts: day
            .by_level
            .iter()
            .map(|(level, number)| (level_word(level), *number))
            .collect(),
    });
    let hours = analytics.hours.iter().map(|hour| Column {
        name: format!("{:02}:00", hour.hour),
        parts: vec![("plain", hour.counts.commands)],
    });
    let levels = analytics.risk_distribution.iter();
    let levels: Vec<_> = levels
        .map(|(level, number)| (level_word(level), level_word(level), *number))
        .collect();
    let outcomes = analytics.outcomes;
    let ends = [
        ("succeeded", "succeeded", outcomes.succeeded),
        ("failed", "failed", outcomes.failed),
        ("unknown", "unknown", outcomes.unknown),
        ("not run", "not-run", outcomes.not_run),
        ("open", "open", outcomes.open),
    ];
    let titles = [
        "Commands by day",
        "Commands by hour (UTC)",
        "Commands by level",
        "Commands by end",
    ];
    let [by_day, by_hour, by_level, by_end] = titles;
    [
        (by_day, svg::columns(by_day, &days.collect::<Vec<_>>())),
        (by_hour, svg::columns(by_hour, &hours.collect::<Vec<_>>())),
        (by_level, svg::bars(by_level, &levels)),
        (by_end, svg::bars(by_end, &ends)),
    ]
}

fn table(html: &mut String, section: &Section) {
    write!(html, "<h2>{}</h2>\n<table>\n<thead><tr>", escaped(section.title)).unwrap_or_default();
    for heading in &section.headings {
        write!(html, "<th>{}</th>", escaped(heading)).unwrap_or_default();
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &section.rows {
        html.push_str("<tr>");
        for text in row {
            let start: String = text.chars().take(MAX_CELL).collect();
            let more = if start.len() < text.len() { "…" } else { "" };
            write!(html, "<td>{}{more}</td>", escaped(&start)).unwrap_or_default();
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
}

/// Recorded text for HTML, also inside quotes: on one line, no character that acts, nothing that is markup.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable_line(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
