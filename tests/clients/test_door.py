"""The doors: what a client may ask for, by who asks, when, and on which channel. Nothing passes that should not."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from raw import (
    CLOSE,
    DATA,
    EOF,
    FAILURE,
    GLOBAL_REQUEST,
    OPEN_CONFIRMATION,
    OPEN_FAILURE,
    REQUEST_FAILURE,
    REQUEST_SUCCESS,
    Raw,
)
from stage import Bastion, Target, eventually

# All that a client may ask for.
KINDS = [
    "exec",
    "shell",
    "sftp",
    "scp",
    "direct-tcpip",
    "streamlocal",
    "remote-forward",
    "x11",
    "agent",
    "environment",
]

# What leaves a row where it is denied; the others are parts of what runs.
ON_RECORD = {"exec", "shell", "sftp", "scp", "direct-tcpip", "streamlocal", "remote-forward"}

# Asked for without a session channel of its own.
WITHOUT_CHANNEL = {"direct-tcpip", "streamlocal", "remote-forward"}


@dataclass
class Mark:
    """What shows that something has passed: a file on the target, or a connection that was made there."""

    file: Path
    tcp: socket.socket
    unix: socket.socket

    def left(self) -> bool:
        return self.file.exists() or connected(self.tcp) or connected(self.unix)


def connected(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Mark]:
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        for listener in (tcp, unix):
            listener.setblocking(False)
        yield Mark(tmp_path / "mark", tcp, unix)


def run(raw: Raw, channel: int, command: str) -> None:
    raw.request("exec", command, channel=channel)


def use_exec(raw: Raw, channel: int, mark: Mark) -> None:
    run(raw, channel, f"touch {mark.file}")


def use_shell(raw: Raw, channel: int, mark: Mark) -> None:
    raw.request("shell", channel=channel)
    raw.send(DATA, channel, f"touch {mark.file}; exit\n")
    raw.send(EOF, channel)


def use_sftp(raw: Raw, channel: int, mark: Mark) -> None:
    raw.request("subsystem", "sftp", channel=channel)
    path = str(mark.file).encode()
    make_directory = b"\x0e" + (1).to_bytes(4, "big") + len(path).to_bytes(4, "big") + path + b"\0\0\0\0"
    for packet in (b"\x01\0\0\0\x03", make_directory):
        raw.send(DATA, channel, len(packet).to_bytes(4, "big") + packet)
    raw.send(EOF, channel)


def use_scp(raw: Raw, channel: int, mark: Mark) -> None:
    run(raw, channel, f"scp -t {mark.file}")
    raw.send(DATA, channel, b"C0644 0 mark\n\0")
    raw.send(EOF, channel)


def use_x11(raw: Raw, channel: int, mark: Mark) -> None:
    raw.request("x11-req", False, "MIT-MAGIC-COOKIE-1", "00" * 16, 0, channel=channel)
    run(raw, channel, f'test -n "$DISPLAY" && touch {mark.file}')


def use_agent(raw: Raw, channel: int, mark: Mark) -> None:
    raw.request("auth-agent-req@openssh.com", channel=channel)
    run(raw, channel, f'test -S "$SSH_AUTH_SOCK" && touch {mark.file}')


def use_environment(raw: Raw, channel: int, mark: Mark) -> None:
    raw.request("env", "LC_MARK", "set", channel=channel)
    run(raw, channel, f'test "$LC_MARK" = set && touch {mark.file}')


ON_CHANNEL: dict[str, Callable[[Raw, int, Mark], None]] = {
    "exec": use_exec,
    "shell": use_shell,
    "sftp": use_sftp,
    "scp": use_scp,
    "x11": use_x11,
    "agent": use_agent,
    "environment": use_environment,
}


def use_without_channel(raw: Raw, kind: str, mark: Mark) -> None:
    port = mark.tcp.getsockname()[1]
    match kind:
        case "direct-tcpip":
            raw.open(kind, "127.0.0.1", port, "127.0.0.1", 1)
        case "streamlocal":
            raw.open("direct-streamlocal@openssh.com", mark.unix.getsockname(), "", 0)
        case _:
            raw.send(GLOBAL_REQUEST, "tcpip-forward", True, "127.0.0.1", 0)


def ask(raw: Raw, kind: str, mark: Mark) -> bool:
    """Asks for it in the right order, and says whether it passed."""
    if kind in WITHOUT_CHANNEL:
        use_without_channel(raw, kind, mark)
        assert raw.wait(OPEN_CONFIRMATION, OPEN_FAILURE, REQUEST_SUCCESS, REQUEST_FAILURE)
        if raw.count(OPEN_CONFIRMATION):
            eventually("a connection to be made, or not", lambda: mark.left() or raw.count(CLOSE))
        return bool(raw.count(OPEN_CONFIRMATION, REQUEST_SUCCESS))
    channel = raw.opened()
    assert channel is not None
    ON_CHANNEL[kind](raw, channel, mark)
    assert raw.wait(CLOSE), "the channel ends in any case"
    return mark.left()


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_do_everything_gets_what_there_is(bastion: Bastion, mark: Mark, kind: str) -> None:
    raw = Raw(bastion, "alice")
    assert ask(raw, kind, mark)
    raw.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_policy_does_not_list_does_not_pass(bastion: Bastion, target: Target, mark: Mark, kind: str) -> None:
    sessions, rows = target.sessions(), len(bastion.rows("user_id = 'bob'"))
    raw = Raw(bastion, "bob")
    assert not ask(raw, kind, mark)
    raw.close()
    assert not mark.left()
    assert target.sessions() == sessions, "the target was asked for nothing"
    if kind in ON_RECORD:
        (row,) = bastion.rows("user_id = 'bob'")[rows:]
        assert row["state"] == "denied"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_passes_before_authentication(bastion: Bastion, target: Target, mark: Mark, kind: str) -> None:
    sessions = target.sessions()
    raw = Raw(bastion, authenticate=False)
    try:
        if kind in WITHOUT_CHANNEL:
            use_without_channel(raw, kind, mark)
        else:
            raw.open()
            for channel in range(4):
                ON_CHANNEL[kind](raw, channel, mark)
        # What was only kept for later would run now.
        raw.authenticate()
        channel = raw.opened()
        if channel is not None:
            run(raw, channel, "true")
            raw.wait(CLOSE)
            sessions += 1
    except (EOFError, OSError, raw.refusals):
        pass
    assert not raw.count(OPEN_CONFIRMATION, REQUEST_SUCCESS) or target.sessions() == sessions
    raw.close()
    assert not mark.left()
    bastion.assert_sound()


@pytest.mark.parametrize("kind", ON_CHANNEL)
@pytest.mark.parametrize("first", ["nothing", "a refused channel", "a closed channel"])
def test_nothing_passes_on_a_channel_that_is_not_open(
    bastion: Bastion, target: Target, mark: Mark, kind: str, first: str
) -> None:
    sessions = target.sessions()
    raw = Raw(bastion)
    if first == "a refused channel":
        raw.open("no-such-kind")
        assert raw.wait(OPEN_FAILURE)
    if first == "a closed channel":
        channel = raw.opened()
        raw.send(CLOSE, channel or 0)
        assert raw.wait(CLOSE)
    try:
        for channel in (0, 1, 2, 3, 4, 2**32 - 1):
            ON_CHANNEL[kind](raw, channel, mark)
        channel = raw.opened()
        if channel is not None:
            run(raw, channel, "true")
            raw.wait(CLOSE, count=1 + (first == "a closed channel"))
            sessions += 1
    except (EOFError, OSError, raw.refusals):
        pass
    raw.close()
    assert not mark.left()
    assert target.sessions() <= sessions, "the target was asked for nothing else"


@pytest.mark.parametrize("variable", ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PROMPT_COMMAND", "PS1"])
def test_variables_that_run_something_never_pass(bastion: Bastion, variable: str) -> None:
    raw = Raw(bastion)
    channel = raw.opened()
    assert channel is not None
    raw.request("env", variable, "marked", channel=channel)
    assert raw.wait(FAILURE)
    run(raw, channel, f"printenv {variable}")
    assert raw.wait(CLOSE)
    assert "marked" not in raw.text()
    raw.close()
