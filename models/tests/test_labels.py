import re
from pathlib import Path

import numpy as np
import pytest

import labels
from labels import CRITICAL, HIGH, LOW, MEDIUM, Lesson, Window, lesson

WINDOWS = (Window(frozenset({6}), 2, 5),)
EXIT_CODE = {"signs": [{"sign": "exit_code", "impact": "minor"}], "confidence": 1.0}
DISK = {"signs": [{"sign": "disk_filled", "impact": "minor"}], "confidence": 1.0}


def row(**columns: object) -> labels.Row:
    """A command of alice's that nobody was asked about and that changed nothing, with these columns instead."""
    features = {"hour_of_day": 14.0, "is_weekend": 0.0, "rule_score": 0.0, **columns.pop("features", {})}
    plain = {
        "timestamp": "2026-11-22T13:30:00.250000Z",
        "command_hash": "aa",
        "user_id": "alice",
        "target": "web-1",
        "exactness": "exact",
        "initial_risk_level": "low",
        "final_risk_level": "low",
        "decision": "allow",
        "state": "finished",
        "user_confirmed": None,
        "confirmation_time_ms": None,
        "execution_success": True,
        "actual_impact": "none",
        "impact_evidence": {"signs": [], "confidence": 1.0},
        "ratings": None,
    }
    return {**plain, **columns, "features": features}


def confirmed(ms: int, **columns: object) -> labels.Row:
    return row(decision="confirm", user_confirmed=True, confirmation_time_ms=ms, final_risk_level="high", **columns)


def did_not_run(state: str, **columns: object) -> labels.Row:
    return row(state=state, actual_impact=None, impact_evidence=None, execution_success=None, **columns)


def harm(impact: str, **columns: object) -> labels.Row:
    columns.setdefault("impact_evidence", {"signs": [{"sign": "failed_units"}], "confidence": 1.0})
    return row(actual_impact=impact, final_risk_level="high", **columns)


def failed(**columns: object) -> labels.Row:
    return row(actual_impact="minor", impact_evidence=EXIT_CODE, execution_success=False, **columns)


def rated(rating: int, by: str) -> dict[str, dict]:
    """What the column holds; tess and alice are trainers."""
    roles = ["sre", "trainer"] if by in ("tess", "alice") else ["sre"]
    return {by: {"rating": rating, "roles": roles, "at": "2026-11-22T14:00:00.000000Z"}}


REFUSED = {"user_confirmed": False, "confirmation_time_ms": 3000, "decision": "confirm"}
# In the window, and an hour after it: a Sunday at 03:30 and at 05:30 in UTC, which is the target's time.
SUNDAY = {"timestamp": "2026-11-22T03:30:00.000000Z", "features": {"hour_of_day": 3.0}}
LATER = {"timestamp": "2026-11-22T05:30:00.000000Z", "features": {"hour_of_day": 5.0}}

# Every row of the table in LABELS.md: what it says (or that it says nothing), and one that is just not it.
TABLE = {
    "did not run": [
        *((did_not_run(state), None) for state in ("denied", "expired", "abandoned", "refused", "held", "running")),
        (did_not_run("interrupted"), None),
    ],
    "refused": [(did_not_run("refused", **REFUSED), (HIGH, 0.2)), (did_not_run("refused"), None)],
    "impact none": [(row(), (LOW, 0.1)), (row(actual_impact=None), None)],
    "confirmed and harmless": [(confirmed(1000), (LOW, 0.2)), (confirmed(29_999), (LOW, 0.2))],
    "fast confirmation": [(confirmed(999), (LOW, 0.1)), (confirmed(0), (LOW, 0.1))],
    "slow confirmation": [(confirmed(30_000), (MEDIUM, 0.1))],
    "impact minor": [(row(actual_impact="minor", impact_evidence=DISK), (MEDIUM, 0.3))],
    "failed": [(failed(), None), (failed(decision="confirm", user_confirmed=True, final_risk_level="high"), None)],
    "bypassed and failed": [
        (failed(decision="warn", final_risk_level="medium"), (HIGH, 0.2)),
        (failed(decision="allow", final_risk_level="high"), (HIGH, 0.2)),
        (failed(decision="allow", final_risk_level="critical"), (CRITICAL, 0.2)),
        (failed(decision="warn", final_risk_level="low"), None),
    ],
    "impact moderate": [(harm("moderate"), (HIGH, 1.0))],
    "impact severe": [(harm("severe"), (CRITICAL, 1.0)), (harm("severe", state="interrupted"), (CRITICAL, 1.0))],
    "predicted low and severe": [
        ({**harm("severe"), "final_risk_level": "low"}, (CRITICAL, 2.0)),
        ({**harm("moderate"), "final_risk_level": "low"}, (HIGH, 1.0)),
    ],
    "others ran meanwhile": [
        (harm("severe", impact_evidence={"signs": [], "concurrent": 3, "confidence": 0.25}), (CRITICAL, 0.25)),
        (row(impact_evidence={"signs": [], "concurrent": 3, "confidence": 0.25}), (LOW, 0.1)),
    ],
    "maintenance window": [
        (harm("moderate", **SUNDAY), (HIGH, 0.5)),
        (harm("moderate", **LATER), (HIGH, 1.0)),
        (harm("moderate", **{**SUNDAY, "features": {"hour_of_day": -1.0}}), (HIGH, 1.0)),
        (row(**SUNDAY), (LOW, 0.1)),
    ],
    "own rating": [
        (row(ratings=rated(1, "alice")), (CRITICAL, 0.5)),
        (row(ratings=rated(2, "bob")), (HIGH, 0.5)),
        (row(ratings=rated(3, "alice")), (LOW, 0.1)),
        (harm("severe", ratings=rated(5, "alice")), (CRITICAL, 1.0)),
        (harm("severe", ratings=rated(5, "bob")), (CRITICAL, 1.0)),
        (harm("severe", ratings={"uid:0": {"rating": 5, "roles": None}}), (CRITICAL, 1.0)),
        (did_not_run("denied", final_risk_level="high", ratings=rated(4, "alice")), None),
    ],
    "trainer's rating": [
        (harm("severe", ratings=rated(5, "tess")), (LOW, 1.0)),
        (row(ratings=rated(1, "tess")), (CRITICAL, 1.0)),
        (did_not_run("denied", final_risk_level="high", ratings=rated(4, "tess")), (LOW, 1.0)),
        (harm("severe", ratings=rated(5, "tess") | rated(1, "alice")), (LOW, 1.0)),
        (row(ratings=rated(5, "tess") | {"tom": {"rating": 2, "roles": ["trainer"]}}), (HIGH, 1.0)),
    ],
    "irreversible": [
        (row(initial_risk_level="high"), None),
        (row(initial_risk_level="medium", features={"has_deleter": 1.0}), None),
        (row(initial_risk_level="medium"), (LOW, 0.1)),
        (row(initial_risk_level="critical", ratings=rated(5, "tess")), None),
        (row(initial_risk_level="high", ratings=rated(2, "tess")), (HIGH, 1.0)),
        (row(initial_risk_level="high", ratings=rated(5, "tess") | rated(1, "alice")), (CRITICAL, 0.5)),
        (harm("severe", initial_risk_level="critical", ratings=rated(5, "tess")), (CRITICAL, 1.0)),
        (harm("severe", initial_risk_level="high", ratings=rated(2, "tess")), (CRITICAL, 1.0)),
        (harm("moderate", initial_risk_level="critical"), None),
        (harm("severe", initial_risk_level="critical"), (CRITICAL, 1.0)),
    ],
}


