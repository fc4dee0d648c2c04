"""A client inside somebody's ProxyJump that does not do as OpenSSH does."""

import paramiko
import pytest

from stage import DEADLINE, LOGIN, PASSWORD, Bastion


def inside(outer: paramiko.Transport) -> paramiko.Transport:
    channel = outer.open_channel("direct-tcpip", ("web-1", 22), ("127.0.0.1", 1), timeout=DEADLINE)
    inner = paramiko.Transport(channel)
    inner.start_client(timeout=DEADLINE)
    return inner


def test_nothing_is_proved_inside_a_proxyjump(bastion: Bastion) -> None:
    outer = paramiko.Transport(("127.0.0.1", bastion.port))
    outer.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(bastion.key("alice")))
    for password in (PASSWORD, "wrong"):
        inner = inside(outer)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            inner.auth_password("carol", password, fallback=False)
        assert refused.value.allowed_types == ["none"], "right or wrong, the answer is the same"
        inner.close()

    inner = inside(outer)
    inner.auth_none(LOGIN)
    session = inner.open_session(timeout=DEADLINE)
    session.exec_command("echo here")
    assert session.makefile().read() == b"here\n"
    outer.close()
    assert "carol" not in bastion.log(), "nobody has failed at anything"
