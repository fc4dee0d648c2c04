"""Limits in time: before authentication nothing puts the end off, after it only use does."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import paramiko
import pytest

from stage import DEADLINE, TOOLS, Bastion, eventually

# A byte a second, and longer in all than any limit here.
TRICKLE = "for i in 1 2 3; do sleep 1; printf x; done"

GRACE = 'login_grace = "2s"'


def ended(connection: socket.socket) -> bool:
    """Whether the other side has ended the connection; what it sends is thrown away."""
    connection.settimeout(0.05)
    try:
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def drip(connection: socket.socket) -> None:
    """Sends a version that never ends."""
    connection.sendall(b"a")


def kexinit(connection: socket.socket) -> None:
    """Begins a key exchange and goes on with messages that do not belong to it."""
    connection.sendall(b"\0\0\0\x0c\x0a\x02" + b"\0" * 10)


@pytest.mark.parametrize(
    ("first", "then"), [(b"SSH-2.0-", drip), (b"", drip), (b"SSH-2.0-x\r\n", kexinit), (b"", None)]
)
def test_no_trickle_extends_the_login_grace(
    start: Callable[[str], Bastion], first: bytes, then: Callable[[socket.socket], None] | None
) -> None:
    bastion = start(GRACE)
    with socket.create_connection(("127.0.0.1", bastion.port)) as connection:
        connection.sendall(first)

        def over() -> bool:
            try:
                if then:
                    then(connection)
            except OSError:
                return True
            return ended(connection)

        eventually("the connection to be ended", over)
    bastion.assert_sound()


def test_a_new_key_exchange_does_not_extend_the_login_grace(start: Callable[[str], Bastion]) -> None:
    bastion = start(GRACE)
    transport = paramiko.Transport(("127.0.0.1", bastion.port))
    transport.start_client(timeout=DEADLINE)
    end = time.monotonic() + DEADLINE
    while transport.is_active() and time.monotonic() < end:
        try:
            transport.renegotiate_keys()
        except (paramiko.SSHException, EOFError, OSError):
            break
        time.sleep(0.1)
    eventually("the connection to be ended", lambda: not transport.is_active())
    bastion.assert_sound()


def test_keepalives_are_no_use_of_a_connection(start: Callable[[str], Bastion]) -> None:
    bastion = start('idle_timeout = "2s"\nkeepalive = "1s"')
    idle = bastion.ssh("alice@web-1", "-o", "ServerAliveInterval=1", "-N")
    assert idle.returncode == 255, idle
    assert "not used for too long" in bastion.log()


def test_output_and_input_are_use_of_a_connection(start: Callable[[str], Bastion]) -> None:
    bastion = start('idle_timeout = "2s"')
    fed = subprocess.Popen(["sh", "-c", TRICKLE], stdout=subprocess.PIPE)
    with ThreadPoolExecutor() as both:
        writing = both.submit(bastion.ssh, "alice@web-1", "cat >/dev/null; echo done", stdin=fed.stdout)
        said = bastion.ssh("alice@web-1", TRICKLE)
        written = writing.result()
    assert (said.returncode, said.stdout) == (0, "xxx"), said
    assert (written.returncode, written.stdout) == (0, "done\n"), written
    fed.wait()


def test_key_exchanges_by_the_thousand_keep_nobody_else_out(start: Callable[[str], Bastion]) -> None:
    bastion = start("")
    flood = [TOOLS / "ssh-audit", "--dheat=4:curve25519-sha256", "-p", str(bastion.port), "127.0.0.1"]
    attacker = subprocess.Popen(flood, stdout=subprocess.DEVNULL, process_group=0)
    try:
        eventually("the flood to be refused", lambda: "refused at the door" in bastion.log())
        for _ in range(5):
            answer = bastion.ssh("alice@web-1", "-b", "127.20.0.1", "echo in")
            assert (answer.returncode, answer.stdout) == (0, "in\n"), answer
    finally:
        # The flood is processes of its own.
        os.killpg(attacker.pid, signal.SIGKILL)
        attacker.wait()


def test_a_user_has_so_many_sessions_and_the_counters_say_so(start: Callable[[str], Bastion]) -> None:
    bastion = start("max_sessions_per_user = 1\nmax_unauthenticated = 1")
    first = paramiko.Transport(("127.0.0.1", bastion.port))
    first.connect(username="alice@web-1", pkey=paramiko.Ed25519Key.from_private_key_file(bastion.key("alice")))
    second = bastion.ssh("alice@web-1", "true")
    assert second.returncode == 126, second
    assert "end one first" in second.stderr, second

    def stand_at_the_door() -> socket.socket | None:
        connection = socket.create_connection(("127.0.0.1", bastion.port))
        return connection if connection.recv(4) == b"SSH-" else connection.close()

    # Who was turned away stands there until the end is heard of; then the door is full with the one whom the bastion
    # greets.
    with (
        eventually("the next one to be greeted", stand_at_the_door),
        socket.create_connection(("127.0.0.1", bastion.port)) as refused,
    ):
        eventually("the next one to be refused", lambda: ended(refused))
    first.close()
    assert bastion.stop() == 0
    counted = subprocess.run(
        [bastion.process.args[0], "stats", "--json", "-c", str(bastion.directory / "opspilot.toml")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"turned_away": 1' in counted.stdout, counted
    [day] = json.loads(counted.stdout)["connections"]
    assert day["refused"] > 0, counted
