//! What the grammar says of a text, as plain data: the few kinds of nodes that say where commands begin and what encloses them.
//!
//! A tree may come from another process, which hostile text may have taken over. So what is read from bytes has been
//! checked to be a tree of that text; whether it is the right one, nobody can check without parsing.

use std::ops::Range;

/// Most nodes of a tree; the bounds on texts let no more than a few for each of 6,000 words and operators come up.
const MAX_NODES: usize = 32 * 1024;
/// Deepest nesting of nodes, so that all of them together span the text no more often than this.
const MAX_DEPTH: usize = 256;
/// A node in bytes: kind, role, start, end, after.
const NODE_LENGTH: usize = 2 + 3 * 4;

/// Most bytes that [`Tree::to_bytes`] gives.
pub const MAX_TREE_LENGTH: usize = 1 + MAX_NODES * NODE_LENGTH;

/// The nodes that matter of a text's syntax tree, parents before their children, both in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Whether the grammar met an error, or missed a piece.
    pub(super) has_error: bool,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) role: Option<Role>,
    /// Where it stands in the text, in bytes.
    pub(super) span: Range<usize>,
    /// The number of the first node behind it that is not within it.
    pub(super) after: usize,
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

words! {
    /// What a node is.
    Kind {
        /// `|`, `|&`.
        Pipe,
        /// `;`, `&`, the end of a line, and the parenthesis behind the pattern of a case.
        Separator,
        /// `&&`, `||`.
        List,
        /// What begins a branch of a compound command.
        Branch,
        /// A simple command, or assignments.
        Command,
        /// `[[ ... ]]`, `[ ... ]`, `(( ... ))`.
        TestCommand,
        Redirection,
        /// `$(...)`, backticks, `<(...)`, `>(...)`.
        Substitution,
        For,
        /// Any other loop.
        Loop,
        /// `( ... )`.
        Subshell,
        /// `{ ...; }`.
        Group,
        /// `if`, `case`.
        Choice,
        Function,
        HereDocumentEnd,
        Comment,
        /// Anything else that has a role.
        Part,
    }
}

words! {
    /// What a node is to the function or the `for` that it stands in.
    Role {
        Name,
        Body,
        Variable,
        Value,
    }
}

/// Why bytes are not the tree of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the tree of the text that was asked about")]
pub struct NotATree;

impl Tree {
    /// The child of the node `parent` in a role, the first one.
    pub(super) fn child(&self, parent: usize, role: Role) -> Option<&Node> {
        self.children(parent, role).next()
    }

    /// The children of the node `parent` in a role.
    pub(super) fn children(&self, parent: usize, role: Role) -> impl Iterator<Item = &Node> {
        let end = self.nodes.get(parent).map_or(0, |node| node.after);
        let mut next = parent + 1;
        let all = std::iter::from_fn(move || {
            let node = self.nodes.get(next).filter(|_| next < end)?;
            next = node.after.max(next + 1);
            Some(node)
        });
        all.filter(move |node| node.role == Some(role))
    }

