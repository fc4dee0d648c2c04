"""The forest: fitted, tried on commands it has not seen, calibrated, exported to ONNX."""

from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from corpus import LEVELS
from scorer import Rows

Labels = NDArray[np.int64]
Votes = NDArray[np.float64]
Weights = NDArray[np.float64]

TREES = 60
MAX_DEPTH = 12
MIN_SAMPLES_LEAF = 8
FOLDS = 5
# The share of each level that training pretends: the corpus has far more grave commands than a working day has, and a
# forest that took its shares for true would be too sure of danger. Grave ones stay well above what is real, for recall.
PRIOR = {"low": 0.45, "medium": 0.25, "high": 0.15, "critical": 0.15}
# Where the calibration curves have their knots; their distance bounds how steep a curve can be.
KNOTS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True)
class Calibration:
    """One monotone, piecewise linear curve a level, over shares of votes."""

    curves: NDArray[np.float64]

    def apply(self, votes: Votes) -> Votes:
        """Probabilities that add up to 1, as the daemon computes them."""
        lifted = np.stack([np.interp(votes[:, k], KNOTS, self.curves[k]) for k in range(len(LEVELS))], axis=1)
        total = lifted.sum(axis=1, keepdims=True)
        untouched = votes / votes.sum(axis=1, keepdims=True)
        return np.where(total < 1e-9, untouched, lifted / np.maximum(total, 1e-9))


def levels(probabilities: Votes) -> Labels:
    """The most probable level of each row; of equals the graver."""
    count = probabilities.shape[1]
    return count - 1 - np.argmax(probabilities[:, ::-1], axis=1)


def weights(labels: Labels) -> Weights:
    """Weights under which the levels have the shares of `PRIOR`; their mean is 1."""
    present = np.bincount(labels, minlength=len(LEVELS)) / len(labels)
    ratio = np.array([PRIOR[level] for level in LEVELS]) / np.maximum(present, 1e-9)
    weighted = ratio[labels]
    return weighted / weighted.mean()


def fit(
    rows: Rows, labels: Labels, seed: int, trees: int = TREES, jobs: int = 2, *, given: Weights | None = None
) -> RandomForestClassifier:
    """Fits a forest; the same rows and seed give the same forest and the same votes, whatever the number of jobs.

    The rows weigh what is `given`, or else what gives the levels the shares of `PRIOR`.
    """
    forest = RandomForestClassifier(
        n_estimators=trees,
        max_depth=MAX_DEPTH,
        min_samples_leaf=MIN_SAMPLES_LEAF,
        random_state=seed,
        n_jobs=jobs,
    )
    forest.fit(rows, labels, sample_weight=weights(labels) if given is None else given)
    # Several threads would add the trees' votes in the order in which they come.
    return forest.set_params(n_jobs=1)


def out_of_fold(
    rows: Rows,
    labels: Labels,
    groups: NDArray[np.int64],
    seed: int,
    *,
    folds: int = FOLDS,
    trees: int = TREES,
    given: Weights | None = None,
) -> Votes:
    """Votes for each row by a forest that has seen no command of its group."""
    votes = np.zeros((len(rows), len(LEVELS)))
    for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(rows, labels, groups):
        part = None if given is None else given[train]
        votes[test] = fit(rows[train], labels[train], seed, trees, given=part).predict_proba(rows[test])
    return votes


def calibrate(votes: Votes, labels: Labels, given: Weights | None = None) -> Calibration:
    """Isotonic regressions of `is this level` on the share of votes, read off at the knots."""
    weighted = weights(labels) if given is None else given
    curves = []
    for k in range(len(LEVELS)):
        regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        regression.fit(votes[:, k], (labels == k).astype(float), sample_weight=weighted)
        curve = np.round(regression.predict(KNOTS), 6)
        curves.append(np.maximum.accumulate(np.clip(curve, 0.0, 1.0)))
    return Calibration(np.array(curves))


def export(forest: RandomForestClassifier) -> bytes:
    """The forest as ONNX, with the operator set and the outputs that the daemon expects."""
    model = convert_sklearn(
        forest,
        name="opspilot-risk",
        initial_types=[("X", FloatTensorType([None, forest.n_features_in_]))],
        options={id(forest): {"zipmap": False}},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    return model.SerializeToString(deterministic=True)


def onnx_votes(model: bytes, rows: Rows) -> Votes:
    """What onnxruntime makes of the exported forest."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    _, votes = session.run(["label", "probabilities"], {"X": rows})
    return votes.astype(np.float64)


def thresholds(forest: RandomForestClassifier) -> dict[int, NDArray[np.float64]]:
    """The values at which the trees split, by feature."""
    found: dict[int, set[float]] = {}
    for tree in forest.estimators_:
        inner = tree.tree_.children_left >= 0
        for feature, threshold in zip(tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True):
            found.setdefault(int(feature), set()).add(float(threshold))
    return {feature: np.array(sorted(values)) for feature, values in sorted(found.items())}


def on_thresholds(forest: RandomForestClassifier, rows: Rows, rng: np.random.Generator) -> Rows:
    """A copy of the rows with some features put on a threshold, or on the next number to either side."""
    moved = rows.copy()
    splits = thresholds(forest)
    for row in moved:
        for feature in rng.choice(list(splits), size=min(8, len(splits)), replace=False):
            value = np.float32(rng.choice(splits[feature]))
            row[feature] = rng.choice(
                [np.nextafter(value, np.float32(-np.inf)), value, np.nextafter(value, np.float32(np.inf))]
            )
    return moved
