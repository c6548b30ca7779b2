"""Lean clients and the botocore clients that they wrap, at a server of the test's."""

import ipaddress
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from botocore.config import Config
from botocore.session import Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from consumer_replicator.lean.dynamodb import LeanDynamoDB
from consumer_replicator.lean.s3 import LeanS3

REGION = "us-east-1"
LEAN = {"s3": LeanS3, "dynamodb": LeanDynamoDB}


@cache
def session():
    """One for all: models are parsed once."""
    made = Session()
    made.set_credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a/security+token==")
    return made


def config(**changes):
    """As `principals` configures its clients, with a single attempt."""
    settings = {
        "region_name": REGION,
        "connect_timeout": 10,
        "read_timeout": 10,
        "retries": {"mode": "adaptive", "total_max_attempts": 1},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "s3": {"us_east_1_regional_endpoint": "regional", "addressing_style": "path"},
        "user_agent_extra": "s3-hydration",
    }
    return Config(**deepcopy({**settings, **changes}))  # botocore writes into what it is given


def botocores(service, url=None, *, verify=None, **changes):
    return session().create_client(service, endpoint_url=url, verify=verify, config=config(**changes))


@contextmanager
def lean(service, url, **changes):
    client = LEAN[service](botocores(service, url, **changes))
    try:
        yield client
    finally:
        client.close()


@cache
def certificate(folder: Path, *, host: str = "127.0.0.1") -> Path:
    """A self-signed certificate for one address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path
