"""When everything happened, as rows of bars."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.events import Kind
from nbflow.core.record import RunRecord
from nbflow.core.states import RunState, State
from nbflow.views.bars import timeline_html
from nbflow.views.html import html
from nbflow.views.timeline import (
    MEMBERS_MOST,
    ROWS_MOST,
    Timeline,
    scale_of,
    ticks_of,
    timeline,
)
from tests.views.hostile import PAYLOADS, dangers
from tests.views.records import Story


def spans(drawn: Timeline, branch: str) -> list[tuple[str, float, float | None]]:
    (row,) = (row for row in drawn.rows if row.branch == branch)
    return [(span.kind, span.start, span.end) for span in row.spans]


def retrying(story: Story, node: str, at: float, delay: float, attempt: int = 2) -> None:
    data = {"type": "E", "message": "no", "traceback": ""}
    story.say(Kind.RETRYING, node, at, attempt=attempt, delay=delay, **data)


def test_each_attempt_has_a_bar_and_so_has_the_time_between_them():
    story = Story({"facts": ()})
    story.start("facts", 0.2)
    retrying(story, "facts", 0.5, 0.1)
    retrying(story, "facts", 0.9, 0.4, attempt=3)
    story.done("facts", "at last", 1.5)
    drawn = timeline(story.record)
    assert spans(drawn, "facts") == [
        ("waiting", 0.0, 0.2),
        ("failed", 0.2, 0.5),
        ("retrying", 0.5, 0.6),
        ("failed", 0.6, 0.9),
        ("retrying", 0.9, pytest.approx(1.3)),
        ("done", pytest.approx(1.3), 1.5),
    ]
    assert "3 attempts" in drawn.rows[0].title


def test_what_goes_on_has_no_end_yet():
    story = Story({"joke": (), "poem": ()})
    story.start("joke", 0.1)
    drawn = timeline(story.record)
    assert spans(drawn, "joke") == [("waiting", 0.0, 0.1), ("running", 0.1, None)]
    assert spans(drawn, "poem") == [("waiting", 0.0, None)]


def test_a_branch_cancelled_while_it_waits_to_be_tried_again_ends_there():
    story = Story({"facts": ()})
    story.start("facts", 0.0)
    retrying(story, "facts", 1.0, 60.0)
    story.say(Kind.CANCELLED, "facts", 2.0)
    assert spans(timeline(story.record), "facts") == [("failed", 0.0, 1.0), ("retrying", 1.0, 2.0)]


def test_what_was_kept_from_an_earlier_run_has_no_bar_and_says_so():
    story = Story({"joke": ()})
    story.start("joke")
    story.done("joke", "Ha.", 0.0, reused=True)
    (row,) = timeline(story.record).rows
    assert row.spans == ()
    assert "kept from an earlier run" in row.title


def test_the_critical_path_is_marked():
    story = Story({"joke": (), "poem": (), "both": ("joke", "poem")})
    for name, end in (("joke", 1.0), ("poem", 2.0)):
        story.start(name)
        story.done(name, "x", end)
    story.start("both", 2.0)
    story.done("both", "x", 3.0)
    story.end("done", 3.0)
    drawn = timeline(story.record)
    assert {row.branch for row in drawn.rows if row.is_critical} == {"poem", "both"}
    assert "critical path: poem → both" in timeline_html(drawn, 3.0)


def grouped(count: int, failed: int) -> RunRecord:
    story = Story({"page": ()})
    record = story.record
    del record.tasks["page"]
    story.say(Kind.QUEUED, "page", group="each", label="for n in ns", size=count)
    story.say(Kind.STARTED, "page", size=count)
    for number in range(count):
        key = f"page[{number}]"
        data = {"type": "E", "message": "no", "traceback": ""} if number == failed else {"text": ""}
        kind = Kind.FAILED if number == failed else Kind.DONE
        for one, more in ((Kind.QUEUED, {"of": "page"}), (Kind.STARTED, {}), (kind, data)):
            event = story.say(Kind.USAGE, None)._replace(kind=one, node="page", task=key, data=more)
            record.apply(event._replace(time=number / count if one is Kind.DONE else 0.0))
    story.say(Kind.DONE, "page", 1.0)
    story.end("done", 1.0)
    return record


def test_many_tasks_of_a_node_are_one_row_with_some_of_them_below():
    drawn = timeline(grouped(1000, failed=3))
    (row,) = drawn.rows
    assert "1,000 tasks" in row.title
    assert len(row.members) == MEMBERS_MOST
    assert [member.label for member in row.members if member.state is State.FAILED] == ["3"]
    assert row.members[-1].label == "999"


def test_of_very_many_nodes_those_that_failed_and_took_longest_have_rows():
    story = Story({f"b{number}": () for number in range(500)})
    for number in range(500):
        story.start(f"b{number}")
        if number == 400:
            story.fail(f"b{number}", "E", "no", 0.5)
        else:
            story.done(f"b{number}", "x", 9.0 if number == 300 else 0.5)
    story.end("failed", 9.0)
    drawn = timeline(story.record)
    branches = [row.branch for row in drawn.rows]
    assert len(branches) == ROWS_MOST
    assert {"b0", "b300", "b400"} <= set(branches)
    assert drawn.notes[0] == "… 476 more branches"


@given(st.floats(0, 1e6))
def test_everything_fits_the_axis_and_little_is_left_over(seconds):
    scale = scale_of(seconds)
    marks = ticks_of(scale)
    assert scale >= seconds * (1 - 1e-9)
    assert scale <= max(0.1, 2.0 * seconds + 1e-9)
    assert marks[0] == 0.0
    assert marks[-1] == pytest.approx(scale)
    assert 3 <= len(marks) <= 6


def test_a_row_of_bars_is_never_longer_than_its_axis():
    story = Story({"facts": (), "joke": ()})
    story.start("facts", 0.3)
    retrying(story, "facts", 1.0, 60.0)
    story.start("joke", 0.1)
    for row in timeline_html(timeline(story.record), 2.0).split('class="nbflow-row"')[1:]:
        bars = row.split("font-size:11px")[0]
        assert sum(float(part) for part in re.findall(r"width:([\d.]+)%", bars)) <= 100.01


def test_a_single_branch_has_no_timeline_but_its_attempts_have():
    story = Story({"joke": ()})
    story.start("joke", 0.1)
    assert timeline_html(timeline(story.record), 1.0) == ""
    retrying(story, "joke", 0.5, 0.1)
    assert timeline_html(timeline(story.record), 1.0) != ""


def test_the_saved_board_has_the_timeline_and_nothing_hostile_gets_through():
    story = Story(dict.fromkeys(PAYLOADS, ()))
    for payload in PAYLOADS:
        story.start(payload)
        story.fail(payload, payload, payload)
    story.record.state = RunState.FAILED
    made = html(story.record)
    assert 'class="nbflow-timeline"' in made
    assert dangers(made) == []


def test_a_board_of_twenty_four_panes_is_small():
    story = Story({f"branch_{number}": ("x",) for number in range(24)}, x="cats")
    for number in range(24):
        story.start(f"branch_{number}")
        story.done(f"branch_{number}", ("word " * 20 + "\n\n") * 10)
    story.end("done")
    assert len(html(story.record)) < 200_000


def test_a_board_of_ten_thousand_nodes_is_bounded_and_counts_the_rest():
    story = Story({f"b{number}": () for number in range(10_000)})
    for number in range(10_000):
        story.start(f"b{number}")
        if number == 9_000:
            story.fail(f"b{number}", "ValueError", "the one that failed")
        else:
            story.done(f"b{number}", "said " * 200)
    story.end("failed")
    made = html(story.record)
    assert len(made) < 200_000
    assert "the one that failed" in made
    assert "… 9,940 more" in made
