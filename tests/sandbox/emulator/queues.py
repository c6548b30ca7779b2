"""MiniStack 1.5.33 loses messages between threads, and has no redrive of a dead-letter queue."""

import inspect
import threading
from functools import partial
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import sqs

from tests.sandbox.emulator.gap import Function, around

# Deleting makes a new list of the messages to keep and puts it in the old one's place; rules and the HTTP thread append
# to the old one meanwhile, without MiniStack's lock. What is appended in between is gone. One lock around everything
# that touches a list of messages; re-entrant, because batch operations call the single ones.
sqs._queues_lock = threading.RLock()


def locked(original: Function, *args: Any, **kwargs: Any) -> Any:
    with sqs._queues_lock:
        return original(*args, **kwargs)


for name in ("_collect_msgs", "_dlq_sweep", "_expire_retained"):
    around(sqs, name)(locked)
for name, handler in list(sqs._HANDLERS.items()):
    if not inspect.iscoroutinefunction(handler):  # ReceiveMessage waits; what it calls is locked above
        sqs._HANDLERS[name] = partial(locked, handler)


def start_message_move_task(data: dict[str, Any], _url: str) -> dict[str, Any]:
    """StartMessageMoveTask, done before it answers; AWS answers at once and moves in the background.

    As on AWS only the dead-letter queue of another SQS queue can be redriven: the queue of a rule's target cannot
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html).
    """
    source_arn, target_arn = data["SourceArn"], data.get("DestinationArn", "")
    source = sqs._queue_by_arn(source_arn)
    if source is None or get_account_id() not in source_arn:
        raise sqs._Err("ResourceNotFoundException", f"The resource that you specified, {source_arn}, does not exist.")
    feeders = [queue for queue in sqs._queues.values() if source_arn in queue["attributes"].get("RedrivePolicy", "")]
    if not feeders:
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    with sqs._queues_lock:
        moving, source["messages"] = source["messages"], []
        for message in moving:
            arn = target_arn or message["sys"].get("DeadLetterQueueSourceArn") or feeders[0]["attributes"]["QueueArn"]
            sqs._queue_by_arn(arn)["messages"].append(redriven(message))
        tasks = source.setdefault("move_tasks", [])
        tasks.insert(
            0, {"SourceArn": source_arn, "Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": len(moving)}
        )
    sqs.esm_wake.set()
    return {"TaskHandle": f"{get_region()}-{new_uuid()}"}


def redriven(message: dict[str, Any]) -> dict[str, Any]:
    """A moved message is a new one: its receives count from zero."""
    system = {name: value for name, value in message["sys"].items() if name != "DeadLetterQueueSourceArn"}
    return {**message, "sys": system, "receive_count": 0, "receipt_handle": None, "visible_at": 0.0}


def list_message_move_tasks(data: dict[str, Any], _url: str) -> dict[str, Any]:
    source = sqs._queue_by_arn(data["SourceArn"])
    return {"Results": (source or {}).get("move_tasks", [])[: int(data.get("MaxResults", 1))]}


sqs._HANDLERS["StartMessageMoveTask"] = start_message_move_task
sqs._HANDLERS["ListMessageMoveTasks"] = list_message_move_tasks
