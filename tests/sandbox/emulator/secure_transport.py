"""MiniStack 1.5.33 says `aws:SecureTransport` is false for plain HTTP, which it is; on AWS every SDK speaks TLS.

Without this the products' Deny on insecure transport refuses every call of the sandbox. Loopback never leaves the
machine, so it counts as TLS here; a test that wants an insecure call cannot have one.
"""

from ministack import app

from tests.sandbox.emulator.gap import Function, around


@around(app, "pin_request_origin")
def loopback_counts_as_tls(original: Function, source_ip: str, secure_transport: bool) -> None:
    original(source_ip, True)
