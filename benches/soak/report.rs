//! What came of it: a summary on standard output, and a page with plots.

use std::fmt::Write as _;

use crate::Outcome;
use crate::samples::Sample;

/// The size of a plot, pixels, and what of it is left for its scales.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 140.0;
const LEFT: f64 = 60.0;
const FOOT: f64 = 20.0;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2024; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 0.3rem; }
svg { width: 100%; height: auto; font-size: 12px; fill: #1c2024; }
polyline { fill: none; stroke: #3f6fb5; stroke-width: 1.5; } .scale { stroke: #d9dce0; } .after { fill: #3f6fb5; opacity: 0.07; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 0.15rem 0.8rem 0.15rem 0; border-bottom: 1px solid #d9dce0; }
th:first-child, td:first-child { text-align: left; } th { font-size: 0.75rem; color: #60666d; }
";

/// A plot's title, and what it shows.
type Plot = (&'static str, fn(&Sample) -> f64);

const PLOTS: [Plot; 6] = [
    ("Resident memory, MiB", |sample| sample.resident),
    ("Descriptors", |sample| sample.descriptors as f64),
    ("Threads", |sample| sample.threads as f64),
    ("Open sessions", |sample| sample.sessions as f64),
    ("The record, MiB", |sample| sample.record),
    ("Failures", |sample| sample.failures as f64),
];

/// Prints the summary.
pub(crate) fn print(outcome: &Outcome) {
    for (name, tally) in &outcome.tallies {
        println!(
            "{name:<22}{:>6} done{:>4} failed, longest {:>6.2} s",
            tally.done,
            tally.failed,
            tally.longest.as_secs_f64()
        );
    }
    for sentence in sentences(outcome) {
        println!("{sentence}");
    }
}

fn sentences(outcome: &Outcome) -> [String; 4] {
    let (trend, (before, after)) = (&outcome.trend, &outcome.open);
    let last = outcome.samples.last();
    [
        format!(
            "{} pieces of work in {:.0} s, {} at a time: {} failed",
            outcome.done(),
            last.map_or(0.0, |sample| sample.time),
            outcome.workers,
            outcome.failures()
        ),
        format!(
            "memory: {:.1} MiB at the most; {:+.1} MiB over the last {:.0} s; {}",
            trend.most,
            trend.resident,
            trend.time,
            trend.allowed()
        ),
        format!(
            "descriptors: {} at rest before, {} after (more: {}); {:+.1} over the last {:.0} s",
            before.count(),
            after.count(),
            after.more_than(before).join(", "),
            trend.descriptors,
            trend.time
        ),
        if outcome.is_good() { "good" } else { "NOT GOOD" }.to_owned(),
    ]
}

/// The whole page, which loads nothing.
pub(crate) fn page(outcome: &Outcome) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>opspilot: soak</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>opspilot: sessions of mixed work</h1>\n"
    );
    for sentence in sentences(outcome) {
        writeln!(html, "<p>{sentence}</p>").unwrap();
    }
    for (title, of) in PLOTS {
        write!(html, "<h2>{title}</h2>\n{}", plot(title, &outcome.samples, of)).unwrap();
    }
    html + &table(outcome) + "</body>\n</html>\n"
}

fn table(outcome: &Outcome) -> String {
    let mut html = "<h2>Work</h2>\n<table>\n<tr><th>kind<th>done<th>failed<th>longest, s</tr>\n".to_owned();
    for (name, tally) in &outcome.tallies {
        writeln!(
            html,
            "<tr><td>{name}<td>{}<td>{}<td>{:.2}</tr>",
            tally.done,
            tally.failed,
            tally.longest.as_secs_f64()
        )
        .unwrap();
    }
    html + "</table>\n"
}

/// One line over time, from 0 on; what is tinted is what the trend is taken of.
fn plot(title: &str, samples: &[Sample], of: fn(&Sample) -> f64) -> String {
    let most = samples.iter().map(of).fold(1.0, f64::max);
    let time = samples.last().map_or(1.0, |sample| sample.time.max(1.0));
    let x = |sample: &Sample| LEFT + sample.time / time * (WIDTH - LEFT);
    let after = samples.get(samples.len() / 3).map_or(LEFT, x);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{title}\">\n\
         <rect class=\"after\" x=\"{after:.1}\" y=\"0\" width=\"{:.1}\" height=\"{HEIGHT}\"/>\n\
         <line class=\"scale\" x1=\"{LEFT}\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\n<polyline points=\"",
        HEIGHT + FOOT,
        WIDTH - after
    );
    for sample in samples {
        // A little room above the highest.
        let y = HEIGHT - of(sample) / most * (HEIGHT - 12.0);
        write!(svg, "{:.1},{y:.1} ", x(sample)).unwrap();
    }
    let (under, name) = (LEFT - 6.0, HEIGHT + FOOT - 5.0);
    write!(
        svg,
        "\"/>\n<text x=\"{under}\" y=\"16\" text-anchor=\"end\">{most:.0}</text>\n\
         <text x=\"{under}\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text>\n\
         <text x=\"{WIDTH}\" y=\"{name}\" text-anchor=\"end\">{time:.0} s</text>\n</svg>\n"
    )
    .unwrap();
    svg
}
