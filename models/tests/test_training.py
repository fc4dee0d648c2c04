import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import card as cards
import figure
import forest
import measures
import parity
import report
import train
from circumstances import MISSING, with_circumstances
from corpus import LEVELS, Line
from scorer import Features, Scorer, ScorerError, features, verify_order

NAMES = ("length", "has_rm", "rule_level", "system_load", "hour_of_day", "is_weekend", "user_seen")


def digest(names: tuple[str, ...], version: int = 3) -> str:
    return hashlib.sha256(
        (f"opspilot features {version}\n" + "".join(f"{name}\n" for name in names)).encode()
    ).hexdigest()


def fake(count: int = 1200) -> tuple[list[Line], Features]:
    """Rows in which the rules' level tells the label nine times in ten, and lengths that sit on few values."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 4, count)
    told = np.where(rng.random(count) < 0.9, labels, rng.integers(0, 4, count))
    columns = [rng.integers(2, 60, count), labels >= 2, told, *([np.full(count, MISSING)] * 3), np.zeros(count)]
    families = ("attacks", "fake")
    lines = [
        Line(f"command {i}", LEVELS[label], families[i % 2], f"fake/{i // 4}", f"program{i // 8}")
        for i, label in enumerate(labels)
    ]
    return lines, Features(NAMES, digest(NAMES), np.stack(columns, axis=1).astype(np.float32))


@pytest.fixture(scope="module")
def data() -> train.Data:
    return train.prepare(*fake(), seed=1)


@pytest.fixture(scope="module")
def trained(data: train.Data) -> train.Trained:
    return train.train(data, seed=1)


def test_what_is_measured_on_is_not_trained_on_but_for_the_shortest() -> None:
    files = [measures.Entries("benign", ["git  Status", "rm -rf /x"], ["benign", "benign"])]
    assert train.apart(["git status", "rm -rf /y"], files) == 1
    with pytest.raises(ValueError, match="1 commands that are measured on, such as: rm  -RF /x"):
        train.apart(["rm  -RF /x"], files)


def test_the_same_data_and_seed_give_the_same_model(data: train.Data, trained: train.Trained) -> None:
    again = train.train(data, seed=1)
    assert cards.sha256(again.model) == cards.sha256(trained.model)
    assert np.array_equal(again.calibration.curves, trained.calibration.curves)
    assert cards.sha256(train.train(data, seed=2).model) != cards.sha256(trained.model)


def test_onnxruntime_answers_as_scikit_learn_on_thresholds_too(data: train.Data, trained: train.Trained) -> None:
    rng = np.random.default_rng(3)
    rows = train.sample(data, trained, 3000, rng)
    assert np.isfinite(rows).all()
    ours, theirs = trained.forest.predict_proba(rows), forest.onnx_votes(trained.model, rows)
    assert parity.same_votes(ours, theirs) < 1e-6


def test_votes_that_differ_are_noticed(trained: train.Trained, data: train.Data) -> None:
    votes = trained.forest.predict_proba(data.rows[:50])
    with pytest.raises(parity.ParityError, match="votes differ"):
        parity.same_votes(votes, votes + 1e-4)


def test_no_program_is_split_between_training_and_trial(data: train.Data) -> None:
    for fitted, tried in forest.GroupKFold(5, shuffle=True, random_state=1).split(data.rows, data.labels, data.groups):
        assert not set(data.groups[fitted]) & set(data.groups[tried])


def test_calibrated_probabilities_are_distributions_and_better(data: train.Data, trained: train.Trained) -> None:
    votes = forest.out_of_fold(data.rows, data.labels, data.groups, 1)
    probabilities = trained.calibration.apply(votes)
    assert np.allclose(probabilities.sum(axis=1), 1.0)
    assert (np.diff(trained.calibration.curves, axis=1) >= 0).all()
    brier = measures.cross_validated(votes, data.labels)["brier"]
    assert measures.cross_validated(probabilities, data.labels)["brier"] < brier


def test_of_equal_probabilities_the_graver_level_is_taken() -> None:
    assert forest.levels(np.array([[0.4, 0.1, 0.1, 0.4], [0.5, 0.5, 0.0, 0.0], [0.6, 0.2, 0.1, 0.1]])).tolist() == [
        3,
        1,
        0,
    ]


def test_weights_give_the_levels_their_prior_shares() -> None:
    labels = np.array([0] * 10 + [1] * 20 + [2] * 30 + [3] * 40)
    weights = forest.weights(labels)
    for k, level in enumerate(LEVELS):
        assert weights[labels == k].sum() / weights.sum() == pytest.approx(forest.PRIOR[level])


def test_half_of_the_circumstances_stay_as_at_a_cold_start() -> None:
    _, scored = fake()
    rows = with_circumstances(scored, np.random.default_rng(1))
    assert np.array_equal(rows[:, :3], scored.rows[:, :3]), "what belongs to the command is left alone"
    cold = (rows[:, NAMES.index("system_load")] == MISSING).mean()
    assert 0.4 < cold < 0.6
    hours = rows[:, NAMES.index("hour_of_day")]
    assert set(np.unique(hours)) <= set(range(24)) | {MISSING}
    assert np.array_equal(hours == MISSING, rows[:, NAMES.index("is_weekend")] == MISSING), (
        "known together or not at all"
    )


def test_the_card_holds_what_the_daemon_needs(data: train.Data, trained: train.Trained) -> None:
    card = json.loads(cards.dump(train.describe(data, trained, seed=1)))
    assert card["model"]["sha256"] == hashlib.sha256(trained.model).hexdigest()
    assert card["features"]["names"] == list(NAMES)
    assert card["classes"] == list(LEVELS)
    assert len(card["golden"]) >= 10
    for row in card["golden"]:
        assert len(row["features"]) == len(NAMES)
        assert sum(row["probabilities"]) == pytest.approx(1.0)
        assert row["level"] == LEVELS[int(np.argmax(row["probabilities"]))]
    for curve in card["calibration"].values():
        assert curve["x"][0] == 0.0
        assert curve["x"][-1] == 1.0


def test_the_report_shows_every_level(data: train.Data, trained: train.Trained) -> None:
    elsewhere = [{"file": "f", "label": "benign", "commands": 5, "rules": 0.2, "joined": 0.4, "forest": 0.6}]
    card = train.describe(data, trained, seed=1)
    text = report.render(report.Shown(card, train.importances(data, trained), [], [], [], elsewhere, 0))
    assert all(f"| {level} |" in text for level in LEVELS)
    assert "| f | benign | 5 | 20.0% | 40.0% | 60.0% |" in text
    assert "elsewhere" not in report.render(report.Shown(card, {}, [], [], [], [], 0))


def test_the_picture_is_the_same_for_the_same_figures(data: train.Data, trained: train.Trained) -> None:
    card = train.describe(data, trained, seed=1)
    drawn = figure.draw(card, train.importances(data, trained))
    assert drawn == figure.draw(card, train.importances(data, trained))
    ElementTree.fromstring(drawn)
    assert all(level in drawn for level in LEVELS)


def test_features_in_another_order_than_the_digest_are_refused() -> None:
    verify_order(NAMES, digest(NAMES))
    with pytest.raises(ScorerError, match="order"):
        verify_order(NAMES[::-1], digest(NAMES))


def test_answers_with_a_feature_that_is_not_finite_are_refused() -> None:
    answer = {"features": dict.fromkeys(NAMES, 1.0), "feature_digest": digest(NAMES)}
    assert features([answer]).rows.shape == (1, len(NAMES))
    with pytest.raises(ScorerError, match="finite"):
        features([{**answer, "features": {**answer["features"], "length": float("nan")}}])


def test_a_binary_that_fails_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "opspilot"
    broken.write_text("#!/bin/sh\necho 'no such rules' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(ScorerError, match="no such rules"):
        Scorer(broken, (tmp_path / "rules.toml",)).answers(["true"])
