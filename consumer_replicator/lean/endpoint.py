"""Where a request goes, as the wrapped botocore client would send it (edge).

Nothing about endpoints, regions, addressing styles, trust or proxies is decided here: botocore resolves them, once for
each bucket, without a request. All that this package knows of botocore's inside is in this module.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path

from consumer_replicator.lean.signature import Signer

PORTS = {"http": 80, "https": 443}
OUR_SIGNATURES = ("v4", "s3v4")


class Address(NamedTuple):
    """What a connection is made to."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`authority` for the Host header, `url` for error messages."""

    address: Address
    authority: str
    path: str
    url: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Transport:
    """How connections are made: timeouts in seconds, `certificates` the file of trusted authorities."""

    connections: int
    connect_timeout: float
    read_timeout: float
    certificates: str
    socket_options: tuple[tuple[int, int, int], ...] = field(default=())


def is_direct(client: Any) -> bool:
    """Whether this client goes straight to the service, verified: no proxy, no certificate of its own."""
    session = client._endpoint.http_session  # noqa: SLF001 - what botocore itself will do
    behind_proxy = any(session._proxy_config.proxy_url_for(f"{scheme}://") for scheme in ("http", "https"))  # noqa: SLF001
    return bool(session._verify) and not session._cert_file and not behind_proxy  # noqa: SLF001


def transport(client: Any) -> Transport:
    config, session = client.meta.config, client._endpoint.http_session  # noqa: SLF001
    return Transport(
        connections=config.max_pool_connections,
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        certificates=str(get_cert_path(session._verify)),  # noqa: SLF001
        socket_options=tuple(session._socket_options),  # noqa: SLF001
    )


def credentials(client: Any) -> Any:
    return client._get_credentials()  # noqa: SLF001


def user_agent(client: Any) -> str:
    agent: str = client._user_agent_creator.to_string()  # noqa: SLF001
    return agent


def endpoint_of(client: Any, operation: str, parameters: dict[str, Any]) -> Endpoint | None:
    """Where botocore would send this call, by its own steps up to the request, which is not sent.

    None where it takes a signature or headers that are not ours (S3 Express, SigV4A).

    :raises BotoCoreError: botocore refuses the call: no such bucket name, no region.
    """
    model = client.meta.service_model.operation_model(operation)
    context = {
        "client_region": client.meta.region_name,
        "client_config": client.meta.config,
        "has_streaming_input": model.has_streaming_input,
        "auth_type": model.resolved_auth_type,
        "unsigned_payload": model.unsigned_payload,
        "auth_options": client.meta.service_model.metadata.get("auth"),
    }
    parameters = client._emit_api_params(api_params=parameters, operation_model=model, context=context)  # noqa: SLF001
    base, headers, _ = client._resolve_endpoint_ruleset(model, parameters, context)  # noqa: SLF001
    signature = client._request_signer._choose_signer(operation, "standard", context)  # noqa: SLF001
    if headers or signature not in OUR_SIGNATURES:
        return None
    request = client._convert_to_request_dict(  # noqa: SLF001
        parameters, model, endpoint_url=base, context=context, set_user_agent_header=False
    )
    url, signing = urlsplit(request["url"]), context.get("signing") or {}
    return Endpoint(
        Address(url.scheme, url.hostname or "", url.port or PORTS[url.scheme]),
        authority=url.netloc if url.port != PORTS[url.scheme] else url.netloc.rpartition(":")[0],
        path=url.path,
        url=base,
        signer=Signer(
            signing.get("region") or client.meta.region_name,
            signing.get("signing_name") or client.meta.service_model.signing_name,
        ),
    )
