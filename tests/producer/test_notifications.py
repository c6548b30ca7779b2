"""Switching EventBridge on loses nothing.

What is asked is tested call by call on botocore's Stubber; what results, on a small bucket that keeps what it is given.
Not on moto 5.2.5: its GetBucketNotificationConfiguration never shows EventBridge, so nothing could be verified there.
"""

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from producer_events.notifications import LOOKS, NotificationsDiffer, merge, missing, switch_on

QUEUE = {
    "Id": "to-the-queue",
    "QueueArn": "arn:aws:sqs:us-east-1:111111111111:queue",
    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
    "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "a/"}, {"Name": "Suffix", "Value": ".csv"}]}},
}
FUNCTION = {
    "Id": "to-the-function",
    "LambdaFunctionArn": "arn:aws:lambda:us-east-1:111111111111:function:f",
    "Events": ["s3:ObjectCreated:Put"],
}
TOPIC = {"Id": "t", "TopicArn": "arn:aws:sns:us-east-1:111111111111:t", "Events": ["s3:ObjectTagging:*"]}
EXISTING = {"QueueConfigurations": [QUEUE], "LambdaFunctionConfigurations": [FUNCTION], "TopicConfigurations": [TOPIC]}
MERGED = {**EXISTING, "EventBridgeConfiguration": {}}
ANSWERED = {"ResponseMetadata": {"HTTPStatusCode": 200}}


class Bucket:
    """A bucket's notification configuration; `shows` alters what a GET answers, once for each entry."""

    def __init__(self, configuration, *shows):
        self.configuration = configuration
        self.shows = list(shows)
        self.writes = []

    def get_bucket_notification_configuration(self, **_):
        show = self.shows.pop(0) if self.shows else None
        return {**(show or self.configuration), **ANSWERED}

    def put_bucket_notification_configuration(self, **request):
        self.writes.append(request)
        self.configuration = request["NotificationConfiguration"]


def no_pause(_):
    pass


def test_every_notification_is_kept_untouched():
    change = merge({**EXISTING, **ANSWERED})
    assert change.before == EXISTING
    assert change.after == MERGED
    assert change.needed


def test_a_bucket_without_notifications_gets_eventbridge_only():
    assert merge(ANSWERED).after == {"EventBridgeConfiguration": {}}


def test_where_eventbridge_is_on_nothing_is_needed():
    change = merge({**MERGED, **ANSWERED})
    assert not change.needed
    assert change.after == change.before


def test_a_kind_of_notification_that_this_code_does_not_know_is_kept_too():
    assert merge({"NewConfigurations": [{"Id": "n"}]}).after["NewConfigurations"] == [{"Id": "n"}]


def test_the_summary_names_the_switch_and_all_that_is_kept():
    switch, function, queue, topic = merge(EXISTING).lines
    assert switch == "EventBridge: off, to be switched on"
    assert function.startswith("kept: Lambda function arn:aws:lambda:us-east-1:111111111111:function:f on s3:Obj")
    assert queue.endswith("s3:ObjectCreated:*, s3:ObjectRemoved:*, prefix 'a/', suffix '.csv' (id to-the-queue)")
    assert topic == "kept: topic arn:aws:sns:us-east-1:111111111111:t on s3:ObjectTagging:* (id t)"


@pytest.mark.parametrize(
    "change",
    [
        {"QueueConfigurations": []},
        {"QueueConfigurations": [{**QUEUE, "Events": ["s3:ObjectCreated:*"]}]},
        {"QueueConfigurations": [{name: value for name, value in QUEUE.items() if name != "Filter"}]},
        {"QueueConfigurations": [{**QUEUE, "Id": "another"}]},
        {"LambdaFunctionConfigurations": [{**FUNCTION, "LambdaFunctionArn": "arn:another"}]},
        {"TopicConfigurations": []},
    ],
)
def test_whatever_is_lost_or_altered_is_missed(change):
    (line,) = missing(MERGED, {**MERGED, **change})
    assert line.startswith(("queue", "Lambda function", "topic"))


