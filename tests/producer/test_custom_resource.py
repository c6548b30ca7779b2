"""CloudFormation always gets its answer, and the bucket keeps its notifications whatever becomes of the stack."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import boto3
import pytest
from botocore.stub import Stubber

from producer_events.custom_resource import LeaveAsItIs, SwitchOn, answer, decide, put, respond
from tests.producer.test_notifications import EXISTING, MERGED, no_pause

STACK = "arn:aws:cloudformation:eu-west-1:111111111111:stack/s3-hydration/1"
OWNED = {"Bucket": "acme-exports", "ExpectedBucketOwner": "111111111111"}


def request(kind="Create", **more):
    return {
        "RequestType": kind,
        "ResponseURL": "http://127.0.0.1/answer",
        "StackId": STACK,
        "RequestId": "r-1",
        "LogicalResourceId": "EventsSwitch",
        "ResourceProperties": {
            "ServiceToken": "arn",
            "BucketName": "acme-exports",
            "ExpectedOwner": "111111111111",
            "TemplateVersion": "0.1.0",
        },
        **more,
    }


def forbidden():
    raise AssertionError("S3 must not be asked")


@pytest.fixture
def stub():
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    with Stubber(s3) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def reads(stub, *configurations):
    for configuration in configurations:
        stub.add_response("get_bucket_notification_configuration", configuration, OWNED)


def writes(stub):
    written = {**OWNED, "NotificationConfiguration": MERGED, "SkipDestinationValidation": True}
    stub.add_response("put_bucket_notification_configuration", {}, written)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_creating_and_updating_switch_on(kind):
    assert decide(request(kind)) == SwitchOn("acme-exports", "111111111111")


def test_deleting_leaves_everything_as_it_is():
    assert decide(request("Delete")) == LeaveAsItIs()


@pytest.mark.parametrize(
    "change", [{"RequestType": "Rename"}, {"ResourceProperties": {}}, {"ResourceProperties": {"BucketName": "b"}}]
)
def test_a_request_of_another_kind_is_refused(change):
    with pytest.raises(ValueError, match="needs BucketName and ExpectedOwner"):
        decide(request(**change))


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_every_notification_is_kept_when_events_are_switched_on(stub, kind):
    reads(stub, EXISTING, EXISTING)
    writes(stub)
    reads(stub, MERGED)
    found = respond(request(kind), lambda: stub.client, no_pause)
    assert (found["Status"], found["Reason"]) == ("SUCCESS", "EventBridge: off, to be switched on")


def test_where_events_are_on_already_nothing_is_written(stub):
    reads(stub, MERGED)
    assert respond(request("Update"), lambda: stub.client, no_pause)["Status"] == "SUCCESS"


def test_a_delete_does_not_even_ask_s3():
    found = respond(request("Delete", PhysicalResourceId="events-of-acme-exports"), forbidden)
    assert found["Status"] == "SUCCESS"


def test_a_bucket_of_another_account_fails_with_s3s_words(stub):
    stub.add_client_error("get_bucket_notification_configuration", "AccessDenied", "Access Denied", 403)
    found = respond(request(), lambda: stub.client, no_pause)
    assert found["Status"] == "FAILED"
    assert "AccessDenied" in found["Reason"]


def test_somebody_else_at_the_notifications_fails_the_stack_and_writes_nothing(stub):
    reads(stub, EXISTING, {**EXISTING, "TopicConfigurations": []})
    found = respond(request(), lambda: stub.client, no_pause)
    assert found["Status"] == "FAILED"
    assert "Somebody else is changing" in found["Reason"]


def test_what_is_not_foreseen_is_answered_too():
    def broken():
        raise RuntimeError("no model of s3")

    found = respond(request(), broken)
    assert (found["Status"], found["Reason"]) == ("FAILED", "RuntimeError: no model of s3")


def test_an_answer_names_its_request_and_stays_below_what_cloudformation_takes():
    found = answer(request(), failed=True, reason='\U0001f4a5\n"' * 5000)
    assert {name: found[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {
        "StackId": STACK,
        "RequestId": "r-1",
        "LogicalResourceId": "EventsSwitch",
    }
    assert len(json.dumps(found)) <= 4096


def test_another_bucket_is_another_resource_and_the_same_one_is_the_same():
    before = answer(request(), failed=False, reason="")["PhysicalResourceId"]
    again = answer(request("Update", PhysicalResourceId=before), failed=False, reason="")["PhysicalResourceId"]
    properties = {**request()["ResourceProperties"], "BucketName": "acme-other"}
    moved = answer(
        request("Update", PhysicalResourceId=before, ResourceProperties=properties), failed=False, reason=""
    )["PhysicalResourceId"]
    assert before == again != moved


def test_a_deleted_resource_keeps_the_id_it_had():
    """CloudFormation refuses another one."""
    gone = request("Delete", PhysicalResourceId="events-of-acme-exports", ResourceProperties={"BucketName": "acme-new"})
    assert answer(gone, failed=False, reason="")["PhysicalResourceId"] == "events-of-acme-exports"


class Cloudformation(BaseHTTPRequestHandler):
    got: ClassVar = []
    status = 200

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, self.headers.get("Content-Type"), json.loads(body)))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    server = HTTPServer(("127.0.0.1", 0), Cloudformation)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/answer?signed=yes"
    server.shutdown()
    thread.join()
    server.server_close()
    Cloudformation.got.clear()
    Cloudformation.status = 200


def test_the_answer_is_put_without_a_content_type_because_the_address_is_signed_without_one(address):
    put(address, {"Status": "SUCCESS"})
    ((path, kind, document),) = Cloudformation.got
    assert (path, kind or "", document) == ("/answer?signed=yes", "", {"Status": "SUCCESS"})


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "", "FILE:///etc/hostname"])
def test_an_answer_goes_to_the_web_and_reads_no_file(url):
    with pytest.raises(OSError, match="address"):
        put(url, {"Status": "SUCCESS"})


def test_an_answer_that_is_refused_is_an_error_so_that_lambda_tries_again(address):
    Cloudformation.status = 403
    with pytest.raises(OSError, match="403"):
        put(address, {"Status": "SUCCESS"})
