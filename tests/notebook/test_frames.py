from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core.context import current_task
from nbflow.core.events import Kind
from nbflow.notebook.frames import BUDGET_SECONDS, REST, Changes, Pacer
from tests.views.records import Story


class Loop:
    """An event loop's clock and timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Any] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, callback: Any, *, context: Any = None) -> Any:
        timer = Timer(at, lambda: context.run(callback))
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [t for t in self.timers if t.at <= until and not t.cancelled]:
            timer = min(due, key=lambda t: t.at)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.callback()
        self.now = max(self.now, until)


class Timer:
    def __init__(self, at: float, callback: Any) -> None:
        self.at, self.callback, self.cancelled = at, callback, False

    def cancel(self) -> None:
        self.cancelled = True


def pacer(loop: Loop, takes: float = 0.0, more: bool = False) -> tuple[Pacer, list[float]]:
    drawn: list[float] = []

    def draw() -> bool:
        drawn.append(round(loop.now, 6))
        loop.now += takes
        return more

    return Pacer(draw, 0.1, loop), drawn  # type: ignore[arg-type]


def test_the_first_change_is_drawn_at_once_and_a_flood_at_the_period():
    loop = Loop()
    paced, drawn = pacer(loop)
    for _ in range(100):
        paced.ask()
        loop.advance(0.01)
    assert drawn[:4] == [0.0, 0.1, 0.2, 0.3]


def test_nothing_is_drawn_while_nothing_changes():
    loop = Loop()
    paced, drawn = pacer(loop)
    paced.ask()
    loop.advance(10)
    assert drawn == [0.0]


def test_slow_frames_leave_the_loop_most_of_the_time():
    loop = Loop()
    paced, drawn = pacer(loop, takes=1.0, more=True)
    paced.ask()
    loop.advance(20)
    assert drawn[:3] == [0.0, 1.0 + REST, 2 * (1.0 + REST)]


def test_a_stopped_pacer_never_draws_again():
    loop = Loop()
    paced, drawn = pacer(loop)
    paced.ask()
    paced.stop()
    paced.ask()
    loop.advance(1)
    assert drawn == []


def test_a_frame_is_not_drawn_in_the_context_of_the_branch_that_asked():
    loop = Loop()
    seen: list[object] = []
    paced = Pacer(lambda: bool(seen.append(current_task.get())), 0.1, loop)  # type: ignore[arg-type]
    token = current_task.set(object())  # type: ignore[arg-type]
    try:
        paced.ask()
        loop.advance(1)
    finally:
        current_task.reset(token)
    assert seen == [None]


def changes(story: Story, clock: Any = lambda: 0.0) -> Changes:
    return Changes(story.record, clock)


def test_only_what_changed_is_told():
    story = Story({"joke": (), "poem": ()})
    told = changes(story)
    told.note(story.start("joke"))
    assert [pane["branch"] for pane in told.newest(0.0)["panes"]] == ["joke"]
    assert not told.pending


def test_the_blocks_a_view_has_are_not_told_again():
    story = Story({"joke": ()})
    told = changes(story)
    told.note(story.start("joke"))
    told.note(story.chunk("joke", "one\n\ntwo\n\nthree"))
    told.newest(0.0)
    told.note(story.chunk("joke", " more"))
    (pane,) = told.newest(0.0)["panes"]
    assert (pane["from"], len(pane["blocks"])) == (2, 1)


def test_a_branch_that_ends_makes_those_that_waited_for_it_news():
    story = Story({"joke": (), "both": ("joke",)})
    told = changes(story)
    told.note(story.start("joke"))
    told.note(story.done("joke", "Ha."))
    assert [pane["branch"] for pane in told.newest(0.0)["panes"]] == ["joke", "both"]


def test_what_does_not_fit_a_frame_comes_with_the_next():
    story = Story({f"b{number}": () for number in range(10)})
    seconds = itertools.count(0.0, BUDGET_SECONDS / 3)
    told = changes(story, lambda: next(seconds))
    for number in range(10):
        told.note(story.start(f"b{number}"))
    frames = []
    while told.pending:
        frames.append([pane["branch"] for pane in told.newest(0.0)["panes"]])
    assert len(frames) > 1
    assert [name for frame in frames for name in frame] == [f"b{number}" for number in range(10)]


def apply(state: dict[str, Any], frame: dict[str, Any]) -> None:
    """What board.js does."""
    for news in frame["panes"]:
        (pane,) = (pane for pane in state["panes"] if pane["id"] == news["id"])
        kept = pane["blocks"][: news["from"]]
        end = pane["blocks"][len(pane["blocks"]) - news["keep"] :]
        pane.update({**news, "blocks": kept + news["blocks"] + end})
        del pane["from"], pane["keep"]
    state["run"] = frame["run"]
    state["timeline"] = frame.get("timeline", state["timeline"])


_TEXTS = st.sampled_from(["word ", "\n\n", "# Title\n", "- item\n", "**bold**", "```\n"])
_STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["chunk", "retry", "frame", "open"]), _TEXTS)
)


@settings(deadline=None)
@given(_STEPS)
def test_frames_fold_into_what_a_page_opened_at_the_end_would_see(steps):
    story = Story({"a": (), "b": ()})
    told = changes(story)
    views = [told.everything(0.0)]
    for name in "ab":
        told.note(story.start(name))
    for name, step, text in steps:
        match step:
            case "chunk":
                told.note(story.chunk(name, text))
            case "retry":
                data = {"type": "E", "message": text, "traceback": "", "delay": 0.1}
                told.note(story.say(Kind.RETRYING, name, attempt=2, **data))
            case "open":
                views.append(told.everything(0.0))
            case _:
                frame = told.newest(0.0)
                for view in views:
                    apply(view, frame)
    for name in "ab":
        told.note(story.done(name, "the end"))
    frame = told.newest(0.0)
    for view in views:
        apply(view, frame)
        assert view == changes(story).everything(0.0)


def many(count: int = 100) -> Story:
    return Story({f"b{number}": () for number in range(count)})


def test_of_very_many_nodes_only_those_in_sight_are_told_whole_and_of_all_the_states():
    story = many()
    told = changes(story)
    whole = told.everything(0.0)
    assert [pane["branch"] for pane in whole["panes"]] == [f"b{number}" for number in range(24)]
    assert whole["cells"]["names"][99] == "b99"
    told.newest(0.0)
    for name in ("b1", "b50"):
        told.note(story.start(name))
    frame = told.newest(0.0)
    assert [pane["branch"] for pane in frame["panes"]] == ["b1"]
    assert frame["cells"] == {"states": "q" + "r" + "q" * 48 + "r" + "q" * 49}
    assert not told.pending


def test_a_pane_that_comes_into_sight_is_told_whole():
    story = many()
    told = changes(story)
    told.everything(0.0)
    told.note(story.start("b50"))
    told.note(story.chunk("b50", "one\n\ntwo"))
    told.newest(0.0)
    told.look("view", [50, 51])
    first, second = told.newest(0.0)["panes"]
    assert (first["branch"], first["from"], len(first["blocks"])) == ("b50", 0, 2)
    assert second["branch"] == "b51"
    told.note(story.chunk("b50", " more"))
    (pane,) = told.newest(0.0)["panes"]
    assert pane["from"] == 1
    told.look("view", [0])
    told.newest(0.0)
    told.note(story.chunk("b50", "\n\nunseen"))
    assert told.newest(0.0)["panes"] == []


def test_two_views_look_at_different_panes():
    story = many()
    told = changes(story)
    told.look("one", [10])
    told.look("two", [90])
    told.newest(0.0)
    for name in ("b10", "b90", "b0"):
        told.note(story.start(name))
    assert {pane["branch"] for pane in told.newest(0.0)["panes"]} == {"b10", "b90"}


def test_when_a_run_grows_beyond_what_has_panes_the_names_are_told():
    story = many(24)
    told = changes(story)
    assert told.everything(0.0)["cells"] is None
    data = {"name": "late", "kind": "python", "inputs": [], "source": "", "detail": ""}
    new = story.log[-1]._replace(kind=Kind.NODE, node=None, task=None, data=data)
    story.record.apply(new)
    told.note(new)
    told.note(story.say(Kind.QUEUED, "late"))
    cells = told.newest(0.0)["cells"]
    assert cells["names"][-1] == "late"
    assert cells["states"] == "q" * 25
    assert told.newest(0.0)["cells"] == {"states": "q" * 25}


def test_the_timeline_is_told_when_something_begins_or_ends_and_not_for_each_word():
    story = Story({"joke": (), "poem": ()})
    told = changes(story)
    told.note(story.start("joke", 0.5))
    (joke, _) = told.newest(0.5)["timeline"]["rows"]
    assert joke["spans"] == [("waiting", 0.0, 0.5), ("running", 0.5, None)]
    told.note(story.chunk("joke", "Ha"))
    assert "timeline" not in told.newest(0.6)
    told.note(story.done("joke", "Ha."))
    assert told.newest(1.0)["timeline"]["rows"][0]["state"] == "done"


def test_what_can_be_done_with_a_node_is_told_with_its_pane():
    story = Story({"joke": (), "poem": ()})
    told = Changes(story.record, lambda: 0.0, {"joke": "re", "poem": ""}.__getitem__)
    assert [pane["can"] for pane in told.everything(0.0)["panes"]] == ["re", ""]
