"""What LangGraph streams of its tasks, told to a run; and what it knows of a graph before it runs.

Knows the parts of LangGraph's modes `tasks`, `messages` and `custom`; imports nothing of LangGraph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from nbflow.core.events import Kind
from nbflow.core.states import State
from nbflow.core.task import Call
from nbflow.core.topology import Node
from nbflow.core.values import text_of
from nbflow.notebook.followed import FollowedRun, elsewhere
from nbflow.writing.execution import Update
from nbflow.writing.messages import content_of, said_by

Part: TypeAlias = tuple[tuple[str, ...], str, Any]
"""In which graph, as its path; in which mode; and what."""

ENDS = ("__start__", "__end__")
_ONLY_VALUE = ("__return__", "__end__", "__root__")
"""What stands in the place of a key where a result has no keys."""


@dataclass(frozen=True, slots=True)
class Map:
    """What is known of a graph before it runs."""

    nodes: dict[str, Node] = field(default_factory=dict)
    first: set[str] = field(default_factory=set)
    """The nodes that it begins with."""
    anywhere: list[str] = field(default_factory=list)
    """The nodes that may lead to any other: LangGraph doesn't draw edges from them."""
    entrypoint: str = ""
    """Of an entrypoint, the name of its only node; its tasks get known when they are called."""


def map_of(graph: Any, prefix: str = "", *, deep: bool = True) -> Map:
    """The map of a compiled graph.

    Args:
        graph: LangGraph's.
        prefix: Begins the names of its nodes.
        deep: With those of the graphs in it.
    """
    inner = dict(graph.get_subgraphs())
    edges = _edges(graph)
    found = Map(entrypoint="" if hasattr(graph, "builder") else next(iter(graph.nodes), ""))
    for name in graph.nodes:
        if name in ENDS:
            continue
        ways = [edge for edge in edges if edge.target == name and edge.source not in ENDS]
        kind = "subgraph" if name in inner else "python"
        full = f"{prefix}{name}"
        found.nodes[full] = Node(
            full,
            elsewhere,
            tuple(dict.fromkeys(f"{prefix}{edge.source}" for edge in ways)),
            kind="entrypoint" if name == found.entrypoint else kind,
            perhaps=tuple(f"{prefix}{edge.source}" for edge in ways if edge.conditional),
        )
        if any(edge.source == ENDS[0] and edge.target == name for edge in edges):
            found.first.add(full)
        if name in inner and deep:
            _include(found, map_of(inner[name], f"{full}:"))
    branches = getattr(getattr(graph, "builder", None), "branches", {})
    for name, ways in branches.items():
        if any(getattr(branch, "ends", None) is None for branch in ways.values()):
            found.anywhere.append(f"{prefix}{name}")
    return found


def _include(found: Map, inner: Map) -> None:
    found.nodes.update(inner.nodes)
    found.first.update(inner.first)
    found.anywhere.extend(inner.anywhere)


def _edges(graph: Any) -> list[Any]:
    try:
        return list(graph.get_graph().edges)
    except Exception:  # noqa: BLE001 - it can run what it can't draw
        return []


