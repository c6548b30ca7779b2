"""Nothing in the policies is there for nothing: taking away any one thing changes an answer."""

from collections.abc import Callable, Iterable, Mapping

from tests.iam.policy import Grant, Policy
from tests.iam.refused import refused
from tests.iam.simulator import simulate
from tests.iam.taken_away import instead, unmoved
from tests.iam.variants import VARIANTS, requests, world
from tests.iam.world import EVERYBODYS

# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html: whom IAM makes an administrator may
# administer the key; without it nobody could again.
ADMINISTERS = "kms:*"
# One of the two is enough while the key's policy leaves permissions to IAM of its account. The role's own is for a key
# whose policy says nothing else, the key's for whoever reads there who can decrypt.
DOUBLED = {
    "producer SourceKey [1] kms:Decrypt",
    "producer ReadObjects [2] kms:Decrypt",
}
# The read role's own denial says the same of every key; here it is for whoever is given its place by the account's IAM.
SAID_TWICE = {"producer SourceKey [1] StringEquals kms:ViaService"}
NEW_BUCKET = next(iter(VARIANTS))


def grants(policy: Policy) -> list[Grant]:
    return [each for each in policy.grants() if each.value != ADMINISTERS and policy.kind != EVERYBODYS]


def test_without_any_one_action_or_resource_a_call_fails():
    idle = {}
    for variant in VARIANTS:
        here = world(variant)
        asked = [here.simulation(request) for request in requests(variant)]
        idle[variant] = unmoved(here, grants, asked, lambda result: result == "Allowed")
    assert idle_wherever_it_is(idle, grants) == DOUBLED


def test_without_any_one_condition_or_denial_somebody_gets_in():
    idle = {}
    for variant in VARIANTS:
        here = world(variant)
        asked = [here.simulation(each.request, each.admin) for each in refused(variant)]
        idle[variant] = unmoved(here, Policy.restrictions, asked, lambda result: result != "Allowed")
    assert idle_wherever_it_is(idle, Policy.restrictions) == SAID_TWICE


def idle_wherever_it_is(idle: Mapping[str, set[str]], taken: Callable[[Policy], Iterable[Grant]]) -> set[str]:
    """What has no use in any variant that has it: a policy may be there for some parameters only."""
    there = {
        variant: {str(each) for policy in world(variant).policies.values() for each in taken(policy)}
        for variant in idle
    }
    found = set.union(*idle.values())
    return {each for each in found if all(each in idle[variant] for variant in idle if each in there[variant])}


def test_without_both_of_what_is_doubled_nothing_can_be_decrypted():
    here = world(NEW_BUCKET)
    asked = [here.simulation(each) for each in requests(NEW_BUCKET) if each.action == "kms:Decrypt"]
    policies = dict(here.policies)
    for policy in here.policies.values():
        for grant in policy.grants():
            if str(grant) in DOUBLED:
                policies[str(grant)] = policy.without(grant)
                asked = [instead(each, policy.name, str(grant)) for each in asked]
    reading = [each for each in asked if "s3-hydration-read" in each["principal"]]
    assert reading
    assert {answer.result for answer in simulate(policies, reading).answers} == {"ImplicitlyDenied"}
