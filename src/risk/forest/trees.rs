//! The trees of a `TreeEnsembleClassifier` as flat arrays: parsed, proven sound, walked.
//!
//! The attributes are an untrusted file's. What [`Trees::parse`] lets through can be walked without a check: every child
//! is within its tree and behind its parent, so a walk ends; every leaf holds a distribution over the four classes.

use tract_onnx::pb::NodeProto;

use super::attributes::Attributes;
use crate::domain::Level;

/// Most nodes of all trees together.
pub(super) const MAX_NODES: usize = 500_000;
/// Most trees.
pub(super) const MAX_TREES: usize = 500;
/// Most branches on the way from a root to a leaf; with [`MAX_TREES`] it bounds what one prediction costs.
const MAX_DEPTH: u16 = 64;
/// Number of classes, one a level.
pub(super) const CLASSES: usize = Level::ALL.len();
/// How far a leaf's weights may be from their share of a distribution; they are rounded to single precision.
const WEIGHT_TOLERANCE: f64 = 1e-3;

/// Why a `TreeEnsembleClassifier` is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TreesError {
    /// An attribute that the exporter always writes is missing.
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    /// An attribute is there twice, has another type, or is one that would change what the trees mean.
    #[error("attribute `{0}` is not supported")]
    Attribute(String),
    /// Attributes that describe the same things differ in length.
    #[error("attribute `{name}` has {found} values instead of {expected}")]
    Length {
        /// The attribute.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length of its companions.
        expected: usize,
    },
    /// More nodes or trees than allowed, or none.
    #[error("{found} {what}; from 1 to {limit} are allowed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The classes are not the levels' numbers.
    #[error("the classes are not 0 to 3")]
    Classes,
    /// A transformation of the votes is asked for.
    #[error("post_transform must be NONE")]
    PostTransform,
    /// Something is wrong at one node or one leaf's weight, counted from 0 over all trees.
    #[error("{what} at {place} {index}")]
    At {
        /// What is wrong.
        what: &'static str,
        /// Whether a node or a weight.
        place: &'static str,
        /// Which.
        index: usize,
    },
}

/// A forest that votes over the four levels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trees {
    nodes: Vec<Node>,
    roots: Vec<usize>,
    leaves: Vec<[f32; CLASSES]>,
}

/// One node; children are indices into all nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Node {
    /// `features[feature] <= threshold` goes to `low`, else to `high`.
    Branch {
        feature: u16,
        threshold: f32,
        low: u32,
        high: u32,
    },
    /// The row of `leaves`.
    Leaf(u32),
}

impl Trees {
    /// Parses and proves the trees of `node`, which see `feature_count` features.
    ///
    /// # Errors
    /// Whatever is not exactly what the exporter writes for a forest over the four levels.
    pub(super) fn parse(node: &NodeProto, feature_count: usize) -> Result<Self, TreesError> {
        let attributes = Attributes::read(node)?;
        let starts = attributes.tree_starts()?;
        let nodes = attributes.nodes(&starts, feature_count)?;
        let leaves = attributes.leaves(&nodes, &starts)?;
        let trees = Self {
            nodes,
            roots: starts,
            leaves,
        };
        trees.prove_shape()?;
        trees.prove_distributions()?;
        Ok(trees)
    }

    /// The mean of the trees' votes: probabilities by level, which add up to 1 but for rounding.
    ///
    /// `None` if a walk leaves the arrays, which parsing has ruled out for rows of the feature count given there.
    pub(super) fn vote(&self, features: &[f32]) -> Option<[f32; CLASSES]> {
        let mut votes = [0.0_f64; CLASSES];
        for root in &self.roots {
            for (vote, weight) in votes.iter_mut().zip(self.leaves.get(self.leaf(*root, features)?)?) {
                *vote += f64::from(*weight);
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the graph's output is declared as single precision"
        )]
        Some(votes.map(|vote| vote as f32))
    }

    fn leaf(&self, root: usize, features: &[f32]) -> Option<usize> {
        let mut at = root;
        loop {
            at = match *self.nodes.get(at)? {
                Node::Leaf(row) => return Some(row as usize),
                Node::Branch {
                    feature,
                    threshold,
                    low,
                    high,
                } => {
                    if *features.get(usize::from(feature))? <= threshold {
                        low as usize
                    } else {
                        high as usize
                    }
                }
            }
        }
    }

    /// Every node but the roots has one parent, which stands before it, and no way is longer than [`MAX_DEPTH`].
    fn prove_shape(&self) -> Result<(), TreesError> {
        let mut depths: Vec<Option<u16>> = vec![None; self.nodes.len()];
        for root in &self.roots {
            reach(&mut depths, *root, 0)?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let depth = depths
                .get(index)
                .copied()
                .flatten()
                .ok_or(at_node("no way leads here", index))?;
            if let Node::Branch { low, high, .. } = *node {
                reach(&mut depths, low as usize, depth + 1)?;
                reach(&mut depths, high as usize, depth + 1)?;
            }
        }
        Ok(())
    }

    fn prove_distributions(&self) -> Result<(), TreesError> {
        #[expect(clippy::cast_precision_loss, reason = "at most MAX_TREES")]
        let trees = self.roots.len() as f64;
        for (index, weights) in self.leaves.iter().enumerate() {
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            if (sum * trees - 1.0).abs() > WEIGHT_TOLERANCE {
                return Err(TreesError::At {
                    what: "the weights are no distribution",
                    place: "leaf",
                    index,
                });
            }
        }
        Ok(())
    }
}

fn reach(depths: &mut [Option<u16>], index: usize, depth: u16) -> Result<(), TreesError> {
    let slot = depths.get_mut(index).ok_or(at_node("dangling child", index))?;
    if slot.is_some() {
        return Err(at_node("more than one way leads here", index));
    }
    if depth > MAX_DEPTH {
        return Err(at_node("too deep", index));
    }
    *slot = Some(depth);
    Ok(())
}

/// `what` is wrong at a node.
pub(super) const fn at_node(what: &'static str, index: usize) -> TreesError {
    TreesError::At {
        what,
        place: "node",
        index,
    }
}

/// `what` is wrong at a leaf's weight.
pub(super) const fn at_weight(what: &'static str, index: usize) -> TreesError {
    TreesError::At {
        what,
        place: "weight",
        index,
    }
}
