"""Puts the replicator together: clients made once, each edge given the one of its principal."""

from consumer_replicator import server_side
from consumer_replicator.batch import Batch
from consumer_replicator.converge import Converger
from consumer_replicator.copier import Copier
from consumer_replicator.manifest import Manifest
from consumer_replicator.part_copies import BucketOf, PartCopies
from consumer_replicator.principals import Principals
from consumer_replicator.queue import Queue
from consumer_replicator.replica import Replica
from consumer_replicator.server_side import PartsWithinS3
from consumer_replicator.settings import CopyMode, Settings
from consumer_replicator.source import Source
from consumer_replicator.splitting import Splitting
from consumer_replicator.tries import Tries


def principals(settings: Settings, *, region: str, function_name: str) -> Principals:
    return Principals(
        role_arn=settings.source_role_arn,
        external_id=settings.source_external_id.get_secret_value(),
        session_name=function_name,
        region=region,
        concurrency=settings.batch_concurrency + settings.part_concurrency,
    )


def replicator(settings: Settings, who: Principals) -> Batch:
    """The replicator's batch worker: the source with the assumed role, everything else with the function's own."""
    source = Source(who.source("s3"), settings.source_bucket, settings.source_account_id)
    replica_, manifest_, queue_ = replica(settings, who), manifest(settings, who), queue(settings, who)
    copier, splitting = carrying(settings, who, source, replica_)
    converger = Converger(
        source,
        replica_,
        manifest_,
        queue_,
        copier,
        scope=settings.scope,
        policy=settings.delete_policy,
        confirm_delay=settings.confirm_delay,
        splitting=splitting,
        max_receive_count=settings.max_receive_count,
    )
    return Batch(
        converger,
        manifest_,
        queue_,
        bucket=settings.source_bucket,
        account=settings.source_account_id,
        scope=settings.scope,
        concurrency=settings.batch_concurrency,
        max_receive_count=settings.max_receive_count,
    )


def carrying(settings: Settings, who: Principals, source: Source, replica: Replica) -> tuple[Copier, Splitting]:
    """What moves an object's bytes, and how many it moves at a time."""
    threshold = settings.multipart_threshold_bytes
    if settings.copy_mode is CopyMode.STREAM:
        copier = Copier(source, replica, threshold=threshold, part_concurrency=settings.part_concurrency)
        return copier, Splitting(settings.split_threshold_bytes)
    copies = PartCopies(
        who.copying(),
        BucketOf(settings.source_account_id, settings.source_bucket),
        BucketOf(settings.replica_account_id, settings.replica_bucket),
    )
    copier = Copier(
        source,
        replica,
        threshold=threshold,
        part_concurrency=server_side.COPIES_AT_ONCE,
        part_bytes=server_side.COPIED_PART_BYTES,
        carrier=PartsWithinS3(copies, Tries()),
    )
    return copier, Splitting(settings.split_threshold_bytes or server_side.WHOLE_BYTES, server_side.BYTES_PER_SECOND)


def replica(settings: Settings, who: Principals) -> Replica:
    return Replica(
        who.own("s3"),
        settings.replica_bucket,
        settings.replica_account_id,
        settings.replica_kms_key_arn,
        settings.storage_class,
    )


def manifest(settings: Settings, who: Principals) -> Manifest:
    return Manifest(
        who.own("dynamodb"),
        settings.manifest_table,
        settings.source_bucket,
        settings.manifest_shards,
        settings.tombstone_days,
    )


def queue(settings: Settings, who: Principals) -> Queue:
    return Queue(who.own("sqs"), settings.queue_url, settings.dead_letter_queue_url, settings.source_bucket)
