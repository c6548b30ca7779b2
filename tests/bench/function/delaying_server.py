"""A stand-in for S3 that answers every request some milliseconds after it was read, however many are waiting.

    python -m tests.bench.function.delaying_server CERTIFICATE KEY MILLISECONDS BYTES      prints its URL

Any key of any bucket is an object of BYTES bytes with a stored checksum; what is put is compared with it and forgotten.
GET /arrived tells how many keys were put as they were got, and how many otherwise. It ends when its stdin does.
"""

import asyncio
import json
import random
import ssl
import sys
from typing import Any

from consumer_replicator import checksum
from tests.bench.copying.certificate import HOST

END_OF_HEAD = b"\r\n\r\n"


class Store:
    def __init__(self, size: int) -> None:
        self.body = random.Random(size).randbytes(size)
        self.right: set[str] = set()
        self.wrong: set[str] = set()
        headers = {
            "Content-Type": "application/octet-stream",
            "ETag": '"0123456789abcdef0123456789abcdef"',
            "Last-Modified": "Tue, 24 Nov 2026 06:00:00 GMT",
            "x-amz-checksum-crc64nvme": checksum.of(self.body).value,
            "x-amz-checksum-type": "FULL_OBJECT",
            "x-amz-meta-from": "bench",
            "x-amz-request-id": "0123456789ABCDEF",
        }
        self._got = _answer(200, headers, self.body)
        self._put = _answer(200, {"ETag": '"fedcba9876543210fedcba9876543210"'}, b"")

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        if path == "/arrived":
            return _answer(200, {}, json.dumps({"right": len(self.right), "wrong": len(self.wrong)}).encode())
        if method == "GET":
            return self._got
        if method == "PUT":
            (self.right if body == self.body else self.wrong).add(path)
            return self._put
        return _answer(501, {}, b"")


class Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, one request at a time, as S3 clients speak it."""

    def __init__(self, store: Store, delay: float) -> None:
        self._store = store
        self._delay = delay
        self._read = bytearray()
        self._continued = False
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(END_OF_HEAD)
        if end < 0:
            return
        first, *lines = self._read[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body_from = end + len(END_OF_HEAD)
        body_to = body_from + int(headers.get("content-length", "0"))
        if len(self._read) < body_to:
            if headers.get("expect") == "100-continue" and not self._continued:
                self._continued = True
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = bytes(self._read[body_from:body_to])
        del self._read[:body_to]
        self._continued = False
        method, target, _ = first.split(" ")
        answer = self._store.answer(method, target.partition("?")[0], body)
        asyncio.get_running_loop().call_later(self._delay, self._say, answer)

    def _say(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _answer(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


async def serve(certificate: str, key: str, delay: float, size: int) -> None:
    store = Store(size)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(store, delay), HOST, 0, ssl=context, backlog=512)
    print(f"https://{HOST}:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000, int(sys.argv[4])))
