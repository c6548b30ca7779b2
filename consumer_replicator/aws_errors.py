"""From what botocore raises to what the core knows. Each edge translates once, here, and nowhere else (edge).

`whose` names the resource that the call was about: an AccessDenied means one thing at the source and another at the
replica.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    IncompleteReadError,
    ParamValidationError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError as BotoHttpError
from botocore.parsers import ResponseParserError

from consumer_replicator import errors
from consumer_replicator.errors import HydrationError

type Whose = Literal["source", "replica", "manifest", "queue"]

MALFORMED = (ResponseParserError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError)
"""What an answer comes to that is not of its service's form, in botocore's parsers and here: a number or time that is
none, text in the place of a list, nesting without end."""

OTHER_NAMES = re.compile(r'arn:[\w-]*:(?!kms:)[\w-]*:[^"\s]*')
"""ARNs but those of keys: a bucket, a key or a role may be called anything."""


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def translated(whose: Whose) -> Iterator[None]:
    """Raises `HydrationError` in place of whatever botocore raises inside."""
    try:
        yield
    except ClientError as error:
        raise HydrationError(_failure_code(error, whose), _sentence(error)) from error
    except (IncompleteReadError, ResponseStreamingError, ChecksumError, FlexibleChecksumError) as error:
        raise HydrationError("truncated", _sentence(error)) from error
    except (BotoConnectionError, BotoHttpError, CredentialRetrievalError) as error:
        raise HydrationError("connection", _sentence(error)) from error
    except ParamValidationError as error:
        raise HydrationError("refused" if whose in ("source", "replica") else "unexpected", _sentence(error)) from error
    except BotoCoreError as error:
        raise HydrationError("unexpected", _sentence(error)) from error


@contextmanager
def answered() -> Iterator[None]:
    """Raises `HydrationError` where an answer lacks what it must have, or has something else in its place: one whose
    head was cut off, botocore takes for whole. Around a call, it goes inside `translated`."""
    try:
        yield
    except KeyError as error:
        raise HydrationError("truncated", f"The answer lacks {error}.") from error
    except MALFORMED as error:
        raise HydrationError("truncated", f"The answer cannot be read: {type(error).__name__}.") from error


def must_be_sent(answer: Mapping[str, Any]) -> None:
    """SQS gives an id to every message that it takes.

    :raises HydrationError: `truncated`: there is none, so that nobody knows whether it has the message.
    """
    with answered():
        if not answer["MessageId"]:
            raise ValueError("an id without a character")


def _sentence(error: Exception) -> str:
    """The error in one bounded line without what a terminal would obey. Never the request: it may carry a key of the
    producer's choosing, and so may what a service says of it."""
    printable = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(printable.split())[:300]


def _failure_code(error: ClientError, whose: Whose) -> str:  # noqa: C901, PLR0911 - a table, read from top to bottom
    code, status = code_of(error), status_of(error)
    if code in errors.THROTTLING or status == 429:
        return "throttled"
    if code in errors.EXPIRED:
        return "expired-credentials"
    if code in errors.BODY_DAMAGED:
        return "truncated"
    if code in errors.TIMED_OUT:
        return "connection"
    if error.operation_name == "AssumeRole":
        return "aws-error" if status >= 500 else "assume-role-denied"
    if code == "InvalidObjectState":
        return "archived"
    if code == "SignatureDoesNotMatch" and whose in ("source", "replica"):
        return "refused"
    if code in errors.KEY_UNUSABLE or code in errors.DENIED or status == 403:
        return _denied(error, whose)
    if status >= 500:
        return "aws-error"
    if whose in ("source", "replica") and status == 400 and not _is_wordless(error, whose):
        return "sse-c" if whose == "source" and _is_customer_encrypted(error) else "refused"
    return "unexpected"


def _denied(error: ClientError, whose: Whose) -> str:
    if whose in ("manifest", "queue"):
        return "own-access-denied"
    about_the_key = code_of(error) in errors.KEY_UNUSABLE or "kms" in OTHER_NAMES.sub("", str(error)).lower()
    return f"{whose}-kms-denied" if about_the_key else f"{whose}-access-denied"


def _is_wordless(error: ClientError, whose: Whose) -> bool:
    """HEAD of a replica: without a body to say why. Credentials may have expired, or it came too slowly."""
    return whose == "replica" and error.operation_name == "HeadObject" and code_of(error) == "400"


def _is_customer_encrypted(error: ClientError) -> bool:
    """S3 answers a GET without the customer's key: 400 InvalidRequest, or 400 without a body's code for HEAD.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html"""
    return "Server Side Encryption" in str(error) or "x-amz-server-side-encryption-customer" in str(error)
