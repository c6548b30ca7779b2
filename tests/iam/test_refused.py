"""What must be refused is refused, whoever asks and however they ask."""

import pytest

from tests.iam.refused import refused, through_endpoints
from tests.iam.simulator import simulate
from tests.iam.variants import VARIANTS, requests, world


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_trespass_succeeds(variant):
    here, asked = world(variant), refused(variant)
    found = simulate(here.policies, [here.simulation(each.request, each.admin) for each in asked]).answers
    assert [each.why for each, answer in zip(asked, found, strict=True) if answer.allowed] == []
    assert {key for answer in found for key in answer.ignored} == set()


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_trespass_is_something_that_the_products_do_themselves(variant):
    own = requests(variant)
    assert [each.why for each in refused(variant) if not each.admin and each.request in own] == []


def test_it_is_the_endpoints_that_refuse_what_is_asked_through_them():
    here = world(next(iter(VARIANTS)))
    asked = [each.request.but(endpoint="") for each in through_endpoints(here)]
    found = simulate(here.policies, [here.simulation(each, admin=True) for each in asked]).answers
    assert {answer.result for answer in found} == {"Allowed"}
