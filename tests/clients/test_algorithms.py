"""What the bastion offers to clients, by ssh-audit."""

import subprocess
from collections.abc import Callable

import pytest

from stage import TOOLS, Bastion


def audit(bastion: Bastion) -> subprocess.CompletedProcess[str]:
    line = [TOOLS / "ssh-audit", "-n", "-p", str(bastion.port), "127.0.0.1"]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_the_strict_list_has_nothing_to_warn_of(start: Callable[[str], Bastion]) -> None:
    report = audit(start('algorithms = "strict"'))
    assert report.returncode == 0, report.stdout


def test_the_compatible_list_has_no_failure_and_key_exchanges_are_throttled(start: Callable[[str], Bastion]) -> None:
    report = audit(start(""))
    assert "mlkem768x25519-sha256" in report.stdout, report
    assert "[fail]" not in report.stdout, report.stdout
    assert "insufficient connection throttling" not in report.stdout, report.stdout


@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms=ecdh-sha2-nistp256",
        "KexAlgorithms=diffie-hellman-group14-sha1",
        "Ciphers=aes128-cbc",
        "MACs=hmac-sha1",
        "HostKeyAlgorithms=ssh-rsa",
    ],
)
def test_a_client_that_knows_nothing_better_is_not_served(bastion: Bastion, option: str) -> None:
    # A MAC is chosen only where the cipher has none of its own.
    cipher = ["-o", "Ciphers=aes128-ctr"] if option.startswith("MACs") else []
    answer = bastion.ssh("alice@web-1", "-o", option, *cipher, "true")
    assert answer.returncode == 255, answer
    assert "no match" in answer.stderr, answer


def test_only_the_methods_that_are_configured_are_offered(bastion: Bastion) -> None:
    answer = bastion.ssh("alice@web-1", "-o", "PreferredAuthentications=none", "true")
    assert "Permission denied (publickey,keyboard-interactive,password)." in answer.stderr, answer
