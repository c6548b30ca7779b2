"""Every fault on the wire, at every call that it can hit: told apart, retried, and nothing lost (see `wire_runs`)."""

from pathlib import Path

import pytest

from consumer_replicator.errors import FAILURE_CODES
from tests.faults.aws_server import OWN_SECRET, SOURCE_SECRET, TOKEN
from tests.faults.functions import EXTERNAL_ID
from tests.faults.wire_faults import FAULTS
from tests.faults.wire_runs import BEGIN, BY_NAME, END, Met, Result, meet_all, table

ARCHITECTURE = Path(__file__).parents[2] / "service-catalog" / "docs" / "architecture.md"
TRANSIENT_AFTERWARDS = {"comes back", "goes on", "step comes back", "asked again"}
WORDLESS = {"400 RequestTimeout", "400 ExpiredToken"}
"""An answer to HEAD has no body to say which 400 it is."""
BY_SIDE = {"GetObjectTagging", "AbortMultipartUpload"}
"""A refusal of these does not hold bytes up: tags are said to be denied, an upload is left to the sweep."""


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> Met:
    """Each was followed until source, replica and row were equal, no message was left, and the books were closed."""
    return meet_all(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def results(met: Met) -> list[Result]:
    return met.results


def test_every_fault_was_met_wherever_it_can_hit(results: list[Result]):
    found = {(each.fault, each.site) for each in results}
    assert {(fault.name, site.name) for fault in FAULTS for site in fault.sites} <= found
    assert len(found) == len(results) >= 680


def test_what_is_transient_comes_back_by_itself(results: list[Result]):
    for each in results:
        if each.error_class in ("transient", "bad-input"):
            assert each.then in TRANSIENT_AFTERWARDS, each


def test_a_failure_is_for_good_only_where_access_was_denied(results: list[Result]):
    for each in results:
        if each.error_class == "permanent":
            assert each.code in FAILURE_CODES
            assert each.code.endswith(("-access-denied", "-kms-denied")), each


def test_whose_denial_it_is_is_told(results: list[Result]):
    for each in results:
        site = BY_NAME[each.site]
        if each.error_class == "permanent" and site.operation != "UploadPartCopy" and site.beside is None:
            assert each.code.startswith({"source": "source", "own": "replica"}[site.principal]), each


def test_nothing_is_unexpected_but_redirects_and_the_refusal_of_a_head_without_words(results: list[Result]):
    """What is raised and not known, ends so too: a crash of one message."""
    for each in results:
        if each.code == "unexpected":
            wordless = each.fault in WORDLESS and each.site == "HeadObject"
            assert wordless or each.fault.endswith("to another host"), each


def test_what_was_not_done_is_never_taken_for_done_whatever_the_answer_says(results: list[Result]):
    """A 200 with nonsense, of a call that took no effect, and every refusal."""
    undone = {fault.name for fault in FAULTS if fault.hits}
    for each in results:
        if each.fault in undone and BY_NAME[each.site].operation not in BY_SIDE:
            wordless = each.site == "HeadObject (source's part)"  # then its parts are not the source's own
            assert each.error_class or (wordless and each.fault in WORDLESS), each


def test_no_call_is_made_more_often_than_clients_and_parts_are_tried(results: list[Result]):
    for each in results:
        site = BY_NAME[each.site]
        in_parts = site.operation in ("UploadPart", "UploadPartCopy") or each.site == "GetObject (part)"
        assert each.attempts <= (12 if in_parts or site.way == "transfer" else 5), each


def test_no_secret_is_in_what_is_logged_or_answered(met: Met):
    text = "\n".join(met.log)
    assert "AccessDenied" in text
    for secret in (OWN_SECRET, SOURCE_SECRET, TOKEN, EXTERNAL_ID, "AWS4-HMAC"):
        assert secret not in text


def test_nobody_is_sent_to_another_host(met: Met):
    """Redirects named one; the one name that was looked up is that of the fault."""
    assert met.asked == {"nowhere.invalid"}


def test_the_table_in_the_architecture_is_what_came_of_it(results: list[Result]):
    """`python -m tests.faults table` prints it."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table(results)
