"""MiniStack 1.5.33 gives `aws:PrincipalArn` as the session's ARN; for a role's session it is the role's.

"IAM role: the request context returns the ARN of the role, not the ARN of the user that assumed the role"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn).
"""

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam

from tests.sandbox.emulator.gap import Function, around


@around(iam_evaluator, "_resolve_condition_key")
def a_session_is_its_role(original: Function, key: str, context: Any) -> Any:
    found = original(key, context)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in str(found):
        return role_arn(str(found))
    return found


def role_arn(session_arn: str) -> str:
    """arn:aws:sts::1:assumed-role/name/session -> arn:aws:iam::1:role/path/name."""
    account, name = session_arn.split(":")[4], session_arn.split("/")[1]
    role = iam._roles.get_scoped(account, None, name)
    return role["Arn"] if role else f"arn:aws:iam::{account}:role/{name}"
