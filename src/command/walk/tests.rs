//! Trees that no grammar would make, of texts that it would not make them of: a walk finds what it finds, and ends.

use proptest::prelude::*;

use super::*;
use crate::command::heredoc;

const TEXTS: &[&str] = &[
    "for i in a b; do ls \"$i\" | wc; done > x",
    "f() { rm -r \"$1\"; }; f `a \\`b\\`` <(c) # d; e",
    "{a,b} <<E | \u{65e5}\u{672c}=\u{fc} $(x\u{e01bc})\nx $(y)\nE\n[[ -n a && b ]]",
    "`)({[[\"'$((;&&||",
];

/// A tree of a text: kinds and roles by their numbers, nested by depths, between offsets in order.
fn tree(text: &str, nodes: &[(usize, usize, u8)], mut offsets: Vec<usize>) -> Tree {
    for offset in &mut offsets {
        *offset %= text.len() + 1;
    }
    offsets.sort_unstable();
    let after = |number: usize| {
        let depth = nodes[number].2;
        let behind = (number + 1..nodes.len()).find(|later| nodes[*later].2 <= depth);
        behind.unwrap_or(nodes.len())
    };
    let node = |(number, (kind, role, _)): (usize, &(usize, usize, u8))| Node {
        kind: Kind::ALL[kind % Kind::ALL.len()],
        role: Role::ALL.get(role % (Role::ALL.len() + 1)).copied(),
        span: offsets[number]..offsets[after(number)],
        after: after(number),
    };
    Tree {
        nodes: nodes.iter().enumerate().map(node).collect(),
        has_error: nodes.len() % 2 == 1,
    }
}

proptest! {
    #[test]
    fn whatever_a_tree_says_of_a_text_it_can_be_walked(
        text in prop::sample::select(TEXTS),
        nodes in prop::collection::vec((0_usize..64, 0_usize..8, 0_u8..6), 0..40),
        offsets in prop::collection::vec(0_usize..200, 41),
        dialect in prop::sample::select(&[Dialect::Bash, Dialect::Zsh, Dialect::Fish][..]),
    ) {
        let tree = tree(text, &nodes, offsets[..=nodes.len()].to_vec());
        let tree = tree.checked(text.len()).expect("in order, and within one another");
        let outline = heredoc::outline(text);
        let source = Source { text, outline: &outline };
        let mut reader = Reader::new(text, dialect);
        reader.read_tree(source, &tree, &Place::top());
        for word in reader.commands.iter().flat_map(|command| &command.words) {
            prop_assert!(word.span.end <= text.len());
        }
    }
}
