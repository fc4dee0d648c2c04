import numpy as np
import pytest
from test_ablation import fake

import report
import thresholds
from ablation import Contest, Unseen
from joining import Bounds
from thresholds import Choice


def unseen(*commands: tuple[int, float, float]) -> Unseen:
    """Commands with a label, a rule score, and the probability that they are high; else they are low."""
    labels, scores, grave = map(np.array, zip(*commands, strict=True))
    zero = np.zeros(len(labels))
    return Unseen(labels, scores, np.stack([1 - grave, zero, grave, zero], axis=1))


def at(choices: list[Choice], confidence: float) -> Choice:
    return next(choice for choice in choices if choice.confidence == confidence)


def test_raising_gains_grave_commands_that_no_rule_flags_and_costs_benign_ones() -> None:
    tried = thresholds.raising(unseen((2, 0.0, 0.92), (3, 0.0, 0.7), (2, 0.6, 0.99), (0, 0.0, 0.75), (1, 0.3, 0.1)))
    assert at(tried, 0.9) == Choice(0.9, pytest.approx(1 / 3), 0.0, 2)
    assert at(tried, 0.65) == Choice(0.65, pytest.approx(2 / 3), 0.5, 2)


def test_lowering_gains_what_stood_too_high_and_costs_what_is_grave() -> None:
    tried = thresholds.lowering(unseen((0, 0.3, 0.05), (0, 0.3, 0.2), (2, 0.3, 0.2), (0, 0.0, 0.0), (0, 0.6, 0.0)))
    assert at(tried, 0.9) == Choice(0.9, 0.5, 0.0, 1)
    assert at(tried, 0.75) == Choice(0.75, 1.0, pytest.approx(1 / 3), 3)


def test_the_lowest_is_chosen_from_which_on_none_costs_too_much() -> None:
    costs = [(0.5, 0.0), (0.6, 0.3), (0.7, 0.1), (0.8, 0.1), (0.9, 0.0)]
    choices = [Choice(confidence, 1.0, cost, 10) for confidence, cost in costs]
    assert thresholds.chosen(choices, 0.1) == 0.7
    assert thresholds.chosen(choices, 0.3) == 0.5
    assert thresholds.chosen([Choice(0.9, 1.0, 0.2, 10)], 0.1) is None


def test_what_too_few_commands_tell_is_not_chosen() -> None:
    choices = [Choice(0.5, 1.0, 0.0, 20), Choice(0.7, 1.0, 0.0, 10), Choice(0.9, 1.0, 0.0, 0)]
    assert thresholds.chosen(choices, 0.1, least=20) == 0.5
    assert thresholds.chosen(choices, 0.1, least=21) is None


def test_the_report_says_what_the_rule_chose_and_whether_it_is_the_default() -> None:
    default = Bounds().raises_from
    assert f"It says {default}, the default." in report._raising([Choice(default, 0.1, 0.0, 10)])
    assert f"It says 0.5; the default is {default}." in report._raising([Choice(0.5, 0.1, 0.0, 10)])
    assert "No probability meets it" in report._lowering([Choice(0.95, 0.1, 0.0, 299)])
    assert report._raising([]) == ""


def test_every_command_is_tried_by_a_forest_that_does_not_know_its_program() -> None:
    lines, scored = fake(400)
    found = Contest(lines, scored, seed=3).run([])[1]
    assert not np.isnan(found.probabilities).any()
    assert len(found.labels) == len(lines)
