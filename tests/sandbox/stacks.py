"""Deploys, updates and deletes a CloudFormation stack, and says in a sentence what failed when it does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from tests.sandbox.emulator_process import SandboxError


def deploy(cloudformation: Any, name: str, template: Path | str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Creates the stack and returns its outputs. SandboxError names the first resource that failed, and why.

    `template`: a file, or the address of a larger one in a bucket.
    """
    try:
        cloudformation.create_stack(StackName=name, **_asked(template, parameters))
    except ClientError as error:
        raise SandboxError(f"Stack {name} was refused: {error.response['Error']['Message']}") from error
    return _outputs(cloudformation, name, "stack_create_complete")


def update(cloudformation: Any, name: str, template: Path | str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Updates the stack and returns its outputs; SandboxError as `deploy` raises it."""
    try:
        cloudformation.update_stack(StackName=name, **_asked(template, parameters))
    except ClientError as error:
        raise SandboxError(f"Stack {name}'s update was refused: {error.response['Error']['Message']}") from error
    return _outputs(cloudformation, name, "stack_update_complete")


def delete(cloudformation: Any, name: str) -> None:
    """Deletes the stack; what its template retains stays. SandboxError names the first resource that did not go."""
    identity = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    cloudformation.delete_stack(StackName=name)
    _wait(cloudformation, identity, "stack_delete_complete")


def _asked(template: Path | str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        **({"TemplateURL": template} if isinstance(template, str) else {"TemplateBody": template.read_text()}),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }


def _outputs(cloudformation: Any, name: str, waiter: str) -> dict[str, str]:
    _wait(cloudformation, name, waiter)
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _wait(cloudformation: Any, name: str, waiter: str) -> None:
    try:
        cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
    except WaiterError as error:
        raise SandboxError(f"Stack {name} failed: {first_failure(cloudformation, name)}") from error


def first_failure(cloudformation: Any, name: str) -> str:
    """'ObjectEvents (AWS::Events::Rule): reason' of the earliest failure; later ones are its consequences."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]  # newest first
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    for event in failed or events[:1]:
        reason = event.get("ResourceStatusReason", "no reason given")
        return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"
    return "it has no events"
