"""MiniStack 1.5.33 asks the policies about other keys than the request names: empty segments and line ends confuse it.

In AWS the resource of an object request is `arn:aws:s3:::<bucket>/<key>` with the key verbatim, and `*` matches any
characters (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html).
"""

import re
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from tests.sandbox.emulator.gap import Function, around


@around(iam_actions, "_s3_action")
def keys_of_slashes_are_keys(original: Function, method: str, path: str, query: dict[str, Any]) -> Any:
    """Requests for the keys `/` and `//` count as requests for the bucket: a put as CreateBucket."""
    bucket, _, key = path.lstrip("/").partition("/")
    return original(method, f"/{bucket}/key" if key else path, query)


@around(iam_actions, "extract_resource_arn")
def keys_keep_their_slashes(original: Function, service: str, method: str, path: str, *rest: Any) -> Any:
    """`a//b` is asked about as `a/b`."""
    bucket, _, key = path.lstrip("/").partition("/")
    if service == "s3" and key:
        return f"arn:aws:s3:::{bucket}/{key}"
    return original(service, method, path, *rest)


@around(iam_evaluator, "_fnmatch_compile")
def wildcards_match_line_ends(original: Function, pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """`*` stops at a line end, so that nobody but root reaches such a key."""
    compiled: re.Pattern[str] = original(pattern, ignore_case)
    return re.compile(compiled.pattern.removesuffix("$") + r"\Z", compiled.flags | re.DOTALL)
