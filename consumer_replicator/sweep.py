"""The sweep: aborts multipart uploads that no row names and that are too old to be under way.

A killed invocation leaves its upload open, and its parts are billed. The bucket's lifecycle rule would take it days
later; the sweep does after a parameter, by default a day, long after the longest invocation.
"""

from consumer_replicator.manifest import Manifest
from consumer_replicator.replica import Replica
from consumer_replicator.row import State


class Sweep:
    """`older_than` in seconds."""

    def __init__(self, replica: Replica, manifest: Manifest, older_than: float) -> None:
        self._replica = replica
        self._manifest = manifest
        self._older_than = older_than

    def run(self, now: float) -> int:
        """Aborts what is orphaned; how many there were. An upload whose key's row says UPLOADING is left alone."""
        aborted = 0
        for upload in self._replica.open_uploads():
            if now - upload.initiated <= self._older_than:
                continue
            row = self._manifest.read(upload.key)
            if row is None or row.state is not State.UPLOADING:
                self._replica.abort_upload(upload.key, upload.upload_id)
                aborted += 1
        return aborted
