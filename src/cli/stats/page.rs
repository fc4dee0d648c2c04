//! The page for terminals.

use std::io::{self, Write};

use comfy_table::ContentArrangement;

use super::Report;
use super::chart::{self, Style};
use super::sections::{Section, level_word, sections, summary};
use crate::cli::table::{self, cell};

/// Writes the page.
pub(super) fn write(out: &mut dyn Write, report: &Report, style: Style) -> io::Result<()> {
    for sentence in summary(report) {
        paragraph(out, &sentence, style.width)?;
    }
    if report.analytics.total_commands > 0 {
        charts(out, report, style)?;
    }
    for section in sections(report) {
        section_table(out, &section, style.width)?;
    }
    Ok(())
}

fn charts(out: &mut dyn Write, report: &Report, style: Style) -> io::Result<()> {
    let analytics = &report.analytics;
    let days: Vec<u64> = analytics.by_day.iter().map(|day| day.commands).collect();
    writeln!(out, "\nCommands by day")?;
    let wide = if days.len() * 2 + 12 <= style.width { 2 } else { 1 };
    let together = chart::columns(out, &days, wide, style.width)?;
    if together > 1 {
        writeln!(out, "  each column {together} days")?;
    }
    let hours: Vec<u64> = analytics.hours.iter().map(|hour| hour.counts.commands).collect();
    writeln!(out, "\nCommands by hour (UTC), from 0 to 23")?;
    chart::columns(out, &hours, 1, style.width)?;
    levels(out, report, style)?;
    ends(out, report, style)
}

fn levels(out: &mut dyn Write, report: &Report, style: Style) -> io::Result<()> {
    let levels: Vec<_> = report.analytics.risk_distribution.iter().collect();
    let rows: Vec<(&str, u64)> = levels
        .iter()
        .map(|(level, number)| (level_word(*level), **number))
        .collect();
    writeln!(out, "\nCommands by level")?;
    chart::bars(out, &rows, style.width, |name, bar| style.paint(name.parse().ok(), bar))
}

fn ends(out: &mut dyn Write, report: &Report, style: Style) -> io::Result<()> {
    let outcomes = report.analytics.outcomes;
    let rows = [
        ("succeeded", outcomes.succeeded),
        ("failed", outcomes.failed),
        ("unknown", outcomes.unknown),
        ("not run", outcomes.not_run),
        ("open", outcomes.open),
    ];
    writeln!(out, "\nCommands by end")?;
    chart::bars(out, &rows, style.width, |_, bar| bar.to_owned())
}

fn section_table(out: &mut dyn Write, section: &Section, width: usize) -> io::Result<()> {
    let mut table = table::new(&section.headings);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    for row in &section.rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    writeln!(out, "\n{}\n{}", section.title, table.trim_fmt())
}

/// `text` on as many lines as it needs.
fn paragraph(out: &mut dyn Write, text: &str, width: usize) -> io::Result<()> {
    let mut column = 0;
    for word in text.split(' ') {
        if column > 0 && column + 1 + word.len() > width {
            writeln!(out)?;
            column = 0;
        }
        let gap = if column > 0 { " " } else { "" };
        write!(out, "{gap}{word}")?;
        column += gap.len() + word.len();
    }
    writeln!(out)
}
