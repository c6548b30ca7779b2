"""MiniStack 1.5.33 drops what a rule cannot deliver; EventBridge sends it to the target's dead-letter queue.

The message is the event as the target would have got it, with the reason in its attributes. Missing permissions and
missing targets are not retried, they go there at once
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html). MiniStack does not ask either queue's
policy; EventBridge needs its leave (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html).
"""

import json
import logging
from contextvars import ContextVar
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id
from ministack.services import eventbridge, sqs

from tests.sandbox.emulator.gap import Function, around

SERVICE = "events.amazonaws.com"
log = logging.getLogger("sandbox")
in_delivery: ContextVar[tuple[dict[str, Any], dict[str, Any]]] = ContextVar("in_delivery")  # (target, rule)
send_to_queue = eventbridge._dispatch_to_sqs


class Undeliverable(BaseException):
    """Why a target did not get its event. Not an Exception: MiniStack's `_invoke_target` swallows those."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@around(eventbridge, "_invoke_target")
def undeliverable_goes_to_the_dead_letter_queue(
    original: Function, target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
) -> None:
    view = view or eventbridge._pattern_event_view(event)
    token = in_delivery.set((target, rule))
    try:
        original(target, event, rule, view)
    except Undeliverable as why:
        log.warning("rule %s: %s: %s", rule["Arn"], why.code, why.message)
        dead_letter(target, rule, json.dumps(view.event_with_detail()), why)
    finally:
        in_delivery.reset(token)


@around(eventbridge, "_dispatch_to_sqs")
def queue_policy_must_allow_the_rule(original: Function, spec: Any, payload: str, parameters: Any = None) -> None:
    arn, (_, rule) = str(spec), in_delivery.get()
    if sqs._queue_by_arn(arn) is None:
        raise Undeliverable("NO_RESOURCE", f"The queue {arn} does not exist.")
    if not sqs.queue_policy_allows(arn, SERVICE, rule["Arn"], get_account_id()):
        raise Undeliverable("NO_PERMISSIONS", f"The policy of {arn} does not let {SERVICE} send for {rule['Arn']}.")
    original(spec, payload, parameters)


def dead_letter(target: dict[str, Any], rule: dict[str, Any], body: str, why: Undeliverable) -> None:
    """Sends an undelivered event on to the target's dead-letter queue, if it has one that takes it."""
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not arn or not sqs.queue_policy_allows(arn, SERVICE, rule["Arn"], get_account_id()):
        log.error("rule %s: an event is lost, no dead-letter queue takes it", rule["Arn"])
        return
    attributes = {
        "RULE_ARN": rule["Arn"],
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": why.code,
        "ERROR_MESSAGE": why.message,
    }
    send_to_queue(parse_arn(arn), body)
    letter = next(message for message in reversed(sqs._queue_by_arn(arn)["messages"]) if message["body"] is body)
    letter["message_attributes"] = {
        name: {"StringValue": value, "DataType": "String"} for name, value in attributes.items()
    }
