"""The model's card, `risk.json`: what the daemon checks a model against, and what people want to know of it."""

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import skl2onnx
import sklearn

from corpus import LEVELS
from forest import FOLDS, KNOTS, MAX_DEPTH, MIN_SAMPLES_LEAF, PRIOR, TREES, Calibration, Votes, levels
from scorer import Features, Rows

# The version of the layout; the daemon reads this one alone.
FORMAT = 1
# How far the two most probable levels of a golden row must be apart, so that rounding cannot swap them.
CLEAR_MARGIN = 1e-4


def sha256(data: bytes) -> str:
    """The digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def golden(rows: Rows, probabilities: Votes) -> list[dict[str, Any]]:
    """Rows with the answers that the daemon must give, within 1e-5; without those that are too close to call."""
    ordered = np.sort(probabilities, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > CLEAR_MARGIN
    chosen = zip(rows[clear], probabilities[clear], levels(probabilities[clear]), strict=True)
    return [
        {
            "features": [float(value) for value in row],
            "probabilities": [round(float(value), 9) for value in answer],
            "level": LEVELS[level],
        }
        for row, answer, level in chosen
    ]


def build(
    model: bytes,
    features: Features,
    calibration: Calibration,
    training: dict[str, Any],
    metrics: dict[str, Any],
) -> dict[str, Any]:
    """The card but for its golden rows."""
    curves = zip(LEVELS, calibration.curves, strict=True)
    return {
        "format": FORMAT,
        "model": {"sha256": sha256(model), "bytes": len(model)},
        "classes": list(LEVELS),
        "features": {"digest": features.digest, "names": list(features.names)},
        "calibration": {
            level: {"x": [round(float(x), 6) for x in KNOTS], "y": [float(y) for y in curve]} for level, curve in curves
        },
        "training": {
            **training,
            "trees": training.get("trees", TREES),
            "max_depth": MAX_DEPTH,
            "min_samples_leaf": MIN_SAMPLES_LEAF,
            "folds": training.get("folds", FOLDS),
            "prior": PRIOR,
            "versions": versions(),
        },
        "metrics": metrics,
    }


def versions() -> dict[str, str]:
    """What trained and exported the model."""
    return {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "skl2onnx": skl2onnx.__version__,
        "onnx": onnx.__version__,
        "numpy": np.__version__,
    }


def dump(card: dict[str, Any]) -> str:
    """The card as text: short lists on one line each, so that a change shows in a diff."""
    rows = ",\n".join("    " + json.dumps(row) for row in card["golden"])
    head = json.dumps({key: value for key, value in card.items() if key != "golden"}, indent=2)
    return f'{head[:-2]},\n  "golden": [\n{rows}\n  ]\n}}\n'


def load(path: Path) -> tuple[dict[str, Any], Calibration]:
    """A card and the calibration in it."""
    card = json.loads(path.read_text(encoding="utf-8"))
    return card, Calibration(np.array([card["calibration"][level]["y"] for level in LEVELS]))
