"""How good a forest is: on the corpus by cross-validation, and on files of commands from elsewhere."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from ablation import Elsewhere
from corpus import LEVELS
from forest import Labels, Votes, levels
from scorer import Scorer, features

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
        "reliability": reliability(probabilities[:, 2:].sum(axis=1), grave),
    }


def reliability(probabilities: NDArray[np.float64], grave: NDArray[np.bool_]) -> list[list[float]]:
    """Tenths of the probability of high or critical: what was said, what was true, and how many there were."""
    tenth = np.minimum((probabilities * 10).astype(int), 9)
    told = [(probabilities[tenth == k], grave[tenth == k]) for k in range(10)]
    return [[round(float(p.mean()), 4), round(float(g.mean()), 4), len(p)] for p, g in told if len(p)]


@dataclass(frozen=True)
class Entries:
    """A file of labelled commands from elsewhere."""

    name: str
    commands: list[str]
    labels: list[str]


def read_files(directory: Path) -> list[Entries]:
    """The JSONL files of a directory, by name; what betrays a row's source is masked."""
    found = []
    for path in sorted(directory.glob("*.jsonl")):
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        commands, labels = [_masked(entry["cmd"]) for entry in entries], [_label(entry) for entry in entries]
        found.append(Entries(path.stem, commands, labels))
    return found


def _masked(command: str) -> str:
    """Without the names of a test suite for detections and of its techniques."""
    return re.sub(r"(?i)atomic(s|-?red-?team)?", "work", re.sub(r"T1\d{3}(\.\d{3})?", "job", command))


def in_common(commands: Sequence[str], files: Sequence[Entries]) -> list[str]:
    """The commands that stand in the files too, blanks and case aside: no measure is worth much on what was learned."""
    elsewhere = {_folded(command) for file in files for command in file.commands}
    return [command for command in commands if _folded(command) in elsewhere]


def _folded(command: str) -> str:
    return " ".join(command.split()).casefold()


def attacks_of(files: Sequence[Entries], scorer: Scorer) -> list[Elsewhere]:
    """The files `attack` and `benign` as one trial, if both are there."""
    named = {file.name: file.commands for file in files}
    if not {"attack", "benign"} <= set(named):
        return []
    commands = named["attack"] + named["benign"]
    grave = np.arange(len(commands)) < len(named["attack"])
    return [Elsewhere("elsewhere", commands, grave, features(scorer.answers(commands)))]


def on_files(files: Sequence[Entries], rules_alone: Scorer, with_forest: Scorer) -> list[dict[str, Any]]:
    """For each file of labelled commands, the share that is flagged by the rules alone, and with the forest."""
    rows = []
    for file in files:
        alone, joined = rules_alone.answers(file.commands), with_forest.answers(file.commands)
        for label in sorted(set(file.labels)):
            chosen = [index for index, found in enumerate(file.labels) if found == label]
            rows.append(
                {
                    "file": file.name,
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
