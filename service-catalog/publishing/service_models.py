"""botocore's service models, cut down to the operations that the function calls.

botocore parses a service's whole model with its first client: 1.4 MB of JSON for S3's hundred operations, of which the
function calls twenty. Which ones is read from the modules that ship: every attribute that has an operation's name
counts, whatever it is an attribute of. So a new call is in the next zip without anybody writing it down; only one that
is made by a computed name would not be, and the end-to-end tests, which run the zip, would meet it.
"""

import ast
import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

BY_BOTOCORE = {
    "s3": ("HeadBucket", "CreateSession"),  # to find a bucket's region after an answer from another; directory buckets
    "sts": ("AssumeRole",),  # by the credentials that refresh themselves
}
"""Operations that botocore calls of itself."""


def spoken(modules: Iterable[Path]) -> frozenset[str]:
    """The attribute names in those modules, as `folded` has them."""
    return frozenset(
        folded(node.attr)
        for module in modules
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    )


def folded(name: str) -> str:
    """`ListObjectsV2` and `list_objects_v2` alike."""
    return name.replace("_", "").lower()


def trimmed(model: Mapping[str, Any], service: str, names: Collection[str]) -> dict[str, Any]:
    """The model with the operations among `names` (folded) or BY_BOTOCORE, the shapes that they reach, and no prose.

    The order stays: it is the order of elements in XML requests.
    """
    operations = {
        name: operation
        for name, operation in model["operations"].items()
        if folded(name) in names or name in BY_BOTOCORE.get(service, ())
    }
    reached = _reached(operations, model["shapes"])
    shapes = {name: shape for name, shape in model["shapes"].items() if name in reached}
    kept = {name: part for name, part in model.items() if name != "documentation"}
    return {**kept, "operations": _without_prose(operations), "shapes": _without_prose(shapes)}


def _reached(operations: Mapping[str, Any], shapes: Mapping[str, Any]) -> set[str]:
    waiting = list(_shape_names(operations))
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _shape_names(shapes[name])
    return reached


def _shape_names(document: Any) -> Iterator[str]:
    match document:
        case {"shape": str(name)}:
            yield name
        case dict():
            for value in document.values():
                yield from _shape_names(value)
        case list():
            for value in document:
                yield from _shape_names(value)


def _without_prose(document: Any) -> Any:
    match document:
        case dict():
            return {
                name: _without_prose(value)
                for name, value in document.items()
                if not (name in ("documentation", "documentationUrl") and isinstance(value, str))
            }
        case list():
            return [_without_prose(value) for value in document]
        case _:
            return document


def is_model(path: Path) -> bool:
    """Whether botocore parses that file of its data with every client of the service: its model, its endpoint rules."""
    return path.name in ("service-2.json.gz", "endpoint-rule-set-1.json.gz")


def write_trimmed(path: Path, names: Collection[str], target: Path) -> None:
    """`path` is `<service>/<version>/<model>.json.gz`. Uncompressed: in the zip it is compressed anyway."""
    document = json.loads(gzip.decompress(path.read_bytes()))
    service = path.parts[-3]
    small = trimmed(document, service, names) if "operations" in document else _without_prose(document)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(small, separators=(",", ":")), encoding="utf-8")
