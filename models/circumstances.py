"""What the corpus cannot show: context, history, and commands that the rules do not know.

The corpus has neither context nor history. Half of the rows keep the neutral values that `opspilot score` gives; the
others get plausible ones that have nothing to do with the level. What a forest is to learn from context and history
comes with recorded commands.

And the rules were written by people who knew commands like those of the corpus: a forest that saw only them would learn
that what no rule knows is harmless. So in many training rows the rules are silent.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scorer import Features, Rows

# The value of a feature that is not known.
MISSING = -1.0

Draw = Callable[[Generator, int], NDArray[np.float64]]


def _counts(mean: float) -> Draw:
    return lambda rng, size: rng.geometric(1.0 / (1.0 + mean), size) - 1.0


_CONTEXT: dict[str, Draw] = {
    "system_load": lambda rng, size: rng.gamma(1.2, 0.5, size),
    "memory_usage_percent": lambda rng, size: rng.uniform(5, 99, size),
    "disk_usage_percent": lambda rng, size: rng.uniform(5, 100, size),
    "snapshot_age": lambda rng, size: rng.exponential(600, size),
}
_ENVIRONMENT: dict[str, Draw] = {
    "is_production": lambda rng, size: rng.integers(0, 2, size).astype(float),
    "is_staging": lambda rng, size: rng.integers(0, 2, size).astype(float),
}
_TIME: dict[str, Draw] = {
    "hour_of_day": lambda rng, size: rng.integers(0, 24, size).astype(float),
    "is_weekend": lambda rng, size: (rng.random(size) < 2 / 7).astype(float),
}
_HISTORY: dict[str, Draw] = {
    "user_seen": _counts(8),
    "target_seen": _counts(5),
    "confirmed": _counts(1),
    "refused": _counts(0.3),
    "failed": _counts(0.5),
    "harmful": _counts(0.1),
}
GROUPS = (_CONTEXT, _ENVIRONMENT, _TIME, _HISTORY)
# How often a group of circumstances that belong together is known.
KNOWN = 0.5
# The features that say what the rules said, and how often training pretends that they said nothing.
RULE_FEATURES = ("rule_level", "rule_hits", "grave_rule_hits", "rule_score")
RULES_SILENT = 0.5


def with_silent_rules(names: tuple[str, ...], rows: Rows, rng: Generator) -> Rows:
    """A copy of the rows in which the rules say nothing, at random and whatever the label."""
    silenced = rows.copy()
    columns = [names.index(name) for name in RULE_FEATURES if name in names]
    chosen = np.flatnonzero(rng.random(len(rows)) < RULES_SILENT)
    silenced[np.ix_(chosen, columns)] = 0.0
    return silenced


def with_circumstances(features: Features, rng: Generator) -> Rows:
    """A copy of the rows in which each group of circumstances is known at random, independently of the command."""
    rows = features.rows.copy()
    for group in GROUPS:
        known = rng.random(len(rows)) < KNOWN
        for name, draw in group.items():
            if name in features.names:
                column = features.names.index(name)
                rows[:, column] = np.where(known, draw(rng, len(rows)), rows[:, column])
    return rows
