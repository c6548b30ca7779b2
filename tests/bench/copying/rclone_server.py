"""A fast S3 server over TLS: `rclone serve s3` on a folder in memory. It checks signatures, and neither conditions nor
checksums: for throughput only."""

import subprocess
import time
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from tests.bench.copying.certificate import HOST, Certificate
from tests.bench.peers import BenchError, program
from tests.bench.s3_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, client, free_ports
from tests.sandbox.emulator_process import end_group

STARTS_WITHIN = 30.0  # seconds; 0.1 on an idle machine
FLAGS = ("--vfs-cache-mode", "off", "--dir-cache-time", "1h", "--poll-interval", "0")


class RcloneServer:
    """A context manager: answering inside, ended after. `folder` is its data, a folder in it is a bucket."""

    def __init__(self, folder: Path, certificate: Certificate, log: Path) -> None:
        self.folder = folder
        self._certificate = certificate
        self._log = log
        (self._port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        return f"https://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(str(program("rclone")), "serve", "s3", "--config=", "--addr", f"{HOST}:{self._port}"),
                    *("--auth-key", f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}", *FLAGS),
                    *("--cert", str(self._certificate.server), "--key", str(self._certificate.key)),
                    str(self.folder),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end_group(self._process.pid)
            self._process.wait()
            self._process = None

    def client(self) -> Any:
        return client(self.endpoint_url, authority=self._certificate.authority)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        asking = self.client()
        while True:
            try:
                asking.list_buckets()
            except (BotoCoreError, ClientError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = self._log.read_text(errors="replace")[-500:]
                    raise BenchError(
                        f"rclone serve s3 did not start ({STARTS_WITHIN:.0f} s): {error}\n{said}"
                    ) from error
                time.sleep(0.05)
            else:
                return
