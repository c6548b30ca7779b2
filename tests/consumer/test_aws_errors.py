"""Whatever botocore raises becomes one of our codes, in one place; what nobody knows comes back."""

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from consumer_replicator.aws_errors import code_of, status_of, translated
from consumer_replicator.errors import ErrorClass, HydrationError
from tests.consumer.fake_aws import refuse

OWNERS = ("source", "replica", "manifest", "queue")


def translation(error, whose="source"):
    with pytest.raises(HydrationError) as raised, translated(whose):
        raise error
    assert raised.value.__cause__ is error
    return raised.value


def code(error, whose="source"):
    return translation(error, whose).code


@pytest.mark.parametrize("whose", OWNERS)
@pytest.mark.parametrize(
    ("aws_code", "status", "expected"),
    [
        ("SlowDown", 503, "throttled"),
        ("503", 503, "aws-error"),  # HEAD has no body to tell why
        ("429", 429, "throttled"),
        ("ThrottlingException", 400, "throttled"),
        ("ProvisionedThroughputExceededException", 400, "throttled"),
        ("RequestThrottled", 403, "throttled"),
        ("KMS.ThrottlingException", 400, "throttled"),
        ("OperationAborted", 409, "throttled"),
        ("InternalError", 500, "aws-error"),
        ("InternalServerError", 500, "aws-error"),
        ("500", 500, "aws-error"),
        ("ServiceUnavailable", 503, "aws-error"),
        ("ExpiredToken", 400, "expired-credentials"),
        ("ExpiredTokenException", 400, "expired-credentials"),
        ("BadDigest", 400, "truncated"),
        ("IncompleteBody", 400, "truncated"),
        ("XAmzContentSHA256Mismatch", 400, "truncated"),
        ("RequestTimeout", 400, "connection"),
        ("RequestTimeTooSkewed", 403, "connection"),
    ],
)
def test_what_passes_comes_back_whoever_said_it(whose, aws_code, status, expected):
    error = translation(refuse("GetObject", aws_code, status), whose)
    assert error.code == expected
    assert error.error_class is ErrorClass.TRANSIENT


KMS_TEXTS = [
    ("AccessDenied", 403, "User: u is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu:1:key/k"),
    ("KMS.DisabledException", 400, "arn:aws:kms:us-east-1:1:key/k is disabled."),
    ("KMS.NotFoundException", 400, "Invalid keyId"),
    ("KMS.KMSInvalidStateException", 400, "k is pending deletion."),
    ("KMS.KeyUnavailableException", 500, "unavailable"),
]


@pytest.mark.parametrize(
    "text",
    [
        'arn:aws:sts::1:assumed-role/r/s is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::kms/k"',
        "User: arn:aws:sts::1:assumed-role/kms-reader/s is not authorized to perform: s3:PutObject on this resource",
        'not authorized to perform: s3:GetObject on resource: "arn:aws-us-gov:s3:::b/KMS/k" with an explicit deny',
    ],
)
def test_a_denial_is_not_the_key_s_because_a_name_says_kms(text):
    assert translation(refuse("GetObject", "AccessDenied", 403, text), "source").code == "source-access-denied"


@pytest.mark.parametrize(("aws_code", "status", "text"), KMS_TEXTS)
@pytest.mark.parametrize("whose", ["source", "replica"])
def test_a_key_that_may_not_be_used_is_told_apart_from_an_object_that_may_not_be_read(whose, aws_code, status, text):
    error = translation(refuse("GetObject", aws_code, status, text), whose)
    assert error.code == f"{whose}-kms-denied"
    assert error.error_class is ErrorClass.PERMANENT


@pytest.mark.parametrize(("aws_code", "text"), [("AccessDenied", "Access Denied"), ("403", "Forbidden"), ("New", "no")])
@pytest.mark.parametrize("whose", ["source", "replica"])
def test_any_403_is_a_denial_by_the_one_whose_call_it_was(whose, aws_code, text):
    error = translation(refuse("HeadObject", aws_code, 403, text), whose)
    assert error.code == f"{whose}-access-denied"
    assert error.error_class is ErrorClass.PERMANENT


@pytest.mark.parametrize("whose", ["source", "replica"])
def test_a_signature_that_does_not_hold_is_no_missing_permission(whose):
    """The keys are the runtime's own: what differs is how something in this very request is written."""
    error = translation(refuse("PutObject", "SignatureDoesNotMatch", 403), whose)
    assert (error.code, error.error_class) == ("refused", ErrorClass.PERMANENT)


@pytest.mark.parametrize(("aws_code", "status"), [("AccessDeniedException", 400), ("AccessDenied", 403)])
@pytest.mark.parametrize("whose", ["manifest", "queue"])
def test_a_denial_of_our_own_resources_is_not_the_objects_fault(whose, aws_code, status):
    error = translation(refuse("PutItem", aws_code, status, "not authorized to perform: kms:Decrypt"), whose)
    assert error.code == "own-access-denied"
    assert error.error_class is ErrorClass.TRANSIENT


def test_an_archived_object_is_told_as_such():
    text = "The operation is not valid for the object's storage class"
    assert code(refuse("GetObject", "InvalidObjectState", 403, text)) == "archived"


