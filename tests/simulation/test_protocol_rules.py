"""Each rule of the protocol in architecture.md, and the mutants that show what breaks without it."""

from pathlib import Path

import pytest

from tests.simulation.mutants import BY_CHANCE, DEFENDED, MUTANTS

ARCHITECTURE = Path("service-catalog/docs/architecture.md")
SHOWN_BY: dict[str, tuple[str, ...]] = {
    "PUT and DELETE on the replica are conditional on the ETag that belongs to the row read before the source": (
        "no condition on the replica",
        "no condition on DELETE",
    ),
    "every row write is conditional on the generation read, and raises it by one": (
        "no condition on the row",
        "uploads recorded without a condition",
        "touches leave the generation",
    ),
    '"nothing to do" is only said after a HEAD and under a row write': (
        "no touch",
        "no HEAD before nothing to do",
        "resumes without a touch",
    ),
    "after any refusal everything is read again: row, HEAD, row, source; bytes read before are never sent": (
        "no second source read",
        "the row is read again after HEAD",
    ),
    "a replica found without its row is adopted only if its provenance names the source's identity": (
        "adopts anything",
        "adopts after a cancelled delete",
    ),
    "deletes (policy `mirror`) take two phases: a delayed confirm hint and a tombstone, then the DELETE": (
        "delete at once, after the tombstone",
        "tombstone after the delete",
        "no grace",
        "confirm hint after the tombstone",
        "row without replica: deleted unseen",
        "a tombstone is known by generation and state",
    ),
    "a DELETE is only of the replica that the row names; where another one is found, a tombstone names it first": (
        "deletes what the row does not name",
    ),
    "a source that is back cancels the delete first; a confirm hint never copies": (
        "a delete is cancelled before anything is copied",
        "a confirm hint copies",
    ),
    "every part is read from the one object that the row names (version-id, or If-Match)": (
        "unpinned ranges",
        "unpinned ranges, unchecked wholes",
    ),
    "a range is added only while the row names its upload, without raising the generation": (
        "a range counts for its own upload only",
        "ranges raise the generation",
    ),
    "a row with an upload is touched by an update of three attributes, never written whole": (
        "touches write the whole row",
    ),
    "a range's message never completes; a plain hint does, after reading the source again": (
        "a range's message never completes",
        "the source is read before completing",
    ),
    "HEAD after completing": ("HEAD after completing",),
    "a hint that finds the upload under way looks whether it still exists": ("resumes without a look",),
    "a range that is given up says so in the hint it sends (`resend`)": ("a range that is given up says so",),
    "a row UPLOADING adopts only what this upload, or a writer of this very generation, has made": (
        "an upload is no doubt",
    ),
    "whoever drops an upload from a row aborts it afterwards": ("drops without aborting", "no sweep"),
}
"""Rule, as the tables have it -> the names of mutants that are caught, or of rules that break once others are out."""


def rules() -> list[str]:
    """The first column of both tables of what breaks without a rule."""
    lines = ARCHITECTURE.read_text().splitlines()
    found, within = [], False
    for line in lines:
        if within and line.startswith("| "):
            found.append(line.removeprefix("| ").split(" | ")[0])
        within = line.startswith("|") and (within or line == "| rule | what breaks without it |")
    return found


def test_both_tables_are_read():
    assert len(rules()) >= 16


@pytest.mark.parametrize("rule", rules())
def test_what_breaks_without_a_rule_is_shown_by_a_mutant_that_is_caught(rule: str):
    caught = {mutant.name for mutant in (*MUTANTS, *BY_CHANCE, *DEFENDED)}
    assert rule in SHOWN_BY, "no mutant shows it"
    assert [name for name in SHOWN_BY[rule] if name not in caught] == []
