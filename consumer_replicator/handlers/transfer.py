"""`s3-hydration-transfer`: reconcile and backfill, started by the schedule, by hand, or by its own queue."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from consumer_replicator import transfer_wiring, wiring
from consumer_replicator.deadline import Deadline
from consumer_replicator.handlers.telemetry import Telemetry
from consumer_replicator.payload import Payload, PayloadError
from consumer_replicator.ranges_queue import Step
from consumer_replicator.transfer import Transfer
from consumer_replicator.transfer_settings import TransferSettings

RESERVE_SHARE = 0.2
RESERVE_SECONDS = 60.0


@cache
def _application(function_name: str, memory_mb: int) -> tuple[Transfer, Telemetry]:
    settings = TransferSettings.from_environment(os.environ)
    who = wiring.principals(settings, region=os.environ["AWS_REGION"], function_name=function_name)
    return transfer_wiring.transfer(settings, who, memory_mb=memory_mb), Telemetry(settings.instance_name)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answers a payload with small JSON, a batch of the ranges queue (one message) with nothing."""
    transfer, telemetry = _application(context.function_name, int(context.memory_limit_in_mb))
    seconds = context.get_remaining_time_in_millis() / 1000
    deadline = Deadline(seconds, reserve=min(RESERVE_SECONDS, RESERVE_SHARE * seconds))
    if messages := _messages(event):
        for body, redelivered in messages:
            answer = transfer.step(Step.from_body(body), deadline, redelivered=redelivered)
            telemetry.report_run(answer, request_id=context.aws_request_id)
        return {}
    try:
        answer = transfer.ask(Payload.parse(event), deadline)
    except PayloadError as error:
        answer = {"state": "refused", "problems": error.problems}
    telemetry.report_run(answer, request_id=context.aws_request_id)
    return answer


def _messages(event: Any) -> list[tuple[str, bool]]:
    """The bodies of a batch of SQS, each with whether it has come before; none: it is a payload, of whatever form."""
    match event:
        case {"Records": [*records]} if all(
            isinstance(each, dict) and type(each.get("body")) is str for each in records
        ):
            return [(each["body"], _has_come_before(each)) for each in records]
        case _:
            return []


def _has_come_before(record: Mapping[str, Any]) -> bool:
    match record:
        case {"attributes": {"ApproximateReceiveCount": count}}:
            return bool(count != "1")
        case _:
            return False
