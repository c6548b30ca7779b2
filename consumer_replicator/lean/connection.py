"""One HTTP/1.1 connection over a blocking socket: a request, its answer, and again (edge).

The head of an answer is parsed by llhttp (httptools): 7 microseconds for a head of S3's, where http.client takes 43.
The body is read from the socket straight to where it is wanted. Errors are botocore's, as its own HTTP client has them.
"""

import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError, ResponseStreamingError, SSLError
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from consumer_replicator.lean.answer_body import Body
from consumer_replicator.lean.request_body import BLOCK, Stream

HEAD_LIMIT = 64 * 1024
"""Bytes; S3's heads stay below 10 KB (2 KB of metadata)."""
UNMEASURED_LIMIT = 16 * 1024**2
"""Bytes of a body without Content-Length, which is held: S3's errors are sent so. Objects come with their length."""
JOINED = 32 * 1024
"""Bodies up to this size leave with the head, in one call."""
LEAST_PIECE = 256 * 1024
"""Bytes that must come while as long is waited for them as for an answer: 26 KB/s at 10 seconds. A timeout of every
single read would let a byte now and then keep a call alive beyond the end of its invocation."""
CONTINUE_WAIT = 1.0
"""Seconds, as long as botocore waits for a server that may not know Expect."""
WITHOUT_BODY = frozenset({204, 304})

type Done = Callable[["Connection", bool], None]
"""Called when an answer's body was read or given up, with whether the connection may be used again."""


class Unanswered(Exception):
    """The connection ended before the first byte of an answer."""


class _SendFailed(Exception):
    """The cause is an OSError of the socket, not of what is sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by lower-case name, several of one name joined; text is Latin-1."""

    status: int
    headers: dict[str, str]
    body: Body


class _Head:
    """What the parser finds in one message."""

    __slots__ = ("complete", "headers", "keep_alive", "parser", "pieces", "status")

    def __init__(self, text: memoryview) -> None:
        """:raises HttpParserError: this is no head."""
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.status = 0
        self.keep_alive = self.complete = False
        self.parser = HttpResponseParser(self)
        self.parser.feed_data(text)

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if key in self.headers:
            text = f"{self.headers[key]}, {text}"
        self.headers[key] = text

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()
        self.keep_alive = self.parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def on_message_complete(self) -> None:
        self.complete = True

    @property
    def length(self) -> int | None:
        """Of the body; None where it is chunked or ends with the connection."""
        if self.status in WITHOUT_BODY:
            return 0
        if "transfer-encoding" in self.headers or "content-length" not in self.headers:
            return None
        return int(self.headers["content-length"])


