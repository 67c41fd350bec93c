"""A notebook, run from top to bottom in a kernel of this very Python, with an ear for its runs.

Knows kernels and notebooks; imports nbclient, so it is imported only by a command that needs it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.client import KernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager, KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from nbflow.core.events import Event
from nbflow.errors import NbflowError
from nbflow.notebook import relay

Listener = Callable[[Event], None]

_OF_ANY_CELL = frozenset({"comm_open", "comm_msg", "comm_close", "update_display_data"})


def execute(
    notebook: NotebookNode, folder: Path, listener: Listener, environment: dict[str, str]
) -> None:
    """Run the notebook's cells in order; outputs are put into `notebook` as they come.

    Args:
        notebook: What is run, and where the outputs go.
        folder: The kernel's working folder.
        listener: Called with every event of every run.
        environment: Added to the kernel's environment variables.

    Raises:
        NbflowError: a cell failed that isn't tagged `raises-exception`, or the kernel died.
        KeyboardInterrupt: SIGINT or SIGTERM came; the kernel was ended first.
    """
    client = _Client(notebook, listener)
    # What a kernel says on its own streams is no output, but it is asked for when it has died.
    with tempfile.TemporaryFile() as said:
        try:
            asyncio.run(
                client.async_execute(
                    cwd=str(folder), env={**os.environ, **environment}, stdout=said, stderr=said
                )
            )
        except CellExecutionError as error:
            raise NbflowError(
                f"{client.place} failed with {error.ename}: {_first_line(error.evalue)}"
            ) from error
        except (DeadKernelError, asyncio.CancelledError) as error:
            if client.interrupted:
                raise KeyboardInterrupt from None
            said.seek(0)
            last = said.read().decode(errors="replace").strip()[-800:]
            raise NbflowError(f"the kernel died at {client.place}. It said: {last}") from error


class _ThisPython(KernelSpecManager):
    """Finds one kernel whatever is asked for: the Python that runs this, with all it has installed.

    A kernel spec on this machine may belong to another Python, or there may be none.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        extension = f"--IPKernelApp.extra_extensions={relay.__name__}"
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", extension],
            display_name="Python 3",
            language="python",
            name=kernel_name,
        )


class _Client(NotebookClient):
    """Runs a notebook and hears the events that its kernel relays."""

    def __init__(self, notebook: NotebookNode, listener: Listener) -> None:
        super().__init__(
            notebook,
            timeout=None,
            store_widget_state=False,
            record_timing=False,
            on_cell_execute=self._enter,
        )
        self.comm_open_handlers[relay.TARGET] = lambda _message: _Ear(listener)
        self.interrupted = False
        """Whether SIGINT or SIGTERM has come."""
        self._cell = 0
        self._next_message: Any = None

    def create_kernel_manager(self) -> KernelManager:
        self.km = AsyncKernelManager(kernel_spec_manager=_ThisPython())
        return self.km

    async def async_start_new_kernel_client(self) -> KernelClient:
        client = await super().async_start_new_kernel_client()
        channel: Any = client.iopub_channel
        self._next_message, channel.get_msg = channel.get_msg, self._message_of_a_cell
        self._be_cancelled_by_signals()
        return client

    def _be_cancelled_by_signals(self) -> None:
        # nbclient's own handlers end the kernel beneath the cell, which then trips over that. Of a
        # cell that is cancelled it thinks that its kernel has died: hence the flag.
        task = asyncio.current_task()
        assert task is not None

        def interrupt() -> None:
            self.interrupted = True
            task.cancel()

        with suppress(NotImplementedError):  # on Windows, where asyncio.run sees to it
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, interrupt)

    async def _message_of_a_cell(self, **options: Any) -> dict[str, Any]:
        """The next message that belongs to one cell.

        nbclient drops what comes of a cell that has ended. But a run that a cell left in the
        background goes on: its events and what it changes on its board are taken here.
        """
        while True:
            message: dict[str, Any] = await self._next_message(**options)
            if message["msg_type"] not in _OF_ANY_CELL:
                return message
            self.process_message(message, self.nb.cells[self._cell], self._cell)

    def _enter(self, *, cell_index: int, **_cell: Any) -> None:
        self._cell = cell_index

    @property
    def place(self) -> str:
        """Which cell runs, or ran last, for a person: its number and its first line."""
        cell = self.nb.cells[self._cell]
        return f"cell {self._cell + 1} ({_first_line(cell.source)})"


class _Ear:
    """What nbclient calls with each message of the relay's comm."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def handle_msg(self, message: dict[str, Any]) -> None:
        self._listener(relay.heard(message["content"]["data"]))


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
