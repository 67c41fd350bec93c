"""A small HTTP server on loopback that misbehaves as a test wants it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


class Wire(ThreadingHTTPServer):
    """Answers every request with `answer`, and remembers what was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[Message] = []
        self.released = threading.Event()  # a server that stalls waits for the test's end

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Wire

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(body)

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        self.server.bodies.append(body)
        self.server.headers.append(self.headers)
        self.server.answer(self, body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the overridden name
        """Say nothing."""


@contextmanager
def serving(answer: Answer) -> Iterator[Wire]:
    with Wire(answer) as wire:
        thread = threading.Thread(target=wire.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield wire
        finally:
            wire.released.set()
            wire.shutdown()
            thread.join()


def refuse(status: int, message: str) -> Answer:
    """Answer with an error, as OpenAI words it."""

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        error = json.dumps({"error": {"message": message, "type": "x", "code": "y"}}).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(error)))
        handler.end_headers()
        handler.wfile.write(error)

    return answer


def begin(handler: BaseHTTPRequestHandler) -> None:
    """The head of a streaming answer."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()


def send(handler: BaseHTTPRequestHandler, event: object) -> None:
    """One event of a streaming answer."""
    data = event if isinstance(event, str) else json.dumps(event)
    handler.wfile.write(f"data: {data}\n\n".encode())
    handler.wfile.flush()


def chunk(text: str | None, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "choices": [choice]}


def say(*words: str) -> Answer:
    """Answer with some words and the usage, in good order."""

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        begin(handler)
        for word in words:
            send(handler, chunk(word))
        send(handler, chunk(None, "stop"))
        spent = {"prompt_tokens": 7, "completion_tokens": len(words), "total_tokens": 0}
        send(handler, {**chunk(None), "choices": [], "usage": spent})
        send(handler, "[DONE]")

    return answer
