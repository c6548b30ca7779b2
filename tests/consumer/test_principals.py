"""Two principals, never mixed: source calls are signed with the assumed role, everything else with the function's own.

Every client's requests are captured just before they would leave: signed by the real signer, answered by the test.
"""

import ast
import json
import logging
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

import consumer_replicator
import producer_events
from consumer_replicator import wiring
from consumer_replicator.deadline import Deadline
from consumer_replicator.errors import HydrationError
from consumer_replicator.identity import SourceIdentity
from consumer_replicator.outcome import Failed, Replicated, Skipped
from consumer_replicator.parts import MAX_PART_BYTES, Part
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.principals import (
    ATTEMPTS,
    CONNECT_TIMEOUT,
    COPY_TIMEOUT,
    READ_TIMEOUT,
    Principals,
    role_session_name,
)
from consumer_replicator.queue import Message
from consumer_replicator.server_side import COPIES_AT_ONCE, SLOW_BYTES_PER_SECOND
from consumer_replicator.setting_rules import Secret
from consumer_replicator.settings import CopyMode, Settings
from consumer_replicator.source import Source
from tests.consumer.fake_aws import KEY_ARN, PRODUCER, REPLICA, SOURCE, TABLE
from tests.consumer.rig import event
from tests.consumer.wire import Answer, Wire, s3_error

OWN, ASSUMED = "AKIDOWN", "ASIAASSUMED"
EXTERNAL_ID = "only-the-two-of-us-know"
ROLE = f"arn:aws:iam::{PRODUCER}:role/s3-hydration-read"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/222222222222/objects"
DEAD_URL = "https://sqs.us-east-1.amazonaws.com/222222222222/dead"
SETTINGS = Settings(
    source_bucket=SOURCE,
    source_account_id=PRODUCER,
    source_role_arn=ROLE,
    source_external_id=Secret(EXTERNAL_ID),
    replica_bucket=REPLICA,
    replica_account_id="222222222222",
    replica_kms_key_arn=KEY_ARN,
    manifest_table=TABLE,
    queue_url=QUEUE_URL,
    dead_letter_queue_url=DEAD_URL,
    delete_policy=DeletePolicy.MIRROR,
)
HOUR = timedelta(hours=1)
IDENTITY = SourceIdentity("v1", "e1", 1_790_000_000, 4)
OBJECT = {"ETag": '"e1"', "Last-Modified": "Thu, 05 Nov 2026 12:00:00 GMT", "x-amz-version-id": "v1"}


