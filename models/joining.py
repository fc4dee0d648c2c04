"""How the daemon joins rules and forest at a cold start: the same arithmetic as `src/risk/assess.rs`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forest import Votes

Scores = NDArray[np.float64]

# Width of a level's band of scores.
BAND = 0.25
# The highest place in a band: rounding must not lift a score into the next one.
HIGHEST = 0.999
# A score from here on is high or critical: a person is asked.
FLAG = 0.5


@dataclass(frozen=True)
class Bounds:
    """What the forest may do: the defaults of `[risk]`."""

    # How probable a level or a graver one must be for the forest to raise to it.
    raises_from: float = 0.85
    # How probable a lower level or one below it must be for the forest to lower by one.
    lowers_from: float = 0.9
    # The gravest level of the rules that it may lower: medium.
    lowers: int = 1


def at_least(probabilities: Votes) -> Votes:
    """For each level, the probability of it or a graver one."""
    return np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1]


def rule_levels(rule_scores: Scores) -> NDArray[np.int64]:
    """The level whose band a score of the rules lies in."""
    return np.minimum(rule_scores / BAND, 3).astype(np.int64)


def joined_levels(rule_scores: Scores, probabilities: Votes, bounds: Bounds) -> NDArray[np.int64]:
    """The joined level, without circumstances and for what was understood."""
    rules = rule_levels(rule_scores)
    reached = at_least(probabilities) >= bounds.raises_from
    raised = 3 - np.argmax(reached[:, ::-1], axis=1)
    below = 1.0 - np.take_along_axis(at_least(probabilities), rules[:, None], axis=1)[:, 0]
    lowered = (rules > 0) & (rules <= bounds.lowers) & (below >= bounds.lowers_from)
    return np.where(raised > rules, raised, rules - lowered)


def joined_scores(rule_scores: Scores, probabilities: Votes, bounds: Bounds) -> Scores:
    """The joined score: the joined level's band, and the mean of two places in it.

    One is the rules' in their own band, the other the probability that a person should be asked.
    """
    level = joined_levels(rule_scores, probabilities, bounds)
    place = rule_scores / BAND - np.minimum(np.floor(rule_scores / BAND), 3)
    danger = at_least(probabilities)[:, 2]
    return level * BAND + np.minimum((place + danger) / 2, HIGHEST) * BAND
