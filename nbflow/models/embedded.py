"""SmolLM2 135M, the model that comes with nbflow: no key, no network once its weights are there.

Knows how that model likes to be asked; the process it runs in is `host`'s business, the protocol
`endpoint`'s and the weights `fetch`'s.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from nbflow.errors import ModelError
from nbflow.models.endpoint import EndpointModel
from nbflow.models.host import SLOT_TOKENS, Host
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
    from nbflow.models import fetch  # noqa: PLC0415 - likewise

    show = TextProgress("fetching the model smollm2 (93 MB, only once)")

    def progress(done_bytes: int, total_bytes: int) -> None:
        check_wanted()
        show(done_bytes, total_bytes)

    return fetch.fetch(progress=progress)


_host = Host(find_weights)


class EmbeddedModel(Model):
    """SmolLM2 135M Instruct on this machine's processor, loaded once and shared by all who ask.

    Eight answers are written at once; each can hold 2048 tokens with its prompt.
    """

    name = NAME

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Ask the server, which is started, and its weights fetched, when that is needed."""
        if not is_installed():
            raise ModelError(
                'the model smollm2 isn\'t installed: pip install "jupyter-nbflow[local]"'
            )
        served = await _host.served()
        endpoint = EndpointModel(
            NAME,
            base_url=served.base_url,
            key=lambda: served.key,
            extra={"repeat_penalty": REPEAT_PENALTY},
        )
        chosen = Settings(temperature=TEMPERATURE, max_tokens=MAX_TOKENS)
        chosen = chosen.replace(**settings.given())
        try:
            async with aclosing(endpoint.generate(prompt, chosen)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ModelError as error:
            if getattr(error.__cause__, "type", None) != "exceed_context_size_error":
                raise
            raise ModelError(
                f"the prompt is too long for smollm2, which can hold {SLOT_TOKENS} tokens (some "
                f"{SLOT_TOKENS * 3 // 4} words) with its answer; shorten it or take another model."
            ) from error

    def __repr__(self) -> str:
        return "EmbeddedModel()"
