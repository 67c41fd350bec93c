"""Nodes with many tasks as every view shows them; the records are those of real runs."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from nbflow.core.context import current_task
from nbflow.core.events import Event, Kind
from nbflow.core.fanout import Best, Each, FanOut, Variant, Variants
from nbflow.core.policies import OnError, RunOptions
from nbflow.core.record import RunRecord
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.topology import Node, Topology
from nbflow.core.vote import Vote
from nbflow.notebook.frames import Changes
from nbflow.views import html, text
from nbflow.views.body import blocks
from nbflow.views.census import LISTED_MOST, Census
from nbflow.views.dot import dot
from nbflow.views.graph import arrow_lines, graph
from nbflow.views.model import pane, planned, view
from nbflow.views.progress import progress

from .hostile import PAYLOADS, dangers

_KEEP = RunOptions(on_error=OnError.KEEP, jobs=1)


async def recorded(*nodes: Node, **values: Any) -> RunRecord:
    """The record of a run of these nodes, one task at a time."""
    return (await Run(Topology(nodes), values, _KEEP).start()).record


def one(function: Any, *fan_out: FanOut, inputs: tuple[str, ...] = (), **more: Any) -> Node:
    return Node(function.__name__, function, inputs, "prompt", fan_out=fan_out, **more)


def saying(*answers: str) -> Any:
    """A function whose first task gives the first answer, and so on."""
    left = iter(answers)

    async def verdict() -> str:
        return next(left)

    return verdict


def body(record: RunRecord, name: str) -> str:
    return "".join(blocks(pane(record, name)))


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


async def item(doc: str) -> str:
    if doc.startswith("bad"):
        raise ValueError(doc)
    return f"# about {doc}\nmore"


async def test_a_vote_shows_the_winner_the_tally_and_what_it_saved():
    record = await recorded(one(saying("no", "Yes.", "yes", "yes", "never"), Vote(5)))
    shown = words(body(record, "verdict"))
    assert shown == "Yes. agreement 75 % · dissenter 0 · 1 call saved Yes. 3 no 1"


async def test_a_vote_looks_the_same_to_a_terminal():
    record = await recorded(one(saying("yes", "yes", "no", "yes", "no"), Vote(5)))
    assert [line.strip() for line in text(record).splitlines()[3:7]] == [
        "yes",
        "agreement 75 % · dissenter 2 · 1 call saved",
        "3 × yes",
        "1 × no",
    ]


async def test_the_best_of_n_shows_the_winner_and_every_score():
    record = await recorded(one(saying("a", "ccc", "bb"), Best(3, len)))
    assert words(body(record, "verdict")) == "ccc winner 1, score 3 0 · a 1 1 · ccc 3 2 · bb 2"


async def test_scores_below_zero_have_bars_that_css_can_draw():
    record = await recorded(one(saying("a", "ccc", "bb"), Best(3, lambda said: -len(said))))
    shares = re.findall(r"(-?\d+)%,rgba", body(record, "verdict"))
    assert shares == ["67", "0", "33"]


async def test_several_models_stand_side_by_side_with_their_names():
    async def large() -> str:
        return "A **large** answer."

    async def small() -> str:
        raise OSError("not there")

    on = Variants({"large-1": Variant(large), "<small>": Variant(small)})
    record = await recorded(one(large, on))
    shown = body(record, "large")
    assert "<strong>large</strong>" in shown
    assert "&lt;small&gt;" in shown
    assert "OSError: not there" in shown
    assert "✓ large-1  done" in text(record)


async def test_each_lists_its_items_the_failed_ones_first():
    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    record = await recorded(node, docs=["cats", "bad dogs", "mice"])
    assert [(of.label, of.line) for of in pane(record, "item").group.items] == [
        ("1", "ValueError: bad dogs"),
        ("0", "# about cats"),
        ("2", "# about mice"),
    ]
    assert "2 of 3 done · 1 failed" in pane(record, "item").detail


async def test_of_very_many_items_a_few_are_listed_and_the_rest_is_counted():
    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    docs = [*(f"doc {number}" for number in range(100)), "bad end"]
    record = await recorded(node, docs=docs)
    group = pane(record, "item").group
    assert (len(group.items), group.more) == (LISTED_MOST, len(docs) - LISTED_MOST)
    assert group.items[0].label == "100"
    assert [of.label for of in group.items[1:]] == [str(n) for n in range(LISTED_MOST - 1)]
    assert "… 77 more" in words(body(record, "item"))


async def test_the_summary_counts_nodes_and_then_tasks():
    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    record = await recorded(node, one(saying("yes")), docs=["a"] * 1204)
    assert view(record).totals.summary == "2 of 2 done · 1,205 of 1,205 tasks"


async def test_tasks_that_groups_in_a_group_will_have_are_expected_too():
    release, started = asyncio.Event(), asyncio.Event()

    async def item(doc: str) -> str:
        started.set()
        await release.wait()
        return doc

    node = one(item, Each({"doc": "docs"}), Vote(3), inputs=("docs",))
    run = Run(Topology([node]), {"docs": ["a", "b", "c", "d"]}, _KEEP).start()
    await started.wait()
    expected = Census(run.record, 0.0).expected
    release.set()
    await run
    assert expected == 12
    totals = view(run.record).totals
    assert totals.tasks == (run.record.count(State.DONE), len(run.record.tasks))


async def test_the_tokens_of_all_tasks_are_those_of_the_node():
    async def verdict() -> str:
        current = current_task.get()
        assert current is not None
        usage = {"model": "m", "input_tokens": 1, "output_tokens": 10}
        current.emit(Kind.USAGE, usage)
        return "yes"

    record = await recorded(one(verdict, Vote(3)))
    assert "20 tokens" in pane(record, "verdict").detail
    assert view(record).totals.tokens == 20


async def test_one_token_is_one_token():
    async def verdict() -> str:
        current = current_task.get()
        assert current is not None
        current.emit(Kind.USAGE, {"model": "m", "input_tokens": 1, "output_tokens": 1})
        return "yes"

    record = await recorded(one(verdict))
    assert "1 token ·" in pane(record, "verdict").detail
    assert text(record).endswith("1 token")


async def half_way(fan_out: FanOut) -> tuple[Run, asyncio.Event]:
    """A run two of whose tasks are done, while a third has said something."""
    release, said = asyncio.Event(), asyncio.Event()
    left = iter(["no", "yes"])

    async def verdict() -> Any:
        answer = next(left, None)
        if answer is None:
            yield "a first line\nand then"
            said.set()
            await release.wait()
        yield answer or "yes"

    run = Run(Topology([one(verdict, fan_out)]), {}, _KEEP).start()
    await said.wait()
    return run, release


async def test_a_vote_that_goes_on_shows_how_it_stands():
    run, release = await half_way(Vote(7))
    shown, printed = words(body(run.record, "verdict")), text(run.record)
    release.set()
    await run
    assert shown.startswith("so far agreement 50 % · dissenter 1 no 1 yes 1 ✓ 0 no ✓ 1 yes ● 2")
    assert "so far agreement 50 % · dissenter 1\n    1 × no\n    1 × yes\n    ✓ 0 no" in printed
    assert "so far" not in words(body(run.record, "verdict"))


async def test_a_vote_that_goes_on_counts_by_its_own_key():
    gate, left = asyncio.Event(), iter(["Paris!", "Lyon", "it is PARIS", None])

    async def verdict() -> str:
        answer = next(left, None)
        if answer is None:
            await gate.wait()
        return answer or "Nice"

    vote = Vote(7, key=lambda answer: answer.casefold().strip("! ").split()[-1])
    run = Run(Topology([one(verdict, vote)]), {}, _KEEP).start()
    async for event in run.events():
        if event.kind is Kind.STARTED and event.task == "verdict[3]":
            break
    group = pane(run.record, "verdict").group
    gate.set()
    await run
    assert [(own.answer, own.votes) for own in group.answers] == [("Paris!", 2), ("Lyon", 1)]
    assert group.dissenters == (1,)


@pytest.mark.parametrize("fan_out", [Vote(7), Best(7, len)])
async def test_while_it_runs_a_pane_says_how_far_it_is_and_what_is_streaming(fan_out):
    run, release = await half_way(fan_out)
    shown = pane(run.record, "verdict")
    assert shown.state is State.RUNNING
    assert "2 of 7 done" in shown.detail
    assert [(of.state, of.line) for of in shown.group.items] == [
        (State.DONE, "no"),
        (State.DONE, "yes"),
        (State.RUNNING, "and then"),
    ]
    release.set()
    await run


async def test_a_cancelled_each_lacks_what_it_never_came_to_in_the_header_as_in_its_pane():
    said, held = asyncio.Event(), asyncio.Event()

    async def item(doc: str) -> str:
        if doc == "3":
            said.set()
            await held.wait()
        return doc

    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    run = Run(Topology([node]), {"docs": [str(n) for n in range(40)]}, _KEEP).start()
    await said.wait()
    run.cancel("item")
    await run
    assert "3 of 40 done" in pane(run.record, "item").detail
    assert "3 of 40 tasks" in view(run.record).totals.summary


async def test_of_a_vote_that_is_over_early_only_what_was_needed_counts():
    record = await recorded(one(saying("no", "yes", "yes", "yes"), Vote(5)))
    assert "4 of 4 done" in pane(record, "verdict").detail
    assert view(record).totals.summary == "1 of 1 done · 4 of 4 tasks"


def making(task_output: Any, result: Any = "said") -> Any:
    async def item(doc: str) -> Any:
        current = current_task.get()
        assert current is not None
        current.emit(Kind.OUTPUT, task_output(doc))
        return result

    return one(item, Each({"doc": "docs"}), inputs=("docs",))


def printed(doc: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": f"looking\nat <b>{doc}</b>\n"}


def plotted(_doc: str) -> dict[str, Any]:
    picture = "iVBORw0KGgo" + "A" * 150_001
    return {"output_type": "display_data", "data": {"image/png": picture, "text/plain": "fig"}}


async def test_what_the_members_of_an_each_print_and_display_is_in_their_details():
    shown = body(await recorded(making(printed), docs=["cats", "mice"]), "item")
    assert shown.count("<details>") == 2
    assert "at &lt;b&gt;mice&lt;/b&gt;" in shown
    shown = body(await recorded(making(plotted), docs=["cats"]), "item")
    assert shown.count("data:image/png;base64,") == 1


async def test_the_text_says_briefly_what_members_print_and_display():
    record = await recorded(making(printed), docs=["cats"])
    assert "        printed: at <b>cats</b>" in text(record).splitlines()
    record = await recorded(making(plotted), docs=["cats"])
    assert "        printed: [image/png]" in text(record).splitlines()


async def test_members_that_display_very_much_are_cut_short():
    shown = body(await recorded(making(plotted), docs=["a"] * 20), "item")
    assert shown.count("data:image/png;base64,") == 3
    assert shown.count("more output than is shown here") == 17
    assert len(shown) < 700_000


async def test_what_several_models_print_stands_with_their_answers():
    async def large() -> str:
        current = current_task.get()
        assert current is not None
        current.emit(Kind.OUTPUT, printed("cats"))
        return "an answer"

    record = await recorded(one(large, Variants({"large-1": Variant(large)})))
    assert "looking at &lt;b&gt;cats&lt;/b&gt;" in words(body(record, "large"))
    assert "printed: at <b>cats</b>" in text(record)


async def test_while_a_member_goes_on_its_line_is_what_it_printed_last():
    said, held = asyncio.Event(), asyncio.Event()

    async def item(doc: str) -> str:
        current = current_task.get()
        assert current is not None
        current.emit(Kind.OUTPUT, printed(doc))
        said.set()
        await held.wait()
        return doc

    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    run = Run(Topology([node]), {"docs": ["cats"]}, _KEEP).start()
    await said.wait()
    assert pane(run.record, "item").group.items[0].line == "at <b>cats</b>"
    held.set()
    await run


async def test_a_failed_member_has_its_traceback_to_open():
    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    shown = body(await recorded(node, docs=["bad <dogs>", "cats"]), "item")
    assert "Traceback (most recent call last)" in shown
    assert "bad &lt;dogs&gt;" in shown


async def test_a_members_text_opens_below_its_first_line():
    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    shown = words(body(await recorded(node, docs=["**cats**"]), "item"))
    assert shown == "✓ 0 # about cats ▾ about cats more"


async def test_without_graphviz_the_graph_in_words_says_how_nodes_become_many(monkeypatch):
    monkeypatch.setattr("nbflow.views.drawing.svg_of", lambda _dot: None)
    record = await recorded(one(saying("yes", "yes"), Vote(3)), Node("after", len, ("verdict",)))
    assert "verdict (vote of 3 · 2) → after" in html(record)
    assert arrow_lines(graph(planned(Topology([one(saying(), Vote(5))])))) == [
        "verdict (vote of 5)"
    ]


async def test_a_group_is_one_box_that_counts():
    run, release = await half_way(Vote(7))
    (box,) = graph(run.record).boxes
    assert (box.label, progress(run.record, box).note) == ("verdict", "vote of 7 · 2/7")
    assert "vote of 7 · 888/888" in dot(graph(run.record))
    release.set()
    await run


async def test_once_all_are_done_the_box_says_how_many_there_were():
    node = one(item, Each({"doc": "docs"}), inputs=("docs",))
    record = await recorded(node, docs=["a"] * 12)
    box = graph(record).boxes[-1]
    assert progress(record, box).note == "for doc in docs · 12"


async def test_an_input_that_is_not_needed_any_more_says_so_everywhere():
    async def quick() -> str:
        return "quick"

    async def slow() -> str:
        await asyncio.Event().wait()
        return "never"

    async def first(quick: str = "", slow: str = "") -> str:
        return quick or slow

    join = Node("first", first, ("quick", "slow"), wait=1, optional=frozenset({"quick", "slow"}))
    run = await Run(Topology([one(slow), one(quick), join]), {}, RunOptions()).start()
    record = run.record
    assert pane(record, "slow").state is State.CANCELLED
    assert words(body(record, "slow")) == "not needed any more"
    assert "    not needed any more" in text(record).splitlines()
    assert "joins any of 2: quick, slow" in pane(record, "first").detail
    boxes = {box.names[0]: box for box in graph(record).boxes}
    assert "not needed any more" in progress(record, boxes["slow"]).title
    assert progress(record, boxes["first"]).note == "any of 2"


async def test_a_flow_that_has_not_run_says_how_its_nodes_become_many():
    join = Node("both", len, ("verdict", "b", "c"), wait=2)
    nodes = [one(saying(), Vote(5)), Node("b", len), Node("c", len), join]
    record = planned(Topology(nodes))
    notes = [progress(record, box).note for box in graph(record).boxes]
    assert notes == ["vote of 5", "", "", "2 of 3"]
    assert pane(record, "verdict").detail == "prompt · vote of 5"


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("fan_out", [Vote(2), Best(2, len), "each", "variants"])
async def test_no_answer_label_or_error_lets_anything_through(payload, fan_out):
    async def verdict(topic: str = "") -> str:
        return payload

    async def failing(topic: str = "") -> str:
        raise ValueError(payload)

    inputs: tuple[str, ...] = ()
    if fan_out == "each":
        fan_out, inputs = Each({"topic": "topics"}), ("topics",)
    elif fan_out == "variants":
        fan_out = Variants({payload: Variant(verdict), "b": Variant(failing)})
    record = await recorded(one(verdict, fan_out, inputs=inputs), topics=[payload])
    assert dangers(html(record)) == []


async def test_what_a_task_does_makes_the_pane_of_its_node_news():
    node, heard = one(saying("yes", "yes"), Vote(3)), list[Event]()
    after = Node("after", len, ("verdict",))
    run = Run(Topology([node, after]), {}, _KEEP)
    run.listen(heard.append)
    await run.start()
    told = Changes(run.record, lambda: 0.0)
    of_members = [event for event in heard if event.task in run.record.tasks]
    for event in of_members:
        if event.node == "verdict":
            told.note(event)
    frame = told.newest(1.0)
    assert [news["branch"] for news in frame["panes"]] == ["verdict"]
    assert frame["panes"][0]["count"] == "2"


async def test_a_frame_counts_all_tasks_that_are_running():
    run, release = await half_way(Vote(7))
    told = Changes(run.record, lambda: 0.0)
    assert told.everything(1.0)["run"]["running"] == 1
    release.set()
    await run
    assert told.newest(1.0)["run"]["running"] == 0
