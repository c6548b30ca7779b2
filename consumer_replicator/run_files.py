"""Files that runs leave in the replica bucket, under a prefix that replication never touches (edge).

_s3-hydration/runs/<run id>/drift/<range>-<chunk>-<writer>.jsonl     every drifted key
_s3-hydration/reports/<run id>/report.json, report.html              the report
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from consumer_replicator import checksum
from consumer_replicator.aws_errors import answered, translated
from consumer_replicator.drift_record import DriftRecord
from consumer_replicator.pages import Onward
from consumer_replicator.run import RangeState
from producer_events.scope import RESERVED_PREFIXES

ROOT = RESERVED_PREFIXES[0]
NOT_OURS = (-1, -1, "")
CONTENT_TYPES = {"json": "application/json", "html": "text/html; charset=utf-8", "jsonl": "application/x-ndjson"}


class RunFiles:
    """`s3` signs with the function's own role. Files are encrypted under the replica's key."""

    def __init__(self, s3: Any, bucket: str, owner: str, key_arn: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._where = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn, "BucketKeyEnabled": True}

    def write_drift(self, run_id: str, number: int, chunk: int, writer: str, records: list[DriftRecord]) -> None:
        """One chunk of one range, as `writer` has found it. Counts once the range's checkpoint names its writer."""
        text = "".join(record.to_line() + "\n" for record in records)
        self._put(f"{ROOT}runs/{run_id}/drift/{number:06d}-{chunk:06d}-{writer}.jsonl", text)

    def drift(self, run_id: str, ranges: Iterable[RangeState]) -> Iterator[DriftRecord]:
        """Every drifted key of these ranges, file by file; files of chunks that no checkpoint ended are left out."""
        folder = f"{ROOT}runs/{run_id}/drift/"
        states = {state.number: state for state in ranges}
        for key in self._keys(folder) if states else ():
            number, chunk, writer = _named(key.removeprefix(folder)) or NOT_OURS
            state = states.get(number)
            if state is None or chunk >= state.chunks or writer != state.writer_of(chunk):
                continue
            with translated("replica"):
                body = self._s3.get_object(Key=key, **self._where)["Body"].read()
            with answered():
                records = [DriftRecord.from_line(line) for line in body.decode().splitlines()]
            yield from records

    def write_report(self, run_id: str, name: str, text: str) -> str:
        """The report as `report.json` or `report.html`; answers with its s3:// address."""
        key = _report(run_id, name)
        self._put(key, text)
        return f"s3://{self._bucket}/{key}"

    def read_report(self, run_id: str) -> dict[str, Any]:
        """The report as it was written, as JSON."""
        with translated("replica"):
            body = self._s3.get_object(Key=_report(run_id, "report.json"), **self._where)["Body"].read()
        with answered():
            report: dict[str, Any] = json.loads(body)
        return report

    def report_address(self, run_id: str) -> dict[str, str]:
        addresses = {"report": "report.json", "page": "report.html"}
        return {field: f"s3://{self._bucket}/{_report(run_id, name)}" for field, name in addresses.items()}

    def _put(self, key: str, text: str) -> None:
        body = text.encode()
        with translated("replica"):
            answer = self._s3.put_object(
                Key=key,
                Body=body,
                **checksum.of(body).parameter(),
                ContentType=CONTENT_TYPES[key.rpartition(".")[2]],
                **self._encryption,
                **self._where,
            )
        with answered():
            _ = answer["ETag"]  # whatever answers without it has not said that it has the file

    def _keys(self, prefix: str) -> Iterator[str]:
        request: dict[str, Any] = {"Prefix": prefix, **self._where}
        onward = Onward("a run's files")
        while True:
            with translated("replica"), answered():
                answer = self._s3.list_objects_v2(**request)
                keys, more = [entry["Key"] for entry in answer.get("Contents", [])], answer["IsTruncated"]
                request["ContinuationToken"] = answer["NextContinuationToken"] if more else None
            yield from keys
            if not more:
                return
            onward.to(request["ContinuationToken"])


def _named(name: str) -> tuple[int, int, str] | None:
    """Range, chunk and writer of a drift file; releases before 0.5 named no writer. None: it is no drift file."""
    number, _, rest = name.removesuffix(".jsonl").partition("-")
    chunk, _, writer = rest.partition("-")
    return (int(number), int(chunk), writer) if number.isdecimal() and chunk.isdecimal() else None


def _report(run_id: str, name: str) -> str:
    return f"{ROOT}reports/{run_id}/{name}"
