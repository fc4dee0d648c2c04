"""Trains the shipped forest: corpus, features from the daemon, fit, calibration, export, proof, card and report."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

import ablation
import card as cards
import corpus
import figure
import forest
import measures
import parity
import report
import thresholds
from forest import Calibration, Labels, Votes
from scorer import Features, Rows, Scorer, features

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Rows in the card, and rows that the daemon is tried on before the model is installed.
GOLDEN_ROWS = 48
PARITY_ROWS = 10_000
# Rows that fit into one card, which the daemon reads up to 4 MiB of.
PARITY_BATCH = 2000
# Words up to which a command is nobody's own: `git status` may be learned from and measured on.
COMMON_WORDS = 2
# Largest model that belongs into the repository, in bytes.
MAX_MODEL_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True)
class Size:
    """How much is fitted and proved: less where somebody waits for a test."""

    trees: int = forest.TREES
    folds: int = forest.FOLDS
    parity_rows: int = PARITY_ROWS
    model_bytes: int = MAX_MODEL_BYTES


SHIPPED = Size()


@dataclass(frozen=True)
class Data:
    """The training data: the corpus twice, once as `score` sees it and once in random circumstances.

    A group is a program: what the cross-validation tries has a program that it has not learned from.
    """

    commands: list[str]
    features: Features
    rows: Rows
    labels: Labels
    groups: Labels
    digest: str
    # What the rows weigh; without it, the levels have the shares of `forest.PRIOR`.
    weights: forest.Weights | None = None


@dataclass(frozen=True)
class Trained:
    """A forest with what was learned about it."""

    forest: RandomForestClassifier
    calibration: Calibration
    metrics: dict[str, Any]
    model: bytes

    def probabilities(self, rows: Rows) -> Votes:
        """What scikit-learn's forest says, calibrated."""
        return self.calibration.apply(self.forest.predict_proba(rows))


def prepare(lines: list[corpus.Line], scored: Features, seed: int) -> Data:
    """Labels, groups and rows of the corpus."""
    rows = ablation.training_rows(scored, np.random.default_rng(seed))
    labels = np.array([corpus.LEVELS.index(line.label) for line in lines])
    _, groups = np.unique([line.program for line in lines], return_inverse=True)
    text = "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)
    digest = cards.sha256(text.encode() + rows.tobytes())
    return Data([line.cmd for line in lines], scored, rows, np.tile(labels, 2), np.tile(groups, 2), digest)


def apart(commands: list[str], files: list[measures.Entries]) -> int:
    """How many of the commands, all of them short, are measured on too. Raises where a longer one is."""
    common = measures.in_common(commands, files)
    longer = [command for command in common if len(command.split()) > COMMON_WORDS]
    if longer:
        raise ValueError(f"the corpus has {len(longer)} commands that are measured on, such as: {longer[0]}")
    return len(common)


def train(data: Data, seed: int, size: Size = SHIPPED) -> Trained:
    """Fits and calibrates; the measures are of predictions for groups that were not seen."""
    votes = forest.out_of_fold(
        data.rows, data.labels, data.groups, seed, folds=size.folds, trees=size.trees, given=data.weights
    )
    calibration = forest.calibrate(votes, data.labels, data.weights)
    metrics = measures.cross_validated(calibration.apply(votes), data.labels)
    fitted = forest.fit(data.rows, data.labels, seed, size.trees, given=data.weights)
    return Trained(fitted, calibration, metrics, forest.export(fitted))


