//! The trees as an operation of tract's, in the place of its own, which searches its leaves one by one and trusts the file.

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
#[allow(clippy::wildcard_imports, reason = "tract's macros expand to names of this prelude")]
use tract_onnx::tract_hir::internal::*;

use super::graph;
use super::trees::{CLASSES, Trees};

/// tract's ONNX reader with our tree operation in the place of its own.
pub(super) fn reader() -> tract_onnx::Onnx {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(graph::TREE_ENSEMBLE, build);
    onnx.with_ignore_output_types(true)
}

fn build(context: &ParsingContext, node: &NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let feature_count = graph::feature_count(context.model).ok_or_else(|| format_err!("the input has no columns"))?;
    let trees = Arc::new(Trees::parse(node, feature_count)?);
    Ok((expand(Vote { trees, feature_count }), Vec::new()))
}

/// One row of features in; its label and its probabilities out.
#[derive(Debug, Clone, PartialEq)]
struct Vote {
    trees: Arc<Trees>,
    feature_count: usize,
}

/// Thresholds and weights are finite, so equality is reflexive.
impl Eq for Vote {}

impl Op for Vote {
    fn name(&self) -> StaticName {
        "TreeVote".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Vote {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let row = args_1!(inputs);
        ensure!(
            row.shape() == [1, self.feature_count],
            "a row of another shape: {:?}",
            row.shape()
        );
        let view = row.to_plain_array_view::<f32>()?;
        let features = view
            .as_slice()
            .ok_or_else(|| format_err!("the row is not contiguous"))?;
        let votes = self
            .trees
            .vote(features)
            .ok_or_else(|| format_err!("a walk left its tree"))?;
        let label = Tensor::from_shape(&[1], &[most(&votes)])?;
        Ok(tvec!(
            label.into_tvalue(),
            Tensor::from_shape(&[1, CLASSES], &votes)?.into_tvalue()
        ))
    }
}

impl TypedOp for Vote {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rows = inputs
            .first()
            .and_then(|input| input.shape.first())
            .ok_or_else(|| format_err!("no rows"))?;
        Ok(tvec!(
            i64::fact([rows.clone()]),
            f32::fact([rows.clone(), CLASSES.to_dim()])
        ))
    }

    as_op!();
}

impl Expansion for Vote {
    fn name(&self) -> StaticName {
        "TreeVote".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(2)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        let ([row], [label, probabilities]) = (inputs, outputs) else {
            bail!(
                "{} inputs and {} outputs instead of 1 and 2",
                inputs.len(),
                outputs.len()
            );
        };
        solver.equals(&row.rank, 2)?;
        solver.equals(&label.datum_type, i64::datum_type())?;
        solver.equals(&label.rank, 1)?;
        solver.equals(&label.shape[0], &row.shape[0])?;
        solver.equals(&probabilities.datum_type, f32::datum_type())?;
        solver.equals(&probabilities.rank, 2)?;
        solver.equals(&probabilities.shape[0], &row.shape[0])?;
        solver.equals(&probabilities.shape[1], CLASSES.to_dim())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

/// The class with the most votes, the first of equals, as ONNX has it.
fn most(votes: &[f32; CLASSES]) -> i64 {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, vote) in (0..).zip(votes) {
        if *vote > best.1 {
            best = (class, *vote);
        }
    }
    best.0
}
