"""What goes on in a compiled graph: nodes run as calls of the core's run, and lead to others.

A node that ends sends tokens along the edges it takes; `tokens` says who may run next, `state` what
each of them sees, and `reports` tells of it. So a join runs once, however long the ways to it are,
and never waits for a way that isn't taken.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.core.context import current_task
from nbflow.core.policies import OnError, Policy, RunOptions
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.task import Call, Task
from nbflow.core.topology import Mode, Node, Topology
from nbflow.core.values import text_of
from nbflow.errors import (
    EmptyInputError,
    GraphRecursionError,
    InvalidUpdateError,
    NodeCancelledError,
    NodeError,
    ParentCommand,
    nearest,
)
from nbflow.writing.caching import Slot
from nbflow.writing.reports import Moving, Reports, tell_chunk
from nbflow.writing.routes import END, START, Way, declared_nodes
from nbflow.writing.state import History, Outcome, Visit, outcome_of
from nbflow.writing.streams import Session
from nbflow.writing.tokens import Place, Tokens
from nbflow.writing.types import Command, Send, TimeoutPolicy, policy_of

if TYPE_CHECKING:
    from nbflow.writing.graph import Branch, CompiledStateGraph

RECURSION_LIMIT = 25
"""How many steps a graph with a loop may take, unless its config says otherwise."""

_NO_POLICY = Policy()


def begin(graph: CompiledStateGraph, input: Any, session: Session) -> Run:  # noqa: A002
    """Start a run of a compiled graph on the running loop.

    Raises:
        EmptyInputError: the input is None, or a record that has none of the state's keys.
        InvalidUpdateError: it is no record of keys.
    """
    update = input_update(graph, input)
    jobs = session.config.get("max_concurrency")
    run = Run(
        Topology([]),
        {},
        RunOptions(jobs=jobs, on_error=OnError.STOP),
        name="" if graph.name == UNNAMED else graph.name,
        declared=tuple(declared_nodes(graph)),
    ).start()
    if "messages" in session.modes:
        run.listen(partial(tell_chunk, session))
    Traffic(graph, session, run).enter(update)
    return run


def input_update(graph: CompiledStateGraph, input: Any) -> Outcome:  # noqa: A002
    """What an input writes, and where it leads.

    Raises:
        EmptyInputError: it is None, or a record that has none of the state's keys.
        InvalidUpdateError: it is no record of keys.
    """
    outcome = outcome_of("the input", input, graph.input.types)
    if input is None or (isinstance(input, Mapping) and input and not outcome.update):
        keys = ", ".join(repr(key) for key in graph.input.types)
        raise EmptyInputError(f"the input is {input!r}; give some of these keys: {keys}.")
    return outcome


UNNAMED = "LangGraph"
"""What `name` is of a graph that was given none: LangGraph's word for it, which no view shows."""

_START_SPEC: Any = SimpleNamespace(name=START, error_handler=None)


