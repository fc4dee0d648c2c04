"""`REPORT.md`: the card's figures for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablation import BUDGET, RESAMPLES
from corpus import LEVELS
from joining import Bounds
from thresholds import LOWERING_MAY_COST, LOWERING_NEEDS, RAISING_MAY_COST, Choice, chosen

IMPORTANCES_SHOWN = 20
# The gain in recall that a forest must have to be worth its keep.
NEEDED = 0.03


@dataclass(frozen=True)
class Shown:
    """What the report is made of."""

    card: dict[str, Any]
    importances: dict[str, float]
    contests: Sequence[dict[str, Any]]
    raising: Sequence[Choice]
    lowering: Sequence[Choice]
    elsewhere: Sequence[dict[str, Any]]
    # Commands of the corpus that are measured on elsewhere too.
    common: int


def render(shown: Shown) -> str:
    """The report as Markdown."""
    card = shown.card
    sections = [
        _head(card),
        _by_level(card),
        _confusion(card),
        _calibration(card),
        _importances(shown.importances),
        _place(shown.contests),
        *map(_contest, shown.contests),
        _raising(shown.raising),
        _lowering(shown.lowering),
        _elsewhere(shown.elsewhere, shown.common),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(card: dict[str, Any]) -> str:
    training, metrics = card["training"], card["metrics"]
    flagged = metrics["flagged"]
    return f"""# The shipped forest

Written by `models/train`. Model `{card["model"]["sha256"][:12]}`, {card["model"]["bytes"]:,} bytes,
{training["trees"]} trees, {len(card["features"]["names"])} features (digest `{card["features"]["digest"][:12]}`).

Trained on {training["commands"]:,} generated commands about {training["programs"]:,} programs (seed {training["seed"]},
data `{training["data_digest"][:12]}`). The figures below are for commands of programs that the forest had not seen
({training["folds"]}-fold cross-validation by program), half of them with the rules silent, as if no rule knew them; the
corpus against itself is an upper bound for the world outside.

- accuracy {metrics["accuracy"]:.1%}, macro F1 {metrics["macro_f1"]:.3f}, Brier score {metrics["brier"]:.3f}
- flagged (high or critical): precision {flagged["precision"]:.1%}, recall {flagged["recall"]:.1%}

![Confusion, calibration and importances](REPORT.svg)"""


def _by_level(card: dict[str, Any]) -> str:
    rows = [
        f"| {level} | {m['precision']:.3f} | {m['recall']:.3f} | {m['f1']:.3f} | {m['support']:,} |"
        for level, m in card["metrics"]["levels"].items()
    ]
    return "\n".join(["| level | precision | recall | F1 | commands |", "| --- | --- | --- | --- | --- |", *rows])


def _confusion(card: dict[str, Any]) -> str:
    rows = [
        f"| **{level}** | " + " | ".join(f"{count:,}" for count in counts) + " |"
        for level, counts in zip(LEVELS, card["metrics"]["confusion"], strict=True)
    ]
    head = "| is, predicted as | " + " | ".join(LEVELS) + " |"
    return "\n".join(["## Confusion", "", head, "| --- " * (len(LEVELS) + 1) + "|", *rows])


def _importances(importances: dict[str, float]) -> str:
    top = sorted(importances.items(), key=lambda item: -item[1])[:IMPORTANCES_SHOWN]
    rows = [f"| {name} | {value:.3f} |" for name, value in top]
    return "\n".join(
        ["## What the forest looks at", "", "| feature | mean decrease in impurity |", "| --- | --- |", *rows]
    )


def _calibration(card: dict[str, Any]) -> str:
    rows = [f"| {said:.2f} | {true:.2f} | {count:,} |" for said, true, count in card["metrics"]["reliability"]]
    head = "## Calibration\n\nThe probability of high or critical, by tenths.\n\n| said | true | commands |"
    return "\n".join([head, "| --- | --- | --- |", *rows])


def _place(contests: Sequence[dict[str, Any]]) -> str:
    if not contests:
        return ""
    return f"""## Whether the forest earns its place

The rules are given. A forest is asked only about programs that it has not learned from; a command and its
rewritings have one program. Everything is a score: the rules' own, the joined one, the forest's probability of high or
critical, the same of a forest without the rules' features, and a logistic regression's on all features. Recall of
attacks is compared where the false positives on benign commands are equal; between two thresholds a line is drawn.
Intervals are of a paired bootstrap over programs, 95%, {RESAMPLES} draws. The verdict is on {BUDGET:.0%} of false
positives, the budget for everyday work; the other rates are shown beside it. The corpus was written for training: in
part after reading what kinds of attack the rules missed elsewhere, and its labels were corrected where a false positive
of the rules showed a benign label to be wrong. Commands from elsewhere were known to the rules' authors."""


