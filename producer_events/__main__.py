"""The operator's command line: `python -m producer_events --help`.

Exit status: 0 all done, 1 something failed or was not sent, 2 wrong usage. Credentials, Region and endpoint come from
where AWS tools look for them (AWS_PROFILE, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL and so on).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from producer_events.event_pattern import event_pattern, is_exact
from producer_events.scope import Scope
from producer_events.terminal import shown

if TYPE_CHECKING:
    import boto3

    from producer_events.replay import NotSent, Source


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except KeyboardInterrupt:
        return _failed("Interrupted.")
    except Exception as error:  # noqa: BLE001 an operator gets a sentence; what is not foreseen says its type
        return _failed(_sentence(error))
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(shown(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m producer_events", description="Events of a source bucket.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    switch_on = commands.add_parser("switch-on", help="sends a bucket's events to EventBridge, keeps its notifications")
    switch_on.add_argument("bucket", metavar="BUCKET")
    switch_on.add_argument("--apply", action="store_true", help="do it; without this, only show what would be done")
    switch_on.add_argument("--expected-owner", metavar="ACCOUNT", help="refuse a bucket of any other account")
    switch_on.add_argument("--profile", help="AWS profile of the producer account")
    switch_on.set_defaults(command=_switch_on)

    replay = commands.add_parser("replay", help="puts an event for each key on the consumer's objects queue")
    replay.add_argument("keys", nargs="*", metavar="KEY", help="verbatim, not URL-encoded")
    replay.add_argument("--keys-from", metavar="FILE", help="one key a line, verbatim; - is standard input")
    replay.add_argument(
        "--null", action="store_true", help="the keys of FILE end with NUL, since a key may hold a newline"
    )
    replay.add_argument("--bucket", required=True, help="the source bucket")
    replay.add_argument("--account", required=True, help="the account that owns the source bucket")
    replay.add_argument("--queue-url", required=True, help="of the consumer's objects queue")
    replay.add_argument("--profile", help="AWS profile that may send to the queue")
    replay.add_argument(
        "--look-up", action="store_true", help="ask the source for each object; do not send missing ones"
    )
    replay.add_argument(
        "--source-profile", metavar="PROFILE", help="AWS profile that may read the source, for --look-up"
    )
    replay.set_defaults(command=_replay)

    redrive = commands.add_parser("redrive", help="puts a rule's dead letters on the consumer's objects queue")
    redrive.add_argument("--from-url", required=True, metavar="URL", help="of the queue of undelivered events")
    redrive.add_argument("--queue-url", required=True, help="of the consumer's objects queue")
    redrive.add_argument("--profile", help="AWS profile that may send to the objects queue")
    redrive.add_argument(
        "--from-profile", metavar="PROFILE", help="AWS profile that may receive and delete the letters, if another"
    )
    redrive.set_defaults(command=_redrive)

    pattern = commands.add_parser("pattern", help="prints the EventBridge pattern of a scope")
    pattern.add_argument("--bucket", required=True)
    pattern.add_argument("--account", required=True)
    pattern.add_argument("--prefix", action="append", default=[], help="may be repeated")
    pattern.add_argument("--suffix", action="append", default=[], help="may be repeated")
    pattern.add_argument("--exclude", action="append", default=[], help="a prefix, or * and a suffix; may be repeated")
    pattern.set_defaults(command=_pattern)

    for command in (switch_on, replay, redrive, pattern):
        command.add_argument("--json", action="store_true", help="one JSON document on standard output")
    for command in (switch_on, replay, redrive):
        command.add_argument("--region", help="AWS Region")
    return parser


def _switch_on(options: argparse.Namespace) -> int:
    from producer_events.notifications import switch_on  # noqa: PLC0415 boto3 only where AWS is called

    s3 = _session(options.profile, options.region).client("s3")
    change = switch_on(s3, options.bucket, apply=options.apply, expected_owner=options.expected_owner)
    applied = change.needed and options.apply
    if options.json:
        _print_json({"needed": change.needed, "applied": applied, "before": change.before, "after": change.after})
        return 0
    print(*change.lines, sep="\n")
    if applied:
        print("Done: EventBridge is on, and everything that was there reads back.")
    elif change.needed:
        print("Nothing was written. With --apply, it is done.")
    return 0


def _replay(options: argparse.Namespace) -> int:
    from producer_events.replay import NotSent, Source, replay  # noqa: PLC0415 boto3 only where AWS is called

    if bool(options.keys) == bool(options.keys_from):
        print("Name the keys, or a file with --keys-from, and not both.", file=sys.stderr)
        return 2
    keys = options.keys or list(_keys_of(options.keys_from, "\0" if options.null else "\n"))
    session = _session(options.profile, options.region)
    look_up = (
        _session(options.source_profile or options.profile, options.region).client("s3") if options.look_up else None
    )
    source = Source(options.bucket, options.account, session.region_name)
    not_sent = []
    for done, end in enumerate(replay(keys, source, session.client("sqs"), options.queue_url, look_up=look_up), 1):
        if isinstance(end, NotSent):
            not_sent.append(end)
        if done % 1000 == 0:
            print(f"{done:,} of {len(keys):,}", file=sys.stderr)
    _report(len(keys) - len(not_sent), not_sent, source, as_json=options.json)
    return 1 if not_sent else 0


def _redrive(options: argparse.Namespace) -> int:
    from producer_events.redrive import Kept, redrive  # noqa: PLC0415 boto3 only where AWS is called

    letters = _session(options.from_profile or options.profile, options.region).client("sqs")
    sqs = _session(options.profile, options.region).client("sqs")
    ends = list(redrive(letters, options.from_url, sqs, options.queue_url))
    kept = [end for end in ends if isinstance(end, Kept)]
    if options.json:
        _print_json(
            {"redriven": len(ends) - len(kept), "kept": [{"id": end.message_id, "why": end.why} for end in kept]}
        )
    else:
        for end in kept:
            print(shown(f"kept: {end.message_id}: {end.why}"))
        print(f"{len(ends) - len(kept):,} redriven, {len(kept):,} kept.")
    return 1 if kept else 0


def _report(sent: int, not_sent: "list[NotSent]", source: "Source", *, as_json: bool) -> None:
    if as_json:
        _print_json({"sent": sent, "not_sent": [{"key": end.key, "why": end.why} for end in not_sent]})
        return
    for end in not_sent:
        print(shown(f"not sent: {end.key!r}: {end.why}"))
    print(shown(f"{sent:,} sent, {len(not_sent):,} not sent, of bucket {source.bucket}."))


def _keys_of(file: str, end: str) -> Iterator[str]:
    raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    *keys, rest = raw.decode().split(end)
    yield from keys
    if rest:
        yield rest


def _pattern(options: argparse.Namespace) -> int:
    try:
        scope = Scope(tuple(options.prefix), tuple(options.suffix), tuple(options.exclude))
    except ValueError as error:
        print(shown(f"No such scope: {error}."), file=sys.stderr)
        return 2
    where = {"bucket": options.bucket, "account": options.account}
    _print_json(event_pattern(scope, **where))
    if not options.json and not is_exact(scope, **where):
        print("It lets more through than the scope; the consumer decides.", file=sys.stderr)
    return 0


def _session(profile: str | None, region: str | None) -> "boto3.Session":
    import boto3  # noqa: PLC0415 a second that `pattern` and --help need not wait

    session = boto3.Session(profile_name=profile, region_name=region)
    if not session.region_name:
        raise ValueError("No Region is set: give --region, or set AWS_DEFAULT_REGION.")
    return session


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2))


def _sentence(error: Exception) -> str:
    text = str(error) or "no more is known"
    expected = isinstance(error, OSError | ValueError) or type(error).__module__.startswith(
        ("botocore", "producer_events")
    )
    return text if expected else f"{type(error).__name__}: {text}"


def _failed(sentence: str) -> int:
    print(shown(sentence), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
