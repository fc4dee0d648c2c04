//! Who reads texts by the grammar of the shells: its C code in this process, or somebody else who was named for it.

mod parser;

use std::sync::OnceLock;

use super::tree::Tree;

/// Who asks the grammar about a text.
pub trait Grammar: Send + Sync {
    /// The syntax tree of `text`, which has at most 64 KiB.
    ///
    /// # Errors
    /// There is none, or it could not be had.
    fn tree(&self, text: &str) -> Result<Tree, NoTree>;
}

/// Why there is no tree of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTree {
    /// It is beyond the bounds on the parser's work.
    #[error("it takes more work than the grammar's bounds allow")]
    Beyond,
    /// Who was asked has failed.
    #[error("the grammar's helper has failed")]
    Failed,
}

/// The grammar in this process.
#[derive(Debug, Clone, Copy)]
pub struct InProcess;

impl Grammar for InProcess {
    fn tree(&self, text: &str) -> Result<Tree, NoTree> {
        parser::tree(text).ok_or(NoTree::Beyond)
    }
}

/// Who was named for this process.
static DELEGATE: OnceLock<Box<dyn Grammar>> = OnceLock::new();

/// Has `grammar` read every text from now on, in place of C code in this process. It is named once, for good.
///
/// # Errors
/// Somebody was named already.
pub fn delegate_grammar(grammar: Box<dyn Grammar>) -> Result<(), AlreadyDelegated> {
    DELEGATE.set(grammar).map_err(|_| AlreadyDelegated)
}

/// Somebody else reads the texts of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process has its texts read by somebody already: name them once, when it starts")]
pub struct AlreadyDelegated;

/// The syntax tree of `text`, by whoever is asked in this process.
pub(super) fn tree(text: &str) -> Result<Tree, NoTree> {
    match DELEGATE.get() {
        Some(grammar) => grammar.tree(text),
        None => InProcess.tree(text),
    }
}
