"""One log line and one metric per outcome. Facts go into fields; a key is never a dimension.

Metrics travel as EMF through the log: no call, no permission, no endpoint.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from consumer_replicator.batch import Done
from consumer_replicator.errors import FAILURE_CODES, ErrorClass
from consumer_replicator.hint import Hint
from consumer_replicator.outcome import (
    Deferred,
    Deleted,
    Failed,
    Outcome,
    RangeCopied,
    Replicated,
    Skipped,
    TagsReplicated,
    UploadStarted,
)

NAMESPACE = "S3Hydration"
COUNT, BYTES, SECONDS = MetricUnit.Count, MetricUnit.Bytes, MetricUnit.Seconds
LOGGED_MESSAGE_CHARACTERS = 300


class Telemetry:
    """`service`: the instance's name, the one dimension that every metric has."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._logger = Logger(service=service, json_serializer=_ascii, location=None)

    def report(self, done: Iterable[Done], *, request_id: str) -> None:
        self._logger.append_keys(request_id=request_id)
        plain = self._metrics()
        by_dimension: dict[tuple[str, str, str], int] = {}
        for each in done:
            self._log(each)
            for name, unit, value in measures(each):
                plain.add_metric(name=name, unit=unit, value=value)
            counted = classified(each)
            if counted:
                by_dimension[counted] = by_dimension.get(counted, 0) + 1
        if plain.metric_set:
            plain.flush_metrics()
        for (metric, dimension, kind), count in by_dimension.items():
            metrics = self._metrics()
            metrics.add_dimension(name=dimension, value=kind)
            metrics.add_metric(name=metric, unit=COUNT, value=count)
            metrics.flush_metrics()

    def report_run(self, answer: Mapping[str, Any], *, request_id: str) -> None:
        """One line for what the transfer function answers, and the metrics of a run that has ended."""
        self._logger.append_keys(request_id=request_id)
        refused = answer["state"] in ("refused", "failed")
        (self._logger.error if refused else self._logger.info)("run", extra={"run": dict(answer)})
        plain = self._metrics()
        for name, unit, value in run_measures(answer):
            plain.add_metric(name=name, unit=unit, value=value)
        if plain.metric_set:
            plain.flush_metrics()
        for name, dimension, kind, count in run_kinds(answer):
            metrics = self._metrics()
            metrics.add_dimension(name=dimension, value=kind)
            metrics.add_metric(name=name, unit=COUNT, value=count)
            metrics.flush_metrics()

    def _metrics(self) -> EphemeralMetrics:
        return EphemeralMetrics(namespace=NAMESPACE, service=self._service)

    def _log(self, each: Done) -> None:
        say = self._logger.error if isinstance(each.outcome, Failed) else self._logger.info
        say(type(each.outcome).__name__.lower(), extra=facts(each))


def _ascii(document: Any) -> str:
    """JSON with everything outside ASCII escaped: what a terminal would obey never reaches one."""
    return json.dumps(document, default=str, ensure_ascii=True)


COUNTED: Mapping[type[Outcome], str] = {
    UploadStarted: "UploadsStarted",
    Deferred: "RangesDeferred",
    TagsReplicated: "TagsReplicated",
    Deleted: "DeletesApplied",
}
"""Outcomes of which there is nothing to say but how many they are."""


def measures(each: Done) -> list[tuple[str, MetricUnit, float]]:
    """The metrics of one outcome that have no dimension but the service."""
    found: list[tuple[str, MetricUnit, float]] = []
    match each.outcome:
        case Replicated() as copy:
            found += [("ObjectsReplicated", COUNT, 1), ("BytesReplicated", BYTES, copy.size)]
            if copy.lag is not None:
                found.append(("ReplicationLag", SECONDS, round(copy.lag, 3)))
            if copy.missing_metadata:
                found.append(("MetadataMissing", COUNT, copy.missing_metadata))
        case RangeCopied() as carried:
            found += [("RangesCopied", COUNT, 1), ("RangeBytes", BYTES, carried.size)]
        case outcome if type(outcome) in COUNTED:
            found.append((COUNTED[type(outcome)], COUNT, 1))
        case _:
            pass
    if retries := getattr(each.outcome, "retries", 0):
        found.append(("CopyRetries", COUNT, retries))
    if getattr(each.outcome, "tags_denied", False):
        found.append(("TagsDenied", COUNT, 1))
    return found


