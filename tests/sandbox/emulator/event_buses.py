"""MiniStack 1.5.33 knows only the caller's own buses; in AWS a rule or PutEvents reaches a bus in another account.

Both sides must agree: the rule's role must be assumable by EventBridge and may put events, and the bus policy must
name the role or its account (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html). The
event keeps its id, account, time and resources. CloudFormation's `AWS::Events::EventBusPolicy` is missing too.
"""

import json
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, request_scope
from ministack.services import eventbridge, iam
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.delivery import SERVICE, Undeliverable, in_delivery
from tests.sandbox.emulator.gap import Function, around

PUT_EVENTS = "events:PutEvents"


@around(eventbridge, "_dispatch_to_event_bus")
def rules_reach_buses_of_other_accounts(
    original: Function,
    spec: Any,
    event: dict[str, Any],
    rule: dict[str, Any],
    path: set[str],
    payload: str | None = None,
) -> None:
    sender = get_account_id()
    if spec.account_id == sender:
        original(spec, event, rule, path, payload)
        return
    if event["Account"] != sender:
        raise Undeliverable("THIRD_ACCOUNT_HOP_DETECTED", f"{spec} would be the third account of this event.")
    if payload is not None:
        raise Undeliverable("INVALID_PARAMETER", "A target's input does not work on another account's bus.")
    role_arn = in_delivery.get()[0].get("RoleArn", "")
    if not role_may_put_events(role_arn, str(spec)):
        raise Undeliverable("FAILED_TO_ASSUME_ROLE", f"EventBridge may not put events to {spec} as '{role_arn}'.")
    receive(spec, event, caller=role_arn, source_arn=rule["Arn"])


def receive(spec: Any, event: dict[str, Any], *, caller: str, source_arn: str = "") -> None:
    """Puts an event of another account on the bus. Raises Undeliverable when it is not there or its policy says no."""
    sender, bus = get_account_id(), spec.resource.removeprefix("event-bus/")
    with request_scope(spec.account_id, spec.region):
        if bus not in eventbridge._event_buses:
            raise Undeliverable("NO_RESOURCE", f"The event bus {spec} does not exist.")
        keys = {
            "events:source": event["Source"],
            "events:detail-type": event["DetailType"],
            "aws:sourcearn": source_arn,
        }
        policy = eventbridge._event_bus_policies.get(bus)
        if not policy_allows(policy, context(caller, sender, str(spec), keys)):
            raise Undeliverable("NO_PERMISSIONS", f"The policy of {spec} does not let {caller} put this event.")
        received = {**event, "EventBusName": bus, "_DispatchPath": []}
        eventbridge._dispatch_event(received)
        eventbridge._archive_event(received)


@around(eventbridge, "_put_events")
def put_events_reaches_buses_of_other_accounts(
    original: Function, data: dict[str, Any], allow_aws_source: bool = False
) -> Any:
    """One refused entry refuses the request, as on AWS (AccessDeniedException)."""
    foreign = [
        entry for entry in data.get("Entries", []) if account_of(entry.get("EventBusName", "")) != get_account_id()
    ]
    if not foreign or allow_aws_source:
        return original(data, allow_aws_source)
    if len(foreign) < len(data["Entries"]):
        return error_response_json("ValidationException", "Buses of one account at a time, in this emulator.", 400)
    results = []
    for entry in foreign:
        if entry["Source"].startswith("aws."):
            results.append(
                {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
            )
            continue
        event = event_record(entry)
        try:
            receive(parse_arn(entry["EventBusName"]), event, caller=iam_evaluator.caller_arn())
        except Undeliverable as why:
            return error_response_json("AccessDeniedException", why.message, 403)
        results.append({"EventId": event["EventId"]})
    return json_response({"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results})


def account_of(bus: str) -> str:
    """The account in a bus's ARN; a bus by name, or the default one, is the caller's own."""
    account: str = parse_arn(bus).account_id if bus.startswith("arn:") else get_account_id()
    return account


def event_record(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "EventId": eventbridge.new_uuid(),
        "Source": entry["Source"],
        "DetailType": entry["DetailType"],
        "Detail": entry["Detail"],
        "Time": int(eventbridge._now_ts()),
        "Resources": entry.get("Resources", []),
        "Account": get_account_id(),
        "Region": get_region(),
    }


def context(caller: str, account: str, resource: str, keys: dict[str, str]) -> EvalContext:
    return EvalContext(caller, "AssumedRole", account, PUT_EVENTS, resource, get_region(), service_context=keys)


def policy_allows(policy: Any, asked: EvalContext) -> bool:
    """Whether a bus policy lets a caller of another account in: nothing but an explicit Allow does."""
    return bool(iam_evaluator.evaluate_resource_policy(policy, asked).decision == "Allow")


def role_may_put_events(role_arn: str, bus_arn: str) -> bool:
    """Whether EventBridge may assume the sender's role, and the role's own policies allow the put."""
    name = role_arn.rpartition("/")[2]
    role = iam._roles.get(name)
    if role is None or role["Arn"] != role_arn:
        return False
    asked = context(role_arn, get_account_id(), bus_arn, {})
    policies = iam_evaluator._gather_role_policies(name, get_account_id())
    return trusts_events(role) and bool(iam_evaluator.evaluate(asked, policies).decision == "Allow")


def trusts_events(role: dict[str, Any]) -> bool:
    rule_arn = in_delivery.get()[1]["Arn"]
    keys = {"aws:sourcearn": rule_arn, "aws:sourceaccount": get_account_id()}
    asked = EvalContext(SERVICE, "Service", "", "sts:AssumeRole", "*", get_region(), service_context=keys)
    trust = role["AssumeRolePolicyDocument"]
    document = json.loads(trust) if isinstance(trust, str) else trust
    return bool(iam_evaluator.evaluate_resource_policy(document, asked, service=SERVICE).decision == "Allow")


def create_policy(_logical_id: str, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
    bus, sid = properties.get("EventBusName", "default"), properties["StatementId"]
    statement = {**properties["Statement"], "Sid": sid}
    policy = eventbridge._event_bus_policies.setdefault(bus, {"Version": "2012-10-17", "Statement": []})
    policy["Statement"] = [other for other in policy["Statement"] if other.get("Sid") != sid] + [statement]
    return f"{bus}|{sid}", {}


def update_policy(_physical_id: str, _old: Any, new: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    return create_policy("", new, stack)


def delete_policy(physical_id: str, _properties: Any) -> None:
    bus, _, sid = physical_id.partition("|")
    policy = eventbridge._event_bus_policies.get(bus, {"Statement": []})
    policy["Statement"] = [other for other in policy["Statement"] if other.get("Sid") != sid]


provisioners._RESOURCE_HANDLERS["AWS::Events::EventBusPolicy"] = {
    "create": create_policy,
    "update": update_policy,
    "delete": delete_policy,
}
