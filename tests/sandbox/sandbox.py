"""Two AWS accounts on this machine, with both products deployed from their templates and the real function running.

    with Sandbox({"consumer": {"DeletePolicy": "mirror"}}) as sandbox:
        sandbox.client("s3", sandbox.producer.account_id).put_object(Bucket=sandbox.producer.bucket, ...)

The producer's stack comes first: its rule and role name the consumer's bus and function before those exist.
"""

import importlib
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.sandbox.accounts import (
    CONSUMER_ACCOUNT,
    ORGANISATION_ID,
    PRODUCER_ACCOUNT,
    REGION,
    Consumer,
    Producer,
    client,
)
from tests.sandbox.calls import Call, read_calls
from tests.sandbox.emulator_process import ENVIRONMENT, ROOT, EmulatorProcess, SandboxError
from tests.sandbox.stacks import deploy

ARTIFACTS = f"s3-hydration-artifacts-{CONSUMER_ACCOUNT}"
CONSUMER_DEFAULTS = {
    # Short, so that a confirmed delete comes soon; few workers, because every one is a Python process of this machine.
    "FunctionTimeoutSeconds": "10",
    "MaximumConcurrency": "4",
    # A reconcile comes when it is asked for, and believes what is older than a moment to be lost.
    "ScheduleState": "DISABLED",
    "LagObjectiveSeconds": "2",
    "TransferTimeoutSeconds": "60",
    "TransferConcurrency": "2",
}
Parameters = Mapping[str, Mapping[str, str]]


