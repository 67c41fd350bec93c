"""A run that grows while somebody looks: new panes, in their order, and a graph that is redrawn."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from nbflow.core.events import Event, Kind
from nbflow.views import live_svg
from nbflow.views.graph import LEGEND, graph
from nbflow.views.layout import graphviz_executable
from tests.js.shown import Shown
from tests.views.records import Story

pytestmark = pytest.mark.browser

needs_graphviz = pytest.mark.skipif(graphviz_executable() is None, reason="no Graphviz here")


def come(
    story: Story, name: str, *inputs: str, kind: str = "python", perhaps: tuple[str, ...] = ()
) -> Event:
    """A node that comes, or changes, while the run goes on."""
    described = {"name": name, "kind": kind, "inputs": (*inputs, *perhaps), "perhaps": perhaps}
    number = len(story.log)
    event = Event(
        "r1", number, Kind.NODE, None, None, 0.0, 0.0, {**described, "source": "", "detail": ""}
    )
    story.log.append(event)
    story.record.apply(event)
    return event


def redraw(shown: Shown) -> None:
    drawn = graph(shown.story.record)
    told = {"svg": live_svg(shown.story.record, drawn), "legend": drawn.legend}
    shown.page.evaluate("window.frame", {"graph": told})


@pytest.fixture
def story() -> Story:
    story = Story({"work": ()}, kind="entrypoint")
    story.start("work")
    return story


def test_a_node_that_comes_has_a_pane_before_the_entrypoints(page: Page, story: Story) -> None:
    shown = Shown(page, story)
    shown.tell(come(story, "joke"), story.say(Kind.QUEUED, "joke"), story.start("joke"))
    shown.tell(come(story, "poem"), story.say(Kind.QUEUED, "poem"))
    names = page.locator(".nbflow-pane").evaluate_all("all => all.map(one => one.dataset.branch)")
    assert names == ["joke", "poem", "work"]
    expect(shown.pane("joke")).to_have_attribute("data-state", "running")
    shown.tell(story.chunk("joke", "Why did"))
    expect(shown.text("joke")).to_contain_text("Why did")
    assert shown.problems == []


def test_a_pane_that_becomes_a_join_moves_below_the_others(page: Page, story: Story) -> None:
    shown = Shown(page, story)
    names = ("both", "joke", "poem")
    shown.tell(*(come(story, name) for name in names))
    shown.tell(come(story, "both", "joke", "poem"))
    expect(page.locator(".nbflow-joins .nbflow-pane").first).to_have_attribute(
        "data-branch", "both"
    )
    expect(page.locator(".nbflow-pane")).to_have_count(4)


def test_what_the_run_did_not_come_to_is_skipped_at_its_end(page: Page, story: Story) -> None:
    shown = Shown(page, story)
    shown.tell(come(story, "left"))
    expect(shown.pane("left")).to_have_attribute("data-state", "queued")
    shown.tell(story.done("work", "all"), story.end("done"))
    expect(shown.pane("left")).to_have_attribute("data-state", "skipped")


@needs_graphviz
def test_the_graph_is_drawn_anew_with_its_dashes_explained(page: Page, story: Story) -> None:
    shown = Shown(page, story)
    shown.tell(come(story, "gate"), come(story, "joke", perhaps=("gate",)))
    redraw(shown)
    expect(page.locator("g.node")).to_have_count(3)
    expect(page.locator("g.edge[data-conditional]")).to_have_count(1)
    expect(page.locator(".nbflow-legend")).to_contain_text(LEGEND)


@needs_graphviz
def test_a_box_says_how_many_calls_its_node_had(page: Page, story: Story) -> None:
    shown = Shown(page, story)
    shown.tell(come(story, "rate"), story.say(Kind.QUEUED, "rate"), story.start("rate"))
    again = story.say(Kind.CHUNK, "rate", text="")._replace(
        kind=Kind.QUEUED, task="rate[1]", data={"call": 1}
    )
    story.record.apply(again)
    redraw(shown)
    shown.tell(again, story.done("rate", "7"))
    note = page.locator("g.node[data-branch='rate'] text").nth(1)
    expect(note).to_have_text("1/2 calls")
