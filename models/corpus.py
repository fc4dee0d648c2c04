"""The training corpus: commands with a level, generated from templates, the same for the same seed.

A template is one line of `templates/FAMILY.txt`: a level and a command in which `{name}` stands for a value of the
vocabulary, `{a|b|c}` for one of the alternatives (a bar between two blanks is a pipe), and `%0A` for a newline. Every
line knows its template and its program, which rewriting does not change: no split of the data may part a program.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import obfuscation
import vocabulary
from programs import program

LEVELS = ("low", "medium", "high", "critical")
TEMPLATES = Path(__file__).parent / "templates"
SEED = 20261122

# Commands for one template, before other ways to write them. Benign work is what a bastion sees most of the day.
PER_TEMPLATE = {"low": 9, "medium": 8, "high": 5, "critical": 5}
# Commands for a template that holds for any program: so many programs are tried.
PER_ANY_TOOL = 20
# Other ways to write them, for one template.
PLAIN_VARIANTS = {"low": 3, "medium": 3, "high": 2, "critical": 2}
HIDDEN_VARIANTS = 2
# One benign template in so many is also written hidden: hiding is grave whatever is hidden.
HIDDEN_BENIGN_EVERY = 6
# Words from which on a command without a value of the vocabulary is a set phrase. Lists of commands to measure with are
# full of those (`git push --force`), so none is trained on alone.
SET_PHRASE = 3
# The slots whose values are nobody's own.
COMMON = {"n", "small", "root", "homeroot"}
COMPANY = (
    "cd {reldir} && CMD",
    "cd ~/{relname}; CMD",
    "CMD # {word} {n}",
    "CMD 2>> {relname}.err",
    "CMD && echo {word}",
    "echo {relname} {n}; CMD",
)

_SLOT = re.compile(r"(?<!\$)\{([a-z_0-9]+)\}")
_OPENING = re.compile(r"(?<!\$)\{(?! )")


@dataclass(frozen=True)
class Template:
    """One line of a family's file."""

    family: str
    number: int
    level: str
    text: str

    @property
    def group(self) -> str:
        """The name that all commands of the template share."""
        return f"{self.family}/{self.number}"


@dataclass(frozen=True)
class Line:
    """One labelled command; `program` is what it is about, however it is written."""

    cmd: str
    label: str
    family: str
    group: str
    program: str