class Sandbox:
    """`parameters` override the templates' ({"producer": {...}, "consumer": {...}}); `function_zip` the built one.

    Everything about it that needs the accounts raises SandboxError before `start()`.
    """

    def __init__(
        self,
        parameters: Parameters | None = None,
        *,
        function_zip: Path | None = None,
        detached: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.emulator = EmulatorProcess(detached=detached)
        self.external_id = secrets.token_hex(16)
        self._parameters = parameters or {}
        self._function_zip = function_zip
        self._progress = progress
        self._clients: dict[tuple[str, str], Any] = {}
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the emulator and deploys both products. Leaves nothing running when it fails (SandboxError)."""
        self._progress("building the function's zip")
        package = self._function_zip or built_zip()
        self._progress(f"starting two AWS accounts at {self.endpoint_url}")
        self.emulator.start()
        try:
            self._progress(f"deploying the producer's product into {PRODUCER_ACCOUNT}")
            self._producer = self._deploy_producer()
            self._progress(f"deploying the consumer's product into {CONSUMER_ACCOUNT}")
            self._consumer = self._deploy_consumer(self._producer, package)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for open_client in self._clients.values():
            open_client.close()
        self._clients.clear()
        self.emulator.stop()

    @property
    def endpoint_url(self) -> str:
        return self.emulator.endpoint_url

    @property
    def producer(self) -> Producer:
        if self._producer is None:
            raise SandboxError("The producer's product is not deployed: start the sandbox first.")
        return self._producer

    @property
    def consumer(self) -> Consumer:
        if self._consumer is None:
            raise SandboxError("The consumer's product is not deployed: start the sandbox first.")
        return self._consumer

    def client(self, service: str, account: str) -> Any:
        """A boto3 client of the account's root, one per service and account."""
        if (service, account) not in self._clients:
            self._clients[service, account] = client(self.endpoint_url, service, account)
        return self._clients[service, account]

    def calls(self, since: float = 0.0) -> list[Call]:
        """What was asked of AWS from `since` on (seconds since 1970), by the function and by everybody else."""
        return read_calls(self.emulator.calls, since)

    def queue_depth(self, queue_url: str) -> int:
        """Messages waiting, delayed or in flight."""
        asked = self.client("sqs", CONSUMER_ACCOUNT if CONSUMER_ACCOUNT in queue_url else PRODUCER_ACCOUNT)
        names = ["ApproximateNumberOfMessages" + kind for kind in ("", "NotVisible", "Delayed")]
        found = asked.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def invoke(self, function_name: str, payload: Any) -> Any:
        """The function's answer. SandboxError with its own words when it fails."""
        answer = self.client("lambda", CONSUMER_ACCOUNT).invoke(
            FunctionName=function_name, Payload=json.dumps(payload).encode()
        )
        body = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise SandboxError(f"{function_name} failed: {body}")
        return body

    def function_log(self, lines: int = 50, function_name: str = "") -> str:
        """The end of what a function logged, by default the replicator."""
        group = f"/aws/lambda/{function_name or self.consumer.function_name}"
        pages = self.client("logs", CONSUMER_ACCOUNT).get_paginator("filter_log_events").paginate(logGroupName=group)
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        return "\n".join(event["message"].rstrip("\n") for event in events[-lines:])

    def _deploy_producer(self) -> Producer:
        parameters = {
            "ConsumerAccountId": CONSUMER_ACCOUNT,
            "OrganisationId": ORGANISATION_ID,
            "ExternalId": self.external_id,
            **self._parameters.get("producer", {}),
        }
        cloudformation = self.client("cloudformation", PRODUCER_ACCOUNT)
        return Producer.of(deploy(cloudformation, "s3-hydration", template("producer"), parameters), self.external_id)

    def _deploy_consumer(self, producer: Producer, package: Path) -> Consumer:
        s3 = self.client("s3", CONSUMER_ACCOUNT)
        s3.create_bucket(Bucket=ARTIFACTS)
        for file in (package, template("consumer")):
            s3.put_object(Bucket=ARTIFACTS, Key=file.name, Body=file.read_bytes())
        where = f"{self.endpoint_url}/{ARTIFACTS}/{template('consumer').name}"
        parameters = {
            "ProducerAccountId": producer.account_id,
            "ProducerBucketName": producer.bucket,
            "ProducerBucketArn": f"arn:aws:s3:::{producer.bucket}",
            "CrossAccountRoleArn": producer.role_arn,
            "ProducerKmsKeyArn": producer.kms_key_arn,
            "OrganisationId": ORGANISATION_ID,
            "ExternalId": self.external_id,
            "LambdaS3Bucket": ARTIFACTS,
            "LambdaS3Key": package.name,
            "Architecture": publishing("function_zip").machine_architecture(),
            **self._network(),
            **CONSUMER_DEFAULTS,
            **self._parameters.get("consumer", {}),
        }
        cloudformation = self.client("cloudformation", CONSUMER_ACCOUNT)
        return Consumer.of(deploy(cloudformation, "s3-hydration", where, parameters))

    def _network(self) -> dict[str, str]:
        """A VPC with two subnets behind one route table, as the product expects to find in a real account."""
        ec2 = self.client("ec2", CONSUMER_ACCOUNT)
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        zones = {"10.0.0.0/24": f"{REGION}a", "10.0.1.0/24": f"{REGION}b"}
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for block, zone in zones.items()
        ]
        routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        for subnet in subnets:
            ec2.associate_route_table(RouteTableId=routes, SubnetId=subnet)
        return {"VpcId": vpc, "SubnetIds": ",".join(subnets), "RouteTableIds": routes}


def template(product: str) -> Path:
    return ROOT / "service-catalog" / product / "template.yaml"


def built_zip() -> Path:
    """The real zip, for this machine's architecture and the emulator's Python, which is the one that runs functions."""
    function_zip = publishing("function_zip")
    python = next((ENVIRONMENT / "lib").glob("python3.*")).name.removeprefix("python")
    built: Path = function_zip.build(function_zip.machine_architecture(), python)
    return built


def publishing(module: str) -> Any:
    """A module of service-catalog/publishing, whose folder is no package: its name has a hyphen."""
    folder = str(ROOT / "service-catalog" / "publishing")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(module)
