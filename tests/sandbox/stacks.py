"""Deploys a CloudFormation template, and says in a sentence what failed when it does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from tests.sandbox.emulator_process import SandboxError


def deploy(cloudformation: Any, name: str, template: Path | str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Creates the stack and returns its outputs. SandboxError names the first resource that failed, and why.

    `template`: a file, or the address of a larger one in a bucket.
    """
    given = {"TemplateURL": template} if isinstance(template, str) else {"TemplateBody": template.read_text()}
    try:
        cloudformation.create_stack(
            StackName=name,
            **given,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    except ClientError as error:
        raise SandboxError(f"Stack {name} was refused: {error.response['Error']['Message']}") from error
    try:
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
        )
    except WaiterError as error:
        raise SandboxError(f"Stack {name} failed: {first_failure(cloudformation, name)}") from error
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def first_failure(cloudformation: Any, name: str) -> str:
    """'ObjectEvents (AWS::Events::Rule): reason' of the earliest failure; later ones are its consequences."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]  # newest first
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    for event in failed or events[:1]:
        reason = event.get("ResourceStatusReason", "no reason given")
        return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
    return "it has no events"
