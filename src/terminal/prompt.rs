//! The question to the user, and the short lines around it.
//!
//! Everything that comes from elsewhere is made printable here, so that no command can draw outside its frame.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::domain::{Level, printable_line};

/// The widest block, in columns: longer lines are tiring to read.
const MAX_WIDTH: usize = 100;

/// The narrowest block that has a frame, in columns.
const MIN_FRAMED: usize = 24;

/// The width of a block that is not on a terminal, in columns.
const PLAIN_WIDTH: usize = 80;

/// The most rows, and at least so many characters, that a command may take; its middle is left out beyond.
const MAX_ROWS: usize = 24;
const MIN_SHOWN: usize = 800;

/// The most reasons that are spelled out.
const MAX_REASONS: usize = 8;

/// What answers a question with yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// `y` or `yes`.
    Yes,
    /// This word, typed exactly.
    Word(String),
}

/// A question about one command. Every text in it is untrusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The command without its secrets; empty if it is not known.
    pub command: String,
    /// Who is asked.
    pub user: String,
    /// Where it would run.
    pub target: String,
    /// As whom.
    pub login: String,
    /// What scoring says; `None` where it is not known what would run.
    pub assessed: Option<Assessed>,
    /// Why, a sentence each, the gravest first.
    pub reasons: Vec<String>,
    /// What answers it with yes.
    pub expect: Expect,
}

/// What scoring says of a command, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessed {
    /// The joined level.
    pub level: Level,
    /// The joined score, 0 to 1.
    pub score: f64,
    /// The rules' own level.
    pub rule_level: Level,
    /// The forest's level and its confidence, 0 to 1.
    pub model: Option<(Level, f64)>,
}

/// Where a user reaches the console, for `ssh -p PORT USER@PUBLIC_NAME confirm CODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleAddress<'a> {
    /// The bastion's port.
    pub port: u16,
    /// The user's name.
    pub user: &'a str,
    /// `server.public_name`.
    pub public_name: &'a str,
}

/// Ends a string that was begun and not ended, and takes back concealed text and other character sets (ECMA-48 ST and SGR,
/// ISO 2022): a target must not hide a question by what it writes before it.
pub const AT_REST: &str = "\x1b\\\x1b[m\x1b(B\x0f";

/// The block for a PTY of `width` columns, with `\r\n` line ends; ends after the question, on its line.
#[must_use]
pub fn render(question: &Question, width: u16, colour: bool) -> String {
    let block = block(question, usize::from(width), colour).join("\r\n");
    let ask = match &question.expect {
        Expect::Yes => "Run it? [y/N] ".to_owned(),
        Expect::Word(word) => format!("Type {} to run it: ", printable_line(word)),
    };
    format!("{block}\r\n{ask}")
}

impl ConsoleAddress<'_> {
    /// What the user runs to confirm `code`.
    fn confirm(&self, code: &str) -> String {
        let Self {
            port,
            user,
            public_name,
        } = self;
        format!("ssh -p {port} {user}@{public_name} confirm {code}")
    }
}

/// The block for the standard error of an exec without a PTY, with `\n` line ends.
#[must_use]
pub fn render_plain(question: &Question, code: &str, console: &ConsoleAddress<'_>) -> String {
    let block = block(question, PLAIN_WIDTH, false).join("\n");
    format!(
        "{block}\nopspilot: type {code} here, or run: {}\n",
        console.confirm(code)
    )
}

/// The block for a question that only somebody else may answer, at the console, with `\n` line ends.
#[must_use]
pub fn render_for_owner(question: &Question, code: &str, console: &ConsoleAddress<'_>) -> String {
    let block = block(question, PLAIN_WIDTH, false).join("\n");
    format!(
        "{block}\nopspilot: held until {} runs: {}\n",
        console.user,
        console.confirm(code)
    )
}

/// One line without its end: the policy lets the command run, and this was seen.
#[must_use]
pub fn warning(question: &Question) -> String {
    let reason = question.reasons.first().map_or("no rule hit", String::as_str);
    format!("{} risk: {}", level_of(question), printable_line(reason))
}

/// The rows of the block, none wider than `width` unless a single character is.
fn block(question: &Question, width: usize, colour: bool) -> Vec<String> {
    let width = width.clamp(1, MAX_WIDTH);
    let framed = width >= MIN_FRAMED;
    let inner = if framed { width - 4 } else { width };
    let mut rows = command_rows(&question.command, inner);
    rows.push(String::new());
    rows.extend(wrap_words(&place(question), inner, ""));
    rows.extend(reasons(question, inner));
    rows.extend(wrap_words(&verdicts(question), inner, ""));
    let title = format!("{} RISK", level_of(question).to_uppercase());
    if framed {
        frame(
            &title,
            rows,
            inner,
            paint(question.assessed.map(|assessed| assessed.level), colour),
        )
    } else {
        let mut plain = wrap_words(&title, inner, "");
        plain.extend(rows);
        plain
    }
}

