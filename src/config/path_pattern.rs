//! Patterns of paths, where `**` stands for any number of directories.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use super::glob::glob_matches;
use crate::domain::is_step;

/// What stands for any number of directories, or none.
const ANY_DEPTH: &str = "**";

/// A pattern of absolute paths: `**` between slashes stands for any number of directories or none, `*` and `?` for what they
/// do in [`glob_matches`], within one part of the path. `/etc/**` matches `/etc` too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
}

impl PathPattern {
    /// The pattern that `text` spells; `None` unless it begins with a slash, has no `.`, `..` or empty part, and each `**` in it
    /// is a whole part.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let parts = text.strip_prefix('/')?.split('/');
        let is_part = |part: &str| is_step(part) && (part == ANY_DEPTH || !part.contains(ANY_DEPTH));
        (text == "/" || parts.clone().all(is_part)).then(|| Self { text: text.to_owned() })
    }

    /// The pattern as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches a path that is absolute and without `.`, `..` and empty parts.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.places_after(path).contains(&self.parts().len())
    }

    /// Whether it matches the path, or may match something below it.
    #[must_use]
    pub fn may_match_below(&self, path: &str) -> bool {
        !self.places_after(path).is_empty()
    }

    /// Whether it matches the path and everything below it.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let parts = self.parts();
        let places = self.places_after(path);
        places
            .into_iter()
            .filter_map(|place| parts.get(place..))
            .any(|left| !left.is_empty() && left.iter().all(|part| *part == ANY_DEPTH))
    }

    /// Whether it matches every path.
    #[must_use]
    pub fn covers_everything(&self) -> bool {
        self.covers("/")
    }

    fn parts(&self) -> Vec<&str> {
        parts(&self.text).collect()
    }

    /// Each number of parts, from the first on, that may stand for the whole path.
    fn places_after(&self, path: &str) -> BTreeSet<usize> {
        let pattern = self.parts();
        let mut places = with_any_depth_skipped(&pattern, std::iter::once(0));
        for part in parts(path) {
            let next = places.iter().filter_map(|place| match *pattern.get(*place)? {
                ANY_DEPTH => Some(*place),
                expected => glob_matches(expected, part).then_some(place + 1),
            });
            places = with_any_depth_skipped(&pattern, next);
        }
        places
    }
}

/// The places, and those behind each `**` that stands there: it may stand for nothing.
fn with_any_depth_skipped(pattern: &[&str], places: impl Iterator<Item = usize>) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for mut place in places {
        while all.insert(place) && pattern.get(place) == Some(&ANY_DEPTH) {
            place += 1;
        }
    }
    all
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

impl Display for PathPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::new(text).unwrap()
    }

    #[test]
    fn two_stars_cross_directories_and_one_does_not() {
        for (text, path, expected) in [
            ("/etc/**", "/etc/hosts", true),
            ("/etc/**", "/etc/ssh/sshd_config", true),
            ("/etc/**", "/etc", true),
            ("/etc/**", "/etcetera", false),
            ("/etc/**", "/", false),
            ("/etc/*", "/etc/hosts", true),
            ("/etc/*", "/etc/ssh/sshd_config", false),
            ("/etc/*", "/etc", false),
            ("/home/*/.ssh/**", "/home/deploy/.ssh/authorized_keys", true),
            ("/home/*/.ssh/**", "/home/deploy/x/.ssh/id", false),
            ("/**/*.conf", "/a.conf", true),
            ("/**/*.conf", "/srv/app/a.conf", true),
            ("/**/*.conf", "/srv/app/a.config", false),
            ("/**/.ssh/**", "/.ssh", true),
            ("/srv/?", "/srv/a", true),
            ("/srv/?", "/srv/ab", false),
            ("/**", "/", true),
            ("/", "/", true),
            ("/", "/a", false),
        ] {
            assert_eq!(pattern(text).matches(path), expected, "{text} on {path}");
        }
    }

    #[test]
    fn a_tree_may_hold_what_a_pattern_matches() {
        for (text, tree, may, covers) in [
            ("/etc/ssh/**", "/", true, false),
            ("/etc/ssh/**", "/etc", true, false),
            ("/etc/ssh/**", "/etc/ssh", true, true),
            ("/etc/ssh/**", "/etc/ssh/keys", true, true),
            ("/etc/ssh/**", "/etc/apt", false, false),
            ("/**/*.conf", "/srv", true, false),
            ("/etc/*", "/etc/ssh", true, false),
            ("/etc/*", "/etc/ssh/keys", false, false),
            ("/**", "/srv", true, true),
        ] {
            let pattern = pattern(text);
            assert_eq!(pattern.may_match_below(tree), may, "{text} below {tree}");
            assert_eq!(pattern.covers(tree), covers, "{text} covers {tree}");
        }
        assert!(pattern("/**").covers_everything());
        assert!(!pattern("/*").covers_everything());
    }

    #[test]
    fn what_would_never_match_is_no_pattern() {
        for text in [
            "",
            "etc",
            "~/x",
            "/etc/",
            "/etc//x",
            "/etc/../x",
            "/./x",
            "/a**",
            "/a/**b",
        ] {
            assert_eq!(PathPattern::new(text), None, "{text:?}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let stars = "/**".repeat(200) + "/end";
        let path = "/a".repeat(2_000);
        assert!(!pattern(&stars).matches(&path));
    }
}
