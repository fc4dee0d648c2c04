//! Patterns with `*` and `?`.

/// Whether `pattern` matches the whole of `text`: `*` stands for any bytes or none, `?` for one byte, all else for itself.
///
/// Takes time in proportion to the product of the two lengths at worst: only the last `*` is ever tried again.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    let mut retry = None;
    loop {
        (pattern, text) = match (pattern, text) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, text));
                (rest, text)
            }
            ([b'?', pattern @ ..], [_, text @ ..]) => (pattern, text),
            ([expected, pattern @ ..], [found, text @ ..]) if expected == found => (pattern, text),
            _ => {
                let Some((after_star, [_, shorter @ ..])) = retry else {
                    return false;
                };
                retry = Some((after_star, shorter));
                (after_star, shorter)
            }
        };
    }
}

/// Whether `text` holds a character that [`glob_matches`] treats as a pattern.
#[must_use]
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_as_a_shell_would() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("web-*", "web-1", true),
            ("web-*", "web-", true),
            ("web-*", "db-1", false),
            ("web-*", "my-web-1", false),
            ("*-1", "web-1", true),
            ("*-1", "web-1-1", true),
            ("*-1", "web-12", false),
            ("w?b-?", "web-1", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "anything", true),
            ("[ab]", "a", false),
            ("Web", "web", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!glob_matches(&pattern, &"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn agrees_with_a_regular_expression(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let regex = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expected = regex::Regex::new(&regex).unwrap().is_match(&text);
            prop_assert_eq!(glob_matches(&pattern, &text), expected);
        }
    }
}