def assumed(lifetime=HOUR, key=ASSUMED):
    expiration = (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
        <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>assumed secret</SecretAccessKey>
        <SessionToken>assumed token</SessionToken><Expiration>{expiration}</Expiration></Credentials>
        <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>{ROLE}</Arn></AssumedRoleUser>
        </AssumeRoleResult></AssumeRoleResponse>"""
    return Answer(body.encode())


def refused(code, status):
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>not authorized</Message></Error></ErrorResponse>"
    return Answer(body.encode(), status)


@pytest.fixture
def who():
    return Principals(
        role_arn=ROLE,
        external_id=EXTERNAL_ID,
        session_name="s3-hydration-replicator",
        region="us-east-1",
        concurrency=18,
    )


@pytest.fixture
def wire(who):
    wire = Wire(who.source("s3"), who.copying(), *(who.own(service) for service in ("sts", "s3", "dynamodb", "sqs")))
    wire.answer("AssumeRole", assumed())
    wire.answer("BatchGetItem", Answer(b'{"Responses": {}}'))
    wire.answer("GetItem", Answer(b"{}"))
    wire.answer("PutItem", Answer(b"{}"))
    wire.answer("SendMessage", Answer(b'{"MessageId": "m"}'))
    wire.answer("ChangeMessageVisibilityBatch", Answer(b"{}"))
    wire.answer("GetObject", Answer(b"data", headers=OBJECT))
    wire.answer("PutObject", Answer(headers={"ETag": '"r1"'}))
    wire.answer("HeadObject", Answer(headers={"ETag": '"r1"'}))
    return wire


@pytest.fixture
def source(who, wire):
    return Source(who.source("s3"), SOURCE, PRODUCER)


def run(who, *bodies, receive_count=1, **settings):
    messages = [Message(f"m-{n}", f"r-{n}", body, receive_count) for n, body in enumerate(bodies)]
    done = wiring.replicator(replace(SETTINGS, **settings), who).run(messages, Deadline(60))
    return [each.outcome for each in done]


def names_source(sent):
    """Whether a request is about the producer's bucket, by what it says itself and not by which client sent it."""
    return SOURCE in sent.request.url or sent.headers.get("x-amz-expected-bucket-owner") == PRODUCER


def assert_each_was_signed_by_its_principal(wire):
    for sent in wire.sent:
        about_source = names_source(sent)
        assert sent.signer == (ASSUMED if about_source else OWN), sent.operation
        assert sent.headers["X-Amz-Security-Token"] == ("assumed token" if about_source else "token"), sent.operation


# -- who signs what ----------------------------------------------------------------------------------------------------


def test_a_copy_reads_with_the_assumed_role_and_writes_with_the_functions_own(who, wire):
    wire.answer("GetObject", Answer(b"data", headers={**OBJECT, "x-amz-tagging-count": "1"}))
    wire.answer(
        "GetObjectTagging", Answer(b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>")
    )
    (outcome,) = run(who, event("k", "0A"))
    assert isinstance(outcome, Replicated)
    assert [(sent.operation, sent.signer) for sent in wire.sent] == [
        ("BatchGetItem", OWN),
        ("AssumeRole", OWN),
        ("GetObject", ASSUMED),
        ("GetObjectTagging", ASSUMED),
        ("PutObject", OWN),
        ("PutItem", OWN),
    ]
    assert_each_was_signed_by_its_principal(wire)


def test_no_call_of_any_kind_is_made_by_the_wrong_principal(who, wire):
    """A large object in parts, a delete, a bad message, a failure that comes back, an overtaken copy."""
    large = {**OBJECT, "Content-Length": str(9 * 1024**2)}
    parts = [Answer(b"x" * 8 * 1024**2, headers=OBJECT), Answer(b"x" * 1024**2, headers=OBJECT)]
    wire.answer("GetObject", Answer(headers=large), *parts, s3_error("NoSuchKey", 404))
    wire.answer("CreateMultipartUpload", Answer(b"<R><UploadId>u</UploadId></R>"))
    wire.answer("UploadPart", Answer(headers={"ETag": '"p"'}))
    wire.answer("CompleteMultipartUpload", s3_error("PreconditionFailed", 412))
    outcomes = run(who, event("large", "0A"), "not json", part_concurrency=1)  # the answers are for parts in order
    assert {type(outcome) for outcome in outcomes} == {Failed, Skipped}
    wire.answer("GetObject", s3_error("AccessDenied", 403))
    wire.answer("PutItem", Answer(b'{"__type": "x#AccessDeniedException"}', 400))
    run(who, event("denied", "0A"))
    assert {sent.operation for sent in wire.sent} == {
        "AssumeRole",
        "BatchGetItem",
        "GetItem",
        "PutItem",
        "GetObject",
        "HeadObject",
        "CreateMultipartUpload",
        "UploadPart",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "SendMessage",
        "ChangeMessageVisibilityBatch",
    }
    assert_each_was_signed_by_its_principal(wire)


def test_where_s3_copies_the_functions_own_role_asks_for_parts_and_nothing_else_changes_hands(who, wire):
    wire.answer("GetObject", Answer(headers={**OBJECT, "Content-Length": str(9 * 1024**2)}))
    wire.answer("CreateMultipartUpload", Answer(b"<R><UploadId>u</UploadId></R>"))
    part = b"<R><ETag>p</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></R>"
    wire.answer("UploadPartCopy", Answer(part))
    wire.answer("CompleteMultipartUpload", Answer(b"<R><ETag>r</ETag></R>"))
    (outcome,) = run(who, event("large", "0A"), copy_mode=CopyMode.SERVER_SIDE)
    assert isinstance(outcome, Replicated)
    assert [sent.operation for sent in wire.sent if sent.service == "s3"] == [
        "GetObject",
        "CreateMultipartUpload",
        "UploadPartCopy",
        "CompleteMultipartUpload",
    ]
    copied = wire.only("UploadPartCopy").headers
    assert copied["x-amz-copy-source"].startswith(f"{SOURCE}/large")
    assert copied["x-amz-source-expected-bucket-owner"] == PRODUCER
    assert_each_was_signed_by_its_principal(wire)


def test_the_role_is_assumed_with_the_external_id_and_a_session_name_that_tells_who(wire, source):
    with source.current("k"):
        pass
    sent = wire.only("AssumeRole")
    assert sent.signer == OWN
    assert sent.request.url == "https://sts.us-east-1.amazonaws.com/"
    asked = {
        name.decode() if isinstance(name, bytes) else name: value.decode() if isinstance(value, bytes) else value
        for name, value in parse_qsl(sent.body)
    }
    assert asked == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "s3-hydration-replicator",
        "ExternalId": EXTERNAL_ID,
    }


@pytest.mark.parametrize(
    ("name", "session"),
    [
        ("s3-hydration-replicator", "s3-hydration-replicator"),
        ("a function: with/odd characters", "a-function--with-odd-characters"),
        ("x" * 65, "x" * 64),
        ("x", "x-"),
        ("", "--"),
        ("caf\u00e9", "caf-"),
    ],
)
def test_a_session_name_is_one_that_sts_takes(name, session):
    assert role_session_name(name) == session
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", session, re.ASCII)


# -- credentials that refresh themselves -------------------------------------------------------------------------------


def signers(wire, source, reads=3):
    for _ in range(reads):
        with source.current("k"):
            pass
    return [sent.signer for sent in wire.sent if sent.operation == "GetObject"]


def assumptions(wire):
    return sum(sent.operation == "AssumeRole" for sent in wire.sent)


def test_the_role_is_assumed_once_for_many_reads(wire, source):
    assert signers(wire, source) == [ASSUMED] * 3
    assert assumptions(wire) == 1


def test_the_role_is_not_assumed_before_the_source_is_read(who, wire):
    run(who, "not json")
    assert assumptions(wire) == 0


@pytest.mark.parametrize("lifetime", [timedelta(minutes=5), timedelta(minutes=12)])
def test_credentials_near_their_expiry_are_replaced_before_the_next_read(wire, source, lifetime):
    wire.answer("AssumeRole", assumed(lifetime, "FIRST"), assumed(lifetime, "SECOND"), assumed(HOUR, "THIRD"))
    assert signers(wire, source, reads=4) == ["FIRST", "SECOND", "THIRD", "THIRD"]


def test_credentials_that_still_hold_are_used_when_new_ones_are_refused_for_a_moment(wire, source):
    refusal = refused("AccessDenied", 403)
    wire.answer("AssumeRole", assumed(timedelta(minutes=12), "FIRST"), refusal, assumed(HOUR, "SECOND"))
    assert signers(wire, source) == ["FIRST", "FIRST", "SECOND"]


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("AccessDenied", 403, "assume-role-denied"), ("ExpiredToken", 403, "expired-credentials")],
)
def test_a_refused_role_is_a_failure_of_the_read_that_needed_it(wire, source, code, status, expected):
    wire.answer("AssumeRole", refused(code, status))
    for read in (
        lambda: source.current("k").__enter__(),
        lambda: source.part("k", IDENTITY, Part(1, 0, 3)).__enter__(),
        lambda: source.tags("k", IDENTITY),  # no TagsDenied: it is not the tags that are denied
    ):
        with pytest.raises(HydrationError) as raised:
            read()
        assert raised.value.code == expected
    assert not any(names_source(sent) for sent in wire.sent)


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "service"), [("source", "s3"), *(("own", s) for s in ("s3", "dynamodb", "sqs", "sts"))]
)
def test_every_client_retries_adaptively_gives_up_in_time_and_has_a_connection_for_every_thread(
    who, principal, service
):
    config = getattr(who, principal)(service).meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": ATTEMPTS}
    assert (config.connect_timeout, config.read_timeout) == (CONNECT_TIMEOUT, READ_TIMEOUT)
    assert config.max_pool_connections == 18
    assert config.request_checksum_calculation == "when_required"
    assert config.region_name == "us-east-1"


