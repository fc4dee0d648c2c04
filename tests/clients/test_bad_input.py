"""Input that no well-meaning client sends: bounded, clear, and on record where a user was involved."""

import contextlib
import socket

import pytest

from raw import CLOSE, DATA, EOF, FAILURE, OPEN_CONFIRMATION, OPEN_FAILURE, SUCCESS, Raw
from stage import Bastion, Target, eventually

MAX_CHANNELS = 64
MAX_VARIABLES = 128


def opened(raw: Raw) -> int:
    channel = raw.opened()
    assert channel is not None
    return channel


def test_a_client_that_opens_ten_thousand_channels_gets_some_and_is_served(bastion: Bastion) -> None:
    raw = Raw(bastion)
    for _ in range(10_000):
        raw.open()
    assert raw.wait(OPEN_CONFIRMATION, OPEN_FAILURE, count=10_000)
    assert raw.count(OPEN_CONFIRMATION) == MAX_CHANNELS
    first = min(int.from_bytes(content[4:8], "big") for number, content in raw.heard if number == OPEN_CONFIRMATION)
    raw.request("exec", "echo here", channel=first)
    assert raw.wait(CLOSE)
    assert "here" in raw.text()
    raw.close()
    bastion.assert_sound()


def test_a_hundred_thousand_variables_are_cut_short(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = opened(raw)
    for number in range(100_000):
        raw.request("env", f"LC_{number}", "x", channel=channel, reply=False)
    raw.request("exec", "printenv | grep -c ^LC_", channel=channel)
    assert raw.wait(CLOSE)
    assert raw.text().endswith(f"{MAX_VARIABLES}\n"), raw.text()
    raw.close()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("exec", ["x" * 200_000]),
        ("exec", [b"\xff\x00\x1b[2J" * 1_000]),
        ("exec", [""]),
        ("subsystem", ["s" * 200_000]),
        ("env", ["LC_" + "n" * 100_000, "v" * 100_000]),
        ("pty-req", ["t" * 200_000, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, b"\xff" * 1_000]),
        ("window-change", [2**32 - 1, 0, 0, 0]),
        ("signal", ["S" * 200_000]),
        ("x11-req", [True, "p" * 100_000, "c" * 100_000, 2**32 - 1]),
        ("no-such-request", ["?"]),
        ("exec", []),
    ],
)
def test_strings_of_any_length_and_content_are_survived(
    bastion: Bastion, kind: str, fields: list[str | bytes | int]
) -> None:
    raw = Raw(bastion)
    try:
        channel = opened(raw)
        raw.request(kind, *fields, channel=channel)
        raw.request("exec", "true", channel=channel)
        raw.wait(SUCCESS, FAILURE, CLOSE)
    except (EOFError, OSError, raw.refusals):
        pass
    raw.close()
    bastion.assert_sound()


def test_a_packet_beyond_the_limit_ends_the_connection(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = opened(raw)
    with contextlib.suppress(EOFError, OSError, raw.refusals):
        raw.send(DATA, channel, b"x" * 1_000_000)
    eventually("the connection to be ended", raw.over)
    bastion.assert_sound()


def test_data_beyond_the_window_is_bounded(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = opened(raw)
    try:
        for _ in range(200):
            raw.send(DATA, channel, b"x" * 32_768)
        raw.request("exec", "wc -c", channel=channel)
        raw.send(EOF, channel)
        raw.wait(CLOSE)
    except (EOFError, OSError, raw.refusals):
        pass
    raw.close()
    bastion.assert_sound()


def test_one_channel_runs_one_program(bastion: Bastion, target: Target) -> None:
    sessions = target.sessions()
    raw = Raw(bastion)
    channel = opened(raw)
    raw.request("exec", "cat; echo first", channel=channel)
    for kind, fields in [("exec", ["echo second"]), ("shell", []), ("subsystem", ["sftp"]), ("env", ["LC_X", "late"])]:
        raw.request(kind, *fields, channel=channel)
    raw.request("pty-req", "xterm", 80, 24, 0, 0, b"\0", channel=channel)
    assert raw.wait(FAILURE, count=5)
    raw.send(EOF, channel)
    assert raw.wait(CLOSE)
    assert raw.text().count("first") == 1
    assert "second" not in raw.text()
    assert target.sessions() == sessions + 1
    raw.close()


def test_what_comes_before_the_request_and_after_the_end_does_no_harm(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = opened(raw)
    raw.request("window-change", 1, 1, 0, 0, channel=channel)
    raw.request("signal", "TERM", channel=channel)
    raw.send(DATA, channel, b"typed before\n")
    raw.send(EOF, channel)
    raw.request("exec", "cat", channel=channel)
    assert raw.wait(CLOSE)
    assert raw.text() == "", "as with any server, nobody reads what comes before there is a program"
    for _ in range(2):
        raw.send(CLOSE, channel)
        raw.send(DATA, channel, b"late")
        raw.send(EOF, channel)
    raw.close()
    bastion.assert_sound()


def test_a_target_that_drops_in_the_middle_is_said_and_recorded(bastion: Bastion) -> None:
    answer = bastion.ssh("alice@web-1", 'echo here; kill -KILL "$(ps -o ppid= -p $$)"; sleep 60')
    assert (answer.returncode, answer.stdout) == (255, "here\n"), answer
    assert "opspilot:" in answer.stderr, answer
    (row,) = bastion.rows("command LIKE 'echo here; kill%'")
    assert row["state"] == "interrupted", dict(row)
    assert row["exit_code"] is None


def test_input_that_has_ended_does_not_end_the_output(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = opened(raw)
    raw.request("exec", "cat; sleep 1; echo after; exit 7", channel=channel)
    raw.send(DATA, channel, b"before ")
    raw.send(EOF, channel)
    assert raw.wait(CLOSE)
    assert "before " in raw.text()
    assert "after" in raw.text()
    exits = [content for number, content in raw.heard if b"exit-status" in content]
    assert exits[0].endswith((7).to_bytes(4, "big"))
    raw.close()


def test_a_connection_that_is_half_closed_ends_what_runs(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = opened(raw)
    raw.request("exec", "echo half; sleep 60", channel=channel)
    assert raw.wait(DATA)
    raw.transport.sock.shutdown(socket.SHUT_WR)
    eventually("the connection to be ended", raw.over)
    (row,) = eventually("the row to be final", lambda: bastion.rows("command LIKE 'echo half%' AND state <> 'running'"))
    assert row["state"] == "interrupted", dict(row)


def test_a_client_that_stands_still_is_not_waited_for(bastion: Bastion) -> None:
    """Its output is held back by its window; the rest of the bastion goes on, and its end ends what runs."""
    raw = Raw(bastion)
    raw.request("exec", "yes still | head -c 50000000", channel=opened(raw))
    assert raw.wait(DATA)
    bastion.assert_sound()
    raw.close()
    (row,) = eventually("the row to be final", lambda: bastion.rows("command LIKE 'yes still%' AND state <> 'running'"))
    assert row["state"] in {"interrupted", "finished"}, dict(row)


def test_a_user_name_of_any_length_is_survived(bastion: Bastion) -> None:
    for name in ("x" * 200_000, "alice@\0", "\x1b[2J", "alice" + "@" * 10_000):
        raw = Raw(bastion, authenticate=False)
        with pytest.raises((EOFError, OSError, raw.refusals)):
            raw.authenticate(name)
        raw.close()
    bastion.assert_sound()
