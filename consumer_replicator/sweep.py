"""The sweep: aborts multipart uploads that no row names and that are too old to be under way.

A killed invocation leaves its upload open, and its parts are billed. The bucket's lifecycle rule would take it days
later; the sweep does after a parameter, by default a day, long after the longest invocation.
"""

from itertools import batched

from consumer_replicator.manifest import Manifest
from consumer_replicator.replica import Replica
from consumer_replicator.row import upload_of
from producer_events.scope import InScope, Scope

ROWS_AT_ONCE = 100
EVERYTHING = Scope()


class Sweep:
    """`older_than` in seconds. `scope`: hints for keys outside it touch nothing, so nobody carries their uploads on."""

    def __init__(self, replica: Replica, manifest: Manifest, older_than: float, scope: Scope = EVERYTHING) -> None:
        self._replica = replica
        self._manifest = manifest
        self._scope = scope
        self._older_than = older_than

    def run(self, now: float) -> int:
        """Aborts what is orphaned; how many there were.

        An upload is left alone where its key's row names it, or cannot be read and so may name it.
        """
        aborted = 0
        old = (upload for upload in self._replica.open_uploads() if now - upload.initiated > self._older_than)
        for some in batched(old, ROWS_AT_ONCE):
            rows = self._manifest.read_many(upload.key for upload in some)
            for upload in some:
                named = upload_of(rows.get(upload.key))
                wanted = named is not None and named.id == upload.upload_id and self._is_in_scope(upload.key)
                if upload.key in rows and not wanted:
                    self._replica.abort_upload(upload.key, upload.upload_id)
                    aborted += 1
        return aborted

    def _is_in_scope(self, key: str) -> bool:
        return isinstance(self._scope.judge(key), InScope)