fn place(question: &Question) -> String {
    format!(
        "{} asks to run this as {} on {}.",
        printable_line(&question.user),
        printable_line(&question.login),
        printable_line(&question.target)
    )
}

fn verdicts(question: &Question) -> String {
    let Some(Assessed {
        score,
        rule_level,
        model,
        ..
    }) = question.assessed
    else {
        return String::new();
    };
    let model = match model {
        Some((level, confidence)) => format!("model: {level}, {confidence:.2}"),
        None => "no model".to_owned(),
    };
    format!("score {score:.2}; rules: {rule_level}; {model}")
}

fn level_of(question: &Question) -> &'static str {
    question.assessed.map_or("unknown", |assessed| assessed.level.as_str())
}

fn reasons(question: &Question, inner: usize) -> Vec<String> {
    let mut rows: Vec<String> = question
        .reasons
        .iter()
        .take(MAX_REASONS)
        .flat_map(|reason| wrap_words(&format!("- {}", printable_line(reason)), inner, "  "))
        .collect();
    let left_out = question.reasons.len().saturating_sub(MAX_REASONS);
    if left_out > 0 {
        rows.extend(wrap_words(&format!("- and {left_out} more"), inner, "  "));
    }
    rows
}

/// The command as rows, broken at the width alone so that nothing of it changes; a long one without its middle.
fn command_rows(command: &str, inner: usize) -> Vec<String> {
    if command.is_empty() {
        return wrap_words("(the line could not be known)", inner, "");
    }
    let mut rows: Vec<String> = command
        .split('\n')
        .flat_map(|line| wrap_characters(&printable_line(line), inner))
        .collect();
    let most = MAX_ROWS.max(MIN_SHOWN / inner.max(1));
    if rows.len() > most {
        let note = format!("[... {} characters in all ...]", command.chars().count());
        let (head, tail) = (most * 2 / 3, most / 3);
        rows.splice(head..rows.len() - tail, wrap_words(&note, inner, ""));
    }
    rows
}

fn frame(title: &str, rows: Vec<String>, inner: usize, (on, off): (&str, &str)) -> Vec<String> {
    let rule = "─".repeat((inner + 2).saturating_sub(title.width() + 3));
    let mut framed = vec![format!("┌─ {on}{title}{off} {rule}┐")];
    for row in rows {
        let fill = " ".repeat(inner.saturating_sub(row.width()));
        framed.push(format!("│ {row}{fill} │"));
    }
    framed.push(format!("└{}┘", "─".repeat(inner + 2)));
    framed
}

/// The escape sequences around a title.
const fn paint(level: Option<Level>, colour: bool) -> (&'static str, &'static str) {
    match (colour, level) {
        (false, _) => ("", ""),
        (true, Some(Level::Low)) => ("\x1b[32m", "\x1b[0m"),
        (true, None | Some(Level::Medium)) => ("\x1b[33m", "\x1b[0m"),
        (true, Some(Level::High)) => ("\x1b[31m", "\x1b[0m"),
        (true, Some(Level::Critical)) => ("\x1b[1;31m", "\x1b[0m"),
    }
}

/// Breaks a line wherever the width is reached; at least one row, and at least one character a row.
fn wrap_characters(line: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for character in line.chars() {
        let columns = character.width().unwrap_or(0);
        if used > 0 && used + columns > width {
            rows.push(String::new());
            used = 0;
        }
        if let Some(row) = rows.last_mut() {
            row.push(character);
        }
        used += columns;
    }
    rows
}

