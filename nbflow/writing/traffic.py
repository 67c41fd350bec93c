"""What goes on in a compiled graph: nodes run as calls of the core's run, and lead to others.

A node that ends sends tokens along the edges it takes; `tokens` says who may run next, `state` what
each of them sees, and `reports` tells of it. So a join runs once, however long the ways to it are,
and never waits for a way that isn't taken.
"""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.core.context import current_task
from nbflow.core.policies import Policy
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.task import Call, Task
from nbflow.core.topology import Mode, Node
from nbflow.errors import (
    EmptyInputError,
    GraphRecursionError,
    ParentCommand,
)
from nbflow.writing.execution import Executor
from nbflow.writing.outcome import Outcome, outcome_of
from nbflow.writing.reports import Moving, Reports, tell_chunk
from nbflow.writing.routes import END, START, Way
from nbflow.writing.session import Session, current_session
from nbflow.writing.state import History, Visit
from nbflow.writing.tokens import Place, Tokens
from nbflow.writing.types import Command, Send, TimeoutPolicy, policy_of

if TYPE_CHECKING:
    from nbflow.writing.compiled import CompiledStateGraph

RECURSION_LIMIT = 25
"""How many steps a graph with a loop may take, unless its config says otherwise."""


def begin(graph: CompiledStateGraph, input: Any, session: Session) -> Run:  # noqa: A002
    """Start a run of a compiled graph on the running loop.

    Raises:
        EmptyInputError: the input is None.
        InvalidUpdateError: it is no record of keys.
    """
    update = input_update(graph, input)
    run = Run(
        graph.topology,
        {},
        graph.options(session),
        name="" if graph.name == UNNAMED else graph.name,
    ).start()
    if "messages" in session.modes:
        run.listen(partial(tell_chunk, session))
    Traffic(graph, session, run).enter(update)
    return run


def input_update(graph: CompiledStateGraph, input: Any) -> Outcome:  # noqa: A002
    """What an input writes, and where it leads.

    Raises:
        EmptyInputError: it is None.
        InvalidUpdateError: it is no record of keys.
    """
    outcome = outcome_of("the input", input, graph.input.types)
    keys = ", ".join(repr(key) for key in graph.input.types)
    if input is None:
        raise EmptyInputError(f"the input is None; give some of these keys: {keys}.")
    if isinstance(input, Mapping) and input and not outcome.update:
        given = ", ".join(map(repr, input))
        warnings.warn(f"the input has {given}, but the graph reads {keys}.", stacklevel=2)
    return outcome


UNNAMED = "LangGraph"
"""What `name` is of a graph that was given none: LangGraph's word for it, which no view shows."""

_NO_POLICY = Policy()
_START_SPEC: Any = SimpleNamespace(name=START, error_handler=None)


