"""The body of an answer, read from its connection as it is asked for (edge).

Whoever reads it to its end gives the connection back; whoever closes it before that, or fails, closes the connection.
"""

import io
from collections.abc import Callable

from botocore.exceptions import IncompleteReadError

type Receive = Callable[[memoryview], int]
"""Receives into a view: at least one byte, or 0 at the connection's end. Raises botocore's `HTTPClientError`."""
type Done = Callable[[bool], None]
"""Called once, with whether the body was read to its end."""


class Body:
    """A stream of `length` bytes, of which `begun` came with the head. Not for threads to share, like any stream."""

    def __init__(self, receive: Receive, begun: memoryview, length: int, done: Done) -> None:
        self._receive = receive
        self._length = self._left = length
        self._done: Done | None = done
        self._begun = begun
        if len(begun) == length:
            self._begun = memoryview(bytes(begun))  # it outlives the connection's buffer
            self._finish(whole=True)

    @property
    def size(self) -> int:
        return self._length

    def read(self, amt: int | None = None) -> bytes:
        """At most `amt` bytes, or all that are left; none at the end.

        :raises IncompleteReadError: the connection ended before the body did.
        :raises HTTPClientError: the connection failed.
        """
        wanted = self._left if amt is None else min(amt, self._left)
        if wanted <= len(self._begun):
            taken, self._begun = bytes(self._begun[:wanted]), self._begun[wanted:]
            self._left -= wanted
            return taken
        # Filled in place and handed over as it is: bytes of a bytearray would be a copy of the whole.
        whole = io.BytesIO()
        whole.seek(wanted - 1)
        whole.write(b"\0")
        with whole.getbuffer() as view:
            self.readinto(view)
        return whole.getvalue()

    def readinto(self, view: memoryview) -> int:
        """Fills the view, or as much of it as is left; 0 at the end. Raises as `read` does."""
        wanted = min(len(view), self._left)
        have = min(wanted, len(self._begun))
        view[:have] = self._begun[:have]
        self._begun = self._begun[have:]
        self._left -= have
        try:
            with view[have:wanted] as rest:
                self._receive_all(rest)
        except BaseException:
            self.close()
            raise
        if not self._left:
            self._finish(whole=True)
        return wanted

    def _receive_all(self, view: memoryview) -> None:
        have = 0
        while have < len(view):
            with view[have:] as rest:  # let go at once: a traceback that held it would hold the whole buffer
                count = self._receive(rest)
            if not count:
                raise IncompleteReadError(actual_bytes=self._length - self._left, expected_bytes=self._length)
            have += count
            self._left -= count

    def close(self) -> None:
        self._finish(whole=False)

    def _finish(self, *, whole: bool) -> None:
        done, self._done = self._done, None
        if done:
            done(whole)
