"""Clients that reach no network: stubbed call by call, or at moto."""

import pytest
from botocore.config import Config
from botocore.session import Session
from botocore.stub import Stubber
from moto import mock_aws

from tests.consumer.moto_table import create_table

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine():
    """Whatever is made without saying so signs with keys that nobody has; each test anew, whatever others left."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "AKIDOWN",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def aws():
    """Makes clients as `principals` configures them, but for the retries. One session: models are parsed once."""
    session = Session()
    session.set_credentials("AKIDOWN", "secret", "token")  # else moto's, if it is first used below mock_aws, for good
    config = Config(
        region_name=REGION,
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return lambda service: session.create_client(service, config=config)


@pytest.fixture
def stubbed(aws):
    """Makes a client with its Stubber, whose every answer must have been asked for by the end of the test."""
    stubs = []

    def make(service):
        client = aws(service)
        stubs.append(Stubber(client))
        stubs[-1].activate()
        return client, stubs[-1]

    yield make
    for stub in stubs:
        stub.assert_no_pending_responses()


@pytest.fixture
def emulated(aws):
    """Makes clients of an empty AWS in this process."""
    with mock_aws():
        yield aws


@pytest.fixture
def table(emulated):
    """The manifest's table on moto, which has conditions and paging right; its client."""
    client = emulated("dynamodb")
    create_table(client)
    return client


@pytest.fixture
def versioned(emulated):
    """Makes an S3 client with a versioned bucket of this name."""

    def make(bucket):
        client = emulated("s3")
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        return client

    return make


@pytest.fixture
def clouds(monkeypatch):
    """Two accounts on moto and the environment of both functions."""
    from tests.consumer.clouds import deployed

    with deployed(monkeypatch) as made:
        yield made