class Connection:
    """Used by one thread at a time. `url` is for error messages."""

    def __init__(self, sock: socket.socket, url: str) -> None:
        self._sock = sock
        self._url = url
        self._timeout = sock.gettimeout()
        self._buffer = bytearray(HEAD_LIMIT)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0  # what of the buffer was received and not yet used
        self._early: _Head | None = None
        self._speaks, self._waited, self._had = False, 0.0, 0  # for how long, and how much, of the piece that comes
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def close(self) -> None:
        self._sock.close()

    def is_idle(self) -> bool:
        """Whether it can be used again: not where the server has closed it, or speaks out of turn. What it said may be
        received already, with the end of an answer: TLS comes in records."""
        received = isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()
        return not received and not self._poll.poll(0)

    def exchange(self, head: bytes, body: bytes | memoryview | Stream, done: Done) -> Answer:
        """Sends a request and receives its answer, with the body unread.

        :raises Unanswered: nothing came back.
        :raises HTTPClientError: as botocore's HTTP client raises it. What a stream's source raises passes through.
        """
        self._listen()
        try:
            sent = self._send_stream(head, body) if isinstance(body, Stream) else self._send(head, body)
        except _SendFailed as failed:
            sent = False  # the server may have answered before it closed
            if isinstance(failed.__cause__, TimeoutError) and self.is_idle():
                raise ReadTimeoutError(endpoint_url=self._url, error=failed.__cause__) from failed
        return self._receive(done, reusable=sent)

    # -- sending -------------------------------------------------------------------------------------------------------

    def _send(self, head: bytes, body: bytes | memoryview) -> bool:
        """Whether all of it was sent: not where the server answers before it has read it."""
        if len(body) <= JOINED:
            self._transmit(head + body)
            return True
        self._transmit(head)
        view = memoryview(body)
        for start in range(0, len(view), BLOCK):
            if self._is_refused():
                return False
            self._transmit(view[start : start + BLOCK])
        return True

    def _send_stream(self, head: bytes, body: Stream) -> bool:
        """The stream is not touched before the server asks for it, so that after a refusal it can still be sent."""
        self._transmit(head)
        if not self._may_continue():
            return False
        for block in body.blocks():
            self._transmit(block)
            if self._is_refused():
                return False
        return True

    def _transmit(self, data: bytes | memoryview) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise _SendFailed from error

    def _may_continue(self) -> bool:
        """Waits for 100 Continue, a moment. False: the server has answered already."""
        until = time.monotonic() + CONTINUE_WAIT
        while (left := until - time.monotonic()) > 0:
            if self._is_answered(left):
                return not self._is_final()
        return True

    def _is_refused(self) -> bool:
        """Whether the server has answered what was not yet sent as a whole. That it may go on can come late."""
        return self._is_answered() and self._is_final()

    def _is_final(self) -> bool:
        """Of the head that has begun to come: keeps it if it is."""
        head = self._read_head()
        self._early = head if head.status >= 200 else None
        return self._early is not None

    def _is_answered(self, seconds: float = 0) -> bool:
        """Whether something of an answer was received, or the connection's end. TLS has messages of its own."""
        if not self._poll.poll(seconds * 1000):
            return False
        self._sock.settimeout(0)
        try:
            self._end += self._sock.recv_into(self._view[self._end :])
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True  # receiving fails again, and says how
        finally:
            self._sock.settimeout(self._timeout)
        return True

    # -- receiving -----------------------------------------------------------------------------------------------------

    def receive(self, view: memoryview) -> int:
        """For the body: at least one byte, or 0 at the end."""
        try:
            return self._arrived(view)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            raise ResponseStreamingError(error=error) from error

    def _arrived(self, view: memoryview) -> int:
        """:raises TimeoutError: nothing came, or too little."""
        began = time.monotonic()
        count = self._sock.recv_into(view)
        if self._speaks:  # what the service takes to begin its answer is bounded by the socket's own timeout
            self._waited += time.monotonic() - began
        self._speaks = True
        self._had += count
        if self._had >= LEAST_PIECE:
            self._waited, self._had = 0.0, 0
        elif count and self._timeout is not None and self._waited > self._timeout:
            raise TimeoutError(f"{self._had} bytes in {self._waited:.1f} seconds")
        return count

    def _listen(self) -> None:
        """From now on the beginning of an answer is waited for."""
        self._speaks, self._waited, self._had = False, 0.0, 0

    def _receive(self, done: Done, *, reusable: bool) -> Answer:
        self._listen()
        head, self._early = self._early or self._read_head(), None
        while head.status < 200:
            head = self._read_head()
        length = head.length
        if length is None:
            held = self._read_held(head)
            begun, length = memoryview(held), len(held)
            reusable = reusable and head.complete
        else:
            begun = self._view[self._begin : min(self._begin + length, self._end)]
            self._begin += len(begun)
        reusable = reusable and head.keep_alive and self._begin == self._end
        self._begin = self._end = 0
        del head.parser  # or the two would hold each other, and be garbage for the collector

        def finished(whole: bool) -> None:
            done(self, whole and reusable)

        return Answer(head.status, head.headers, Body(self.receive, begun, length, finished))

    def _read_head(self) -> _Head:
        while (end := self._buffer.find(b"\r\n\r\n", self._begin, self._end)) < 0:
            if not self._receive_more():
                if self._begin == self._end:
                    raise Unanswered
                raise ConnectionClosedError(endpoint_url=self._url)
        try:
            head = _Head(self._view[self._begin : end + 4])
        except (HttpParserError, HttpParserUpgrade) as error:
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        self._begin = end + 4
        return head

    def _receive_more(self) -> bool:
        """More of the head; False at the connection's end, or of what is too long to be one."""
        try:
            count = self._arrived(self._view[self._end :])
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            if self._begin == self._end:
                raise Unanswered from error
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        self._end += count
        return bool(count)

    def _read_held(self, head: _Head) -> bytes:
        """A chunked body, or one that ends with its connection.

        :raises ResponseStreamingError: it breaks off, or is too long to be held.
        """
        chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        piece, room, size = self._view[self._begin : self._end], memoryview(bytearray(HEAD_LIMIT)), 0
        self._begin = self._end
        while True:
            size += len(piece)
            if size > UNMEASURED_LIMIT:
                raise ResponseStreamingError(error=f"more than {UNMEASURED_LIMIT} bytes without a Content-Length")
            if chunked:
                self._parse(head, piece)
            else:
                head.pieces.append(bytes(piece))
            if head.complete:
                break
            piece = room[: self.receive(room)]
            if not piece:
                break
        if chunked and not head.complete:
            raise ResponseStreamingError(error="the connection ended within a chunked body")
        return b"".join(head.pieces)

    @staticmethod
    def _parse(head: _Head, piece: memoryview) -> None:
        try:
            head.parser.feed_data(piece)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise ResponseStreamingError(error=error) from error
