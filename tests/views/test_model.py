from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.events import Kind
from nbflow.core.states import State
from nbflow.core.topology import Node, Topology
from nbflow.views.model import column_pixels, pane, planned, view
from nbflow.views.words import GLYPHS, clean, clean_name

from .records import Story


def test_every_state_has_a_glyph_of_its_own():
    assert set(GLYPHS) == set(State)
    assert len(set(GLYPHS.values())) == len(State)


def test_panes_stand_in_declared_order_under_generated_ids():
    story = Story({"zebra": (), "ape": ("zebra",), "": ()})
    panes = view(story.record).panes
    assert [(pane.id, pane.branch) for pane in panes] == [
        ("n0", "zebra"),
        ("n1", "ape"),
        ("n2", ""),
    ]


def test_a_queued_branch_says_what_it_still_waits_for():
    story = Story({"joke": (), "poem": (), "both": ("joke", "poem")})
    story.start("joke")
    story.done("joke", "Ha.")
    assert pane(story.record, "both").detail == "prompt · waits for poem"


def test_a_join_says_what_it_joined():
    story = Story({"joke": (), "poem": (), "both": ("joke", "poem")})
    story.start("both")
    assert pane(story.record, "both").detail == "prompt · joins joke, poem"
    assert pane(story.record, "both").is_join
    assert not pane(story.record, "joke").is_join


def test_tokens_and_their_rate_stand_under_the_name():
    story = Story({"joke": ()})
    story.start("joke")
    story.say(Kind.USAGE, "joke", 1.0, model="m", input_tokens=5, output_tokens=48)
    story.done("joke", "Ha.", at=1.2)
    assert pane(story.record, "joke").detail == "prompt · 48 tokens · 40/s"


def test_a_second_attempt_is_named():
    story = Story({"joke": ()})
    story.start("joke")
    story.say(
        Kind.RETRYING, "joke", attempt=2, type="OSError", message="no", traceback="", delay=0.1
    )
    assert pane(story.record, "joke").detail == "prompt · attempt 2"


def test_time_runs_on_until_the_run_ends():
    story = Story({"joke": ()})
    story.start("joke", at=1.0)
    assert view(story.record, now=3.0).panes[0].elapsed == 2.0
    assert view(story.record, now=3.0).totals.elapsed == 3.0
    story.done("joke", "Ha.", at=4.0)
    story.end("done", at=4.0)
    assert view(story.record, now=99.0).totals.elapsed == 4.0


def test_the_summary_counts_every_branch_that_did_not_get_through():
    story = Story({"a": (), "b": (), "c": ("b",), "d": ()})
    story.start("a")
    story.done("a", "")
    story.start("b")
    story.fail("b", "ValueError", "no")
    story.say(Kind.SKIPPED, "c", because=["b"])
    story.say(Kind.CANCELLED, "d")
    assert view(story.record).totals.summary == "1 of 4 done · 1 failed · 1 cancelled · 1 skipped"


def test_speedup_is_work_by_elapsed_time():
    story = Story({"a": (), "b": ()})
    for name in "ab":
        story.start(name)
    for name in "ab":
        story.done(name, "", at=2.0)
    totals = view(story.record).totals
    assert (totals.work, totals.elapsed, totals.speedup) == (4.0, 2.0, 2.0)


def test_a_flow_that_has_not_run_is_all_queued():
    record = planned(Topology([Node("joke", len, inputs=("topic",)), Node("poem", len)]), "cats")
    assert [pane.state for pane in view(record).panes] == [State.QUEUED, State.QUEUED]


@pytest.mark.parametrize("branches", range(1, 40))
def test_no_column_is_wider_than_a_narrow_cell_can_hold(branches):
    story = Story({f"b{n}": () for n in range(branches)})
    assert 180 <= column_pixels(story.record) <= 360


@given(st.text())
def test_what_is_clean_can_be_encoded_and_stays_clean(text):
    assert clean(text).encode("utf-8")[:0] == b""
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])))
def test_printable_text_is_left_as_it_is(text):
    assert clean(text) == text


@given(st.text())
def test_a_clean_name_is_one_line_in_one_direction(text):
    name = clean_name(text)
    assert len(name.splitlines()) <= 1 or "\x85" not in name
    assert not set(name) & set("\n\r\u202e\u2066\u2028")
