"""The recorded commands: read, labelled, weighed, and parted by time and by pattern."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import labels
import programs
from forest import Labels, Weights
from labels import Row, Window
from scorer import Features, Rows

Mask = NDArray[np.bool_]

# The share of the labelled rows, the newest, that is for the trial.
NEWEST = 0.3
# One pattern in so many is held out, of those that are met both before and after.
HELD_OUT_OF = 2
# The columns that are kept of a row, beside its features.
KEPT = ("timestamp", "command_hash", "user_id", "target")


@dataclass(frozen=True)
class Records:
    """Rows that teach something, oldest first, and one row of each irreversible pattern."""

    rows: list[Row]
    features: Rows
    labels: Labels
    weights: Weights
    guarded: Rows
    signals: Counter[str]
    read: int

    def part(self, mask: Mask) -> tuple[Rows, Labels, Weights]:
        """The features, labels and weights of some rows."""
        return self.features[mask], self.labels[mask], self.weights[mask]

    def patterns(self, mask: Mask) -> list[str]:
        """The patterns of some rows."""
        return [row["command_hash"] for row, chosen in zip(self.rows, mask, strict=True) if chosen]


def read(path: Path, scored: Features, windows: Sequence[Window]) -> Records:
    """The rows of a file of JSON lines, in constant memory for those that teach nothing."""
    kept, lessons, vectors, guarded = [], [], [], {}
    signals: Counter[str] = Counter()
    count = 0
    for row in _usable(path, scored.digest):
        count += 1
        if labels.is_irreversible(row):
            guarded[row["command_hash"]] = _vector(row, scored.names)
        lesson = labels.lesson(row, windows)
        signals.update(lesson.signals if lesson else ("nothing",))
        if lesson is None or lesson.weight <= 0:
            continue
        kept.append({column: row[column] for column in KEPT})
        lessons.append(lesson)
        vectors.append(_vector(row, scored.names))
    order = sorted(range(len(kept)), key=lambda index: kept[index]["timestamp"])
    rows = [kept[index] for index in order]
    weights = np.array([lessons[index].weight for index in order], dtype=np.float64)
    return Records(
        rows=rows,
        features=_stacked([vectors[index] for index in order], scored),
        labels=np.array([lessons[index].level for index in order], dtype=np.int64),
        weights=labels.capped(weights, rows),
        guarded=_stacked(list(guarded.values()), scored),
        signals=signals,
        read=count,
    )


def _usable(path: Path, digest: str) -> Iterator[Row]:
    """The rows that were judged by these features and whose line is known."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["features"] and row["feature_digest"] == digest and row["exactness"] != "unknown":
                yield row


def _vector(row: Row, names: Sequence[str]) -> list[float]:
    return [float(row["features"][name]) for name in names]


def _stacked(vectors: list[list[float]], scored: Features) -> Rows:
    stacked = np.array(vectors, dtype=np.float32).reshape(len(vectors), len(scored.names))
    if not np.isfinite(stacked).all():
        raise ValueError("a recorded feature is not finite")
    return stacked


def split(rows: Sequence[Row], seed: int) -> tuple[Mask, Mask]:
    """What is learned from, and what is tried: newer than all of that, and of patterns that are not among it.

    The rows are in the order of time.
    """
    cut = len(rows) - round(NEWEST * len(rows))
    before = {row["command_hash"] for row in rows[:cut]}
    held = {row["command_hash"] for row in rows[cut:] if _is_held_out(row["command_hash"], before, seed)}
    is_held = np.array([row["command_hash"] in held for row in rows], dtype=bool)
    is_newest = np.arange(len(rows)) >= cut
    return ~is_held & ~is_newest, is_held & is_newest


def _is_held_out(pattern: str, before: set[str], seed: int) -> bool:
    return pattern not in before or programs.fold(pattern, HELD_OUT_OF, seed) == 0
