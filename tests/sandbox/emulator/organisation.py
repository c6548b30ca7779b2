"""MiniStack 1.5.33 makes every account the head of an organisation of its own and knows no member accounts.

In AWS the two accounts are members of one organisation, and `aws:PrincipalOrgID` says which
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalorgid).
"""

import os

from ministack.core import iam_evaluator

from tests.sandbox.emulator.gap import Function, around

ORGANISATION_ID = os.environ["SANDBOX_ORGANISATION_ID"]
MEMBERS = frozenset(os.environ["SANDBOX_ORGANISATION_ACCOUNTS"].split(","))


@around(iam_evaluator, "_principal_org_id")
def members_share_one_organisation(original: Function, account_id: str) -> str | None:
    """o-... of a member; whatever MiniStack knows of any other account."""
    if account_id in MEMBERS:
        return ORGANISATION_ID
    answer: str | None = original(account_id)
    return answer
