"""An S3 without a disk, in a process of its own: it makes up what is read, and swallows and checks what is written.

`GET /source-bucket/<size>` answers with so many bytes, the same block again and again, and with the CRC64NVME of them
all. What is put into any other bucket must have the checksum that came with it, before it or behind it.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from consumer_replicator import checksum
from consumer_replicator.checksum import ALGORITHMS, Checksum, Running

BLOCK = bytes(range(256)) * 4096
HEADERS = {f"x-amz-checksum-{algorithm.lower()}": algorithm for algorithm in ALGORITHMS}


def of_size(size: int) -> Checksum:
    """The checksum of the object of this size."""
    whole, rest = divmod(size, len(BLOCK))
    parts = [(checksum.of(BLOCK), len(BLOCK))] * whole + [(checksum.of(BLOCK[:rest]), rest)]
    return checksum.combined(parts)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(urlsplit(self.path).path.rpartition("/")[2])
        first, last = 0, size - 1
        headers = {"etag": '"e"', "last-modified": "Thu, 05 Nov 2026 12:00:00 GMT", "x-amz-version-id": "v1"}
        if "range" in self.headers:
            first, last = map(int, self.headers["range"].removeprefix("bytes=").split("-"))
            headers["content-range"] = f"bytes {first}-{last}/{size}"
        else:
            headers |= {"x-amz-checksum-crc64nvme": of_size(size).value, "x-amz-checksum-type": "FULL_OBJECT"}
        self._send(206 if "range" in self.headers else 200, headers, length=last + 1 - first)
        place, left = first % len(BLOCK), last + 1 - first
        view = memoryview(BLOCK)
        try:
            while left:
                piece = view[place : place + left]
                self.wfile.write(piece)
                place, left = 0, left - len(piece)
        except ConnectionError:  # whoever asked has seen enough
            self.close_connection = True

    def do_PUT(self) -> None:
        length = int(self.headers["content-length"])
        told = next(
            (Checksum(HEADERS[name.lower()], value) for name, value in self.headers.items() if name.lower() in HEADERS),
            None,
        )
        if "aws-chunked" in self.headers.get("content-encoding", ""):
            running = Running(HEADERS[self.headers["x-amz-trailer"]])
            while size := int(self.rfile.readline(), 16):
                self._swallow(size, running)
                self.rfile.readline()
            told = Checksum(running.algorithm, self.rfile.readline().decode().partition(":")[2].strip())
            self.rfile.readline()
        else:
            running = Running(told.algorithm if told else checksum.COMPUTED)
            self._swallow(length, running)
        good = running.checksum() == told
        self._send(200 if good else 400, {"etag": '"w"', "x-amz-version-id": "w1"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        opened = "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self._send(200, {}, b"<R><UploadId>u</UploadId></R>" if opened else b'<R><ETag>"w"</ETag></R>')

    def do_DELETE(self) -> None:
        self._send(204, {})

    def log_message(self, *_: object) -> None:
        pass

    def _swallow(self, size: int, running: Running) -> None:
        buffer = memoryview(bytearray(min(size, len(BLOCK))))
        while size:
            count = self.rfile.readinto(buffer[: min(size, len(buffer))])
            running.add(buffer[:count])
            size -= count

    def _send(self, status: int, headers: dict[str, str], content: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