def _contest(contest: dict[str, Any]) -> str:
    rates = contest["rates"]
    head = "| score | " + " | ".join(f"{rate:.2%}" for rate in rates) + " | false positives at the rules' recall |"
    rows = [
        f"| {name} | " + " | ".join(f"{value:.1%}" for value in values) + f" | {contest['alarms'][name]:.2%} |"
        for name, values in contest["recall"].items()
    ]
    spans = [f"{low * 100:+.1f} to {high * 100:+.1f}" for low, high in contest["gain"]["recall"]]
    fewer = "{:.0%} to {:.0%} fewer".format(*contest["gain"]["alarms"])
    rows.append("| joined against rules, points | " + " | ".join(spans) + f" | {fewer} |")
    flagged = ", ".join(f"{name} {alarms:.2%} and {hits:.1%}" for name, (alarms, hits) in contest["flagged"].items())
    return "\n".join(
        [
            f"### {contest['name'].capitalize()}",
            "",
            f"{contest['grave']:,} attacks, {contest['benign']:,} benign commands, {contest['programs']:,} programs.",
            f"The first rate is that of the rules as they flag. Flagged, benign and attacks: {flagged}.",
            "",
            f"**{_verdict(contest)}**",
            "",
            head,
            "| --- " * (len(rates) + 2) + "|",
            *rows,
        ]
    )


def _verdict(contest: dict[str, Any]) -> str:
    place = contest["rates"].index(BUDGET)
    gain = contest["recall"]["joined"][place] - contest["recall"]["rules"][place]
    low, high = contest["gain"]["recall"][place]
    figures = (
        f"{gain * 100:+.1f} points of recall at {BUDGET:.0%} of false positives, {low * 100:+.1f} to {high * 100:+.1f}"
    )
    return (
        f"It earns its place: {figures}." if gain >= NEEDED and low > 0 else f"It does not earn its place: {figures}."
    )


def _raising(choices: Sequence[Choice]) -> str:
    if not choices:
        return ""
    said = _said(chosen(choices, RAISING_MAY_COST), Bounds().raises_from)
    head = f"""## From where the forest may raise

For each probability, on programs of the corpus that the forest has not learned from: the grave commands that are
flagged only because it raises, and the benign ones. The rule: the lowest from which on raising adds at most
{RAISING_MAY_COST:.1%} of false positives, a tenth of what everyday work may have.
{said} `model_raises_from` in `[risk]` changes it.

| from | recall added | false positives added | benign |"""
    return _choices(head, choices)


def _lowering(choices: Sequence[Choice]) -> str:
    if not choices:
        return ""
    said = _said(chosen(choices, LOWERING_MAY_COST, LOWERING_NEEDS), Bounds().lowers_from)
    head = f"""## From where it may lower

The commands that it lowers, of those that the rules place too high within what it may lower; and the share of high
and critical ones among all that it lowers. The rule: the lowest from which on that is at most {LOWERING_MAY_COST:.0%},
told by {LOWERING_NEEDS} lowered commands or more.
{said} `model_lowers_from` in `[risk]` changes it.

| from | rightly lowered | grave among the lowered | lowered |"""
    return _choices(head, choices)


def _said(found: float | None, default: float) -> str:
    if found is None:
        return f"No probability meets it; the default, {default}, is a cautious one."
    return f"It says {found}" + (", the default." if found == default else f"; the default is {default}.")


def _choices(head: str, choices: Sequence[Choice]) -> str:
    rows = [f"| {c.confidence:.2f} | {c.gain:.1%} | {c.cost:.2%} | {c.of:,} |" for c in choices]
    return "\n".join([head, "| --- | --- | --- | --- |", *rows])


def _elsewhere(rows: Sequence[dict[str, Any]], common: int) -> str:
    if not rows:
        return ""
    lines = [
        f"| {r['file']} | {r['label']} | {r['commands']:,} | {r['rules']:.1%} | {r['joined']:.1%} | {r['forest']:.1%} |"
        for r in rows
    ]
    head = f"""## On commands from elsewhere

Real commands from public sources, which are not in this repository and were never trained on, but for {common} of the
generated commands that are in them too: all have one or two words, as `git status` has. A longer one fails the
training. Shares that are flagged (high or critical): by the rules alone, by rules and forest joined as the daemon joins
them, and by the forest if it were asked alone.

| file | label | commands | rules | rules and forest | forest |
| --- | --- | --- | --- | --- | --- |"""
    return "\n".join([head, *lines])