def test_a_client_that_has_s3_copy_waits_longer_and_is_else_as_any_other(who):
    config = who.copying().meta.config
    assert config.read_timeout == COPY_TIMEOUT
    assert COPY_TIMEOUT > MAX_PART_BYTES / SLOW_BYTES_PER_SECOND
    assert (config.retries, config.connect_timeout) == (who.own("s3").meta.config.retries, CONNECT_TIMEOUT)
    assert config.max_pool_connections >= COPIES_AT_ONCE
    assert who.copying() is who.copying()
    assert who.copying() is not who.own("s3")


def test_connections_suffice_for_all_keys_and_parts_at_once():
    made = wiring.principals(SETTINGS, region="us-east-1", function_name="f")
    concurrency = SETTINGS.batch_concurrency + SETTINGS.part_concurrency
    assert made.own("s3").meta.config.max_pool_connections == concurrency


def test_an_internal_error_is_tried_again_with_the_same_principal(wire, source):
    wire.answer("GetObject", s3_error("InternalError", 500), Answer(b"data", headers=OBJECT))
    assert signers(wire, source, reads=1) == [ASSUMED, ASSUMED]


def test_requests_go_to_regional_endpoints_and_say_which_product_sent_them(who, wire):
    run(who, event("k", "0A"), "not json")
    hosts = {sent.service: sent.request.url.split("/")[2] for sent in wire.sent if not names_source(sent)}
    assert hosts == {
        "sts": "sts.us-east-1.amazonaws.com",
        "s3": f"{REPLICA}.s3.us-east-1.amazonaws.com",
        "dynamodb": "dynamodb.us-east-1.amazonaws.com",
        "sqs": "sqs.us-east-1.amazonaws.com",
    }
    for sent in wire.sent:
        assert sent.request.url.startswith("https://")
        assert "s3-hydration" in sent.headers["User-Agent"]


