"""The two principals, never mixed: the assumed read role for the source, the function's own role for everything else.

The calls that are made for every object go over lean clients (see `lean`), unless a proxy stands between.

One botocore session, and a copy of it that has the role's credentials: a session of its own would register all its
handlers anew at every cold start. Role chaining caps the assumed session at one hour, so its credentials refresh
themselves and are never kept past their expiry.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""

import re
from collections import Counter
from copy import copy
from typing import Any

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.session import Session, get_session

from consumer_replicator.lean.dynamodb import LeanDynamoDB
from consumer_replicator.lean.endpoint import is_direct
from consumer_replicator.lean.s3 import LeanS3

SESSION_NAME_CHARACTERS = re.compile(r"[^\w+=,.@-]", re.ASCII)
CONNECT_TIMEOUT = 2
READ_TIMEOUT = 10
COPY_TIMEOUT = 120
"""S3 answers a copy of a part when it is done: of the largest, 5 GiB, at 50 MB/s after 107 seconds."""
ATTEMPTS = 4
LEAN = {"s3": LeanS3, "dynamodb": LeanDynamoDB}


class Principals:
    """Makes clients for either principal, each once and lazily. `concurrency` sizes the connection pools.

    `calls`: operations asked for so far, by name; retries are not counted.
    """

    def __init__(self, *, role_arn: str, external_id: str, session_name: str, region: str, concurrency: int) -> None:
        self.calls: Counter[str] = Counter()
        self._own = get_session()
        self._clients: dict[tuple[str, str, int], Any] = {}
        self._region = region
        self._config = Config(
            region_name=region,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
            max_pool_connections=concurrency,
            # The source's own checksum is sent along instead of one more of botocore's (see `replica`).
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Without it botocore asks the global endpoint in us-east-1.
            s3={"us_east_1_regional_endpoint": "regional"},
            user_agent_extra="s3-hydration",
        )
        self._source = copy(self._own)
        self._source._credentials = self._assumed(role_arn, external_id, session_name)  # type: ignore[attr-defined] # noqa: SLF001 - botocore's way in, as its own tests use it

    def _assumed(self, role_arn: str, external_id: str, session_name: str) -> DeferredRefreshableCredentials:
        sts = self.own("sts")
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=lambda _service, **_credentials: sts,
            source_credentials=self._own.get_credentials(),
            role_arn=role_arn,
            extra_args={"ExternalId": external_id, "RoleSessionName": role_session_name(session_name)},
        )
        return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")

    def own(self, service: str) -> Any:
        """A client that signs with the function's own role."""
        return self._client("own", self._own, service)

    def copying(self) -> Any:
        """An S3 client of the function's own role that waits as long as S3 may take to copy a part."""
        return self._client("own", self._own, "s3", COPY_TIMEOUT)

    def source(self, service: str) -> Any:
        """A client that signs with the assumed read role."""
        return self._client("source", self._source, service)

    def _client(self, principal: str, session: Session, service: str, read_timeout: int = READ_TIMEOUT) -> Any:
        known = (principal, service, read_timeout)
        if known not in self._clients:
            config = self._config.merge(Config(read_timeout=read_timeout))
            client = session.create_client(service, config=config)
            client.meta.events.register("before-call", lambda model, **_: self._count(model.name))
            lean = LEAN.get(service) if is_direct(client) else None
            self._clients[known] = lean(client, self._count) if lean else client
        return self._clients[known]

    def _count(self, operation: str) -> None:
        self.calls[operation] += 1


def role_session_name(name: str) -> str:
    """The session name in the producer's CloudTrail: tells who reads. 2 to 64 of [\\w+=,.@-] (STS AssumeRole)."""
    return SESSION_NAME_CHARACTERS.sub("-", name)[:64].ljust(2, "-")
