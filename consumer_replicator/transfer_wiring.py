"""Puts the transfer function together. Apart from `wiring`, so that the replicator's start loads none of it."""

import platform
from uuid import uuid4

from consumer_replicator import server_side, wiring
from consumer_replicator.breaker import Limits
from consumer_replicator.drift import Rules
from consumer_replicator.estimate import Architecture, Capacity, CopiesWithinS3
from consumer_replicator.listing import Listing
from consumer_replicator.manifest import Manifest
from consumer_replicator.manifest_scan import ManifestScan
from consumer_replicator.principals import Principals
from consumer_replicator.range_worker import RangeWorker
from consumer_replicator.ranges_queue import RangesQueue
from consumer_replicator.reporting import Reporting, Surroundings
from consumer_replicator.run import Run
from consumer_replicator.run_files import RunFiles
from consumer_replicator.runs import Runs
from consumer_replicator.settings import CopyMode
from consumer_replicator.stored_objects import StoredObjects
from consumer_replicator.sweep import Sweep
from consumer_replicator.transfer import Parts, Transfer
from consumer_replicator.transfer_settings import TransferSettings
from consumer_replicator.verifier import Verifier
from consumer_replicator.watermarking import Watermarking


def transfer(settings: TransferSettings, who: Principals, *, memory_mb: int) -> Transfer:
    """The transfer function's runs: the listing with the assumed role, everything else with the function's own.

    `memory_mb`: of the transfer function itself, for what a run costs.
    """
    dynamodb, sqs = who.own("dynamodb"), who.own("sqs")
    manifest, queue = wiring.manifest(settings, who), wiring.queue(settings, who)
    listing = Listing(who.source("s3"), settings.source_bucket, settings.source_account_id)
    scan = ManifestScan(dynamodb, settings.manifest_table, settings.source_bucket, settings.manifest_shards)
    runs = Runs(dynamodb, settings.manifest_table, settings.source_bucket)
    files = RunFiles(who.own("s3"), settings.replica_bucket, settings.replica_account_id, settings.replica_kms_key_arn)
    sweep = Sweep(wiring.replica(settings, who), manifest, settings.sweep_hours * 3600, settings.scope)
    replicas = Listing(who.own("s3"), settings.replica_bucket, settings.replica_account_id, whose="replica")
    worker = RangeWorker(
        listing,
        replicas,
        scan,
        queue,
        files,
        runs,
        verifier(settings, who, manifest),
        bucket=settings.source_bucket,
        rules=lambda run, now: rules(settings, run, now),
        usage=lambda: who.calls,
        unique=_unique,
    )
    reporting = Reporting(runs, files, surroundings(settings, memory_mb))
    parts = Parts(
        listing=listing,
        worker=worker,
        manifest=manifest,
        queue=queue,
        ranges_queue=RangesQueue(sqs, settings.ranges_queue_url),
        runs=runs,
        files=files,
        reporting=reporting,
        sweep=sweep,
        watermarking=Watermarking(runs, queue, lag_objective=settings.lag_objective_seconds),
    )
    return Transfer(
        parts,
        bucket=settings.source_bucket,
        prefixes=settings.scope_prefixes,
        limits=Limits(number=settings.breaker_deletes, share=settings.breaker_share_percent / 100),
        unique=_unique,
        patience=settings.settle_seconds,
    )


def _unique() -> str:
    return uuid4().hex


def verifier(settings: TransferSettings, who: Principals, manifest: Manifest) -> Verifier:
    source = StoredObjects(who.source("s3"), settings.source_bucket, settings.source_account_id, "source")
    replica = StoredObjects(who.own("s3"), settings.replica_bucket, settings.replica_account_id, "replica")
    return Verifier(source, replica, manifest, threads=settings.batch_concurrency)


def rules(settings: TransferSettings, run: Run, now: float) -> Rules:
    """What a run judges by."""
    return Rules(
        now=now,
        lag_objective=settings.lag_objective_seconds,
        policy=settings.delete_policy,
        scope=settings.scope,
        since=run.payload.since_epoch,
        until=run.payload.until_epoch,
        force=run.payload.force,
        retry=run.payload.retry,
        confirm_delay=settings.confirm_delay,
    )


def copies(settings: TransferSettings) -> CopiesWithinS3 | None:
    """What an estimate counts on of what S3 copies; None where their bytes pass the function."""
    if settings.copy_mode is CopyMode.STREAM:
        return None
    return CopiesWithinS3(server_side.COPIED_PART_BYTES, server_side.BYTES_PER_SECOND)


def surroundings(settings: TransferSettings, memory_mb: int) -> Surroundings:
    architecture: Architecture = "x86_64" if platform.machine() == "x86_64" else "arm64"
    return Surroundings(
        source_bucket=settings.source_bucket,
        replica_bucket=settings.replica_bucket,
        lag_objective=settings.lag_objective_seconds,
        capacity=Capacity(
            functions=settings.maximum_concurrency,
            keys_at_once=settings.batch_concurrency,
            memory_mb=settings.replicator_memory_mb,
            architecture=architecture,
            copies=copies(settings),
        ),
        memory_gb=memory_mb / 1024,
        architecture=architecture,
    )
