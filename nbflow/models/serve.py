"""The program that holds the embedded model: an OpenAI-compatible server for its parent alone.

It is run as a file, in a process of its own, so that the C++ of the model can neither write into
a notebook nor take a kernel down, and can be stopped in the middle of anything. It knows xllamacpp
and its parent's pipe; it imports nothing of nbflow.

The parent writes one line of JSON, the order, and keeps the pipe open for as long as it wants the
server; the answer is one line of JSON too, the server's address or what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO


def main() -> None:
    """Serve what the order on stdin says until stdin ends, as it does when the parent dies."""
    answers = _own_stdout()
    order = json.loads(sys.stdin.readline())
    try:
        server = _serve(**order)
    except Exception as error:  # noqa: BLE001 - the parent tells the user
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=answers)
        os._exit(1)
    print(json.dumps({"address": server.listening_address}), file=answers)
    sys.stdin.read()
    os._exit(0)  # taking the server down in good order takes half a minute when it is busy


def _own_stdout() -> TextIO:
    """Keep stdout for the answer: what C++ prints goes where stderr goes."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _serve(path: str, key: str, slots: int, context_tokens: int) -> Any:
    import xllamacpp  # noqa: PLC0415 - what goes wrong in it is an answer too

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.api_keys = [key]
    params.n_parallel = slots
    params.n_ctx = context_tokens
    params.cache_type_k = params.cache_type_v = (
        xllamacpp.ggml_type.GGML_TYPE_Q8_0
    )  # half the memory
    params.cache_ram_mib = 0
    params.verbosity = -1
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = 1  # two that spin for each other are ten times slower on a busy machine
        cpu.poll = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
