"""Whether the forest earns its place: rules alone against rules and forest, on programs that the forest has not seen.

The rules are given. The corpus is parted by program: nothing that is tried in a fold has a program that was learned
from, and a command written in other ways is its program's. Commands from elsewhere are tried by the forest that has not
learned from their programs. Everything is a score, and is compared where the false positives are
equal, or the recall.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import forest
import programs
from circumstances import RULE_FEATURES, with_circumstances, with_silent_rules
from corpus import LEVELS, Line
from forest import Labels, Votes
from joining import FLAG, Bounds, Scores, joined_scores
from scorer import Features, Rows

FOLDS = 4
# The families whose grave commands are attacks; what else is grave is left out of the comparison.
ATTACKS = ("attacks", "techniques")
RESAMPLES = 500
# Trees of a forest that is tried: fewer than are shipped, for there are many to fit.
TREES = 30
# False positives on benign commands at which recall is compared, besides those of the rules as they flag.
RATES = (0.0025, 0.005, 0.01, 0.02)
# The one that the verdict is on: everyday work may be asked about once in a hundred commands.
BUDGET = 0.01
# What is tried, in the order of the report.
CONTENDERS = ("rules", "joined", "forest", "forest without rules", "logistic")


@dataclass(frozen=True)
class Trial:
    """Commands with their truth and what each contender says of them."""

    name: str
    grave: NDArray[np.bool_]
    programs: NDArray[np.str_]
    scores: dict[str, Scores]
    rule_scores: Scores


@dataclass(frozen=True)
class Unseen:
    """The whole corpus, and what forests say that have not learned from a command's program."""

    labels: Labels
    rule_scores: Scores
    probabilities: Votes


@dataclass(frozen=True)
class Elsewhere:
    """Commands that are not the corpus's: never learned from."""

    name: str
    commands: list[str]
    grave: NDArray[np.bool_]
    features: Features


class Contest:
    """The corpus, parted, and a set of contenders for each part."""

    def __init__(self, lines: Sequence[Line], scored: Features, seed: int) -> None:
        """Parts the corpus, the same way for the same seed."""
        self.scored, self.seed = scored, seed
        self.labels = np.array([LEVELS.index(line.label) for line in lines])
        self.programs = np.array([line.program for line in lines])
        self.folds = np.array([programs.fold(line.program, FOLDS, seed) for line in lines])
        self.attacks = np.array([line.family in ATTACKS for line in lines])
        self.silent = [scored.names.index(name) for name in RULE_FEATURES if name in scored.names]

    def run(self, elsewhere: Sequence[Elsewhere]) -> tuple[list[Trial], Unseen]:
        """Tries every contender on every part, and on what is from elsewhere."""
        rows = self.scored.rows
        inside = np.full((len(rows), 3, len(LEVELS)), np.nan)
        outside = [np.full((len(other.commands), 3, len(LEVELS)), np.nan) for other in elsewhere]
        of = [self._folds_of(other.commands) for other in elsewhere]
        for fold in range(FOLDS):
            fitted = self._fit(fold)
            inside[self.folds == fold] = self._ask(fitted, rows[self.folds == fold])
            for other, answers, folds in zip(elsewhere, outside, of, strict=True):
                answers[folds == fold] = self._ask(fitted, other.features.rows[folds == fold])
        tried = (self.labels < 2) | self.attacks
        trials = [self._trial("corpus", rows[tried], self.labels[tried] >= 2, self.programs[tried], inside[tried])]
        for other, answers in zip(elsewhere, outside, strict=True):
            named = np.array([programs.program(command) for command in other.commands])
            trials.append(self._trial(other.name, other.features.rows, other.grave, named, answers))
        return trials, Unseen(self.labels, self._rule_scores(rows), inside[:, 0])

    def _rule_scores(self, rows: Rows) -> Scores:
        return rows[:, self.scored.names.index("rule_score")].astype(float)

    def _folds_of(self, commands: Sequence[str]) -> NDArray[np.int64]:
        return np.array([programs.fold(programs.program(command), FOLDS, self.seed) for command in commands])

    def _fit(self, fold: int) -> list[Any]:
        """A calibrated forest, one without the rules' features, and a logistic regression: none knows the fold."""
        rng = np.random.default_rng(self.seed + fold)
        learned = self.folds != fold
        part = Features(self.scored.names, self.scored.digest, self.scored.rows[learned])
        rows = training_rows(part, rng)
        labels, groups = np.tile(self.labels[learned], 2), np.tile(self.folds[learned], 2)
        logistic = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky"))
        logistic.fit(rows, labels, logisticregression__sample_weight=forest.weights(labels))
        return [
            _calibrated(rows, labels, groups, self.seed),
            _calibrated(self._without_rules(rows), labels, groups, self.seed),
            logistic.predict_proba,
        ]

    def _ask(self, fitted: list[Any], rows: Rows) -> NDArray[np.float64]:
        if not len(rows):
            return np.zeros((0, 3, len(LEVELS)))
        whole, without, logistic = fitted
        return np.stack([whole(rows), without(self._without_rules(rows)), logistic(rows)], axis=1)

    def _without_rules(self, rows: Rows) -> Rows:
        return np.delete(rows, self.silent, axis=1)

    def _trial(
        self, name: str, rows: Rows, grave: NDArray[np.bool_], named: NDArray[np.str_], answers: NDArray[np.float64]
    ) -> Trial:
        rule_scores = self._rule_scores(rows)
        danger = answers[:, :, 2:].sum(axis=2)
        scores = {
            "rules": rule_scores,
            "joined": joined_scores(rule_scores, answers[:, 0], Bounds()),
            "forest": danger[:, 0],
            "forest without rules": danger[:, 1],
            "logistic": danger[:, 2],
        }
        return Trial(name, grave, named, scores, rule_scores)


