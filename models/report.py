"""`REPORT.md`: the card's figures for people."""

from collections.abc import Sequence
from typing import Any

from corpus import LEVELS

IMPORTANCES_SHOWN = 20


def render(card: dict[str, Any], importances: dict[str, float], elsewhere: Sequence[dict[str, Any]]) -> str:
    """The report as Markdown."""
    sections = [_head(card), _by_level(card), _confusion(card), _importances(importances), _elsewhere(elsewhere)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(card: dict[str, Any]) -> str:
    training, metrics = card["training"], card["metrics"]
    flagged = metrics["flagged"]
    return f"""# The shipped forest

Written by `models/train`. Model `{card["model"]["sha256"][:12]}`, {card["model"]["bytes"]:,} bytes,
{training["trees"]} trees, {len(card["features"]["names"])} features (digest `{card["features"]["digest"][:12]}`).

Trained on {training["commands"]:,} generated commands from {training["groups"]:,} templates (seed {training["seed"]},
data `{training["data_digest"][:12]}`). The figures below are for commands of templates that the forest had not seen
({training["folds"]}-fold cross-validation by template): the corpus against itself, so an upper bound for the world
outside.

- accuracy {metrics["accuracy"]:.1%}, macro F1 {metrics["macro_f1"]:.3f}, Brier score {metrics["brier"]:.3f}
- flagged (high or critical): precision {flagged["precision"]:.1%}, recall {flagged["recall"]:.1%}"""


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


def _elsewhere(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = [
        f"| {r['file']} | {r['label']} | {r['commands']:,} | {r['rules']:.1%} | {r['joined']:.1%} | {r['forest']:.1%} |"
        for r in rows
    ]
    head = """## On commands from elsewhere

Real commands from public sources, which are not in this repository and were never trained on. Shares that are flagged
(high or critical): by the rules alone, by rules and forest joined as the daemon joins them, and by the forest if it
were asked alone.

| file | label | commands | rules | rules and forest | forest |
| --- | --- | --- | --- | --- | --- |"""
    return "\n".join([head, *lines])
