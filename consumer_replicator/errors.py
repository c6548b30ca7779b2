"""What can go wrong, as data: every failure code, its class, and what it means to the person who reads it.

The classes are the design's. Unknown means transient: the message comes back, and after the last try it rests in the
dead-letter queue with its code. A skip is not an error (see `outcome`).
"""

from dataclasses import dataclass
from enum import StrEnum


class ErrorClass(StrEnum):
    TRANSIENT = "transient"  # back off, the message returns
    PERMANENT = "permanent"  # for this object: row FAILED(code), retried by reconcile
    BAD_INPUT = "bad-input"  # to the dead-letter queue with its reason, nothing touched


@dataclass(frozen=True, slots=True)
class FailureCode:
    error_class: ErrorClass
    meaning: str


_T, _P, _B = ErrorClass.TRANSIENT, ErrorClass.PERMANENT, ErrorClass.BAD_INPUT

FAILURE_CODES: dict[str, FailureCode] = {
    "throttled": FailureCode(_T, "AWS asked to slow down (S3, KMS, DynamoDB, STS or SQS)."),
    "aws-error": FailureCode(_T, "AWS answered with an internal error."),
    "connection": FailureCode(_T, "The connection failed, was reset or timed out."),
    "truncated": FailureCode(_T, "A body ended before its length, or its bytes did not match their checksum."),
    "expired-credentials": FailureCode(_T, "Credentials expired in the middle of a copy."),
    "assume-role-denied": FailureCode(
        _T, "The producer's read role refused to be assumed: trust policy or ExternalId."
    ),
    "own-access-denied": FailureCode(_T, "The function's own role may not use the manifest or a queue."),
    "contended": FailureCode(_T, "Other copiers kept changing the same key; given back after several rounds."),
    "out-of-time": FailureCode(_T, "The invocation's time was nearly up; given back at once."),
    "bad-row": FailureCode(_T, "The manifest row cannot be read: newer than this version, or damaged."),
    "unexpected": FailureCode(_T, "An error that this version does not know."),
    "source-access-denied": FailureCode(
        _P, "The read role, or where S3 copies the function's own, may not read the object."
    ),
    "source-kms-denied": FailureCode(
        _P, "The read role, or where S3 copies the function's own, may not use the object's key."
    ),
    "replica-access-denied": FailureCode(_P, "The function's role may not write to the replica bucket."),
    "replica-kms-denied": FailureCode(_P, "The function's role may not use the replica's key, or the key is disabled."),
    "archived": FailureCode(_P, "The object is archived and must be restored before it can be read."),
    "sse-c": FailureCode(_P, "The object is encrypted with a key that only its writer holds (SSE-C)."),
    "checksum-mismatch": FailureCode(_P, "The parts of a large upload do not have the source's checksum together."),
    "refused": FailureCode(_P, "S3 refused the request as invalid for this object."),
    "not-json": FailureCode(_B, "The message is not JSON."),
    "not-an-object-event": FailureCode(_B, "The message is not an S3 object event of a kind that is replicated."),
    "unknown-version": FailureCode(_B, "The event has a major version that this release does not know."),
    "bad-hint": FailureCode(_B, "The message claims to be a hint of this product but is malformed."),
    "foreign-bucket": FailureCode(_B, "The message names a bucket that is not the configured source."),
    "foreign-account": FailureCode(_B, "The message comes from an account that is not the configured producer."),
}


class HydrationError(Exception):
    """A failure with a code of `FAILURE_CODES` and one plain sentence."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or FAILURE_CODES[code].meaning)
        self.code = code

    @property
    def error_class(self) -> ErrorClass:
        return FAILURE_CODES[self.code].error_class


class Rejected(HydrationError):
    """Bad input: nothing was touched, the message belongs in the dead-letter queue."""


class TagsDenied(Exception):
    """The read role may not read tags. Counted; never blocks the bytes."""


class ChangedUnderUs(Exception):
    """Someone was faster: 412, 409, a failed condition, a source version that is gone. Look again, do not retry."""


class ReplicaMoved(ChangedUnderUs):
    """A conditional write on the replica was refused."""


class RowMoved(ChangedUnderUs):
    """A conditional write of the manifest row was refused, or its answer was lost."""


class SourceMoved(ChangedUnderUs):
    """The pinned source object is not there any more: it was replaced or deleted during the copy."""


# The codes AWS answers with, by what they mean here.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and the services' CommonErrors pages.
THROTTLING = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "OperationAborted",
        "KMS.ThrottlingException",
    }
)
EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "RequestExpired",
        "TokenRefreshRequired",
    }
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem"})
KEY_UNUSABLE = frozenset(
    {
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "KMS.InvalidStateException",
        "KMS.KMSInvalidStateException",
        "KMS.KeyUnavailableException",
        "KMSInvalidStateException",
    }
)
ABSENT = frozenset({"NoSuchKey", "NotFound", "404"})
CONDITION_FAILED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
BODY_DAMAGED = frozenset({"BadDigest", "IncompleteBody", "InvalidDigest", "XAmzContentSHA256Mismatch"})
TIMED_OUT = frozenset({"RequestTimeout", "RequestTimeTooSkewed"})
