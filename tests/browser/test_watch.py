"""Watched runs of the Graph and the Functional API, and of LangGraph, as a person meets them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .page import NotebookPage
from .servers import FrontEnd

# In one front end: the other tests of boards and builders show that both do the same.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("server", [FrontEnd.LAB], indirect=True),
]

SETUP = """\
%load_ext nbflow
import time
from typing import TypedDict
import nbflow
from nbflow.func import entrypoint, task
from nbflow.graph import START, StateGraph
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import StateGraph as Theirs

class Slow(GenericFakeChatModel):
    def _stream(self, *args, **options):
        for chunk in super()._stream(*args, **options):
            time.sleep(0.15)
            yield chunk

def says(what):
    words = " ".join(f"{what}-{number}" for number in range(15))
    return Slow(messages=iter([AIMessage(words)])).invoke("Say something.").content

class State(TypedDict, total=False):
    joke: str
    poem: str

def joke(state): return {"joke": says("joke")}
def poem(state): return {"poem": says("poem")}

def graph_of(kind):
    builder = kind(State)
    for node in (joke, poem):
        builder.add_node(node)
        builder.add_edge(START, node.__name__)
    return builder.compile(name="cats")

graph, theirs = graph_of(StateGraph), nbflow.watch(graph_of(Theirs))
outer = StateGraph(State)
outer.add_node("sub", graph)
outer.add_edge(START, "sub")
outer = outer.compile(name="outer")

@task
def write(what): return says(what)

@task
def short(text): return text[:6]

@entrypoint()
def workflow(what): return short(write(what)).result()
"""


@pytest.mark.parametrize(
    "cell",
    [
        "%%watch\ngraph.invoke({});",
        "with nbflow.watch():\n    for _ in graph.stream({}): pass",
        "%%watch\nawait graph.ainvoke({});",
        "nbflow.watch(graph).invoke({});",
        "theirs.invoke({});",
        "await theirs.ainvoke({});",
    ],
)
def test_what_a_chat_model_says_streams_into_the_pane_of_its_node(
    notebook: NotebookPage, cell: str
) -> None:
    notebook.open_new("watch.ipynb", SETUP, cell)
    notebook.run_to_end(0, 1)
    notebook.run(1)
    for name in ("joke", "poem"):
        notebook.wait_pane(1, name, f"{name}-3")
        expect(notebook.pane(1, name)).not_to_contain_text(f"{name}-14")
    assert notebook.is_running(1)
    notebook.wait_prompt(1, "[2]")
    notebook.wait_state(1, "done")
    for name in ("joke", "poem"):
        expect(notebook.pane(1, name)).to_contain_text(f"{name}-14")


def test_the_graph_of_an_entrypoint_grows_as_its_tasks_are_called(notebook: NotebookPage) -> None:
    notebook.open_new("entrypoint.ipynb", SETUP, "%%watch\nworkflow.invoke('joke')")
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "write", "joke-3")
    expect(notebook.board(1).locator('g.node[data-branch="short"]')).to_have_count(1)
    expect(notebook.board(1).locator("g.edge")).to_have_count(1)  # the future that was passed
    notebook.wait_prompt(1, "[2]")
    expect(notebook.output(1)).to_contain_text("'joke-0'")


def test_a_graph_in_a_graph_has_its_nodes_in_its_frame(notebook: NotebookPage) -> None:
    notebook.open_new("nested.ipynb", SETUP, "%%watch\nawait outer.ainvoke({});")
    notebook.run_to_end(0, 1)
    notebook.run(1)
    notebook.wait_pane(1, "sub:joke", "joke-1")
    frame = notebook.board(1).locator("g.cluster").bounding_box()
    assert frame is not None
    for name in ("sub:joke", "sub:poem", "sub"):
        box = notebook.board(1).locator(f'g.node[data-branch="{name}"]').bounding_box()
        assert box is not None
        assert frame["x"] < box["x"]
        assert box["x"] + box["width"] < frame["x"] + frame["width"]
        assert frame["y"] < box["y"]
        assert box["y"] + box["height"] < frame["y"] + frame["height"]


def test_panes_stand_side_by_side_where_nobody_trusts_the_notebook(notebook: NotebookPage) -> None:
    """A front end takes out of a style what it doesn't know, and left the panes ragged."""
    notebook.open_new("untrusted.ipynb", SETUP, "%%watch\ngraph.invoke({});")
    notebook.run_to_end(0, 1)
    notebook.run_to_end(1, 2)
    notebook.wait_state(1, "done")
    notebook.save()
    notebook.reopen_without_kernel(trusted=False)
    panes = notebook.output(1).locator(".nbflow-pane")
    expect(panes).to_have_count(2)
    joke, poem = (box for pane in panes.all() if (box := pane.bounding_box()) is not None)
    assert joke["y"] == poem["y"]
    assert abs(joke["width"] - poem["width"]) < 2  # they differ by the line between them
