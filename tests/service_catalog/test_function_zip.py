"""The zip as the function gets it: unpacked, and imported by a Python that sees nothing else."""

import json
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import function_zip
import pytest
from function_zip import CUSTOM_RESOURCE, HANDLER, OUR_PACKAGES, ROOT, RUNTIME, build, machine_architecture
from interpreter import interpreter
from wheels import ARCHITECTURES, SERVICES

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ELF_MACHINES = {
    "arm64": 183,
    "x86_64": 62,
}  # e_machine, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
SIZE_LIMIT = 7_500_000  # bytes; 6.9 MB today. Lambda unpacks it at every cold start
WRITES_REPORTS = """
def later():
    from consumer_replicator import report, report_page
"""
ALONE = """
import json, sys, sysconfig
sys.path.insert(0, sys.argv[1])
exec(sys.argv[2])
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items() if name != "__main__"}
paths = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
print(json.dumps({"files": {n: f for n, f in files.items() if f}, "standard_library": paths}))
"""


@pytest.fixture(scope="module")
def archive():
    """This machine's zip, by the Python that runs the tests."""
    return build(machine_architecture(), VERSION)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_of_the_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def names(archive):
    return zipfile.ZipFile(archive).namelist()


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    zipfile.ZipFile(archive).extractall(folder)
    return folder


def copy_of_the_project(folder: Path) -> Path:
    for package in OUR_PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "LICENSE", folder)
    return folder


