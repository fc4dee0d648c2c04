"""Clients as people and programs use them, each through the bastion to a real sshd."""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest

from stage import DEADLINE, TOOLS, Bastion, Target, eventually


def run(line: list[str | Path], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line, capture_output=True, text=True, timeout=3 * DEADLINE, check=False, stdin=subprocess.DEVNULL, **more
    )


@pytest.fixture
def client(bastion: Bastion) -> Iterator[paramiko.SSHClient]:
    connected = paramiko.SSHClient()
    connected.set_missing_host_key_policy(paramiko.RejectPolicy())
    connected.load_host_keys(str(bastion.known_hosts))
    connected.connect(
        "127.0.0.1",
        bastion.port,
        "alice@web-1",
        key_filename=bastion.key("alice"),
        allow_agent=False,
        look_for_keys=False,
    )
    yield connected
    connected.close()


def test_paramiko_runs_commands_with_their_exit_codes(client: paramiko.SSHClient) -> None:
    stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 3")
    stdin.write("in")
    stdin.channel.shutdown_write()
    assert (stdout.read(), stderr.read()) == (b"in", b"err\n")
    assert stdout.channel.recv_exit_status() == 3


def test_paramiko_opens_a_shell(client: paramiko.SSHClient) -> None:
    shell = client.invoke_shell("xterm", 80, 24)
    shell.settimeout(DEADLINE)
    shell.send(b"stty size; exit 4\n")
    seen = b""
    while data := shell.recv(65536):
        seen += data
    assert b"24 80" in seen, seen
    assert shell.recv_exit_status() == 4


def asyncssh_options(bastion: Bastion) -> dict[str, object]:
    return {
        "port": bastion.port,
        "username": "alice@web-1",
        "client_keys": [bastion.key("alice")],
        "known_hosts": str(bastion.known_hosts),
        "config": None,
        "agent_path": None,
    }


def test_asyncssh_runs_many_commands_on_one_connection(bastion: Bastion) -> None:
    async def act() -> list[tuple[str, int | None]]:
        async with asyncssh.connect("127.0.0.1", **asyncssh_options(bastion)) as connection:
            runs = (connection.run(f"echo {number}; exit {number}") for number in range(8))
            return [(str(done.stdout), done.exit_status) for done in await asyncio.gather(*runs)]

    assert asyncio.run(act()) == [(f"{number}\n", number) for number in range(8)]


def test_asyncssh_sees_the_signal_that_ended_a_command(bastion: Bastion) -> None:
    async def act() -> tuple[str, bool, str, str] | None:
        async with asyncssh.connect("127.0.0.1", **asyncssh_options(bastion)) as connection:
            return (await connection.run("kill -TERM $$")).exit_signal

    ended = asyncio.run(act())
    assert ended is not None
    assert ended[0] == "TERM"


def test_a_signal_reaches_the_command(bastion: Bastion, target: Target) -> None:
    async def act() -> tuple[str, int | None]:
        async with asyncssh.connect("127.0.0.1", **asyncssh_options(bastion)) as connection:
            process = await connection.create_process(
                "trap 'echo caught; exit 9' TERM; echo up; while :; do sleep 0.1; done"
            )
            assert await process.stdout.readline() == "up\n"
            process.send_signal("TERM")
            if os.geteuid() == 0:
                eventually("sshd to hear of it", lambda: "session_signal_req" in target.log())
                return "caught\n", 9
            done = await asyncio.wait_for(process.wait(), DEADLINE)
            return str(done.stdout), done.exit_status

    # To root's own sessions, sshd does not pass signals on.
    assert asyncio.run(act()) == ("caught\n", 9)


@pytest.fixture(scope="session")
def putty(bastion: Bastion, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    key = tmp_path_factory.mktemp("putty") / "alice.ppk"
    subprocess.run(["puttygen", bastion.key("alice"), "-O", "private", "-o", key], check=True)
    printed = subprocess.run(["ssh-keygen", "-l", "-f", bastion.host_key], check=True, capture_output=True, text=True)
    fingerprint = printed.stdout.split()[1]
    return ["-batch", "-i", str(key), "-hostkey", fingerprint, "-P", str(bastion.port), "-l", "alice@web-1"]


def test_plink_runs_a_command_with_its_exit_code(putty: list[str]) -> None:
    answer = run(["plink", "-ssh", *putty, "127.0.0.1", "echo here; exit 5"])
    assert (answer.returncode, answer.stdout) == (5, "here\n"), answer


def test_psftp_puts_and_gets(putty: list[str], tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    batch = tmp_path / "batch"
    batch.write_text(f"put {__file__} {there}\nget {there} {back}\n")
    answer = run(["psftp", *putty, "-b", str(batch), "127.0.0.1"])
    assert answer.returncode == 0, answer
    assert back.read_bytes() == Path(__file__).read_bytes()


def test_dropbears_client_runs_a_command_with_its_exit_code(bastion: Bastion, tmp_path: Path) -> None:
    key = tmp_path / "alice"
    converted = subprocess.run(
        ["dropbearconvert", "openssh", "dropbear", bastion.key("alice"), key], capture_output=True, check=False
    )
    assert converted.returncode == 0, converted
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/known_hosts").write_text(f"127.0.0.1 {bastion.host_key.read_text()}")
    line = ["dbclient", "-y", "-i", key, "-p", str(bastion.port), "-l", "alice@web-1", "127.0.0.1", "echo here; exit 6"]
    answer = run(line, env={"HOME": str(home), "PATH": "/usr/bin:/bin"})
    assert (answer.returncode, answer.stdout) == (6, "here\n"), answer


@pytest.fixture(scope="session")
def ansible(bastion: Bastion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("ansible")
    options = " ".join(bastion.ssh_options())
    (directory / "hosts").write_text(
        f"web-1 ansible_host=127.0.0.1 ansible_port={bastion.port} ansible_user=alice@web-1 "
        f"ansible_python_interpreter={shutil.which('python3')} "
        f"ansible_ssh_common_args='-F none {options}' ansible_remote_tmp={directory}/remote\n"
    )
    return directory


def play(ansible: Path, pipelining: bool, module: str, arguments: str = "") -> subprocess.CompletedProcess[str]:
    line = [TOOLS / "ansible", "web-1", "-i", ansible / "hosts", "-m", module, "-a", arguments]
    variables = {
        "ANSIBLE_PIPELINING": str(pipelining),
        "ANSIBLE_HOME": str(ansible),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_ARGS": f"-o ControlMaster=auto -o ControlPersist=20s -o ControlPath={ansible}/%C",
        "HOME": str(ansible),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    return run(line, env=variables)


@pytest.mark.parametrize("pipelining", [False, True])
def test_ansible_pings_runs_and_copies(ansible: Path, tmp_path: Path, pipelining: bool) -> None:
    pong = play(ansible, pipelining, "ping")
    assert '"ping": "pong"' in pong.stdout, pong
    said = play(ansible, pipelining, "command", "echo here")
    assert said.returncode == 0, said
    assert said.stdout.endswith("here\n"), said
    there = tmp_path / "there"
    copied = play(ansible, pipelining, "copy", f"src={__file__} dest={there}")
    assert copied.returncode == 0, copied
    assert digest(there) == digest(Path(__file__))


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
