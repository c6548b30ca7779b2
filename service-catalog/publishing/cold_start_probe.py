"""One cold start of a function, in a fresh interpreter: python cold_start_probe.py FOLDER MODULE [--modules]

Imports the function from the folder of its unpacked zip, hands it one message with one object event, and stops where
the first connection to AWS would start its TLS handshake: nothing leaves this machine. Prints what that took, as JSON:
milliseconds of wall time and of processor time (user and system, all threads), and the modules that were imported.
"""

import json
import os
import sys
import time

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "s3-hydration-replicator",
    "HYDRATION_SOURCE_BUCKET": "source-bucket",
    "HYDRATION_SOURCE_ACCOUNT_ID": "111111111111",
    "HYDRATION_SOURCE_ROLE_ARN": "arn:aws:iam::111111111111:role/s3-hydration-read",
    "HYDRATION_SOURCE_EXTERNAL_ID": "0123456789abcdef",
    "HYDRATION_REPLICA_BUCKET": "replica-bucket",
    "HYDRATION_REPLICA_ACCOUNT_ID": "222222222222",
    "HYDRATION_REPLICA_KMS_KEY_ARN": "arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "HYDRATION_MANIFEST_TABLE": "s3-hydration-manifest",
    "HYDRATION_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/222222222222/objects",
    "HYDRATION_DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/222222222222/dead-letters",
}
EVENT = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111111111111",
    "time": "2026-11-12T00:00:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:s3:::source-bucket"],
    "detail": {
        "version": "0",
        "event-version": "1.1",
        "bucket": {"name": "source-bucket"},
        "object": {"key": "example-key", "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "61"},
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "111111111111",
        "reason": "PutObject",
    },
}
RECORD = {
    "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78",
    "receiptHandle": "receipt",
    "body": json.dumps(EVENT),
    "attributes": {"ApproximateReceiveCount": "1"},
    "messageAttributes": {},
    "eventSource": "aws:sqs",
    "eventSourceARN": "arn:aws:sqs:eu-west-1:222222222222:objects",
    "awsRegion": "eu-west-1",
}


class Context:
    function_name = ENVIRONMENT["AWS_LAMBDA_FUNCTION_NAME"]
    invoked_function_arn = f"arn:aws:lambda:eu-west-1:222222222222:function:{function_name}"
    aws_request_id = "request"
    memory_limit_in_mb = 1024

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def main(folder: str, module: str) -> None:
    os.environ.update(ENVIRONMENT)
    sys.path.insert(0, folder)
    started, cpu = time.perf_counter(), time.process_time()

    def report(*_: object, **__: object) -> None:
        took = {"wall_ms": (time.perf_counter() - started) * 1e3, "cpu_ms": (time.process_time() - cpu) * 1e3}
        print(json.dumps({**took, "modules": sorted(sys.modules)}), flush=True)
        os._exit(0)  # from whatever thread, and without a word from what it cuts short

    function = __import__(module, fromlist=["handler"])

    import socket  # noqa: PLC0415 - the function pays for it, if it wants it
    import ssl  # noqa: PLC0415

    socket.getaddrinfo = lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]
    socket.socket.connect = lambda *_: None  # type: ignore[method-assign]
    ssl.SSLContext.wrap_socket = report  # type: ignore[method-assign,assignment]
    function.handler({"Records": [RECORD]}, Context())
    sys.exit("The function asked nothing of AWS.")


if __name__ == "__main__":
    main(*sys.argv[1:])
