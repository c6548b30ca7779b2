"""What the sandbox's tests share: the bare emulator, and both products deployed and running."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.iam.recorded import unproven
from tests.iam.shape import shapes_of
from tests.sandbox.bare_accounts import BareAccounts
from tests.sandbox.calls import read_calls
from tests.sandbox.emulator_process import KEPT_CALLS, EmulatorProcess
from tests.sandbox.sandbox import Sandbox


@pytest.fixture(scope="session", autouse=True)
def every_call_is_proven_to_be_allowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of all sandboxes of this session, once it ends; what permissions they need is proven in tests/iam."""
    if KEPT_CALLS in os.environ:  # `python -m tests.iam record` is looking at them
        yield
        return
    folder = tmp_path_factory.mktemp("calls")
    os.environ[KEPT_CALLS] = str(folder)
    yield
    del os.environ[KEPT_CALLS]
    seen = {shape for record in Path(folder).iterdir() for shape in shapes_of(read_calls(record))}
    new = unproven(seen)
    assert not new, (
        f"Say in tests/iam/needs.py what {new} need, run `python -m tests.iam record`, and review both lists."
    )


@pytest.fixture(scope="session")
def aws() -> Iterator[BareAccounts]:
    """Accounts with nothing in them; each test makes resources under names of its own."""
    emulator = EmulatorProcess()
    emulator.start()
    accounts = BareAccounts(emulator)
    yield accounts
    accounts.close()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The real zip and both products; deletes are mirrored."""
    with Sandbox({"consumer": {"DeletePolicy": "mirror"}}) as running:
        yield running