def test_the_order_of_events_rules_and_entries_means_nothing():
    rules = [{"Name": "suffix", "Value": ".csv"}, {"Name": "prefix", "Value": "a/"}]
    reordered = {**QUEUE, "Events": QUEUE["Events"][::-1], "Filter": {"Key": {"FilterRules": rules}}}
    other = {**QUEUE, "Id": "other"}
    wanted = {"QueueConfigurations": [QUEUE, other]}
    assert missing(wanted, {"QueueConfigurations": [other, reordered]}) == []


def test_a_plan_reads_once_and_writes_nothing():
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_notification_configuration", EXISTING, {"Bucket": "bucket"})
        assert switch_on(s3, "bucket").needed
        stub.assert_no_pending_responses()


def test_switching_on_reads_twice_writes_the_merged_configuration_and_reads_it_back():
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    where = {"Bucket": "bucket", "ExpectedBucketOwner": "111111111111"}
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_notification_configuration", EXISTING, where)
        stub.add_response("get_bucket_notification_configuration", EXISTING, where)
        stub.add_response(
            "put_bucket_notification_configuration",
            {},
            {**where, "NotificationConfiguration": MERGED, "SkipDestinationValidation": True},
        )
        stub.add_response("get_bucket_notification_configuration", MERGED, where)
        switch_on(s3, "bucket", apply=True, expected_owner="111111111111", pause=no_pause)
        stub.assert_no_pending_responses()


def test_another_owners_bucket_is_not_written():
    s3 = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    with Stubber(s3) as stub:
        stub.add_client_error("get_bucket_notification_configuration", "AccessDenied")
        with pytest.raises(ClientError, match="AccessDenied"):
            switch_on(s3, "bucket", apply=True, expected_owner="111111111111")


def test_applying_twice_writes_once():
    bucket = Bucket(EXISTING)
    assert switch_on(bucket, "bucket", apply=True, pause=no_pause).needed
    assert not switch_on(bucket, "bucket", apply=True, pause=no_pause).needed
    assert len(bucket.writes) == 1
    assert bucket.configuration == MERGED


def test_a_change_by_somebody_else_before_the_write_stops_it():
    bucket = Bucket({}, EXISTING, {**EXISTING, "TopicConfigurations": []})
    with pytest.raises(NotificationsDiffer, match="nothing was written"):
        switch_on(bucket, "bucket", apply=True, pause=no_pause)
    assert bucket.writes == []


def test_a_notification_added_by_somebody_else_before_the_write_stops_it():
    bucket = Bucket({}, {"TopicConfigurations": [TOPIC]}, EXISTING)
    with pytest.raises(NotificationsDiffer, match="nothing was written"):
        switch_on(bucket, "bucket", apply=True, pause=no_pause)
    assert bucket.writes == []


def test_a_read_that_lags_behind_the_write_is_repeated():
    bucket = Bucket(EXISTING, None, None, EXISTING, EXISTING)
    pauses = []
    switch_on(bucket, "bucket", apply=True, pause=pauses.append)
    assert pauses == [1, 2]


def test_a_configuration_that_never_reads_back_whole_is_an_error_that_names_the_loss():
    without_queue = {name: value for name, value in MERGED.items() if name != "QueueConfigurations"}
    bucket = Bucket(EXISTING, None, None, *[without_queue] * LOOKS)
    pauses = []
    with pytest.raises(NotificationsDiffer, match=r"queue .*\(id to-the-queue\)\.$"):
        switch_on(bucket, "bucket", apply=True, pause=pauses.append)
    assert pauses == [1, 2, 4, 8, 16]


def test_what_somebody_else_adds_after_the_write_is_no_loss():
    more = {**MERGED, "TopicConfigurations": [TOPIC, {**TOPIC, "Id": "new"}]}
    switch_on(Bucket(EXISTING, None, None, more), "bucket", apply=True, pause=no_pause)
