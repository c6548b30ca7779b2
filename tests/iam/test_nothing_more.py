"""What is allowed is exactly what is committed: `python -m tests.iam sweep` writes it anew, for a person to review."""

from tests.iam import sweep
from tests.iam.variants import world


def test_a_sweep_of_every_action_allows_what_is_committed_and_nothing_more():
    assert sweep.everything() == sweep.COMMITTED.read_text().splitlines()


def test_no_stranger_is_allowed_anything():
    names = {f"{who.name}@{who.account}" for who in sweep.STRANGERS}
    assert len(names) == 3
    assert [line for line in sweep.COMMITTED.read_text().splitlines() if line.startswith(tuple(names))] == []


def test_a_sweep_asks_for_every_service_in_the_policies_and_of_everything_that_is_made():
    here = world("a new bucket, deletes mirrored")
    assert {"s3", "kms", "sqs", "dynamodb", "events", "sts", "lambda", "logs", "ec2", "sns"} <= set(
        sweep.services(here)
    )
    assert {*here.source, *here.replica, here.consumer.arn("Manifest")} <= set(sweep.resources(here))
