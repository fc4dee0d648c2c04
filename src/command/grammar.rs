//! The grammar of bash, asked within bounds.
//!
//! The bound on work is counted, not timed: the same text is understood, or not, on a slow machine and on a fast one.

use std::cell::RefCell;
use std::ops::ControlFlow;

use tree_sitter::{ParseOptions, ParseState, Parser, Tree};

/// Bounds on the parser's work, in its own units of a hundred operations: one for any text, and so many bytes for each more.
/// No line of 40,000 real ones needs more than half. Recovering from errors can double the work with every word, and some of
/// that unseen, between two operations: so the bound follows the length closely.
const LEAST_WORK: usize = 8;
const BYTES_PER_WORK: usize = 50;

thread_local! {
    static PARSER: RefCell<Option<Parser>> = RefCell::new(new_parser());
}

fn new_parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
    Some(parser)
}

/// The syntax tree of `text`; `None` where it takes more work than the bound allows.
pub(super) fn tree(text: &str) -> Option<Tree> {
    PARSER.with_borrow_mut(|parser| bounded(parser.as_mut()?, text))
}

/// The text with a letter for each byte beyond ASCII: for the shell they are letters of words and nothing else, spans stay
/// what they are, and the grammar's C code has been seen to read out of bounds at some of them.
fn ascii(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| if byte.is_ascii() { byte } else { b'x' })
        .collect()
}

fn bounded(parser: &mut Parser, text: &str) -> Option<Tree> {
    let mut work = LEAST_WORK + text.len() / BYTES_PER_WORK;
    let mut progress = |_: &ParseState| {
        work = work.saturating_sub(1);
        if work == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let bytes = ascii(text);
    let options = ParseOptions::new().progress_callback(&mut progress);
    let tree = parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options));
    if tree.is_none() {
        parser.reset();
    }
    tree
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
    fn recovery_from_errors_is_bounded() {
        let filters = " | cut -d: -f4 |  tr".repeat(14);
        let more = " | cut -d: -f4 |  tr".repeat(12);
        assert!(tree(&format!("sudme>{filters} | cu\u{1}t -d: -f4 \n{more} | bash")).is_none());
        assert!(tree("cat > | tr a b").is_some(), "a short error leaves the rest of the tree");
    }
}
