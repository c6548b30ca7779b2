"""MiniStack 1.5.33 starts a schedule's target as itself; EventBridge Scheduler does it in the schedule's role.

The role must let the service assume it for schedules of its group, and may invoke the target
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role). A target that
cannot be started is logged and left: there are no retries and no dead letters of schedules here.
"""

import json
import logging
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, iam

from tests.sandbox.emulator.gap import Function, around

SERVICE = "scheduler.amazonaws.com"
log = logging.getLogger("sandbox")


@around(eventbridge, "_invoke_target")
def a_schedule_works_in_its_role(
    original: Function, target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
) -> None:
    if event["Source"] == "aws.scheduler" and not may_invoke(target, rule.get("GroupName", "default")):
        log.error("schedule %s: its role may not start %s", rule["Arn"], target["Arn"])
        return
    original(target, event, rule, view)


def may_invoke(target: dict[str, Any], group: str) -> bool:
    """Whether Scheduler may assume the target's role for this group, and the role may invoke the function."""
    account, region = get_account_id(), get_region()
    role = iam._roles.get(target["RoleArn"].rpartition("/")[2])
    if role is None or role["Arn"] != target["RoleArn"]:
        return False
    keys = {
        "aws:sourceaccount": account,
        "aws:sourcearn": f"arn:aws:scheduler:{region}:{account}:schedule-group/{group}",
    }
    assuming = EvalContext(SERVICE, "Service", "", "sts:AssumeRole", "*", region, service_context=keys)
    trust = role["AssumeRolePolicyDocument"]
    document = json.loads(trust) if isinstance(trust, str) else trust
    trusted = iam_evaluator.evaluate_resource_policy(document, assuming, service=SERVICE)
    invoking = EvalContext(role["Arn"], "AssumedRole", account, "lambda:InvokeFunction", target["Arn"], region)
    allowed = iam_evaluator.evaluate(invoking, iam_evaluator._gather_role_policies(role["RoleName"], account))
    return bool(trusted.decision == "Allow" and allowed.decision == "Allow")
