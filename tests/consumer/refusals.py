"""An edge whose service refuses: whatever is called, the failure's code says why."""

import pytest

from consumer_replicator.errors import HydrationError


def assert_told(stubber, calls, refusal):
    """`calls`: operation to the calls of the edge that begin with it. `refusal`: (AWS's code, status, our code)."""
    code, status, expected = refusal
    for operation, some in calls.items():
        for call in some:
            stubber.add_client_error(operation, code, http_status_code=status)
            with pytest.raises(HydrationError) as raised:
                call()
            assert raised.value.code == expected
