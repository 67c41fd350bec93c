"""What a model is: it turns a prompt into text, chunk by chunk.

Knows prompts, messages and settings; knows no particular model, no flow and no notebook.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from nbflow import blocking
from nbflow.core.context import emit
from nbflow.core.events import Kind
from nbflow.errors import ModelError, nearest

MAX_SEED = 2**32 - 1
"""The largest seed that every model takes."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer took, in the model's own tokens."""

    model: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Message:
    """An answer, or a chunk of one that streams.

    Example:
        >>> print(Message("a cat"))
        a cat
    """

    content: str
    usage: Usage | None = None

    def __str__(self) -> str:
        return self.content


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model should answer; None leaves it to the model.

    Args:
        temperature: From 0, always the likeliest word, upwards.
        max_tokens: The longest answer, in the model's tokens.
        seed: From 0 to `MAX_SEED`: the same seed asks for the same answer.

    Raises:
        ModelError: a value that no model could take.

    Example:
        >>> Settings(temperature=0.5).given()
        {'temperature': 0.5}
        >>> Settings(max_tokens=0)
        Traceback (most recent call last):
        ...
        nbflow.errors.ModelError: max_tokens is 0; it must be a whole number from 1.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not _is_temperature(self.temperature):
            raise ModelError(f"temperature is {self.temperature!r}; it must be a number from 0.")
        if self.max_tokens is not None and not _is_whole(self.max_tokens, 1, None):
            raise ModelError(
                f"max_tokens is {self.max_tokens!r}; it must be a whole number from 1."
            )
        if self.seed is not None and not _is_whole(self.seed, 0, MAX_SEED):
            raise ModelError(
                f"seed is {self.seed!r}; it must be a whole number from 0 to {MAX_SEED}."
            )

    def given(self) -> dict[str, Any]:
        """The settings that aren't left to the model, by name."""
        pairs = ((name, getattr(self, name)) for name in SETTING_NAMES)
        return {name: value for name, value in pairs if value is not None}

    def replace(self, **changes: Any) -> Settings:
        """These settings with some of them changed.

        Raises:
            ModelError: there is no such setting, or its value can't be.

        Example:
            >>> Settings(seed=7).replace(temperature=0.0)
            Settings(temperature=0.0, max_tokens=None, seed=7)
            >>> Settings().replace(temprature=0.0)
            Traceback (most recent call last):
            ...
            nbflow.errors.ModelError: unknown setting 'temprature'. Did you mean 'temperature'?
        """
        for name in changes:
            if name not in SETTING_NAMES:
                raise ModelError(f"unknown setting {name!r}. {nearest(name, SETTING_NAMES)}")
        return dataclasses.replace(self, **changes)


SETTING_NAMES = tuple(field.name for field in dataclasses.fields(Settings))
"""The settings there are, in the order in which they are declared."""

DEFAULTS = Settings()
"""Everything left to the model."""


class Model(ABC):
    """Anything that turns a prompt into text.

    A subclass says its `name` and implements `generate`; callers use one of the three doors
    `astream`, `ainvoke` and `invoke`, which all take settings as an object, as keywords, or both.

    Example:
        >>> class Echo(Model):
        ...     name = "echo"
        ...     async def generate(self, prompt, settings):
        ...         for word in prompt.split():
        ...             yield Message(word + " ")
        >>> Echo().invoke("a cat", temperature=0).content
        'a cat '
    """

    name: str

    @abstractmethod
    def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """The answer as an async generator of chunks, the last of which may carry the usage.

        Closing the generator, or cancelling who consumes it, must stop the work for it.
        """

    def astream(
        self, prompt: str, settings: Settings = DEFAULTS, **changes: Any
    ) -> AsyncGenerator[Message, None]:
        """The answer to a prompt, chunk by chunk. Who stops early should `aclose()` it.

        Raises:
            ModelError: the prompt is no text or a setting can't be; while iterating, that the
                model can't answer.
        """
        if not isinstance(prompt, str):
            raise ModelError(f"a prompt is a str, not {type(prompt).__name__}.")
        return self.generate(prompt, settings.replace(**changes))

    async def ainvoke(self, prompt: str, settings: Settings = DEFAULTS, **changes: Any) -> Message:
        """The whole answer to a prompt. In a branch, its pane shows the answer as it comes.

        Raises:
            ModelError: as `astream`.
        """
        text: list[str] = []
        usage: Usage | None = None
        async with aclosing(self.astream(prompt, settings, **changes)) as chunks:
            async for chunk in chunks:
                text.append(chunk.content)
                usage = chunk.usage or usage
                if chunk.content:
                    emit(Kind.CHUNK, text=chunk.content)
        if usage is not None:
            emit(Kind.USAGE, **dataclasses.asdict(usage))
        return Message("".join(text), usage)

    def invoke(self, prompt: str, settings: Settings = DEFAULTS, **changes: Any) -> Message:
        """The whole answer, as `ainvoke`, for code that can't await; works in a running loop too.

        Raises:
            ModelError: as `astream`.
        """
        return blocking.run(self.ainvoke(prompt, settings, **changes))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _is_temperature(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0


def _is_whole(value: object, low: int, high: int | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return value >= low and (high is None or value <= high)
