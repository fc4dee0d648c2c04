//! The list of the targets that somebody may reach: what matches a search, and how it fits a window.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::config::Target;
use crate::domain::{Name, printable_line};

/// Between two columns.
const GAP: usize = 2;
/// Columns below which labels tell nothing.
const MIN_LABELS: usize = 8;

/// A target in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What chooses it, from 1; the same whatever is searched for.
    pub number: usize,
    /// Its name.
    pub target: Name,
    /// The logins that the user may have there, the usual one first.
    pub logins: Vec<String>,
    aliases: Vec<String>,
    labels: Vec<String>,
}

impl Entry {
    /// A target that is reached as one of `logins`.
    pub(super) fn new(number: usize, target: &Target, logins: Vec<String>) -> Self {
        let label = |(name, value): (&String, &String)| printable_line(&format!("{name}={value}")).into_owned();
        Self {
            number,
            target: target.name.clone(),
            logins,
            aliases: target.aliases.clone(),
            labels: target.labels.iter().map(label).collect(),
        }
    }

    /// Whether every word of `search` stands in its name, an alias or a label, in upper or lower case, or is its number.
    pub(super) fn matches(&self, search: &str) -> bool {
        search.split_whitespace().all(|word| self.holds(&word.to_lowercase()))
    }

    fn holds(&self, word: &str) -> bool {
        let mut texts = self.aliases.iter().chain(&self.labels);
        self.target.as_str().to_lowercase().contains(word)
            || texts.any(|text| text.to_lowercase().contains(word))
            || word == self.number.to_string()
    }

    /// Whether this is its name, or one of its others.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.target.as_str() == name || self.aliases.iter().any(|alias| alias == name)
    }

    fn login(&self) -> String {
        self.logins.join(",")
    }

    /// For programs: name, logins and labels, between tabs.
    pub(super) fn fields(&self) -> String {
        format!("{}\t{}\t{}\n", self.target, self.login(), self.labels.join(","))
    }
}

/// One row for each entry: number, name, login, labels. None is wider than `columns`; what finds no room is left out from
/// the right, and what is cut ends in `…`.
pub(super) fn rows(entries: &[&Entry], columns: usize) -> Vec<String> {
    let widest = |text: fn(&Entry) -> String| entries.iter().map(|entry| text(entry).width()).max().unwrap_or(0);
    let number = widest(|entry| entry.number.to_string());
    let name = widest(|entry| entry.target.to_string());
    let login = widest(Entry::login);
    let with_login = number + GAP + name + GAP + login;
    let row = |entry: &&Entry| {
        let mut row = format!("{:>number$}  {}", entry.number, padded(entry.target.as_str(), name));
        if with_login <= columns {
            row.push_str("  ");
            row.push_str(&padded(&entry.login(), login));
        }
        if with_login + GAP + MIN_LABELS <= columns {
            row.push_str("  ");
            row.push_str(&entry.labels.join(" "));
        }
        clipped(row.trim_end(), columns)
    };
    entries.iter().map(row).collect()
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The beginning of a text that can be seen within so many columns; `…` stands where it was cut.
pub(super) fn clipped(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |character: &char| {
        let room = left.checked_sub(character.width().unwrap_or(0));
        left = room.unwrap_or(0);
        room.is_some()
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.extend((columns > 0).then_some('…'));
    cut
}

/// The end of a text that can be seen within so many columns.
pub(super) fn last_columns(text: &str, columns: usize) -> &str {
    let mut start = text.len();
    let mut used = 0;
    for (index, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > columns {
            break;
        }
        start = index;
    }
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
pub(super) fn entry(number: usize, name: &str, labels: &[&str]) -> Entry {
    Entry {
        number,
        target: name.parse().unwrap(),
        logins: vec!["deploy".to_owned(), "root".to_owned()],
        aliases: vec![format!("{name}.internal")],
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_words_must_match_in_name_alias_or_label() {
        let web = entry(7, "web-1", &["env=prod", "site=Berlin"]);
        for search in ["", "WEB", "prod web", "berlin", "web-1.internal", "env=prod 1", "7"] {
            assert!(web.matches(search), "{search}");
        }
        for search in ["db", "web test", "deploy", "8"] {
            assert!(!web.matches(search), "{search}");
        }
    }

    #[test]
    fn columns_line_up_and_labels_take_the_rest() {
        let (web, database) = (
            entry(9, "web", &["env=prod", "site=berlin"]),
            entry(10, "database", &["env=test"]),
        );
        assert_eq!(
            rows(&[&web, &database], 60),
            [
                " 9  web       deploy,root  env=prod site=berlin",
                "10  database  deploy,root  env=test"
            ]
        );
        assert_eq!(
            rows(&[&web, &database], 40),
            [
                " 9  web       deploy,root  env=prod sit…",
                "10  database  deploy,root  env=test"
            ]
        );
    }

    #[test]
    fn a_narrow_window_keeps_number_and_name() {
        let web = entry(1, "web", &["env=prod"]);
        assert_eq!(rows(&[&web], 20), ["1  web  deploy,root"]);
        assert_eq!(rows(&[&web], 12), ["1  web"]);
        assert_eq!(rows(&[&web], 5), ["1  w…"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_the_window(text in "\\PC{0,40}", columns in 0usize..60) {
            prop_assert!(clipped(&text, columns).width() <= columns);
            prop_assert!(last_columns(&text, columns).width() <= columns);
            let labels = entry(3, "web", &[&text]);
            prop_assert!(rows(&[&labels], columns).iter().all(|row| row.width() <= columns));
        }
    }
}
