"""The sweep: aborts multipart uploads that no row names and that are too old to be under way.

A killed invocation leaves its upload open, and its parts are billed. The bucket's lifecycle rule would take it days
later; the sweep does after a parameter, by default a day, long after the longest invocation.
"""

from itertools import batched

from consumer_replicator.manifest import Manifest
from consumer_replicator.replica import Replica
from consumer_replicator.row import State

ROWS_AT_ONCE = 100


class Sweep:
    """`older_than` in seconds."""

    def __init__(self, replica: Replica, manifest: Manifest, older_than: float) -> None:
        self._replica = replica
        self._manifest = manifest
        self._older_than = older_than

    def run(self, now: float) -> int:
        """Aborts what is orphaned; how many there were.

        An upload is left alone where its key's row says UPLOADING, or cannot be read and so may name it.
        """
        aborted = 0
        old = (upload for upload in self._replica.open_uploads() if now - upload.initiated > self._older_than)
        for some in batched(old, ROWS_AT_ONCE):
            rows = self._manifest.read_many(upload.key for upload in some)
            named = {key for key, row in rows.items() if row is not None and row.state is State.UPLOADING}
            for upload in some:
                if upload.key in rows and upload.key not in named:
                    self._replica.abort_upload(upload.key, upload.upload_id)
                    aborted += 1
        return aborted
