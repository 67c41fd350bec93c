"""What the streams tell of a graph's run: updates, values, messages, and starts and ends.

Knows the session that listens and the run's history; decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.context import current_task
from nbflow.core.events import Event, Kind
from nbflow.core.task import Call
from nbflow.writing.caching import Slot
from nbflow.writing.messages import MessageChunk, is_message
from nbflow.writing.outcome import NO_OUTCOME, Outcome
from nbflow.writing.schema import ROOT
from nbflow.writing.session import Session
from nbflow.writing.state import History, Visit
from nbflow.writing.tokens import Place, Tokens

if TYPE_CHECKING:
    from nbflow.writing.compiled import CompiledStateGraph
    from nbflow.writing.spec import Spec


@dataclass(slots=True)
class Moving:
    """A visit that goes on."""

    visit: Visit
    spec: Spec
    place: Place
    arg: Any = None
    """What it was sent, in place of the state."""
    is_sent: bool = False
    error: BaseException | None = None
    """What it is to handle."""
    is_handler: bool = False
    """Whether it runs in the place of a node that has failed."""
    outcome: Outcome = NO_OUTCOME
    slot: Slot | None = None
    """Where a cache keeps what it returns."""
    known: tuple[Any] | None = None
    """What it returned earlier, in a tuple, if a cache has that."""
    refusal: BaseException | None = None
    """Why it isn't even called."""

    @property
    def name(self) -> str:
        """The node's name in its graph."""
        return self.spec.name

    @property
    def may_be_handled(self) -> bool:
        """Whether the node's error handler is to be called if it raises."""
        return self.spec.error_handler is not None and self.refusal is None

    @property
    def told_as(self) -> str:
        """What streams call it."""
        return f"__error_handler__{self.name}" if self.is_handler else self.name


class Reports:
    """What is told of one run of a graph.

    Args:
        graph: What is run.
        session: Who listens.
        history: The visits.
    """

    def __init__(self, graph: CompiledStateGraph, session: Session, history: History) -> None:
        self._graph = graph
        self._session = session
        self._history = history
        modes = session.modes
        self._tells_messages = "messages" in modes
        self._tells_updates = "updates" in modes
        self._tells_values = "values" in modes
        self._going: Counter[int] = Counter()
        """How many visits of each step go on."""
        self._level = 0
        """The last step that was told of."""
        self._shown = history.first.before

    def entered(self) -> None:
        """The input is there."""
        first = self._history.first
        self._hear(value for _, value in first.update)
        if self._tells_values:
            self._shown = self._history.folded(self._shown, [first], loosely=True)
            self._tell_values([first])

    def _tell_values(self, visits: Iterable[Visit]) -> None:
        """Tell of the state, if these visits have written something of what is shown of it."""
        wanted = self._session.keys
        if wanted is None:
            wanted = tuple(self._graph.state.types)
        keys = (wanted,) if isinstance(wanted, str) else wanted
        if any(key in keys for visit in visits for key, _ in visit.update):
            self._session.put("values", self._graph.shown(self._shown.values, wanted))

    def began(self, moving: Moving) -> None:
        """A visit goes on."""
        if self._tells_values:
            self._going[moving.visit.step] += 1

    def called(self, moving: Moving, state: Any) -> None:
        """A node is called with a state; the code of its call runs here."""
        if self._tells_messages:
            self._hear(state.values() if isinstance(state, Mapping) else (state,))
        attempt: Any = current_task.get()
        if attempt.number == 1 and not moving.is_handler:  # LangGraph tells only of a handler's end
            name, step = moving.name, moving.visit.step
            triggers = (f"branch:to:{name}",)
            self._session.put_start(
                attempt.task.id, step, name=name, input=state, triggers=triggers
            )

    def done(self, moving: Moving, call: Call) -> None:
        """A node has returned."""
        update = moving.visit.update
        if self._tells_updates:
            part = {moving.told_as: _written(update, self._graph.state.types, self._session.keys)}
            if moving.known is not None:
                part["__metadata__"] = {"cached": True}
            self._session.put("updates", part)
        if self._tells_messages:
            self._tell_messages(moving, call)
        if moving.known is None:
            self._tell_end(moving, call, dict(update))

    def failed(self, moving: Moving, call: Call) -> None:
        """A node has raised."""
        self._tell_end(moving, call, {})

    def _tell_end(self, moving: Moving, call: Call, result: Mapping[str, Any]) -> None:
        name, step = moving.told_as, moving.visit.step
        self._session.put_end(call.id, step, name=name, error=call.error, result=result)

    def _hear(self, values: Iterable[Any]) -> None:
        """These messages aren't new."""
        if self._tells_messages:
            ids = (getattr(message, "id", None) for message in _listed(values))
            self._session.hear([id_ for id_ in ids if id_])

    def _tell_messages(self, moving: Moving, call: Call) -> None:
        """Stream the messages that a node has written into the state, each once."""
        written = _listed(value for _, value in moving.visit.update)
        messages = [message for message in written if is_message(message)]
        about = self._metadata(moving, call) if messages else {}
        for message in messages:
            self._session.put_message(message, about)

    def _metadata(self, moving: Moving, call: Call) -> dict[str, Any]:
        path = ("__pregel_push", 0, False) if moving.is_sent else ("__pregel_pull", moving.name)
        within = (*self._session.where, f"{moving.told_as}:{self._session.id_of(call.id)}")
        return {
            **metadata_of(self._session, moving.told_as),
            "langgraph_step": moving.visit.step,
            "langgraph_path": path,
            "langgraph_checkpoint_ns": "|".join(within),
        }

    def ended(self, moving: Moving, tokens: Tokens) -> None:
        """A visit doesn't go on any more: tell of the state after each step that is over.

        Args:
            moving: The visit.
            tokens: Who goes on, and who waits.
        """
        if not self._tells_values:
            return
        self._going[moving.visit.step] -= 1
        going = (step for step, count in self._going.items() if count)
        last = max(visit.step for visit in self._history.visits)
        for level in range(
            self._level + 1, min((*tokens.waiting_steps(), *going), default=last + 1)
        ):
            self._level = level
            visits = [visit for visit in self._history.visits if visit.step == level]
            self._shown = self._history.folded(self._shown, visits, loosely=True)
            self._tell_values(visits)


