"""What goes on in a compiled graph: who has run, who may come next, and what each of them sees.

A node that ends sends a token along each edge it takes. A node with a token runs once nobody can
still come to it by another way; so a join runs once, however long the ways to it are, and never
waits for a way that isn't taken. In a loop this is so in each round; what comes after the loop
waits for its end. Every execution is a call of the core's run.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.core.context import current_task, emit
from nbflow.core.events import Event, Kind
from nbflow.core.policies import OnError, Policy, RunOptions
from nbflow.core.run import Run
from nbflow.core.states import State
from nbflow.core.task import Call, Task
from nbflow.core.threads import call_in_thread, iterate_in_thread
from nbflow.core.topology import Mode, Node, Topology
from nbflow.core.values import text_of
from nbflow.errors import (
    EmptyInputError,
    GraphRecursionError,
    InvalidUpdateError,
    ParentCommand,
    nearest,
)
from nbflow.writing import paths
from nbflow.writing.messages import MessageChunk, is_message
from nbflow.writing.state import ROOT, History, Outcome, Visit, outcome_of
from nbflow.writing.streams import Session
from nbflow.writing.types import Command, Send, TimeoutPolicy, policy_of

if TYPE_CHECKING:
    from nbflow.writing.graph import Branch, CompiledStateGraph, Spec

START = "__start__"
END = "__end__"

RECURSION_LIMIT = 25
"""How many steps a graph with a loop may take, unless its config says otherwise."""

_NO_POLICY = Policy()


class Map:
    """What is known of a compiled graph before it runs.

    Args:
        graph: The graph.
        prefix: Begins the names of its nodes in the run.
    """

    def __init__(self, graph: CompiledStateGraph, prefix: str = "") -> None:
        names = self.names = [START, *graph.nodes]
        self.number = {name: index for index, name in enumerate(names)}
        ways = [[self.number[e] for e in graph.successors[n] if e != END] for n in names]
        self.before = self._before(graph)
        """For each node, those from which one can come to it without going back in a loop."""
        self.loop = paths.loops(ways, self.before)
        self.members: Counter[int] = Counter()
        """The nodes of each loop, as a set."""
        for index, loop in enumerate(self.loop):
            if loop is not None:
                self.members[loop] |= 1 << index
        self.plain: dict[str, list[str]] = {name: [] for name in names}
        for start, end in graph.edges:
            if end != END:
                self.plain[start].append(end)
        self.nodes = {name: self._node(graph, prefix, name) for name in graph.nodes}
        self.router = Node(
            f"{prefix}{START}", _never, mode=_mode_of(None, graph.branches.get(START))
        )

    def _before(self, graph: CompiledStateGraph) -> list[int]:
        """Plain edges go on; of those that decide, the ones to where one has come from go back."""
        number = self.number
        pairs = [*graph.edges, *((s, end) for starts, end in graph.waiting_edges for s in starts)]
        plain: list[list[int]] = [[] for _ in self.names]
        for start, end in pairs:
            if end != END:
                plain[number[start]].append(number[end])
        back = paths.back_edges(plain, 0)
        forward = [[t for t in ts if (n, t) not in back] for n, ts in enumerate(plain)]
        before = paths.ancestors(forward)
        deciding = []
        for start in self.names:
            ends = [e for e, decides in graph.successors[start].items() if decides and e != END]
            deciding.append((len(ends), number[start], sum(1 << number[end] for end in ends)))
        for _, node, targets in sorted(deciding):  # those that may lead anywhere come last
            paths.lead_on(before, node, targets)
        return before

    def leads_back(self, source: int, target: int) -> bool:
        """Whether that way leads to where one has come from."""
        return source == target or bool(self.before[source] >> target & 1)

    def _node(self, graph: CompiledStateGraph, prefix: str, name: str) -> Node:
        spec = graph.nodes[name]
        ends = {start: graph.successors[start] for start in graph.nodes}
        sources = [start for start, after in ends.items() if name in after]
        return Node(
            f"{prefix}{name}",
            _never,
            tuple(f"{prefix}{start}" for start in sources),
            kind="subgraph" if spec.callee is None else "python",
            policy=spec.policy,
            mode=_mode_of(spec, graph.branches.get(name)),
            perhaps=tuple(f"{prefix}{start}" for start in sources if ends[start][name]),
        )


def _never() -> None:
    """What a node is made of until it is called."""


def _mode_of(spec: Spec | None, branches: Mapping[str, Branch] | None) -> Mode:
    callees = [branch.callee for branch in (branches or {}).values()]
    if spec is not None:
        if spec.callee is None:
            return Mode.COROUTINE
        callees.append(spec.callee)
    return Mode.THREAD if all(callee.is_sync for callee in callees) else Mode.COROUTINE


def declared_nodes(graph: CompiledStateGraph, prefix: str = "") -> Iterator[Node]:
    """Every node of a graph and of the graphs in it."""
    for name, node in graph.map(prefix).nodes.items():
        yield node
        inner = graph.nodes[name]
        if inner.callee is None:
            yield from declared_nodes(inner.action, f"{prefix}{name}:")


def begin(graph: CompiledStateGraph, input: Any, session: Session) -> Run:  # noqa: A002
    """Start a run of a compiled graph on the running loop.

    Raises:
        EmptyInputError: the input has none of the state's keys.
        InvalidUpdateError: it is no record of keys.
    """
    update = input_update(graph, input)
    jobs = session.config.get("max_concurrency")
    run = Run(
        Topology([]),
        {},
        RunOptions(jobs=jobs, on_error=OnError.STOP),
        name=graph.name,
        declared=tuple(declared_nodes(graph)),
    ).start()
    if "messages" in session.modes:
        run.listen(partial(_tell_messages, session))
    Traffic(graph, session, run).enter(update)
    return run


def input_update(graph: CompiledStateGraph, input: Any) -> Outcome:  # noqa: A002
    """What an input writes, and where it leads.

    Raises:
        EmptyInputError: it has none of the state's keys.
        InvalidUpdateError: it is no record of keys.
    """
    outcome = outcome_of("the input", input, graph.input.types)
    is_empty = input is None or input == {}
    if is_empty or (isinstance(input, Mapping) and not outcome.update):
        keys = ", ".join(repr(key) for key in graph.input.types)
        raise EmptyInputError(f"the input is {input!r}; give some of these keys: {keys}.")
    return outcome


def _tell_messages(session: Session, event: Event) -> None:
    if event.kind is Kind.CHUNK:
        chunk = MessageChunk(event.data["text"], f"run-{event.run}-{event.task}")
        session.put("messages", (chunk, _metadata(event.node or "", None, session)))


def _metadata(node: str, step: int | None, session: Session) -> dict[str, Any]:
    """What is said of a message: where it comes from, and what the config says."""
    return {
        **session.config.get("metadata", {}),
        "langgraph_step": step,
        "langgraph_node": node,
        "langgraph_triggers": (f"branch:to:{node}",),
        "tags": session.config.get("tags", []),
    }


@dataclass(slots=True)
class Moving:
    """A visit that goes on."""

    visit: Visit
    spec: Spec
    round: int = 0
    """How often its loop was gone round before."""
    arg: Any = None
    """What it was sent, in place of the state."""
    is_sent: bool = False
    error: BaseException | None = None
    """What it is to handle."""
    outcome: Outcome = field(default_factory=lambda: Outcome([], ()))
    input: Any = None

    @property
    def name(self) -> str:
        """The node's name in its graph."""
        return self.spec.name


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
        return "\n".join(f"{key}: {text_of(value)}" for key, value in self.items())


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
        self._prefix = prefix
        self._caller = caller
        self._tell_ended = ended
        self._map = graph.map(prefix)
        self._history = History(graph.state)
        self._waiting: dict[tuple[int, int], list[Visit]] = {}
        """The visits that have led to a node in a round, while it can't run yet."""
        self._partly: dict[tuple[int, int], dict[str, Visit]] = {}
        self._live: Counter[tuple[int, int]] = Counter()
        """How many visits go on or wait, by node and round."""
        self._nodes: Counter[int] = Counter()
        self._live_nodes = 0
        """The nodes at which any do, as a set."""
        self._steps: Counter[int] = Counter()
        self._level = 0
        self._shown = self._history.first.before
        self._calls: set[Call] = set()
        self._failures: list[BaseException] = []
        self._left = False
        self._heard: set[Any] = set()
        """The ids of the messages that were streamed, or given."""
        limit = session.config.get("recursion_limit")
        self._limit = limit or (RECURSION_LIMIT if self._map.members else None)
        self._is_over = False

    def enter(self, outcome: Outcome) -> None:
        """Begin with what the input writes."""
        first = self._history.first
        first.update = outcome.update
        self._heard.update(
            getattr(message, "id", None)
            for _, value in outcome.update
            for message in (value if isinstance(value, list) else [value])
        )
        self._show_values(first.step)
        branches = self._graph.branches.get(START, {})
        start = Moving(first, _START_SPEC, outcome=outcome)
        if branches:
            self._add((0, 0))
            self._steps[0] += 1
            self._spawn(start, self._map.router, self._routing(start))
        else:
            self._go_on_from(start, outcome.gotos)
            self._advance()

    # Tokens

    def _go_on_from(self, moving: Moving, gotos: Iterable[Any]) -> None:
        """Send tokens along every edge that a visit takes."""
        name = moving.name
        for end in self._map.plain[name]:
            self._lead(moving, end)
        for index, (starts, end) in enumerate(self._graph.waiting_edges):
            if name in starts and end != END:
                self._lead_together(index, starts, end, moving)
        for place, goto in enumerate(gotos):
            if isinstance(goto, Send):
                self._send(moving, goto, place)
            elif goto != END:
                self._lead(moving, goto)

    def _round_at(self, moving: Moving, target: int) -> int:
        source, loop = self._map.number[moving.name], self._map.loop
        if loop[target] is None or loop[target] != loop[source]:
            return 0
        return moving.round + self._map.leads_back(source, target)

    def _lead(self, moving: Moving, end: str) -> None:
        target = self._map.number[end]
        key = target, self._round_at(moving, target)
        if key not in self._waiting:
            self._waiting[key] = []
            self._add(key)
        if moving.visit not in self._waiting[key]:
            self._waiting[key].append(moving.visit)

    def _lead_together(self, index: int, starts: tuple[str, ...], end: str, moving: Moving) -> None:
        """Lead on to a node once all starts of an edge have run."""
        key = index, self._round_at(moving, self._map.number[end])
        arrived = self._partly.setdefault(key, {})
        arrived[moving.name] = moving.visit
        if len(arrived) == len(set(starts)):
            del self._partly[key]
            for visit in arrived.values():
                self._lead(replace(moving, visit=visit), end)

    def _send(self, moving: Moving, send: Send, place: int) -> None:
        visit = moving.visit
        target = self._map.number[send.node]
        rank = (1, visit.step, visit.rank, place)
        new = self._history.visit(send.node, visit.step + 1, rank, self._history.after(visit))
        spec = self._graph.nodes[send.node]
        round_ = self._round_at(moving, target)
        sent = Moving(new, spec, round_, arg=send.arg, is_sent=True)
        self._add((target, round_))
        node = self._map.nodes[send.node]
        self._start(sent, node if send.timeout is None else _with_timeout(node, send.timeout))

    def _advance(self) -> None:
        """Run every node with a token to which nobody can still come."""
        ready = [key for key in self._waiting if not self._is_awaited(*key)]
        for key in ready:
            self._visit(*key, self._waiting.pop(key))
        if not self._live and not self._is_over:
            self._end()

    def _is_awaited(self, target: int, round_: int) -> bool:
        """Whether somebody who goes on, or waits, can still come to a node."""
        others = self._live_nodes & self._map.before[target]
        loop = self._map.loop[target]
        if not others or loop is None:
            return bool(others)
        inside = self._map.members[loop]
        if others & ~inside:
            return True
        return any(others >> node & 1 and other <= round_ for node, other in self._live)

    def _add(self, key: tuple[int, int]) -> None:
        self._live[key] += 1
        self._nodes[key[0]] += 1
        self._live_nodes |= 1 << key[0]

    def _drop(self, key: tuple[int, int]) -> None:
        self._live[key] -= 1
        if not self._live[key]:
            del self._live[key]
        self._nodes[key[0]] -= 1
        if not self._nodes[key[0]]:
            self._live_nodes &= ~(1 << key[0])

    def _visit(self, target: int, round_: int, sources: list[Visit]) -> None:
        node = self._map.names[target]
        step = 1 + max(visit.step for visit in sources)
        spec, core = self._graph.nodes[node], self._map.nodes[node]
        try:
            self._check_step(node, step)
            before = self._history.merged(sources)
        except Exception as error:  # noqa: BLE001 - a reducer's, or the updates contradict
            visit = self._history.visit(node, step, (0, target), self._history.first.before)
            self._spawn(Moving(visit, spec, round_), core, _raising(error, core.mode))
        else:
            visit = self._history.visit(node, step, (0, target), before)
            self._start(Moving(visit, spec, round_), core)

    def _check_step(self, node: str, step: int) -> None:
        if self._limit is not None and step > self._limit:
            raise GraphRecursionError(
                f"Recursion limit of {self._limit} reached without hitting a stop condition: "
                f"{node!r} would be step {step}. Give a larger recursion_limit in the config, or "
                "look for what keeps the loop going."
            )

    # Calls

    def _start(self, moving: Moving, node: Node) -> None:
        self._steps[moving.visit.step] += 1
        if moving.spec.callee is None:
            self._spawn(moving, node, partial(self._in_subgraph, moving))
        elif node.mode is Mode.THREAD:
            self._spawn(moving, node, partial(self._in_thread, moving))
        else:
            self._spawn(moving, node, partial(self._on_loop, moving))

    def _spawn(self, moving: Moving, node: Node, function: Callable[[], Any]) -> None:
        then = partial(self._ended, moving)
        call = self._run.spawn(node, function, caller=self._caller, then=then)
        call.handled = moving.spec.error_handler is not None or self._caller is not None
        self._calls.add(call)

    def _read(self, moving: Moving) -> Any:
        """What a node is called with; told to those who watch the tasks."""
        state = (
            moving.arg if moving.is_sent else moving.spec.schema.read(moving.visit.before.values)
        )
        moving.input = state
        if self._session.modes & {"tasks", "debug"}:
            payload = {
                "id": self._id_of(moving),
                "name": moving.name,
                "input": state,
                "triggers": [f"branch:to:{moving.name}"],
            }
            self._session.put("tasks", payload)
            self._session.put_debug("task", moving.visit.step, payload)
        return state

    def _id_of(self, moving: Moving) -> str:
        return f"{self._run.id}-{moving.visit.index}"

    def _in_thread(self, moving: Moving) -> Any:
        callee = moving.spec.callee
        assert callee is not None
        state = self._read(moving)
        try:
            returned = callee.function(state, **callee.given(self._session))
        except ParentCommand as upwards:  # of a graph that it has invoked
            returned = list(upwards.commands)
        self._take(moving, returned)
        for branch in self._branches_of(moving):
            state = self._state_after(moving, branch)
            answer = branch.callee.function(state, **branch.callee.given(self._session))
            self._follow(moving, branch, answer)
        return _shown(returned)

    async def _on_loop(self, moving: Moving) -> Any:
        callee = moving.spec.callee
        assert callee is not None
        extra = {"error": _NodeError(moving.name, moving.error)} if moving.error else {}
        state = self._read(moving)
        try:
            returned = await _called(callee, state, self._session, extra)
        except ParentCommand as upwards:  # of a graph that it has invoked
            returned = list(upwards.commands)
        self._take(moving, returned)
        await self._decide(moving)
        return _shown(returned)

    def _routing(self, start: Moving) -> Callable[[], Any]:
        """What the node `__start__` does: only decide."""

        async def on_loop() -> None:
            await self._decide(start)

        def in_thread() -> None:
            for branch in self._branches_of(start):
                state = self._state_after(start, branch)
                answer = branch.callee.function(state, **branch.callee.given(self._session))
                self._follow(start, branch, answer)

        return in_thread if self._map.router.mode is Mode.THREAD else on_loop

    async def _decide(self, moving: Moving) -> None:
        for branch in self._branches_of(moving):
            state = self._state_after(moving, branch)
            self._follow(moving, branch, await _called(branch.callee, state, self._session, {}))

    async def _in_subgraph(self, moving: Moving) -> Any:
        inner: CompiledStateGraph = moving.spec.action
        attempt: Any = current_task.get()
        outer = self._session
        namespace = (*outer.namespace, f"{moving.name}:{self._id_of(moving)}")
        session = Session(outer.modes, outer.config, outer.context, outer.stream, namespace)
        ended = asyncio.Event()
        traffic = Traffic(
            inner,
            session,
            self._run,
            f"{self._prefix}{moving.name}:",
            attempt.task,
            ended.set,
        )
        traffic.enter(input_update(inner, self._read(moving)))
        await ended.wait()
        if session.error is not None:
            raise session.error
        returned = session.result
        self._take(moving, returned)
        await self._decide(moving)
        return _shown(returned)

    def _branches_of(self, moving: Moving) -> Iterable[Branch]:
        return self._graph.branches.get(moving.name, {}).values()

    def _state_after(self, moving: Moving, branch: Branch) -> Any:
        return branch.schema.read(self._history.after(moving.visit).values)

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
        ends = branch.ends
        for place, one in enumerate(answers):
            if isinstance(one, Send) or ends is None:
                continue
            if one not in ends:
                shown = nearest(str(one), map(str, ends))
                raise InvalidUpdateError(
                    f"the conditional edge of {moving.name!r} returned {one!r}, which its path map "
                    f"doesn't have. {shown}"
                )
            answers[place] = ends[one]
        for one in answers:
            self._check_target(moving, one)
        gotos = (*moving.outcome.gotos, *answers)
        moving.outcome = moving.outcome._replace(gotos=gotos)

    def _check_target(self, moving: Moving, target: Any) -> None:
        name = target.node if isinstance(target, Send) else target
        if isinstance(target, Send) and name == END:
            raise InvalidUpdateError("Cannot send a packet to the END node")
        if name == END or (name in self._map.number and name != START):
            return
        raise InvalidUpdateError(
            f"{moving.name!r} did not return a valid destination: there is no node {name!r}. "
            f"{nearest(str(name), self._graph.nodes)}"
        )

    # Ends

    def _ended(self, moving: Moving, call: Call) -> None:
        """A visit has ended: tell of it, and send its tokens on."""
        self._calls.discard(call)
        self._steps[moving.visit.step] -= 1
        node = self._map.number[moving.name]
        key = node, moving.round
        error = call.error
        if error is None:
            self._tell_result(moving)
            if moving.outcome.for_parent:
                self._leave(moving.outcome.for_parent)
            elif not self._left:
                self._continue(moving)
        elif (
            isinstance(error, Exception)
            and moving.spec.error_handler is not None
            and not moving.error
        ):
            self._handle(moving, error)
        else:
            self._tell_error(moving, error)
            if call.state is State.FAILED:
                self._failures.append(error)
                self._stop()
        self._drop(key)
        self._show_values(moving.visit.step)
        self._advance()

    def _continue(self, moving: Moving) -> None:
        try:
            self._go_on_from(moving, moving.outcome.gotos)
        except RuntimeError:  # the run is over: it was cancelled meanwhile
            self._left = True

    def _handle(self, moving: Moving, error: BaseException) -> None:
        """Run a node's error handler in its place."""
        handler = moving.spec.error_handler
        assert handler is not None
        spec = replace(moving.spec, callee=handler, error_handler=None)
        asks = "error" in inspect.signature(handler.function).parameters
        core = self._map.nodes[moving.name]
        node = replace(core, name=f"{core.name} on error", mode=Mode.COROUTINE, policy=_NO_POLICY)
        again = replace(moving, spec=spec, error=error if asks else None)
        self._add((self._map.number[moving.name], moving.round))
        self._steps[moving.visit.step] += 1
        self._spawn(again, node, partial(self._on_loop, again))

    def _stop(self) -> None:
        """A node has failed: nothing else is to begin, and in a graph in a graph what runs ends."""
        self._left = True
        for key in list(self._waiting):
            del self._waiting[key]
            self._drop(key)
        if self._caller is not None:
            self._run.cancel_calls(self._calls)

    def _leave(self, commands: tuple[Command[Any], ...]) -> None:
        """A node has spoken to the graph around this one: this one is over."""
        own = [replace(command, graph=None) for command in commands]
        if self._caller is None:
            self._session.error = ParentCommand(own)
        self._session.result = own
        self._stop()

    def _tell_result(self, moving: Moving) -> None:
        if moving.spec is _START_SPEC:
            return
        written = _written(moving.outcome.update, self._graph.state.types)
        self._session.put("updates", {moving.name: written})
        if "messages" in self._session.modes:
            self._tell_written(moving)
        self._tell_end(moving, {"error": None, "result": dict(moving.outcome.update)})

    def _tell_written(self, moving: Moving) -> None:
        """Stream the messages that a node has written into the state, each once."""
        about = _metadata(moving.name, moving.visit.step, self._session)
        for _, value in moving.outcome.update:
            for message in value if isinstance(value, list | tuple) else [value]:
                id_ = getattr(message, "id", None)
                if not is_message(message) or (id_ is not None and id_ in self._heard):
                    continue
                self._heard.add(id_)
                self._session.put("messages", (message, about))

    def _tell_error(self, moving: Moving, error: BaseException | None) -> None:
        if moving.spec is not _START_SPEC:
            self._tell_end(moving, {"error": repr(error), "result": {}})

    def _tell_end(self, moving: Moving, what: Mapping[str, Any]) -> None:
        if self._session.modes & {"tasks", "debug"}:
            payload = {"id": self._id_of(moving), "name": moving.name, **what, "interrupts": []}
            self._session.put("tasks", payload)
            self._session.put_debug("task_result", moving.visit.step, payload)

    def _show_values(self, ended: int) -> None:
        """Stream the state after each step that is over: nobody can still come in it."""
        if "values" not in self._session.modes or self._failures:
            return
        if not ended:
            self._shown = self._history.folded(self._shown, [self._history.first], loosely=True)
            self._session.put("values", self._output(self._shown.values))
            return
        waiting = (1 + max(v.step for v in visits) for visits in self._waiting.values())
        going = (step for step, count in self._steps.items() if count)
        next_ = min((*waiting, *going), default=1 + max(v.step for v in self._history.visits))
        for level in range(self._level + 1, next_):
            self._level = level
            visits = [visit for visit in self._history.visits if visit.step == level]
            if any(visit.update for visit in visits):
                self._shown = self._history.folded(self._shown, visits, loosely=True)
                self._session.put("values", self._output(self._shown.values))

    def _output(self, values: Mapping[str, Any]) -> Any:
        keys = self._graph.output.types
        return values.get(ROOT) if ROOT in keys else {k: values[k] for k in keys if k in values}

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
                session.result = self._output(self._history.everything().values)
            except Exception as error:  # noqa: BLE001 - a reducer's, or the updates contradict
                session.error = error
        visited = {visit.node for visit in self._history.visits}
        for name, node in self._map.nodes.items():
            if name not in visited:
                self._run.never(node)
        if self._tell_ended is not None:
            self._tell_ended()


