"""One target and one bastion for all tests that need no other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stage import Bastion, Target


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    served = Target(tmp_path_factory.mktemp("target"))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def bastion(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bastion]:
    served = Bastion(tmp_path_factory.mktemp("bastion"), target)
    yield served
    assert served.stop() == 0, served.log()
    assert "panicked" not in served.log(), served.log()


@pytest.fixture
def start(target: Target, tmp_path: Path) -> Iterator[Callable[..., Bastion]]:
    """Starts a bastion with more lines in `[server]`, more tables and more arguments."""
    started: list[Bastion] = []

    def start_one(server: str, more: str = "", *arguments: str) -> Bastion:
        started.append(Bastion(tmp_path, target, server, more, *arguments))
        return started[-1]

    yield start_one
    for bastion in started:
        bastion.stop()
