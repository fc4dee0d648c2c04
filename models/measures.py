"""How good a forest is: on the corpus by cross-validation, and on files of commands from elsewhere."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from corpus import LEVELS
from forest import Labels, Votes, levels
from scorer import Scorer

# The levels at which a command is flagged: a person is asked.
FLAGGED = ("high", "critical")


def cross_validated(probabilities: Votes, labels: Labels) -> dict[str, Any]:
    """Measures of predictions for commands that the forest had not seen."""
    predicted = levels(probabilities)
    every = list(range(len(LEVELS)))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    by_level = {
        level: {
            "precision": round(float(precision[k]), 4),
            "recall": round(float(recall[k]), 4),
            "f1": round(float(f1[k]), 4),
            "support": int(support[k]),
        }
        for k, level in enumerate(LEVELS)
    }
    grave, called_grave = labels >= 2, predicted >= 2
    return {
        "accuracy": round(float((predicted == labels).mean()), 4),
        "macro_f1": round(float(f1.mean()), 4),
        "brier": round(float(((probabilities - np.eye(len(LEVELS))[labels]) ** 2).sum(axis=1).mean()), 4),
        "levels": by_level,
        "flagged": {
            "precision": round(float(grave[called_grave].mean()), 4),
            "recall": round(float(called_grave[grave].mean()), 4),
        },
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def on_files(directory: Path, rules_alone: Scorer, with_forest: Scorer) -> list[dict[str, Any]]:
    """For each file of labelled commands, the share that is flagged by the rules alone, and with the forest."""
    rows = []
    for path in sorted(directory.glob("*.jsonl")):
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        commands = [entry["cmd"] for entry in entries]
        alone, joined = rules_alone.answers(commands), with_forest.answers(commands)
        for label in sorted({_label(entry) for entry in entries}):
            chosen = [index for index, entry in enumerate(entries) if _label(entry) == label]
            rows.append(
                {
                    "file": path.stem,
                    "label": label,
                    "commands": len(chosen),
                    "rules": _flagged(alone, chosen),
                    "joined": _flagged(joined, chosen),
                    "forest": _flagged(joined, chosen, "ml_level"),
                }
            )
    return rows


def _label(entry: dict[str, Any]) -> str:
    return entry.get("label") or entry["expect"]


def _flagged(answers: Sequence[dict[str, Any]], chosen: Sequence[int], key: str = "level") -> float:
    return sum(answers[index][key] in FLAGGED for index in chosen) / len(chosen)
