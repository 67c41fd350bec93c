"""The execution of a graph's nodes: each is called with what it sees of the state, and read.

What it returns may be in a cache, and its conditional edges are decided as a part of it. Knows
nothing of who runs next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from nbflow.core.context import current_task
from nbflow.core.topology import Mode
from nbflow.core.values import text_of
from nbflow.errors import InvalidUpdateError, NodeCancelledError, NodeError, ParentCommand, nearest
from nbflow.writing.caching import Slot
from nbflow.writing.messages import said_by
from nbflow.writing.outcome import NO_OUTCOME, outcome_of
from nbflow.writing.reports import Moving, Reports
from nbflow.writing.routes import END
from nbflow.writing.schema import ROOT
from nbflow.writing.session import Session
from nbflow.writing.state import History
from nbflow.writing.types import Send

if TYPE_CHECKING:
    from nbflow.writing.compiled import CompiledStateGraph
    from nbflow.writing.spec import Branch

_NOTHING: Mapping[str, Any] = {}

RunSubgraph: TypeAlias = Callable[[Moving, Any], Awaitable[Any]]
"""Runs the graph that a node is, with what it sees of the state."""


class Update(dict[str, Any]):
    """What a node returned, as the views and handles show it.

    Example:
        >>> print(Update(joke="Ha."), Update(a=1, b="two"), Update(jokes=["Ha.", "Ho."]), sep=" | ")
        Ha. | a: 1
        b: two | Ha.
        <BLANKLINE>
        Ho.
    """

    def __repr__(self) -> str:
        lines = []
        for key, value in self.items():
            said = said_by(value)
            if said is not None and len(self) == 1:
                return said
            lines.append(f"{key}: {text_of(value) if said is None else said}")
        return "\n".join(lines)


class Executor:
    """Calls the nodes of one run of a graph.

    Args:
        graph: What is run.
        session: The invocation.
        history: What the nodes see.
        reports: Told when a node is called.
        run_subgraph: Called for a node that is a graph.
    """

    def __init__(
        self,
        graph: CompiledStateGraph,
        session: Session,
        history: History,
        reports: Reports,
        run_subgraph: RunSubgraph,
    ) -> None:
        self._graph = graph
        self._session = session
        self._history = history
        self._reports = reports
        self._run_subgraph = run_subgraph

    def call_of(self, moving: Moving, mode: Mode | None) -> Callable[[], Any]:
        """What the engine calls to execute a node.

        Args:
            moving: The visit; its outcome is left there.
            mode: Whether that is a plain function, for a thread, or a coroutine function.
        """
        return partial(self._in_thread if mode is Mode.THREAD else self._on_loop, moving)

    def routing(self, start: Moving, mode: Mode | None) -> Callable[[], Any]:
        """What the node `__start__` does: only decide."""
        return partial(self._decide_here if mode is Mode.THREAD else self._decide, start)

    def _in_thread(self, moving: Moving) -> Any:
        callee = moving.spec.callee
        assert callee is not None
        state = self._read(moving)
        if moving.known is not None:
            returned = moving.known[0]
        else:
            try:
                given = self._given(moving) if callee.asks or moving.is_handler else _NOTHING
                returned = callee.function(state, **given)
            except (ParentCommand, asyncio.CancelledError) as raised:
                returned = _answer_to(moving, raised)
        self._take(moving, returned)
        if moving.visit.node in self._graph.branches and not moving.is_handler:
            self._decide_here(moving)
        return Update(returned) if type(returned) is dict else returned

    async def _on_loop(self, moving: Moving) -> Any:
        callee = moving.spec.callee
        state = self._read(moving)
        if moving.known is not None:
            returned = moving.known[0]
        else:
            try:
                if callee is None:
                    returned = await self._run_subgraph(moving, state)
                else:
                    given = self._given(moving) if callee.asks or moving.is_handler else _NOTHING
                    returned = await callee.call(state, given)
            except (ParentCommand, asyncio.CancelledError) as raised:
                returned = _answer_to(moving, raised)
        self._take(moving, returned)
        if moving.visit.node in self._graph.branches and not moving.is_handler:
            await self._decide(moving)
        return Update(returned) if type(returned) is dict else returned

    def _given(self, moving: Moving) -> dict[str, Any]:
        """What a node is given by name."""
        callee = moving.spec.callee
        assert callee is not None
        given = callee.given(self._session)
        if "config" in given:
            about = {**given["config"]["metadata"], **moving.spec.metadata}
            about |= {"langgraph_node": moving.name, "langgraph_step": moving.visit.step}
            given["config"] = {**given["config"], "metadata": about}
        if moving.error is not None:
            given["error"] = NodeError(moving.name, moving.error)
        return given

    def _read(self, moving: Moving) -> Any:
        """What a node is called with; what a cache knows for that is left in `moving.known`.

        Raises:
            Exception: why it isn't even called.
        """
        if moving.refusal is not None:
            raise moving.refusal
        if moving.is_sent:
            state = moving.arg
        else:
            state = moving.spec.schema.read(moving.visit.before.values)
        if self._session.modes:
            self._reports.called(moving, state)
        policy = moving.spec.cache_policy
        if policy is not None:
            graph = self._graph
            namespace = graph.namespace_of(moving.name)
            moving.slot = Slot(graph.cache, policy, namespace, (state,), {})
            moving.known = moving.slot.known()
            if moving.known is not None:
                attempt: Any = current_task.get()
                attempt.task.reused = True
        return state

    def _take(self, moving: Moving, returned: Any) -> None:
        """Read what a node has returned."""
        if moving.slot is not None and moving.known is None:
            moving.slot.keep(returned)
        visit, schema = moving.visit, self._graph.state
        visit.after = None
        if type(returned) is dict and ROOT not in schema.types:  # nearly always
            visit.update = [(key, returned[key]) for key in returned if key in schema.types]
            moving.outcome = NO_OUTCOME
            return
        moving.outcome = outcome_of(visit.node, returned, schema.types)
        visit.update = moving.outcome.update
        for goto in moving.outcome.gotos:
            self._check_target(moving, goto)

    # Conditional edges

    async def _decide(self, moving: Moving) -> None:
        for branch, state in self._branches_of(moving):
            answer = await branch.callee.call(state, branch.callee.given(self._session))
            self._follow(moving, branch, answer)

    def _decide_here(self, moving: Moving) -> None:
        for branch, state in self._branches_of(moving):
            answer = branch.callee.function(state, **branch.callee.given(self._session))
            self._follow(moving, branch, answer)

    def _branches_of(self, moving: Moving) -> Iterable[tuple[Branch, Any]]:
        """A node's conditional edges, each with the state that it decides on."""
        for branch in self._graph.branches.get(moving.name, {}).values():
            yield branch, branch.schema.read(self._history.after(moving.visit).values)

    def _follow(self, moving: Moving, branch: Branch, answer: Any) -> None:
        """Take the ways that a conditional edge has decided on."""
        answers = list(answer) if isinstance(answer, list | tuple | set) else [answer]
        gotos = [branch.end_of(moving.name, one) for one in answers]
        for one in gotos:
            self._check_target(moving, one)
        moving.outcome = moving.outcome._replace(gotos=(*moving.outcome.gotos, *gotos))

    def _check_target(self, moving: Moving, target: Any) -> None:
        name = target.node if isinstance(target, Send) else target
        if isinstance(target, Send) and name == END:
            raise InvalidUpdateError("Cannot send a packet to the END node")
        if name == END or name in self._graph.nodes:
            return
        raise InvalidUpdateError(
            f"{moving.name!r} did not return a valid destination: there is no node {name!r}. "
            f"{nearest(str(name), self._graph.nodes)}"
        )


def _answer_to(moving: Moving, raised: BaseException) -> Any:
    """What a node has returned that raised the commands of a graph that it had invoked.

    Raises:
        asyncio.CancelledError: the run asked for that.
        NodeCancelledError: the node raised one by itself.
    """
    if isinstance(raised, ParentCommand):
        return list(raised.commands)
    attempt, task = current_task.get(), _running_task()
    if (attempt is not None and attempt.cancelled) or (task is not None and task.cancelling()):
        raise asyncio.CancelledError from None
    raise NodeCancelledError(moving.name) from None


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # in a thread
        return None
