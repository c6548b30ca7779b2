"""Signatures, against botocore's own signers."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from consumer_replicator.lean.signature import Signer
from tests.odd_keys import ODD_KEYS

HOST = "bucket.s3.us-east-1.amazonaws.com"
NOW = datetime(2026, 11, 5, 12, 30, 59, tzinfo=UTC)
CREDENTIALS = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

text = st.text(st.characters(codec="utf-8"), max_size=30)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
metadata = st.dictionaries(st.from_regex(r"x-amz-meta-[a-z0-9-]{1,20}", fullmatch=True), printable)
queries = st.dictionaries(st.sampled_from(["versionId", "partNumber", "uploadId"]), text)
credentials = st.builds(ReadOnlyCredentials, printable, printable, st.none() | printable)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def expected(botocores, method, path, query, headers, now):
    """The headers that botocore's signer adds, by lower-case name."""
    request = AWSRequest(method, f"https://{HOST}{path}" + (f"?{query}" if query else ""), headers=dict(headers))
    request.headers["x-amz-content-sha256"] = EMPTY
    with patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None)):
        botocores.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def assert_agree(signer, botocores, signing, method="GET", path="/", query="", headers=None, now=NOW):
    unsigned = {**(headers or {}), "x-amz-content-sha256": EMPTY, "host": HOST}
    ours = signer.sign(method, path, query, unsigned, signing, now.timestamp())
    del ours["host"]  # botocore leaves it to its HTTP client
    assert ours == expected(botocores, method, path, query, headers or {}, now)


@given(text.filter(bool) | st.sampled_from(sorted(ODD_KEYS.values())), metadata, queries, credentials, moments)
def test_a_request_to_s3_is_signed_as_botocore_signs_it(key, headers, parameters, signing, now):
    path = "/" + quote(key, safe="/~")
    query = "&".join(sorted(f"{name}={quote(value, safe='')}" for name, value in parameters.items()))
    botocores = S3SigV4Auth(signing, "s3", "eu-central-1")
    assert_agree(Signer("eu-central-1", "s3"), botocores, signing, "PUT", path, query, headers, now)


@given(printable, credentials, moments)
def test_a_request_to_dynamodb_is_signed_as_botocore_signs_it(target, signing, now):
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": target}
    botocores = SigV4Auth(signing, "dynamodb", "us-east-1")
    assert_agree(Signer("us-east-1", "dynamodb"), botocores, signing, "POST", headers=headers, now=now)


@pytest.mark.parametrize("name", ["expect", "user-agent", "transfer-encoding", "x-amzn-trace-id"])
def test_what_may_change_on_the_way_is_not_signed(name):
    botocores = S3SigV4Auth(CREDENTIALS, "s3", "us-east-1")
    assert_agree(Signer("us-east-1", "s3"), botocores, CREDENTIALS, headers={name: "some"})
    signed = Signer("us-east-1", "s3").sign(
        "GET", "/", "", {name: "some", "host": HOST, "x-amz-content-sha256": EMPTY}, CREDENTIALS, NOW.timestamp()
    )
    assert name not in signed["authorization"]


def test_text_beyond_ascii_in_a_header_is_signed_as_utf_8():
    headers = {"content-disposition": 'attachment; filename="\u65e5\u672c.txt"'}
    botocores = S3SigV4Auth(CREDENTIALS, "s3", "us-east-1")
    assert_agree(Signer("us-east-1", "s3"), botocores, CREDENTIALS, headers=headers)


@pytest.mark.parametrize("space", ["\u00a0", "\u202f", "\u3000"])
def test_only_the_spaces_of_http_are_taken_together(space):
    """Names of files have others (macOS writes U+202F), which a server must find in what was signed. botocore does not
    tell them apart: what it signs has a plain space instead."""
    sent = {"content-disposition": f'attachment;  filename="8.15{space}PM.png" '}
    canonical = f'attachment; filename="8.15{space}PM.png"'
    theirs = S3SigV4Auth(CREDENTIALS, "s3", "us-east-1")
    with patch.object(theirs, "_header_value", lambda value: canonical if space in value else value):
        told = expected(theirs, "PUT", "/k", "", sent, NOW)
    ours = Signer("us-east-1", "s3").sign(
        "PUT", "/k", "", {**sent, "host": HOST, "x-amz-content-sha256": EMPTY}, CREDENTIALS, NOW.timestamp()
    )
    assert ours["authorization"] == told["authorization"]


def test_one_signer_follows_the_day_and_credentials_that_change():
    """The derived key is kept; it must not outlive what it was derived from."""
    signer = Signer("us-east-1", "s3")
    other = CREDENTIALS._replace(secret_key="another", token="token")
    for signing in (CREDENTIALS, other, CREDENTIALS):
        for now in (NOW, NOW + timedelta(hours=12), NOW):
            assert_agree(signer, S3SigV4Auth(signing, "s3", "us-east-1"), signing, now=now)
