//! The attributes of a `TreeEnsembleClassifier`: parallel arrays of an untrusted file, read into nodes and leaves.

use std::ops::Range;

use tract_onnx::pb::{AttributeProto, NodeProto};

use super::trees::{CLASSES, MAX_NODES, MAX_TREES, Node, TreesError, at_node, at_weight};
use crate::domain::printable_line;

/// The attributes, each there once, of its type, and as long as its companions.
pub(super) struct Attributes<'a> {
    tree_ids: &'a [i64],
    node_ids: &'a [i64],
    feature_ids: &'a [i64],
    modes: &'a [Vec<u8>],
    thresholds: &'a [f32],
    low_ids: &'a [i64],
    high_ids: &'a [i64],
    weight_trees: &'a [i64],
    weight_nodes: &'a [i64],
    weight_classes: &'a [i64],
    weights: &'a [f32],
}

impl<'a> Attributes<'a> {
    /// Reads the attributes of `node`.
    ///
    /// # Errors
    /// Attributes that are missing, unknown, repeated, or do not fit together.
    pub(super) fn read(node: &'a NodeProto) -> Result<Self, TreesError> {
        Self::only_known(node)?;
        Self::plain_classes(node)?;
        let attributes = Self {
            tree_ids: ints(node, "nodes_treeids")?,
            node_ids: ints(node, "nodes_nodeids")?,
            feature_ids: ints(node, "nodes_featureids")?,
            modes: find(node, "nodes_modes")?.strings.as_slice(),
            thresholds: floats(node, "nodes_values")?,
            low_ids: ints(node, "nodes_truenodeids")?,
            high_ids: ints(node, "nodes_falsenodeids")?,
            weight_trees: ints(node, "class_treeids")?,
            weight_nodes: ints(node, "class_nodeids")?,
            weight_classes: ints(node, "class_ids")?,
            weights: floats(node, "class_weights")?,
        };
        attributes.equal_lengths()?;
        Ok(attributes)
    }

    /// Refuses attributes that would change the meaning (`base_values`, the `_as_tensor` forms), and any that repeats.
    fn only_known(node: &NodeProto) -> Result<(), TreesError> {
        const KNOWN: [&str; 15] = [
            "class_ids",
            "class_nodeids",
            "class_treeids",
            "class_weights",
            "classlabels_int64s",
            "nodes_falsenodeids",
            "nodes_featureids",
            "nodes_hitrates",
            "nodes_missing_value_tracks_true",
            "nodes_modes",
            "nodes_nodeids",
            "nodes_treeids",
            "nodes_truenodeids",
            "nodes_values",
            "post_transform",
        ];
        let mut seen = Vec::with_capacity(KNOWN.len());
        for attribute in &node.attribute {
            let name = attribute.name.as_str();
            if !KNOWN.contains(&name) || seen.contains(&name) || !is_plain(attribute) {
                return Err(TreesError::Attribute(printable_line(name).chars().take(64).collect()));
            }
            seen.push(name);
        }
        Ok(())
    }

    fn plain_classes(node: &NodeProto) -> Result<(), TreesError> {
        if !ints(node, "classlabels_int64s")?
            .iter()
            .copied()
            .eq((0..).take(CLASSES))
        {
            return Err(TreesError::Classes);
        }
        match node
            .attribute
            .iter()
            .find(|attribute| attribute.name == "post_transform")
        {
            Some(attribute) if attribute.s != b"NONE" => Err(TreesError::PostTransform),
            _ => Ok(()),
        }
    }

    fn equal_lengths(&self) -> Result<(), TreesError> {
        let nodes = self.tree_ids.len();
        if nodes == 0 || nodes > MAX_NODES {
            return Err(TreesError::Count {
                what: "nodes",
                found: nodes,
                limit: MAX_NODES,
            });
        }
        let weights = self.weights.len();
        for (name, found, expected) in [
            ("nodes_nodeids", self.node_ids.len(), nodes),
            ("nodes_featureids", self.feature_ids.len(), nodes),
            ("nodes_modes", self.modes.len(), nodes),
            ("nodes_values", self.thresholds.len(), nodes),
            ("nodes_truenodeids", self.low_ids.len(), nodes),
            ("nodes_falsenodeids", self.high_ids.len(), nodes),
            ("class_treeids", self.weight_trees.len(), weights),
            ("class_nodeids", self.weight_nodes.len(), weights),
            ("class_ids", self.weight_classes.len(), weights),
        ] {
            if found != expected {
                return Err(TreesError::Length { name, found, expected });
            }
        }
        Ok(())
    }

    /// The index of each tree's first node. Trees are numbered from 0, and so are the nodes of each, without a gap.
    ///
    /// # Errors
    /// Numbers out of order, and too many trees.
    pub(super) fn tree_starts(&self) -> Result<Vec<usize>, TreesError> {
        let mut starts: Vec<usize> = Vec::new();
        for (index, (tree, node)) in self.tree_ids.iter().zip(self.node_ids).enumerate() {
            if as_index(*tree) == Some(starts.len()) {
                starts.push(index);
            }
            let start = match starts.last() {
                Some(start) if as_index(*tree) == Some(starts.len() - 1) => start,
                _ => return Err(at_node("tree out of order", index)),
            };
            if as_index(*node) != Some(index - start) {
                return Err(at_node("node out of order", index));
            }
        }
        if starts.len() > MAX_TREES {
            return Err(TreesError::Count {
                what: "trees",
                found: starts.len(),
                limit: MAX_TREES,
            });
        }
        Ok(starts)
    }

