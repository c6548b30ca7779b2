"""Policies with one thing taken away, and what is asked of them then."""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from tests.iam.policy import Grant, Policy
from tests.iam.simulator import simulate
from tests.iam.world import World

Simulation = dict[str, Any]


def unmoved(
    world: World,
    taken: Callable[[Policy], Iterable[Grant]],
    asked: Iterable[Simulation],
    expected: Callable[[str], bool],
) -> set[str]:
    """Names of what can be taken away while every answer (its result) is still the expected one."""
    policies, requests, about = dict(world.policies), [], []
    asked = list(asked)
    for policy in world.policies.values():
        for grant in taken(policy):
            less = policy.without(grant)
            policies[less.name] = less
            for request in concerned(asked, policy, grant):
                requests.append(instead(request, policy.name, less.name))
                about.append(less.name)
    answers = simulate(policies, requests).answers
    moved = {name for name, answer in zip(about, answers, strict=True) if not expected(answer.result)}
    return set(policies) - set(world.policies) - moved


def concerned(asked: Iterable[Simulation], policy: Policy, grant: Grant) -> Iterator[Simulation]:
    """Those whose evaluation reads the policy; of an action that goes, those of the action."""
    for request in asked:
        read = policy.name in (*request["identity"], *request["endpoints"], request["on"])
        if read and (grant.element != "Action" or fnmatchcase(request["action"], grant.value)):
            yield request


def instead(request: Simulation, name: str, less: str) -> Simulation:
    def other(each: str | None) -> str | None:
        return less if each == name else each

    named = {kind: [other(each) for each in request[kind]] for kind in ("identity", "endpoints")}
    return request | named | {"on": other(request["on"])}
