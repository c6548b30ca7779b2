"""`s3-hydration-replicator`: SQS batches of object events and hints."""

# ruff: noqa: E402 - the collector rests while modules load, since nothing of them is garbage: a tenth of a cold start
import gc

gc.disable()

import os
from functools import cache
from typing import Any

from consumer_replicator import wiring
from consumer_replicator.batch import Batch
from consumer_replicator.deadline import Deadline
from consumer_replicator.handlers.telemetry import Telemetry
from consumer_replicator.queue import Message
from consumer_replicator.settings import Settings

RESERVE_SHARE = 0.2
RESERVE_SECONDS = 30.0


@cache
def _application(function_name: str) -> tuple[Batch, Telemetry]:
    settings = Settings.from_environment(os.environ)
    who = wiring.principals(settings, region=os.environ["AWS_REGION"], function_name=function_name)
    return wiring.replicator(settings, who), Telemetry(settings.instance_name)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers SQS with the messages that must come back (ReportBatchItemFailures).
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html"""
    batch, telemetry = _application(context.function_name)
    seconds = context.get_remaining_time_in_millis() / 1000
    deadline = Deadline(seconds, reserve=min(RESERVE_SECONDS, RESERVE_SHARE * seconds))
    done = batch.run([Message.from_record(record) for record in event["Records"]], deadline)
    telemetry.report(done, request_id=context.aws_request_id)
    return {"batchItemFailures": [{"itemIdentifier": each.message.id} for each in done if each.comes_back]}


if name := os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
    # Lambda initialises with a whole processor, and handles with the function's share of one.
    # https://serverlessland.com/content/service/lambda/guides/effectively-running-java-on-serverless/init-heavy-lifting
    _application(name)
gc.freeze()
gc.enable()
