"""A run of the transfer function and its ranges: what survives a crash and the 15 minutes. Pure.

listing    ranges of keys are merge-joined; copies are hinted at once, extras only noted
deleting   every range is done: the breaker has seen the total of extras, and their hints are sent or held
settling   what became of the hinted keys is read from their rows
done       report written, watermark moved          stopped    by hand; goes on with its run id
"""

import zlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from consumer_replicator.key_ranges import KeyRange, KeySample
from consumer_replicator.payload import Payload
from consumer_replicator.tally import Tally


class Phase(StrEnum):
    PLANNING = "planning"
    LISTING = "listing"
    DELETING = "deleting"
    SETTLING = "settling"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """`version` rises at every write, which is conditional on it. Times in seconds since the epoch.

    `ranges` is their number, `first_range` the number of the first: planning again after a crash numbers them anew.
    `since_run`: when the last whole run before this one started. `resumes`: the phase that a stopped or failed run goes
    on with. `held`: why the breaker holds the deletes. `failure`: why the run failed.

    `next_poll`: while it settles, when the one continuation that is on its way looks again; None: none is.
    """

    id: str
    payload: Payload
    started: float
    phase: Phase = Phase.PLANNING
    version: int = 1
    ranges: int = 0
    first_range: int = 0
    since_run: float | None = None
    listed_before: int | None = None
    settle_from: float | None = None
    finished: float | None = None
    resumes: Phase | None = None
    held: str | None = None
    failure: str | None = None
    next_poll: float | None = None

    @property
    def rests(self) -> bool:
        return self.phase in (Phase.DONE, Phase.STOPPED, Phase.FAILED)

    def samples(self, key: str) -> bool:
        """Whether a verify of a sample compares this key. Another run has another sample; the run's own stays."""
        share = self.payload.sample
        return share is None or zlib.crc32(f"{self.id}/{key}".encode()) < share * 2**32

    def moved(self, phase: Phase, **changes: object) -> "Run":
        """One version on. A poll that is not among the changes is forgotten."""
        changed: dict[str, Any] = {"next_poll": None, **changes}
        return replace(self, phase=phase, version=self.version + 1, **changed)


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run that has looked at every key in scope and is done: when it `started` (None: a release before 0.5 did not
    say), and how many entries it `listed`."""

    listed: int
    started: float | None = None


@dataclass(frozen=True, slots=True)
class RangeState:
    """One range of keys: `cursor` is the last key that is dealt with and counted in `tally`.

    `chunks` counts the checkpoints: each is one conditional write of cursor and tally together, so a chunk that is
    repeated after a crash is never counted twice. `sample`: some of its keys, for the next run's boundaries.

    `writers` names whose drift file of a chunk counts: pairs of a first chunk and a word of the worker that has written
    from that chunk on. Two workers on one range at once write files of their own, and only one gets to its checkpoint.
    """

    number: int
    keys: KeyRange
    cursor: str = ""
    chunks: int = 0
    done: bool = False
    tally: Tally = field(default_factory=Tally)
    sample: KeySample = field(default_factory=KeySample)
    writers: tuple[tuple[int, str], ...] = ()

    def signed(self, writer: str) -> tuple[tuple[int, str], ...]:
        """The writers, once `writer` has written the next chunk."""
        return self.writers if self.writer_of(self.chunks) == writer else (*self.writers, (self.chunks, writer))

    def writer_of(self, chunk: int) -> str:
        """Whose file of this chunk counts; "": of a chunk that nobody has written."""
        return next((writer for first, writer in reversed(self.writers) if first <= chunk), "")

    @property
    def rest(self) -> KeyRange | None:
        """What is left to do; None: nothing."""
        return None if self.done else self.keys.rest(self.cursor)
