//! The grammar of bash, asked within bounds. Nothing else of this crate touches what its C code makes.
//!
//! The bounds are counted, not timed: the same text is understood, or not, on a slow machine and on a fast one.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tree_sitter::{Language, LogType, ParseOptions, ParseState, Parser, TreeCursor};

use crate::command::tree::{Kind, Node, Role, Tree};

/// Bounds on the parser's work, in its own units of a hundred operations: one for any text, and so many bytes for each more.
/// None of 40,000 real lines needs more than half.
const LEAST_WORK: usize = 8;
const BYTES_PER_WORK: usize = 50;

/// What the parser is given at a time, bytes.
const PIECE: usize = 16;
/// How far it may go on from an error, bytes: most lines with an error end sooner, and the rest of their tree is of use.
const BEYOND_ERROR: usize = 128;

thread_local! {
    static GRAMMAR: RefCell<Option<Grammar>> = RefCell::new(Grammar::new());
}

/// The syntax tree of `text`; `None` where it takes more work than the bound allows, goes on behind an error, or is too deep.
pub(super) fn tree(text: &str) -> Option<Tree> {
    GRAMMAR.with_borrow_mut(|grammar| grammar.as_mut()?.tree(text))
}

struct Grammar {
    parser: Parser,
    /// Whether the parser has met an error in the text that it reads.
    failed: Arc<AtomicBool>,
    /// What nodes are, by the grammar's numbers for them.
    kinds: Vec<Option<Kind>>,
}

impl Grammar {
    fn new() -> Option<Self> {
        let mut parser = Parser::new();
        let language = tree_sitter_bash::LANGUAGE.into();
        parser.set_language(&language).ok()?;
        let failed = Arc::new(AtomicBool::new(false));
        let fails = failed.clone();
        parser.set_logger(Some(Box::new(move |kind, message| {
            if kind == LogType::Parse && message.starts_with("detect_error") {
                fails.store(true, Ordering::Relaxed);
            }
        })));
        let kinds = kinds(&language);
        Some(Self { parser, failed, kinds })
    }

    /// Recovering from an error can double the work with each word that follows, in one operation that nothing ends. So a text
    /// ends for the parser soon after an error.
    fn tree(&mut self, text: &str) -> Option<Tree> {
        let bytes = ascii(text);
        let mut work = LEAST_WORK + bytes.len() / BYTES_PER_WORK;
        let mut progress = |_: &ParseState| {
            work = work.saturating_sub(1);
            if work == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        self.failed.store(false, Ordering::Relaxed);
        let (mut end, mut cut) = (bytes.len(), false);
        let mut read = |at: usize, _| {
            if self.failed.swap(false, Ordering::Relaxed) {
                end = end.min(at + BEYOND_ERROR);
            }
            cut |= (end..bytes.len()).contains(&at);
            let rest = bytes.get(at..end).unwrap_or_default();
            rest.get(..PIECE).unwrap_or(rest)
        };
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = self.parser.parse_with_options(&mut read, None, Some(options));
        if tree.is_none() {
            self.parser.reset();
        }
        let tree = tree.filter(|_| !cut)?;
        let has_error = tree.root_node().has_error();
        let nodes = self.nodes(&mut tree.walk());
        Tree { nodes, has_error }.checked(text.len())
    }

    /// The nodes that matter, from a cursor at the root, without recursion.
    fn nodes(&self, cursor: &mut TreeCursor<'_>) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut around = Vec::new();
        loop {
            let opened = self.open(cursor, around.last(), &mut nodes);
            around.push(opened);
            if cursor.goto_first_child() {
                continue;
            }
            close(around.pop(), &mut nodes);
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return nodes;
                }
                close(around.pop(), &mut nodes);
            }
        }
    }

    /// Notes the node at the cursor, if it matters.
    fn open(&self, cursor: &TreeCursor<'_>, parent: Option<&Open>, nodes: &mut Vec<Node>) -> Open {
        let node = cursor.node();
        let known = self.kinds.get(usize::from(node.kind_id())).copied().flatten();
        let role = parent
            .filter(|parent| matches!(parent.kind, Some(Kind::Function | Kind::For)))
            .and_then(|_| role(cursor.field_name()?));
        let kind = known.or(role.map(|_| Kind::Part));
        if let Some(kind) = kind {
            nodes.push(Node {
                kind,
                role,
                span: node.byte_range(),
                after: 0,
            });
        }
        Open {
            kind,
            number: kind.map(|_| nodes.len() - 1),
        }
    }
}

/// A node that the cursor is within.
struct Open {
    kind: Option<Kind>,
    /// Its number, if it matters.
    number: Option<usize>,
}

