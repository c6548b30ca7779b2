"""A schedule as a story: who did what on which key, with which result, and what that made of source, replica and row.

    12. event2#1         PutItem k -> ok
                           k: row L2 of replica 4, source 3

What did not change is not said again. Numbers of versions are those of their ETags.
"""

from typing import Any

from botocore.exceptions import ClientError

from consumer_replicator.carried import PROVENANCE_GENERATION, PROVENANCE_SOURCE
from consumer_replicator.row import State
from producer_events.scope import RESERVED_PREFIXES
from tests.consumer.fake_aws import QUEUE, RANGES, Call, Version
from tests.simulation.cloud import MARK, Act, Cloud
from tests.simulation.process import AskAgain, Fate, Process


class Story:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._steps = 0
        self._last: dict[str, str] = {}

    def tell(self, cloud: Cloud, who: str, what: str, key: str, result: str) -> None:
        """A step, and below it what is not any more as the step before left it."""
        self._steps += 1
        done = f"{what} {key}".strip() + (f" -> {result}" if result else "")
        self.lines.append(f"{self._steps:3d}. {who:<16} {done}")
        changed = {what: how for what, how in _state(cloud).items() if self._last.get(what, "-") != how}
        self.lines += [f"{'':23}{what}: {how}" for what, how in changed.items()]
        self._last |= changed

    def listening(self, fate: Fate, heard: list[str]) -> Fate:
        """The same fate, noting what is answered."""

        def listened(process: Process, call: Call, act: Act) -> Any:
            try:
                answer = fate(process, call, act)
            except AskAgain:
                heard.append("answer lost, asks again")
                raise
            except ClientError as error:
                heard.append(error.response["Error"]["Code"])
                raise
            except Exception as error:
                heard.append(type(error).__name__)
                raise
            heard.append(_told(call, answer))
            return answer

        return listened

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _told(call: Call, answer: Any) -> str:
    """What matters of an answer."""
    match call.operation:
        case "ListObjectsV2":
            keys = [_file(entry["Key"]) for entry in answer.get("Contents", [])]
            return f"{', '.join(keys) or 'nothing'}{', and more' if answer['IsTruncated'] else ''}"
        case "GetObject" | "HeadObject":
            return _object(call, answer)
        case "GetItem":
            return _row(answer.get("Item"))
        case "BatchGetItem":
            return "; ".join(_row(item) for items in answer["Responses"].values() for item in items) or "no row"
        case "PutObject" | "CompleteMultipartUpload":
            return f"number {_short(answer['ETag'])}"
    return "ok"


def _object(call: Call, answer: Any) -> str:
    if call.key is not None and call.key.startswith(RESERVED_PREFIXES):
        return f"{answer['ContentLength']} bytes"
    if call.operation == "GetObject":
        return f"{answer['Body']._raw_stream.getvalue()!r}"
    metadata = answer["Metadata"]
    made = f"{metadata.get(PROVENANCE_SOURCE)} under generation {metadata.get(PROVENANCE_GENERATION)}"
    return f"number {_short(answer['ETag'])}, made from {made}"


def _state(cloud: Cloud) -> dict[str, str]:
    state = {}
    for key in cloud.keys:
        state[f"{key}: source"] = _version(cloud.source.current(key))
        state[f"{key}: replica"] = _version(cloud.replica.current(key))
        state[f"{key}: row"] = _row(cloud.item(key))
    state["uploads"] = ", ".join(cloud.replica.uploads) or "-"
    for name, queue in (("queue", QUEUE), ("steps", RANGES)):
        state[name] = ", ".join(message.id for message in cloud.queues[queue]) or "-"
    for (partition, sort), item in cloud.rows.items():
        if sort == "run":
            state[partition.partition("#")[2].replace("#", " ")] = item["ph"]["S"]
    return state


def _file(key: str) -> str:
    return key.rpartition("/")[2] if key.startswith(RESERVED_PREFIXES) else key


def _version(version: Version | None) -> str:
    if version is None:
        return "-"
    return f"{version.body.decode()!r}, number {_short(version.etag)}" + (f", {version.tags}" if version.tags else "")


def _row(item: dict[str, Any] | None) -> str:
    if item is None:
        return "-"
    if "s" not in item:
        return str(item.get("sk"))
    parts = [f"{State(item['s']['S']).name}, generation {item['g']['N']}"]
    parts += [f"replica {_short(item['r']['S'])}"] if "r" in item else []
    parts += [f"source {_short(item['i']['S'])}"] if "i" in item else []
    parts += [f"tags {item['t']['S'][:4]}"] if "t" in item else []
    return ", ".join(parts)


def _short(etag: str) -> str:
    return etag.strip('"').lstrip(MARK)
