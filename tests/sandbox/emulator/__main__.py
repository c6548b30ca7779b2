"""Runs MiniStack with its gaps closed. Its own environment variables choose address, port and authorisation."""

from ministack import app

# Each import closes gaps. `object_etags` comes after the other modules that complete uploads: it names the final ETag.
# isort: off
from tests.sandbox.emulator import principals, organisation, secure_transport, object_permissions  # noqa: F401
from tests.sandbox.emulator import delivery, event_buses, bucket_events, queues  # noqa: F401
from tests.sandbox.emulator import bucket_defaults, object_checksums, object_requests  # noqa: F401
from tests.sandbox.emulator import object_keys, object_etags, request_conditions, queue_permissions  # noqa: F401
from tests.sandbox.emulator import alarms, function_interpreter, function_recursion, schedules  # noqa: F401
from tests.sandbox.emulator import archives, documents, lifeline, mappings, recorder  # noqa: F401
# isort: on

app.main()