SSE_C = (
    "The object was stored using a form of Server Side Encryption. "
    "The correct parameters must be provided to retrieve the object."
)


def test_an_object_under_its_writers_own_key_is_told_as_such():
    assert code(refuse("GetObject", "InvalidRequest", 400, SSE_C)) == "sse-c"
    assert code(refuse("GetObject", "InvalidRequest", 400, "Something else")) == "refused"
    assert code(refuse("PutObject", "InvalidRequest", 400, SSE_C), "replica") == "refused"


@pytest.mark.parametrize("aws_code", ["EntityTooLarge", "MetadataTooLarge", "InvalidTag", "KeyTooLongError", "400"])
def test_a_request_that_s3_finds_invalid_is_refused_for_good(aws_code):
    error = translation(refuse("PutObject", aws_code, 400), "replica")
    assert error.code == "refused"
    assert error.error_class is ErrorClass.PERMANENT


def test_a_400_without_a_word_is_tried_again_at_the_replica():
    """S3 answers HEAD so under expired credentials: nothing is wrong with the object."""
    error = translation(refuse("HeadObject", "400", 400), "replica")
    assert error.code == "unexpected"
    assert error.error_class is ErrorClass.TRANSIENT


@pytest.mark.parametrize(
    ("whose", "aws_code", "status"),
    [
        ("manifest", "ValidationException", 400),
        ("manifest", "ResourceNotFoundException", 400),
        ("queue", "AWS.SimpleQueueService.NonExistentQueue", 400),
        ("source", "NoSuchBucket", 404),
        ("replica", "NoSuchUpload", 404),
        ("source", "PreconditionFailed", 412),
        ("source", "304", 304),
        ("source", "PermanentRedirect", 301),
        ("source", "", 0),
    ],
)
def test_what_nobody_knows_is_unexpected_and_comes_back(whose, aws_code, status):
    error = translation(refuse("AnyOperation", aws_code, status), whose)
    assert error.code == "unexpected"
    assert error.error_class is ErrorClass.TRANSIENT


@pytest.mark.parametrize("whose", OWNERS)
@pytest.mark.parametrize(
    ("aws_code", "status", "expected"),
    [
        ("AccessDenied", 403, "assume-role-denied"),
        ("ValidationError", 400, "assume-role-denied"),
        ("RegionDisabledException", 403, "assume-role-denied"),
        ("Throttling", 400, "throttled"),
        ("InternalFailure", 500, "aws-error"),
        ("ServiceUnavailable", 503, "aws-error"),
        ("ExpiredToken", 403, "expired-credentials"),
    ],
)
def test_a_refused_assumerole_is_the_trust_policys_matter_whichever_call_needed_it(whose, aws_code, status, expected):
    error = translation(refuse("AssumeRole", aws_code, status), whose)
    assert error.code == expected
    assert error.error_class is ErrorClass.TRANSIENT


URL = "https://source-bucket.s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (boto.EndpointConnectionError(endpoint_url=URL), "connection"),
        (boto.ConnectTimeoutError(endpoint_url=URL), "connection"),
        (boto.ReadTimeoutError(endpoint_url=URL), "connection"),
        (boto.ConnectionClosedError(endpoint_url=URL), "connection"),
        (boto.SSLError(endpoint_url=URL, error="e"), "connection"),
        (boto.ProxyConnectionError(proxy_url=URL), "connection"),
        (boto.HTTPClientError(error="reset"), "connection"),
        (boto.CredentialRetrievalError(provider="p", error_msg="e"), "connection"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), "truncated"),
        (boto.ResponseStreamingError(error="broken"), "truncated"),
        (boto.FlexibleChecksumError(error_msg="mismatch"), "truncated"),
        (boto.ChecksumError(checksum_type="crc32", expected_checksum="a", actual_checksum="b"), "truncated"),
        (boto.NoCredentialsError(), "unexpected"),
        (boto.UnknownEndpointError(service_name="s3", region_name="r"), "unexpected"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
@pytest.mark.parametrize("whose", OWNERS)
def test_trouble_on_the_way_comes_back(whose, error, expected):
    found = translation(error, whose)
    assert found.code == expected
    assert found.error_class is ErrorClass.TRANSIENT


@pytest.mark.parametrize(
    ("whose", "expected"),
    [("source", "refused"), ("replica", "refused"), ("manifest", "unexpected"), ("queue", "unexpected")],
)
def test_what_botocore_itself_will_not_send_is_refused_where_the_object_is_to_blame(whose, expected):
    assert code(boto.ParamValidationError(report="Invalid length"), whose) == expected


@pytest.mark.parametrize("error", [ValueError("ours"), HydrationError("archived"), KeyError("k")])
def test_what_is_not_botocores_passes_untouched(error):
    with pytest.raises(type(error)) as raised, translated("source"):
        raise error
    assert raised.value is error


def test_the_sentence_is_one_line_of_bounded_length():
    sentence = str(translation(refuse("GetObject", "InvalidRequest", 400, "a\n\tb  " * 500)))
    assert len(sentence) == 300
    assert "a b a b" in sentence
    assert "\n" not in sentence


def test_an_answer_without_code_or_status_has_neither():
    error = ClientError({}, "GetObject")
    assert (code_of(error), status_of(error)) == ("", 0)
