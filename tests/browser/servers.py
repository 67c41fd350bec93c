"""A real JupyterLab or Notebook 7 on this machine, for the browser tests.

Knows the server's process, its folders and its log; knows nothing of browsers or of nbflow.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nbformat.sign import NotebookNotary, SQLiteSignatureStore
from nbformat.v4 import new_code_cell, new_notebook

START_SECONDS = 60.0
STOP_SECONDS = 15.0

# What a first visitor is asked, and what would call out to the network.
_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


class FrontEnd(StrEnum):
    """The two front ends that a cell has to work in."""

    LAB = "lab"
    NOTEBOOK = "notebook"

    @property
    def _command(self) -> list[str]:
        match self:
            case FrontEnd.LAB:
                return ["jupyterlab", "--LabApp.expose_app_in_browser=True"]
            case FrontEnd.NOTEBOOK:
                return ["notebook", "--JupyterNotebookApp.expose_app_in_browser=True"]

    def page_path(self, notebook: str) -> str:
        """Where this front end shows a notebook, below the server's address."""
        return f"/lab/tree/{notebook}?reset" if self is FrontEnd.LAB else f"/notebooks/{notebook}"


@dataclass
class JupyterServer:
    """A running server with folders of its own; it sees no settings of whoever runs the tests."""

    front_end: FrontEnd
    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, front_end: FrontEnd, home: Path) -> JupyterServer:
        """Start one below the folder `home` and wait until it answers."""
        (home / "notebooks").mkdir(parents=True)
        _write_settings(home / "config" / "lab" / "user-settings")
        port = _free_port()
        command = [sys.executable, "-m", *front_end._command, *_options(home, port)]
        with (home / "server.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment(home)
            )
        server = cls(front_end, home, port, process)
        try:
            server._wait_until_it_answers()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the server has said so far."""
        return (self.home / "server.log").read_text(errors="replace")

    def write(self, name: str, *cells: str) -> Path:
        """Write a notebook of code cells into the served folder."""
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = _kernelspec("python3", "python")
        path = self.home / "notebooks" / name
        path.write_text(json.dumps(notebook))
        return path

    def read(self, name: str) -> dict[str, Any]:
        """The saved notebook, as its file says."""
        found: dict[str, Any] = json.loads((self.home / "notebooks" / name).read_text())
        return found

    def copy_without_kernel(self, name: str, *, trusted: bool) -> str:
        """Copy a saved notebook as a machine that lacks its kernel would get it; the copy's name.

        Args:
            name: The saved notebook.
            trusted: Whether the copy is signed, as `jupyter trust` would.
        """
        notebook = self.read(name)
        notebook["metadata"]["kernelspec"] = _kernelspec("no-such-kernel", "no-such-language")
        notebook["metadata"].pop("language_info", None)
        copy = f"{Path(name).stem}-{'trusted' if trusted else 'untrusted'}.ipynb"
        (self.home / "notebooks" / copy).write_text(json.dumps(notebook))
        if trusted:
            self._sign(copy)
        return copy

    def _sign(self, name: str) -> None:
        import nbformat  # noqa: PLC0415 - its schema takes long to load and few tests sign

        data = self.home / "data"
        store = SQLiteSignatureStore(str(data / "nbsignatures.db"))
        notary = NotebookNotary(data_dir=str(data), store_factory=lambda: store)
        notebook = nbformat.read(self.home / "notebooks" / name, as_version=4)
        notary.sign(notebook)
        store.close()

    def shut_down_kernels(self) -> None:
        """End every kernel that a test has left behind."""
        for kernel in json.loads(self._call("GET", "/api/kernels")):
            self._call("DELETE", f"/api/kernels/{kernel['id']}")

    def stop(self) -> None:
        """End the server and, through it, its kernels."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self._call("GET", "/api/status")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"{self.front_end} did not start; its log:\n{self.log[-4000:]}")

    def _call(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
        return body


def _options(home: Path, port: int) -> list[str]:
    return [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={home / 'notebooks'}",
    ]


def _environment(home: Path) -> dict[str, str]:
    foreign = ("JUPYTER", "IPYTHON", "NBFLOW", "MPLBACKEND", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # The weights of the embedded model are big: every test shares the one cache.
    if cache := os.environ.get("NBFLOW_CACHE"):
        kept["NBFLOW_CACHE"] = cache
    return kept | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(home / "ipython"),
    }


def _write_settings(folder: Path) -> None:
    for name, settings in _SETTINGS.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


def _kernelspec(name: str, language: str) -> dict[str, str]:
    return {"name": name, "display_name": name, "language": language}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
