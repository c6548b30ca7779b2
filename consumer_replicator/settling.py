"""What became of the keys that a run found drifted: their rows now against their rows then, in flat memory."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import batched

from consumer_replicator.drift import DriftKind
from consumer_replicator.drift_record import DriftRecord, Ending, ending
from consumer_replicator.drift_tally import DriftTally
from consumer_replicator.manifest import Manifest
from consumer_replicator.row import Row
from consumer_replicator.run_facts import DriftEntry

ROWS_AT_ONCE = 100


@dataclass
class Settled:
    """Endings of the listed and of the extras, failures by code, and the drift summed up for the report."""

    listed: Counter[Ending] = field(default_factory=Counter)
    extras: Counter[Ending] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    failed_extras: Counter[str] = field(default_factory=Counter)
    drift: DriftTally = field(default_factory=DriftTally)

    @property
    def waiting(self) -> int:
        return self.listed[Ending.WAITING] + self.extras[Ending.WAITING]

    @property
    def all_here(self) -> bool:
        """Whether everything that was found has come to a good end, so that nothing is missing any more."""
        return not (self.waiting or self.listed[Ending.UPLOADING] or self.failed or self.failed_extras)


def settle(manifest: Manifest, records: Iterable[DriftRecord], *, held: bool) -> Settled:
    """Looks every drifted key up. `held`: the breaker holds the extras."""
    settled = Settled()
    for some in batched(records, ROWS_AT_ONCE):
        rows = manifest.read_many(record.key for record in some if not record.told_only)
        for record in some:
            outcome, code = (Ending.WAITING, "") if record.told_only else _ended(record, rows, held=held)
            _count(settled, record, outcome, code)
    return settled


def _ended(record: DriftRecord, rows: Mapping[str, Row | None], *, held: bool) -> tuple[Ending, str]:
    """A row that cannot be read is left out of the rows; no copier gets past it, so its hint has failed."""
    unreadable = record.key not in rows
    outcome, code = (Ending.FAILED, "bad-row") if unreadable else ending(record, rows[record.key])
    if held and record.kind is DriftKind.EXTRA and (unreadable or outcome is Ending.WAITING):
        return Ending.HELD, ""
    return outcome, code


def unsettled(records: Iterable[DriftRecord]) -> Settled:
    """The same without looking: of a run in which nothing was hinted."""
    settled = Settled()
    for record in records:
        _count(settled, record, Ending.WAITING, "")
    return settled


def any_waiting(manifest: Manifest, records: Iterable[DriftRecord], *, extras: bool) -> bool:
    """Whether some hinted key has not come to its end: looks no further than the first. `extras`: they were hinted."""
    hinted = (record for record in records if record.hinted or (extras and not record.listed))
    for some in batched(hinted, ROWS_AT_ONCE):
        rows = manifest.read_many(record.key for record in some)
        if any(_ended(record, rows, held=False)[0] is Ending.WAITING for record in some):
            return True
    return False


def _count(settled: Settled, record: DriftRecord, outcome: Ending, code: str) -> None:
    if not record.told_only:
        (settled.listed if record.listed else settled.extras)[outcome] += 1
    if code:
        (settled.failed if record.listed else settled.failed_extras)[code] += 1
    why = code or record.reason
    settled.drift.add(DriftEntry(record.kind.value, record.key, record.size, record.last_modified, why))
