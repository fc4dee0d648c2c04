import numpy as np
import pytest

import ablation
import report
from ablation import Contest, Curve, Elsewhere
from circumstances import RULE_FEATURES, with_silent_rules
from corpus import LEVELS, Line
from joining import Bounds, joined_levels, joined_scores
from programs import program
from scorer import Features

NAMES = ("mark", "noise", *RULE_FEATURES)


def fake(count: int = 800) -> tuple[list[Line], Features]:
    """Attacks that a mark tells, of which the rules know half."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, count)
    grave = labels >= 2
    known = grave & (rng.random(count) < 0.5)
    score = np.where(known, 0.625, 0.0)
    columns = [grave + rng.normal(0, 0.05, count), rng.random(count), known * 2, known, known, score]
    lines = [
        Line(f"tool{i % 80} {i}", LEVELS[label], "attacks" if label >= 2 else "tools", f"t/{i}", f"tool{i % 80}")
        for i, label in enumerate(labels)
    ]
    return lines, Features(NAMES, "", np.stack(columns, axis=1).astype(np.float32))


@pytest.fixture(scope="module")
def contest() -> Contest:
    return Contest(*fake(), seed=3)


@pytest.fixture(scope="module")
def trial(contest: Contest) -> ablation.Trial:
    return contest.run([])[0][0]


def test_a_program_is_what_a_command_is_about_whatever_stands_before_it() -> None:
    for command in (
        "rm -rf x",
        "sudo -u root rm x",
        "X=1 nohup /bin/rm x",
        "cd /srv && rm x",
        "if true; then rm x; fi",
    ):
        assert program(command) == "rm", command
    assert program("echo hello") == "echo"


def test_no_program_is_learned_from_and_tried_on(contest: Contest) -> None:
    for name in set(contest.programs):
        assert len(set(contest.folds[contest.programs == name])) == 1, name


def test_a_forest_that_sees_what_rules_miss_earns_its_place(trial: ablation.Trial) -> None:
    found = ablation.compare(trial, seed=1)
    place = found["rates"].index(ablation.BUDGET)
    assert found["recall"]["joined"][place] > found["recall"]["rules"][place] + 0.2
    assert found["gain"]["recall"][place][0] > 0
    assert "It earns its place" in report._verdict(found)


def test_a_forest_that_repeats_the_rules_does_not(trial: ablation.Trial) -> None:
    scores = dict.fromkeys(ablation.CONTENDERS, trial.scores["rules"])
    same = ablation.Trial("same", trial.grave, trial.programs, scores, trial.rule_scores)
    assert "does not earn" in report._verdict(ablation.compare(same, seed=1))


def test_commands_from_elsewhere_are_tried_by_a_forest_that_does_not_know_their_program(contest: Contest) -> None:
    lines, scored = fake(40)
    grave = np.array([line.label in ("high", "critical") for line in lines])
    other = Elsewhere("elsewhere", [line.cmd for line in lines], grave, scored)
    tried = contest.run([other])[0][1]
    assert not any(np.isnan(score).any() for score in tried.scores.values())
    assert list(tried.programs) == [line.program for line in lines]


def test_equal_scores_come_together_and_a_line_joins_the_points() -> None:
    curve = Curve(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False]))
    even = np.ones(4)
    assert curve.recall(even, 0.0) == pytest.approx(0.5)
    assert curve.recall(even, 0.25) == pytest.approx(0.75)
    assert curve.alarms(even, 1.0) == pytest.approx(0.5)


def test_the_forest_raises_to_what_is_probable_enough_and_never_lowers_a_grave_rule() -> None:
    rules = np.array([0.0, 0.0, 0.375, 0.625, 0.875])
    said = np.array([[0.05, 0.0, 0.45, 0.5], [0.5, 0.5, 0, 0], [0.95, 0.05, 0, 0], [1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    assert joined_levels(rules, said, Bounds()).tolist() == [2, 0, 0, 2, 3]
    scores = joined_scores(rules, said, Bounds())
    assert np.floor(scores / 0.25).astype(int).tolist() == [2, 0, 0, 2, 3]


def test_rules_are_silent_in_half_of_the_rows_and_wholly_so() -> None:
    _, scored = fake()
    rows = with_silent_rules(NAMES, scored.rows + 1, np.random.default_rng(1))
    silent = (rows[:, 2:] == 0).all(axis=1)
    assert 0.4 < silent.mean() < 0.6
    assert (rows[~silent, 2:] != 0).all()
    assert (rows[:, :2] == scored.rows[:, :2] + 1).all()
