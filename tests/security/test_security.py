"""The scanners see what is wrong, and what was not looked up is not called safe."""

import pytest

from tests.lint.finding import LinterFailed
from tests.security import bandit, secrets
from tests.security.audit import told

WEAK = "import subprocess, sys\nsubprocess.run(sys.argv[1], shell=True)  # nosec\n"
TOKEN = "ghp_" + "aB3dE6gH9j" * 3 + "aB3dE6"


def test_bandit_finds_a_shell_whatever_a_comment_says(tmp_path):
    (tmp_path / "weak.py").write_text(WEAK)
    assert "B602" in {each.place.rule for each in bandit.findings([tmp_path])}


@pytest.mark.parametrize("text", ["def broken(:\n", ""])
def test_code_that_cannot_be_read_is_not_code_without_findings(tmp_path, text):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(LinterFailed):
        bandit.findings([tmp_path])


def test_a_token_is_found_and_not_told(tmp_path):
    (tmp_path / "settings.txt").write_text(f"one\ntoken = {TOKEN}\n")
    found = secrets.findings(["settings.txt"], tmp_path)
    assert "GitHub Token" in {each.place.rule for each in found}
    assert TOKEN not in str(found)


def test_every_tracked_file_is_scanned_but_pinned_hashes():
    files = secrets.tracked()
    assert "consumer_replicator/batch.py" in files
    assert "tests/hostile/forgery.py" in files
    assert not [name for name in files if name.endswith("requirements.txt")]


def package(**more):
    return {"name": "p", "version": "1", "vulns": [], **more}


def test_packages_that_are_not_known_to_be_vulnerable_pass():
    assert told({"dependencies": [package()]}) == (0, ["1 packages audited, none known to be vulnerable."])


def test_a_vulnerability_fails_the_audit():
    status, lines = told({"dependencies": [package(vulns=[{"id": "PYSEC-1", "fix_versions": ["2"]}])]})
    assert (status, lines[0]) == (1, "p 1: PYSEC-1, fixed in 2")


@pytest.mark.parametrize("dependencies", [[], [{"name": "p", "skip_reason": "not found"}]])
def test_what_was_not_looked_up_is_no_pass(dependencies):
    status, lines = told({"dependencies": dependencies})
    assert status == 2
    assert "packages not audited" in lines[-1]