/// Breaks a line at blanks, and within a word only if it is wider than a row; later rows begin with `indent`.
fn wrap_words(line: &str, width: usize, indent: &str) -> Vec<String> {
    let indent = if indent.len() * 2 < width { indent } else { "" };
    let mut rows: Vec<String> = Vec::new();
    let mut row = String::new();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(!row.trim_start().is_empty());
        if row.width() + gap + word.width() <= width {
            row.push_str(if gap == 1 { " " } else { "" });
            row.push_str(word);
            continue;
        }
        if gap == 1 {
            rows.push(std::mem::replace(&mut row, indent.to_owned()));
        }
        let mut pieces = wrap_characters(word, width - row.width());
        let last = pieces.pop().unwrap_or_default();
        for piece in pieces {
            rows.push(std::mem::replace(&mut row, indent.to_owned()) + &piece);
        }
        row.push_str(&last);
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question(command: &str) -> Question {
        Question {
            command: command.to_owned(),
            user: "alice".to_owned(),
            target: "web-1".to_owned(),
            login: "deploy".to_owned(),
            assessed: Some(Assessed {
                level: Level::High,
                score: 0.8312,
                rule_level: Level::High,
                model: Some((Level::Medium, 0.75)),
            }),
            reasons: vec![
                "Deletes a directory and everything below it.".to_owned(),
                "/etc holds the configuration of the whole system.".to_owned(),
            ],
            expect: Expect::Yes,
        }
    }

    fn rows(text: &str) -> Vec<&str> {
        text.split("\r\n").collect()
    }

    #[test]
    fn a_question_as_it_looks() {
        let expected = [
            "┌─ HIGH RISK ────────────────────────────────────────┐",
            "│ rm -rf /etc/x                                      │",
            "│                                                    │",
            "│ alice asks to run this as deploy on web-1.         │",
            "│ - Deletes a directory and everything below it.     │",
            "│ - /etc holds the configuration of the whole        │",
            "│   system.                                          │",
            "│ score 0.83; rules: high; model: medium, 0.75       │",
            "└────────────────────────────────────────────────────┘",
            "Run it? [y/N] ",
        ];
        assert_eq!(rows(&render(&question("rm -rf /etc/x"), 54, false)), expected);
    }

    #[test]
    fn a_critical_question_names_its_word() {
        let critical = Question {
            expect: Expect::Word("web-1".to_owned()),
            ..question("mkfs /dev/sda")
        };
        assert!(render(&critical, 80, false).ends_with("\r\nType web-1 to run it: "));
    }

    #[test]
    fn without_a_terminal_the_last_line_says_how_to_answer() {
        let console = ConsoleAddress {
            port: 2222,
            user: "alice",
            public_name: "bastion.example",
        };
        let block = render_plain(&question("reboot"), "7K0Q1Z", &console);
        assert!(!block.contains('\r') && !block.contains('\x1b'));
        let last = "opspilot: type 7K0Q1Z here, or run: ssh -p 2222 alice@bastion.example confirm 7K0Q1Z";
        assert_eq!(block.lines().last(), Some(last));
    }

    #[test]
    fn colour_is_on_the_title_alone() {
        let block = render(&question("x"), 80, true);
        assert_eq!(block.matches('\x1b').count(), 2);
        assert!(rows(&block)[0].contains("\x1b[31mHIGH RISK\x1b[0m"));
    }

    #[test]
    fn a_long_command_loses_its_middle_and_says_so() {
        let command = format!("echo first {} last", "x".repeat(10_000));
        let block = render(&question(&command), 60, false);
        assert!(block.contains("echo first") && block.contains(" last"));
        assert!(block.contains("[... 10016 characters in all ...]"), "{block}");
        assert!(rows(&block).len() < 40);
    }

    #[test]
    fn an_unknown_line_is_said_to_be_unknown() {
        assert!(render(&question(""), 80, false).contains("(the line could not be known)"));
    }

    #[test]
    fn a_hostile_command_stays_in_its_frame() {
        let block = render(&question("a\x1b[2J\r\n\u{202e}b\u{9b}31m\tc"), 60, false);
        assert!(block.contains("│ a\\x1b[2J\\r "), "{block}");
        assert!(block.contains("│ \\u{202e}b\\x9b31m\\tc "), "{block}");
    }

    #[test]
    fn a_warning_is_one_clean_line() {
        let hostile = Question {
            reasons: vec!["a\r\nb\x1b".to_owned()],
            ..question("ls")
        };
        assert_eq!(warning(&hostile), "high risk: a\\r\\nb\\x1b");
    }

    #[test]
    fn what_was_not_assessed_has_no_level() {
        let unknown = Question {
            assessed: None,
            ..question("interactive shell")
        };
        let block = render(&unknown, 80, false);
        assert!(block.contains("UNKNOWN RISK") && !block.contains("score"), "{block}");
    }

    #[test]
    fn an_owner_is_told_where_to_answer() {
        let console = ConsoleAddress {
            port: 2222,
            user: "bob",
            public_name: "bastion.example",
        };
        let block = render_for_owner(&question("rm -rf /etc/x"), "K7M2Q9", &console);
        assert!(block.ends_with("\nopspilot: held until bob runs: ssh -p 2222 bob@bastion.example confirm K7M2Q9\n"));
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_the_terminal(command in "\\PC{0,120}", reason in "[a-z日é ]{0,60}", width in 2u16..120) {
            let asked = Question { reasons: vec![reason], ..question(&command) };
            let block = render(&asked, width, false);
            for row in &rows(&block)[..rows(&block).len() - 1] {
                prop_assert!(row.width() <= usize::from(width), "{} > {width}: {row}", row.width());
            }
        }

        #[test]
        fn a_frame_is_straight(command in any::<String>(), width in 24u16..100) {
            let block = render(&question(&command), width, false);
            for row in &rows(&block)[..rows(&block).len() - 1] {
                prop_assert_eq!(row.chars().map(|c| c.width().unwrap_or(0)).sum::<usize>(), usize::from(width), "{}", row);
            }
        }

        #[test]
        fn any_width_is_survived(command in any::<String>(), width: u16, colour: bool) {
            prop_assert!(render(&question(&command), width, colour).ends_with("[y/N] "));
        }
    }
}
