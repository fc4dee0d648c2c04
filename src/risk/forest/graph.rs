//! What an ONNX file may hold before anything interprets it: one `TreeEnsembleClassifier` and nothing else.
//!
//! tract trusts a file: it reads external data from any path, allocates what dimensions claim, and panics on names that
//! do not resolve. So the file is held against the one shape that the exporter writes.

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto, tensor_proto, tensor_shape_proto, type_proto};

use super::trees::CLASSES;
use crate::domain::printable_line;

/// The one operation that a model may use.
pub(super) const TREE_ENSEMBLE: &str = "TreeEnsembleClassifier";

/// Why a graph is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The file has no graph.
    #[error("there is no graph in it")]
    NoGraph,
    /// The file carries something that a forest does not need.
    #[error("it carries {0}, which a forest does not need")]
    Surplus(&'static str),
    /// An operation that is not allowed.
    #[error("operation `{0}` is not allowed; only TreeEnsembleClassifier is (export with zipmap off)")]
    Operation(String),
    /// Another number of nodes than one.
    #[error("{0} nodes instead of 1")]
    Nodes(usize),
    /// The input is not one row of single-precision numbers.
    #[error("the input is not a matrix of float32 with {0} columns")]
    Input(usize),
    /// The node's and the graph's inputs or outputs do not meet.
    #[error("the {0} of the node are not those of the graph")]
    Wiring(&'static str),
    /// The outputs are not a label and four probabilities.
    #[error("the outputs are not a label (int64) and {CLASSES} probabilities (float32)")]
    Outputs,
}

/// Holds `model` against the shape that the exporter writes for a forest that sees `feature_count` features.
///
/// # Errors
/// Everything else.
pub(super) fn check(model: &ModelProto, feature_count: usize) -> Result<(), GraphError> {
    let graph = model.graph.as_ref().ok_or(GraphError::NoGraph)?;
    nothing_surplus(model, graph)?;
    let node = only_node(graph)?;
    match graph.input.as_slice() {
        [input] if columns(input, tensor_proto::DataType::Float) == Some(feature_count) => wired(graph, node),
        _ => Err(GraphError::Input(feature_count)),
    }
}

/// The columns of the graph's first input: the number of features, once [`check`] has passed.
pub(super) fn feature_count(model: &ModelProto) -> Option<usize> {
    columns(model.graph.as_ref()?.input.first()?, tensor_proto::DataType::Float)
}

fn nothing_surplus(model: &ModelProto, graph: &GraphProto) -> Result<(), GraphError> {
    for (surplus, what) in [
        (!model.functions.is_empty(), "functions"),
        (!model.training_info.is_empty(), "training information"),
        (!graph.initializer.is_empty(), "tensors"),
        (!graph.sparse_initializer.is_empty(), "sparse tensors"),
        (!graph.quantization_annotation.is_empty(), "quantization annotations"),
        (!graph.value_info.is_empty(), "types of inner values"),
    ] {
        if surplus {
            return Err(GraphError::Surplus(what));
        }
    }
    Ok(())
}

fn only_node(graph: &GraphProto) -> Result<&NodeProto, GraphError> {
    if let Some(other) = graph
        .node
        .iter()
        .find(|node| node.op_type != TREE_ENSEMBLE || node.domain != "ai.onnx.ml")
    {
        let name = printable_line(&other.op_type).chars().take(64).collect();
        return Err(GraphError::Operation(name));
    }
    match graph.node.as_slice() {
        [node] => Ok(node),
        nodes => Err(GraphError::Nodes(nodes.len())),
    }
}

fn wired(graph: &GraphProto, node: &NodeProto) -> Result<(), GraphError> {
    let names = |values: &[ValueInfoProto]| values.iter().map(|value| value.name.clone()).collect::<Vec<_>>();
    if node.input.iter().any(String::is_empty) || node.input != names(&graph.input) {
        return Err(GraphError::Wiring("inputs"));
    }
    if node.output.iter().any(String::is_empty) || node.output != names(&graph.output) {
        return Err(GraphError::Wiring("outputs"));
    }
    match (graph.input.as_slice(), graph.output.as_slice()) {
        ([input], [label, probabilities])
            if label.name != probabilities.name && input.name != label.name && input.name != probabilities.name =>
        {
            outputs_typed(label, probabilities)
        }
        _ => Err(GraphError::Outputs),
    }
}

fn outputs_typed(label: &ValueInfoProto, probabilities: &ValueInfoProto) -> Result<(), GraphError> {
    let labelled = tensor(label).is_some_and(|tensor| tensor.elem_type == tensor_proto::DataType::Int64 as i32);
    if labelled && columns(probabilities, tensor_proto::DataType::Float) == Some(CLASSES) {
        return Ok(());
    }
    Err(GraphError::Outputs)
}

/// The second dimension of a matrix of `kind`.
fn columns(value: &ValueInfoProto, kind: tensor_proto::DataType) -> Option<usize> {
    let tensor = tensor(value).filter(|tensor| tensor.elem_type == kind as i32)?;
    match tensor.shape.as_ref()?.dim.as_slice() {
        [_, columns] => match columns.value.as_ref()? {
            tensor_shape_proto::dimension::Value::DimValue(columns) => usize::try_from(*columns).ok(),
            tensor_shape_proto::dimension::Value::DimParam(_) => None,
        },
        _ => None,
    }
}

fn tensor(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    Some(tensor)
}
