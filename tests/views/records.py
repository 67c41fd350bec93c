"""Records of runs that never were: told event by event."""

from __future__ import annotations

from typing import Any

from nbflow.core.events import Event, Kind
from nbflow.core.record import RunRecord


class Story:
    """A record, and a short way to say what happened in it.

    Args:
        nodes: The inputs of each node, by its name.
        values: The values given to the run.
        kind: What kind of node they are.
    """

    def __init__(
        self,
        nodes: dict[str, tuple[str, ...]],
        *,
        name: str = "cats",
        kind: str = "prompt",
        **values: str,
    ) -> None:
        self.record = RunRecord()
        self.log: list[Event] = []
        described = [
            {"name": node, "kind": kind, "inputs": list(inputs), "source": "", "detail": ""}
            for node, inputs in nodes.items()
        ]
        self.say(Kind.RUN_STARTED, nodes=described, values=values, name=name)
        for node in nodes:
            self.say(Kind.QUEUED, node)

    def say(self, kind: Kind, node: str | None = None, at: float = 0.0, **data: Any) -> Event:
        """One more event, `at` seconds after the start."""
        event = Event("r1", len(self.log), kind, node, node, at, 0.0, data)
        self.log.append(event)
        self.record.apply(event)
        return event

    def start(self, node: str, at: float = 0.0) -> Event:
        return self.say(Kind.STARTED, node, at, attempt=1)

    def chunk(self, node: str, text: str, at: float = 0.5) -> Event:
        return self.say(Kind.CHUNK, node, at, text=text)

    def done(self, node: str, text: str, at: float = 1.0, **data: Any) -> Event:
        return self.say(Kind.DONE, node, at, text=text, **data)

    def fail(self, node: str, type: str, message: str, at: float = 1.0) -> Event:  # noqa: A002
        trace = f"Traceback\n{type}: {message}"
        return self.say(Kind.FAILED, node, at, type=type, message=message, traceback=trace)

    def end(self, state: str, at: float = 2.0) -> Event:
        return self.say(Kind.RUN_ENDED, at=at, state=state)


def finished(text: str, **data: Any) -> RunRecord:
    """A run of one branch, `joke`, that said `text`."""
    story = Story({"joke": ()})
    story.start("joke")
    story.done("joke", text, **data)
    story.end("done")
    return story.record
