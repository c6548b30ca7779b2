"""The view is drawn on recording consoles: a terminal of 120 x 40, and a pipe."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.odd_keys import ODD_KEYS
from tests.sandbox.live_view import KEY_CELLS, LiveView, Snapshot, amount, line, panel, shown_key

BUSY = Snapshot(
    stage="uploading",
    seconds=10.0,
    planned=400,
    changed=300,
    bytes_changed=64 << 20,
    settled=200,
    objects_per_second=20.04,
    bytes_per_second=5 << 20,
    replicated=180,
    bytes_replicated=50 << 20,
    tags_replicated=3,
    deleted=4,
    skipped={"superseded": 29, "current": 1},
    failed={"access-denied": 2},
    waiting=60,
    in_flight=20,
    delayed=5,
    dead_letters=1,
    lag_p50=0.42,
    lag_p99=2.06,
    lately=("a", "b", "c", "d"),
)


def drawn(snapshot: Snapshot, width: int = 120) -> str:
    console = Console(record=True, width=width, height=40, file=io.StringIO(), force_terminal=True)
    console.print(panel(snapshot))
    return console.export_text()


@pytest.mark.parametrize(
    "said",
    [
        "uploading, 10 s",
        "300/400  64.0 MiB",
        "200/400  20.0/s  5.0 MiB/s",
        "180 objects, 50.0 MiB",
        "tag changes 3, deletes 4 (and 5 waiting to be confirmed)",
        "current 1, superseded 29",
        "access-denied 2",
        "waiting 60, in flight 20, delayed 5, dead letters 1",
        "p50 0.4 s, p99 2.1 s",
    ],
)
def test_the_panel_tells_events_queue_outcomes_lag_and_throughput(said: str) -> None:
    assert said in drawn(BUSY)


def test_the_panel_shows_the_newest_keys_only() -> None:
    text = drawn(BUSY)
    assert [row.strip("│ ").split()[-1] for row in text.splitlines()[-4:-1]] == ["b", "c", "d"]


def test_a_view_of_nothing_can_be_drawn() -> None:
    assert "nothing yet" in drawn(Snapshot("starting"))
    assert "not yet known" in drawn(Snapshot("starting"))


def test_every_line_fits_the_terminal_whatever_the_keys_are() -> None:
    for width in (60, 80, 120):
        text = drawn(Snapshot("x", lately=("k" * 1024, "[bold]", "\U0001f680" * 256)), width)
        assert len(text.splitlines()) == 13
        assert "Tags, deletes" in text


@pytest.mark.parametrize("key", ["[red]not markup[/red]", "[/]", "[link=http://x]y[/link]", "\\[bold]"])
def test_a_key_that_looks_like_markup_is_shown_as_it_is(key: str) -> None:
    assert shown_key(key) in drawn(Snapshot("x", lately=(key,)))


@pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_no_key_reaches_the_terminal_with_control_characters(key: str) -> None:
    assert shown_key(key).isprintable()
    assert cell_len(shown_key(key)) <= KEY_CELLS
    output = io.StringIO()
    Console(file=output, width=120, force_terminal=True, color_system=None).print(panel(Snapshot("x", lately=(key,))))
    assert output.getvalue().replace("\n", "").isprintable()


def test_on_a_terminal_the_panel_is_redrawn() -> None:
    output = io.StringIO()
    with LiveView(Console(file=output, force_terminal=True, width=120)) as view:
        view.show(BUSY)
    assert "180 objects" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_in_a_pipe_there_are_plain_lines_one_a_stage_and_then_one_every_few_seconds() -> None:
    output, now = io.StringIO(), [0.0]
    with LiveView(Console(file=output, width=80), clock=lambda: now[0]) as view:
        for now[0] in (0.0, 1.0, 4.9, 5.0, 6.0):
            view.show(BUSY)
        view.show(Snapshot("settling"))
    lines = output.getvalue().splitlines()
    assert [said.split(",")[0] for said in lines] == ["uploading", "uploading", "settling"]
    assert "\x1b" not in output.getvalue()


def test_a_line_says_what_the_panel_says() -> None:
    assert line(BUSY) == (
        "uploading, 10 s: 300 of 400 changes made; 180 replicated (50.0 MiB); "
        "tag changes 3, deletes 4 (and 5 waiting to be confirmed); skipped current 1, superseded 29; "
        "failed access-denied 2; queue waiting 60, in flight 20, delayed 5, dead letters 1; lag p50 0.4 s, p99 2.1 s"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (64 << 20, "64.0 MiB"),
        (50 << 40, "50.0 TiB"),
        (1 << 60, "1048576.0 TiB"),
    ],
)
def test_sizes_are_in_units_that_a_person_reads(size: float, text: str) -> None:
    assert amount(size) == text
