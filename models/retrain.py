"""Trains a challenger on the corpus and on recorded commands, and measures it against the model in force.

`opspilot model train` runs this with a job and reads `outcome.json`; it decides whether the challenger is installed.
Progress goes to standard error. The exit status is 0 wherever an outcome was written.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import card as cards
import corpus
import duel
import forest
import parity
import recorded
import train
from duel import Ground, Model
from joining import Bounds, Scores
from labels import Window
from recorded import Records
from scorer import Features, Rows, Scorer, features

HERE = Path(__file__).resolve().parent
# How much one recorded row may weigh, in commands of the corpus.
ROW_MAY_WEIGH = 10.0
# The largest model that the daemon reads, in bytes.
MAX_MODEL_BYTES = 8 * 1024 * 1024
WHOLE = train.Size(model_bytes=MAX_MODEL_BYTES)
# For tests: one command of the corpus in so many, and few trees.
QUICK = train.Size(trees=12, folds=2, parity_rows=200, model_bytes=MAX_MODEL_BYTES)
QUICK_EVERY = 12


@dataclass(frozen=True)
class Job:
    """What is asked for, by `opspilot`."""

    rows: Path
    output: Path
    champion: Path
    binary: Path
    rules: tuple[Path, ...]
    bounds: Bounds
    maintenance: tuple[Window, ...]
    min_samples: int
    trained_at: str
    quick: bool

    @classmethod
    def load(cls, path: Path) -> "Job":
        """The job of a file of JSON; every key must be there."""
        job = json.loads(path.read_text(encoding="utf-8"))
        windows = (Window(frozenset(one["days"]), one["begins"], one["ends"]) for one in job["maintenance"])
        return cls(
            rows=Path(job["rows"]),
            output=Path(job["output"]),
            champion=Path(job["champion"]),
            binary=Path(job["binary"]),
            rules=tuple(map(Path, job["rules"])),
            bounds=Bounds(**job["bounds"]),
            maintenance=tuple(windows),
            min_samples=job["min_samples"],
            trained_at=job["trained_at"],
            quick=job["quick"],
        )


def run(job: Job) -> dict[str, Any]:
    """The outcome; model and card are written where it is `trained`."""
    scorer = Scorer(job.binary, job.rules)
    lines = corpus.generate()[:: QUICK_EVERY if job.quick else 1]
    train.say(f"scoring {len(lines)} commands of the corpus")
    scored = features(scorer.answers([line.cmd for line in lines]))
    records = recorded.read(job.rows, scored, job.maintenance)
    said = {"rows": described(records)}
    if refusal := too_little(records, job.min_samples):
        return {**refusal, **said}
    learned, tried = recorded.split(records.rows, corpus.SEED)
    data = prepare(lines, scored, records, learned)
    train.say(f"training on {len(data.rows)} rows, {int(learned.sum())} of them recorded")
    size = QUICK if job.quick else WHOLE
    trained = train.train(data, corpus.SEED, size)
    card = describe(data, trained, job, size, int(learned.sum()))
    train.prove(data, trained, card, scorer, corpus.SEED, size=size)
    train.install(job.output, trained, card, data, scorer)
    train.say("comparing it with the model in force")
    measured = Match(job, scorer, data, trained).measure(records, tried)
    said["rows"] |= {"learned": int(learned.sum()), "held_out": int(tried.sum())}
    return {"outcome": "trained", "model_digest": card["model"]["sha256"], **said, **measured}


def described(records: Records) -> dict[str, Any]:
    """How many rows there were, and what they said."""
    return {
        "read": records.read,
        "labelled": len(records.rows),
        "levels": {level: int((records.labels == k).sum()) for k, level in enumerate(corpus.LEVELS)},
        "signals": dict(sorted(records.signals.items())),
    }


def too_little(records: Records, min_samples: int) -> dict[str, str] | None:
    """Why there is nothing to train on, if so."""
    count = len(records.rows)
    if count < min_samples:
        return {"outcome": "too_few", "reason": f"{count} recorded commands say something; {min_samples} are needed"}
    if len(present := set(records.labels.tolist())) < 2:
        level = corpus.LEVELS[present.pop()]
        return {"outcome": "one_class", "reason": f"all {count} recorded commands that say something say {level}"}
    return None


def prepare(lines: list[corpus.Line], scored: Features, records: Records, learned: recorded.Mask) -> train.Data:
    """The corpus as it is always trained on, and the recorded rows, which weigh at most as much in all."""
    data = train.prepare(lines, scored, corpus.SEED)
    rows, labels, weights = records.part(learned)
    of_corpus = forest.weights(data.labels)
    lifted = weights * min(ROW_MAY_WEIGH, of_corpus.sum() / max(weights.sum(), 1e-9))
    patterns = records.patterns(learned)
    groups = np.unique(patterns, return_inverse=True)[1] if patterns else np.zeros(0, dtype=np.int64)
    every_row = np.concatenate([data.rows, rows])
    return train.Data(
        commands=data.commands,
        features=scored,
        rows=every_row,
        labels=np.concatenate([data.labels, labels]),
        groups=np.concatenate([data.groups, groups + data.groups.max() + 1]),
        digest=cards.sha256(data.digest.encode() + rows.tobytes() + labels.tobytes() + lifted.tobytes()),
        weights=np.concatenate([of_corpus, lifted]),
    )


def describe(data: train.Data, trained: train.Trained, job: Job, size: train.Size, learned: int) -> dict[str, Any]:
    """The card, which says that it was trained here, and when."""
    more = {"trees": size.trees, "folds": size.folds, "recorded": learned, "trained_at": job.trained_at}
    return train.describe(data, trained, corpus.SEED, more)


class Match:
    """The model in force against the one that was trained."""

    def __init__(self, job: Job, scorer: Scorer, data: train.Data, trained: train.Trained) -> None:
        """Reads the model in force."""
        self.scorer, self.data, self.bounds = scorer, data, job.bounds
        self.champion = Model.load(job.champion, data.features.digest)
        self.challenger = Model(trained.model, trained.calibration)

    def measure(self, records: Records, tried: recorded.Mask) -> dict[str, Any]:
        """The figures of both on held-out rows, on the corpus and on both; and what falls that may not."""
        rows, labels, weights = records.part(tried)
        held_out = Ground(rows, self._rule_scores(rows), labels, weights)
        corpus_rows, of_corpus = self.data.features.rows, self.data.labels[: len(self.data.commands)]
        whole = Ground(corpus_rows, self._rule_scores(corpus_rows), of_corpus, forest.weights(of_corpus))
        grounds = {"held_out": held_out, "corpus": whole, "both": held_out.with_equal_weight(whole)}
        return {
            "positives": int((labels >= duel.GRAVE).sum()),
            "figures": {name: self._compare(ground) for name, ground in grounds.items()},
            "golden_fallen": self._golden_fallen(),
            "irreversible_fallen": int(self._fallen(records.guarded).sum()),
        }

    def _compare(self, ground: Ground) -> dict[str, Any] | None:
        return duel.compare(ground, self.champion, self.challenger, self.bounds)

    def _golden_fallen(self) -> list[str]:
        golden = golden_lines()
        falls = self._fallen(features(self.scorer.answers(golden)).rows)
        return [line for line, falls in zip(golden, falls, strict=True) if falls]

    def _fallen(self, rows: Rows) -> recorded.Mask:
        return duel.fallen(rows, self._rule_scores(rows), self.champion, self.challenger, self.bounds)

    def _rule_scores(self, rows: Rows) -> Scores:
        return rows[:, self.data.features.names.index("rule_score")].astype(float)


def golden_lines(path: Path = HERE / "golden.txt") -> list[str]:
    """The commands that may not fall."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def main() -> None:
    """Does the job of a file, and writes the outcome beside the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path, help="a file of JSON")
    job = Job.load(parser.parse_args().job)
    try:
        outcome = run(job)
    except parity.ParityError as error:
        outcome = {"outcome": "unproved", "reason": str(error)}
    written = json.dumps(outcome, ensure_ascii=False, allow_nan=False, indent=1)
    (job.output / "outcome.json").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
