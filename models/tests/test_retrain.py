from collections import Counter

import numpy as np
import pytest
from test_training import NAMES, fake

import corpus
import forest
import retrain
from recorded import Records


def records(labels: list[int], weight: float = 1.0) -> Records:
    count = len(labels)
    rows = [{"command_hash": f"p{k % 7}"} for k in range(count)]
    features = np.full((count, len(NAMES)), 0.5, dtype=np.float32)
    weights = np.full(count, weight)
    return Records(rows, features, np.array(labels, dtype=np.int64), weights, features[:0], Counter(), count)


def test_too_few_rows_and_rows_of_one_level_are_told_apart() -> None:
    assert retrain.too_little(records([0, 2] * 25), 50) is None
    assert retrain.too_little(records([0, 2] * 24), 50)["outcome"] == "too_few"
    refused = retrain.too_little(records([0] * 50), 50)
    assert refused == {"outcome": "one_class", "reason": "all 50 recorded commands that say something say low"}


@pytest.mark.parametrize(("count", "weight", "most"), [(20, 0.1, 10.0), (8000, 1.0, 10.0), (0, 1.0, 10.0)])
def test_the_corpus_has_at_least_half_of_the_weight(count: int, weight: float, most: float) -> None:
    lines, scored = fake()
    recorded = records([0, 3] * (count // 2), weight)
    data = retrain.prepare(lines, scored, recorded, np.ones(count, dtype=bool))
    of_corpus, of_rows = data.weights[: 2 * len(lines)], data.weights[2 * len(lines) :]
    assert len(data.rows) == len(data.labels) == len(data.groups) == len(data.weights) == 2 * len(lines) + count
    assert of_rows.sum() <= of_corpus.sum() * (1 + 1e-9)
    assert not count or of_rows.max() <= most * weight
    assert np.allclose(of_corpus, forest.weights(data.labels[: 2 * len(lines)]))


def test_no_recorded_pattern_is_taken_for_a_program_of_the_corpus() -> None:
    lines, scored = fake()
    data = retrain.prepare(lines, scored, records([0, 3] * 20), np.ones(40, dtype=bool))
    assert not set(data.groups[: 2 * len(lines)]) & set(data.groups[2 * len(lines) :])


def test_no_golden_line_is_trained_on() -> None:
    golden = retrain.golden_lines()
    assert len(golden) >= 50
    assert len(set(golden)) == len(golden)
    assert not {line.cmd for line in corpus.generate()} & set(golden)
