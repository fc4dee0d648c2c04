"""From which probability on the forest may raise and lower: chosen on programs of the corpus that it has not seen.

The rule is the same for both: the lowest confidence that costs no more than it may, nor does any above it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation import BUDGET, Unseen
from joining import FLAG, Bounds, joined_levels, rule_levels

# Confidences to choose from.
CONFIDENCES = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
# The false positives that raising may add: a tenth of those that everyday work may have.
RAISING_MAY_COST = BUDGET / 10
# The share of the lowered commands that may be high or critical in truth.
LOWERING_MAY_COST = 0.01
# How many must be lowered for such a share to be told: where 300 show none, it is below one in a hundred (95%).
LOWERING_NEEDS = 300


@dataclass(frozen=True)
class Choice:
    """A confidence, what it gains and what it costs, as shares of 1; the cost is a share of so many commands."""

    confidence: float
    gain: float
    cost: float
    of: int


def raising(unseen: Unseen) -> list[Choice]:
    """Gained: grave commands that the rules do not flag, of all grave ones. Paid: the same of benign ones."""
    grave = unseen.labels >= 2

    def choice(confidence: float) -> Choice:
        added = (_joined(unseen, Bounds(raises_from=confidence)) >= 2) & (unseen.rule_scores < FLAG)
        return Choice(confidence, _share(added, grave), _share(added, ~grave), int((~grave).sum()))

    return [choice(confidence) for confidence in CONFIDENCES]


def lowering(unseen: Unseen) -> list[Choice]:
    """Gained: what is lowered of the commands that the rules place too high. Paid: grave ones, of those lowered."""
    rules = rule_levels(unseen.rule_scores)
    too_high = (rules > unseen.labels) & (rules <= Bounds().lowers)

    def choice(confidence: float) -> Choice:
        lowered = _joined(unseen, Bounds(lowers_from=confidence)) < rules
        return Choice(confidence, _share(lowered, too_high), _share(unseen.labels >= 2, lowered), int(lowered.sum()))

    return [choice(confidence) for confidence in CONFIDENCES]


def chosen(choices: Sequence[Choice], most: float, least: int = 0) -> float | None:
    """The lowest confidence from which on none costs more than `most`, its cost being a share of `least` or more."""
    found = None
    for choice in sorted(choices, key=lambda choice: -choice.confidence):
        if choice.cost > most:
            break
        if choice.of >= least:
            found = choice.confidence
    return found


def _joined(unseen: Unseen, bounds: Bounds) -> NDArray[np.int64]:
    return joined_levels(unseen.rule_scores, unseen.probabilities, bounds)


def _share(found: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return float(found[of].mean()) if of.any() else 0.0
