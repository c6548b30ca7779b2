"""The body of a request that is streamed: blocks of one reused buffer, framed where a checksum follows (edge).

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

import threading
from collections.abc import Iterator
from typing import Protocol

from botocore.exceptions import IncompleteReadError

BLOCK = 256 * 1024
"""What is read and sent at a time, and the size of a chunk: S3 asks for at least 8 KiB in all but the last."""
FRAME = f"{BLOCK:x}\r\n"
ROOM = len(FRAME)


class Readable(Protocol):
    def readinto(self, view: memoryview, /) -> int: ...


class Trailing(Protocol):
    """A checksum that is known once the last byte was read: its algorithm as S3 spells it, its value in base64."""

    @property
    def algorithm(self) -> str: ...
    def value(self) -> str: ...


_own = threading.local()


def _buffer() -> memoryview:
    """This thread's: a stream is sent from its first byte to its last before the thread sends another."""
    if not hasattr(_own, "view"):
        _own.view = memoryview(bytearray(ROOM + BLOCK + 2))
    view: memoryview = _own.view
    return view


class Stream:
    """`size` bytes from `source`. `touched`: something was read from it, so that it cannot be sent again."""

    def __init__(self, source: Readable, size: int, trailing: Trailing | None) -> None:
        self._source = source
        self._size = size
        self._trailing = trailing
        self.touched = False

    @property
    def is_framed(self) -> bool:
        """Whether its content is `aws-chunked`."""
        return self._trailing is not None

    @property
    def headers(self) -> dict[str, str]:
        if self._trailing is None:
            return {"content-length": str(self._size)}
        return {
            "content-length": str(self._framed_size()),
            "x-amz-decoded-content-length": str(self._size),
            "x-amz-trailer": self._trailer_name(self._trailing),
        }

    def blocks(self) -> Iterator[memoryview | bytes]:
        """What is sent, in order; each block is good until the next is asked for.

        :raises IncompleteReadError: the source ended too early.
        """
        self.touched = True
        view, trailing = _buffer(), self._trailing
        for start in range(0, self._size, BLOCK):
            size = min(BLOCK, self._size - start)
            self._fill(view[ROOM : ROOM + size], start)
            if trailing is None:
                yield view[ROOM : ROOM + size]
            else:
                frame = f"{size:x}\r\n".encode()
                first, end = ROOM - len(frame), ROOM + size
                view[first:ROOM] = frame
                view[end : end + 2] = b"\r\n"
                yield view[first : end + 2]
        if trailing is not None:
            yield f"0\r\n{self._trailer_name(trailing)}:{trailing.value()}\r\n\r\n".encode()

    def _fill(self, view: memoryview, start: int) -> None:
        have = 0
        while have < len(view):
            count = self._source.readinto(view[have:])
            if not count:
                raise IncompleteReadError(actual_bytes=start + have, expected_bytes=self._size)
            have += count

    def _framed_size(self) -> int:
        whole, rest = divmod(self._size, BLOCK)
        frames = whole * (ROOM + BLOCK + 2) + (len(f"{rest:x}\r\n") + rest + 2 if rest else 0)
        assert self._trailing is not None
        last = len(f"0\r\n{self._trailer_name(self._trailing)}:\r\n\r\n") + BASE64_SIZE[self._trailing.algorithm]
        return frames + last

    @staticmethod
    def _trailer_name(trailing: Trailing) -> str:
        return f"x-amz-checksum-{trailing.algorithm.lower()}"


BASE64_SIZE = {"CRC32": 8, "CRC32C": 8, "CRC64NVME": 12, "SHA1": 28, "SHA256": 44}
"""Characters of a value of each algorithm."""
