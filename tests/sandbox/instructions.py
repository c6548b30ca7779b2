"""What `make sandbox` tells a person: exports to paste for each account, and a first command for three S3 clients."""

from typing import Any

# From a file, because a payload in the command line must be said otherwise to aws-cli 1 and 2.
RECONCILE = "echo '{{}}' > ask.json && aws lambda invoke --function-name {} --payload fileb://ask.json /dev/stdout"
ACCOUNTS = {"producer": "put objects here", "consumer": "their replicas appear here"}


def instructions(facts: dict[str, Any], *, detached: bool) -> str:
    lines = [f"Two AWS accounts at {facts['endpoint_url']}, loopback only."]
    for account, what in ACCOUNTS.items():
        its = facts[account]
        lines += ["", f"# {account}, account {its['account_id']}: {what}"]
        lines += [f"export {name}={value}" for name, value in its["environment"].items()]
        lines += [f"export BUCKET={its['bucket']}"]
    lines += ["", "# with the consumer's exports in place: compare everything, repair what differs"]
    lines += [RECONCILE.format(facts["consumer"]["transfer_name"])]
    lines += ["", "# with one account's exports in place"]
    lines += clients(facts["endpoint_url"], facts["region"])
    lines += ["", "The same facts for scripts: .build/sandbox/sandbox.json"]
    lines += ['Stop it: make sandbox ARGS="--stop"' if detached else "Stop it: Ctrl-C"]
    return "\n".join(lines)


def clients(endpoint_url: str, region: str) -> list[str]:
    remote = f":s3,provider=Other,env_auth=true,no_check_bucket=true,region={region},endpoint='{endpoint_url}':"
    return [
        "aws s3 cp README.md s3://$BUCKET/ && aws s3 ls --recursive s3://$BUCKET/",
        f'rclone copy --ignore-checksum README.md "{remote}$BUCKET/docs"  # under SSE-KMS an ETag is no MD5',
        f"s5cmd --endpoint-url {endpoint_url} cp README.md s3://$BUCKET/docs/",
    ]
