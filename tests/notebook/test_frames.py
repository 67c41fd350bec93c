from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
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
