"""Both products are deployed, updated and deleted under every pair of their conditions; what holds data stays."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from producer_events.notifications import missing
from tests.sandbox import sandbox as products
from tests.sandbox.accounts import CONSUMER_ACCOUNT, ORGANISATION_ID, PRODUCER_ACCOUNT, REGION
from tests.sandbox.bare_accounts import BareAccounts, Mailbox
from tests.sandbox.emulator_process import SandboxError
from tests.sandbox.stacks import delete, deploy, update
from tests.service_catalog.template import CONSUMER, PRODUCER

TEMPLATE = {"producer": PRODUCER.path, "consumer": CONSUMER.path}
ARTIFACTS = "acme-artifacts"
WATCHING = "WatchingKey"  # the one key that goes with its stack
Choices = Mapping[str, Mapping[str, str]]
# What each condition of a template hangs on: the parameters that turn round what the defaults say.
PRODUCER_CHOICES: Choices = {
    "prefixes": {"ScopePrefixes": "raw/,curated/"},
    "suffixes": {"ScopeSuffixes": ".csv"},
    "name": {"BucketName": "{name}-named"},
    "logs elsewhere": {"AccessLogsBucketName": "acme-logs"},
    "endpoint": {"AllowedVpceAccountId": CONSUMER_ACCOUNT},
    "mail": {"AlarmEmail": "on-call@example.org"},
}
CONSUMER_CHOICES: Choices = {
    "prefixes": {"ScopePrefixes": "raw/,curated/"},
    "suffixes": {"ScopeSuffixes": ".csv"},
    "name": {"BucketName": "{name}-named"},
    "logs elsewhere": {"AccessLogsBucketName": "acme-logs"},
    "mirror": {"DeletePolicy": "mirror"},
    "s3 endpoint there": {"CreateS3Endpoint": "false"},
    "dynamodb endpoint there": {"CreateDynamoDBEndpoint": "false"},
    "sts endpoint there": {"CreateStsEndpoint": "false"},
    "sqs endpoint there": {"CreateSqsEndpoint": "false"},
    "prefix lists": {"S3PrefixListId": "pl-63a5400a", "DynamoDBPrefixListId": "pl-02cd2c6b"},
    "no archive": {"ArchiveDays": "0"},
    "bounds": {"ManifestMaxWriteUnits": "1000"},
    "traces": {"TracingMode": "Active"},
    "mail": {"AlarmEmail": "on-call@example.org"},
}


def pairwise(choices: Choices) -> list[tuple[bool, ...]]:
    """Few rows of yes and no in which any two choices meet in all four ways. Greedy, and the same every time."""
    width = len(choices)
    wanted = {(i, a, j, b) for i, j in combinations(range(width), 2) for a, b in product((False, True), repeat=2)}
    rows: list[tuple[bool, ...]] = []
    while wanted:
        row: list[bool] = []
        for i in range(width):
            gain = {
                yes: sum((j, before, i, yes) in wanted for j, before in enumerate(row))
                + 0.01 * sum(key[:2] == (i, yes) for key in wanted)
                for yes in (False, True)
            }
            row.append(gain[True] > gain[False])
        met = {(i, row[i], j, row[j]) for i, j in combinations(range(width), 2)}
        if not met & wanted:
            i, a, j, b = min(wanted)
            row[i], row[j] = a, b
            met = {(i, row[i], j, row[j]) for i, j in combinations(range(width), 2)}
        wanted -= met
        rows.append(tuple(row))
    return rows


def chosen(choices: Choices, row: tuple[bool, ...], name: str) -> dict[str, str]:
    """The parameters of one row."""
    taken = [parameters for parameters, yes in zip(choices.values(), row, strict=True) if yes]
    return {key: value.format(name=name) for parameters in taken for key, value in parameters.items()}


ROWS = {"producer": pairwise(PRODUCER_CHOICES), "consumer": pairwise(CONSUMER_CHOICES)}
CHOICES = {"producer": PRODUCER_CHOICES, "consumer": CONSUMER_CHOICES}
ACCOUNT = {"producer": PRODUCER_ACCOUNT, "consumer": CONSUMER_ACCOUNT}
EVERY_ROW = [(which, number) for which, rows in ROWS.items() for number in range(len(rows))]


@pytest.fixture(scope="module")
def artifacts(aws: BareAccounts, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bucket in each account with two releases of a stub; the answer is where the consumer's template is."""
    stub = tmp_path_factory.mktemp("stub") / "stub.zip"
    with zipfile.ZipFile(stub, "w") as archive:
        archive.writestr("consumer_replicator/handlers/replicator.py", "def handler(event, context): pass")
    for account in (PRODUCER_ACCOUNT, CONSUMER_ACCOUNT):
        s3 = aws.client("s3", account)
        s3.create_bucket(Bucket=f"{ARTIFACTS}-{account}")
        for key in ("1.zip", "2.zip"):
            s3.put_object(Bucket=f"{ARTIFACTS}-{account}", Key=key, Body=stub.read_bytes())
    s3.put_object(Bucket=f"{ARTIFACTS}-{account}", Key="template.yaml", Body=TEMPLATE["consumer"].read_bytes())
    return f"{aws.emulator.endpoint_url}/{ARTIFACTS}-{account}/template.yaml"


