"""Stands in for the manifest table: DynamoDB's Query over HTTP, and nothing else.

    python -m tests.bench.manifest_server ITEMS.jsonl      prints its endpoint, then serves until it is ended

It pages as DynamoDB does: 1 MB of item sizes (names and values as UTF-8), LastEvaluatedKey until there is no more; and
refuses what it does not know. Its items are in memory and ready to send, so its time is a lower bound of DynamoDB's:
what is measured at it is the client. Why not an emulator: those at hand take seconds for what takes DynamoDB
milliseconds, and would be what is measured.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import bisect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE_BYTES = 1_048_576
READ_UNIT_BYTES = 4096
KNOWN = frozenset(
    {
        "TableName",
        "KeyConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "ExclusiveStartKey",
        "ProjectionExpression",
        "ConsistentRead",
        "ReturnConsumedCapacity",
    }
)
COMPARISON = re.compile(r"(#?\w+) ?(=|<=|>=|<|>) ?(:\w+)")
BETWEEN = re.compile(r"(#?\w+) BETWEEN (:\w+) AND (:\w+)")

type Item = Mapping[str, Mapping[str, Any]]
type Condition = tuple[str, str, str]
"""Attribute, sign, operand."""


class Refused(Exception):
    """DynamoDB's ValidationException."""


@dataclass
class Partition:
    """The items of one `pk` in the order of `sk` as UTF-8 bytes, with their sizes and, by projection, their JSON."""

    keys: list[bytes] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    rendered: dict[str, list[bytes]] = field(default_factory=dict)

    def span(self, conditions: Iterable[Condition], start: str | None) -> tuple[int, int]:
        """First and one past the last place of what the conditions on `sk` let through, after `start`."""
        first, last = 0, len(self.keys)
        for _, sign, operand in conditions:
            at = bisect.bisect_left(self.keys, operand.encode())
            past = bisect.bisect_right(self.keys, operand.encode())
            first = max(first, {"=": at, ">=": at, ">": past}.get(sign, 0))
            last = min(last, {"=": past, "<=": past, "<": at}.get(sign, last))
        return max(first, bisect.bisect_right(self.keys, start.encode()) if start is not None else 0), last

    def json_of(self, names: tuple[str, ...]) -> list[bytes]:
        """Every item as JSON, only the attributes `names` (none: all); made once."""
        projection = ",".join(names)
        if projection not in self.rendered:
            some = [{n: v for n, v in each.items() if not names or n in names} for each in self.items]
            self.rendered[projection] = [json.dumps(each, separators=(",", ":")).encode() for each in some]
        return self.rendered[projection]


class Manifest:
    """`items` in any order, each with `pk` and `sk`."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.partitions: dict[str, Partition] = {}
        for item in sorted(items, key=lambda each: each["sk"]["S"].encode()):
            partition = self.partitions.setdefault(item["pk"]["S"], Partition())
            partition.keys.append(item["sk"]["S"].encode())
            partition.items.append(item)
            partition.sizes.append(size(item))

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for one request; `target` is its X-Amz-Target."""
        try:
            return 200, self.query(json.loads(body) if target.endswith(".Query") else {target: ""})
        except (Refused, KeyError) as refusal:
            error = {"__type": "com.amazon.coral.validate#ValidationException", "message": f"{refusal}"}
            return 400, json.dumps(error).encode()

    def query(self, request: Mapping[str, Any]) -> bytes:
        """The answer's body.

        :raises Refused: whatever is asked that this does not do exactly as DynamoDB would.
        """
        if unknown := request.keys() - KNOWN:
            raise Refused(f"not known here: {sorted(unknown)}")
        conditions = list(conditions_of(request))
        wanted = [operand for name, sign, operand in conditions if (name, sign) == ("pk", "=")]
        of_keys = [each for each in conditions if each[0] == "sk"]
        if len(wanted) != 1 or len(wanted) + len(of_keys) != len(conditions):
            raise Refused(f"a Query is about one pk, and sk: {conditions}")
        partition = self.partitions.get(wanted[0], Partition())
        start = request["ExclusiveStartKey"]["sk"]["S"] if "ExclusiveStartKey" in request else None
        first, last = partition.span(of_keys, start)
        return page(partition, first, last, wanted[0], request)


def conditions_of(request: Mapping[str, Any]) -> Iterator[Condition]:
    """What KeyConditionExpression says, names and values resolved; BETWEEN as its two comparisons."""
    text, values = request["KeyConditionExpression"], request["ExpressionAttributeValues"]
    names = request.get("ExpressionAttributeNames", {})
    for name, low, high in BETWEEN.findall(text):
        yield names.get(name, name), ">=", values[low]["S"]
        yield names.get(name, name), "<=", values[high]["S"]
    rest = BETWEEN.sub("", text)
    for name, sign, operand in COMPARISON.findall(rest):
        yield names.get(name, name), sign, values[operand]["S"]
    if left := COMPARISON.sub("", rest).replace("AND", "").replace("and", "").strip(" ()"):
        raise Refused(f"not understood: {left}")


def page(partition: Partition, first: int, last: int, pk: str, request: Mapping[str, Any]) -> bytes:
    names = request.get("ExpressionAttributeNames", {})
    projection = request.get("ProjectionExpression", "")
    attributes = tuple(names.get(each.strip(), each.strip()) for each in projection.split(",") if each.strip())
    end, taken = first, 0
    while end < last and (end == first or taken + partition.sizes[end] <= PAGE_BYTES):
        taken += partition.sizes[end]
        end += 1
    answer: dict[str, Any] = {"Count": end - first, "ScannedCount": end - first}
    if end < last:
        answer["LastEvaluatedKey"] = {"pk": {"S": pk}, "sk": {"S": partition.keys[end - 1].decode()}}
    if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
        units = -(-taken // READ_UNIT_BYTES) * (1.0 if request.get("ConsistentRead") else 0.5)
        answer["ConsumedCapacity"] = {"TableName": request["TableName"], "CapacityUnits": max(units, 0.5)}
    items = b",".join(partition.json_of(attributes)[first:end])
    return json.dumps(answer).encode()[:-1] + b',"Items":[' + items + b"]}"


def size(item: Item) -> int:
    """An item's billed bytes: names and values; a number takes a byte per two digits and one more."""
    return sum(
        len(name.encode()) + (1 + (len(value["N"]) + 1) // 2 if "N" in value else len(value["S"].encode()))
        for name, value in item.items()
    )


def serve(manifest: Manifest) -> ThreadingHTTPServer:
    """Bound to a free port of loopback, not yet serving."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = manifest.answer(self.headers["x-amz-target"], body)
            self.send_response_only(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


def main(items: Path) -> None:
    with items.open() as lines:
        server = serve(Manifest(json.loads(line) for line in lines))
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