def run_alone(unpacked: Path, code: str, *options: str) -> dict:
    """Runs `code` isolated, with only the standard library and the unpacked zip; where its modules came from."""
    command = [sys.executable, "-I", "-S", *options, "-c", ALONE, str(unpacked), code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")  # logging reports its own failures there and goes on
    return json.loads(result.stdout.splitlines()[-1])


def foreign_modules(loaded: dict, unpacked: Path) -> dict:
    homes = (str(unpacked), *loaded["standard_library"])
    return {
        name: file for name, file in loaded["files"].items() if not file.startswith(homes) or "site-packages" in file
    }


def test_the_same_input_in_another_place_gives_the_same_bytes(archive, project):
    elsewhere = build(machine_architecture(), VERSION, root=project)
    assert elsewhere != archive
    assert elsewhere.read_bytes() == archive.read_bytes()


def test_what_has_not_changed_is_not_built_again_and_a_damaged_zip_is(archive, project):
    elsewhere = build(machine_architecture(), VERSION, root=project)
    built_at = elsewhere.stat().st_mtime_ns
    assert build(machine_architecture(), VERSION, root=project).stat().st_mtime_ns == built_at

    elsewhere.write_bytes(elsewhere.read_bytes()[:1000])
    assert build(machine_architecture(), VERSION, root=project).read_bytes() == archive.read_bytes()


def test_builds_of_a_changed_module_at_the_same_time_do_not_corrupt_each_other(project):
    handler = project.joinpath(*HANDLER.split(".")).with_suffix(".py")
    unchanged = handler.read_text()
    handler.write_text(f"{unchanged}\nCHANGED = True\n")
    try:
        with ThreadPoolExecutor(2) as pool:
            archives = pool.map(lambda _: build(machine_architecture(), VERSION, root=project), range(2))
        (archive,) = set(archives)
    finally:
        handler.write_text(unchanged)
    with zipfile.ZipFile(archive) as changed:
        assert changed.testzip() is None
        assert b"CHANGED" in changed.read(handler.relative_to(project).as_posix())
    assert not list(archive.parent.glob(".packing-*"))


def test_entries_are_sorted_dated_1980_and_readable_by_every_user(archive):
    entries = zipfile.ZipFile(archive).infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    modes = {(entry.external_attr >> 16) & 0o777 for entry in entries}
    assert modes == {0o644, 0o755}


def test_nothing_ships_but_the_handlers_and_what_they_need(names):
    top_level = {name.partition("/")[0] for name in names}
    assert top_level == {
        *OUR_PACKAGES,
        *(
            "annotated_types",
            "anycrc",
            "aws_lambda_powertools",
            "botocore",
            "dateutil",
            "httptools",
            "jinja2",
            "jmespath",
            "leather",
        ),
        *(
            "licenses",
            "markupsafe",
            "pydantic",
            "pydantic_core",
            "six.py",
            "typing_extensions.py",
            "typing_inspection",
            "urllib3",
        ),
        "__pycache__",  # of six and typing_extensions
    }
    assert not [
        name for name in names if name.endswith((".pyi", ".in", ".txt", "py.typed")) and "licenses/" not in name
    ]
    assert not [name for name in names if "/tests/" in name or name.startswith("bin/")]


def test_the_operators_command_line_does_not_ship(names):
    assert {"producer_events/object_event.py", "producer_events/notifications.py"} < set(names)
    assert not {"producer_events/__main__.py", "producer_events/replay.py"} & set(names)


def test_the_producers_custom_resource_asks_s3_from_the_zip_alone_and_needs_no_compiled_module(unpacked):
    """Its function is x86_64 whatever the zip was built for."""
    code = f"""
import os, sys
os.environ["AWS_DEFAULT_REGION"] = "eu-west-1"
from {CUSTOM_RESOURCE} import _s3, handler
import producer_events.notifications
assert _s3().meta.service_model.service_name == "s3"
compiled = [name for name, module in sys.modules.items() if "{unpacked}" in (getattr(module, "__file__", None) or "")
    and ".so" in module.__file__]
assert compiled == [], compiled
"""
    assert foreign_modules(run_alone(unpacked, code, "-B"), unpacked) == {}


def test_a_file_named_after_a_module_ships_with_it_and_changes_the_zip(project):
    handler = project.joinpath(*HANDLER.split(".")).with_suffix(".py")
    unchanged = handler.read_text()
    style = project / "consumer_replicator" / "report_page.css"
    handler.write_text(unchanged + WRITES_REPORTS)
    try:
        names = zipfile.ZipFile(build(machine_architecture(), VERSION, root=project)).namelist()
        style.write_text("p { color: red }")
        with zipfile.ZipFile(build(machine_architecture(), VERSION, root=project)) as changed:
            assert changed.read("consumer_replicator/report_page.css") == b"p { color: red }"
    finally:
        handler.write_text(unchanged)
    assert {"consumer_replicator/report_page.html", "consumer_replicator/report_page.css"} < set(names)
    assert "consumer_replicator/requirements.txt" not in names


def test_a_page_is_written_from_the_zip_alone(project, tmp_path):
    handler = project.joinpath(*HANDLER.split(".")).with_suffix(".py")
    unchanged = handler.read_text()
    handler.write_text(unchanged + WRITES_REPORTS)
    try:
        zipfile.ZipFile(build(machine_architecture(), VERSION, root=project)).extractall(tmp_path)
    finally:
        handler.write_text(unchanged)
    code = """
from consumer_replicator import report
from consumer_replicator.report_page import page
from consumer_replicator.run_facts import BookCounts, KindCount, Lags, RunFacts
facts = RunFacts(run_id="1", mode="reconcile", state="done", started=0, finished=1, source_bucket="source",
    replica_bucket="replica", lag_objective=60, books=BookCounts(listed=1, copied=1),
    drift={"missing": KindCount(1, 1)}, lags=Lags.of([1.0]))
assert page(report.build(facts)).count("<svg") == 2
"""
    assert foreign_modules(run_alone(tmp_path, code, "-B"), tmp_path) == {}


def test_botocore_knows_our_four_services_and_no_other(names):
    data = [name.split("/") for name in names if name.startswith("botocore/data/")]
    assert {parts[2] for parts in data if len(parts) > 3} == set(SERVICES)
    assert len({tuple(parts[2:4]) for parts in data if len(parts) > 3}) == len(SERVICES)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_compiled_file_fits_the_functions_processor(arch):
    archive = zipfile.ZipFile(build(arch, RUNTIME))
    libraries = [name for name in archive.namelist() if ".so" in name]
    assert libraries
    for name in libraries:
        header = archive.read(name)[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", header, 18) == (ELF_MACHINES[arch],), name
        assert f"cpython-{RUNTIME.replace('.', '')}-" in name or ".abi3." in name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_zip_stays_small(arch):
    assert build(arch, RUNTIME).stat().st_size < SIZE_LIMIT


def test_every_module_has_bytecode_so_that_a_cold_start_compiles_nothing(names):
    tag = sys.implementation.cache_tag
    for name in names:
        folder, _, file = name.rpartition("/")
        if file.endswith(".py"):
            assert f"{folder}/__pycache__/{file[:-3]}.{tag}.pyc".lstrip("/") in names


def test_bytecode_names_the_functions_folder_and_no_folder_of_the_builder(unpacked):
    for file in unpacked.rglob("*.pyc"):
        compiled = file.read_bytes()
        assert b"/var/task/" in compiled
        assert str(ROOT).encode() not in compiled


def test_the_handler_finds_every_module_in_the_zip_or_the_standard_library(unpacked):
    loaded = run_alone(unpacked, f"import {HANDLER}; assert callable({HANDLER}.handler)", "-B")
    assert HANDLER in loaded["files"]
    assert foreign_modules(loaded, unpacked) == {}


def test_every_module_of_ours_in_the_zip_imports_from_the_zip_alone(unpacked, names):
    modules = [name[:-3].replace("/", ".") for name in names if name.startswith(OUR_PACKAGES) and name.endswith(".py")]
    loaded = run_alone(unpacked, "\n".join(f"import {module.removesuffix('.__init__')}" for module in modules), "-B")
    assert foreign_modules(loaded, unpacked) == {}


def test_botocore_makes_its_clients_and_signs_a_call_from_the_zip_alone(unpacked):
    code = f"""
import botocore.session
session = botocore.session.get_session()
for service in {SERVICES!r}:
    client = session.create_client(
        service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    assert client.meta.endpoint_url == f"https://{{service}}.eu-west-1.amazonaws.com", client.meta.endpoint_url
    client.exceptions.ClientError
sts = session.create_client("sts", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
role = {{"RoleArn": "arn:aws:iam::111111111111:role/read", "RoleSessionName": "session"}}
assert "Signature=" in sts.generate_presigned_url("assume_role", role)
"""
    assert foreign_modules(run_alone(unpacked, code, "-B"), unpacked) == {}


def test_a_model_in_a_log_line_needs_nothing_that_does_not_ship(unpacked):
    code = """
from pydantic import BaseModel
from consumer_replicator.handlers.telemetry import Telemetry
class Model(BaseModel):
    key: str
Telemetry("service")._logger.info("replicated", extra={"model": Model(key="a")})
"""
    assert foreign_modules(run_alone(unpacked, code, "-B"), unpacked) == {}


def test_the_licence_text_of_everything_that_ships_goes_along(names):
    licensed = {re.sub(r"-\d[\w.]*$", "", name.split("/")[1]) for name in names if name.startswith("licenses/")}
    assert {name.replace("_", "-") for name in licensed} == {
        *("annotated-types", "anycrc", "aws-lambda-powertools", "botocore", "httptools", "jinja2"),
        *("jmespath", "leather"),
        *(
            "markupsafe",
            "pydantic",
            "pydantic-core",
            "python-dateutil",
            "s3-hydration",
            "six",
            "typing-extensions",
            "typing-inspection",
            "urllib3",
        ),
    }


def test_a_processor_that_lambda_does_not_have_is_refused_by_name():
    with pytest.raises(ValueError, match="no architecture 'riscv'; it has arm64 and x86_64"):
        build("riscv", VERSION)


def test_a_project_without_its_handler_is_refused(tmp_path):
    root = copy_of_the_project(tmp_path)
    root.joinpath(*HANDLER.split(".")).with_suffix(".py").unlink()
    with pytest.raises(ModuleNotFoundError, match=HANDLER):
        build(machine_architecture(), VERSION, root=root)


def test_the_script_says_how_big_it_is_and_what_a_cold_start_pays(capsys):
    arguments = ["--arch", machine_architecture(), "--python", VERSION]
    assert function_zip.main([*arguments, "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["bytes"] < SIZE_LIMIT
    assert facts["cold_start"]["cpu_ms"] > 0
    assert len(facts["cold_start"]["heaviest"]) == 5
    assert facts["plain_cold_start"]["cpu_ms"] > 0

    assert function_zip.main(arguments) == 0
    words = capsys.readouterr().out
    assert facts["sha256"] in words
    assert f"Python {interpreter(VERSION).release}" in words
    assert "most of it: " in words
    assert "of a plain boto3, Powertools and pydantic function: CPU " in words


def test_the_script_says_so_when_no_python_of_the_functions_version_is_at_hand():
    built = function_zip.Built(
        "a.zip", machine_architecture(), "3.99", 1, 1, 1, "0", bytecode=False, cold_start=None, plain_cold_start=None
    )
    words = function_zip.in_words(built)
    assert "No Python 3.99 is at hand, so no bytecode" in words
    assert "cold start not measured: no Python 3.99 is at hand" in words