def describe(data: Data, trained: Trained, seed: int, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The card, with golden rows of which half stand on thresholds, and `more` of its training."""
    rng = np.random.default_rng(seed + 1)
    training = {
        "commands": len(data.commands),
        "rows": len(data.rows),
        "programs": int(data.groups.max()) + 1,
        "seed": seed,
        "data_digest": data.digest,
        **(more or {}),
    }
    rows = sample(data, trained, GOLDEN_ROWS, rng)
    golden = cards.golden(rows, trained.probabilities(rows))
    card = cards.build(trained.model, data.features, trained.calibration, training, trained.metrics)
    return {**card, "golden": golden}


def sample(data: Data, trained: Trained, count: int, rng: np.random.Generator) -> Rows:
    """Rows of the data, the second half with features on the trees' thresholds."""
    plain = data.rows[rng.choice(len(data.rows), size=count // 2, replace=False)]
    moved = data.rows[rng.choice(len(data.rows), size=count - count // 2, replace=False)]
    return np.concatenate([plain, forest.on_thresholds(trained.forest, moved, rng)])


def prove(
    data: Data, trained: Trained, card: dict[str, Any], scorer: Scorer, seed: int, *, size: Size = SHIPPED
) -> None:
    """Raises unless scikit-learn, onnxruntime and the daemon answer alike."""
    if len(trained.model) > size.model_bytes:
        raise parity.ParityError(f"the model has {len(trained.model)} bytes; {size.model_bytes} are allowed")
    rows = sample(data, trained, size.parity_rows, np.random.default_rng(seed + 2))
    apart = parity.same_votes(trained.forest.predict_proba(rows), forest.onnx_votes(trained.model, rows))
    say(f"onnxruntime agrees on {len(rows)} rows (within {apart:.1e})")
    golden = cards.golden(rows, trained.probabilities(rows))
    for start in range(0, len(golden), PARITY_BATCH):
        parity.daemon_accepts(scorer, trained.model, card, golden[start : start + PARITY_BATCH])
    say(f"the daemon agrees on {len(golden)} rows (within {parity.TOLERANCE:.0e})")


def install(directory: Path, trained: Trained, card: dict[str, Any], data: Data, scorer: Scorer) -> Scorer:
    """Writes model and card, and has the daemon score the corpus with them."""
    path = parity.write(directory, trained.model, card)
    installed = Scorer(scorer.binary, scorer.rules, path)
    ours = trained.probabilities(data.features.rows)
    apart = parity.daemon_agrees(installed.answers(data.commands), ours)
    say(f"the daemon agrees on all {len(ours)} commands (within {apart:.1e})")
    return installed


def importances(data: Data, trained: Trained) -> dict[str, float]:
    """Mean decrease in impurity, by feature."""
    return dict(zip(data.features.names, map(float, trained.forest.feature_importances_), strict=True))


def say(text: str) -> None:
    """Tells the person who waits."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--binary", type=Path, default=ROOT / "target/release/opspilot", help="the opspilot to ask for features"
    )
    parser.add_argument("--rules", type=Path, default=ROOT / "config/rules.toml")
    parser.add_argument("--output", type=Path, default=HERE, help="where risk.onnx, risk.json and REPORT.md go")
    parser.add_argument("--seed", type=int, default=corpus.SEED)
    parser.add_argument("--evaluate", type=Path, help="a directory of JSONL files to measure on, never to train on")
    return parser.parse_args()


def main() -> None:
    """Trains, proves and installs."""
    options = arguments()
    scorer = Scorer(options.binary, (options.rules,))
    lines = corpus.generate(options.seed)
    files = measures.read_files(options.evaluate) if options.evaluate else []
    common = apart([line.cmd for line in lines], files)
    say(f"scoring {len(lines)} commands")
    scored = features(scorer.answers([line.cmd for line in lines]))
    data = prepare(lines, scored, options.seed)
    say(f"training on {len(data.rows)} rows of {len(scored.names)} features")
    trained = train(data, options.seed)
    card = describe(data, trained, options.seed)
    prove(data, trained, card, scorer, options.seed)
    installed = install(options.output, trained, card, data, scorer)
    say("trying the forest on programs that it has not seen")
    trials, unseen = ablation.Contest(lines, scored, options.seed).run(measures.attacks_of(files, scorer))
    shown = report.Shown(
        card=card,
        importances=importances(data, trained),
        contests=[ablation.compare(trial, options.seed) for trial in trials],
        raising=thresholds.raising(unseen),
        lowering=thresholds.lowering(unseen),
        elsewhere=measures.on_files(files, scorer, installed),
        common=common,
    )
    (options.output / "REPORT.md").write_text(report.render(shown), encoding="utf-8")
    (options.output / "REPORT.svg").write_text(figure.draw(card, shown.importances), encoding="utf-8")
    say(f"{installed.model}: {card['model']['bytes']} bytes, macro F1 {trained.metrics['macro_f1']}")


if __name__ == "__main__":
    main()