class Update(dict[str, Any]):
    """What a node returned, as the views and handles show it.

    Example:
        >>> print(Update(joke="Ha."), Update(a=1, b="two"), sep=" | ")
        Ha. | a: 1
        b: two
    """

    def __repr__(self) -> str:
        if len(self) == 1 and isinstance(only := next(iter(self.values())), str):
            return only
        return "\n".join([f"{key}: {text_of(value)}" for key, value in self.items()])


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
        self._spawn_call = run.scheduler.spawn
        self._prefix = prefix
        self._caller = caller
        self._tell_ended = ended
        self._routes = graph.routes(prefix)
        self._history = History(graph.state)
        self._tokens = Tokens(self._routes)
        self._reports = Reports(graph, session, self._history, run.id)
        self._calls: set[Call] = set()
        self._failures: list[BaseException] = []
        self._left = False
        """True once nobody is to be led on any more."""
        self._is_over = False
        limit = session.config.get("recursion_limit")
        self._limit = limit or RECURSION_LIMIT
        self._counts_all = bool(limit or self._routes.members)
        """Whether the limit counts first visits too: without loops only commands lead back."""
        self._seen: set[str] = set()

    def enter(self, outcome: Outcome) -> None:
        """Begin with what the input writes."""
        first = self._history.first
        first.update = outcome.update
        self._reports.entered()
        start = Moving(first, _START_SPEC, outcome=outcome)
        if START in self._graph.branches:
            self._begin(start)
            self._spawn(start, self._routes.entrance, self._routing(start))
        else:
            self._go_on_from(start)
            self._advance()

    # Tokens

    def _place(self, moving: Moving) -> Place:
        return self._routes.number[moving.name], moving.round

    def _begin(self, moving: Moving) -> None:
        self._tokens.add(self._place(moving))
        self._reports.began(moving)

    def _go_on_from(self, moving: Moving) -> None:
        """Send tokens along every edge that a visit takes."""
        name, visit, tokens, routes = moving.name, moving.visit, self._tokens, self._routes
        for way in routes.plain[name]:
            tokens.lead(visit, _place_after(moving, way))
        for edge, starts, end in routes.together.get(name, ()):
            place = _place_after(moving, routes.way(name, end))
            tokens.lead_together(edge, starts, visit, place)
        for position, goto in enumerate(moving.outcome.gotos):
            if isinstance(goto, Send):
                self._send(moving, goto, position)
            elif goto != END:
                tokens.lead(visit, _place_after(moving, routes.way(name, goto)))

    def _send(self, moving: Moving, send: Send, position: int) -> None:
        visit = moving.visit
        rank = (1, visit.step, visit.rank, position)
        new = self._history.visit(send.node, visit.step + 1, rank, self._history.after(visit))
        spec = self._graph.nodes[send.node]
        _, round_ = _place_after(moving, self._routes.way(moving.name, send.node))
        sent = Moving(new, spec, round_, arg=send.arg, is_sent=True)
        node = self._routes.nodes[send.node]
        self._begin(sent)
        try:
            self._check_step(send.node, new.step)
        except GraphRecursionError as error:
            self._spawn(sent, node, _raising(error, node.mode))
            return
        self._start(sent, node if send.timeout is None else _with_timeout(node, send.timeout))

    def _advance(self) -> None:
        """Run every node with a token to which nobody can still come."""
        if self._tokens.fresh:
            for place, visits in self._tokens.ready():
                self._visit(place, visits)
        if not self._tokens and not self._is_over:
            self._end()

    def _visit(self, place: Place, sources: list[Visit]) -> None:
        target, round_ = place
        name = self._routes.names[target]
        step = 1 + max([visit.step for visit in sources])
        spec, node = self._graph.nodes[name], self._routes.nodes[name]
        rank = (0, target)
        try:
            self._check_step(name, step)
            before = self._history.merged(sources)
        except Exception as error:  # noqa: BLE001 - a reducer's, or the updates contradict
            visit = self._history.visit(name, step, rank, self._history.first.before)
            moving = Moving(visit, spec, round_)
            self._reports.began(moving)
            self._spawn(moving, node, _raising(error, node.mode))
        else:
            moving = Moving(self._history.visit(name, step, rank, before), spec, round_)
            self._reports.began(moving)
            self._start(moving, node)

    def _check_step(self, name: str, step: int) -> None:
        if step > self._limit and (self._counts_all or name in self._seen):
            raise GraphRecursionError(
                f"Recursion limit of {self._limit} reached without hitting a stop condition: "
                f"{name!r} would be step {step}. Give a larger recursion_limit in the config, or "
                "look for what keeps the loop going."
            )
        self._seen.add(name)

    # Calls

    def _start(self, moving: Moving, node: Node) -> None:
        if moving.spec.callee is None:
            self._spawn(moving, node, partial(self._in_subgraph, moving))
        elif node.mode is Mode.THREAD:
            self._spawn(moving, node, partial(self._in_thread, moving))
        else:
            self._spawn(moving, node, partial(self._on_loop, moving))

    def _spawn(self, moving: Moving, node: Node, function: Callable[[], Any]) -> None:
        then = partial(self._ended, moving)
        call = self._spawn_call(node, function, caller=self._caller, then=then)
        call.handled = moving.spec.error_handler is not None or self._caller is not None
        if not call.state.is_final:
            self._calls.add(call)

    def _read(self, moving: Moving) -> Any:
        """What a node is called with; told to those who watch the tasks."""
        if moving.is_sent:
            state = moving.arg
        else:
            state = moving.spec.schema.read(moving.visit.before.values)
        self._reports.called(moving, state)
        return state

    def _slot(self, moving: Moving, state: Any) -> Slot | None:
        """Where a cache keeps what the node returns for a state."""
        policy = moving.spec.cache_policy
        if policy is None or moving.error is not None:
            return None
        cache, namespace = self._graph.cache, self._graph.namespace_of(moving.name)
        return Slot(cache, policy, namespace, (state,), {})

    def _in_thread(self, moving: Moving) -> Any:
        callee = moving.spec.callee
        assert callee is not None
        state = self._read(moving)
        slot = self._slot(moving, state)
        known = slot and _known(moving, slot)
        if known:
            returned = known[0]
        else:
            try:
                returned = callee.function(state, **callee.given(self._session))
            except ParentCommand as upwards:  # of a graph that it has invoked
                returned = list(upwards.commands)
            except asyncio.CancelledError:
                raise _cancelled(moving) from None
            if slot:
                slot.keep(returned)
        self._take(moving, returned)
        if moving.name in self._graph.branches:
            self._decide_here(moving)
        return _shown(returned)

    async def _on_loop(self, moving: Moving) -> Any:
        callee = moving.spec.callee
        assert callee is not None
        state = self._read(moving)
        slot = self._slot(moving, state)
        known = slot and _known(moving, slot)
        if known:
            returned = known[0]
        else:
            given = callee.given(self._session)
            if moving.error is not None:
                given["error"] = NodeError(moving.name, moving.error)
            try:
                if callee.mode is Mode.COROUTINE:
                    returned = await callee.function(state, **given)
                else:
                    returned = await callee.call(state, given)
            except ParentCommand as upwards:
                returned = list(upwards.commands)
            except asyncio.CancelledError:
                raise _cancelled(moving) from None
            if slot:
                slot.keep(returned)
        self._take(moving, returned)
        if moving.name in self._graph.branches:
            await self._decide(moving)
        return _shown(returned)

    async def _in_subgraph(self, moving: Moving) -> Any:
        state = self._read(moving)
        slot = self._slot(moving, state)
        known = slot and _known(moving, slot)
        if known:
            returned = known[0]
        else:
            returned = await self._run_of_subgraph(moving, state)
            if slot:
                slot.keep(returned)
        self._take(moving, returned)
        await self._decide(moving)
        return _shown(returned)

    async def _run_of_subgraph(self, moving: Moving, state: Any) -> Any:
        inner: CompiledStateGraph = moving.spec.action
        attempt: Any = current_task.get()
        session = self._session.within(f"{moving.name}:{self._reports.id_of(moving)}")
        prefix = f"{self._prefix}{moving.name}:"
        ended = asyncio.Event()
        traffic = Traffic(inner, session, self._run, prefix, attempt.task, ended.set)
        traffic.enter(input_update(inner, state))
        await ended.wait()
        if session.error is not None:
            raise session.error
        return session.result

    def _routing(self, start: Moving) -> Callable[[], Any]:
        """What the node `__start__` does: only decide."""
        decide = (
            self._decide if self._routes.entrance.mode is not Mode.THREAD else self._decide_here
        )
        return partial(decide, start)

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

    def _take(self, moving: Moving, returned: Any) -> None:
        """Read what a node has returned."""
        moving.outcome = outcome_of(moving.name, returned, self._graph.state.types)
        moving.visit.update = moving.outcome.update
        moving.visit.after = None
        for goto in moving.outcome.gotos:
            self._check_target(moving, goto)

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

    # Ends

    def _ended(self, moving: Moving, call: Call) -> None:
        """A visit has ended: tell of it, and send its tokens on."""
        self._calls.discard(call)
        error = call.error
        if error is None:
            if moving.spec is not _START_SPEC:
                self._reports.done(moving)
            if moving.outcome.for_parent:
                self._leave(moving.outcome.for_parent)
            elif not self._left:
                self._continue(moving)
        elif moving.spec.error_handler is not None and isinstance(error, Exception):
            self._handle(moving, error)
        else:
            if moving.spec is not _START_SPEC:
                self._reports.failed(moving, error)
            if call.state is State.FAILED:
                self._failures.append(error)
                self._stop()
        self._tokens.drop(self._place(moving))
        self._reports.ended(moving, self._tokens.waiting_steps())
        self._advance()

    def _continue(self, moving: Moving) -> None:
        try:
            self._go_on_from(moving)
        except RuntimeError:  # the run is over: it was cancelled meanwhile
            self._left = True

    def _handle(self, moving: Moving, error: Exception) -> None:
        """Run a node's error handler in its place."""
        handler = moving.spec.error_handler
        assert handler is not None
        spec = replace(moving.spec, callee=handler, error_handler=None, cache_policy=None)
        asks = "error" in inspect.signature(handler.function).parameters
        core = self._routes.nodes[moving.name]
        node = replace(core, name=f"{core.name} on error", mode=Mode.COROUTINE, policy=_NO_POLICY)
        again = replace(moving, spec=spec, error=error if asks else None)
        self._begin(again)
        self._spawn(again, node, partial(self._on_loop, again))

    def _stop(self) -> None:
        """A node has failed: nothing else is to begin, and in a graph in a graph what runs ends."""
        self._left = True
        self._tokens.forget_waiting()
        if self._caller is not None:
            self._run.cancel_calls(list(self._calls))

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
        elif not self._left:
            try:
                session.result = self._graph.shown(self._history.everything().values)
            except Exception as error:  # noqa: BLE001 - a reducer's, or the updates contradict
                session.error = error
        visited = {visit.node for visit in self._history.visits}
        for name, node in self._routes.nodes.items():
            if name not in visited:
                self._run.never(node)
        if self._tell_ended is not None:
            self._tell_ended()


