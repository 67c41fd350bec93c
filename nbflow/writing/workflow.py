"""A workflow: a function that calls tasks, and is itself the first call of a run.

It starts the run, tells the streams how the function ended, and is drawn as what its last run did.
Knows nothing of tasks.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from nbflow.core.policies import Policy
from nbflow.core.record import NodeInfo, RunRecord
from nbflow.core.run import Run
from nbflow.core.states import RunState, State
from nbflow.core.task import Call
from nbflow.core.topology import Node, Topology
from nbflow.errors import EmptyInputError
from nbflow.writing.caching import Cache, InMemoryCache, Slot, current_cache, namespace_of
from nbflow.writing.calling import Callee
from nbflow.writing.desk import Desk
from nbflow.writing.session import Config, Session
from nbflow.writing.streams import Invocable
from nbflow.writing.taskfunction import name_of
from nbflow.writing.types import CachePolicy

R = TypeVar("R")
S = TypeVar("S")


@dataclass(slots=True)
class Final(Generic[R, S]):
    """What an entrypoint returns, apart from what it would save for the next time.

    Args:
        value: What is returned.
        save: What a checkpointer would keep; there is none yet.
    """

    value: R
    save: S


class Workflow(Invocable):
    """A function that calls tasks: `@entrypoint()` makes it.

    Args:
        function: What is called with the input.
        policy: How it is attempted.
        cache: Where results are kept.
        cache_policy: For which input the whole result is kept.
        context_schema: What `context` is.

    Raises:
        ValueError: the function has no parameter.
        NotImplementedError: it is a generator.
    """

    drawer: ClassVar[Callable[[RunRecord], Any]]
    """Makes the drawing of what a run did; the views bring it."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        policy: Policy,
        cache: Cache | None = None,
        cache_policy: CachePolicy | None = None,
        context_schema: type[Any] | None = None,
    ) -> None:
        self.name = name_of(function)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise NotImplementedError(
                f"{self.name!r} is a generator, which an entrypoint can't be; return its result, "
                "and say what comes before with `writer(...)` or in tasks."
            )
        if not inspect.signature(function).parameters:
            raise ValueError(
                f"Entrypoint function must have at least one parameter: {self.name}(input)."
            )
        functools.update_wrapper(self, function, updated=())  # type: ignore[arg-type]
        self.func = function
        self.context_schema = context_schema
        self.cache: Cache = InMemoryCache() if cache is None else cache
        self._cache_policy = cache_policy
        self._callee = Callee.of(function)
        self._node = Node(
            self.name,
            self._callee.function,
            kind="entrypoint",
            policy=policy,
            mode=self._callee.mode,
        )
        self._topology = Topology(declared=[self._node])
        self._last: Run | None = None

    def begin(self, input: Any, session: Session) -> Run:  # noqa: A002 - LangGraph's word
        """Start a run of it on the running loop.

        Raises:
            EmptyInputError: the input is None.
        """
        if input is None:
            raise EmptyInputError(f"{self.name!r} was given no input: None says there is none.")
        token = current_cache.set(self.cache)
        try:
            run = Run(
                self._topology,
                {},
                self.options(session),
                name=self.name,
            )
            run.origin = self
            run.start()
            _Invocation(run, session, self._slot(input)).enter(
                self._node, functools.partial(self._callee.function, input), input, self._callee
            )
        finally:
            current_cache.reset(token)
        self._last = run
        return run

    def _slot(self, input: Any) -> Slot | None:  # noqa: A002
        if self._cache_policy is None:
            return None
        namespace = ("entrypoint", *namespace_of(self.func))
        return Slot(self.cache, self._cache_policy, namespace, (input,), {})

    def _error_of(self, run: Run, session: Session) -> BaseException | None:
        return _with_others(session.error, run) if run.status is RunState.FAILED else session.error

    def get_graph(self, config: Config | None = None, *, xray: int | bool = False) -> Any:  # noqa: ARG002 - LangGraph's
        """The graph of what its last run did; before the first, of itself alone.

        Returns:
            A drawing: `draw_mermaid()`, `draw_mermaid_png()`, `draw_ascii()`, ...
        """
        record = RunRecord(name=self.name, nodes={self.name: NodeInfo(**self._node.describe())})
        return Workflow.drawer(record if self._last is None else self._last.record)

    def __repr__(self) -> str:
        return f"<entrypoint {self.name!r}>"


class _Invocation:
    """The entrypoint's own call: what it tells the session."""

    def __init__(self, run: Run, session: Session, slot: Slot | None) -> None:
        self._run = run
        self._session = session
        self._slot = slot
        self._known = None if slot is None else slot.known()

    def enter(
        self,
        node: Node,
        function: Callable[..., Any],
        input: Any,  # noqa: A002
        callee: Callee,
    ) -> None:
        """Begin."""
        about = self._session.told_of_config()
        self._session.put_start(
            node.name, 0, name=node.name, input=input, triggers=("__start__",), **about
        )
        self._run.scheduler.calls.spawn(
            node,
            functools.partial(function, **callee.given(self._session)),
            then=self._ended,
            limited=False,
            known=self._known,
        )

    def _ended(self, call: Call) -> None:
        session, value = self._session, call.result
        Desk.of(self._run.scheduler).ended(call)
        if isinstance(value, Final):
            value = value.value
        if call.state is State.DONE:
            session.result = value
            if self._slot is not None and self._known is None:
                self._slot.keep(call.result)
            cached = {} if self._known is None else {"__metadata__": {"cached": True}}
            session.put("updates", {call.node.name: value, **cached})
        elif call.state is State.FAILED:
            session.error = call.error
        if self._known is None and call.state in (State.DONE, State.FAILED):
            result = {"__end__": value} if call.state is State.DONE else {}
            session.put_end(call.id, 0, name=call.node.name, error=call.error, result=result)
        if call.state is State.DONE:
            session.put("values", value)


def _with_others(error: BaseException | None, run: Run) -> BaseException | None:
    """What failed first, with a word about what else did and nobody was told of."""
    errors = [one for one in run.errors.values() if one is not error]
    if error is None and errors:
        error = errors.pop(0)
    for other in errors:
        if error is not None:
            error.add_note(f"Also raised: {type(other).__name__}: {other}")
    return error
