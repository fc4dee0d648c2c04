"""The training corpus: commands with a level, generated from templates, the same for the same seed.

A template is one line of `templates/FAMILY.txt`: a level and a command in which `{name}` stands for a value of the
vocabulary, `{a|b|c}` for one of the alternatives, and `%0A` for a newline. All that comes from one template is one
group: no split of the data may part it.
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

LEVELS = ("low", "medium", "high", "critical")
TEMPLATES = Path(__file__).parent / "templates"
SEED = 20261122

# Commands for one template, before other ways to write them. Benign work is what a bastion sees most of the day.
PER_TEMPLATE = {"low": 9, "medium": 8, "high": 5, "critical": 5}
# Other ways to write them, for one template.
PLAIN_VARIANTS = {"low": 3, "medium": 3, "high": 2, "critical": 2}
HIDDEN_VARIANTS = 2
# One benign template in so many is also written hidden: hiding is grave whatever is hidden.
HIDDEN_BENIGN_EVERY = 6

_SLOT = re.compile(r"(?<!\$)\{([a-z_0-9]+)\}")
_ALTERNATIVES = re.compile(r"(?<!\$)\{(?! )([^{}]*\|[^{}]*)\}")


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
    """One labelled command."""

    cmd: str
    label: str
    family: str
    group: str


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
    plain = _distinct(template, dangers, rng)
    for cmd in plain:
        yield Line(cmd, template.level, template.family, template.group)
    if template.family == "mentions":
        return
    for _ in range(PLAIN_VARIANTS[template.level]):
        cmd = obfuscation.rewrite(rng.choice(plain), obfuscation.PLAIN, rng)
        yield Line(cmd, template.level, template.family, template.group)
    grave = template.level in ("high", "critical")
    if grave or rng.randrange(HIDDEN_BENIGN_EVERY) == 0:
        for _ in range(HIDDEN_VARIANTS if grave else 1):
            cmd = obfuscation.rewrite(rng.choice(plain), obfuscation.HIDING, rng)
            yield Line(cmd, template.level if grave else "high", template.family, template.group)


def _distinct(template: Template, dangers: list[str], rng: Random) -> list[str]:
    """Up to `PER_TEMPLATE` different fillings; more where a template lists many alternatives."""
    wanted = max(PER_TEMPLATE[template.level], template.text.count("|"))
    fillings = (fill(template.text, dangers, rng) for _ in range(4 * wanted))
    return list(dict.fromkeys(fillings))[:wanted]


def fill(text: str, dangers: list[str], rng: Random) -> str:
    """`text` with a value for every slot and a choice from every list of alternatives."""

    def slot(match: re.Match[str]) -> str:
        name = match[1]
        if name == "danger":
            return rng.choice(dangers)
        return vocabulary.fill(name, rng) if name in vocabulary.slot_names() else match[0]

    filled = _SLOT.sub(slot, text) if "{danger}" not in text else text
    filled = _ALTERNATIVES.sub(lambda match: rng.choice(match[1].split("|")), filled)
    return _SLOT.sub(slot, filled)


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