def _raising(error: BaseException, mode: Mode | None) -> Callable[[], Any]:
    async def on_loop() -> None:
        raise error

    def in_thread() -> None:
        raise error

    return in_thread if mode is Mode.THREAD else on_loop


async def _called(callee: Any, state: Any, session: Session, extra: Mapping[str, Any]) -> Any:
    """Call a function, however it is written, and give what it returned or yielded."""
    given = {**callee.given(session), **extra}
    match callee.mode:
        case Mode.COROUTINE:
            return await callee.function(state, **given)
        case Mode.ASYNC_GENERATOR:
            return await _consumed(callee.function(state, **given))
        case Mode.GENERATOR:
            return await _consumed(iterate_in_thread(lambda: callee.function(state, **given)))
        case _:
            returned = await call_in_thread(callee.function, state, **given)
            return await returned if inspect.isawaitable(returned) else returned


async def _consumed(parts: AsyncIterator[Any]) -> list[Any]:
    """The updates that a generator yields, as commands; everything else it yields is shown."""
    updates: list[Any] = []
    async for part in parts:
        if isinstance(part, Command):
            updates.append(part)
        elif isinstance(part, Mapping):
            updates.append(Command(update=dict(part)))
        else:
            emit(Kind.CHUNK, text=text_of(part))
    return updates


@dataclass(frozen=True, slots=True)
class _NodeError:
    """What an error handler finds as `error`."""

    node: str
    error: BaseException | None


def _shown(returned: Any) -> Any:
    return Update(returned) if type(returned) is dict else returned


def _written(update: list[tuple[str, Any]], keys: Mapping[str, Any]) -> Any:
    """What a node wrote, as the `updates` stream tells it."""
    if not update:
        return None
    if ROOT in keys:
        return update[-1][1] if len(update) == 1 else [value for _, value in update]
    if len({key for key, _ in update}) < len(update):
        return [{key: value} for key, value in update if key in keys]
    return {key: value for key, value in update if key in keys} or None


def _with_timeout(node: Node, timeout: TimeoutPolicy) -> Node:
    return replace(node, policy=replace(node.policy, timeout=policy_of(None, timeout).timeout))
