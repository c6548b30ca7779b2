"""Whether what was seen on the sandbox is what the proof is about."""

from collections.abc import Iterable

from tests.iam.needs import permissions
from tests.iam.shape import Shape
from tests.iam.variants import VARIANTS, requests, world

MIRRORED = next(iter(VARIANTS))


def unproven(seen: Iterable[Shape]) -> list[str]:
    """Calls that need a permission which no call of the committed lists needs, or whose needs nobody has written down.

    Not every call that is in no list: which combinations are seen is chance (who wins a race, what a retry finds).
    """
    return [str(shape) for shape in sorted(seen) if not is_proven(shape)]


def is_proven(shape: Shape) -> bool:
    try:
        return all(request in requests(MIRRORED) for request in permissions(shape, world(MIRRORED)))
    except KeyError:
        return False
