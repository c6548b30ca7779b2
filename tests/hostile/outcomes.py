"""What becomes of a call whose answer is damaged."""

from consumer_replicator.errors import FAILURE_CODES, HydrationError


def outcome_of(act):
    """What comes of it; where it fails, the error itself, which has a code and one line."""
    try:
        return act()
    except HydrationError as error:
        assert error.code in FAILURE_CODES  # noqa: PT017 - that it fails is not asked for
        assert str(error).isprintable()  # noqa: PT017
        return error