    /// The tree in bytes, [`MAX_TREE_LENGTH`] at most.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.nodes.len() * NODE_LENGTH);
        bytes.push(u8::from(self.has_error));
        for node in &self.nodes {
            bytes.extend([node.kind as u8, node.role.map_or(0, |role| role as u8 + 1)]);
            for number in [node.span.start, node.span.end, node.after] {
                // What a tree is made of is far below; a number that were not would be refused by who reads it.
                bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        bytes
    }

    /// The tree of a text of so many bytes, from what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// The bytes are not a tree, or not one of such a text: spans lie outside of it, of their parents or of their turn.
    pub fn from_bytes(bytes: &[u8], text_length: usize) -> Result<Self, NotATree> {
        let (has_error, bytes) = match bytes {
            [flag @ (0 | 1), rest @ ..] if rest.len() <= MAX_NODES * NODE_LENGTH => (*flag == 1, rest),
            _ => return Err(NotATree),
        };
        let chunks = bytes.chunks_exact(NODE_LENGTH);
        if !chunks.remainder().is_empty() {
            return Err(NotATree);
        }
        let nodes: Vec<Node> = chunks.map(node).collect::<Option<_>>().ok_or(NotATree)?;
        Self { nodes, has_error }.checked(text_length).ok_or(NotATree)
    }

    /// Itself where each node stands within its parent and behind what came before it there, and none too deep.
    pub(super) fn checked(self, text_length: usize) -> Option<Self> {
        if self.nodes.len() > MAX_NODES {
            return None;
        }
        let mut around = vec![Extent {
            from: 0,
            to: text_length,
            after: self.nodes.len(),
        }];
        for (number, node) in self.nodes.iter().enumerate() {
            while around.len() > 1 && around.last().is_some_and(|extent| extent.after <= number) {
                around.pop();
            }
            let parent = around.last_mut()?;
            parent.admit(number, node)?;
            if node.after > number + 1 {
                around.push(Extent {
                    from: node.span.start,
                    to: node.span.end,
                    after: node.after,
                });
            }
            if around.len() > MAX_DEPTH {
                return None;
            }
        }
        Some(self)
    }
}

/// Where the next child of a node may stand, in the text and in the table.
struct Extent {
    from: usize,
    to: usize,
    after: usize,
}

impl Extent {
    fn admit(&mut self, number: usize, node: &Node) -> Option<()> {
        let Range { start, end } = node.span;
        let is_in_text = self.from <= start && start <= end && end <= self.to;
        let is_in_table = number < node.after && node.after <= self.after;
        self.from = end;
        (is_in_text && is_in_table).then_some(())
    }
}

fn node(bytes: &[u8]) -> Option<Node> {
    let (&[kind, role], numbers) = bytes.split_first_chunk()?;
    let mut numbers = numbers.chunks_exact(4).map(|number| {
        let number = u32::from_le_bytes(number.try_into().ok()?);
        usize::try_from(number).ok()
    });
    let mut number = || numbers.next().flatten();
    Some(Node {
        kind: *Kind::ALL.get(usize::from(kind))?,
        role: match usize::from(role).checked_sub(1) {
            Some(role) => Some(*Role::ALL.get(role)?),
            None => None,
        },
        span: number()?..number()?,
        after: number()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Change = fn(&mut Vec<Node>);

    /// A text of ten bytes: a function of two parts, and a command.
    fn tree() -> Tree {
        let node = |kind, role, span, after| Node {
            kind,
            role,
            span,
            after,
        };
        Tree {
            nodes: vec![
                node(Kind::Function, None, 0..6, 4),
                node(Kind::Part, Some(Role::Name), 0..1, 2),
                node(Kind::Group, Some(Role::Body), 3..6, 4),
                node(Kind::Command, None, 4..5, 4),
                node(Kind::Command, None, 7..10, 5),
            ],
            has_error: false,
        }
    }

    fn read(tree: &Tree) -> Result<Tree, NotATree> {
        Tree::from_bytes(&tree.to_bytes(), 10)
    }

    #[test]
    fn a_tree_comes_out_of_its_bytes_as_it_was() {
        assert_eq!(read(&tree()), Ok(tree()));
        assert_eq!(read(&Tree::default()), Ok(Tree::default()));
        let faulty = Tree {
            has_error: true,
            ..tree()
        };
        assert_eq!(read(&faulty), Ok(faulty));
    }

    #[test]
    fn children_are_found_by_their_role() {
        let tree = tree();
        assert_eq!(tree.child(0, Role::Body).map(|node| node.span.clone()), Some(3..6));
        assert_eq!(tree.children(0, Role::Value).count(), 0);
        assert_eq!(tree.child(9, Role::Body), None);
    }

    #[test]
    fn what_is_no_tree_of_that_text_is_refused() {
        let changes: [(&str, Change); 9] = [
            ("ends behind the text", |nodes| nodes[4].span.end = 11),
            ("ends before it starts", |nodes| nodes[3].span.end = 3),
            ("starts before its parent", |nodes| nodes[2].span.start = 0),
            ("ends behind its parent", |nodes| nodes[3].span.end = 7),
            ("starts before the one before it", |nodes| nodes[4].span.start = 5),
            ("is within itself", |nodes| nodes[3].after = 3),
            ("reaches beyond its parent", |nodes| nodes[3].after = 5),
            ("reaches beyond the tree", |nodes| nodes[4].after = 6),
            ("does not fit", |nodes| nodes[4].span.end = usize::MAX),
        ];
        for (what, change) in changes {
            let mut tree = tree();
            change(&mut tree.nodes);
            assert_eq!(read(&tree), Err(NotATree), "{what}");
        }
    }

    #[test]
    fn bytes_that_no_tree_has_are_refused() {
        let good = tree().to_bytes();
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        let (kinds, roles) = (u8::try_from(Kind::ALL.len()), u8::try_from(Role::ALL.len()));
        for bytes in [
            Vec::new(),
            good[..good.len() - 1].to_vec(),
            changed(0, 2),
            changed(1, kinds.unwrap()),
            changed(2, roles.unwrap() + 1),
        ] {
            assert_eq!(Tree::from_bytes(&bytes, 10), Err(NotATree), "{bytes:?}");
        }
    }

    #[test]
    fn trees_are_neither_too_large_nor_too_deep() {
        let nested = |depth: usize| Tree {
            nodes: vec![
                Node {
                    kind: Kind::Subshell,
                    role: None,
                    span: 0..1,
                    after: depth,
                };
                depth
            ],
            has_error: false,
        };
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err(NotATree));
        let flat = |count: usize| Tree {
            nodes: (1..=count)
                .map(|after| Node {
                    kind: Kind::Separator,
                    role: None,
                    span: 1..1,
                    after,
                })
                .collect(),
            has_error: false,
        };
        assert!(read(&flat(MAX_NODES)).is_ok());
        assert_eq!(read(&flat(MAX_NODES + 1)), Err(NotATree));
    }

    proptest! {
        #[test]
        fn no_bytes_make_more_than_a_tree(bytes in prop::collection::vec(0_u8..12, 0..200)) {
            if let Ok(tree) = Tree::from_bytes(&bytes, 10) {
                prop_assert_eq!(tree.to_bytes(), bytes);
            }
        }
    }
}
