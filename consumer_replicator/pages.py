"""Where a listing goes on, page by page; one that leads back to where it has been would never end. Pure."""

from consumer_replicator.errors import HydrationError


class Onward:
    """The places that one listing went on at. `what` names it: "the source's listing".

    One place is remembered, and another one each time twice as many have passed (Brent): a circle of any length is seen
    within three turns of it, in memory that does not grow.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._kept: object = None
        self._passed = 0
        self._until = 1

    def to(self, place: object) -> None:
        """:raises HydrationError: `truncated`: the listing has been there before, so what lies beyond is not known."""
        if self._passed and place == self._kept:
            raise HydrationError("truncated", f"A page of {self._what} leads back to an earlier one.")
        self._passed += 1
        if self._passed == self._until:
            self._kept, self._until = place, 2 * self._until