def test_a_client_is_made_once(who):
    assert who.own("s3") is who.own("s3")
    assert who.source("s3") is who.source("s3")
    assert who.source("s3") is not who.own("s3")


def test_calls_of_both_principals_are_counted_by_their_operation(who, wire):
    run(who, event("k", "0A"), "not json")
    asked = Counter(sent.operation for sent in wire.sent)
    named = {"ChangeMessageVisibility": "ChangeMessageVisibilityBatch"}
    assert who.calls == {named.get(operation, operation): count for operation, count in asked.items()}
    assert {"AssumeRole", "GetObject", "PutObject"} <= set(who.calls)


def test_a_call_that_botocore_tries_again_is_counted_once(who, wire, source):
    wire.answer("GetObject", s3_error("InternalError", 500), Answer(b"data", headers=OBJECT))
    assert len(signers(wire, source, reads=1)) == 2
    assert who.calls["GetObject"] == 1


def test_a_refused_call_was_made_and_is_counted(who, wire, source):
    wire.answer("GetObject", s3_error("AccessDenied", 403))
    with pytest.raises(HydrationError):
        source.current("k").__enter__()
    assert who.calls["GetObject"] == 1


def test_the_model_of_a_service_is_parsed_once_for_both_principals(who):
    own, source = who.own("s3").meta.service_model, who.source("s3").meta.service_model
    assert own._service_description is source._service_description


# -- the external id ---------------------------------------------------------------------------------------------------


def test_the_external_id_is_in_no_text_form_no_error_and_no_log_record(who, wire, source, caplog, capsys):
    caplog.set_level(logging.INFO)
    wire.answer(
        "AssumeRole", assumed(timedelta(minutes=12)), refused("AccessDenied", 403), refused("AccessDenied", 403)
    )
    signers(wire, source, reads=2)  # botocore logs the refused refresh with its traceback
    assert "Refreshing temporary credentials failed" in caplog.text
    who_else = Principals(role_arn=ROLE, external_id=EXTERNAL_ID, session_name="f", region="us-east-1", concurrency=1)
    another = Wire(who_else.own("sts"), who_else.source("s3"))
    another.answer("AssumeRole", refused("AccessDenied", 403))
    with pytest.raises(HydrationError) as raised, Source(who_else.source("s3"), SOURCE, PRODUCER).current("k"):
        pass
    written = capsys.readouterr()
    texts = [
        caplog.text,
        written.out,
        written.err,
        str(raised.value),
        repr(raised.value.__cause__),
        repr(who),
        repr(SETTINGS),
    ]
    assert not any(EXTERNAL_ID in text for text in texts)


def test_the_external_id_reaches_sts_alone(who, wire):
    run(who, event("k", "0A"), "not json")
    carriers = {
        sent.operation
        for sent in wire.sent
        if EXTERNAL_ID in sent.request.url + json.dumps(sent.headers) or EXTERNAL_ID in sent.body
    }
    assert carriers == {"AssumeRole"}


SWITCHES = {"set_stream_logger", "set_debug_logger", "set_file_logger", "basicConfig", "setLevel", "dictConfig"}


def test_botocores_debug_log_which_tells_the_external_id_is_never_switched_on(wire, source, caplog):
    caplog.set_level(logging.DEBUG, "botocore")
    signers(wire, source, reads=1)
    assert EXTERNAL_ID in caplog.text  # so it matters that nobody of ours does what this test did
    for package in (consumer_replicator, producer_events):
        for path in Path(package.__file__).parent.rglob("*.py"):
            named = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
            assert not named & SWITCHES, path.name
