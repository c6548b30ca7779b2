"""A real HTTP server on loopback that does as it is told, byte for byte: what the lean clients are tested against.

Every request it reads is kept. What it does with the next one is the next entry of its script: a function that is
given the conversation. The last entry stays.
"""

import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

type Act = Callable[["Talk"], None]


@dataclass(frozen=True)
class Received:
    """One request: `headers` in the order that they came in, by lower-case name."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Talk:
    """One connection, as the script sees it. `server.received` holds the requests."""

    def __init__(self, server: "HttpServer", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._kept = b""

    def head(self) -> bytes:
        """The next request's head, without its last two line ends; empty at the connection's end."""
        while b"\r\n\r\n" not in self._kept:
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            self._kept += piece
        head, _, self._kept = self._kept.partition(b"\r\n\r\n")
        return head

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer at the connection's end."""
        pieces, have = [self._kept], len(self._kept)
        while have < size and (piece := self.sock.recv(65536)):
            pieces.append(piece)
            have += len(piece)
        whole = b"".join(pieces)
        self._kept = whole[size:]
        return whole[:size]

    def request(self) -> Received:
        """Reads the whole of the request whose head was read, and keeps it; bids its sender to go on."""
        method, target, headers = self.begun
        if "expect" in headers:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        received = Received(method, target, headers, self.read(int(headers.get("content-length", "0"))))
        self.server.received.append(received)
        return received

    def serve(self) -> None:
        while head := self.head():
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            self.begun = (
                method,
                target,
                {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)},
            )
            self.server.next_act()(self)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Ends the connection with RST, whatever was not read."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def answer(status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None, *, close: bool = False) -> Act:
    """Reads the request, answers it, and keeps the connection or says that it closes it."""
    fields = {"Content-Length": str(len(body)), **({"Connection": "close"} if close else {}), **(headers or {})}
    text = f"HTTP/1.1 {status} Some\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"

    def act(talk: Talk) -> None:
        talk.request()
        talk.sock.sendall(text.encode("latin-1") + body)
        if close:
            talk.close()

    return act


def verbatim(data: bytes, *, then: Callable[[Talk], None] = lambda _: None) -> Act:
    """Reads the request and answers with these very bytes, then closes, resets or keeps the connection."""

    def act(talk: Talk) -> None:
        talk.request()
        talk.sock.sendall(data)
        then(talk)

    return act


class HttpServer:
    """A context manager. `certificate`: a file with key and certificate; then it speaks TLS."""

    def __init__(self, *script: Act, certificate: Path | None = None) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._script = deque(script or (answer(),))
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._ended = False

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def script(self, *acts: Act) -> None:
        self._script = deque(acts)

    def next_act(self) -> Act:
        return self._script.popleft() if len(self._script) > 1 else self._script[0]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every conversation, and waits for them: each closes its own socket."""
        with self._lock:
            self._ended = True
            for sock in (self._listener, *self._open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, work: Callable[..., None], *given: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=given, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                with self._lock:
                    if self._ended:
                        sock.close()
                        return
                    self.connections += 1
                    self._open.append(sock)
                self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        talking = sock
        try:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._context:
                    talking = self._context.wrap_socket(sock, server_side=True)
                Talk(self, talking).serve()
        finally:
            talking.close()
            sock.close()
