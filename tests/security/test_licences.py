"""Every package in the functions' zip is under a licence that lets it ship, and its page says which."""

from email.message import Message

import pytest

from tests.security import licences
from tests.security.licences import Package, licence_of, page, shipped


def test_everything_that_ships_is_under_a_permissive_licence():
    packages = shipped()
    assert len(packages) > 10
    assert [each for each in packages if not each.is_permissive] == []


def test_the_page_is_what_is_pinned():
    assert licences.PAGE.read_text() == page(shipped()), "python -m tests.security.licences writes it anew"


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 OR GPL-3.0-only", "MIT AND BSD-3-Clause", "PSF-2.0"])
def test_permissive(licence):
    assert Package("p", "1", licence).is_permissive


@pytest.mark.parametrize(
    "licence", [None, "", "GPL-3.0-only", "MIT AND LGPL-2.1-only", "AGPL-3.0-or-later", "Proprietary"]
)
def test_not_permissive_or_not_known(licence):
    assert not Package("p", "1", licence).is_permissive


def test_a_licence_that_only_a_classifier_names_is_found():
    told = Message()
    told["Classifier"] = "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
    licence = licence_of("some-package", told)
    assert licence == "OSI Approved :: GNU General Public License v3 (GPLv3)"
    assert not Package("some-package", "1", licence).is_permissive
