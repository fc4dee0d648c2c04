"""The champion, which is in force, against the challenger: figures only. `opspilot` decides by them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import card as cards
import forest
from forest import Calibration, Labels, Votes, Weights
from joining import Bounds, Scores, joined_levels
from scorer import Rows

GRAVE = 2
Fighter = dict[str, float | None]


@dataclass(frozen=True)
class Model:
    """A forest as the daemon has it: the file and its calibration."""

    onnx: bytes
    calibration: Calibration

    @classmethod
    def load(cls, path: Path, digest: str) -> "Model":
        """The model of a file and the card beside it. Raises where it knows other features than `digest`."""
        card, calibration = cards.load(path.with_suffix(".json"))
        if card["features"]["digest"] != digest:
            raise ValueError("the model in force was trained on other features than this opspilot computes")
        return cls(path.read_bytes(), calibration)

    def probabilities(self, rows: Rows) -> Votes:
        """What it says, calibrated."""
        if not len(rows):
            return np.zeros((0, len(cards.LEVELS)))
        return self.calibration.apply(forest.onnx_votes(self.onnx, rows))


@dataclass(frozen=True)
class Ground:
    """Rows to compare two models on; the weights are of any sum."""

    rows: Rows
    rule_scores: Scores
    labels: Labels
    weights: Weights

    def with_equal_weight(self, other: "Ground") -> "Ground":
        """Both together, each with half of the weight; one alone where the other is empty."""
        pairs = [ground for ground in (self, other) if len(ground.labels)]
        return Ground(
            np.concatenate([ground.rows for ground in pairs]),
            np.concatenate([ground.rule_scores for ground in pairs]),
            np.concatenate([ground.labels for ground in pairs]),
            np.concatenate([ground.weights / ground.weights.sum() for ground in pairs]),
        )


def compare(ground: Ground, champion: Model, challenger: Model, bounds: Bounds) -> dict[str, Any] | None:
    """The figures of both, and of whoever always says the most frequent level; nothing where there are no rows."""
    if not len(ground.labels):
        return None
    shares = np.bincount(ground.labels, weights=ground.weights, minlength=len(cards.LEVELS))
    return {
        "rows": len(ground.labels),
        "majority_accuracy": _rounded(shares.max() / shares.sum()),
        "champion": figures(ground, champion.probabilities(ground.rows), bounds),
        "challenger": figures(ground, challenger.probabilities(ground.rows), bounds),
    }


def figures(ground: Ground, probabilities: Votes, bounds: Bounds) -> Fighter:
    """Of the joined level, which is what a person is asked by; the Brier score is of the forest alone."""
    joined = joined_levels(ground.rule_scores, probabilities, bounds)
    grave, flagged = ground.labels >= GRAVE, joined >= GRAVE
    squares = ((probabilities - np.eye(len(cards.LEVELS))[ground.labels]) ** 2).sum(axis=1)
    return {
        "accuracy": _share(joined == ground.labels, np.ones_like(grave), ground.weights),
        "precision": _share(grave, flagged, ground.weights),
        "recall": _share(flagged, grave, ground.weights),
        "false_positives": _share(flagged, ~grave, ground.weights),
        "brier": _rounded(np.average(squares, weights=ground.weights)),
    }


def fallen(rows: Rows, rule_scores: Scores, champion: Model, challenger: Model, bounds: Bounds) -> NDArray[np.bool_]:
    """The rows that the challenger places lower than the champion."""
    if not len(rows):
        return np.zeros(0, dtype=bool)
    before = joined_levels(rule_scores, champion.probabilities(rows), bounds)
    return joined_levels(rule_scores, challenger.probabilities(rows), bounds) < before


def _share(found: NDArray[np.bool_], of: NDArray[np.bool_], weights: Weights) -> float | None:
    total = float(weights[of].sum())
    return _rounded(float(weights[found & of].sum()) / total) if total > 0 else None


def _rounded(value: float) -> float:
    return round(float(value), 6)
