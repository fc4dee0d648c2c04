//! What the rows of a session say, held against the lines that really were run or refused.

use std::fmt;

use super::scenario::Scenario;

/// What a row says of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) exactness: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) exit_code: Option<i64>,
}

impl Line {
    fn is_exact(&self) -> bool {
        self.exactness == "exact"
    }

    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.state.as_str(), "held" | "running")
    }
}

/// How well a session is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Exact,
    /// This many of its lines are not known, and said to be so.
    Unknown(usize),
    /// Why it is not right.
    Wrong(String),
}

/// Holds all rows of a session against its scenario and the `exit` that closes it.
pub(crate) fn judge(scenario: &Scenario, rows: &[Line]) -> Verdict {
    let fault = unasked(rows)
        .or_else(|| let_through(rows))
        .or_else(|| codes(&scenario.codes, rows));
    match (fault, rows.split_last()) {
        (Some(fault), _) => Verdict::Wrong(fault),
        (None, Some((last, before))) if last.is_exact() && last.text == "exit" => align(&scenario.lines, before),
        (None, Some((last, _))) if !last.is_exact() => align(&scenario.lines, rows),
        (None, _) => Verdict::Wrong("the closing exit has no row".to_owned()),
    }
}

fn unasked(rows: &[Line]) -> Option<String> {
    let ran = |row: &&Line| row.reason.as_deref().is_some_and(|reason| reason.contains("unasked"));
    rows.iter().find(ran).map(|row| format!("ran unasked: {:?}", row.text))
}

fn let_through(rows: &[Line]) -> Option<String> {
    let ran = |row: &&Line| row.is_exact() && row.text.contains("rm -rf") && row.state != "denied";
    rows.iter().find(ran).map(|row| format!("was not denied: {row:?}"))
}

fn codes(expected: &[Option<i64>], rows: &[Line]) -> Option<String> {
    let codes: Vec<_> = rows.iter().map(|row| row.exit_code).collect();
    (!expected.is_empty() && !codes.starts_with(expected)).then(|| format!("exit codes {codes:?}, not {expected:?}"))
}

/// Every exact row is the next line; lines may only be missing where a row between says that something is not known.
fn align(lines: &[String], rows: &[Line]) -> Verdict {
    let mut left = lines;
    let mut covered = 0;
    let mut in_doubt = false;
    for row in rows {
        if !row.is_exact() {
            in_doubt = true;
            continue;
        }
        let reach = if in_doubt { left.len() } else { left.len().min(1) };
        let Some(skipped) = left[..reach].iter().position(|line| *line == row.text) else {
            return Verdict::Wrong(format!("{:?} is not among {left:?}", row.text));
        };
        covered += skipped;
        left = &left[skipped + 1..];
        in_doubt = false;
    }
    if !left.is_empty() && !in_doubt {
        return Verdict::Wrong(format!("without a row: {left:?}"));
    }
    match covered + left.len() {
        0 if rows.iter().all(Line::is_exact) => Verdict::Exact,
        unknown => Verdict::Unknown(unknown),
    }
}

/// How many scenarios, and how many of their lines, are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) exact: usize,
    pub(crate) unknown: usize,
    pub(crate) wrong: usize,
    pub(crate) lines: usize,
    pub(crate) exact_lines: usize,
}

impl Tally {
    pub(crate) fn count(&mut self, scenario: &Scenario, verdict: &Verdict) {
        let lines = scenario.lines.len();
        self.lines += lines;
        match verdict {
            Verdict::Exact => (self.exact, self.exact_lines) = (self.exact + 1, self.exact_lines + lines),
            Verdict::Unknown(count) => {
                (self.unknown, self.exact_lines) = (self.unknown + 1, self.exact_lines + lines - count);
            }
            Verdict::Wrong(_) => self.wrong += 1,
        }
    }

    /// Lines that are known exactly, of a hundred.
    pub(crate) fn percent(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are some hundred lines")]
        let percent = self.exact_lines as f64 * 100.0 / self.lines.max(1) as f64;
        percent
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} scenarios: {} exact, {} unknown, {} wrong; {} lines: {} exact ({:.1} %)",
            self.exact + self.unknown + self.wrong,
            self.exact,
            self.unknown,
            self.wrong,
            self.lines,
            self.exact_lines,
            self.percent()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scenario;

    fn row(text: &str, exactness: &str) -> Line {
        Line {
            text: text.to_owned(),
            exactness: exactness.to_owned(),
            state: "finished".to_owned(),
            reason: None,
            exit_code: Some(0),
        }
    }

    fn judged(lines: &[&str], rows: &[Line]) -> Verdict {
        let closed = [rows, &[row("exit", "exact")]].concat();
        judge(&scenario("", &[], lines), &closed)
    }

    #[test]
    fn each_line_has_its_row() {
        let rows = [row("a", "exact"), row("b", "exact")];
        assert_eq!(judged(&["a", "b"], &rows), Verdict::Exact);
        for lines in [&["a"][..], &["b", "a"], &["a", "b", "c"], &["a", "x", "b"], &[]] {
            assert!(matches!(judged(lines, &rows), Verdict::Wrong(_)), "{lines:?}");
        }
    }

    #[test]
    fn only_a_row_that_says_so_stands_for_lines_that_are_not_known() {
        let rows = [row("a", "exact"), row("", "unknown"), row("d", "exact")];
        assert_eq!(judged(&["a", "b", "c", "d"], &rows), Verdict::Unknown(2));
        assert_eq!(judged(&["a", "b", "d"], &rows), Verdict::Unknown(1));
        assert_eq!(judged(&["a", "d"], &rows), Verdict::Unknown(0));
        for lines in [&["a", "b", "c"][..], &["b", "d"], &["a", "b", "d", "e"]] {
            assert!(matches!(judged(lines, &rows), Verdict::Wrong(_)), "{lines:?}");
        }
    }

    #[test]
    fn a_closing_exit_may_be_among_what_is_not_known_but_is_not_counted() {
        let unknown = [row("a", "exact"), row("", "unknown")];
        assert_eq!(judge(&scenario("", &[], &["a", "b"]), &unknown), Verdict::Unknown(1));
        let without = [row("a", "exact")];
        assert!(matches!(judge(&scenario("", &[], &["a"]), &without), Verdict::Wrong(_)));
    }

    #[test]
    fn what_ran_unasked_or_was_not_denied_is_wrong() {
        let unasked = Line {
            reason: Some("the shell ran it unasked".to_owned()),
            ..row("a", "exact")
        };
        assert!(matches!(judged(&["a"], &[unasked]), Verdict::Wrong(_)));
        assert!(matches!(
            judged(&["rm -rf /x"], &[row("rm -rf /x", "exact")]),
            Verdict::Wrong(_)
        ));
    }
}
