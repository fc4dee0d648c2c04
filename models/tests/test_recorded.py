import json
from pathlib import Path

import numpy as np
import pytest
from test_labels import harm, row

import recorded
from labels import Row
from recorded import Records
from scorer import Features

NAMES = ("rule_score", "hour_of_day", "is_weekend", "has_deleter")
SCORED = Features(NAMES, "ours", np.zeros((1, len(NAMES)), dtype=np.float32))


def line(**columns: object) -> Row:
    features = {"has_deleter": 0.0, **columns.pop("features", {})}
    return row(feature_digest="ours", features=features, **columns)


def read(tmp_path: Path, *rows: Row) -> Records:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return recorded.read(path, SCORED, ())


def test_what_is_unknown_teaches_nothing(tmp_path: Path) -> None:
    records = read(
        tmp_path,
        line(),
        {**line(), "features": None, "feature_digest": None},
        {**line(), "feature_digest": "theirs"},
        line(exactness="unknown"),
        line(exactness="screen"),
    )
    assert (records.read, len(records.rows)) == (2, 2)


def test_features_come_in_the_order_of_the_forest_whatever_the_order_of_the_row(tmp_path: Path) -> None:
    shuffled = {"is_weekend": 1.0, "has_deleter": 0.0, "rule_score": 0.25, "hour_of_day": 7.0, "another": 9.0}
    records = read(tmp_path, {**line(), "features": shuffled})
    assert records.features.tolist() == [[0.25, 7.0, 1.0, 0.0]]


def test_a_feature_that_is_not_finite_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not finite"):
        read(tmp_path, line(features={"rule_score": float("inf")}))


def test_rows_are_in_the_order_of_time_and_counted_by_what_they_say(tmp_path: Path) -> None:
    severe = {**harm("severe"), "feature_digest": "ours", "features": line()["features"]}
    records = read(
        tmp_path,
        {**severe, "timestamp": "2026-11-22T15:00:00.000000Z"},
        line(timestamp="2026-11-22T14:00:00.000000Z"),
        line(actual_impact=None),
    )
    assert records.labels.tolist() == [0, 3]
    assert records.signals == {"impact severe": 1, "impact none": 1, "nothing": 1}


def test_one_row_of_each_irreversible_pattern_is_kept_to_guard_it(tmp_path: Path) -> None:
    deletes = {"initial_risk_level": "medium", "features": {"has_deleter": 1.0}}
    records = read(tmp_path, line(command_hash="x", **deletes), line(command_hash="x", **deletes), line())
    assert len(records.guarded) == 1
    assert len(records.rows) == 1, "they teach nothing themselves"


def rows(*patterns: str) -> list[Row]:
    return [{"command_hash": pattern} for pattern in patterns]


def test_what_is_tried_is_newer_than_what_was_learned_and_of_other_patterns() -> None:
    rng = np.random.default_rng(1)
    listed = rows(*(f"p{k}" for k in rng.integers(0, 60, 1000)), *(f"new{k}" for k in range(20)))
    learned, tried = recorded.split(listed, seed=1)
    places = np.arange(len(listed))
    assert places[learned].max() < places[tried].min()
    names = np.array([one["command_hash"] for one in listed])
    assert not set(names[learned]) & set(names[tried])
    assert learned.sum() > 200
    assert tried.sum() > 50
    assert all(name in set(names[tried]) for name in ("new0", "new19")), "a new pattern is always tried"


def test_a_pattern_that_is_not_met_again_is_learned_from() -> None:
    listed = rows(*(f"old{k}" for k in range(70)), *(f"new{k}" for k in range(30)))
    learned, tried = recorded.split(listed, seed=1)
    assert (learned.sum(), tried.sum()) == (70, 30)


def test_nothing_parts_into_nothing() -> None:
    learned, tried = recorded.split([], seed=1)
    assert len(learned) == len(tried) == 0