    /// The nodes of all trees, which begin at `starts`, one after the other.
    ///
    /// # Errors
    /// A child outside its tree or not behind its parent, a feature that is not there, another mode than at-most.
    pub(super) fn nodes(&self, starts: &[usize], feature_count: usize) -> Result<Vec<Node>, TreesError> {
        let mut nodes = Vec::with_capacity(self.tree_ids.len());
        let mut leaves = 0;
        for (tree, start) in starts.iter().enumerate() {
            let end = starts.get(tree + 1).copied().unwrap_or(self.tree_ids.len());
            for index in *start..end {
                nodes.push(self.node(index, *start..end, feature_count, leaves)?);
                leaves += u32::from(matches!(nodes.last(), Some(Node::Leaf(_))));
            }
        }
        Ok(nodes)
    }

    fn node(&self, index: usize, tree: Range<usize>, feature_count: usize, leaves: u32) -> Result<Node, TreesError> {
        match value(self.modes, index)?.as_slice() {
            b"LEAF" => Ok(Node::Leaf(leaves)),
            b"BRANCH_LEQ" => Ok(Node::Branch {
                feature: as_feature(*value(self.feature_ids, index)?, feature_count)
                    .ok_or(at_node("unknown feature", index))?,
                threshold: finite(*value(self.thresholds, index)?).ok_or(at_node("threshold not finite", index))?,
                low: child(*value(self.low_ids, index)?, index, &tree)?,
                high: child(*value(self.high_ids, index)?, index, &tree)?,
            }),
            _ => Err(at_node("unsupported mode", index)),
        }
    }

    /// The weights of the leaves among `nodes`.
    ///
    /// # Errors
    /// A weight elsewhere than on a leaf, for a class that is not there, or negative or not finite.
    pub(super) fn leaves(&self, nodes: &[Node], starts: &[usize]) -> Result<Vec<[f32; CLASSES]>, TreesError> {
        let count = nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
        let mut leaves = vec![[0.0; CLASSES]; count];
        for (index, weight) in self.weights.iter().enumerate() {
            let row = self.weight_row(index, nodes, starts)?;
            let class = as_index(*value(self.weight_classes, index)?);
            let slot = class.and_then(|class| leaves.get_mut(row)?.get_mut(class));
            *slot.ok_or(at_weight("unknown class", index))? += finite(*weight)
                .filter(|weight| *weight >= 0.0)
                .ok_or(at_weight("negative or not finite", index))?;
        }
        Ok(leaves)
    }

    /// The leaf that a weight belongs to.
    fn weight_row(&self, index: usize, nodes: &[Node], starts: &[usize]) -> Result<usize, TreesError> {
        let tree = as_index(*value(self.weight_trees, index)?);
        let node = as_index(*value(self.weight_nodes, index)?);
        let start = tree.and_then(|tree| starts.get(tree));
        let end = tree
            .and_then(|tree| starts.get(tree + 1))
            .copied()
            .unwrap_or(nodes.len());
        let place = start
            .zip(node)
            .and_then(|(start, node)| start.checked_add(node))
            .filter(|place| *place < end);
        match place.and_then(|place| nodes.get(place)) {
            Some(Node::Leaf(row)) => Ok(*row as usize),
            Some(Node::Branch { .. }) => Err(at_weight("on a branch", index)),
            None => Err(at_weight("dangling leaf", index)),
        }
    }
}

fn child(id: i64, parent: usize, tree: &Range<usize>) -> Result<u32, TreesError> {
    let place = as_index(id)
        .and_then(|id| tree.start.checked_add(id))
        .filter(|place| *place < tree.end);
    let place = place.ok_or(at_node("dangling child", parent))?;
    if place <= parent {
        return Err(at_node("child before its parent", parent));
    }
    u32::try_from(place).map_err(|_| at_node("dangling child", parent))
}

fn as_index(id: i64) -> Option<usize> {
    usize::try_from(id).ok()
}

fn as_feature(id: i64, feature_count: usize) -> Option<u16> {
    as_index(id)
        .filter(|feature| *feature < feature_count)
        .and_then(|feature| u16::try_from(feature).ok())
}

fn finite(value: f32) -> Option<f32> {
    value.is_finite().then_some(value)
}

/// Lengths have been compared before; so this never fails, and never panics either.
fn value<T>(values: &[T], index: usize) -> Result<&T, TreesError> {
    values.get(index).ok_or(at_node("no value", index))
}

/// Whether an attribute holds nothing but a list of numbers or strings, or one string.
fn is_plain(attribute: &AttributeProto) -> bool {
    attribute.t.is_none()
        && attribute.g.is_none()
        && attribute.sparse_tensor.is_none()
        && attribute.tensors.is_empty()
        && attribute.graphs.is_empty()
        && attribute.sparse_tensors.is_empty()
        && attribute.type_protos.is_empty()
        && attribute.ref_attr_name.is_empty()
}

fn find<'a>(node: &'a NodeProto, name: &'static str) -> Result<&'a AttributeProto, TreesError> {
    node.attribute
        .iter()
        .find(|attribute| attribute.name == name)
        .ok_or(TreesError::Missing(name))
}

fn ints<'a>(node: &'a NodeProto, name: &'static str) -> Result<&'a [i64], TreesError> {
    Ok(find(node, name)?.ints.as_slice())
}

fn floats<'a>(node: &'a NodeProto, name: &'static str) -> Result<&'a [f32], TreesError> {
    Ok(find(node, name)?.floats.as_slice())
}
