"""The page shows what the report says, and nothing in it, whatever keys are made of, is markup, script or network."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer_replicator.estimate import Capacity, Load, estimate, estimate_verify
from consumer_replicator.report import PreviousRun, build
from consumer_replicator.report_charts import axis, drift_by_kind, drift_by_run, lag_histogram
from consumer_replicator.report_page import page
from consumer_replicator.run_facts import (
    BookCounts,
    DriftEntry,
    ExtraCounts,
    KindCount,
    Lags,
    LossCounts,
    PrefixCount,
    Usage,
    VerifyCounts,
)
from consumer_replicator.visible_key import spelt_out
from tests.consumer.run_rig import DAY, STARTED, facts
from tests.odd_keys import ODD_KEYS

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "out of an attribute": "\"' onmouseover='alert(1)' x=\"",
    "image": "<img src=x onerror=alert(1)>",
    "out of svg": "</text></svg><script>alert(1)</script>",
    "out of the style": "</style><script>alert(1)</script>",
    "template": "{{ report }}{% raw %}",
    "comment": "<!--",
    "address": "javascript:alert(1)",
    "entity": "&lt;script&gt;",
}
VOID = {"meta", "br", "img", "link"}


class Seen(HTMLParser):
    """Elements, attributes and text of a page; it must nest."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.comments: list[str] = []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.text.append(data)

    def handle_comment(self, data):
        self.comments.append(data)

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """What markup there is: elements with the names of their attributes."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.text))


def with_key(key: str):
    entry = DriftEntry("failed", key, size=10, last_modified=STARTED - DAY, code="archived")
    return facts(
        books=BookCounts(listed=1, failed={"archived": 1}),
        drift={"failed": KindCount(1, 10)},
        prefixes=(PrefixCount(key, 1, 10, {"failed": 1}),),
        biggest=(entry,),
        oldest=(entry,),
        payload={"prefix": [key]},
        notes=(key,),
        failure=key,
        extras=ExtraCounts(found=2, held=2, held_because=key),
    )


def rendered(changed=None, previous=()) -> Seen:
    return Seen(page(build(changed or facts()), previous))


def everything():
    kinds = {kind: KindCount(9, 100) for kind in ("missing", "stale", "extra", "failed", "unfinished")}
    return facts(
        books=BookCounts(listed=30, copied=9, current=10, skipped={"young": 5}, failed={"archived": 6}),
        drift=kinds,
        lags=Lags.of([1, 2, 3, 400]),
        loss=LossCounts(2, 100, STARTED - DAY),
        usage=Usage({"ListObjectsV2": 3}, read_units=2.5, write_units=1, gb_seconds=3),
        watermark=STARTED - 300,
    )


def verified(**changes):
    plain = {
        "mode": "verify",
        "verify": VerifyCounts(bodies_read=3, bytes_read=2048, repairs={"copied": 1}),
        "payload": {"mode": "verify", "repair": True},
        "books": BookCounts(
            listed=12,
            same={"checksums": 5, "manifest": 2},
            different={"checksums": 1},
            cannot_tell={"other-parts": 3},
            skipped={"young": 1},
        ),
        "drift": {"different": KindCount(1, 10), "cannot-tell": KindCount(3, 30)},
    }
    return facts(**plain | changes)


def earlier(count: int) -> list[PreviousRun]:
    run = PreviousRun.of(build(facts(drift={"missing": KindCount(5, 1)})))
    return [
        run.model_copy(update={"id": f"run-{ago}", "started": run.started - timedelta(days=ago)})
        for ago in range(1, count + 1)
    ]


PAGES = {"empty": facts(), "everything": everything(), "failed": with_key("k"), "verify": verified()}

# -- hostile input ---------------------------------------------------------------------------------------------------

PLAIN_SHAPE = rendered(with_key("plain.txt")).shape


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_key_is_text_and_changes_no_markup(key):
    seen = rendered(with_key(key))
    assert seen.shape == PLAIN_SHAPE
    assert seen.comments == []
    assert seen.words.count(re.sub(r"\s+", " ", key)) >= 5


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_an_odd_key_is_shown_and_adds_no_markup_but_the_mark_of_what_is_spelt_out(key):
    seen = rendered(with_key(key))
    assert [one for one in seen.shape if one != ("span", ("class",))] == [
        one for one in PLAIN_SHAPE if one != ("span", ("class",))
    ]
    titles = {attributes["title"] for _, attributes in seen.elements if attributes.get("class") == "key"}
    assert titles == {spelt_out(key)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(st.sampled_from("<>&\"'`=/ \\{}%#;!-\x00\x0b\u202e\u2066]ax"), min_size=1, max_size=40))
def test_no_text_of_markup_characters_changes_the_markup(key):
    shape = [one for one in rendered(with_key(key)).shape if one != ("span", ("class",))]
    assert shape == [one for one in PLAIN_SHAPE if one != ("span", ("class",))]


def test_a_bidi_override_in_a_key_never_reaches_the_page_as_itself():
    document = page(build(with_key("a\u202egnp.exe\u2066\u200b")))
    body = document[document.index("<section") :]
    keys = re.findall(r'<bdi dir="ltr" class="key".*?</bdi>', body)
    assert len(keys) == 3
    assert not re.search("[\u202e\u2066\u200b]", "".join(keys))
    assert '<span class="escaped">\\u202e</span>gnp.exe' in keys[0]


@pytest.mark.parametrize("changed", PAGES.values(), ids=PAGES.keys())
def test_the_page_has_no_script_no_network_and_a_policy_that_forbids_both(changed):
    seen = rendered(changed, earlier(3))
    assert {tag for tag, _ in seen.elements} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "a",
        "base",
    } == set()
    names = {name for _, attributes in seen.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href", "xlink:href", "style")]
    document = page(build(changed), earlier(3))
    assert not re.search(r"https?:|url\(|@import", document)
    policies = [one["content"] for _, one in seen.elements if one.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


# -- what it says ----------------------------------------------------------------------------------------------------


def test_books_that_close_say_so_in_the_headline_and_below():
    words = rendered(facts(books=BookCounts(listed=2, current=2))).words
    assert "The books close, and nothing needs doing." in words
    assert "Closed: every listed object is accounted for." in words
    assert "Not closed" not in words


@pytest.mark.parametrize(
    ("books", "says"),
    [
        (BookCounts(listed=5, current=3), "2 unaccounted for: a defect of this product."),
        (BookCounts(listed=5, current=3, waiting=2), "2 waiting: hinted, and not settled when this was written."),
    ],
)
def test_books_that_do_not_close_say_so_first_and_where(books, says):
    seen = rendered(facts(books=books))
    assert "The books do not close." in seen.words
    assert f"Not closed. {says}" in seen.words
    assert ("section", {"class": f"verdict {build(facts(books=books)).verdict.level} broken"}) in seen.elements


def test_every_figure_of_a_full_report_is_on_the_page():
    words = rendered(everything()).words
    for said in (
        *("45 objects, 500 bytes", "missing 9 (100 bytes)", "archived 6", "young 5", "2 of 100 changes"),
        *("The object is archived and must be restored before it can be read.", "Runbook, Failure codes: archived"),
        *("2 %", "half of them within2 s", "the longest6 min 40 s", "ListObjectsV23", "DynamoDB read units2.5"),
        *("before 2026-11-24 02:55:00 UTC is in the replica", "Delete breaker: not tripped."),
    ):
        assert said in words


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_a_run_that_did_not_get_to_its_end_claims_nothing_about_the_rest(state):
    words = rendered(facts(state=state)).words
    assert words.count("before the run ended") == 2
    assert words.count("as far as the run came") == 2


def test_a_breaker_that_held_deletes_is_on_the_page_with_its_reason():
    because = "400 deletes of 1,000 rows, a share above 10 %."
    words = rendered(facts(extras=ExtraCounts(found=400, held=400, held_because=because))).words
    assert f"held 400. {because}" in words


def test_a_dry_run_shows_its_plan():
    plan = estimate(Load(objects=10**6, bytes=10**12), Capacity(functions=10))
    words = rendered(facts(mode="backfill", dry_run=True, books=BookCounts(listed=1, planned=1), plan=plan)).words
    assert "Dry run of a backfill of source-bucket" in words
    assert "What running it would take" in words
    assert "objects to copy1,000,000" in words


def test_only_the_first_keys_of_a_long_list_are_shown_and_the_rest_is_counted():
    entries = tuple(DriftEntry("missing", f"key-{number:02}", size=1) for number in range(20))
    words = rendered(facts(drift={"missing": KindCount(20, 20)}, biggest=entries)).words
    assert "key-09" in words
    assert "key-10" not in words
    assert "10 more in report.json." in words


def test_the_page_is_as_wide_as_its_window_and_has_a_form_for_paper():
    document = page(build(facts()))
    assert "@media print" in document
    assert "size: A4" in document
    assert "prefers-color-scheme: dark" in document


# -- the runs before -------------------------------------------------------------------------------------------------


def test_the_newest_runs_of_the_same_mode_from_before_this_one_are_compared_with_it():
    others = earlier(30)
    misfits = [
        others[0].model_copy(update={"mode": "backfill", "listed": 111}),
        others[0].model_copy(update={"dry_run": True, "listed": 222}),
        others[0].model_copy(update={"started": others[0].started + timedelta(days=9), "listed": 333}),
    ]
    seen = rendered(facts(books=BookCounts(listed=444, current=444)), [*misfits, *others])
    assert "444" in seen.words
    assert not re.search("111|222|333", seen.words)
    assert "2026-11-13 03:00" in seen.words  # the eleventh before
    assert "2026-11-12 03:00" not in seen.words


def test_the_first_run_has_nothing_to_be_compared_with_and_says_so():
    seen = rendered(facts())
    assert "This is the first reconcile to compare with." in seen.words
    assert "svg" not in {tag for tag, _ in seen.elements}


# -- charts ----------------------------------------------------------------------------------------------------------


def heights(svg: str) -> list[float]:
    bars = ET.fromstring(svg).iterfind(".//g[@class='series columns']/rect")
    return [float(bar.get("height", "nan")) for bar in bars]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        *(
            (0, [0, 1]),
            (1, [0, 1]),
            (3, [0, 1, 2, 3]),
            (5, [0, 1, 2, 3, 4, 5]),
            (6, [0, 2, 4, 6]),
            (7, [0, 2, 4, 6, 8]),
        ),
        *((10, [0, 2, 4, 6, 8, 10]), (11, [0, 5, 10, 15]), (48_210, [0, 10_000, 20_000, 30_000, 40_000, 50_000])),
    ],
)
def test_an_axis_has_a_few_round_whole_ticks(most, ticks):
    assert axis(most) == ticks


@given(st.integers(0, 10**15))
def test_an_axis_reaches_what_it_must_show(most):
    ticks = axis(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert len(ticks) <= 6


def test_the_columns_of_the_histogram_are_as_high_as_their_counts():
    lag = build(facts(lags=Lags.of([0.5] * 4 + [1.5] * 2))).lag
    assert heights(lag_histogram(lag.histogram)) == pytest.approx(
        [height := heights(lag_histogram(lag.histogram))[0], height / 2, 0, 0, 0, 0, 0, 0], abs=0.01
    )


def test_a_chart_says_in_words_what_it_shows():
    report = build(facts(drift={"missing": KindCount(1200, 1), "stale": KindCount(3, 1)}))
    root = ET.fromstring(drift_by_kind(report.drift.kinds))
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext("title") == "Drifted objects by kind: missing: 1,200, stale: 3"


def test_runs_of_one_day_have_columns_of_their_own():
    run = PreviousRun.of(build(facts()))
    runs = [run.model_copy(update={"drift": drift}) for drift in (1, 2, 4)]
    one, two, four = heights(drift_by_run(runs))
    assert (two, four) == (pytest.approx(2 * one), pytest.approx(4 * one))


def test_without_anything_to_draw_there_is_no_drawing():
    nothing = build(facts())
    assert (lag_histogram(nothing.lag.histogram), drift_by_kind(()), drift_by_run(())) == ("", "", "")


@pytest.mark.parametrize("count", [0, 1, 10**12])
def test_the_charts_take_any_count(count):
    run = PreviousRun.of(build(facts()))
    assert ET.fromstring(drift_by_run([run.model_copy(update={"drift": count})])).tag == "svg"
    assert replace(Lags.of([1]), counts=(count,) * 23).objects == 23 * count


# -- of a verify -------------------------------------------------------------------------------------------------------


def test_a_verify_shows_what_it_told_of_how_many_and_why():
    words = rendered(verified()).words
    assert "Verify of source-bucket" in words
    for said in ("same7", "different1", "cannot tell3", "checksums 5, manifest 2", "because: other-parts 3", "2.0 KiB"):
        assert said.replace(" ", "") in words.replace(" ", "")
    assert "Repairs: different ones, copied again copied1" in words
    assert "Closed: every listed object is accounted for." in words


@pytest.mark.parametrize("unsaid", ["Extras", "Lost events", "Lag p99", "breaker", "Watermark", "copied0"])
def test_a_verify_does_not_show_what_is_about_copying(unsaid):
    assert unsaid not in rendered(verified(), previous_verifies()).words


def previous_verifies():
    run = PreviousRun.of(build(verified()))
    return [run.model_copy(update={"id": "before", "started": run.started - timedelta(days=1)})]


def test_a_verify_is_compared_with_verifies():
    words = rendered(verified(), [*previous_verifies(), *earlier(2)]).words
    assert "Different, or not to be told, by run; this one is the last." in words
    assert "This is the first verify to compare with." in rendered(verified(), earlier(3)).words


@pytest.mark.parametrize(("repair", "said"), [(True, "none was needed"), (False, "none was asked for")])
def test_a_verify_without_repairs_says_why(repair, said):
    payload = {"mode": "verify"} | ({"repair": True} if repair else {})
    assert said in rendered(verified(verify=VerifyCounts(), payload=payload)).words


def test_a_dry_verify_tells_what_it_would_compare_and_read():
    plan = estimate_verify(Load(objects=300, bytes=5 * 1024**3), Capacity(functions=5))
    seen = rendered(verified(dry_run=True, plan=plan, books=BookCounts(listed=300, planned=300), drift={}))
    assert "Dry run of a verify" in seen.words
    for said in ("objects to compare300", "HeadObject600", "bytes to read, at most5.0 GiB", "planned (dry run)300"):
        assert said in seen.words


def test_how_replicas_were_proven_is_a_table_where_it_was_counted():
    words = rendered(facts(proofs={"source-checksum": 800, "unknown": 2})).words
    assert "How current replicas were proven" in words
    assert "source-checksum800" in words
    assert "How current replicas were proven" not in rendered(facts()).words


def test_large_uploads_under_way_have_a_line():
    assert "under way, in large uploads2" in rendered(facts(books=BookCounts(listed=2, uploading=2))).words
