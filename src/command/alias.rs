//! A line as it reads once the shell has put in what its aliases stand for.

use super::{Origin, Script};

/// The text of `script` with each program that is one of `aliases` replaced by what it stands for; `None` if none is.
///
/// Once, not again within what was put in; a quoted or escaped name is no alias.
#[must_use]
pub fn expand_aliases(script: &Script, aliases: &[(String, String)]) -> Option<String> {
    let mut text = script.text.clone();
    let names = script
        .commands
        .iter()
        .filter(|command| command.origin == Origin::Direct);
    let mut places: Vec<_> = names
        .filter_map(|command| command.words.first())
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
    use crate::domain::Dialect;

    fn expanded(line: &str) -> Option<String> {
        let aliases = [("clean", "rm -rf"), ("ll", "ls -l")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        expand_aliases(&parse(line, Dialect::Bash), &aliases)
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
    fn what_is_no_alias_stays() {
        for line in ["ls", "echo clean", r"\clean x", "'clean' x", "sudo clean x", "clean=1"] {
            assert_eq!(expanded(line), None, "{line}");
        }
    }
}
