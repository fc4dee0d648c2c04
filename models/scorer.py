"""The daemon's own view of commands: features and assessments come from `opspilot score`, never from Python."""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

# A digest is taken over a version of the features; this many are tried to find the one.
_VERSIONS = range(1, 1000)


class ScorerError(RuntimeError):
    """The binary could not be run, or answered with something that is not understood."""


@dataclass(frozen=True)
class Features:
    """The forest's input for a list of commands."""

    names: tuple[str, ...]
    digest: str
    rows: Rows


@dataclass(frozen=True)
class Scorer:
    """A way to run `opspilot score`: the binary, the files of rules, and perhaps a model."""

    binary: Path
    rules: tuple[Path, ...]
    model: Path | None = None

    def answers(self, commands: Sequence[str]) -> list[dict[str, Any]]:
        """One answer for each command, all from one process."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as submissions:
            submissions.writelines(json.dumps({"cmd": command}) + "\n" for command in commands)
            submissions.seek(0)
            run = subprocess.run(self._arguments(), stdin=submissions, capture_output=True, check=False)
        if run.returncode != 0:
            raise ScorerError(f"{self.binary} score failed: {run.stderr.decode(errors='replace').strip()}")
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        if [answer["cmd"] for answer in answers] != list(commands):
            raise ScorerError(f"{len(answers)} answers to {len(commands)} commands, or to others")
        return answers

    def _arguments(self) -> list[str]:
        model = ["--model", str(self.model)] if self.model else ["--rules-only"]
        rules = [word for path in self.rules for word in ("--rules", str(path))]
        return [str(self.binary), "score", "--json", "--features", *rules, *model]


def features(answers: Sequence[dict[str, Any]]) -> Features:
    """The features in `answers`, in the order of the daemon's vector."""
    names = tuple(answers[0]["features"])
    digest = answers[0]["feature_digest"]
    verify_order(names, digest)
    if any(tuple(answer["features"]) != names or answer["feature_digest"] != digest for answer in answers):
        raise ScorerError("the answers differ in their features")
    rows = np.array([list(answer["features"].values()) for answer in answers], dtype=np.float32)
    if not np.isfinite(rows).all():
        raise ScorerError("a feature is not finite")
    return Features(names, digest, rows)


def verify_order(names: Sequence[str], digest: str) -> None:
    """Raises unless `digest` is that of `names` in this order.

    A forest fed with its columns in another order would answer with confidence, and wrongly.
    """
    listed = "".join(f"{name}\n" for name in names)
    candidates = (f"opspilot features {version}\n{listed}" for version in _VERSIONS)
    if not any(hashlib.sha256(candidate.encode()).hexdigest() == digest for candidate in candidates):
        raise ScorerError("the features are not listed in the order that their digest was taken over")
