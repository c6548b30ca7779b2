"""MiniStack 1.5.33 has no redrive of a dead-letter queue: StartMessageMoveTask and ListMessageMoveTasks are unknown."""

from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import sqs


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
    moving, source["messages"] = source["messages"], []
    for message in moving:
        arn = target_arn or message["sys"].get("DeadLetterQueueSourceArn") or feeders[0]["attributes"]["QueueArn"]
        sqs._queue_by_arn(arn)["messages"].append(redriven(message))
    task = {"SourceArn": source_arn, "Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": len(moving)}
    source.setdefault("move_tasks", []).insert(0, task)
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
