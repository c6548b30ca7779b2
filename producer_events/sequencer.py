"""Which of two events about the same key happened later.

S3 numbers the events of a key with a hexadecimal `sequencer`, which "can be different lengths": right-pad the shorter
one with zeros, then compare as text (https://repost.aws/knowledge-center/s3-duplicate-sqs-messages; equal sequencers
mean that the same event came twice). It orders events of one key only, says nothing about two keys, and is missing from
some events altogether: an event without a sequencer is never older than anything.
"""

HEXADECIMAL = "0123456789ABCDEFabcdef"
MAX_DIGITS = 64
"""16 to 18 so far. The bound keeps a hostile message from filling a manifest row."""


def normalised(sequencer: object) -> str | None:
    """The sequencer in upper case, or None for anything that is not one: what cannot be compared counts as absent."""
    if isinstance(sequencer, str) and 1 <= len(sequencer) <= MAX_DIGITS and not sequencer.strip(HEXADECIMAL):
        return sequencer.upper()
    return None


def is_not_newer(sequencer: str | None, settled: str | None) -> bool:
    """Whether an event with `sequencer` tells nothing that the state made from `settled` does not know already.

    False when either is absent: without both numbers only a look at the source can tell.
    """
    if sequencer is None or settled is None:
        return False
    width = max(len(sequencer), len(settled))
    return sequencer.upper().ljust(width, "0") <= settled.upper().ljust(width, "0")


def newest(first: str | None, second: str | None) -> str | None:
    """The later of two sequencers, of which either may be absent."""
    if first is None or second is None:
        return first or second
    return second if is_not_newer(first, second) else first
