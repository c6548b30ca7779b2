"""Ours, as a command: the project's own listings, manifest scan and merge-join, from a cold start.

    python -m tests.bench.detect BUCKET REPLICA SHARDS FOUND.txt      writes the key of each drift on a line

Clients are made as the function makes its own; AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_DYNAMODB say where to. One
range, one thread: what one range of a run does. The clock is set a day ahead: nothing that was just written is young.
"""

import json
import sys
import time
from pathlib import Path

from consumer_replicator.drift import Drift, Rules, findings
from consumer_replicator.listing import Listing
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.plan import DeletePolicy
from consumer_replicator.principals import Principals
from consumer_replicator.replica_check import with_replicas
from producer_events.scope import Scope

TABLE, OWNER = "manifest", "111111111111"
A_DAY, LAG_OBJECTIVE = 86_400, 900


def main(bucket: str, replica: str, shards: int, found: Path) -> None:
    who = Principals(
        role_arn="arn:aws:iam::111111111111:role/read",
        external_id="not-asked-for:one-identity",
        session_name="bench",
        region="us-east-1",
        concurrency=2,
    )
    listing = Listing(who.own("s3"), bucket, OWNER)
    replicas = Listing(who.own("s3"), replica, OWNER, whose="replica")
    scan = ManifestScan(who.own("dynamodb"), TABLE, bucket, shards)
    rules = Rules(
        now=time.time() + A_DAY, lag_objective=LAG_OBJECTIVE, policy=DeletePolicy.MIRROR, scope=Scope(), force=False
    )
    judged = 0
    with found.open("w") as file:
        for finding in findings(listing.objects(), with_replicas(scan.rows(), replicas.objects()), rules):
            judged += 1
            if isinstance(finding, Drift):
                file.write(f"{finding.key}\n")
    facts = {
        "judged": judged,
        "pages": listing.pages + replicas.pages,
        "queries": scan.pages,
        "read_units": scan.read_units,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