def training_rows(scored: Features, rng: np.random.Generator) -> Rows:
    """The rows that a forest learns from: as scored, and once more in random circumstances; the rules often silent."""
    rows = np.concatenate([scored.rows, with_circumstances(scored, rng)])
    return with_silent_rules(scored.names, rows, rng)


def _calibrated(rows: Rows, labels: Labels, groups: NDArray[np.int64], seed: int) -> Any:  # noqa: ANN401
    """A forest's calibrated answers; the curves are learned on votes for groups that it had not seen."""
    votes = forest.out_of_fold(rows, labels, groups, seed, folds=2, trees=TREES)
    calibration, fitted = forest.calibrate(votes, labels), forest.fit(rows, labels, seed, TREES)
    return lambda asked: calibration.apply(fitted.predict_proba(asked))


class Curve:
    """False positives and recall of a score over all its thresholds, for any weights of the commands."""

    def __init__(self, score: Scores, grave: NDArray[np.bool_]) -> None:
        """Orders the commands by score, the gravest first."""
        self.order = np.argsort(-score, kind="stable")
        ordered = score[self.order]
        self.ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        self.grave = grave[self.order]

    def points(self, weights: Scores) -> tuple[Scores, Scores]:
        """Rates at every threshold; commands of equal score come together, and a line joins the points."""
        weighted = weights[self.order]
        hits, alarms = np.cumsum(weighted * self.grave)[self.ends], np.cumsum(weighted * ~self.grave)[self.ends]
        return np.append(0.0, alarms / alarms[-1]), np.append(0.0, hits / hits[-1])

    def recall(self, weights: Scores, rate: float) -> float:
        """The share of grave commands found at this rate of false positives."""
        alarms, hits = self.points(weights)
        return float(np.interp(rate, alarms, hits))

    def alarms(self, weights: Scores, recall: float) -> float:
        """The rate of false positives at which this share is found."""
        alarms, hits = self.points(weights)
        # Of thresholds that find the same, the one with the fewest.
        hits, first = np.unique(hits, return_index=True)
        return float(np.interp(recall, hits, alarms[first]))


def compare(trial: Trial, seed: int) -> dict[str, Any]:
    """All contenders of a trial, with a bootstrap over programs of the joined score against the rules."""
    curves = {name: Curve(trial.scores[name], trial.grave) for name in CONTENDERS}
    even = np.ones(len(trial.grave))
    rate = float((trial.rule_scores[~trial.grave] >= FLAG).mean())
    rates = [rate, *RATES]
    recall = curves["rules"].recall(even, rate)
    return {
        "name": trial.name,
        "grave": int(trial.grave.sum()),
        "benign": int((~trial.grave).sum()),
        "programs": len(set(trial.programs)),
        "rates": rates,
        "recall": {name: [curve.recall(even, at) for at in rates] for name, curve in curves.items()},
        "flagged": {name: _flagged(trial, name) for name in ("rules", "joined")},
        "alarms": {name: curve.alarms(even, recall) for name, curve in curves.items()},
        "gain": _bootstrap(trial, curves, rates, seed),
    }


def _flagged(trial: Trial, name: str) -> tuple[float, float]:
    flagged = trial.scores[name] >= FLAG
    return float(flagged[~trial.grave].mean()), float(flagged[trial.grave].mean())


def _bootstrap(trial: Trial, curves: dict[str, Curve], rates: list[float], seed: int) -> dict[str, Any]:
    """The 95% intervals of what the joined score gains: whole programs are drawn, the same for both."""
    rng = np.random.default_rng(seed)
    _, of = np.unique(trial.programs, return_inverse=True)
    count = of.max() + 1
    gains, saved = [], []
    for _ in range(RESAMPLES):
        weights = np.bincount(rng.integers(0, count, count), minlength=count)[of].astype(float)
        rules, joined = curves["rules"], curves["joined"]
        gains.append([joined.recall(weights, at) - rules.recall(weights, at) for at in rates])
        recall = rules.recall(weights, rates[0])
        alarms = rules.alarms(weights, recall)
        saved.append(1.0 - joined.alarms(weights, recall) / alarms if alarms > 0 else 0.0)
    return {
        "recall": [tuple(np.quantile(column, (0.025, 0.975))) for column in np.array(gains).T],
        "alarms": tuple(np.quantile(saved, (0.025, 0.975))),
    }
