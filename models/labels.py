"""What a recorded command teaches: a level and a weight, or nothing. LABELS.md has the table that this is.

A row is one line of `opspilot export --format json --features`: the columns of `command_executions`, where null means
not known. Nothing is concluded from what the bastion thought of a command, but for what may never be lowered.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus import LEVELS

Row = dict[str, Any]
Weights = NDArray[np.float64]

LOW, MEDIUM, HIGH, CRITICAL = range(4)

# What an impact says of the level, and how much.
IMPACT_LEVELS = {"none": LOW, "minor": MEDIUM, "moderate": HIGH, "severe": CRITICAL}
IMPACT_WEIGHTS = {"none": 0.1, "minor": 0.3, "moderate": 1.0, "severe": 1.0}
# Who may lower a level by rating the command of another.
TRAINER = "trainer"
# What a rating says of the level: from 1, it did harm, to 5, all was well; 3 says nothing.
RATING_LEVELS = {1: CRITICAL, 2: HIGH, 4: LOW, 5: LOW}

# Milliseconds below which a yes was not considered, and from which on it was hesitated over.
FAST_MS = 1_000
SLOW_MS = 30_000

CONSIDERED_WEIGHT = 0.2
REFUSED_WEIGHT = 0.2
BYPASSED_WEIGHT = 0.2
OWN_RATING_WEIGHT = 0.5
TRAINER_WEIGHT = 1.0
# Harm that was said to be low counts so many times.
MISSED = 2.0
# Harm in a maintenance window may be planned.
PLANNED = 0.5

# The weight of one pattern at most, and the share of all weight of one user or one target.
PER_PATTERN = 5.0
SHARE = 1 / 3

# What a command that was sent to its target may have come to.
RAN = ("finished", "interrupted")
# The signs of an impact that only say how the command ended.
ENDINGS = frozenset(("exit_code", "killed"))
# Features of commands that lose things.
LOSSES = ("has_deleter", "has_storage", "has_power", "device_operands", "destructive_words")

# A target's clock is this far ahead of UTC at most, in hours; so an hour of the day tells the date.
FARTHEST_EAST = 12


@dataclass(frozen=True)
class Window:
    """A time of planned work in a target's local time; days count from Monday, 0.

    One that ends earlier than it begins ends on the next day.
    """

    days: frozenset[int]
    begins: int
    ends: int

    def holds(self, day: int, hour: int) -> bool:
        """Whether the hour of that day is in it."""
        if self.begins < self.ends:
            return day in self.days and self.begins <= hour < self.ends
        before = (day - 1) % 7
        return (day in self.days and hour >= self.begins) or (before in self.days and hour < self.ends)


@dataclass(frozen=True)
class Lesson:
    """A label, how much it counts (at least 0), and the rows of LABELS.md that it follows from."""

    level: int
    weight: float
    signals: tuple[str, ...] = field(default=())

    def but(self, signal: str, **changed: Any) -> "Lesson":  # noqa: ANN401
        """The lesson with one more signal, and what that changes."""
        return replace(self, signals=(*self.signals, signal), **changed)


def lesson(row: Row, windows: Sequence[Window]) -> Lesson | None:
    """What the row teaches, if anything, with these times of planned work."""
    found = rated(row, outcome(row, windows) or refusal(row))
    if found is None or (is_irreversible(row) and found.level < judged(row)):
        return None
    return found


def outcome(row: Row, windows: Sequence[Window]) -> Lesson | None:
    """What the impact says; nothing where the command did not run, or what it did is not known."""
    impact = row["actual_impact"]
    if row["state"] not in RAN or impact is None:
        return None
    if impact == "none":
        return _harmless(row)
    if impact == "minor" and _signs(row) <= ENDINGS:
        return _failed(row)
    return _harmful(row, impact, windows)


def _harmless(row: Row) -> Lesson:
    plain = Lesson(LOW, IMPACT_WEIGHTS["none"], ("impact none",))
    taken = row["confirmation_time_ms"]
    if not row["user_confirmed"] or taken is None:
        return plain
    if taken < FAST_MS:
        return plain.but("fast confirmation")
    if taken >= SLOW_MS:
        return plain.but("slow confirmation", level=MEDIUM)
    return plain.but("confirmed and harmless", weight=CONSIDERED_WEIGHT)


def _failed(row: Row) -> Lesson | None:
    """It ended badly, and no more is known. Only where it was thought dangerous and ran unasked, that is a hint."""
    unasked = row["decision"] in ("allow", "warn") and row["user_confirmed"] is None
    if not unasked or judged(row) < MEDIUM:
        return None
    return Lesson(max(judged(row), min(judged(row) + 1, HIGH)), BYPASSED_WEIGHT, ("bypassed and failed",))


def _harmful(row: Row, impact: str, windows: Sequence[Window]) -> Lesson:
    evidence = row["impact_evidence"] or {}
    weight = IMPACT_WEIGHTS[impact] * float(evidence.get("confidence", 1.0))
    found = Lesson(IMPACT_LEVELS[impact], weight, (f"impact {impact}",))
    if evidence.get("concurrent"):
        found = found.but("others ran meanwhile")
    if in_a_window(row, windows):
        found = found.but("maintenance window", weight=found.weight * PLANNED)
    if impact == "severe" and row["final_risk_level"] == "low":
        found = found.but("predicted low and severe", weight=found.weight * MISSED)
    return found


def _signs(row: Row) -> set[str]:
    return {str(sign.get("sign")) for sign in (row["impact_evidence"] or {}).get("signs", [])}


def refusal(row: Row) -> Lesson | None:
    """Somebody said no: a weak sign of danger. What nobody answered says nothing."""
    # The column is a truth value or its number.
    if row["state"] != "refused" or row["user_confirmed"] != 0:
        return None
    return Lesson(HIGH, REFUSED_WEIGHT, ("refused",))


def rated(row: Row, found: Lesson | None) -> Lesson | None:
    """What was said afterwards. Only another user, a `trainer` then, lowers by it, and nobody what is irreversible."""
    by_trainers, by_others = [], []
    for author, said in _ratings(row).items():
        level = RATING_LEVELS.get(said["rating"])
        if level is not None:
            is_trainer = author != row["user_id"] and TRAINER in (said["roles"] or ())
            (by_trainers if is_trainer else by_others).append(level)
    floor = found.level if found else judged(row)
    if is_irreversible(row):
        by_trainers = [level for level in by_trainers if level >= max(floor, judged(row))]
    if by_trainers:
        return Lesson(max(by_trainers), TRAINER_WEIGHT, ("trainer's rating",))
    gravest = max(by_others, default=floor)
    return Lesson(gravest, OWN_RATING_WEIGHT, ("own rating",)) if gravest > floor else found


def _ratings(row: Row) -> dict[str, Row]:
    """By author; the column may come as JSON or as its text."""
    ratings = row.get("ratings") or {}
    return json.loads(ratings) if isinstance(ratings, str) else ratings


def judged(row: Row) -> int:
    """The level that the command was judged at, or that its rules asked for."""
    return max(LEVELS.index(row["final_risk_level"]), LEVELS.index(row["initial_risk_level"]))


def is_irreversible(row: Row) -> bool:
    """Whether nothing that is learned may lower it: the rules call it grave, or it loses what the rules doubt."""
    rules = LEVELS.index(row["initial_risk_level"])
    loses = any(row["features"].get(name, 0) > 0 for name in LOSSES)
    return rules >= HIGH or (rules >= MEDIUM and loses)


def in_a_window(row: Row, windows: Sequence[Window]) -> bool:
    """Whether it was submitted in planned work; not where the target's local hour is not known."""
    hour = int(row["features"].get("hour_of_day", -1))
    if hour < 0 or not windows:
        return False
    day = _local_day(datetime.fromisoformat(row["timestamp"]), hour)
    return any(window.holds(day, hour) for window in windows)


def _local_day(submitted: datetime, hour: int) -> int:
    """The weekday at the target, whose local hour tells how far it is from UTC."""
    ahead = (hour - submitted.hour + 24) % 24
    ahead -= 24 if ahead > FARTHEST_EAST else 0
    return (submitted + timedelta(hours=ahead)).weekday()


def capped(weights: Weights, rows: Sequence[Row]) -> Weights:
    """The weights, of which no pattern, user or target has more than its part."""
    weights = _at_most(weights, [row["command_hash"] for row in rows], PER_PATTERN)
    for column in ("user_id", "target"):
        names = [row[column] for row in rows]
        share = max(SHARE, 1 / max(len(set(names)), 1))
        weights = _at_most(weights, names, share * float(weights.sum()))
    return weights


def _at_most(weights: Weights, names: Sequence[str], most: float) -> Weights:
    _, of = np.unique(names, return_inverse=True)
    if not len(of):
        return weights
    sums = np.bincount(of, weights=weights)
    factors = np.minimum(1.0, most / np.maximum(sums, 1e-12))
    return weights * factors[of]
