"""A client that says whatever it is told to, in any order: paramiko's transport, and messages made by hand."""

import threading
import time
from collections import Counter

import paramiko
from paramiko.common import MSG_CHANNEL_OPEN, MSG_CHANNEL_REQUEST
from paramiko.message import Message

from stage import DEADLINE, Bastion

# Message numbers of RFC 4252, and the service that they belong to.
SERVICE_REQUEST = 5
SERVICE_ACCEPT = 6
AUTH_REQUEST = 50
AUTH_FAILURE = 51
AUTH_SUCCESS = 52
KEY_OK = 60
QUESTIONS = 60
ANSWERS = 61

# Message numbers of RFC 4254.
GLOBAL_REQUEST = 80
REQUEST_SUCCESS = 81
REQUEST_FAILURE = 82
OPEN_CONFIRMATION = 91
OPEN_FAILURE = 92
WINDOW_ADJUST = 93
DATA = 94
EOF = 96
CLOSE = 97
SUCCESS = 99
FAILURE = 100

Field = str | bytes | int | bool


def message(number: int, *fields: Field) -> Message:
    made = Message()
    made.add_byte(bytes([number]))
    for field in fields:
        if isinstance(field, bool):
            made.add_boolean(field)
        elif isinstance(field, int):
            made.add_int(field)
        else:
            made.add_string(field)
    return made


class Raw:
    """One connection. Whatever the bastion says of channels is kept, and paramiko does nothing about it.

    With `by_hand`, that holds for authentication too, which stands where its service has been granted.
    """

    def __init__(
        self, bastion: Bastion, user: str = "alice", *, authenticate: bool = True, by_hand: bool = False
    ) -> None:
        self.bastion = bastion
        self.user = user
        self.by_hand = by_hand
        self.heard: list[tuple[int, bytes]] = []
        self.counts: Counter[int] = Counter()
        self.news = threading.Condition()
        self.transport = paramiko.Transport(("127.0.0.1", bastion.port))
        self.keep_what_is_heard()
        self.transport.start_client(timeout=DEADLINE)
        if by_hand:
            self.send(SERVICE_REQUEST, "ssh-userauth")
            assert self.wait(SERVICE_ACCEPT)
        elif authenticate:
            self.authenticate()

    def is_kept(self, number: int) -> bool:
        of_authentication = number == SERVICE_ACCEPT or AUTH_REQUEST <= number < GLOBAL_REQUEST
        return number >= GLOBAL_REQUEST or (self.by_hand and of_authentication)

    def keep_what_is_heard(self) -> None:
        """Takes it before paramiko does, which ends a connection that speaks of channels it does not know."""
        read = self.transport.packetizer.read_message

        def read_and_keep() -> tuple[int, Message]:
            while True:
                number, content = read()
                if not self.is_kept(number):
                    return number, content
                with self.news:
                    self.heard.append((number, content.asbytes()))
                    self.counts[number] += 1
                    self.news.notify_all()

        self.transport.packetizer.read_message = read_and_keep

    def authenticate(self, name: str | None = None) -> None:
        key = paramiko.Ed25519Key.from_private_key_file(self.bastion.key(self.user))
        self.transport.auth_publickey(name or f"{self.user}@web-1", key)

    # How paramiko says that the connection was ended.
    refusals = paramiko.SSHException

    def send(self, number: int, *fields: Field) -> None:
        self.transport._send_message(message(number, *fields))

    def open(self, kind: str = "session", *fields: Field) -> None:
        """Asks for a channel. The bastion counts them from 2 on."""
        self.send(MSG_CHANNEL_OPEN, kind, 0, 2**20, 2**15, *fields)

    def request(self, kind: str, *fields: Field, channel: int, reply: bool = True) -> None:
        self.send(MSG_CHANNEL_REQUEST, channel, kind, reply, *fields)

    def over(self) -> bool:
        return not self.transport.is_active()

    def count(self, *numbers: int) -> int:
        return sum(self.counts[number] for number in numbers)

    def text(self) -> str:
        """All that was said in channels: data and extended data."""
        return b"".join(content for number, content in self.heard if number in {94, 95}).decode(errors="replace")

    def wait(self, *numbers: int, count: int = 1) -> bool:
        """Waits for so many of these messages; false where the connection was ended before."""
        end = time.monotonic() + DEADLINE
        with self.news:
            while self.count(*numbers) < count and not self.over():
                assert time.monotonic() < end, f"waited for {numbers}, heard {self.heard[-5:]}"
                self.news.wait(0.1)
        return self.count(*numbers) >= count

    def opened(self) -> int | None:
        """The bastion's number of the channel that was opened last; none where it was refused."""
        before = self.count(OPEN_CONFIRMATION, OPEN_FAILURE)
        self.open()
        if not self.wait(OPEN_CONFIRMATION, OPEN_FAILURE, count=before + 1):
            return None
        number, content = [entry for entry in self.heard if entry[0] in {OPEN_CONFIRMATION, OPEN_FAILURE}][-1]
        return int.from_bytes(content[4:8], "big") if number == OPEN_CONFIRMATION else None

    def close(self) -> None:
        self.transport.close()
