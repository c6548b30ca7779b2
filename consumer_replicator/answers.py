"""What is said of a run to whoever asked: small JSON, with the outcome of a run that has come to its end."""

from collections.abc import Mapping
from typing import Any

from consumer_replicator.aws_errors import answered
from consumer_replicator.errors import HydrationError
from consumer_replicator.reporting import total
from consumer_replicator.run import Phase, Run
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs

type Answer = dict[str, Any]

TECHNICAL = ("calls:", "lag:", "proof:", "read-half-units")
"""Counts that are the report's only, by how their names begin."""


class Answers:
    """Answers from what is stored of a run: its ranges' counts, and its report."""

    def __init__(self, runs: Runs, files: RunFiles) -> None:
        self._runs = runs
        self._files = files

    def of(self, run: Run, note: str = "") -> Answer:
        tally = total(self._runs.ranges(run)) if run.first_range else {}
        answer: Answer = {
            "run_id": run.id,
            "mode": run.payload.mode.value,
            "dry_run": run.payload.dry_run,
            "state": run.phase.value,
            "found": {name: count for name, count in sorted(tally.items()) if not name.startswith(TECHNICAL)},
        }
        if run.phase in (Phase.DONE, Phase.FAILED):
            answer |= self._outcome(run)
        if run.held:
            answer["deletes_held"] = run.held
        if run.failure:
            answer["failure"] = run.failure
        return answer | ({"note": note} if note else {})

    def _outcome(self, run: Run) -> Mapping[str, Any]:
        try:
            report = self._files.read_report(run.id)
            with answered():
                return _told(report) | self._files.report_address(run.id)
        except HydrationError as error:
            return {"verdict": f"The report cannot be read: {error}"}


def _told(report: Mapping[str, Any]) -> dict[str, Any]:
    plan = {"plan": report["plan"]} if report.get("plan") else {}
    drift = {each["kind"]: each["objects"] for each in report["drift"]["kinds"]}
    parts = {name: report[name] for name in ("books", "extras", "proofs", "verification") if report.get(name)}
    return {"verdict": report["verdict"]["headline"], **parts, "drift": drift, **plan}
