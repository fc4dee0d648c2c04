//! Names with `*`: what rules use for programs, subcommands and flags.

/// A set of alternatives, `a|b*|c`; `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn new(text: &str) -> Self {
        Self(text.split('|').map(str::to_owned).collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Whether `text` is what `pattern` describes.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
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

#[cfg(test)]
mod tests {
    use super::*;

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
