//! What is told, as words: both the page for terminals and the one for browsers show it.

use super::Report;
use crate::domain::Level;
use crate::store::{ByLevel, Counts, Forecasts, Questions};

/// A table under a title.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) headings: Vec<&'static str>,
    /// As recorded, not yet fit for a terminal or a browser.
    pub(super) rows: Vec<Vec<String>>,
}

impl Section {
    fn new(title: &'static str, headings: &[&'static str], rows: Vec<Vec<String>>) -> Self {
        Self {
            title,
            headings: headings.to_vec(),
            rows,
        }
    }
}

/// The word of a level; `None` is unknown.
pub(super) fn level_word(level: Option<Level>) -> &'static str {
    level.map_or("unknown", Level::as_str)
}

/// The sentences that stand first.
pub(super) fn summary(report: &Report) -> Vec<String> {
    let analytics = &report.analytics;
    let known = analytics.outcomes.succeeded + analytics.outcomes.failed;
    let questions = &analytics.confirmation_patterns.all;
    let forecasts = &analytics.model_vs_outcome;
    vec![
        format!(
            "{} commands from {} to {} (UTC).",
            analytics.total_commands, analytics.since, analytics.until
        ),
        match analytics.success_rate {
            Some(rate) => format!("{} of the {known} whose end is known succeeded.", percent(rate)),
            None => "Of none is it known whether it succeeded.".to_owned(),
        },
        format!(
            "{} were asked about: {} confirmed, {} refused, {} expired, {} abandoned.",
            questions.asked, questions.confirmed, questions.refused, questions.expired, questions.abandoned
        ),
        model_sentence(forecasts),
    ]
}

fn model_sentence(forecasts: &Forecasts) -> String {
    let Some(agreement) = forecasts.agreement else {
        return "The forest's level cannot be compared: of no command are both it and the impact known.".to_owned();
    };
    let refusals = forecasts.refusal_agreement.map(|rate| {
        let rate = percent(rate);
        format!("; it said high or critical of {rate} of the refused ones")
    });
    format!(
        "The forest's level agreed with the impact in {} of {} commands, was too low in {} and too high in {}{}.",
        percent(agreement),
        forecasts.impact_known,
        forecasts.too_low,
        forecasts.too_high,
        refusals.unwrap_or_default()
    )
}

/// The tables, in their order; those without a row are left out.
pub(super) fn sections(report: &Report) -> Vec<Section> {
    let analytics = &report.analytics;
    let mut sections = vec![
        questions(&analytics.confirmation_patterns.by_level),
        impacts(report),
        forecasts(&analytics.model_vs_outcome),
        tops(
            "Patterns",
            "PATTERN",
            analytics
                .top_patterns
                .iter()
                .map(|top| (top.pattern.as_ref().unwrap_or(&top.command_hash), &top.counts)),
        ),
        tops(
            "Users",
            "USER",
            analytics.top_users.iter().map(|top| (&top.name, &top.counts)),
        ),
        tops(
            "Targets",
            "TARGET",
            analytics.top_targets.iter().map(|top| (&top.name, &top.counts)),
        ),
    ];
    sections.extend(prompts(report));
    sections.push(connections(report));
    sections.retain(|section| !section.rows.is_empty());
    sections
}

fn questions(by_level: &ByLevel<Questions>) -> Section {
    let asked = by_level
        .iter()
        .filter(|(_, questions)| **questions != Questions::default());
    let rows = asked.map(|(level, questions)| {
        let numbers = [
            questions.asked,
            questions.confirmed,
            questions.refused,
            questions.expired,
            questions.abandoned,
            questions.open,
            questions.unanswerable,
            questions.settled_otherwise,
        ];
        let median = questions.median_time_ms.map_or("-".to_owned(), time);
        row(level_word(level), &numbers).into_iter().chain([median]).collect()
    });
    Section::new(
        "Questions",
        &[
            "LEVEL",
            "ASKED",
            "CONFIRMED",
            "REFUSED",
            "EXPIRED",
            "ABANDONED",
            "OPEN",
            "UNANSWERABLE",
            "OTHERWISE",
            "MEDIAN TIME",
        ],
        rows.collect(),
    )
}

