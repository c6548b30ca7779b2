"""Connections that are kept and used again, for threads to share (edge)."""

import socket
import ssl
from collections import defaultdict
from functools import cache

from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, SSLError

from consumer_replicator.lean.connection import Answer, Connection, Unanswered
from consumer_replicator.lean.endpoint import Address, Endpoint, Transport
from consumer_replicator.lean.request_body import Stream


class Pool:
    """Keeps as many idle connections to one address as `transport` says; there are never more than threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._trust = _trusting(transport.certificates)  # now: before its first event a function has more processor
        self._idle: defaultdict[Address, list[Connection]] = defaultdict(list)

    def exchange(self, endpoint: Endpoint, head: bytes, body: bytes | memoryview | Stream) -> Answer:
        """One request and its answer. A kept connection that turns out to be closed is replaced at once.

        :raises ConnectionError: no connection, or not to whom it should be: botocore's.
        :raises HTTPClientError: the connection failed.
        """
        idle = self._idle[endpoint.address]

        def done(connection: Connection, reusable: bool) -> None:
            if reusable and len(idle) < self._transport.connections:
                idle.append(connection)
            else:
                connection.close()

        while True:
            kept = _taken(idle)
            connection = kept or self._connect(endpoint)
            try:
                return connection.exchange(head, body, done)
            except Unanswered as error:
                connection.close()
                if not kept or (isinstance(body, Stream) and body.touched):
                    raise ConnectionClosedError(endpoint_url=endpoint.url, error=error) from error
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """Closes what is idle."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _connect(self, endpoint: Endpoint) -> Connection:
        address, transport = endpoint.address, self._transport
        sock = None
        try:
            sock = socket.create_connection((address.host, address.port), transport.connect_timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in transport.socket_options:
                sock.setsockopt(*option)
            if address.scheme == "https":
                sock = self._trust.wrap_socket(sock, server_hostname=address.host)
            sock.settimeout(transport.read_timeout)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, TimeoutError):
                raise ConnectTimeoutError(endpoint_url=endpoint.url, error=error) from error
            if isinstance(error, ssl.SSLError):
                raise SSLError(endpoint_url=endpoint.url, error=error) from error
            if isinstance(error, OSError):
                raise EndpointConnectionError(endpoint_url=endpoint.url, error=error) from error
            raise
        return Connection(sock, endpoint.url)


def _taken(idle: list[Connection]) -> Connection | None:
    """The one used last, if any is still good: the others may close in peace."""
    while idle:
        try:
            connection = idle.pop()
        except IndexError:  # another thread was faster
            break
        if connection.is_idle():
            return connection
        connection.close()
    return None


@cache
def _trusting(certificates: str) -> ssl.SSLContext:
    """Verifies the server's certificate and its name, from TLS 1.2 on. One for all: reading the file takes 10 ms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certificates)
    return context