def templates(directory: Path = TEMPLATES) -> list[Template]:
    """All templates, in the order of the files' names and lines."""
    found = []
    for path in sorted(directory.glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            level, _, text = line.partition(" ")
            if level not in LEVELS:
                raise ValueError(f"{path.name}:{number}: `{level}` is not a level")
            found.append(Template(path.stem, number, level, text.strip().replace("%0A", "\n")))
    return found


def generate(seed: int = SEED) -> list[Line]:
    """The whole corpus, without repetitions; where templates meet in one command, the graver level holds."""
    found = templates()
    dangers = _dangers(found, seed)
    lines: dict[str, Line] = {}
    for template in found:
        for line in _lines(template, dangers, seed):
            known = lines.get(line.cmd)
            if known is None or LEVELS.index(line.label) > LEVELS.index(known.label):
                lines[line.cmd] = line
    return list(lines.values())


def _lines(template: Template, dangers: list[str], seed: int) -> Iterator[Line]:
    """The commands of one template. They depend on the seed and the template alone, not on its neighbours."""
    rng = Random(f"{seed}/{template.family}/{template.text}")
    shown = _distinct(template, dangers, rng)
    sources = list(shown)

    def line(cmd: str, source: str, level: str = template.level) -> Line:
        return Line(cmd, level, template.family, template.group, program(source))

    for source, written in shown.items():
        yield line(written, source)
    if template.family == "mentions":
        return
    for _ in range(PLAIN_VARIANTS[template.level]):
        source = rng.choice(sources)
        yield line(obfuscation.rewrite(shown[source], obfuscation.PLAIN, rng), source)
    grave = template.level in ("high", "critical")
    if grave or rng.randrange(HIDDEN_BENIGN_EVERY) == 0:
        for _ in range(HIDDEN_VARIANTS if grave else 1):
            source = rng.choice(sources)
            written = obfuscation.rewrite(source, obfuscation.HIDING, rng)
            yield line(written, source, template.level if grave else "high")


def _distinct(template: Template, dangers: list[str], rng: Random) -> dict[str, str]:
    """Up to `PER_TEMPLATE` different fillings, and how each is shown; more where a template lists many alternatives."""
    wanted = max(PER_TEMPLATE[template.level], template.text.count("|"))
    if "{anytool}" in template.text or "{usualtool}" in template.text:
        wanted = max(wanted, PER_ANY_TOOL)
    found: dict[str, str] = {}
    for _ in range(4 * wanted):
        chosen = choose(template.text, rng)
        filled = _fill_slots(chosen, dangers, rng)
        values = set(_SLOT.findall(chosen)) & vocabulary.slot_names() - COMMON
        is_ours = bool(values) or len(filled.split()) < SET_PHRASE
        found.setdefault(filled, filled if is_ours else in_company(filled, rng))
    return dict(list(found.items())[:wanted])


def in_company(cmd: str, rng: Random) -> str:
    """A set phrase, which anybody writes alike, as one meets it in a longer line with words of our own."""
    if "\n" in cmd or cmd.startswith("#") or cmd.endswith("&"):
        return cmd
    return fill(rng.choice(COMPANY), [], rng).replace("CMD", cmd)


def fill(text: str, dangers: list[str], rng: Random) -> str:
    """`text` with a value for every slot and a choice from every list of alternatives."""
    return _fill_slots(choose(text, rng), dangers, rng)


def _fill_slots(text: str, dangers: list[str], rng: Random) -> str:
    def slot(match: re.Match[str]) -> str:
        name = match[1]
        if name == "danger":
            return rng.choice(dangers)
        return vocabulary.fill(name, rng) if name in vocabulary.slot_names() else match[0]

    return _SLOT.sub(slot, text)


def choose(text: str, rng: Random) -> str:
    """`text` with one of the alternatives of each list; an alternative may hold braces and lists itself."""
    begin = _OPENING.search(text)
    if not begin:
        return text
    end = _closing(text, begin.start())
    inside = text[begin.end() : end]
    options = _split(inside)
    if end == len(text) or len(options) == 1:
        return text[: begin.end()] + choose(text[begin.end() :], rng)
    return text[: begin.start()] + choose(rng.choice(options), rng) + choose(text[end + 1 :], rng)


def _closing(text: str, opening: int) -> int:
    """Where the brace that opens there is closed, or else the end."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)


def _split(inside: str) -> list[str]:
    """The alternatives in a pair of braces. A bar between two blanks is a pipe, and so is one in inner braces."""
    depth, options = 0, [""]
    for place, sign in enumerate(inside):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "|" and depth == 0 and inside[place - 1 : place + 2] != " | ":
            options.append("")
        else:
            options[-1] += sign
    return options


def _dangers(found: list[Template], seed: int) -> list[str]:
    """Grave commands that can be quoted within either kind of quotes."""
    rng = Random(f"{seed}/dangers")
    grave = [template for template in found if template.level in ("high", "critical")]
    filled = (fill(template.text, [], rng) for template in grave)
    return [cmd for cmd in filled if not any(sign in cmd for sign in "'\"`$\\!\n") and len(cmd) < 80]


def write(lines: Iterable[Line], path: Path) -> None:
    """Writes JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")


def main() -> None:
    """Writes the corpus to a file, or to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--output", type=Path, default=Path("/dev/stdout"))
    arguments = parser.parse_args()
    lines = generate(arguments.seed)
    write(lines, arguments.output)
    print(f"{len(lines)} commands", file=sys.stderr)


if __name__ == "__main__":
    main()
