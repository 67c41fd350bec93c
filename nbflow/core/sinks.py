"""Sinks: whoever wants a run's events, each in a thread of its own.

However slow a sink is, the run doesn't wait for it: the events stand in the run's log anyway, and a
sink is a place in it. One that has fallen behind gets each task's chunks joined into one.
"""

from __future__ import annotations

import logging
import threading

from nbflow.core.events import Event, Kind, Log, Sink
from nbflow.core.threads import start_in_thread

_log = logging.getLogger(__name__)


class Reader:
    """Calls a sink with every event of a log from now on, in order, until the run has ended.

    Args:
        sink: What to call. If it raises, that is logged and it is called no more.
        log: The run's log.
    """

    def __init__(self, sink: Sink, log: Log) -> None:
        self._sink = sink
        self._log = log
        self._seen = len(log)
        self._news = threading.Event()
        self.finished = threading.Event()
        """Set once it has been given the last event, or has raised."""
        start_in_thread(self._read)

    def tell(self) -> None:
        """Something has been added to the log."""
        self._news.set()

    def _read(self) -> None:
        try:
            while self._read_on():
                self._news.wait()
                self._news.clear()
        except BaseException:  # noqa: BLE001 - whatever a sink does, the run goes on
            _log.exception("a sink raised and is dropped")
        finally:
            self.finished.set()

    def _read_on(self) -> bool:
        """Give the sink what there is; whether there may be more."""
        while self._seen < len(self._log):
            if self._log[self._seen].kind is Kind.CHUNK:
                for event in self._joined_chunks():
                    self._sink(event)
                continue
            event = self._log[self._seen]
            self._seen += 1
            self._sink(event)
            if event.kind is Kind.RUN_ENDED:
                return False
        return True

    def _joined_chunks(self) -> list[Event]:
        """The chunks up to the next event that is none, as one event for each task."""
        by_task: dict[str | None, list[Event]] = {}
        while self._seen < len(self._log) and self._log[self._seen].kind is Kind.CHUNK:
            event = self._log[self._seen]
            by_task.setdefault(event.task, []).append(event)
            self._seen += 1
        return [
            chunks[-1]._replace(data={"text": "".join(chunk.data["text"] for chunk in chunks)})
            for chunks in by_task.values()
        ]