def run_measures(answer: Mapping[str, Any]) -> list[tuple[str, MetricUnit, float]]:
    """The metrics of a run's answer. RunsCompleted is what an alarm on a reconcile that did not happen looks for."""
    if _is_told_again(answer):
        return []
    match answer["state"]:
        case "watermark":
            age = answer["age_seconds"]
            return [] if age is None else [("WatermarkAge", SECONDS, round(age, 1))]
        case "failed":
            return [("RunsFailed", COUNT, 1)]
        case "done" if answer["mode"] == "reconcile" and not answer["dry_run"] and "extras" in answer:
            return [("RunsCompleted", COUNT, 1), ("DeletesHeld", COUNT, answer["extras"]["held"])]
        case _:
            return []


def run_kinds(answer: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """The metrics of a run's answer that are told apart by a dimension: (metric, dimension, value, count).

    A verify has one for each of its three results, 0 too: an alarm's "all is well again" needs a value to rest on.
    """
    if _is_told_again(answer):
        return []
    if answer.get("mode") != "verify":
        return [("DriftFound", "kind", kind, count) for kind, count in answer.get("drift", {}).items()]
    books = {} if answer["dry_run"] else answer.get("books", {})
    results = [name for name in ("same", "different", "cannot_tell") if name in books]
    return [("VerifiedObjects", "result", name.replace("_", "-"), sum(books[name].values())) for name in results]


def _is_told_again(answer: Mapping[str, Any]) -> bool:
    """A run at rest that is asked for once more answers with a note: its metrics have been counted."""
    return answer["state"] in ("done", "failed") and "note" in answer


def classified(each: Done) -> tuple[str, str, str] | None:
    """The metric of one outcome that is told apart by a dimension: (metric, dimension, value)."""
    match each.outcome:
        case Replicated() as copy:
            return "ReplicasProven", "proof", copy.proof.value
        case Skipped(reason):
            return "ObjectsSkipped", "reason", reason.value
        case Failed(code, _, final) if final or FAILURE_CODES[code].error_class is not ErrorClass.BAD_INPUT:
            return "ObjectsFailed", "code", code
        case _:
            return None


def facts(each: Done) -> dict[str, Any]:
    """The fields of one log line. The logger writes JSON, so a hostile key cannot break out of its line."""
    found: dict[str, Any] = {"message_id": each.message.id, "receive_count": each.message.receive_count}
    if each.hint:
        found |= _of_a_hint(each.hint)
    match each.outcome:
        case Replicated() as copy:
            found |= {"bytes": copy.size, "lag": copy.lag, "parts": copy.parts, "adopted": copy.adopted}
            found |= {"proof": copy.proof.value, "retries": copy.retries}
        case UploadStarted(size, parts, ranges):
            found |= {"bytes": size, "parts": parts, "ranges": ranges}
        case RangeCopied() as carried:
            found |= {"bytes": carried.size, "parts": carried.parts, "retries": carried.retries}
        case Deferred(sent_again):
            found |= {"sent_again": sent_again}
        case TagsReplicated(lag):
            found |= {"lag": lag}
        case Skipped(reason, detail):
            found |= {"reason": reason.value, "detail": detail}
        case Failed(code, message, final):
            found |= {"code": code, "error": message[:LOGGED_MESSAGE_CHARACTERS], "final": final}
        case Deleted():
            pass
    return found


def _of_a_hint(hint: Hint) -> dict[str, Any]:
    of_a_range = {"upload_id": hint.range.upload_id, "range": hint.range.number} if hint.range else {}
    return {"event_id": hint.event_id, "key": hint.key, **of_a_range}
