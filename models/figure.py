"""`REPORT.svg`: confusion, calibration and importances as a picture, written by hand: the same everywhere."""

from collections.abc import Iterator
from typing import Any

from corpus import LEVELS

WIDTH, HEIGHT = 960, 420
SHOWN = 14
_STYLE = (
    "text{font:12px sans-serif;fill:#222}.t{font-size:14px;font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
)


def draw(card: dict[str, Any], importances: dict[str, float]) -> str:
    """The picture."""
    parts = [*_confusion(card["metrics"]["confusion"]), *_calibration(card["metrics"]["reliability"])]
    body = "\n".join([*parts, *_importances(importances)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{text}</text>'


def _confusion(counts: list[list[int]]) -> Iterator[str]:
    """Rows are what is, columns what was predicted; the darker, the larger the part of the row."""
    left, top, side = 70, 60, 56
    yield _text(left, 30, "Confusion: is, predicted as", "t")
    for i, row in enumerate(counts):
        yield _text(left - 8, top + i * side + 33, LEVELS[i], "e")
        yield _text(left + i * side + side / 2, top - 8, LEVELS[i], "m")
        for j, count in enumerate(row):
            share = count / max(sum(row), 1)
            x, y = left + j * side, top + i * side
            shade = f'fill="#27c" fill-opacity="{share:.3f}" stroke="#ccc"'
            yield f'<rect x="{x}" y="{y}" width="{side}" height="{side}" {shade}/>'
            yield _text(x + side / 2, y + 33, f"{share:.0%}", "m")


def _calibration(tenths: list[list[float]]) -> Iterator[str]:
    """What was said of high or critical against what was true."""
    left, top, side = 360, 60, 224
    yield _text(left, 30, "Calibration: said, true", "t")
    yield f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#ccc"/>'
    yield f'<line x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}" stroke="#ccc"/>'
    points = [(left + said * side, top + side - true * side) for said, true, _ in tenths]
    yield f'<polyline fill="none" stroke="#27c" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#27c"/>'
    for share in (0, 0.5, 1):
        yield _text(left + share * side, top + side + 18, f"{share:g}", "m")
        yield _text(left - 8, top + side - share * side + 4, f"{share:g}", "e")


def _importances(importances: dict[str, float]) -> Iterator[str]:
    """The features that the trees split by most."""
    left, top, width = 770, 60, 170
    yield _text(620, 30, "Importances: mean decrease in impurity", "t")
    ordered = sorted(importances.items(), key=lambda item: -item[1])[:SHOWN]
    for place, (name, value) in enumerate(ordered):
        y = top + place * 24
        yield _text(left - 8, y + 12, name, "e")
        yield f'<rect x="{left}" y="{y}" width="{width * value / ordered[0][1]:.1f}" height="16" fill="#27c"/>'
