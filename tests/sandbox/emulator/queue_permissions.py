"""MiniStack 1.5.33 asks the policies about `sqs:SendMessageBatch`; no such action exists.

A batch needs the action of its single operation: "sqs:SendMessage" covers SendMessageBatch
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html).
"""

from typing import Any

from ministack.core import iam_actions

from tests.sandbox.emulator.gap import Function, around


@around(iam_actions, "extract_iam_action")
def a_batch_needs_the_single_action(original: Function, service: str, *request: Any) -> Any:
    action = original(service, *request)
    return action.removesuffix("Batch") if service == "sqs" and action else action