fn impacts(report: &Report) -> Section {
    let by_level = report.analytics.impact_by_level.iter();
    let rows = by_level.map(|(level, impacts)| {
        let numbers = [
            impacts.none,
            impacts.minor,
            impacts.moderate,
            impacts.severe,
            impacts.unknown,
            impacts.not_run,
        ];
        row(level_word(level), &numbers)
    });
    let headings = ["LEVEL", "NONE", "MINOR", "MODERATE", "SEVERE", "UNKNOWN", "NOT RUN"];
    Section::new("Impact by level", &headings, rows.collect())
}

fn forecasts(forecasts: &Forecasts) -> Section {
    let by_forecast = forecasts.impact_by_forecast.iter().filter(|(level, _)| level.is_some());
    let rows = by_forecast.map(|(level, impacts)| {
        let numbers = [
            impacts.none,
            impacts.minor,
            impacts.moderate,
            impacts.severe,
            *forecasts.confirmed_by_forecast.of(level),
            *forecasts.refused_by_forecast.of(level),
        ];
        row(level_word(level), &numbers)
    });
    let headings = ["FOREST", "NONE", "MINOR", "MODERATE", "SEVERE", "CONFIRMED", "REFUSED"];
    Section::new("The forest against impact and answers", &headings, rows.collect())
}

fn tops<'a>(title: &'static str, what: &'static str, tops: impl Iterator<Item = (&'a String, &'a Counts)>) -> Section {
    let rows = tops.map(|(name, counts)| {
        let numbers = [
            counts.commands,
            counts.confirmed,
            counts.refused,
            counts.failed,
            counts.harmful,
        ];
        row(name, &numbers)
    });
    let headings = [what, "COMMANDS", "CONFIRMED", "REFUSED", "FAILED", "HARMFUL"];
    Section::new(title, &headings, rows.collect())
}

fn prompts(report: &Report) -> Option<Section> {
    let rules = report.prompts.as_ref()?.iter();
    let rows = rules.map(|rule| {
        let numbers = [rule.asked, rule.confirmed, rule.refused, rule.unanswered].map(u64::from);
        let level = rule.level.to_string();
        let mut row = row(&rule.rule, &numbers);
        row.insert(1, level);
        row
    });
    let headings = ["RULE", "LEVEL", "ASKED", "CONFIRMED", "REFUSED", "UNANSWERED"];
    Some(Section::new("Questions by rule", &headings, rows.collect()))
}

fn connections(report: &Report) -> Section {
    let rows = report.connections.iter().map(|day| {
        let counts = day.counts;
        let numbers = [
            counts.accepted,
            counts.refused,
            counts.unauthenticated,
            counts.timed_out,
            counts.authenticated,
            counts.turned_away,
        ];
        row(&day.day, &numbers)
    });
    let headings = [
        "DAY (UTC)",
        "ACCEPTED",
        "REFUSED",
        "UNAUTHENTICATED",
        "TIMED OUT",
        "AUTHENTICATED",
        "TURNED AWAY",
    ];
    Section::new("Connections", &headings, rows.collect())
}

fn row(name: &str, numbers: &[u64]) -> Vec<String> {
    std::iter::once(name.to_owned())
        .chain(numbers.iter().map(u64::to_string))
        .collect()
}

fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}

/// Milliseconds, as people say them.
fn time(milliseconds: u64) -> String {
    match milliseconds {
        short @ ..1_000 => format!("{short} ms"),
        longer @ 1_000..60_000 => format!("{}.{} s", longer / 1_000, longer % 1_000 / 100),
        long => format!("{} min {} s", long / 60_000, long % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_do() {
        assert_eq!(time(850), "850 ms");
        assert_eq!(time(2_460), "2.4 s");
        assert_eq!(time(125_000), "2 min 5 s");
    }
}
