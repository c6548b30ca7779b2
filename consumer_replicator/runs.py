"""Runs, their ranges, the boundaries for the next one, and the watermark: items beside the manifest's rows (edge).

Partition keys begin with the source bucket, as rows' do, and go on with a word where a row has its shard's number:

    <bucket>#run#<run id>   run, range#000001, ...      <bucket>#runs        one summary per finished run, by its start
    <bucket>#boundaries     boundaries, listed          <bucket>#watermark   watermark, failures

Everything expires after `keep_days` but boundaries and watermark.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.aws_errors import MALFORMED, code_of, translated
from consumer_replicator.errors import HydrationError, RowMoved
from consumer_replicator.hint import fits_a_key
from consumer_replicator.key_ranges import KeyRange, KeySample
from consumer_replicator.pages import Onward
from consumer_replicator.payload import Payload
from consumer_replicator.run import Phase, RangeState, Run, WholeRun
from consumer_replicator.watermark import Watermark

DAY = 86_400
MAX_BOUNDARIES = 128
"""Keys of up to 1 KB each in one item of at most 400 KB."""


class Runs:
    """`dynamodb` signs with the function's own role."""

    def __init__(self, dynamodb: Any, table: str, bucket: str, keep_days: int = 90) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._bucket = bucket
        self._keep_seconds = keep_days * DAY

    # -- runs ------------------------------------------------------------------------------------------------------

    def read(self, run_id: str) -> Run | None:
        item = self._get(f"run#{run_id}", "run")
        with _read("run"):
            return None if item is None else _run(run_id, item)

    def write(self, run: Run) -> Run:
        """Writes a run whose version is one above the stored one.

        :raises RowMoved: somebody else moved it on, or (version 1) it exists.
        """
        item: dict[str, Any] = {
            "v": run.version,
            "ph": run.phase.value,
            "pl": run.payload.to_json(),
            "st": run.started,
            "rg": run.ranges,
            "fr": run.first_range,
            "sr": run.since_run,
            "lb": run.listed_before,
            "sf": run.settle_from,
            "fi": run.finished,
            "re": run.resumes.value if run.resumes else None,
            "he": run.held,
            "fa": run.failure,
            "np": run.next_poll,
            "x": int(run.started) + self._keep_seconds,
        }
        self._put(f"run#{run.id}", "run", item, before=run.version - 1)
        return run

    # -- ranges ----------------------------------------------------------------------------------------------------

    def ranges(self, run: Run) -> list[RangeState]:
        """All ranges of a run, by number, strongly consistent."""
        states: list[RangeState] = []
        onward = Onward("a run's ranges")
        request: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :range)",
            "ExpressionAttributeValues": {":pk": {"S": self._pk(f"run#{run.id}")}, ":range": {"S": "range#"}},
        }
        while True:
            with translated("manifest"):
                answer = self._dynamodb.query(**request)
            with _read("range"):
                states += [_range(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return [state for state in states if state.number >= run.first_range]
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
            onward.to(answer["LastEvaluatedKey"])

    def read_range(self, run_id: str, number: int) -> RangeState | None:
        item = self._get(f"run#{run_id}", _range_key(number))
        with _read("range"):
            return None if item is None else _range({**item, "sk": {"S": _range_key(number)}})

    def checkpoint(self, run: Run, state: RangeState) -> None:
        """Writes a range whose `chunks` is one above the stored one (0: a new range).

        :raises RowMoved: somebody else got further, or it exists.
        """
        item: dict[str, Any] = {
            "v": state.chunks + 1,
            "af": state.keys.after,
            "un": state.keys.until,
            "cu": state.cursor,
            "d": int(state.done),
            "t": json.dumps(state.tally),
            "sm": json.dumps([state.sample.stride, state.sample.keys]),
            "w": json.dumps(state.writers) if state.writers else None,
            "x": int(run.started) + self._keep_seconds,
        }
        self._put(f"run#{run.id}", _range_key(state.number), item, before=state.chunks)

    # -- what outlives a run -----------------------------------------------------------------------------------------

    def boundaries(self) -> list[str] | None:
        """Keys that cut the key space into even parts, as the last whole run found them; None: there was none yet."""
        item = self._get("boundaries", "boundaries")
        with _read("list of boundaries"):
            return [fits_a_key(key) for key in json.loads(item["b"]["S"])] if item else None

    def remember_boundaries(self, keys: list[str]) -> None:
        if len(keys) > MAX_BOUNDARIES:
            raise ValueError(f"{len(keys)} boundaries, more than {MAX_BOUNDARIES}")
        self._put("boundaries", "boundaries", {"b": json.dumps(keys)}, before=None)

    def last_whole(self) -> WholeRun | None:
        """The last run that looked at everything; None: there was none yet."""
        item = self._get("boundaries", "listed")
        with _read("last whole run"):
            return WholeRun(int(item["n"]["N"]), _number(item, "st")) if item else None

    def remember_whole(self, whole: WholeRun) -> None:
        self._put("boundaries", "listed", {"n": whole.listed, "st": whole.started}, before=None)

    def summaries(self, limit: int) -> list[dict[str, Any]]:
        """What the last finished runs left for comparison, the last started first, but for what cannot be read."""
        with translated("manifest"):
            answer = self._dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": self._pk("runs")}},
                ScanIndexForward=False,
                Limit=limit,
            )
        summaries = []
        for item in answer["Items"]:
            with suppress(*MALFORMED):
                summaries.append({**json.loads(item["su"]["S"])})
        return summaries

    def summarise(self, run: Run, summary: Mapping[str, Any]) -> None:
        """By its start, since an operator's run id may sort anywhere."""
        item = {"su": json.dumps(summary), "x": int(run.started) + self._keep_seconds}
        self._put("runs", f"{run.started:014.3f} {run.id}", item, before=None)

    def watermark(self) -> Watermark:
        item = self._get("watermark", "watermark")
        with _read("watermark"):
            return Watermark(**json.loads(item["w"]["S"])) if item else Watermark()

    def write_watermark(self, watermark: Watermark) -> None:
        """:raises RowMoved: somebody else moved it meanwhile."""
        item = {"v": watermark.version, "w": watermark.to_json()}
        self._put("watermark", "watermark", item, before=watermark.version - 1)

    def failures_since(self) -> float | None:
        """When the latest object failed for good that no proof covers; None: there is none."""
        item = self._get("watermark", "failures")
        with _read("time of the latest failure"):
            return float(item["f"]["N"]) if item and "f" in item else None

    def forget_failures(self, since: float) -> None:
        """A whole run found none of them any more. One that was noted meanwhile stays."""
        with translated("manifest"):
            try:
                self._dynamodb.delete_item(
                    TableName=self._table,
                    Key={"pk": {"S": self._pk("watermark")}, "sk": {"S": "failures"}},
                    ConditionExpression="f = :since",
                    ExpressionAttributeValues={":since": {"N": str(round(since, 3))}},
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise

    # -- items -------------------------------------------------------------------------------------------------------

    def _pk(self, words: str) -> str:
        return f"{self._bucket}#{words}"

    def _get(self, words: str, sort: str) -> dict[str, Any] | None:
        key = {"pk": {"S": self._pk(words)}, "sk": {"S": sort}}
        with translated("manifest"):
            answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def _put(self, words: str, sort: str, values: Mapping[str, Any], *, before: int | None) -> None:
        """`before`: the version that must be stored now; 0: there must be none; None: no condition."""
        item: dict[str, Any] = {"pk": {"S": self._pk(words)}, "sk": {"S": sort}}
        for name, value in values.items():
            if value is not None:
                item[name] = {"S": value} if isinstance(value, str) else {"N": str(value)}
        request: dict[str, Any] = {"TableName": self._table, "Item": item}
        if before == 0:
            request["ConditionExpression"] = "attribute_not_exists(pk)"
        elif before is not None:
            request["ConditionExpression"] = "v = :before"
            request["ExpressionAttributeValues"] = {":before": {"N": str(before)}}
        with translated("manifest"):
            try:
                self._dynamodb.put_item(**request)
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    raise RowMoved(words) from error
                raise


@contextmanager
def _read(what: str) -> Iterator[None]:
    """Raises `bad-row` where an item is damaged, or of a newer release."""
    try:
        yield
    except MALFORMED as error:
        raise HydrationError("bad-row", f"The {what} in the manifest cannot be read: {error!r:.100}.") from error


def _range_key(number: int) -> str:
    return f"range#{number:06d}"


def _run(run_id: str, item: Mapping[str, Any]) -> Run:
    return Run(
        id=run_id,
        payload=Payload.model_validate_json(item["pl"]["S"]),
        started=float(item["st"]["N"]),
        phase=Phase(item["ph"]["S"]),
        version=int(item["v"]["N"]),
        ranges=int(item["rg"]["N"]),
        first_range=int(item["fr"]["N"]),
        since_run=_number(item, "sr"),
        listed_before=int(item["lb"]["N"]) if "lb" in item else None,
        settle_from=_number(item, "sf"),
        finished=_number(item, "fi"),
        resumes=Phase(item["re"]["S"]) if "re" in item else None,
        held=item["he"]["S"] if "he" in item else None,
        failure=item["fa"]["S"] if "fa" in item else None,
        next_poll=_number(item, "np"),
    )


def _number(item: Mapping[str, Any], name: str) -> float | None:
    return float(item[name]["N"]) if name in item else None


def _range(item: Mapping[str, Any]) -> RangeState:
    stride, keys = json.loads(item["sm"]["S"])
    return RangeState(
        number=int(item["sk"]["S"].removeprefix("range#")),
        keys=KeyRange(item["af"]["S"], item["un"]["S"] if "un" in item else None),
        cursor=item["cu"]["S"],
        chunks=int(item["v"]["N"]) - 1,
        done=item["d"]["N"] == "1",
        tally=Counter(json.loads(item["t"]["S"])),
        sample=KeySample(stride, tuple(keys)),
        writers=tuple((first, writer) for first, writer in json.loads(item["w"]["S"])) if "w" in item else (),
    )
