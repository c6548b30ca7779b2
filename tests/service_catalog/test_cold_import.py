import sys
import zipfile

import pytest
from cold_import import cold_import, heaviest
from interpreter import interpreter

PYTHON = interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")

# As `python -X importtime` prints it: self and cumulative microseconds, nested imports first and indented.
IMPORTTIME = """\
import time: self [us] | cumulative | imported package
import time:       500 |        500 |     library.inner
import time:      1000 |       1500 |   library
import time:       250 |        250 |   json
import time:      2000 |       3750 | app
[1.0, 2.0]
"""


@pytest.fixture
def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as archive:
        archive.writestr("app.py", "import time\ntime.sleep(0.05)\n")
        archive.writestr("broken.py", "import boto3\n")
    return tmp_path / "function.zip"


def test_a_package_weighs_what_its_own_modules_take_and_nothing_is_counted_twice():
    assert heaviest(IMPORTTIME) == (("app", 2.0), ("library", 1.5), ("json", 0.25))


def test_only_the_heaviest_are_named():
    assert heaviest(IMPORTTIME, count=1) == (("app", 2.0),)


def test_waiting_is_wall_time_and_not_processor_time(archive):
    measured = cold_import(archive, "app", PYTHON)
    assert measured.wall_ms >= 50
    assert measured.cpu_ms < 50
    assert measured.python == PYTHON.release
    assert measured.heaviest[0][0] == "app"


def test_the_zip_gets_no_help_from_what_is_installed_here(archive):
    with pytest.raises(RuntimeError, match="No module named 'boto3'"):
        cold_import(archive, "broken", PYTHON)
