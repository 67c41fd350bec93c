"""A session: one invocation of a graph or entrypoint: what was asked of it, and who hears of it.

An invocation in the code of another one is heard of by those who stream that one with `subgraphs`.
Knows nothing of what is invoked.
"""

from __future__ import annotations

import copy
import itertools
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from nbflow.core.attempt import Attempt
from nbflow.core.context import current_task, progress
from nbflow.core.task import Call, Task
from nbflow.writing.parts import Stream

Config: TypeAlias = Mapping[str, Any]
"""How to run: `max_concurrency`, `recursion_limit`, `configurable`, `tags`, `metadata`, and what
else a node may want to read; unknown keys are passed on."""

current_session: ContextVar[Session | None] = ContextVar("nbflow_session", default=None)
"""The invocation that the code runs in."""

_TASKS = frozenset({"tasks", "debug"})


class Listener(NamedTuple):
    """Somebody who streams an invocation."""

    stream: Stream
    modes: frozenset[str]
    subgraphs: bool
    """Whether also what its code invokes is wanted, and the graphs that are its nodes."""
    heard: set[Any]
    """The ids of the messages that aren't new."""
    depth: int = 0
    """How many names of a place come before the invocation that is streamed."""


class Session:
    """One invocation.

    Args:
        modes: What is streamed.
        config: How to run.
        context: What nodes find as `runtime.context`.
        keys: The keys of the state that are shown; None for all, a text for one without its name.
        subgraphs: Whether what its code invokes is streamed too.
    """

    def __init__(
        self,
        modes: Iterable[str] = (),
        config: Config | None = None,
        context: Any = None,
        *,
        keys: str | tuple[str, ...] | None = None,
        subgraphs: bool = False,
    ) -> None:
        self.modes = frozenset(modes)
        """What anybody hears."""
        self.config: dict[str, Any] = dict(config or {})
        self.context = context
        self.stream: Stream | None = None
        """Where its own parts go; None if none are wanted."""
        self.where: tuple[str, ...] = ()
        """Where this is: in the code that has invoked it, and the graphs that it is a node of."""
        self.keys = keys
        self.result: Any = None
        """What the invocation returns."""
        self.error: BaseException | None = None
        """What it raises."""
        self.told: dict[str, str] = {}
        """What streams call nodes of the run that they don't call by their names."""
        self._around: tuple[str, ...] = ()
        """The code that has invoked it."""
        self._invoked: dict[tuple[str, ...], Iterator[int]] = {}
        """Counts what each place has invoked."""
        self._listeners: list[Listener] = []
        self._id = uuid.uuid4()
        if self.modes:
            self.stream = Stream()
            self._listeners.append(Listener(self.stream, self.modes, subgraphs, set()))

    def begin_in(self, outer: Session) -> None:
        """It is invoked by code that runs in another session."""
        if self.context is None:
            self.context = outer.context
        wide = outer._wide()
        if not (wide or self._listeners):
            return
        place = outer.place()
        earlier = next(outer._invoked.setdefault(place, itertools.count()))
        self._around = self.where = (*place, str(earlier)) if earlier else place
        own = [listener._replace(depth=len(self.where)) for listener in self._listeners]
        self._heard_by([*own, *wide])

    def within(self, name: str) -> Session:
        """What this is to a graph that is a node of this one.

        Args:
            name: What its parts are told to come from.
        """
        inner = copy.copy(self)
        inner.where = (*self.where, name)
        inner.keys = inner.result = inner.error = None
        inner._heard_by(self._wide())  # noqa: SLF001 - one of its kind
        return inner

    def _wide(self) -> list[Listener]:
        """Who hears of what its code invokes, and of the graphs in it."""
        return [listener for listener in self._listeners if listener.subgraphs]

    def _heard_by(self, listeners: list[Listener]) -> None:
        self._listeners = listeners
        self.modes = frozenset(mode for one in self._listeners for mode in one.modes)

    def id_of(self, task: str) -> str:
        """What streams call a task of the run.

        Args:
            task: Its id in the run.
        """
        return str(uuid.uuid5(self._id, task))

    def name_of(self, node: str) -> str:
        """What streams call a node of the run, which is named after the graphs it is in."""
        return self.told.get(node) or node.rpartition(":")[2]

    def place(self) -> tuple[str, ...]:
        """Where the code that runs here is: its task, after those around it."""
        attempt = current_task.get()
        task: Task | None = attempt.task if isinstance(attempt, Attempt) else None
        names: list[str] = []
        while task is not None:
            names.append(f"{self.name_of(task.node.name)}:{self.id_of(task.id)}")
            task = task.caller if isinstance(task, Call) else None
        return (*self._around, *reversed(names))

    def put(self, mode: str, data: Any) -> None:
        """Stream a part to those who want that mode; any thread may call it."""
        if mode in self.modes:
            for listener in self._listeners:
                if mode in listener.modes:
                    listener.stream.put((self.where[listener.depth :], mode, data))

    def put_message(self, message: Any, about: dict[str, Any], *, is_piece: bool = False) -> None:
        """Stream a message to those who haven't heard it yet; a piece of one in any case."""
        for listener in self._listeners:
            if "messages" in listener.modes and (is_piece or message.id not in listener.heard):
                listener.stream.put((self.where[listener.depth :], "messages", (message, about)))
        self.hear([message.id] if message.id else [])

    def hear(self, messages: Collection[str]) -> None:
        """Messages of these ids aren't new."""
        for listener in self._listeners:
            listener.heard.update(messages)

    def write(self, value: Any) -> None:
        """Stream what a node or task writes; any thread may call it.

        Who hears of what code invokes is told of a task in that code, too.
        """
        progress()
        if "custom" not in self.modes:
            return
        place = self.place()[:-1] if current_session.get() is self else self.where
        for listener in self._listeners:
            if "custom" in listener.modes:
                where = place if listener.subgraphs else self.where
                listener.stream.put((where[listener.depth :], "custom", value))

    def put_start(self, task: str, step: int, **about: Any) -> None:
        """Stream that a task of the run begins, in `tasks` and `debug`.

        Args:
            task: Its id in the run.
            step: In which it does.
            **about: What is told of it.
        """
        if not self.modes.isdisjoint(_TASKS):
            self._put_task("task", step, {"id": self.id_of(task), **about})

    def put_end(self, task: str, step: int, **about: Any) -> None:
        """Stream that a task of the run has ended; as `put_start`."""
        if not self.modes.isdisjoint(_TASKS):
            self._put_task("task_result", step, {"id": self.id_of(task), **about, "interrupts": []})

    def told_of_config(self) -> dict[str, Any]:
        """What is told of the config where a task begins: its metadata and tags, if it has any."""
        told = dict(self.config.get("metadata") or {})
        if tags := self.config.get("tags"):
            told["tags"] = list(tags)
        return {"metadata": told} if told else {}

    def _put_task(self, kind: str, step: int, payload: dict[str, Any]) -> None:
        self.put("tasks", payload)
        now = datetime.now(UTC).isoformat()
        self.put("debug", {"step": step, "timestamp": now, "type": kind, "payload": payload})


def merged(*configs: Config) -> dict[str, Any]:
    """Configs one upon the other: what is a mapping in them is merged, and tags add up."""
    # nodes may look these up, whatever was given
    merged: dict[str, Any] = {"tags": [], "metadata": {}, "configurable": {}}
    for config in configs:
        for key, value in config.items():
            if key == "tags":
                merged[key] = list(dict.fromkeys((*merged[key], *(value or ()))))
            elif key in {"metadata", "configurable"}:
                merged[key] = {**merged[key], **(value or {})}
            else:
                merged[key] = value
    return merged


def get_config() -> dict[str, Any]:
    """The config of the invocation that the code runs in.

    Raises:
        RuntimeError: it runs in none.
    """
    session = current_session.get()
    if session is None:
        raise RuntimeError("get_config() was called outside of a graph's node or a task.")
    return session.config


def get_stream_writer() -> Any:
    """A function that puts a value into the `custom` stream of the invocation this runs in.

    Example:
        >>> get_stream_writer()("nobody listens outside of an invocation")
    """
    session = current_session.get()
    return (lambda _value: None) if session is None else session.write
