"""A real S3 server for measuring: SeaweedFS, on free ports of loopback, its folder gone with it."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from tests.bench.peers import BenchError, program
from tests.sandbox.emulator_process import ROOT, end_group

REGION = "us-east-1"
ACCESS_KEY_ID, SECRET_ACCESS_KEY = "AKIDBENCH", "bench-secret"  # of a server on loopback that lives for minutes
STARTS_WITHIN = 60.0  # seconds; 2 on an idle machine
INLINE_BYTES = 4096  # smaller objects live beside their metadata, so that writing a hundred thousand takes minutes
VOLUMES, VOLUME_MB = 100, 1024  # a bucket takes seven; eight is the default, and the second bucket then gets none
PORTS = ("master", "volume", "filer", "s3")

IDENTITIES = {
    "identities": [
        {
            "name": "bench",
            "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {"name": "anonymous", "actions": ["Write"]},  # populating signs nothing, which triples its speed
    ]
}


class S3Server:
    """A context manager: started and answering inside, ended with its folder after, whatever happens."""

    def __init__(self) -> None:
        parent = ROOT / ".build" / "bench"
        parent.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="seaweedfs-", dir=parent))
        self.log = self.folder / "server.log"
        ports = free_ports(2 * len(PORTS))
        self.ports = dict(zip(PORTS, ports[: len(PORTS)], strict=True))
        self._grpc_ports = dict(zip(PORTS, ports[len(PORTS) :], strict=True))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def __enter__(self) -> Self:
        data, identities = self.folder / "data", self.folder / "identities.json"
        data.mkdir()
        identities.write_text(json.dumps(IDENTITIES))
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command(data, identities),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C reaches it through __exit__ only, after the clients
                )
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
        for port in (*self.ports.values(), *self._grpc_ports.values()):  # it leaves its sockets behind
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self) -> Any:
        return client(self.endpoint_url)

    def _command(self, data: Path, identities: Path) -> list[str]:
        ports = [f"-{name}.port={port}" for name, port in self.ports.items()]
        ports += [f"-{name}.port.grpc={port}" for name, port in self._grpc_ports.items()]
        return [
            *(str(program("weed")), "-logtostderr=true", "server", f"-dir={data}"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", *ports, f"-s3.config={identities}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false"),
            *(
                f"-filer.saveToFilerLimit={INLINE_BYTES}",
                f"-volume.max={VOLUMES}",
                f"-master.volumeSizeLimitMB={VOLUME_MB}",
            ),
        ]

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._writes():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise BenchError(f"SeaweedFS did not start ({STARTS_WITHIN:.0f} s).\n{tail}")
            time.sleep(0.2)

    def _writes(self) -> bool:
        """It answers before its volumes are there, so only a bucket written proves it."""
        try:
            self.client().create_bucket(Bucket="ready")
        except (BotoCoreError, ClientError):
            return False
        return True


def client(endpoint_url: str, *, authority: Path | None = None) -> Any:
    """An S3 client for setting up; what is measured makes its own. `authority`: whose certificates it trusts."""
    return Session().create_client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        verify=None if authority is None else str(authority),
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=60),
    )


def free_ports(count: int) -> list[int]:
    """Ports of loopback that were free a moment ago, each another: all held before the first is let go."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