@pytest.mark.parametrize(
    ("columns", "said"),
    [pytest.param(*case, id=f"{name} {k}") for name, cases in TABLE.items() for k, case in enumerate(cases)],
)
def test_a_row_says_what_the_table_says(columns: labels.Row, said: tuple[int, float] | None) -> None:
    found = lesson(columns, WINDOWS)
    assert (found and (found.level, pytest.approx(found.weight))) == said


def test_every_row_of_the_table_has_its_cases() -> None:
    text = (Path(labels.__file__).parent / "LABELS.md").read_text(encoding="utf-8")
    written = set(re.findall(r"^\| ([a-z' ]+) \| [a-z0-9]", text, flags=re.MULTILINE)) - {"signal"}
    # What is unknown never becomes a row of the training: see test_recorded.py.
    assert written - {"unknown"} == set(TABLE)


def test_a_lesson_names_the_signals_that_it_follows_from() -> None:
    found = lesson({**harm("severe", **SUNDAY), "final_risk_level": "low"}, WINDOWS)
    assert found == Lesson(CRITICAL, 1.0, ("impact severe", "maintenance window", "predicted low and severe"))


def test_truth_values_may_come_as_the_numbers_that_are_stored() -> None:
    refused = did_not_run("refused", **{**REFUSED, "user_confirmed": 0})
    assert lesson(refused, WINDOWS).level == HIGH
    assert lesson({**confirmed(5000), "user_confirmed": 1}, WINDOWS).weight == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("utc", "hour", "day"),
    [
        ("2026-11-22T23:30:00Z", 0, 0),  # Sunday night in UTC is Monday an hour to the east
        ("2026-11-23T02:30:00Z", 21, 6),  # and Monday is Sunday five hours to the west
        ("2026-11-22T13:30:00Z", 13, 6),
        ("2026-11-22T12:30:00Z", 0, 0),  # twelve hours to the east
    ],
)
def test_hour_and_utc_tell_the_weekday_at_the_target(utc: str, hour: int, day: int) -> None:
    submitted = row(timestamp=utc, features={"hour_of_day": float(hour)})
    others = frozenset(range(7)) - {day}
    assert labels.in_a_window(submitted, [Window(frozenset({day}), hour, hour + 1)])
    assert not labels.in_a_window(submitted, [Window(others, hour, hour + 1)])


def test_a_window_may_end_on_the_next_day() -> None:
    night = Window(frozenset({5}), 22, 4)
    assert [night.holds(day, hour) for day, hour in [(5, 21), (5, 22), (6, 3), (6, 4), (5, 3)]] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_nobody_teaches_by_repeating() -> None:
    rows = [row(command_hash="same", user_id=f"u{i % 9}", target=f"t{i % 9}") for i in range(90)]
    capped = labels.capped(np.ones(90), rows)
    assert capped.sum() == pytest.approx(labels.PER_PATTERN)


@pytest.mark.parametrize("column", ["user_id", "target"])
def test_no_user_and_no_target_has_more_than_a_third(column: str) -> None:
    names = ["loud"] * 80 + ["b"] * 7 + ["c"] * 7 + ["d"] * 6
    other = "target" if column == "user_id" else "user_id"
    rows = [row(command_hash=f"{i}", **{column: name, other: f"o{i % 10}"}) for i, name in enumerate(names)]
    capped = labels.capped(np.ones(100), rows)
    assert capped[:80].sum() == pytest.approx(100 / 3)
    assert np.allclose(capped[80:], 1.0)


def test_a_single_user_is_not_held_against_them() -> None:
    rows = [row(command_hash=f"{i}") for i in range(10)]
    assert np.allclose(labels.capped(np.ones(10), rows), 1.0)
