//! A line as it reads once the shell has put in what its aliases stand for.

use super::{Origin, Script};
use crate::domain::Dialect;

/// The text of `script` with each program that is one of `aliases` replaced by what it stands for; `None` if none is. In zsh,
/// whose global aliases stand for any word, with each word.
///
/// Once, not again within what was put in; a quoted or escaped name is no alias.
#[must_use]
pub fn expand_aliases(script: &Script, aliases: &[(String, String)]) -> Option<String> {
    let mut text = script.text.clone();
    let everywhere = script.dialect == Dialect::Zsh;
    let commands = script
        .commands
        .iter()
        .filter(|command| command.origin == Origin::Direct);
    let mut places: Vec<_> = commands
        .flat_map(|command| command.words.iter().take(if everywhere { usize::MAX } else { 1 }))
        .filter(|word| !word.quoted && !word.span.is_empty())
        .filter_map(|word| {
            let (_, value) = aliases.iter().find(|(name, _)| *name == word.text)?;
            Some((word.span.clone(), value))
        })
        .collect();
    // From the end, so that the places before keep theirs.
    places.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    places.dedup_by_key(|(span, _)| span.start);
    for (span, value) in &places {
        if text.get(span.clone()).is_some() {
            text.replace_range(span.clone(), value);
        }
    }
    (text != script.text).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;

    fn expanded(line: &str) -> Option<String> {
        expanded_in(Dialect::Bash, line)
    }

    fn expanded_in(dialect: Dialect, line: &str) -> Option<String> {
        let aliases = [("clean", "rm -rf"), ("ll", "ls -l")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        expand_aliases(&parse(line, dialect), &aliases)
    }

    #[test]
    fn programs_are_replaced_wherever_they_stand() {
        for (line, text) in [
            ("clean /etc", "rm -rf /etc"),
            ("ll | clean x; ll", "ls -l | rm -rf x; ls -l"),
            ("if true; then clean '/a b'; fi", "if true; then rm -rf '/a b'; fi"),
        ] {
            assert_eq!(expanded(line).as_deref(), Some(text), "{line}");
        }
    }

    #[test]
    fn in_zsh_any_word_may_stand_for_something_else() {
        for (line, text) in [
            ("clean /etc", "rm -rf /etc"),
            ("xargs clean", "xargs rm -rf"),
            (
                "for x in a; do sudo clean x; done",
                "for x in a; do sudo rm -rf x; done",
            ),
        ] {
            assert_eq!(expanded_in(Dialect::Zsh, line).as_deref(), Some(text), "{line}");
        }
        assert_eq!(expanded_in(Dialect::Zsh, "echo 'clean'"), None);
    }

    #[test]
    fn what_is_no_alias_stays() {
        for line in ["ls", "echo clean", r"\clean x", "'clean' x", "sudo clean x", "clean=1"] {
            assert_eq!(expanded(line), None, "{line}");
        }
    }
}
