"""What others were found to be vulnerable to, tried once the connection is encrypted (docs/cve.md)."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest
from paramiko.common import MSG_CHANNEL_OPEN

from raw import (
    ANSWERS,
    AUTH_FAILURE,
    AUTH_REQUEST,
    AUTH_SUCCESS,
    CLOSE,
    KEY_OK,
    OPEN_CONFIRMATION,
    OPEN_FAILURE,
    QUESTIONS,
    WINDOW_ADJUST,
    Field,
    Raw,
    message,
)
from stage import LOGIN, PASSWORD, Bastion, Target, eventually, make_key

# So that failures, which are the point here, keep nobody out.
LENIENT = 'auth_penalty_max = "0s"\nlogin_grace = "10m"'

# What the bastion says to an attempt.
TELLING = (AUTH_FAILURE, AUTH_SUCCESS, KEY_OK)

MEBIBYTE = 2**20

# The modes of a terminal that the SSH library keeps.
MODES = 130


@pytest.fixture
def lenient(start: Callable[..., Bastion], tmp_path: Path) -> Bastion:
    """Where `dave` needs a code behind his key."""
    secret = tmp_path / "secret"
    secret.write_text("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n")
    secret.chmod(0o600)
    dave = f"""
            [[users]]
            name = "dave"
            authorized_keys = ["{make_key(tmp_path / "dave")}"]
            totp_secret_file = "{secret}"
            require = ["publickey", "totp"]
            """
    return start(LENIENT, dave)


def attempt(raw: Raw, name: str, method: str, *fields: Field) -> int | None:
    """What the bastion says to an attempt: the number of its message; none where it ends the connection."""
    return said(raw, AUTH_REQUEST, name, "ssh-connection", method, *fields)


def answer(raw: Raw, *answers: str) -> int | None:
    return said(raw, ANSWERS, len(answers), *answers)


def hung_up_on(raw: Raw) -> contextlib.AbstractContextManager[None]:
    """What the bastion has heard enough of by then need not be said."""
    return contextlib.suppress(EOFError, OSError, raw.refusals)


def said(raw: Raw, number: int, *fields: Field) -> int | None:
    before = raw.count(*TELLING)
    with hung_up_on(raw):
        raw.send(number, *fields)
    if not raw.wait(*TELLING, count=before + 1):
        return None
    return [heard for heard, _ in raw.heard if heard in TELLING][before]


def last(raw: Raw) -> bytes:
    """What was said last of an attempt."""
    return [content for heard, content in raw.heard if heard in TELLING][-1]


def assert_stands_outside(raw: Raw) -> None:
    """Nothing that was said has let anybody in; what is asked for is passed over, and the door stays where it is."""
    with hung_up_on(raw):
        raw.open()
    assert attempt(raw, "nobody", "none") in {AUTH_FAILURE, None}
    assert not raw.count(AUTH_SUCCESS, OPEN_CONFIRMATION)
    raw.close()


def key_of(raw: Raw) -> paramiko.Ed25519Key:
    return paramiko.Ed25519Key.from_private_key_file(raw.bastion.key(raw.user))


def signed(
    raw: Raw, name: str, key: paramiko.PKey, *, session: bytes | None = None, by: paramiko.PKey | None = None
) -> tuple[Field, ...]:
    """The fields of an attempt with a signature: of this session, by this key, unless others are given."""
    return signed_as("ssh-ed25519", key.asbytes(), session or raw.transport.session_id, name, by or key)


def signed_as(algorithm: str, blob: bytes, session: bytes, name: str, by: paramiko.PKey) -> tuple[Field, ...]:
    fields = (True, algorithm, blob)
    over = message(AUTH_REQUEST, name, "ssh-connection", "publickey", *fields).asbytes()
    return (*fields, by.sign_ssh_data(text(session) + over, "ssh-ed25519").asbytes())


def text(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def test_a_key_that_is_only_offered_lets_nobody_in(lenient: Bastion) -> None:
    raw = Raw(lenient, by_hand=True)
    key = key_of(raw)
    assert attempt(raw, "alice@web-1", "publickey", False, "ssh-ed25519", key.asbytes()) == KEY_OK
    assert_stands_outside(raw)
    lenient.assert_sound()


def test_only_the_signature_of_that_key_in_that_session_for_that_name_lets_in(lenient: Bastion) -> None:
    raw = Raw(lenient, by_hand=True)
    key, name = key_of(raw), "alice@web-1"
    others = paramiko.Ed25519Key.from_private_key_file(lenient.key("bob"))
    elsewhere = Raw(lenient, by_hand=True)
    whole = signed(raw, name, key)
    for fields in [
        (*whole[:3], b""),
        (*whole[:3], b"\0" * 83),
        signed(raw, name, key, by=others),
        signed(elsewhere, name, key),
        signed(raw, "bob@web-1", key),
    ]:
        assert attempt(raw, name, "publickey", *fields) in {AUTH_FAILURE, None}
        if raw.over():
            raw = Raw(lenient, by_hand=True)
    raw = Raw(lenient, by_hand=True)
    assert attempt(raw, name, "publickey", *signed(raw, name, key)) == AUTH_SUCCESS
    for one in (raw, elsewhere):
        one.close()
    lenient.assert_sound()


def test_no_code_is_asked_for_before_the_key_has_been_proved(lenient: Bastion) -> None:
    raw = Raw(lenient, "dave", by_hand=True)
    key = key_of(raw)
    assert attempt(raw, "dave", "publickey", False, "ssh-ed25519", key.asbytes()) == KEY_OK
    # Others may have a password, so that something is asked of everybody; but nothing that is answered counts for dave.
    if attempt(raw, "dave", "keyboard-interactive", "", "") == QUESTIONS:
        assert b"code" not in last(raw)
        assert answer(raw, "000000") != AUTH_SUCCESS
    assert attempt(raw, "dave", "publickey", *signed(raw, "dave", key)) == AUTH_FAILURE
    assert last(raw).endswith(b"\x01"), "it counts, and more is needed"
    assert attempt(raw, "dave", "keyboard-interactive", "", "") == QUESTIONS
    assert b"code" in last(raw)
    assert_stands_outside(raw)
    lenient.assert_sound()


CERTIFIED = "ssh-ed25519-cert-v01@openssh.com"


def certificate(key: paramiko.PKey, name: str, signer: bytes, by: paramiko.PKey) -> bytes:
    """A user certificate of a key for a name, always valid, that says it was signed by `signer`, and was by `by`."""
    public = key.asbytes()[4 + len("ssh-ed25519") :]
    parts = [text(CERTIFIED.encode()), text(b"nonce"), public, bytes(8), (1).to_bytes(4, "big"), text(b"id")]
    parts += [text(text(name.encode())), bytes(8), b"\xff" * 8, text(b""), text(b""), text(b""), text(signer)]
    whole = b"".join(parts)
    return whole + text(by.sign_ssh_data(whole, "ssh-ed25519").asbytes())


def test_a_certificate_is_no_ca_and_neither_is_who_holds_one(start: Callable[..., Bastion], tmp_path: Path) -> None:
    erin = f"""
            [[users]]
            name = "erin"
            trusted_user_ca = ["{make_key(tmp_path / "ca")}"]
            """
    bastion = start(LENIENT, erin)
    ca, bobs = (paramiko.Ed25519Key.from_private_key_file(bastion.key(name)) for name in ("ca", "bob"))
    of_bob = certificate(bobs, "bob", ca.asbytes(), ca)

    def came_to(blob: bytes) -> int | None:
        raw = Raw(bastion, by_hand=True)
        fields = signed_as(CERTIFIED, blob, raw.transport.session_id, "erin", bobs)
        told = attempt(raw, "erin", "publickey", *fields)
        raw.close()
        return told

    assert came_to(certificate(bobs, "erin", ca.asbytes(), ca)) == AUTH_SUCCESS, "one by the CA, for her"
    for forged in [
        of_bob,
        certificate(bobs, "erin", of_bob, bobs),
        certificate(bobs, "erin", bobs.asbytes(), bobs),
        certificate(bobs, "erin", ca.asbytes(), bobs),
    ]:
        assert came_to(forged) in {AUTH_FAILURE, None}
    bastion.assert_sound()


@pytest.mark.parametrize(("name", "method"), [("alice", "none"), ("bob@web-1", "keyboard-interactive")])
def test_an_answer_counts_for_who_was_asked_and_for_nobody_else(lenient: Bastion, name: str, method: str) -> None:
    raw = Raw(lenient, by_hand=True)
    assert attempt(raw, "carol", "keyboard-interactive", "", "") == QUESTIONS
    attempt(raw, name, method, *([] if method == "none" else ["", ""]))
    answer(raw, PASSWORD)
    assert_stands_outside(raw)
    raw = Raw(lenient, by_hand=True)
    assert attempt(raw, "carol", "keyboard-interactive", "", "") == QUESTIONS
    assert answer(raw, PASSWORD) == AUTH_SUCCESS, "hers, where she was asked"
    raw.close()
    lenient.assert_sound()


@pytest.mark.parametrize("count", [2**28, 2**31, 2**32 - 1])
def test_a_count_of_answers_is_not_believed(lenient: Bastion, count: int) -> None:
    lenient.assert_sound()
    before = lenient.resident()
    for _ in range(5):
        raw = Raw(lenient, by_hand=True)
        assert attempt(raw, "carol", "keyboard-interactive", "", "") == QUESTIONS
        assert said(raw, ANSWERS, count) != AUTH_SUCCESS
        raw.close()
    lenient.assert_sound()
    assert lenient.resident() - before < 64 * MEBIBYTE


def test_a_window_that_is_opened_too_far_harms_nobody(bastion: Bastion) -> None:
    raw = Raw(bastion)
    channel = raw.opened()
    assert channel is not None
    with hung_up_on(raw):
        for _ in range(3):
            raw.send(WINDOW_ADJUST, channel, 2**32 - 1)
        raw.request("exec", "echo here", channel=channel)
    raw.wait(CLOSE)
    raw.close()
    bastion.assert_sound()


@pytest.mark.parametrize("records", [MODES, MODES + 1, 5_000])
def test_more_terminal_modes_than_there_are_harm_nobody(bastion: Bastion, records: int) -> None:
    raw = Raw(bastion)
    channel = raw.opened()
    assert channel is not None
    modes = b"".join(b"\x35" + (1).to_bytes(4, "big") for _ in range(records)) + b"\0"
    with hung_up_on(raw):
        raw.request("pty-req", "xterm", 80, 24, 0, 0, modes, channel=channel)
        raw.request("exec", "echo here", channel=channel)
    # Nobody has more than there are: who says so may be hung up on.
    assert raw.wait(CLOSE) or records > MODES
    raw.close()
    bastion.assert_sound()


def test_who_takes_packets_of_no_size_is_not_waited_for(bastion: Bastion) -> None:
    raw = Raw(bastion)
    raw.send(MSG_CHANNEL_OPEN, "session", 0, 2**20, 0)
    if raw.wait(OPEN_CONFIRMATION, OPEN_FAILURE) and raw.count(OPEN_CONFIRMATION):
        raw.request("exec", "echo unheard", channel=2)
        raw.wait(CLOSE)
    raw.close()
    bastion.assert_sound()
    held = "command = 'echo unheard' AND state IN ('held', 'running')"
    eventually("nothing to be left running", lambda: not bastion.rows(held))


@pytest.mark.parametrize("field", ["a user name", "a service", "a method"])
def test_a_length_within_a_message_is_not_believed(lenient: Bastion, field: str) -> None:
    lenient.assert_sound()
    before = lenient.resident()
    ahead = {"a user name": [], "a service": ["alice"], "a method": ["alice", "ssh-connection"]}[field]
    for length in (2**28, 2**32 - 1):
        raw = Raw(lenient, by_hand=True)
        # The length of a string that does not follow.
        assert said(raw, AUTH_REQUEST, *ahead, length) in {AUTH_FAILURE, None}
        raw.close()
    lenient.assert_sound()
    assert lenient.resident() - before < 64 * MEBIBYTE


# A title, a cleared screen, a line of its own, in seven and eight bits, and what turns the order of a text around.
ACTING = "\x1b]0;x\x07\x1b[2J\x9b2J\x08\r\n2026-01-01T00:00:00Z INFO forged\u202e"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_is_logged_of_a_client_acts_on_who_reads_it(
    start: Callable[..., Bastion], monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    # The SSH library's own lines too, which repeat what they were sent.
    monkeypatch.setenv("OPSPILOT_LOG", "info,opspilot=trace,russh=trace")
    bastion = start(LENIENT, "", "--log-format", log_format)
    stranger = Raw(bastion, by_hand=True)
    attempt(stranger, ACTING, "none")
    attempt(stranger, f"alice@{ACTING}", ACTING)
    stranger.close()
    raw = Raw(bastion)
    channel = raw.opened()
    assert channel is not None
    raw.request("env", ACTING, ACTING, channel=channel)
    raw.request("exec", f"echo '{ACTING}'", channel=channel)
    raw.open("direct-tcpip", ACTING, 80, ACTING, 1)
    raw.open(ACTING)
    assert raw.wait(OPEN_FAILURE, count=2)
    assert raw.wait(CLOSE)
    raw.close()
    bastion.assert_sound()
    logged = bastion.log()
    assert "unknown channel type" in logged, "what was sent is in it"
    assert not [line for line in logged.split("\n") if any(acts(character) for character in line)]
    assert not [line for line in logged.split("\n") if "INFO forged" in line[:40]]


def acts(character: str) -> bool:
    return character == "\u202e" or ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0


class AskingTarget(paramiko.ServerInterface):
    """A target that says it has more questions than there is memory."""

    def __init__(self, host_key: paramiko.PKey) -> None:
        self.host_key = host_key
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = threading.Event()
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host_key)
            transport.start_server(threading.Event(), self)
            self.transports.append(transport)

    def get_allowed_auths(self, _username: str) -> str:
        return "keyboard-interactive"

    def check_auth_interactive(self, _username: str, _submethods: str) -> int:
        self.transports[-1]._send_message(message(QUESTIONS, "", "", "", 2**32 - 1))
        self.asked.set()
        return paramiko.AUTH_FAILED

    def stop(self) -> None:
        self.listener.close()
        for transport in self.transports:
            transport.close()


@pytest.fixture
def asking(target: Target) -> Iterator[AskingTarget]:
    served = AskingTarget(paramiko.Ed25519Key.from_private_key_file(str(target.directory / "host")))
    yield served
    served.stop()


def test_a_targets_count_of_questions_is_not_believed(
    start: Callable[..., Bastion], target: Target, asking: AskingTarget, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    bastion = start(
        LENIENT,
        f"""
            [[targets]]
            name = "asking"
            address = "127.0.0.1:{asking.port}"
            login = "{LOGIN}"
            password_file = "{password}"
            host_key = "{target.host_key}"
            """,
    )
    before = bastion.resident()
    refused = bastion.ssh("alice@asking", "true")
    assert refused.returncode == 255, refused
    assert asking.asked.is_set()
    bastion.assert_sound()
    assert bastion.resident() - before < 64 * MEBIBYTE
