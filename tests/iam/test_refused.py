"""What must be refused is refused, whoever asks and however they ask."""

import pytest

from tests.iam.refused import refused
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
