"""What the tests run on: a real sshd as the target, and the bastion's binary in front of it, both on loopback."""

import getpass
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

HOUSE = Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("OPSPILOT_BINARY", str(HOUSE / "target/release/opspilot"))
TOOLS = Path(sys.executable).parent

# How long anything that must come is awaited.
DEADLINE = 30

LOGIN = getpass.getuser()


Something = TypeVar("Something")


def eventually(what: str, probe: Callable[[], Something | None]) -> Something:
    """The first value that is something, within the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE} s for {what}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


class Server:
    """A process that is ended by its own number."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.port = port
        self.log_file = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        eventually(f"{command[0]} to accept", lambda: self.runs() and accepts(port))

    def runs(self) -> bool:
        assert self.process.poll() is None, self.log()
        return True

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Target(Server):
    """OpenSSH's server, as the user who runs the tests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "home").mkdir()
        self.host_key = make_key(directory / "host")
        (directory / "authorized_keys").write_text(make_key(directory / "client") + "\n")
        port = free_port()
        (directory / "sshd_config").write_text(
            f"""
            ListenAddress 127.0.0.1:{port}
            HostKey {directory}/host
            AuthorizedKeysFile {directory}/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            UseDNS no
            PermitRootLogin yes
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            AcceptEnv LANG LC_* LD_*
            SetEnv HOME={directory}/home
            Subsystem sftp internal-sftp
            MaxStartups 200
            MaxSessions 100
            AllowStreamLocalForwarding yes
            X11Forwarding yes
            LogLevel VERBOSE
            """
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        program = next(path for path in map(Path, ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]) if path.exists())
        super().__init__([str(program), "-D", "-e", "-f", str(directory / "sshd_config")], port, directory / "log")

    def sessions(self) -> int:
        """How many commands, shells and subsystems it was asked for."""
        return self.log().count("Starting session:")


# Of `carol`, who logs in with nothing else.
PASSWORD = "correct horse"
PASSWORD_HASH = "$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2Ek5zMZVGrFVTlHZZgywf+fd0fS6/y+DB3Z5fAX1+zM"

# `alice` may use everything that there is; `bob` nothing that these tests try.
POLICIES = """
[[policies]]
name = "everything"
users = ["alice"]
channels = ["shell", "exec", "sftp", "scp", "rsync", "git", "forward", "agent", "x11", "env"]
low = "allow"
medium = "allow"
high = "allow"
critical = "allow"
unknown = "allow"

[[policies]]
name = "next to nothing"
users = ["bob"]
channels = ["rsync"]
low = "allow"
medium = "allow"
high = "allow"
critical = "allow"
unknown = "allow"
"""


class Bastion(Server):
    """`opspilot serve` in front of a target."""

    def __init__(self, directory: Path, target: Target, server: str = "", more: str = "", *arguments: str) -> None:
        self.directory = directory
        port = free_port()
        users = "".join(
            f'[[users]]\nname = "{name}"\nauthorized_keys = ["{make_key(directory / name)}"]\n'
            for name in ("alice", "bob")
        )
        (directory / "opspilot.toml").write_text(
            f"""
            [server]
            listen = ["127.0.0.1:{port}"]
            max_unauthenticated_per_ip = 50
            drain_timeout = "2s"
            {server}
            [risk]
            rules = ["{HOUSE}/config/rules.toml"]
            model = ""
            [[targets]]
            name = "web-1"
            address = "127.0.0.1:{target.port}"
            login = "{LOGIN}"
            identity = "{target.directory}/client"
            host_key = "{target.host_key}"
            probe = "off"
            {users}
            [[users]]
            name = "carol"
            password_hash = "{PASSWORD_HASH}"
            {more}
            {POLICIES}
            """
        )
        command = [PROGRAM, "serve", "-c", str(directory / "opspilot.toml"), *arguments]
        super().__init__(command, port, directory / "log")
        self.host_key = (directory / "ssh_host_ed25519_key").with_suffix(".pub")
        public = subprocess.run(
            ["ssh-keygen", "-y", "-f", directory / "ssh_host_ed25519_key"], check=True, capture_output=True, text=True
        ).stdout.strip()
        self.host_key.write_text(public + "\n")
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {public}\n")

    def key(self, user: str) -> str:
        return str(self.directory / user)

    def ssh_options(self, user: str = "alice") -> list[str]:
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            f"IdentityFile={self.key(user)}",
        ]
        return [word for option in options for word in ("-o", option)]

    def ssh(self, destination: str, *command: str, **more: Any) -> subprocess.CompletedProcess[str]:
        user = destination.split("@", maxsplit=1)[0]
        line = [
            "ssh",
            "-F",
            "none",
            *self.ssh_options(user),
            "-p",
            str(self.port),
            f"{destination}@127.0.0.1",
            *command,
        ]
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(line, capture_output=True, text=True, timeout=DEADLINE, check=False, **more)

    def rows(self, condition: str = "1") -> list[sqlite3.Row]:
        record = sqlite3.connect(f"file:{self.directory}/opspilot.db?mode=ro", uri=True)
        record.row_factory = sqlite3.Row
        try:
            return record.execute(f"SELECT * FROM command_executions WHERE {condition} ORDER BY id").fetchall()
        finally:
            record.close()

    def resident(self) -> int:
        """Its memory, in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def assert_sound(self) -> None:
        """It still serves, and nothing of it has fallen over."""
        answer = self.ssh("alice@web-1", "echo sound")
        assert (answer.returncode, answer.stdout) == (0, "sound\n"), answer
        assert "panicked" not in self.log(), self.log()
