//! A small sound model with its card, for tests to break in one place at a time.

use std::path::PathBuf;

use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};

use super::files::hex;
use super::{Forest, ForestError};
use sha2::{Digest, Sha256};

/// The digest that the specimen's card names.
pub(super) const FEATURES: &str = "5eed";
/// The number of features that the specimen sees.
pub(super) const FEATURE_COUNT: usize = 3;

/// Two stumps: the first splits feature 0 at 0.5 into low and critical, the second feature 2 at -1 into low and high.
pub(super) fn model() -> ModelProto {
    let graph = GraphProto {
        node: vec![classifier()],
        name: "forest".to_owned(),
        input: vec![value("X", DataType::Float, &[None, Some(3)])],
        output: vec![
            value("label", DataType::Int64, &[None]),
            value("probabilities", DataType::Float, &[None, Some(4)]),
        ],
        ..GraphProto::default()
    };
    let opset = |domain: &str, version| OperatorSetIdProto {
        domain: domain.to_owned(),
        version,
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![opset("", 18), opset("ai.onnx.ml", 1)],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn classifier() -> NodeProto {
    NodeProto {
        input: vec!["X".to_owned()],
        output: vec!["label".to_owned(), "probabilities".to_owned()],
        name: "trees".to_owned(),
        op_type: "TreeEnsembleClassifier".to_owned(),
        domain: "ai.onnx.ml".to_owned(),
        attribute: vec![
            ints("nodes_treeids", &[0, 0, 0, 1, 1, 1]),
            ints("nodes_nodeids", &[0, 1, 2, 0, 1, 2]),
            ints("nodes_featureids", &[0, 0, 0, 2, 0, 0]),
            strings(
                "nodes_modes",
                &["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
            ),
            floats("nodes_values", &[0.5, 0.0, 0.0, -1.0, 0.0, 0.0]),
            ints("nodes_truenodeids", &[1, 0, 0, 1, 0, 0]),
            ints("nodes_falsenodeids", &[2, 0, 0, 2, 0, 0]),
            ints("class_treeids", &[0, 0, 1, 1]),
            ints("class_nodeids", &[1, 2, 1, 2]),
            ints("class_ids", &[0, 3, 0, 2]),
            floats("class_weights", &[0.5, 0.5, 0.5, 0.5]),
            ints("classlabels_int64s", &[0, 1, 2, 3]),
            AttributeProto {
                s: b"NONE".to_vec(),
                ..attribute("post_transform", AttributeType::String)
            },
        ],
        ..NodeProto::default()
    }
}

/// The sound model as a file has it.
pub(super) fn specimen_bytes() -> Vec<u8> {
    model().encode_to_vec()
}

/// The card that fits `model`'s bytes, with two golden rows that the sound specimen answers.
pub(super) fn card(bytes: &[u8]) -> Value {
    let identity = json!({"x": [0.0, 1.0], "y": [0.0, 1.0]});
    json!({
        "format": 1,
        "model": {"sha256": hex(&Sha256::digest(bytes))},
        "classes": ["low", "medium", "high", "critical"],
        "features": {"digest": FEATURES, "names": ["a", "b", "c"]},
        "calibration": {"low": identity, "medium": identity, "high": identity, "critical": identity},
        "golden": [
            {"features": [0.5, 0.0, -1.0], "probabilities": [1.0, 0.0, 0.0, 0.0], "level": "low"},
            {"features": [0.6, 0.0, 0.0], "probabilities": [0.0, 0.0, 0.5, 0.5], "level": "critical"},
        ],
    })
}

/// Writes the files and loads them as the daemon does.
pub(super) fn load_bytes(bytes: &[u8], card: &Value) -> Result<Forest, ForestError> {
    let (_keep, path) = files(bytes, card);
    Forest::load(&path, FEATURES, FEATURE_COUNT)
}

/// Loads `model` with the card that fits its bytes.
pub(super) fn load(model: &ModelProto) -> Result<Forest, ForestError> {
    let bytes = model.encode_to_vec();
    load_bytes(&bytes, &card(&bytes))
}

/// A directory with a model and its card, and the model's path.
pub(super) fn files(bytes: &[u8], card: &Value) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("risk.onnx");
    std::fs::write(&path, bytes).unwrap();
    std::fs::write(path.with_extension("json"), card.to_string()).unwrap();
    (directory, path)
}

/// The specimen's graph, to change.
pub(super) fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

/// The specimen's only node, to change.
pub(super) fn node(model: &mut ModelProto) -> &mut NodeProto {
    graph(model).node.first_mut().unwrap()
}

/// An attribute of the specimen's node, to change.
pub(super) fn attribute_of<'a>(model: &'a mut ModelProto, name: &str) -> &'a mut AttributeProto {
    node(model)
        .attribute
        .iter_mut()
        .find(|attribute| attribute.name == name)
        .unwrap()
}

pub(super) fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: kind as i32,
        ..AttributeProto::default()
    }
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: values.to_vec(),
        ..attribute(name, AttributeType::Ints)
    }
}

pub(super) fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto {
        floats: values.to_vec(),
        ..attribute(name, AttributeType::Floats)
    }
}

fn strings(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto {
        strings,
        ..attribute(name, AttributeType::Strings)
    }
}

/// A named value of `kind`; a dimension of `None` is left open.
pub(super) fn value(name: &str, kind: DataType, dimensions: &[Option<i64>]) -> ValueInfoProto {
    let dim = dimensions
        .iter()
        .map(|dimension| tensor_shape_proto::Dimension {
            value: dimension.map(tensor_shape_proto::dimension::Value::DimValue),
            ..tensor_shape_proto::Dimension::default()
        })
        .collect();
    let tensor = type_proto::Tensor {
        elem_type: kind as i32,
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}
