"""The daemon, onnxruntime and scikit-learn must answer alike, or a model is not installed."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import card as cards
from corpus import LEVELS
from forest import Votes, levels
from scorer import Scorer, ScorerError

# How far a probability may be from another's.
TOLERANCE = 1e-5


class ParityError(RuntimeError):
    """Two of the three disagree."""


def same_votes(ours: Votes, theirs: Votes) -> float:
    """The largest difference between two answers; raises beyond the tolerance, or where a clear label differs."""
    difference = float(np.abs(ours - theirs).max())
    if difference > TOLERANCE:
        raise ParityError(f"votes differ by {difference:g}")
    ordered = np.sort(ours, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > cards.CLEAR_MARGIN
    if (levels(ours) != levels(theirs))[clear].any():
        raise ParityError("labels differ")
    return difference


def daemon_accepts(scorer: Scorer, model: bytes, card: dict[str, Any], golden: list[dict[str, Any]]) -> None:
    """Has the daemon load the model with `golden` in its card, every row of which it checks; raises if it refuses."""
    with TemporaryDirectory() as directory:
        path = write(Path(directory), model, {**card, "golden": golden})
        try:
            Scorer(scorer.binary, scorer.rules, path).answers(["true"])
        except ScorerError as error:
            raise ParityError(f"the daemon refuses the model: {error}") from error


def daemon_agrees(answers: list[dict[str, Any]], probabilities: Votes) -> float:
    """The largest difference between the daemon's confidence for commands and ours; raises where the level differs."""
    ours = probabilities.max(axis=1)
    theirs = np.array([answer["ml_confidence"] for answer in answers])
    difference = float(np.abs(ours - theirs).max())
    if difference > TOLERANCE:
        raise ParityError(f"the daemon's confidence differs by {difference:g}")
    ordered = np.sort(probabilities, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > cards.CLEAR_MARGIN
    same = np.array([LEVELS[level] for level in levels(probabilities)]) == [answer["ml_level"] for answer in answers]
    if not same[clear].all():
        raise ParityError("the daemon's levels differ")
    return difference


def write(directory: Path, model: bytes, card: dict[str, Any]) -> Path:
    """Writes model and card side by side, the card last, and gives the model's path."""
    path = directory / "risk.onnx"
    path.write_bytes(model)
    path.with_suffix(".json").write_text(cards.dump(card), encoding="utf-8")
    return path
