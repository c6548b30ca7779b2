"""CloudFormation in MiniStack 1.5.33 leaves a mapping's `MaximumConcurrency` a text, as parameters come; AWS makes it a
number. Comparing it with a number then stops every mapping."""

from typing import Any

from ministack.services import lambda_svc

from tests.sandbox.emulator.gap import Function, around


@around(lambda_svc, "_sqs_esm_concurrency")
def the_concurrency_is_a_number(original: Function, mapping: dict[str, Any], *args: Any) -> Any:
    scaling = mapping.get("ScalingConfig") or {}
    if "MaximumConcurrency" in scaling:
        scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
    return original(mapping, *args)
