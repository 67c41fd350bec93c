"""Calls that are made outside of any run, as a person at a notebook tries first: each is a run.

With a running event loop they run there. Without one, they run on a loop in a thread of its own,
which all such calls share and nobody waits for at exit.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading

from nbflow.core.policies import OnError, RunOptions
from nbflow.core.run import Run
from nbflow.core.topology import Topology
from nbflow.writing.desk import Desk
from nbflow.writing.request import Request

_opening = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def loop_here() -> asyncio.AbstractEventLoop:
    """The loop that runs in this thread; without one, that of the shared thread."""
    running = asyncio._get_running_loop()  # noqa: SLF001 - None if there is none
    if running is not None:
        return running
    with _opening:
        if not _loops or _loops[0].is_closed():
            _loops[:] = [asyncio.new_event_loop()]
            threading.Thread(target=_loops[0].run_forever, name="nbflow-calls", daemon=True).start()
        return _loops[0]


def start(request: Request) -> None:
    """Start a run of one call, on the call's loop."""
    if asyncio._get_running_loop() is request.loop:  # noqa: SLF001 - the quick way to ask
        _start(request)
    else:
        context = contextvars.copy_context()
        request.loop.call_soon_threadsafe(_start, request, context=context)


def _start(request: Request) -> None:
    name = request.kind.name
    run = Run(Topology([]), {}, RunOptions(on_error=OnError.STOP), name=name).start()
    Desk.of(run.scheduler).enter(request)
