"""The documents say what the code says."""

import re
from pathlib import Path

import pytest

from consumer_replicator.errors import FAILURE_CODES
from consumer_replicator.estimate import Capacity, Load, estimate
from consumer_replicator.outcome import SkipReason
from tests.service_catalog import parameter_tables
from tests.service_catalog.template import CONSUMER, PRODUCER, Template

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "service-catalog" / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text()
ARCHITECTURE = (DOCS / "architecture.md").read_text()


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


def test_every_test_that_a_document_names_exists():
    named = {name for path in DOCS.glob("*.md") for name in re.findall(r"`(test_\w+)`", path.read_text())}
    assert len(named) > 20
    there = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert sorted(named - there) == []


def test_the_example_of_costs_is_what_the_estimate_says():
    month = _times(Load.of(256 * 1024), 1_000_000) + _times(Load.of(100 * 1024 * 1024), 10_000)
    asked = estimate(month, Capacity(functions=50, source_bucket_keys=True))
    table = re.search(r"<!-- costs: begin -->\n(.*)\n<!-- costs: end -->", ARCHITECTURE, re.DOTALL)
    assert table
    told = dict(re.findall(r"^\| ([\w ]+)(?: \(arm64\))? \| ([\d.]+) \|$", table[1], re.MULTILINE))
    assert {item.lower(): dollars for item, dollars in told.items()} == {
        item: f"{dollars:.2f}" for item, dollars in asked.cost.items.items()
    }
    assert f"| **sum** | **{asked.dollars:.2f}** |" in table[1]
    assert f"({month.bytes / 1e12:.1f} TB)" in ARCHITECTURE
    assert f"they would take {asked.seconds / 60:.0f} minutes by 50 functions" in ARCHITECTURE


def test_the_alarms_that_the_example_pays_for_are_those_of_the_templates():
    alarms = [
        body for template in (PRODUCER, CONSUMER) for _, body in template.resolve().of_type("AWS::CloudWatch::Alarm")
    ]
    metrics = sum(
        len([each for each in body.get("Metrics", [{"MetricStat": {}}]) if "MetricStat" in each]) for body in alarms
    )
    assert f"$0.10 for each of the {metrics} metrics" in ARCHITECTURE


def test_the_scores_of_the_options_add_up():
    rows = re.findall(r"^\| .+? ((?:\| \d )+)\| (?:\*\*)?(\d+)(?:\*\*)? \|$", ARCHITECTURE, re.MULTILINE)
    assert len(rows) == 6
    for scores, total in rows:
        assert sum(map(int, re.findall(r"\d", scores))) == int(total)


def _times(load: Load, number: int) -> Load:
    return Load(load.objects * number, load.bytes * number, load.large * number, load.parts * number)
