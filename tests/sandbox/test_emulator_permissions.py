"""Who may do what in the emulator: roles across accounts, and policies about the key that the request names."""

import json
from collections.abc import Callable
from typing import Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.accounts import CONSUMER_ACCOUNT, ORGANISATION_ID, PRODUCER_ACCOUNT, REGION
from tests.sandbox.bare_accounts import BareAccounts

READER = f"arn:aws:iam::{PRODUCER_ACCOUNT}:role/reader"
COPIER = f"arn:aws:iam::{CONSUMER_ACCOUNT}:role/copier"


def session(aws: BareAccounts, sts: Any, role: str, **arguments: Any) -> Callable[[str], Any]:
    """Makes clients of the assumed role."""
    found = sts.assume_role(RoleArn=role, RoleSessionName="test", **arguments)["Credentials"]
    assumed: Any = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], REGION)
    return lambda service: assumed.client(service, endpoint_url=aws.emulator.endpoint_url)


def make_role(aws: BareAccounts, arn: str, trust: dict[str, Any], *allowed: dict[str, Any]) -> None:
    account, name = arn.split(":")[4], arn.rpartition("/")[2]
    iam = aws.client("iam", account)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole"} | trust
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}))
    statements = [{"Effect": "Allow"} | statement for statement in allowed]
    iam.put_role_policy(RoleName=name, PolicyName="allowed", PolicyDocument=json.dumps({"Statement": statements}))


