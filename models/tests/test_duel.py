import numpy as np
import pytest

import duel
from duel import Ground
from joining import Bounds

BOUNDS = Bounds()


class Says:
    """A model that says of each row the probability of high that stands in it; else low."""

    def __init__(self, lift: float = 0.0) -> None:
        self.lift = lift

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        grave = np.clip(rows[:, 0] + self.lift, 0, 1)
        zero = np.zeros(len(rows))
        return np.stack([1 - grave, zero, grave, zero], axis=1)


def ground(*rows: tuple[float, float, int, float]) -> Ground:
    """Rows of the probability of high, the rules' score, the label and the weight."""
    said, scores, labels, weights = map(np.array, zip(*rows, strict=True))
    return Ground(said[:, None], scores, labels, weights.astype(float))


def test_recall_and_false_positives_are_of_the_level_that_a_person_is_asked_by() -> None:
    tried = ground((0.9, 0.0, 2, 1.0), (0.1, 0.0, 2, 3.0), (0.9, 0.0, 0, 1.0), (0.0, 0.6, 0, 1.0), (0.0, 0.0, 0, 2.0))
    found = duel.figures(tried, Says().probabilities(tried.rows), BOUNDS)
    assert found["recall"] == pytest.approx(1 / 4)
    assert found["false_positives"] == pytest.approx(2 / 4)
    assert found["precision"] == pytest.approx(1 / 3, abs=1e-5)


def test_the_brier_score_is_the_mean_square_over_all_levels() -> None:
    tried = ground((1.0, 0.0, 2, 1.0), (1.0, 0.0, 0, 1.0))
    assert duel.figures(tried, Says().probabilities(tried.rows), BOUNDS)["brier"] == pytest.approx(1.0)


def test_the_majority_is_who_always_says_the_weightiest_level() -> None:
    tried = ground((0.0, 0.0, 0, 1.0), (0.0, 0.0, 0, 1.0), (0.0, 0.0, 3, 6.0))
    found = duel.compare(tried, Says(), Says(), BOUNDS)
    assert found["majority_accuracy"] == pytest.approx(0.75)
    assert found["champion"] == found["challenger"]


def test_what_there_is_none_of_has_no_figure() -> None:
    nothing = Ground(np.zeros((0, 1)), np.zeros(0), np.zeros(0, dtype=int), np.zeros(0))
    assert duel.compare(nothing, Says(), Says(), BOUNDS) is None
    harmless = ground((0.0, 0.0, 0, 1.0))
    assert duel.figures(harmless, Says().probabilities(harmless.rows), BOUNDS)["recall"] is None


def test_each_ground_has_half_of_the_weight() -> None:
    few, many = ground((0.9, 0.0, 2, 1.0)), ground(*[(0.0, 0.0, 2, 5.0)] * 99)
    both = few.with_equal_weight(many)
    assert duel.figures(both, Says().probabilities(both.rows), BOUNDS)["recall"] == pytest.approx(0.5)
    nothing = Ground(np.zeros((0, 1)), np.zeros(0), np.zeros(0, dtype=int), np.zeros(0))
    assert len(nothing.with_equal_weight(many).labels) == 99


def test_a_row_falls_where_the_challenger_places_it_lower() -> None:
    tried = ground((0.95, 0.0, 2, 1.0), (0.5, 0.0, 2, 1.0), (0.95, 0.6, 2, 1.0))
    falls = duel.fallen(tried.rows, tried.rule_scores, Says(), Says(lift=-0.4), BOUNDS)
    assert falls.tolist() == [True, False, False], "a grave rule stands, and what was never raised cannot fall"
    assert not len(duel.fallen(np.zeros((0, 1)), np.zeros(0), Says(), Says(), BOUNDS))
