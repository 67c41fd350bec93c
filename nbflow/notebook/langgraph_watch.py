"""LangGraph's own compiled graphs and entrypoints, on nbflow's board while LangGraph runs them.

A watched graph is a copy whose `stream` and `astream` listen in: `invoke`, `ainvoke`, `batch` and
the rest are LangGraph's, and call these. What LangGraph streams of its tasks becomes events of a
run. Imports nothing of LangGraph.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

from nbflow import blocking
from nbflow.core.run import Run
from nbflow.core.states import RunState
from nbflow.core.threads import iterate_in_thread
from nbflow.notebook.followed import FollowedRun
from nbflow.notebook.langgraph_events import Listener, Map, Part, map_of
from nbflow.writing.parts import Stream

LISTENED = ("tasks", "messages", "custom")
"""The modes that say what goes on."""

Show = Callable[[Run], None]


def is_langgraph(value: Any) -> bool:
    """Whether it is a compiled graph or an entrypoint of LangGraph.

    Example:
        >>> is_langgraph("no graph")
        False
    """
    made_there = any(kind.__module__.startswith("langgraph.") for kind in type(value).__mro__)
    return made_there and all(hasattr(value, name) for name in ("astream", "get_graph", "nodes"))


def watched(graph: Any, show: Show) -> Any:
    """A copy of which every call is shown.

    Args:
        graph: LangGraph's compiled graph or entrypoint.
        show: Shows a run that has started.
    """
    kind = type(graph)
    if kind in _kinds.values():
        return graph
    if (kind, show) not in _kinds:
        _kinds[kind, show] = _watched_kind(kind, show)
    twin = copy.copy(graph)
    twin.__class__ = _kinds[kind, show]
    return twin


_kinds: dict[tuple[Any, Show], Any] = {}


def _watched_kind(kind: Any, show: Show) -> Any:
    """The class of watched graphs of a class: what copies a graph makes one of its own class."""

    class Watched(kind):  # type: ignore[misc]
        def stream(self, input: Any, config: Any = None, **how: Any) -> Iterator[Any]:  # noqa: A002
            if _is_within(config):
                return super().stream(input, config, **how)  # type: ignore[no-any-return]
            asked = _Asked(self, how, quietly=_is_limited(self, config))
            source = partial(super().stream, input, config, **asked.options)
            return blocking.iterate(lambda: _followed(asked, iterate_in_thread(source), show))

        async def astream(
            self,
            input: Any,  # noqa: A002
            config: Any = None,
            **how: Any,
        ) -> AsyncIterator[Any]:
            if _is_within(config):
                parts = super().astream(input, config, **how)
                async with aclosing(parts) as closing:
                    async for part in closing:
                        yield part
                return
            asked = _Asked(self, how)
            source = super().astream(input, config, **asked.options)
            async with aclosing(_followed(asked, source, show)) as batches:
                async for batch in batches:
                    for part in batch:
                        yield part

    Watched.__name__, Watched.__qualname__ = kind.__name__, kind.__qualname__
    Watched.__module__, Watched.__doc__ = kind.__module__, kind.__doc__
    return Watched


def _is_within(config: Any) -> bool:
    """Whether it is called by a node of a graph that LangGraph runs: that one is what is shown."""
    runnables = sys.modules.get("langchain_core.runnables.config")
    around = runnables.var_child_runnable_config.get() if runnables is not None else None
    keys = ((one or {}).get("configurable") or {} for one in (config, around))
    return any("__pregel_task_id" in own for own in keys)


def _is_limited(graph: Any, config: Any) -> bool:
    """Whether there are only so many threads: LangGraph would have one of them wait for tokens."""
    configs = (getattr(graph, "config", None), config)
    return any((one or {}).get("max_concurrency") for one in configs)


class _Asked:
    """What a caller wants streamed, and what LangGraph is asked for instead.

    Args:
        graph: What is called.
        how: The options of the call.
        quietly: Only what costs LangGraph no thread; then there are no tokens.
    """

    def __init__(self, graph: Any, how: dict[str, Any], *, quietly: bool = False) -> None:
        wanted = how.get("stream_mode") or graph.stream_mode
        self.graph = graph
        self.modes: tuple[str, ...] = (wanted,) if isinstance(wanted, str) else tuple(wanted)
        self.several = not isinstance(wanted, str)
        self.subgraphs = bool(how.get("subgraphs"))
        self.is_v2 = how.get("version") == "v2"
        # A message that a subgraph has streamed isn't streamed again when its node returns it.
        # So whoever wants messages without subgraphs gets others if we ask for those.
        self.listens_within = self.subgraphs or not (quietly or "messages" in self.modes)
        listened = LISTENED[:1] if quietly else LISTENED
        self.options = {
            **how,
            "stream_mode": [*dict.fromkeys((*self.modes, *listened))],
            "subgraphs": self.listens_within,
        }

    def part_of(self, streamed: Any) -> Part:
        """What LangGraph has streamed, whatever its version: where, in which mode, and what."""
        if self.is_v2:
            return streamed["ns"], streamed["type"], streamed["data"]
        return streamed if self.listens_within else ((), *streamed)

    def shaped(self, streamed: Any) -> Any:
        """The same as the caller wants it."""
        if self.is_v2:
            return streamed
        namespace, mode, data = self.part_of(streamed)
        if self.subgraphs:
            return (namespace, mode, data) if self.several else (namespace, data)
        return (mode, data) if self.several else data


async def _followed(
    asked: _Asked, source: AsyncIterator[Any], show: Show
) -> AsyncGenerator[list[Any], None]:
    """Have a run follow what LangGraph streams, and yield what the caller wants of it."""
    stream = Stream()
    known = map_of(asked.graph, deep=asked.listens_within)
    work = partial(_listen, asked, known, source, stream)
    name = known.entrypoint or asked.graph.get_name()
    run = FollowedRun(name, known.nodes.values(), work, "LangGraph")
    run.at_end(stream.close)
    run.start()
    show(run)
    try:
        async for batch in stream.batches():
            yield batch
        await run.ended()
    finally:
        if run.status is RunState.RUNNING:
            run.cancel()
            await run.ended()
    if run.error is not None:
        raise run.error
    if run.scheduler.cancelled:
        run.raise_unless_done()


async def _listen(asked: _Asked, known: Map, source: Any, stream: Stream, run: FollowedRun) -> None:
    listener = Listener(run, known)
    takes_all = asked.subgraphs or not asked.listens_within
    async with aclosing(source) as closing:
        async for streamed in closing:
            part = asked.part_of(streamed)
            if part[1] in LISTENED:
                listener.hear(part)
            if part[1] in asked.modes and (takes_all or listener.is_outermost(part)):
                stream.put(asked.shaped(streamed))
    listener.end()
