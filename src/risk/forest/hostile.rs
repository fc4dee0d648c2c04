//! Models that would crash, hang, allocate without bound or read other files in an engine that trusts them.

use proptest::prelude::*;
use prost::Message;
use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
    attribute_proto::AttributeType,
    tensor_proto::{DataLocation, DataType},
};

use super::specimen::{
    self, FEATURE_COUNT, FEATURES, attribute, attribute_of, card, floats, ints, load_bytes, node, specimen_bytes, value,
};
use super::*;

#[test]
fn bytes_that_are_not_onnx_are_refused() {
    let text: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 10\n";
    let noise: Vec<u8> = (0..4096_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    for bytes in [text, &noise, &specimen_bytes()[..100]] {
        let error = load_bytes(bytes, &card(bytes)).unwrap_err();
        assert!(
            matches!(
                error,
                ForestError::Model {
                    cause: ModelError::NotOnnx(_),
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(
        refusal_of_bytes(b""),
        ModelError::Graph(GraphError::NoGraph),
        "an empty message is an empty model"
    );
}

#[test]
fn graphs_that_are_more_or_other_than_one_forest_are_refused() {
    type Edit = fn(&mut ModelProto);
    let cases: [(Edit, GraphError); 17] = [
        (|model| model.graph = None, GraphError::NoGraph),
        (
            |model| model.functions.push(FunctionProto::default()),
            GraphError::Surplus("functions"),
        ),
        (
            |model| specimen::graph(model).initializer.push(huge_tensor()),
            GraphError::Surplus("tensors"),
        ),
        (
            |model| specimen::graph(model).initializer.push(external_tensor()),
            GraphError::Surplus("tensors"),
        ),
        (
            |model| node(model).op_type = "Frobnicate".to_owned(),
            GraphError::Operation("Frobnicate".to_owned()),
        ),
        (
            |model| node(model).op_type = "a\x1b[2J".to_owned(),
            GraphError::Operation("a\\x1b[2J".to_owned()),
        ),
        (
            |model| specimen::graph(model).node.push(operation("ZipMap")),
            GraphError::Operation("ZipMap".to_owned()),
        ),
        (
            |model| specimen::graph(model).node.push(operation("Expand")),
            GraphError::Operation("Expand".to_owned()),
        ),
        (|model| specimen::graph(model).node.clear(), GraphError::Nodes(0)),
        (repeat_node, GraphError::Nodes(2)),
        (
            |model| {
                specimen::graph(model)
                    .input
                    .push(value("Y", DataType::Float, &[None, Some(3)]));
            },
            GraphError::Input(3),
        ),
        (
            |model| specimen::graph(model).input = vec![value("X", DataType::Float, &[None, Some(40)])],
            GraphError::Input(3),
        ),
        (
            |model| node(model).input = vec!["b".to_owned()],
            GraphError::Wiring("inputs"),
        ),
        (
            |model| specimen::graph(model).output[0].name = "nope".to_owned(),
            GraphError::Wiring("outputs"),
        ),
        (keep_only_the_label, GraphError::Outputs),
        (
            |model| node(model).output.push("z".to_owned()),
            GraphError::Wiring("outputs"),
        ),
        (feed_the_output_back, GraphError::Outputs),
    ];
    for (edit, expected) in cases {
        assert_eq!(refusal_after(edit), ModelError::Graph(expected));
    }
}

#[test]
fn operations_beside_the_forest_are_refused_by_name() {
    let operations = [
        "Scaler",
        "Normalizer",
        "Imputer",
        "Binarizer",
        "LabelEncoder",
        "OneHotEncoder",
        "Cast",
        "ArgMax",
        "Softmax",
        "Sigmoid",
        "FeatureVectorizer",
        "SVMClassifier",
        "LinearClassifier",
        "LinearRegressor",
        "TreeEnsembleRegressor",
        "TreeEnsemble",
        "ZipMap",
        "ArrayFeatureExtractor",
        "StringNormalizer",
        "TfIdfVectorizer",
        "CategoryMapper",
        "Constant",
        "ConstantOfShape",
        "Loop",
        "If",
        "Add",
        "Identity",
        "Expand",
        "ReduceSum",
    ];
    for name in operations {
        let mut model = specimen::model();
        specimen::graph(&mut model).node = vec![operation(name)];
        assert_eq!(
            refusal(&model),
            ModelError::Graph(GraphError::Operation(name.to_owned()))
        );
    }
}

#[test]
fn trees_that_could_leave_their_arrays_or_never_end_are_refused() {
    let at = |what, place, index| TreesError::At { what, place, index };
    let cases: [(&str, &[i64], TreesError); 19] = [
        ("class_ids", &[5, 5, 0, 2], at("unknown class", "weight", 0)),
        ("class_ids", &[1_000_000, 3, 0, 2], at("unknown class", "weight", 0)),
        ("class_ids", &[0, 4_000_000_000, 0, 2], at("unknown class", "weight", 1)),
        ("class_ids", &[-1, 3, 0, 2], at("unknown class", "weight", 0)),
        ("class_nodeids", &[0, 2, 1, 2], at("on a branch", "weight", 0)),
        ("class_nodeids", &[1, 3, 1, 2], at("dangling leaf", "weight", 1)),
        ("class_nodeids", &[1, i64::MAX, 1, 2], at("dangling leaf", "weight", 1)),
        ("class_treeids", &[0, 0, 1, 7], at("dangling leaf", "weight", 3)),
        (
            "nodes_truenodeids",
            &[0, 0, 0, 1, 0, 0],
            at("child before its parent", "node", 0),
        ),
        (
            "nodes_falsenodeids",
            &[99, 0, 0, 2, 0, 0],
            at("dangling child", "node", 0),
        ),
        (
            "nodes_falsenodeids",
            &[3, 0, 0, 2, 0, 0],
            at("dangling child", "node", 0),
        ),
        (
            "nodes_falsenodeids",
            &[-1, 0, 0, 2, 0, 0],
            at("dangling child", "node", 0),
        ),
        (
            "nodes_falsenodeids",
            &[i64::MAX, 0, 0, 2, 0, 0],
            at("dangling child", "node", 0),
        ),
        (
            "nodes_falsenodeids",
            &[1, 0, 0, 2, 0, 0],
            at("more than one way leads here", "node", 1),
        ),
        (
            "nodes_featureids",
            &[3, 0, 0, 2, 0, 0],
            at("unknown feature", "node", 0),
        ),
        (
            "nodes_featureids",
            &[-1, 0, 0, 2, 0, 0],
            at("unknown feature", "node", 0),
        ),
        ("nodes_treeids", &[1, 1, 1, 2, 2, 2], at("tree out of order", "node", 0)),
        ("nodes_treeids", &[0, 0, 0, 1, 1, 0], at("tree out of order", "node", 5)),
        ("nodes_nodeids", &[0, 1, 1, 0, 1, 2], at("node out of order", "node", 2)),
    ];
    for (name, values, expected) in cases {
        let mut model = specimen::model();
        attribute_of(&mut model, name).ints = values.to_vec();
        assert_eq!(refusal(&model), ModelError::Trees(expected), "{name} {values:?}");
    }
}

#[test]
fn thresholds_and_weights_that_are_no_numbers_are_refused() {
    let at = |what, place| TreesError::At { what, place, index: 0 };
    for (name, first, expected) in [
        ("nodes_values", f32::NAN, at("threshold not finite", "node")),
        ("nodes_values", f32::INFINITY, at("threshold not finite", "node")),
        ("class_weights", f32::NAN, at("negative or not finite", "weight")),
        ("class_weights", f32::INFINITY, at("negative or not finite", "weight")),
        ("class_weights", -0.5, at("negative or not finite", "weight")),
        ("class_weights", 0.75, at("the weights are no distribution", "leaf")),
    ] {
        let mut model = specimen::model();
        attribute_of(&mut model, name).floats[0] = first;
        assert_eq!(refusal(&model), ModelError::Trees(expected), "{name} {first}");
    }
}

#[test]
fn modes_other_than_leaf_and_at_most_are_refused() {
    for mode in [
        "BRANCH_LT",
        "BRANCH_GTE",
        "BRANCH_GT",
        "BRANCH_EQ",
        "BRANCH_NEQ",
        "BRANCH_MEMBER",
        "FOO",
        "",
    ] {
        let mut model = specimen::model();
        attribute_of(&mut model, "nodes_modes").strings[0] = mode.as_bytes().to_vec();
        let expected = TreesError::At {
            what: "unsupported mode",
            place: "node",
            index: 0,
        };
        assert_eq!(refusal(&model), ModelError::Trees(expected), "{mode}");
    }
}

#[test]
fn attributes_that_change_the_meaning_or_do_not_fit_together_are_refused() {
    type Edit = fn(&mut ModelProto);
    let length = |name, found, expected| TreesError::Length { name, found, expected };
    let cases: [(Edit, TreesError); 10] = [
        (
            |model| add(model, floats("base_values", &[0.5])),
            TreesError::Attribute("base_values".to_owned()),
        ),
        (
            |model| add(model, ints("class_ids", &[0])),
            TreesError::Attribute("class_ids".to_owned()),
        ),
        (
            |model| attribute_of(model, "class_ids").g = Some(GraphProto::default()),
            TreesError::Attribute("class_ids".to_owned()),
        ),
        (
            |model| add(model, strings_label()),
            TreesError::Attribute("classlabels_strings".to_owned()),
        ),
        (
            |model| attribute_of(model, "post_transform").s = b"SOFTMAX".to_vec(),
            TreesError::PostTransform,
        ),
        (
            |model| attribute_of(model, "classlabels_int64s").ints = vec![0],
            TreesError::Classes,
        ),
        (
            |model| attribute_of(model, "classlabels_int64s").ints = vec![0, 1, 3, 2],
            TreesError::Classes,
        ),
        (
            |model| _ = attribute_of(model, "nodes_values").floats.pop(),
            length("nodes_values", 5, 6),
        ),
        (
            |model| _ = attribute_of(model, "class_ids").ints.pop(),
            length("class_ids", 3, 4),
        ),
        (
            |model| node(model).attribute.retain(|a| a.name != "nodes_modes"),
            TreesError::Missing("nodes_modes"),
        ),
    ];
    for (edit, expected) in cases {
        assert_eq!(refusal_after(edit), ModelError::Trees(expected));
    }
}

#[test]
fn forests_beyond_the_caps_are_refused() {
    let empty = TreesError::Count {
        what: "nodes",
        found: 0,
        limit: 500_000,
    };
    assert_eq!(refusal(&forest_of(0)), ModelError::Trees(empty));
    let crowd = TreesError::Count {
        what: "trees",
        found: 501,
        limit: 500,
    };
    assert_eq!(refusal(&forest_of(501)), ModelError::Trees(crowd));
    assert!(
        plan(&forest_of(500), FEATURE_COUNT).is_ok(),
        "the cap itself is allowed"
    );
    assert!(
        plan(&chain_of(64), FEATURE_COUNT).is_ok(),
        "the deepest tree that is allowed"
    );
    let deep = TreesError::At {
        what: "too deep",
        place: "node",
        index: 129,
    };
    assert_eq!(refusal(&chain_of(65)), ModelError::Trees(deep));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever the bytes, loading ends with a forest or an error, and a forest answers.
    #[test]
    fn changed_bytes_never_bring_the_loader_down(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = specimen_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let card = Card::parse(card(&bytes).to_string().as_bytes(), FEATURES, FEATURE_COUNT).unwrap();
        if let Ok(forest) = Forest::from_bytes(&bytes, card, String::new(), FEATURE_COUNT) {
            prop_assert!(forest.predict(&[0.1, 0.2, 0.3]).is_ok());
        }
    }
}

/// Why the sound specimen is refused after one change.
fn refusal_after(edit: fn(&mut ModelProto)) -> ModelError {
    let mut model = specimen::model();
    edit(&mut model);
    refusal(&model)
}

fn refusal(model: &ModelProto) -> ModelError {
    refusal_of_bytes(&model.encode_to_vec())
}

fn refusal_of_bytes(bytes: &[u8]) -> ModelError {
    match load_bytes(bytes, &card(bytes)) {
        Err(ForestError::Model { cause, .. }) => cause,
        other => panic!("not refused as a model: {other:?}"),
    }
}

fn operation(name: &str) -> NodeProto {
    NodeProto {
        op_type: name.to_owned(),
        domain: "ai.onnx.ml".to_owned(),
        ..NodeProto::default()
    }
}

fn repeat_node(model: &mut ModelProto) {
    let again = node(model).clone();
    specimen::graph(model).node.push(again);
}

fn keep_only_the_label(model: &mut ModelProto) {
    node(model).output.truncate(1);
    specimen::graph(model).output.truncate(1);
}

fn feed_the_output_back(model: &mut ModelProto) {
    node(model).output[1] = "X".to_owned();
    specimen::graph(model).output[1].name = "X".to_owned();
}

fn add(model: &mut ModelProto, attribute: AttributeProto) {
    node(model).attribute.push(attribute);
}

fn strings_label() -> AttributeProto {
    AttributeProto {
        strings: vec![b"low".to_vec()],
        ..attribute("classlabels_strings", AttributeType::Strings)
    }
}

/// A tensor that claims 4 TiB and holds 16 bytes.
fn huge_tensor() -> TensorProto {
    TensorProto {
        name: "W".to_owned(),
        dims: vec![1 << 40],
        data_type: DataType::Float as i32,
        raw_data: vec![0; 16],
        ..TensorProto::default()
    }
}

/// A tensor whose data would be read from another file.
fn external_tensor() -> TensorProto {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    TensorProto {
        name: "W".to_owned(),
        dims: vec![40],
        data_type: DataType::Float as i32,
        data_location: Some(DataLocation::External as i32),
        external_data: vec![entry("location", "../../../etc/passwd"), entry("length", "160")],
        ..TensorProto::default()
    }
}

/// A forest of `trees` single leaves.
fn forest_of(trees: i64) -> ModelProto {
    let count = usize::try_from(trees).unwrap();
    let mut model = specimen::model();
    let numbers: Vec<i64> = (0..trees).collect();
    for name in ["nodes_treeids", "class_treeids"] {
        attribute_of(&mut model, name).ints.clone_from(&numbers);
    }
    for name in [
        "nodes_nodeids",
        "nodes_featureids",
        "nodes_truenodeids",
        "nodes_falsenodeids",
        "class_nodeids",
        "class_ids",
    ] {
        attribute_of(&mut model, name).ints = vec![0; count];
    }
    attribute_of(&mut model, "nodes_modes").strings = vec![b"LEAF".to_vec(); count];
    attribute_of(&mut model, "nodes_values").floats = vec![0.0; count];
    attribute_of(&mut model, "class_weights").floats = vec![1.0 / f32::from(u16::try_from(trees).unwrap()); count];
    model
}

/// One tree of `depth` branches in a chain, each with a leaf to its low side.
fn chain_of(depth: i64) -> ModelProto {
    let mut model = specimen::model();
    let nodes = 2 * depth + 1;
    let branch = |id: i64| id % 2 == 0 && id < nodes - 1;
    let of_nodes = |f: &dyn Fn(i64) -> i64| (0..nodes).map(f).collect::<Vec<_>>();
    let leaves: Vec<i64> = (0..nodes).filter(|id| !branch(*id)).collect();
    attribute_of(&mut model, "nodes_treeids").ints = of_nodes(&|_| 0);
    attribute_of(&mut model, "nodes_nodeids").ints = of_nodes(&|id| id);
    attribute_of(&mut model, "nodes_featureids").ints = of_nodes(&|_| 0);
    attribute_of(&mut model, "nodes_truenodeids").ints = of_nodes(&|id| if branch(id) { id + 1 } else { 0 });
    attribute_of(&mut model, "nodes_falsenodeids").ints = of_nodes(&|id| if branch(id) { id + 2 } else { 0 });
    attribute_of(&mut model, "nodes_modes").strings = (0..nodes)
        .map(|id| {
            if branch(id) {
                b"BRANCH_LEQ".to_vec()
            } else {
                b"LEAF".to_vec()
            }
        })
        .collect();
    attribute_of(&mut model, "nodes_values").floats = vec![0.0; usize::try_from(nodes).unwrap()];
    attribute_of(&mut model, "class_treeids").ints = vec![0; leaves.len()];
    attribute_of(&mut model, "class_ids").ints = vec![0; leaves.len()];
    attribute_of(&mut model, "class_weights").floats = vec![1.0; leaves.len()];
    attribute_of(&mut model, "class_nodeids").ints = leaves;
    model
}
