"""MiniStack 1.5.33 has no documents of Systems Manager, in its API nor in CloudFormation.

Kept here as what the template says, and checked for what AWS refuses at once; nothing runs them.
"""

from typing import Any

from ministack.services.cloudformation import provisioners

documents: dict[str, dict[str, Any]] = {}


def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    name = properties.get("Name") or f"{stack}-{logical_id}"
    if name in documents:
        raise ValueError(f"Document {name} already exists.")
    documents[name] = checked(properties["Content"])
    return name, {}


def update(physical_id: str, _old: Any, new: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
    documents[physical_id] = checked(new["Content"])
    return physical_id, {}


def delete(physical_id: str, _properties: Any) -> None:
    documents.pop(physical_id, None)


def checked(content: dict[str, Any]) -> dict[str, Any]:
    """Every step that another one names is there (InvalidDocumentContent)."""
    steps = {step["name"] for step in content["mainSteps"]}
    for step in content["mainSteps"]:
        inputs = step["inputs"]
        named = {choice["NextStep"] for choice in inputs.get("Choices", [])} | {inputs.get("Default")} - {None}
        if not named <= steps:
            raise ValueError(f"InvalidDocumentContent: {step['name']} names {named - steps}, which is not there.")
    return content


provisioners._RESOURCE_HANDLERS["AWS::SSM::Document"] = {"create": create, "update": update, "delete": delete}