def metadata_of(session: Session, node: str) -> dict[str, Any]:
    """What is said of a message: where it comes from, and what the config says."""
    config = session.config
    about = {
        key: config["configurable"][key] for key in _TOLD if key in config.get("configurable", {})
    }
    about |= config.get("metadata", {})
    if config.get("tags"):
        about["tags"] = config["tags"]
    return {
        "ls_integration": "langgraph",
        **about,
        "langgraph_node": node,
        "langgraph_triggers": (f"branch:to:{node}",),
    }


_TOLD = (
    "thread_id",
    "checkpoint_id",
    "checkpoint_ns",
    "task_id",
    "run_id",
    "assistant_id",
    "graph_id",
)
"""What of `configurable` is said of messages; the rest may be a secret."""


def tell_chunk(session: Session, event: Event) -> None:
    """Stream a piece of what a model says in a node."""
    if event.kind is Kind.CHUNK and not event.data.get("told"):
        chunk = MessageChunk(event.data["text"], f"run-{event.run}-{event.task}")
        session.put(
            "messages", (chunk, {"langgraph_step": None, **metadata_of(session, event.node or "")})
        )


def _listed(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _written(
    update: list[tuple[str, Any]], types: Mapping[str, Any], wanted: str | tuple[str, ...] | None
) -> Any:
    """What a node wrote, as the `updates` stream tells it.

    Args:
        update: What it wrote.
        types: The keys of the state.
        wanted: Those that are to be told; None for all, a text for one without its name.
    """
    if not update:
        return None
    if isinstance(wanted, str):
        return next((value for key, value in reversed(update) if key == wanted), None)
    keys = types if wanted is None else wanted
    if ROOT in keys:
        return update[-1][1] if len(update) == 1 else [value for _, value in update]
    if len({key for key, _ in update}) < len(update):
        return [{key: value} for key, value in update if key in keys]
    return {key: value for key, value in update if key in keys} or None