fn close(open: Option<Open>, nodes: &mut [Node]) {
    let after = nodes.len();
    if let Some(node) = open.and_then(|open| nodes.get_mut(open.number?)) {
        node.after = after;
    }
}

/// What nodes are, by the grammar's numbers for them.
fn kinds(language: &Language) -> Vec<Option<Kind>> {
    let numbers = 0..u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
    numbers
        .map(|number| language.node_kind_for_id(number).and_then(kind))
        .collect()
}

/// What a node is by the grammar's word for it; `None` if it does not matter.
fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "|" | "|&" => Kind::Pipe,
        ";" | "&" | "\n" | ")" => Kind::Separator,
        "&&" | "||" => Kind::List,
        "then" | "else" | "elif" | "do" | "case_item" => Kind::Branch,
        "command" | "declaration_command" | "unset_command" | "variable_assignment" | "variable_assignments" => {
            Kind::Command
        }
        "test_command" => Kind::TestCommand,
        "file_redirect" | "herestring_redirect" | "heredoc_redirect" => Kind::Redirection,
        "command_substitution" | "process_substitution" => Kind::Substitution,
        "for_statement" => Kind::For,
        "while_statement" | "c_style_for_statement" => Kind::Loop,
        "subshell" => Kind::Subshell,
        "compound_statement" => Kind::Group,
        "if_statement" | "case_statement" => Kind::Choice,
        "function_definition" => Kind::Function,
        "heredoc_end" => Kind::HereDocumentEnd,
        "comment" => Kind::Comment,
        _ => return None,
    })
}

/// What a node is to its parent, by the grammar's word for it.
fn role(field: &str) -> Option<Role> {
    Some(match field {
        "name" => Role::Name,
        "body" => Role::Body,
        "variable" => Role::Variable,
        "value" => Role::Value,
        _ => return None,
    })
}

/// The text with a letter for each byte beyond ASCII: for the shell they are letters of words and nothing else, spans stay
/// what they are, and the grammar's C code has been seen to read out of bounds at some of them.
fn ascii(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| if byte.is_ascii() { byte } else { b'x' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_ascii_never_reach_the_grammar() {
        let text = "a\u{e01bc}=\u{10ffff}{\u{e01bc} \u{65e5}";
        let bytes = ascii(text);
        assert!(bytes.is_ascii());
        assert_eq!(bytes.len(), text.len(), "spans stay what they are");
        assert!(tree(text).is_some());
    }

    #[test]
    fn a_tree_has_the_nodes_that_matter_and_no_others() {
        let text = "for i in a b; do ls \"$i\" | wc; done";
        let tree = tree(text).unwrap();
        let nodes = tree.nodes.iter();
        let seen: Vec<_> = nodes
            .map(|node| (node.kind, &text[node.span.clone()], node.role))
            .collect();
        assert_eq!(
            seen,
            [
                (Kind::For, text, None),
                (Kind::Part, "i", Some(Role::Variable)),
                (Kind::Part, "a", Some(Role::Value)),
                (Kind::Part, "b", Some(Role::Value)),
                (Kind::Separator, ";", None),
                (Kind::Part, "do ls \"$i\" | wc; done", Some(Role::Body)),
                (Kind::Branch, "do", None),
                (Kind::Command, "ls \"$i\"", None),
                (Kind::Pipe, "|", None),
                (Kind::Command, "wc", None),
                (Kind::Separator, ";", None),
            ]
        );
        assert_eq!(tree.nodes[5].after, 11);
    }

    #[test]
    fn every_kind_is_one_of_the_grammar() {
        let grammar = Grammar::new().unwrap();
        let known: Vec<_> = grammar.kinds.iter().flatten().collect();
        for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Part) {
            assert!(known.contains(&kind), "{kind:?}");
        }
    }

    #[test]
    fn what_nests_too_deep_has_no_tree() {
        let nested = |depth: usize| format!("{}a; {}", "if a; then ".repeat(depth), "fi; ".repeat(depth));
        assert!(tree(&nested(100)).is_some());
        assert!(tree(&nested(300)).is_none());
    }

    #[test]
    fn recovery_from_errors_is_bounded() {
        let filters = " | cut -d: -f4 |  tr".repeat(14);
        let more = " | cut -d: -f4 |  tr".repeat(12);
        assert!(tree(&format!("sudme>{filters} | cu\u{1}t -d: -f4 \n{more} | bash")).is_none());
        assert!(
            tree("cat > | tr a b").is_some(),
            "a short error leaves the rest of the tree"
        );
    }
}
