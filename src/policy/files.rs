//! What a policy says of files.

use crate::config::{FileRule, Policy};
use crate::domain::{Decision, Touch};

/// The gravest decision that the rules of a policy come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileVerdict {
    /// The decision; `allow` where no rule matches.
    pub(super) decision: Decision,
    /// The patterns that it comes from with the operations of their rules, in the order of the paths: `read, write: /srv/**`.
    pub(super) trees: Vec<String>,
}

/// Decides about all paths that something touches: each by the first rule that matches it, and the gravest counts.
///
/// Where a path is not known, or all below it may be meant, every rule that may match counts, up to one that surely matches
/// all of it.
pub(super) fn decide(policy: &Policy, touches: &[Touch]) -> FileVerdict {
    let mut verdict = FileVerdict {
        decision: Decision::Allow,
        trees: Vec::new(),
    };
    let matching = touches.iter().flat_map(|touch| matching(&policy.files, touch));
    for (action, tree) in matching {
        if action > verdict.decision {
            verdict.decision = action;
            verdict.trees.clear();
        }
        if action == verdict.decision && !verdict.trees.contains(&tree) {
            verdict.trees.push(tree);
        }
    }
    verdict
}

/// The decisions of all rules that count for one path, and the patterns that match, with what their rules are about.
fn matching(rules: &[FileRule], touch: &Touch) -> Vec<(Decision, String)> {
    let mut found = Vec::new();
    for rule in rules.iter().filter(|rule| rule.operations.contains(&touch.operation)) {
        for pattern in &rule.paths {
            let (may_match, matches_all) = match &touch.path {
                None => (true, pattern.covers_everything()),
                Some(path) if touch.with_all_below => (pattern.may_match_below(path), pattern.covers(path)),
                Some(path) => {
                    let matches = pattern.matches(path);
                    (matches, matches)
                }
            };
            if may_match {
                found.push((rule.action, format!("{}: {pattern}", operations(rule))));
            }
            if matches_all {
                return found;
            }
        }
    }
    found
}

fn operations(rule: &FileRule) -> String {
    let names: Vec<String> = rule.operations.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PathPattern;
    use crate::domain::FileOperation::{self, Read, Remove, Write};

    fn rule(operations: &[FileOperation], paths: &[&str], action: Decision) -> FileRule {
        FileRule {
            operations: operations.to_vec(),
            paths: paths.iter().map(|path| PathPattern::new(path).unwrap()).collect(),
            action,
        }
    }

    fn decided(rules: &[FileRule], touches: &[Touch]) -> Decision {
        let policy = Policy {
            files: rules.to_vec(),
            ..super::super::tests::policy("p")
        };
        decide(&policy, touches).decision
    }

    fn known(operation: FileOperation, path: &str) -> Touch {
        Touch::of(operation, Some(path.to_owned()))
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_none_allows() {
        let rules = [
            rule(&[Write], &["/srv/app/**"], Decision::Allow),
            rule(&[Write, Remove], &["/srv/**", "/etc/**"], Decision::Deny),
            rule(&[Read], &["/**"], Decision::Warn),
        ];
        for (operation, path, expected) in [
            (Write, "/srv/app/x", Decision::Allow),
            (Write, "/srv/x", Decision::Deny),
            (Remove, "/srv/app/x", Decision::Deny),
            (Write, "/home/x", Decision::Allow),
            (Read, "/etc/passwd", Decision::Warn),
        ] {
            assert_eq!(
                decided(&rules, &[known(operation, path)]),
                expected,
                "{operation} {path}"
            );
        }
    }

    #[test]
    fn the_gravest_of_all_paths_counts_and_says_where_it_comes_from() {
        let rules = [
            rule(&[Write], &["/a/**", "/b/**"], Decision::Confirm),
            rule(&[Read], &["/**"], Decision::Warn),
        ];
        let policy = Policy {
            files: rules.to_vec(),
            ..super::super::tests::policy("p")
        };
        let touches = [known(Read, "/a/x"), known(Write, "/b/x"), known(Write, "/a/x")];
        let verdict = decide(&policy, &touches);
        assert_eq!(verdict.decision, Decision::Confirm);
        assert_eq!(verdict.trees, ["write: /b/**", "write: /a/**"]);
    }

    #[test]
    fn rules_about_other_operations_are_never_taken_for_one() {
        let rules = [
            rule(&[Read], &["/a/**"], Decision::Confirm),
            rule(&[Write, Remove], &["/a/**"], Decision::Confirm),
        ];
        let policy = Policy {
            files: rules.to_vec(),
            ..super::super::tests::policy("p")
        };
        let trees = |operation| decide(&policy, &[known(operation, "/a/x")]).trees;
        assert_eq!(trees(Read), ["read: /a/**"]);
        assert_eq!(trees(Write), ["write, remove: /a/**"]);
        assert_eq!(trees(Write), trees(Remove));
    }

    #[test]
    fn a_tree_is_not_saved_by_a_rule_that_allows_a_part_of_it() {
        let rules = [
            rule(&[Write], &["/srv/app/**"], Decision::Allow),
            rule(&[Write], &["/srv/secret/**"], Decision::Deny),
        ];
        let tree = |path: &str| Touch::of_tree(Write, Some(path.to_owned()));
        assert_eq!(decided(&rules, &[tree("/srv")]), Decision::Deny);
        assert_eq!(decided(&rules, &[tree("/srv/app")]), Decision::Allow);
        assert_eq!(decided(&rules, &[tree("/srv/other")]), Decision::Allow);
    }

    #[test]
    fn a_path_that_is_not_known_may_be_any() {
        let denies = rule(&[Write], &["/etc/**"], Decision::Deny);
        let unknown = [Touch::of(Write, None)];
        assert_eq!(decided(std::slice::from_ref(&denies), &unknown), Decision::Deny);
        assert_eq!(
            decided(std::slice::from_ref(&denies), &[Touch::of(Read, None)]),
            Decision::Allow
        );
        let allows = rule(&[Write], &["/**"], Decision::Allow);
        assert_eq!(decided(&[allows, denies], &unknown), Decision::Allow);
    }
}