class Traffic:
    """One run of one graph.

    Args:
        graph: What is run.
        session: The invocation.
        run: The core's run, which several graphs may share.
        prefix: Begins the names of the graph's nodes in that run.
        caller: The task around this graph, if it is a node of another.
        ended: Told that all is over.
    """

    def __init__(  # noqa: PLR0917 - what a run of a graph is made of
        self,
        graph: CompiledStateGraph,
        session: Session,
        run: Run,
        prefix: str = "",
        caller: Task | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._graph = graph
        self._session = session
        self._run = run
        self._scheduler = run.scheduler
        self._prefix = prefix
        self._caller = caller
        self._tell_ended = ended
        self._routes = graph.routes(prefix)
        self._history = History(graph.state)
        self._tokens = Tokens(self._routes)
        self._reports = Reports(graph, session, self._history)
        self._tells = bool(session.modes)
        self._executor = Executor(graph, session, self._history, self._reports, self._run_subgraph)
        self._calls: set[Call] = set()
        """What goes on, of a graph in a graph: it may have to be cancelled."""
        self._failures: list[BaseException] = []
        self._left = False
        """True once nobody is to be led on any more."""
        self._is_over = False
        limit = session.config.get("recursion_limit")
        if limit is not None and limit < 1:
            raise ValueError(f"recursion_limit must be at least 1, not {limit!r}")
        self._limit = limit or RECURSION_LIMIT
        self._counts_all = bool(limit or self._routes.members)
        """Whether the limit counts first visits too: without loops only commands lead back."""
        self._is_at_limit = False

    def enter(self, outcome: Outcome) -> None:
        """Begin with what the input writes."""
        first = self._history.first
        first.update = outcome.update
        self._reports.entered()
        start = Moving(first, _START_SPEC, (self._routes.number[START], 0), outcome=outcome)
        if START in self._graph.branches:
            self._begin(start)
            entrance = self._routes.entrance
            self._start(start, entrance, self._executor.routing(start, entrance.mode))
        else:
            self._go_on_from(start)
            self._advance()

    # Tokens

    def _begin(self, moving: Moving) -> None:
        self._tokens.add(moving.place)
        self._reports.began(moving)

    def _go_on_from(self, moving: Moving) -> None:
        """Send tokens along every edge that a visit takes."""
        visit, tokens, routes = moving.visit, self._tokens, self._routes
        name = visit.node
        for target, more in routes.plain[name] if not moving.is_handler else ():
            tokens.lead(visit, (target, 0 if more is None else moving.place[1] + more))
        for edge, starts, end in routes.together.get(name, ()) if not moving.is_handler else ():
            place = _place_after(moving, routes.way(name, end))
            tokens.lead_together(edge, starts, visit, place)
        for position, goto in enumerate(moving.outcome.gotos):
            if isinstance(goto, Send):
                self._send(moving, goto, position)
            elif goto != END:
                tokens.lead(visit, _place_after(moving, routes.way(name, goto)))

    def _send(self, moving: Moving, send: Send, position: int) -> None:
        visit, refusal = moving.visit, None
        step = visit.step + 1
        try:
            if step >= self._limit:
                self._check_step(send.node, step)
            before = self._history.after(visit)
        except Exception as error:  # noqa: BLE001 - a reducer's, or the update contradicts itself
            before, refusal = self._history.first.before, error
        new = self._history.visit(send.node, step, (1, visit.step, visit.rank, position), before)
        place = _place_after(moving, self._routes.way(moving.name, send.node))
        spec, node = self._graph.nodes[send.node], self._routes.nodes[send.node]
        sent = Moving(new, spec, place, arg=send.arg, is_sent=True, refusal=refusal)
        self._begin(sent)
        self._start(sent, node if send.timeout is None else _with_timeout(node, send.timeout))

    def _advance(self) -> None:
        """Run every node with a token to which nobody can still come."""
        if self._tokens.fresh:
            for place, visits in self._tokens.ready():
                self._visit(place, visits)
        if not self._tokens.live and not self._is_over:
            self._end()

    def _visit(self, place: Place, sources: list[Visit]) -> None:
        target, _ = place
        name = self._routes.names[target]
        only = sources[0] if len(sources) == 1 else None
        step = 1 + (max(v.step for v in sources) if only is None else only.step)
        refusal = None
        try:
            if step >= self._limit:
                self._check_step(name, step)
            before = (only and only.after) or self._history.merged(sources)
        except Exception as error:  # noqa: BLE001 - a reducer's, or the updates contradict
            before, refusal = self._history.first.before, error
        visit = self._history.visit(name, step, (0, target), before)
        moving = Moving(visit, self._graph.nodes[name], place, refusal=refusal)
        if self._tells:
            self._reports.began(moving)
        self._start(moving, self._routes.nodes[name])

    def _check_step(self, name: str, step: int) -> None:
        """Take note of the last step that may be, and refuse one that is too many.

        Raises:
            GraphRecursionError: it is.
        """
        visits = self._history.visits
        if self._counts_all or any(v.node == name and v.step < step for v in visits):
            self._is_at_limit = True
            if step > self._limit:
                raise self._limit_reached()

    def _limit_reached(self) -> GraphRecursionError:
        return GraphRecursionError(
            f"Recursion limit of {self._limit} reached without hitting a stop condition: the graph "
            "must be over before. Give a larger recursion_limit in the config, or look for what "
            "keeps the loop going."
        )

    # Calls

    def _start(self, moving: Moving, node: Node, function: Callable[[], Any] | None = None) -> None:
        if moving.refusal is not None:  # it won't be called, however often that is tried
            node = replace(node, policy=_NO_POLICY)
        context = None
        if self._caller is not None:  # the session around it isn't its own
            context = self._scheduler.context.copy()
            context.run(current_session.set, self._session)
        call = self._scheduler.calls.spawn(
            node,
            function or self._executor.call_of(moving, node.mode),
            caller=self._caller,
            then=partial(self._ended, moving),
            context=context,
        )
        if moving.spec.error_handler is not None:
            call.handled = moving.may_be_handled
        if self._caller is not None:
            call.handled = True
            if not call.state.is_final:
                self._calls.add(call)

    async def _run_subgraph(self, moving: Moving, state: Any) -> Any:
        inner: CompiledStateGraph = moving.spec.action
        attempt: Any = current_task.get()
        id_ = self._session.id_of(attempt.task.id)
        session = self._session.within(f"{moving.name}:{id_}")
        prefix = f"{self._prefix}{moving.name}:"
        ended = asyncio.Event()
        traffic = Traffic(inner, session, self._run, prefix, attempt.task, ended.set)
        traffic.enter(input_update(inner, state))
        await ended.wait()
        if session.error is not None:
            raise session.error
        return session.result

    # Ends

    def _ended(self, moving: Moving, call: Call) -> None:
        """A visit has ended: tell of it, and send its tokens on."""
        self._calls.discard(call)
        self._left = self._left or self._scheduler.is_over
        error = call.error
        if error is None:
            if moving.outcome.for_parent:
                self._leave(moving.outcome.for_parent)
            else:
                if self._tells and moving.spec is not _START_SPEC:
                    self._reports.done(moving, call)
                if not self._left:
                    self._go_on_from(moving)
        elif moving.may_be_handled and isinstance(error, Exception):
            self._reports.failed(moving, call)
            self._handle(moving, error)
        elif call.state is State.FAILED:
            if moving.spec is not _START_SPEC:
                self._reports.failed(moving, call)
            self._fail(error)
        self._tokens.drop(moving.place)
        if self._tells and not self._failures:
            try:
                self._reports.ended(moving, self._tokens)
            except Exception as error:  # noqa: BLE001 - a reducer's
                self._fail(error)
        self._advance()

    def _fail(self, error: BaseException) -> None:
        self._failures.append(error)
        self._stop()

    def _handle(self, moving: Moving, error: Exception) -> None:
        """Run a node's error handler in its place; only its commands lead on."""
        handler = moving.spec.error_handler
        assert handler is not None
        spec = replace(moving.spec, callee=handler, error_handler=None, cache_policy=None)
        asks = "error" in inspect.signature(handler.function).parameters
        core = self._routes.nodes[moving.name]
        policy = self._graph.defaults.policy
        node = replace(core, name=f"{core.name} on error", mode=Mode.COROUTINE, policy=policy)
        again = replace(
            moving,
            spec=spec,
            error=error if asks else None,
            is_handler=True,
            slot=None,
            known=None,
            refusal=None,
        )
        self._session.told[node.name] = again.told_as
        self._begin(again)
        self._start(again, node)

    def _stop(self) -> None:
        """A node has failed: nothing else is to begin, and in a graph in a graph what runs ends."""
        self._left = True
        self._tokens.forget_waiting()
        if self._caller is not None:
            self._scheduler.cancel_units(list(self._calls), unneeded=True)

    def _leave(self, commands: tuple[Command[Any], ...]) -> None:
        """A node has spoken to the graph around this one: this one is over."""
        own = [replace(command, graph=None) for command in commands]
        if self._caller is None:
            self._session.error = ParentCommand(own)
        self._session.result = own
        self._stop()

    def _end(self) -> None:
        """Nobody goes on and nobody waits: leave the result."""
        self._is_over = True
        session = self._session
        if self._failures:
            session.error, *others = self._failures
            for other in others:
                session.error.add_note(f"Another branch failed too: {other!r}")
        elif self._is_at_limit and not self._left:  # its last step isn't one in which it may end
            session.error = self._limit_reached()
        elif not self._left:
            try:
                session.result = self._graph.shown(self._history.everything().values, session.keys)
            except Exception as error:  # noqa: BLE001 - a reducer's, or the updates contradict
                session.error = error
        visited = {visit.node for visit in self._history.visits}
        for name, node in self._routes.nodes.items():
            if name not in visited:
                self._scheduler.calls.never(node)
        if self._tell_ended is not None:
            self._tell_ended()


def _place_after(moving: Moving, way: Way) -> Place:
    target, more = way
    return target, 0 if more is None else moving.place[1] + more


def _with_timeout(node: Node, timeout: TimeoutPolicy) -> Node:
    return replace(node, policy=replace(node.policy, timeout=policy_of(None, timeout).timeout))
