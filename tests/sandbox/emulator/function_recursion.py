"""CloudFormation in MiniStack 1.5.33 drops a function's `RecursiveLoop`.

Lambda stops a chain of invocations of one function after some 16, unless the function says `Allow`
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html). MiniStack counts direct invocations, and
chains through a queue not at all: that the product needs to say so cannot be seen here.
"""

from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from tests.sandbox.emulator.gap import Function, around_entry

HANDLER = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]


@around_entry(HANDLER, "create")
def the_template_says_whether_it_may_loop(
    original: Function, logical_id: str, properties: dict[str, Any], stack: str
) -> Any:
    name, attributes = original(logical_id, properties, stack)
    if "RecursiveLoop" in properties:
        lambda_svc._functions[name]["recursive_loop"] = properties["RecursiveLoop"]
    return name, attributes