@pytest.fixture(scope="module")
def copier(aws: BareAccounts) -> Callable[[str], Any]:
    """Clients of the consumer's role, which may assume the producer's reader; that one may get and put `in/*`."""
    root = {"Principal": {"AWS": f"arn:aws:iam::{CONSUMER_ACCOUNT}:root"}}
    aws.bucket("permitted")
    objects = {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::permitted/*"}
    listing = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::permitted"}
    only = {
        "StringEquals": {"sts:ExternalId": "secret", "aws:PrincipalOrgID": ORGANISATION_ID},
        "ArnEquals": {"aws:PrincipalArn": COPIER},
    }
    make_role(aws, READER, root | {"Condition": only}, objects, listing)
    make_role(aws, COPIER, root, {"Action": "sts:AssumeRole", "Resource": READER})
    return session(aws, aws.client("sts", CONSUMER_ACCOUNT), COPIER)


@pytest.mark.parametrize("arguments", [{}, {"ExternalId": "wrong"}], ids=["without", "wrong"])
def test_a_role_is_not_assumed_without_its_external_id(copier: Callable[[str], Any], arguments: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        copier("sts").assume_role(RoleArn=READER, RoleSessionName="test", **arguments)


def test_a_role_is_not_assumed_by_another_principal_of_the_trusted_account(
    aws: BareAccounts, copier: Callable[[str], Any]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        session(aws, aws.client("sts", CONSUMER_ACCOUNT), READER, ExternalId="secret")


@pytest.mark.parametrize("key", ["/", "//", "a//b", "a\nb", "a\r\n", "..", "plain"])
def test_a_role_that_may_reach_every_key_reaches_odd_ones(
    aws: BareAccounts, copier: Callable[[str], Any], key: str
) -> None:
    s3 = session(aws, copier("sts"), READER, ExternalId="secret")("s3")
    s3.put_object(Bucket="permitted", Key=key, Body=b"x")
    assert s3.get_object(Bucket="permitted", Key=key)["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="permitted", Key=key)


class TestKeys:
    """The bucket `locked` is encrypted under a key of its own, with a bucket key."""

    @pytest.fixture
    def reader(self, aws: BareAccounts, copier: Callable[[str], Any], request: pytest.FixtureRequest) -> Any:
        """S3 as the producer's reader, which may do what the test's parameter says with keys."""
        iam = aws.client("iam")
        statement = {"Effect": "Allow", "Resource": "*", **request.param}
        policy = json.dumps({"Statement": [statement]})
        iam.put_role_policy(RoleName="reader", PolicyName="keys", PolicyDocument=policy)
        objects = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::locked/*"}
        policy = json.dumps({"Statement": [objects]})
        iam.put_role_policy(RoleName="reader", PolicyName="locked", PolicyDocument=policy)
        return session(aws, copier("sts"), READER, ExternalId="secret")("s3")

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def locked(cls, aws: BareAccounts) -> str:
        key = aws.key()
        aws.bucket("locked", key=key).put_object(Bucket="locked", Key="a", Body=b"x")
        return key

    VIA_S3: ClassVar = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}

    @pytest.mark.parametrize(
        "reader",
        [
            {"Action": "kms:Decrypt", "Condition": VIA_S3},
            {
                "Action": "kms:Decrypt",
                "Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::locked"}},
            },
        ],
        indirect=True,
        ids=["through S3", "context"],
    )
    def test_who_may_decrypt_reads_and_may_not_write(self, reader: Any) -> None:
        assert reader.get_object(Bucket="locked", Key="a")["Body"].read() == b"x"
        with pytest.raises(ClientError, match="kms:GenerateDataKey"):
            reader.put_object(Bucket="locked", Key="b", Body=b"x")
        with pytest.raises(ClientError, match="kms:GenerateDataKey"):
            reader.create_multipart_upload(Bucket="locked", Key="b")

    @pytest.mark.parametrize(
        "reader",
        [
            {"Action": "kms:DescribeKey"},
            {"Action": "kms:Decrypt", "Condition": {"StringEquals": {"kms:ViaService": "sqs.amazonaws.com"}}},
            {
                "Action": "kms:Decrypt",
                "Condition": {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::locked/a"}},
            },
        ],
        indirect=True,
        ids=["no Decrypt", "another service", "another context"],
    )
    def test_who_may_not_decrypt_reads_neither_object_nor_checksum(self, reader: Any) -> None:
        with pytest.raises(ClientError, match="kms:Decrypt"):
            reader.get_object(Bucket="locked", Key="a")
        with pytest.raises(ClientError, match="403"):
            reader.head_object(Bucket="locked", Key="a", ChecksumMode="ENABLED")
        assert reader.head_object(Bucket="locked", Key="a")["ContentLength"] == 1

    @pytest.mark.parametrize("reader", [{"Action": "kms:GenerateDataKey"}], indirect=True)
    def test_who_may_make_data_keys_writes_but_no_parts(self, reader: Any) -> None:
        reader.put_object(Bucket="locked", Key="b", Body=b"x")
        upload_id = reader.create_multipart_upload(Bucket="locked", Key="c")["UploadId"]
        with pytest.raises(ClientError, match="kms:Decrypt"):
            reader.upload_part(Bucket="locked", Key="c", UploadId=upload_id, PartNumber=1, Body=b"x")

    def test_a_disabled_key_serves_nobody(self, aws: BareAccounts, locked: str) -> None:
        kms, s3 = aws.client("kms"), aws.client("s3")
        kms.disable_key(KeyId=locked)
        for call in (s3.get_object, s3.put_object):
            with pytest.raises(ClientError, match=r"KMS\.DisabledException"):
                call(Bucket="locked", Key="a")
        kms.enable_key(KeyId=locked)
        s3.get_object(Bucket="locked", Key="a")

    def test_kms_without_a_key_is_the_accounts_own_key_and_not_the_buckets(self, aws: BareAccounts) -> None:
        put = aws.client("s3").put_object(Bucket="locked", Key="own", Body=b"x", ServerSideEncryption="aws:kms")
        assert put["SSEKMSKeyId"].endswith(":alias/aws/s3")


def test_plain_http_on_loopback_passes_a_policy_that_asks_for_tls(
    aws: BareAccounts, copier: Callable[[str], Any]
) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::permitted/*"}
    insecure = statement | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    aws.client("s3").put_bucket_policy(Bucket="permitted", Policy=json.dumps({"Statement": [insecure]}))
    s3 = session(aws, copier("sts"), READER, ExternalId="secret")("s3")
    s3.put_object(Bucket="permitted", Key="tls", Body=b"x")


class TestConditions:
    """What a request says about itself, as the products' policies ask for it."""

    NAMED: ClassVar = {"ServerSideEncryption": "aws:kms"}

    @pytest.fixture
    def only_this_key(self, aws: BareAccounts, copier: Callable[[str], Any]) -> tuple[Any, str]:
        """S3 as a role that may write with the key that is named here and no other; and the key."""
        key = aws.key()
        aws.bucket("conditional")
        write = {"Action": ["s3:PutObject", "kms:*"], "Resource": "*"}
        named = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        other = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
        denied = [
            other | {"Condition": {"StringNotEquals": {named: key}}},
            other | {"Condition": {"Null": {named: "true"}}},
        ]
        policy = json.dumps({"Statement": [{"Effect": "Allow"} | write, *denied]})
        aws.client("iam").put_role_policy(RoleName="reader", PolicyName="conditional", PolicyDocument=policy)
        return session(aws, copier("sts"), READER, ExternalId="secret")("s3"), key

    def test_a_write_names_its_key(self, aws: BareAccounts, only_this_key: tuple[Any, str]) -> None:
        s3, key = only_this_key
        s3.put_object(Bucket="conditional", Key="a", Body=b"x", SSEKMSKeyId=key, **self.NAMED)
        upload = s3.create_multipart_upload(Bucket="conditional", Key="b", SSEKMSKeyId=key, **self.NAMED)["UploadId"]
        s3.upload_part(Bucket="conditional", Key="b", UploadId=upload, PartNumber=1, Body=b"x")
        for refused in ({"SSEKMSKeyId": aws.key(), **self.NAMED}, self.NAMED, {}):
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.put_object(Bucket="conditional", Key="a", Body=b"x", **refused)
        aws.client("iam").delete_role_policy(RoleName="reader", PolicyName="conditional")

    def test_an_item_has_a_leading_key(self, aws: BareAccounts, copier: Callable[[str], Any]) -> None:
        root = aws.client("dynamodb")
        root.create_table(
            TableName="led",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["run#*"]}}
        statement = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition}
        policy = json.dumps({"Statement": [statement]})
        aws.client("iam").put_role_policy(RoleName="reader", PolicyName="led", PolicyDocument=policy)
        dynamodb = session(aws, copier("sts"), READER, ExternalId="secret")("dynamodb")
        own, other = {"pk": {"S": "run#1"}}, {"pk": {"S": "rows"}}
        dynamodb.put_item(TableName="led", Item=own)
        dynamodb.get_item(TableName="led", Key=own)
        dynamodb.batch_get_item(RequestItems={"led": {"Keys": [own]}})
        dynamodb.delete_item(TableName="led", Key=own)
        for call, asked in (
            (dynamodb.put_item, {"TableName": "led", "Item": other}),
            (dynamodb.get_item, {"TableName": "led", "Key": other}),
            (dynamodb.delete_item, {"TableName": "led", "Key": other}),
            (dynamodb.batch_get_item, {"RequestItems": {"led": {"Keys": [own, other]}}}),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                call(**asked)

    def test_a_listing_has_a_prefix(self, aws: BareAccounts, copier: Callable[[str], Any]) -> None:
        aws.bucket("prefixed")
        condition = {"StringLike": {"s3:prefix": "own/*"}}
        statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}
        policy = json.dumps({"Statement": [statement]})
        aws.client("iam").put_role_policy(RoleName="reader", PolicyName="prefixed", PolicyDocument=policy)
        s3 = session(aws, copier("sts"), READER, ExternalId="secret")("s3")
        s3.list_objects_v2(Bucket="prefixed", Prefix="own/ä +")
        for refused in ({}, {"Prefix": "other/"}):
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.list_objects_v2(Bucket="prefixed", **refused)

    def test_a_batch_of_messages_needs_the_permission_of_one(
        self, aws: BareAccounts, copier: Callable[[str], Any]
    ) -> None:
        url = aws.client("sqs").create_queue(QueueName="batched")["QueueUrl"]
        statement = {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:ReceiveMessage"], "Resource": "*"}
        policy = json.dumps({"Statement": [statement]})
        aws.client("iam").put_role_policy(RoleName="reader", PolicyName="batched", PolicyDocument=policy)
        sqs = session(aws, copier("sts"), READER, ExternalId="secret")("sqs")
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "x"}])
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        handle = {"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}
        with pytest.raises(ClientError, match="AccessDenied"):
            sqs.delete_message_batch(QueueUrl=url, Entries=[handle])
