"""Who may import whom: the core knows no AWS, the producer's half knows no consumer, Powertools stays in handlers."""

import ast
import sys
from pathlib import Path

import pytest

import consumer_replicator
import producer_events

CORE = {
    "breaker",
    "carried",
    "checksum",
    "chunk",
    "comparison",
    "composite",
    "deadline",
    "delay",
    "discovery",
    "drift",
    "drift_record",
    "drift_tally",
    "errors",
    "estimate",
    "figures",
    "hint",
    "identity",
    "key_ranges",
    "outcome",
    "pages",
    "parts",
    "passing",
    "payload",
    "plan",
    "proof",
    "report",
    "report_charts",
    "replica_check",
    "report_model",
    "report_page",
    "row",
    "row_item",
    "run",
    "run_facts",
    "setting_rules",
    "settings",
    "settings_contract",
    "splitting",
    "tally",
    "transfer_settings",
    "tries",
    "verdict",
    "visible_key",
    "watermark",
}
EDGES = {
    "aws_errors",
    "bulk_answers",
    "listing",
    "manifest",
    "manifest_scan",
    "part_copies",
    "principals",
    "queue",
    "ranges_queue",
    "replica",
    "run_files",
    "runs",
    "source",
    "stored_objects",
}
WITHOUT_BOTOCORE = {
    "answers",
    "batch",
    "converge",
    "copier",
    "part_carrier",
    "part_ranges",
    "range_worker",
    "reporting",
    "rows",
    "server_side",
    "settling",
    "split",
    "sweep",
    "tags",
    "transfer",
    "transfer_wiring",
    "verifier",
    "watermarking",
    "wiring",
}
LEAN = {
    "lean",
    "lean.answer_body",
    "lean.connection",
    "lean.dynamodb",
    "lean.endpoint",
    "lean.pool",
    "lean.request_body",
    "lean.retry",
    "lean.s3",
    "lean.s3_answer",
    "lean.s3_request",
    "lean.service",
    "lean.signature",
}
"""The lean clients: beneath the edges, which are given them as they are given botocore's."""
HANDLERS = {
    "handlers",
    "handlers.replicator",
    "handlers.telemetry",
    "handlers.transfer",
}
PURE_THIRD_PARTY = {"pydantic", "pydantic_core"}
EXCEPTIONS = {"checksum": {"anycrc"}, "report_charts": {"leather"}, "report_page": {"jinja2", "markupsafe"}}
"""CRCs in native code: arithmetic as pure as zlib's, which the standard library has for CRC32 alone. Charts and
templates: text from values."""


def modules_of(package):
    """Module name, relative to the package, to its path."""
    root = Path(package.__file__).parent
    paths = sorted(root.rglob("*.py"))
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


CONSUMER = modules_of(consumer_replicator)
PRODUCER = modules_of(producer_events)


def imports(path):
    """Every module that a file imports, wherever in it; of `from package import name` also `package.name`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            found.add(node.module)
            if node.module in ("consumer_replicator", "producer_events"):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def third_party(path):
    tops = {name.partition(".")[0] for name in imports(path)}
    return tops - set(sys.stdlib_module_names) - {"consumer_replicator", "producer_events"}


def siblings(path):
    """The modules of consumer_replicator that a file imports."""
    inside = {name.removeprefix("consumer_replicator.") for name in imports(path) if name.startswith("consumer_rep")}
    return inside - {"consumer_replicator"}


def test_every_module_has_its_place_in_this_list():
    placed = CORE | EDGES | LEAN | WITHOUT_BOTOCORE | HANDLERS | {"__init__"}
    assert set(CONSUMER) - placed == set()
    assert placed - set(CONSUMER) == set()


def test_the_search_sees_imports_of_every_form(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        "import boto3.session\nfrom consumer_replicator import plan\ndef late():\n    from anycrc import Model\n"
    )
    assert imports(path) == {"boto3.session", "consumer_replicator", "consumer_replicator.plan", "anycrc"}
    assert third_party(path) == {"boto3", "anycrc"}
    assert siblings(path) == {"plan"}


@pytest.mark.parametrize("name", sorted(PRODUCER))
def test_the_producers_half_never_imports_the_consumers(name):
    assert not any(imported.startswith("consumer_replicator") for imported in imports(PRODUCER[name]))


@pytest.mark.parametrize("name", sorted(CORE))
def test_the_core_imports_the_standard_library_pydantic_and_core(name):
    assert third_party(CONSUMER[name]) <= PURE_THIRD_PARTY | EXCEPTIONS.get(name, set())
    assert siblings(CONSUMER[name]) <= CORE


@pytest.mark.parametrize("name", ["object_event", "event_contract", "message_body", "sequencer", "scope"])
def test_the_contract_that_the_core_shares_is_as_pure_as_the_core(name):
    assert third_party(PRODUCER[name]) <= PURE_THIRD_PARTY


@pytest.mark.parametrize("name", sorted(EDGES))
def test_an_edge_imports_core_the_translation_of_errors_and_botocore(name):
    assert third_party(CONSUMER[name]) <= {"botocore"}
    allowed = CORE | {"aws_errors", "bulk_answers"} | (LEAN if name == "principals" else set())
    assert siblings(CONSUMER[name]) <= allowed


@pytest.mark.parametrize("name", sorted(LEAN))
def test_a_lean_client_imports_botocore_a_parser_of_http_and_nothing_of_the_product(name):
    assert third_party(CONSUMER[name]) <= {"botocore", "httptools"}
    assert siblings(CONSUMER[name]) <= LEAN


def test_signing_is_pure():
    assert third_party(CONSUMER["lean.signature"]) | siblings(CONSUMER["lean.signature"]) == set()


def test_only_the_principals_make_lean_clients():
    users = {name for name, path in CONSUMER.items() if siblings(path) & LEAN}
    assert users <= LEAN | {"principals"}


@pytest.mark.parametrize("name", sorted(WITHOUT_BOTOCORE))
def test_what_acts_knows_the_edges_and_no_library_behind_them(name):
    assert third_party(CONSUMER[name]) == set()
    assert not any(imported.startswith("handlers") for imported in siblings(CONSUMER[name]))


def test_powertools_is_imported_by_handlers_alone():
    users = {name for name, path in CONSUMER.items() if "aws_lambda_powertools" in third_party(path)}
    assert users
    assert users <= HANDLERS
    assert not any("aws_lambda_powertools" in third_party(path) for path in PRODUCER.values())
