"""The stand-in answers real clients as S3 does, over TLS, and knows what arrived."""

import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from botocore.session import Session

from tests.bench.copying.certificate import issue
from tests.bench.copying.workload import Workload
from tests.bench.function import emulated
from tests.bench.peers import BenchError

SIZE = 4096


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def url(certificate):
    with emulated._server(certificate, SIZE) as url:
        yield url


def client(url, verify):
    return Session().create_client(
        "s3",
        endpoint_url=url,
        verify=verify,
        region_name="us-east-1",
        aws_access_key_id="AKIDBENCH",
        aws_secret_access_key="bench-secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_an_object_is_got_with_its_checksum_and_put_again(url, certificate):
    s3 = client(url, str(certificate.authority))
    answer = s3.get_object(Bucket="bench", Key="a b", ChecksumMode="ENABLED")
    body = answer["Body"].read()
    assert (len(body), answer["ChecksumType"]) == (SIZE, "FULL_OBJECT")
    assert s3.put_object(Bucket="replica", Key="a b", Body=body, ChecksumCRC64NVME=answer["ChecksumCRC64NVME"])["ETag"]
    emulated._check(url, certificate, Workload("function", 1, SIZE))


def test_a_body_that_differs_is_counted(url, certificate):
    client(url, str(certificate.authority)).put_object(Bucket="replica", Key="a", Body=b"other")
    with pytest.raises(BenchError, match="of 1 objects 0 arrived"):
        emulated._check(url, certificate, Workload("function", 1, SIZE))


def test_who_does_not_know_the_authority_does_not_trust_the_server(url):
    with pytest.raises(SSLError):
        client(url, None).get_object(Bucket="bench", Key="a")


def test_the_ideal_is_what_the_waiting_allows():
    assert round(emulated.ideal()) == 333


def test_a_rate_s_share_of_a_core_is_its_cpu_by_its_time():
    row = emulated.Row("s3-hydration", [emulated.Rate(300, 1.0, 0.2), emulated.Rate(300, 2.0, 0.4)])
    assert (row.objects_per_second, row.share) == (225, 0.2)
    (goal,) = emulated.goals([row])
    assert (goal.wanted, goal.measured, goal.met) == (280, 225, False)