class Listener:
    """Tells a run what LangGraph streams.

    Args:
        run: The run.
        known: The map of the graph that is run.
    """

    def __init__(self, run: FollowedRun, known: Map) -> None:
        self._run = run
        self._known = known
        self._calls: dict[str, Call] = {}
        self._graphs: dict[str, tuple[str, ...]] = {}
        """Where each task is, by its id."""
        self._tasks: dict[str, Node] = {}
        """Of an entrypoint, the nodes of its tasks as they were drawn last."""
        self._before: dict[str, set[str]] = {}
        """Of an entrypoint, the tasks that have ended, and those that had before they began."""
        self._interrupted = False

    def is_outermost(self, part: Part) -> bool:
        """Whether a part is of the graph itself, and not of one in it."""
        namespace, mode, _ = part
        if mode == "custom":  # a task that a task calls has another namespace, but the same graph
            return not namespace or namespace not in self._graphs.values()
        return not namespace

    def hear(self, part: Part) -> None:
        """Take note of one part."""
        namespace, mode, data = part
        match mode:
            case "tasks" if "triggers" in data:
                self._begin(namespace, data)
            case "tasks":
                self._end(data)
            case "messages":
                self._hear_message(*data)
            case _:
                self._hear_custom(namespace, data)

    def end(self) -> None:
        """All is over and nothing was raised: of cached tasks LangGraph tells no end."""
        for call in self._calls.values():
            if call.state is State.RUNNING and not self._interrupted:
                self._run.done(call, None, reused=True)

    def _begin(self, namespace: tuple[str, ...], data: Mapping[str, Any]) -> None:
        path = [part.partition(":")[0] for part in namespace]
        name = ":".join([*path, data["name"]])
        node = self._known.nodes.get(name)
        caller = self._calls.get(namespace[-1].rpartition(":")[2]) if namespace else None
        if self._known.entrypoint and node is None:
            caller = caller or self._first_call
            node = self._called(name)
        elif node is None:
            node = self._known.nodes[name] = Node(name, elsewhere)
        elif not node.inputs and name not in self._known.first:
            node = self._led_to(node)
        self._graphs[data["id"]] = namespace
        self._calls[data["id"]] = self._run.begun(node, caller)

    @property
    def _first_call(self) -> Call | None:
        """Of an entrypoint, the call of itself."""
        return next(iter(self._calls.values()), None)

    def _led_to(self, node: Node) -> Node:
        """A node that no drawn edge leads to: whoever may lead anywhere, may have led here."""
        graph = node.name.rpartition(":")[0]
        ended = {call.node.name for call in self._calls.values() if call.state is State.DONE}
        sources = [one for one in self._known.anywhere if one in ended and one != node.name]
        ways = tuple(one for one in sources if one.rpartition(":")[0] == graph)
        if ways:
            node = self._known.nodes[node.name] = replace(node, inputs=ways, perhaps=ways)
        return node

    def _called(self, name: str) -> Node:
        """The node of a task of an entrypoint: it comes after those that had ended before it."""
        new = [one for one in self._front() if name not in {one, *self._before[one]}]
        node = self._tasks.get(name) or Node(name, elsewhere)
        inputs = tuple(dict.fromkeys((*node.inputs, *new)))
        self._tasks[name] = node if inputs == node.inputs else replace(node, inputs=inputs)
        return self._tasks[name]

    def _front(self) -> list[str]:
        """Of an entrypoint: the tasks that have ended, without those that come before others."""
        above = {name for before in self._before.values() for name in before}
        return [one for one in self._before if one not in above]

    def _end(self, data: Mapping[str, Any]) -> None:
        call = self._calls.get(data["id"])
        if call is None or call.state is not State.RUNNING:
            return
        if data.get("error") is not None:
            error = data["error"]
            self._run.failed(call, error if isinstance(error, Exception) else RuntimeError(error))
        elif data.get("interrupts"):
            self._interrupted = True
            for one in data["interrupts"]:
                asks = text_of(one.get("value"))
                self._run.said(call, Kind.CHUNK, text=f"Waits for an answer: {asks}\n")
            self._run.stopped(call)
        else:
            result = _result_of(data["result"])
            self._run.done(call, result, _shown(result))
            self._note_end(call)

    def _note_end(self, call: Call) -> None:
        """In an entrypoint: what comes from now on, comes after this task."""
        name, last = call.node.name, self._known.entrypoint
        if not last or name == last:
            return
        known = set(call.node.inputs)
        above = known.union(*(self._before.get(one, ()) for one in known))
        self._before.setdefault(name, set()).update(above - {name})
        node, inputs = self._known.nodes[last], tuple(self._front())
        if inputs != node.inputs:
            self._known.nodes[last] = replace(node, inputs=inputs)
            self._run.scheduler.calls.declare(self._known.nodes[last])

    def _hear_message(self, message: Any, about: Mapping[str, Any]) -> None:
        id_ = str(about.get("langgraph_checkpoint_ns", "")).rpartition(":")[2]
        call = self._calls.get(id_)
        if call is None or not str(getattr(message, "type", "")).lower().startswith("ai"):
            return
        if text := content_of(message):
            self._run.said(call, Kind.CHUNK, text=text)
        usage = getattr(message, "usage_metadata", None)
        if usage:
            model = (getattr(message, "response_metadata", None) or {}).get("model_name", "")
            tokens = {key: usage.get(key, 0) for key in ("input_tokens", "output_tokens")}
            self._run.said(call, Kind.USAGE, model=model, **tokens)

    def _hear_custom(self, namespace: tuple[str, ...], value: Any) -> None:
        """What a node writes is shown with it, if it can be no other that has written it."""
        writers = [
            call
            for id_, call in self._calls.items()
            if self._graphs[id_] == namespace and call.state is State.RUNNING and not call.calls
        ]
        if len(writers) == 1:
            self._run.said(writers[0], Kind.CHUNK, text=f"{text_of(value)}\n")


def _result_of(written: Any) -> Any:
    """What a task has written, or returned if it has no keys."""
    if isinstance(written, Mapping) and len(written) == 1:
        key, value = next(iter(written.items()))
        return value if key in _ONLY_VALUE else dict(written)
    return written


def _shown(result: Any) -> Any:
    """The same for people: of messages their text."""
    if isinstance(result, Mapping):
        return Update({str(key): value for key, value in result.items()})
    said = said_by(result)
    return result if said is None else said
