"""The tools that copy: how each is asked to copy a whole bucket from one endpoint into a bucket at another.

A tool that knows one endpoint at a time copies down to a folder in memory and up again: two commands, added up.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.copying.ours import Plan
from tests.bench.copying.workload import MIB, Workload
from tests.bench.peers import Places, program
from tests.bench.peers import environment as clean_environment
from tests.bench.s3_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY

type Command = list[str]

OURS = "s3-hydration"


@dataclass(frozen=True, slots=True)
class Route:
    """From where to where, and the folder of this run. `checksums`: what S3 would have kept (see `ours.Plan`)."""

    source_url: str
    replica_url: str
    source: str
    replica: str
    workload: Workload
    folder: Path
    authority: Path
    checksums: Path

    @property
    def between(self) -> Path:
        """Where a tool puts what it takes down before it takes it up; in memory, as the servers' data is."""
        return self.folder / "between"


@dataclass(frozen=True, slots=True)
class Copier:
    """`least`: only objects of so many bytes are worth measuring it with."""

    name: str
    commands: Callable[[Route], list[Command]]
    least: int = 0


def environment(route: Route) -> Mapping[str, str]:
    return trusting(route.authority, route.replica_url, route.folder)


def trusting(authority: Path, url: str, home: Path) -> dict[str, str]:
    """Nothing of this machine; the bench's authority is trusted by OpenSSL, Go, and whatever asks for AWS_CA_BUNDLE."""
    return {
        **clean_environment(Places(url, "", "", "", 0), ACCESS_KEY_ID, SECRET_ACCESS_KEY, home),
        "AWS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        # aws-cli's own checksums are refused by this server over TLS (MissingContentLength); without them it is faster.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


def _ours(*, stored: bool = True, client: str = "product") -> Callable[[Route], list[Command]]:
    def commands(route: Route) -> list[Command]:
        plan = route.folder / "plan.json"
        Plan(
            source_url=route.source_url,
            replica_url=route.replica_url,
            source=route.source,
            replica=route.replica,
            keys=list(route.workload.every_key()),
            checksums=str(route.checksums) if stored else None,
            client=client,
        ).save(plan)
        return [[sys.executable, "-m", "tests.bench.copying.ours", str(plan)]]

    return commands


TUNED = (
    *("--transfers=16", "--checkers=16", "--fast-list", "--no-check-dest"),
    *("--s3-no-check-bucket", "--s3-no-head", "--s3-disable-http2"),
)
"""The best that were found: 8 to 32 transfers are alike, and what is not named here makes no difference."""
IN_PARTS = ("--s3-chunk-size=16M", "--s3-upload-concurrency=4")
BY_ONE_PUT = ("--multi-thread-streams=0", "--s3-upload-cutoff=5G", "--buffer-size=0")
"""Of large objects: half the CPU, but nothing above 5 GiB, and a PUT that fails begins anew."""


def _rclone(*flags: str) -> Callable[[Route], list[Command]]:
    def commands(route: Route) -> list[Command]:
        source, replica = (
            f":s3,env_auth=true,provider=Rclone,region=us-east-1,endpoint='{url}':{bucket}"
            for url, bucket in ((route.source_url, route.source), (route.replica_url, route.replica))
        )
        return [[str(program("rclone")), "--config=", "--quiet", "copy", *flags, source, replica]]

    return commands


def _s5cmd(route: Route) -> list[Command]:
    s5cmd, between = str(program("s5cmd")), str(route.between)
    return [
        [s5cmd, "--endpoint-url", route.source_url, "--log", "error", "cp", f"s3://{route.source}/*", f"{between}/"],
        [s5cmd, "--endpoint-url", route.replica_url, "--log", "error", "cp", f"{between}/", f"s3://{route.replica}/"],
    ]


def _aws(route: Route) -> list[Command]:
    aws, between = str(program("aws")), str(route.between)
    copy = [aws, "s3", "cp", "--recursive", "--only-show-errors"]
    return [
        [*copy, "--endpoint-url", route.source_url, f"s3://{route.source}/", between],
        [*copy, "--endpoint-url", route.replica_url, between, f"s3://{route.replica}/"],
    ]


OVER_BOTOCORE = f"{OURS} over botocore"
LARGE = 100 * MIB
COPIERS = (
    Copier(OURS, _ours()),
    Copier(f"{OURS} without source checksum", _ours(stored=False)),
    Copier(OVER_BOTOCORE, _ours(client="botocore")),
    Copier("rclone copy", _rclone()),
    Copier("rclone copy tuned", _rclone(*TUNED, *IN_PARTS)),
    Copier("rclone copy tuned, by one PUT", _rclone(*TUNED, *BY_ONE_PUT), least=LARGE),
    Copier("s5cmd cp down and up", _s5cmd),
    Copier("aws s3 cp down and up", _aws),
)
