"""A real ipykernel, driven cell by cell, with what each cell shows as a front end would keep it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from jupyter_client.manager import KernelManager

SECONDS = 60.0


@dataclass
class Cell:
    """What one cell came to."""

    status: str = ""
    error: str = ""
    """`ename: evalue` of a cell that failed."""
    shown_error: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    """Display bundles by mime type, each as its last update left it."""
    stdout: str = ""

    @property
    def text(self) -> str:
        """The text/plain of everything displayed."""
        return "\n".join(output.get("text/plain", "") for output in self.outputs)

    @property
    def html(self) -> str:
        """The text/html of everything displayed."""
        return "\n".join(output.get("text/html", "") for output in self.outputs)


class Kernel:
    """A kernel process of this interpreter, with nbflow loaded."""

    def __init__(self, **environment: str) -> None:
        self.manager = KernelManager()
        self.manager.kernel_spec.argv = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ]
        self.manager.start_kernel(env={**os.environ, **environment})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)
        self.displays: dict[str, dict[str, Any]] = {}
        assert self.run("%load_ext nbflow").status == "ok"

    def close(self) -> None:
        """Stop the channels and the process."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def start(self, code: str) -> str:
        """Send a cell and return its message id; an error doesn't abort the cells after it."""
        return str(self.client.execute(code, stop_on_error=False))

    def run(self, code: str) -> Cell:
        """Run a cell to its end."""
        return self.finish(self.start(code))

    def wait_for(self, kind: str) -> None:
        """Wait until the running cell has said something of a kind, such as `display_data`."""
        while self.client.get_iopub_msg(timeout=SECONDS)["msg_type"] != kind:
            pass

    def finish(self, message_id: str) -> Cell:
        """Collect what a started cell says until the kernel is idle again."""
        cell = Cell()
        while True:
            message = self._next(message_id)
            content = message["content"]
            match message["msg_type"]:
                case "stream" if content["name"] == "stdout":
                    cell.stdout += content["text"]
                case "display_data" | "execute_result":
                    cell.outputs.append(self._displayed(content))
                case "update_display_data":
                    self._displayed(content)
                case "error":
                    cell.error = f"{content['ename']}: {content['evalue']}"
                    cell.shown_error = "\n".join(content["traceback"])
                case "status" if content["execution_state"] == "idle":
                    cell.status = self.reply(message_id)["status"]
                    return cell
                case _:
                    pass

    def reply(self, message_id: str) -> dict[str, Any]:
        """The content of the kernel's answer to a message."""
        while True:
            message = self.client.get_shell_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") == message_id:
                return dict(message["content"])

    def _next(self, message_id: str) -> dict[str, Any]:
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=SECONDS)
            except Empty:
                raise AssertionError(f"the kernel said nothing for {SECONDS} s") from None
            if message["msg_type"] == "update_display_data":
                self._displayed(message["content"])
            if message["parent_header"].get("msg_id") == message_id:
                return dict(message)

    def _displayed(self, content: dict[str, Any]) -> dict[str, Any]:
        """The bundle that stands in the notebook, changed in place by later updates."""
        identity = content.get("transient", {}).get("display_id")
        bundle = self.displays.setdefault(identity, {}) if identity else {}
        bundle.clear()
        bundle.update(content["data"])
        return bundle
