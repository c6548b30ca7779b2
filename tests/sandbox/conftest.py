"""What the sandbox's tests share: the bare emulator, and both products deployed and running."""

from collections.abc import Iterator

import pytest

from tests.sandbox.bare_accounts import BareAccounts
from tests.sandbox.emulator_process import EmulatorProcess
from tests.sandbox.sandbox import Sandbox


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
