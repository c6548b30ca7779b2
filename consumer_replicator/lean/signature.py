"""AWS Signature Version 4, as headers. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_UNSIGNED_PAYLOAD_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
ALGORITHM = "AWS4-HMAC-SHA256"
NOT_SIGNED = frozenset({"expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""What something on the way may change (botocore's own list)."""


class Credentials(Protocol):
    """As botocore freezes them."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Key:
    """A signing key, good for one day, region, service and secret."""

    day: str
    secret: str
    value: bytes


class Signer:
    """Signs requests to one service in one region. Threads may share it."""

    def __init__(self, region: str, service: str) -> None:
        self._region = region
        self._service = service
        self._key = _Key("", "", b"")

    def sign(
        self, method: str, path: str, query: str, headers: Mapping[str, str], credentials: Credentials, now: float
    ) -> dict[str, str]:
        """The headers with those that carry the signature.

        `path` as it is sent; `query` in canonical form (sorted, percent-encoded); header names in lower case, with
        `host` and `x-amz-content-sha256` among them; `now` in seconds since the epoch.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {**headers, "x-amz-date": stamp}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        names = sorted(signed.keys() - NOT_SIGNED)
        lines = "".join([f"{name}:{_trimmed(signed[name])}\n" for name in names])
        list_of_names = ";".join(names)
        request = f"{method}\n{path}\n{query}\n{lines}\n{list_of_names}\n{signed['x-amz-content-sha256']}"
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(self._signing_key(stamp[:8], credentials.secret_key), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={list_of_names}, Signature={signature}"
        )
        return signed

    def _signing_key(self, day: str, secret: str) -> bytes:
        key = self._key
        if key.day != day or key.secret != secret:
            value = f"AWS4{secret}".encode()
            for word in (day, self._region, self._service, "aws4_request"):
                value = hmac.digest(value, word.encode(), "sha256")
            key = self._key = _Key(day, secret, value)
        return key.value


def _trimmed(value: str) -> str:
    """A value as it is signed: spaces at its ends left out, several taken together. Only those of HTTP: of a space that
    is more than a byte the server knows nothing, and botocore's signature does not hold."""
    if value.isascii():
        return " ".join(value.split())
    return b" ".join(value.encode().split()).decode()
