"""Which program a command is about, so that no program is both learned from and tried on."""

import re
import zlib
from collections.abc import Iterator

# Words before a program: wrappers and the shell's own.
WRAPPERS = frozenset(
    "sudo doas env nohup nice ionice timeout time setsid stdbuf command builtin exec eval watch xargs busybox for "
    "while until if then do else elif in ! [ [[ done fi esac".split()
)
# Programs that mostly accompany another: a command is about them only where there is no other.
COMPANIONS = frozenset(
    "sh bash dash zsh ksh ash source . test true false cd echo printf cat tee read export local declare set unset "
    "alias trap sleep date ls mkdir touch exit return".split()
)
_SEGMENTS = re.compile(r"[;|&(){}<>`\"'\n]+|\$\(")
_PROGRAM = re.compile(r"[A-Za-z_.][\w.+-]*$")
# Options of wrappers whose value is the next word.
_TAKES_A_VALUE = frozenset("-u -g -n -t -k -p -I -P -s -H".split())


def program(command: str) -> str:
    """The base name of the first program that is no companion; else of the first companion."""
    named = [name for segment in _SEGMENTS.split(command) for name in _named(segment)]
    return next((name for name in named if name not in COMPANIONS), named[0] if named else "?")


def _named(segment: str) -> Iterator[str]:
    """The program of a simple command, if it has one: the first word that is neither wrapper, option nor assignment."""
    skip = False
    for word in segment.split():
        name = word.rsplit("/", 1)[-1]
        if skip or name in WRAPPERS or "=" in word or not _PROGRAM.match(name):
            skip = not skip and word in _TAKES_A_VALUE
            continue
        yield name
        return


def fold(name: str, folds: int, seed: int) -> int:
    """The fold that a name belongs to: the same wherever it appears."""
    return zlib.crc32(f"{seed}/{name}".encode()) % folds