def _known(moving: Moving, slot: Slot) -> tuple[Any] | None:
    """What a node returned earlier, in a tuple; None if it is to be called."""
    known = slot.known()
    if known is not None:
        moving.reused = True
        attempt: Any = current_task.get()
        attempt.task.reused = True
    return known


def _place_after(moving: Moving, way: Way) -> Place:
    target, more = way
    return target, 0 if more is None else moving.round + more


def _cancelled(moving: Moving) -> BaseException:
    """What to raise for a `CancelledError`: it, if the run asked for it, and else an error."""
    attempt, task = current_task.get(), _running_task()
    if (attempt is not None and attempt.cancelled) or (task is not None and task.cancelling()):
        return asyncio.CancelledError()
    return NodeCancelledError(moving.name)


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # in a thread
        return None


def _raising(error: BaseException, mode: Mode | None) -> Callable[[], Any]:
    async def on_loop() -> None:
        raise error

    def in_thread() -> None:
        raise error

    return in_thread if mode is Mode.THREAD else on_loop


def _shown(returned: Any) -> Any:
    return Update(returned) if type(returned) is dict else returned


def _with_timeout(node: Node, timeout: TimeoutPolicy) -> Node:
    return replace(node, policy=replace(node.policy, timeout=policy_of(None, timeout).timeout))
