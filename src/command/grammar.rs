//! The grammar of bash, asked within bounds.
//!
//! The bounds are counted, not timed: the same text is understood, or not, on a slow machine and on a fast one.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tree_sitter::{LogType, ParseOptions, ParseState, Parser, Tree};

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

/// The syntax tree of `text`; `None` where it takes more work than the bound allows, or goes on behind an error.
pub(super) fn tree(text: &str) -> Option<Tree> {
    GRAMMAR.with_borrow_mut(|grammar| grammar.as_mut()?.tree(text))
}

struct Grammar {
    parser: Parser,
    /// Whether the parser has met an error in the text that it reads.
    failed: Arc<AtomicBool>,
}

impl Grammar {
    fn new() -> Option<Self> {
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
        let failed = Arc::new(AtomicBool::new(false));
        let fails = failed.clone();
        parser.set_logger(Some(Box::new(move |kind, message| {
            if kind == LogType::Parse && message.starts_with("detect_error") {
                fails.store(true, Ordering::Relaxed);
            }
        })));
        Some(Self { parser, failed })
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
        tree.filter(|_| !cut)
    }
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