@pytest.fixture(scope="module")
def network(aws: BareAccounts) -> dict[str, str]:
    ec2 = aws.client("ec2", CONSUMER_ACCOUNT)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    routes = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {"VpcId": vpc, "SubnetIds": subnet, "RouteTableIds": routes}


@pytest.fixture
def given(network: dict[str, str]) -> dict[str, dict[str, str]]:
    """By template, what has no default."""
    trust = {"OrganisationId": ORGANISATION_ID, "ExternalId": "an-external-id-of-enough-characters"}
    bucket = "acme-exports"
    return {
        "producer": {**trust, "ConsumerAccountId": CONSUMER_ACCOUNT},
        "consumer": {
            **trust,
            **network,
            "ProducerAccountId": PRODUCER_ACCOUNT,
            "ProducerBucketName": bucket,
            "ProducerBucketArn": f"arn:aws:s3:::{bucket}",
            "CrossAccountRoleArn": f"arn:aws:iam::{PRODUCER_ACCOUNT}:role/s3-hydration-read",
            "ProducerKmsKeyArn": f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/1234abcd",
            "LambdaS3Bucket": f"{ARTIFACTS}-{CONSUMER_ACCOUNT}",
            "LambdaS3Key": "1.zip",
            "ScheduleState": "DISABLED",
        },
    }


def exists(aws: BareAccounts, account: str, kind: str, name: str) -> bool:
    """Whether a retained resource is there."""
    match kind:
        case "AWS::S3::Bucket":
            return name in {bucket["Name"] for bucket in aws.client("s3", account).list_buckets()["Buckets"]}
        case "AWS::DynamoDB::Table":
            return name in aws.client("dynamodb", account).list_tables()["TableNames"]
        case "AWS::KMS::Key":
            return bool(aws.client("kms", account).describe_key(KeyId=name)["KeyMetadata"]["Enabled"])
    raise NotImplementedError(kind)


def made(cloudformation: Any, stack: str) -> Iterator[tuple[str, str, str]]:
    """Logical id, type and name of every resource of a stack."""
    for each in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
        yield each["LogicalResourceId"], each["ResourceType"], each["PhysicalResourceId"]


def retained(cloudformation: Any, stack: str) -> list[tuple[str, str]]:
    held = {"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key"}
    return [(kind, name) for logical, kind, name in made(cloudformation, stack) if kind in held and logical != WATCHING]


@pytest.mark.parametrize(("which", "number"), EVERY_ROW, ids=[f"{which} {number}" for which, number in EVERY_ROW])
def test_a_product_is_deployed_updated_to_another_choice_and_deleted_and_its_data_stays(
    aws: BareAccounts, artifacts: str, given: dict[str, dict[str, str]], which: str, number: int
) -> None:
    cloudformation = aws.client("cloudformation", ACCOUNT[which])
    template = artifacts if which == "consumer" else TEMPLATE[which]
    name = f"{which}-{number}"
    rows, choices = ROWS[which], CHOICES[which]
    base = {**given[which], "InstanceName": name}

    deploy(cloudformation, name, template, base | chosen(choices, rows[number], name))
    before = retained(cloudformation, name)
    assert before
    another = chosen(choices, rows[(number + 1) % len(rows)], name)
    release = {"LambdaS3Key": "2.zip"} if which == "consumer" else {}
    update(cloudformation, name, template, base | another | release)
    resolved = (CONSUMER if which == "consumer" else PRODUCER).resolve(**another)
    assert {logical for logical, _, _ in made(cloudformation, name)} == set(resolved.resources)
    after = retained(cloudformation, name)
    delete(cloudformation, name)
    assert [each for each in {*before, *after} if not exists(aws, ACCOUNT[which], *each)] == []


@pytest.mark.parametrize("which", ["producer", "consumer"])
def test_what_a_deployment_leaves_behind_is_not_in_the_way_of_the_next(
    aws: BareAccounts, artifacts: str, given: dict[str, dict[str, str]], which: str
) -> None:
    """But for the buckets, whose names are given anew, as the parameters say."""
    cloudformation = aws.client("cloudformation", ACCOUNT[which])
    template = artifacts if which == "consumer" else TEMPLATE[which]
    base = {**given[which], "InstanceName": f"again-{which}"}
    deploy(cloudformation, "first", template, base)
    delete(cloudformation, "first")
    deploy(cloudformation, "second", template, base | {"BucketName": f"again-{which}", "AccessLogsBucketName": "logs"})
    delete(cloudformation, "second")


