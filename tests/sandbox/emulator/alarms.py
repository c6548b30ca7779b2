"""CloudFormation in MiniStack 1.5.33 refuses composite alarms and alarms on metric math; AWS takes both.

The composite alarm is MiniStack's own, made through its API. Metric math is kept as the alarm's record and is never
evaluated: such an alarm stays in INSUFFICIENT_DATA here.
"""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.gap import Function, around


@around(provisioners, "_cw_metric_alarm_record")
def metric_math_is_kept(original: Function, name: str, properties: dict[str, Any]) -> Any:
    metrics = properties.get("Metrics")
    if not metrics:
        return original(name, properties)
    plain = {key: value for key, value in properties.items() if key != "Metrics"}
    alarm = original(name, plain | {"MetricName": "(metric math)", "Namespace": "(metric math)"})
    return alarm | {"MetricName": None, "Namespace": None, "Metrics": metrics}


def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    name = properties.get("AlarmName") or f"{stack}-{logical_id}"
    status, _, body = cloudwatch._put_composite_alarm({}, properties | {"AlarmName": name}, False, is_json=True)
    if status != 200:
        raise ValueError(body.decode())
    return name, {"Arn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{name}"}


def update(physical_id: str, _old: Any, new: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    return create("", {"AlarmName": physical_id, **new}, stack)


def delete(physical_id: str, _properties: Any) -> None:
    cloudwatch._composite_alarms.pop(physical_id, None)


provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::CompositeAlarm"] = {
    "create": create,
    "update": update,
    "delete": delete,
}
