"""A TCP proxy on loopback that knows where HTTP bodies begin: it flips a bit or cuts the connection where told."""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

BLOCK = 64 * 1024


class Kind(Enum):
    FLIP = auto()  # the lowest bit of the byte at `at`
    CUT = auto()  # the connection, right before that byte


@dataclass
class Damage:
    """What happens to `times` bodies of at least `least` bytes, when `after` of them have passed.

    `where`: the "request" or its "answer". `at`: the byte of the body; below zero it counts from the end, and None is
    in the middle of the head.
    """

    where: str
    kind: Kind
    at: int | None
    times: int = 1
    least: int = 1
    after: int = 0
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, where: str, length: int) -> bool:
        with self.lock:
            if where != self.where or length < self.least or self.done == self.times:
                return False
            if self.after:
                self.after -= 1
                return False
            self.done += 1
            return True


class _Pair:
    """One client's connection and ours to the server, a thread each way."""

    def __init__(self, client: socket.socket, server: socket.socket, damages: list[Damage]) -> None:
        self._client = client
        self._server = server
        self._damages = damages
        self._methods: deque[str] = deque()

    def run(self) -> None:
        up = threading.Thread(target=self._pass_on, args=(self._client, self._server, "request"), daemon=True)
        down = threading.Thread(target=self._pass_on, args=(self._server, self._client, "answer"), daemon=True)
        for thread in (up, down):
            thread.start()

    def _pass_on(self, read: socket.socket, write: socket.socket, where: str) -> None:
        with suppress(OSError, ConnectionError):
            stream = read.makefile("rb", BLOCK)
            while head := self._head(stream):
                self._message(stream, write, where, head)
        for each in (read, write):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _head(self, stream: "socket.SocketIO | object") -> bytes:
        lines = []
        while line := stream.readline():  # type: ignore[attr-defined]
            lines.append(line)
            if line == b"\r\n":
                return b"".join(lines)
        return b""

    def _message(self, stream: object, write: socket.socket, where: str, head: bytes) -> None:
        if where == "answer" and head.split(b" ")[1] == b"100":  # cut in its head, botocore would wait for ever
            write.sendall(head)
            return
        length = self._length(where, head)
        damage = next((each for each in self._damages if each.takes(where, length)), None)
        if damage and damage.at is None:
            write.sendall(head[: len(head) // 2])
            raise ConnectionError
        write.sendall(head)
        place = None if damage is None or damage.at is None else damage.at % length
        done = 0
        while done < length:
            block = bytearray(stream.read1(min(BLOCK, length - done)))  # type: ignore[attr-defined]
            if not block:
                raise ConnectionError
            if damage and place is not None and done <= place < done + len(block):
                if damage.kind is Kind.CUT:
                    write.sendall(block[: place - done])
                    raise ConnectionError
                block[place - done] ^= 1
            write.sendall(block)
            done += len(block)

    def _length(self, where: str, head: bytes) -> int:
        """Of the body that follows."""
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if where == "request":
            self._methods.append(first.partition(" ")[0])
            return length
        return 0 if self._methods.popleft() == "HEAD" else length


@contextmanager
def proxied(port: int, damages: list[Damage]) -> Iterator[int]:
    """The port on loopback of a proxy for that one. `damages` may change at any time."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                _Pair(client, socket.create_connection(("127.0.0.1", port)), damages).run()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
