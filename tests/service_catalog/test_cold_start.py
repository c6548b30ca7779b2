"""What a cold start is measured by, and what the replicator's must not load. Counted, not timed."""

import sys
import zipfile

import pytest
from cold_start import cold_starts, heaviest
from function_zip import HANDLER, OUR_PACKAGES, build, build_plain, machine_architecture
from interpreter import interpreter

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHON = interpreter(VERSION)

# As `python -X importtime` prints it: self and cumulative microseconds, nested imports first and indented.
IMPORTTIME = """\
import time: self [us] | cumulative | imported package
import time:       500 |        500 |     library.inner
import time:      1000 |       1500 |   library
import time:       250 |        250 |   json
import time:      2000 |       3750 | app
{"cpu_ms": 1.0}
"""
ASKS = """
import socket, ssl
def handler(event, context):
    {before}
    sock = socket.create_connection(("s3.eu-west-1.amazonaws.com", 443), 2)
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(sock, server_hostname="s3.eu-west-1.amazonaws.com")
    raise AssertionError("went on")
"""
IN_A_THREAD = """
from concurrent.futures import ThreadPoolExecutor
import asking
def handler(event, context):
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(asking.handler, [event], [context]))
"""

NOT_AT_START = {
    "boto3",  # botocore does
    "jinja2",  # pages are the transfer function's
    "leather",
    "markupsafe",
    "pydantic",  # the contracts' models decide only what is in doubt
    "pydantic_core",
    "s3transfer",
    "aws_xray_sdk",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.parser",
    "urllib3.contrib.pyopenssl",
    "urllib3.contrib.socks",
    "consumer_replicator.handlers.transfer",
    "consumer_replicator.payload",
    "consumer_replicator.report",
    "consumer_replicator.settings_contract",
    "consumer_replicator.transfer",
    "producer_events.event_contract",
}
MAX_MODULES = 240
"""Of the zip. Each costs a quarter of a millisecond to find and load, whatever is in it."""


@pytest.fixture(scope="module")
def replicator():
    (measured,) = cold_starts([(build(machine_architecture(), VERSION), HANDLER)], PYTHON)
    return measured


@pytest.fixture
def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
        archive.writestr("app.py", ASKS.format(before="import time; time.sleep(0.05)"))
        archive.writestr("asking.py", ASKS.format(before="pass"))
        archive.writestr("threads.py", IN_A_THREAD)
        archive.writestr("silent.py", "def handler(event, context): ...\n")
        archive.writestr("broken.py", "import boto3\n")
    return tmp_path / "function.zip"


def test_a_package_weighs_what_its_own_modules_take_and_nothing_is_counted_twice():
    assert heaviest(IMPORTTIME) == (("app", 2.0), ("library", 1.5), ("json", 0.25))


def test_only_the_heaviest_are_named():
    assert heaviest(IMPORTTIME, count=1) == (("app", 2.0),)


def test_waiting_is_wall_time_and_not_processor_time(archive):
    (measured,) = cold_starts([(archive, "app")], PYTHON)
    assert measured.wall_ms >= 50
    assert measured.wall_ms - measured.cpu_ms >= 25
    assert measured.python == PYTHON.release
    assert "app" in measured.modules


def test_the_measurement_ends_at_the_first_request_whatever_thread_makes_it(archive):
    first, second = cold_starts([(archive, "asking"), (archive, "threads")], PYTHON)
    assert "threads" not in first.modules
    assert {"asking", "threads"} < set(second.modules)


def test_a_function_that_asks_nothing_is_not_measured(archive):
    with pytest.raises(RuntimeError, match="asked nothing of AWS"):
        cold_starts([(archive, "silent")], PYTHON)


def test_the_zip_gets_no_help_from_what_is_installed_here(archive):
    with pytest.raises(RuntimeError, match="No module named 'boto3'"):
        cold_starts([(archive, "broken")], PYTHON)


def test_the_replicator_starts_without_what_it_rarely_needs(replicator):
    loaded = {name for name in replicator.modules for unwanted in NOT_AT_START if f"{name}.".startswith(f"{unwanted}.")}
    assert loaded == set()


def test_the_replicator_starts_with_few_modules(replicator):
    outside = set(sys.stdlib_module_names)
    ours = [name for name in replicator.modules if name.partition(".")[0] not in outside]
    assert HANDLER in ours
    assert len(ours) <= MAX_MODULES


def test_the_plain_function_has_what_such_functions_have():
    (measured,) = cold_starts([(build_plain(machine_architecture(), VERSION), "function")], PYTHON)
    assert {"boto3", "pydantic", "aws_lambda_powertools.utilities.batch"} < set(measured.modules)
    assert not {name for name in measured.modules if name.startswith(OUR_PACKAGES)}
