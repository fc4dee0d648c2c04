//! The known word that somebody may have meant.

/// The candidate nearest to `word`, where one is near enough to be a slip of the fingers.
pub(super) fn closest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let tolerated = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and substitutions that turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut previous = line + 1;
        for (above, right) in row.iter_mut().skip(1).zip(to.chars()) {
            let substituted = diagonal + usize::from(left != right);
            diagonal = *above;
            previous = substituted.min(previous + 1).min(*above + 1);
            *above = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("listen", "listen", 0),
            ("lisen", "listen", 1),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let known = ["listen", "login", "logins", "address"];
        assert_eq!(closest("lisen", &known), Some("listen"));
        assert_eq!(closest("adress", &known), Some("address"));
        assert_eq!(closest("loginz", &known), Some("login"));
        assert_eq!(closest("colour", &known), None);
        assert_eq!(closest("", &known), None);
    }
}
