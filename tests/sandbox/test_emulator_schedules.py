"""Schedules in the emulator start what their role may start, and nothing else."""

import io
import json
import time
import zipfile
from typing import Any

import pytest

from tests.sandbox.accounts import PRODUCER_ACCOUNT, REGION
from tests.sandbox.bare_accounts import BareAccounts
from tests.sandbox.pair import wait_until

FUNCTION = f"arn:aws:lambda:{REGION}:{PRODUCER_ACCOUNT}:function:scheduled"
GROUP = f"arn:aws:scheduler:{REGION}:{PRODUCER_ACCOUNT}:schedule-group/default"
ALLOWED = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": FUNCTION}


@pytest.fixture(scope="module", autouse=True)
def scheduled(aws: BareAccounts) -> None:
    """A function that writes down what it was started with."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Statement": [trust]})
    role = aws.client("iam").create_role(RoleName="scheduled", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("index.py", "def handler(event, context):\n    print('started with', event)\n")
    aws.client("lambda").create_function(
        FunctionName="scheduled",
        Runtime="python3.13",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
    )


def schedule(aws: BareAccounts, name: str, trusted: Any, allowed: Any) -> None:
    """Of the next moment, in a role of its own; its input is its name."""
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust | trusted]}))
    iam.put_role_policy(RoleName=name, PolicyName="start", PolicyDocument=json.dumps({"Statement": [allowed]}))
    aws.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=f"at({time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": FUNCTION, "RoleArn": role["Role"]["Arn"], "Input": json.dumps(name)},
    )


def started(aws: BareAccounts) -> str:
    logs = aws.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/scheduled")["logGroups"]:
        return ""
    events = logs.filter_log_events(logGroupName="/aws/lambda/scheduled")["events"]
    return "".join(event["message"] for event in events)


def test_a_schedule_starts_its_function_with_its_input_where_its_role_may(aws: BareAccounts) -> None:
    source = {"StringEquals": {"aws:SourceAccount": PRODUCER_ACCOUNT, "aws:SourceArn": GROUP}}
    schedule(aws, "role-of-another-service", {"Principal": {"Service": "lambda.amazonaws.com"}}, ALLOWED)
    other = {"StringEquals": {"aws:SourceArn": GROUP.replace("default", "other")}}
    schedule(aws, "role-of-another-group", {"Condition": other}, ALLOWED)
    schedule(aws, "role-of-no-use", {"Condition": source}, ALLOWED | {"Resource": f"{FUNCTION}-other"})
    schedule(aws, "role-that-fits", {"Condition": source}, ALLOWED)
    assert wait_until(lambda: "started with role-that-fits" in started(aws))
    time.sleep(1.0)
    assert "another" not in started(aws)
    assert "no-use" not in started(aws)
