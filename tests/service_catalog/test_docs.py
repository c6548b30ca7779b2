"""The documents say what the code says."""

import re
from pathlib import Path

import pytest

from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.outcome import SkipReason
from tests.service_catalog import parameter_tables
from tests.service_catalog.template import CONSUMER, PRODUCER, Template

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "service-catalog" / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text()


def test_the_runbook_has_a_line_for_every_failure_code_and_no_other():
    table = re.search(r"<!-- failure codes: begin -->\n(.*)\n<!-- failure codes: end -->", RUNBOOK, re.DOTALL)
    assert table
    rows = re.findall(r"^\| `([\w-]+)` \| ([\w-]+) \| (.+?) \| (.+?) \|$", table[1], re.MULTILINE)
    assert {code: (kind, meaning) for code, kind, meaning, _ in rows} == {
        name: (code.error_class.value, code.meaning) for name, code in FAILURE_CODES.items()
    }


@pytest.mark.parametrize("template", [PRODUCER, CONSUMER], ids=["producer", "consumer"])
def test_every_alarm_s_text_ends_in_its_runbook_section_which_exists(template: Template):
    alarms = {
        name: body for name, body in template.resolve().resources.items() if body["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert alarms
    for name in alarms:
        text = template.resolve().properties(name)["AlarmDescription"]
        assert text.strip().endswith(f"Runbook section: {name}")
        assert f"\n## {name}\n" in RUNBOOK


def test_every_runbook_section_about_an_alarm_has_its_alarm():
    alarms = {name for template in (PRODUCER, CONSUMER) for name in template.resolve().resources}
    sections = re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)
    assert sections
    assert [section for section in sections if section not in alarms] == []


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        *(f"service-catalog/docs/{name}.md" for name in ("architecture", "deployment-guide", "report", "runbook")),
    ],
)
def test_every_file_that_a_document_names_exists(document: str):
    text = (ROOT / document).read_text()
    named = set(re.findall(r"`((?:tests|consumer_replicator|producer_events|service-catalog)/[\w./-]+)`", text))
    named |= set(re.findall(r"\]\((?!http)([\w./-]+)\)", text))
    base = (ROOT / document).parent
    missing = [name for name in named if not (ROOT / name).exists() and not (base / name).exists()]
    assert not missing


def test_the_readme_names_every_reason_to_skip():
    readme = (ROOT / "README.md").read_text()
    assert [reason.value for reason in SkipReason if f"`{reason.value}`" not in readme] == []


def test_the_deployment_guides_tables_are_what_the_templates_say():
    """Write them again: python -m tests.service_catalog.parameter_tables."""
    guide = parameter_tables.GUIDE.read_text()
    assert parameter_tables.written(guide) == guide


@pytest.mark.parametrize("template", [PRODUCER, CONSUMER], ids=["producer", "consumer"])
def test_a_parameter_that_changes_makes_the_guide_stale(template: Template, monkeypatch):
    guide = parameter_tables.GUIDE.read_text()
    monkeypatch.setitem(template.body["Parameters"]["InstanceName"], "Default", "another-name")
    assert parameter_tables.written(guide) != guide


def test_a_guide_without_a_place_for_a_table_is_refused():
    guide = parameter_tables.GUIDE.read_text().replace("<!-- consumer outputs: end -->", "")
    with pytest.raises(ValueError, match="0 places for the table of consumer outputs"):
        parameter_tables.written(guide)


@pytest.mark.parametrize("template", [PRODUCER, CONSUMER], ids=["producer", "consumer"])
def test_every_parameter_has_its_row_in_the_guide(template: Template):
    rows = re.findall(r"^\| `(\w+)` \|", "\n".join(parameter_tables.parameters(template)), re.MULTILINE)
    assert sorted(rows) == sorted(template.body["Parameters"])