@pytest.mark.parametrize(
    ("which", "parameters", "said"),
    [
        ("producer", {"ExistingBucketName": "acme-exports"}, "needs ExistingKmsKeyArn"),
        (
            "producer",
            {"ExistingKmsKeyArn": f"arn:aws:kms:{REGION}:{PRODUCER_ACCOUNT}:key/1"},
            "belongs to ExistingBucket",
        ),
        ("consumer", {"S3PrefixListId": "pl-63a5400a"}, "or neither"),
        ("consumer", {"BucketName": "acme-exports"}, "cannot be the source bucket"),
    ],
)
def test_a_contradiction_is_refused_before_anything_is_made(
    aws: BareAccounts,
    artifacts: str,
    given: dict[str, dict[str, str]],
    which: str,
    parameters: dict[str, str],
    said: str,
) -> None:
    template = artifacts if which == "consumer" else TEMPLATE[which]
    with pytest.raises(SandboxError, match=said):
        deploy(aws.client("cloudformation", ACCOUNT[which]), "refused", template, given[which] | parameters)


class TestBucketThatExists:
    BUCKET = "acme-existing"

    @pytest.fixture
    def parameters(self, aws: BareAccounts, given: dict[str, dict[str, str]], artifacts: str) -> dict[str, str]:
        """The real zip, because its handler runs."""
        zipped = products.built_zip()
        bucket = f"{ARTIFACTS}-{PRODUCER_ACCOUNT}"
        aws.client("s3").put_object(Bucket=bucket, Key=zipped.name, Body=zipped.read_bytes())
        return {
            **given["producer"],
            "InstanceName": "adopting",
            "ExistingBucketName": self.BUCKET,
            "ExistingKmsKeyArn": aws.key(),
            "LambdaS3Bucket": bucket,
            "LambdaS3Key": zipped.name,
        }

    def test_its_notifications_are_kept_when_the_product_comes_is_updated_and_goes(
        self, aws: BareAccounts, parameters: dict[str, str], tmp_path: Path
    ) -> None:
        s3, cloudformation = aws.bucket(self.BUCKET), aws.client("cloudformation")
        others = self._notify_others(aws, s3)

        outputs = deploy(cloudformation, "adopting", TEMPLATE["producer"], parameters)
        assert outputs["BucketName"] == self.BUCKET
        assert json.loads(outputs["StatementForTheKey"])["Principal"] == {"AWS": outputs["RoleArn"]}
        assert missing({**others, "EventBridgeConfiguration": {}}, self._notifications(s3)) == []

        s3.put_bucket_notification_configuration(
            Bucket=self.BUCKET, NotificationConfiguration=others, SkipDestinationValidation=True
        )
        assert missing({"EventBridgeConfiguration": {}}, self._notifications(s3)) == ["EventBridge is not on"]
        released = tmp_path / "template.yaml"
        text = TEMPLATE["producer"].read_text()
        released.write_text(text.replace("TemplateVersion: 0.1.0", "TemplateVersion: 0.1.1"))
        assert released.read_text() != text
        update(cloudformation, "adopting", released, parameters)
        assert missing({**others, "EventBridgeConfiguration": {}}, self._notifications(s3)) == []

        delete(cloudformation, "adopting")
        assert missing({**others, "EventBridgeConfiguration": {}}, self._notifications(s3)) == []

    def test_a_bucket_that_is_not_there_fails_the_deployment_with_s3s_words(
        self, aws: BareAccounts, parameters: dict[str, str]
    ) -> None:
        cloudformation = aws.client("cloudformation")
        nowhere = parameters | {"InstanceName": "nowhere", "ExistingBucketName": "acme-nowhere"}
        with pytest.raises(SandboxError, match=r"EventsSwitch.*NoSuchBucket"):
            deploy(cloudformation, "nowhere", TEMPLATE["producer"], nowhere)

    def _notify_others(self, aws: BareAccounts, s3: Any) -> dict[str, Any]:
        mailbox = Mailbox(aws, "somebody-elses")
        rules = [{"Name": "prefix", "Value": "raw/"}]
        entry = {"Id": "theirs", "QueueArn": mailbox.arn, "Events": ["s3:ObjectCreated:*"]}
        others = {"QueueConfigurations": [{**entry, "Filter": {"Key": {"FilterRules": rules}}}]}
        s3.put_bucket_notification_configuration(
            Bucket=self.BUCKET, NotificationConfiguration=others, SkipDestinationValidation=True
        )
        return others

    def _notifications(self, s3: Any) -> dict[str, Any]:
        found: dict[str, Any] = s3.get_bucket_notification_configuration(Bucket=self.BUCKET)
        return found


def test_the_choices_cover_every_pair_of_conditions_in_few_rows() -> None:
    for which, rows in ROWS.items():
        width = len(CHOICES[which])
        met = {(i, row[i], j, row[j]) for row in rows for i, j in combinations(range(width), 2)}
        assert len(met) == 4 * width * (width - 1) / 2
        assert len(rows) <= 12
    assert {key for each in CONSUMER_CHOICES.values() for key in each} <= set(CONSUMER.body["Parameters"])
