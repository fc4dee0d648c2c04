//! Names with `*`: what rules use for programs, subcommands and flags.

/// One name; `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    pattern: String,
    /// How much stands before the first `*`; `None` for a plain name.
    head: Option<usize>,
}

impl Glob {
    fn new(pattern: &str) -> Self {
        Self {
            pattern: pattern.to_owned(),
            head: pattern.find('*'),
        }
    }

    /// The name as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.pattern
    }

    /// Whether it stands for no other name.
    pub(super) fn is_plain(&self) -> bool {
        self.head.is_none()
    }

    /// Whether `text` is what it describes.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self.head {
            None => self.pattern == text,
            Some(head) => matches_starred(&self.pattern, head, text),
        }
    }
}

fn matches_starred(pattern: &str, head: usize, text: &str) -> bool {
    let (head, rest) = pattern.split_at_checked(head).unwrap_or_default();
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts = rest.split('*').skip(1).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// A set of alternatives, `a|b*|c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(Vec<Glob>);

impl Names {
    pub(super) fn new(text: &str) -> Self {
        Self(text.split('|').map(Glob::new).collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Glob> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern).matches(text)
    }

    #[test]
    fn without_a_star_only_the_same_name_matches() {
        assert!(matches("rm", "rm"));
        assert!(!matches("rm", "rmdir"));
    }

    #[test]
    fn stars_stand_for_any_run() {
        assert!(matches("mkfs.*", "mkfs.ext4"));
        assert!(matches("delete-*", "delete-db-instance"));
        assert!(matches("*-delete-*", "batch-delete-image"));
        assert!(matches("*", ""));
        assert!(!matches("a*a", "a"), "the ends may not overlap");
        assert!(!matches("*x", "y"));
    }

    #[test]
    fn alternatives_are_tried_one_by_one() {
        let names = Names::new("r|R|rec*");
        assert!(names.has("R") && names.has("recursive"));
        assert!(!names.has("x"));
    }
}
