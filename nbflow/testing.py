"""Doubles for tests of flows: a model that follows a script, and a clock that a test drives.

They are public: what nbflow's own tests use is what yours may use. Knows models and clocks; knows
no test framework.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from nbflow.errors import ModelError
from nbflow.models.protocol import Message, Model, Settings, Usage

_T = TypeVar("_T")

TURNS = 25
"""How many turns of the event loop settle whatever a sleeper does when it wakes."""

Answers: TypeAlias = str | Mapping[str, str] | Sequence[str] | Callable[[str], str]
Script: TypeAlias = BaseException | Sequence[BaseException | None]
Failures: TypeAlias = Script | Mapping[str, Script]


class Sleeper(Protocol):
    """A clock that can be slept by."""

    async def sleep(self, seconds: float) -> None:
        """Return once that much time has passed."""
        ...


class Clock:
    """A clock that stands still until a test advances it.

    Example:
        >>> async def nap(clock):
        ...     await clock.sleep(3600)
        ...     return clock.time()
        >>> async def main():
        ...     clock = Clock()
        ...     napping = asyncio.create_task(nap(clock))
        ...     await clock.advance(7200)
        ...     return await napping
        >>> asyncio.run(main())
        3600.0
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        """Seconds since the clock was made."""
        return self._now

    @property
    def sleepers(self) -> int:
        """How many sleep by this clock now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been advanced by that much; no time at all gives a turn."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass: wake each sleeper at its time, the earliest first.

        Before and after each, the event loop gets turns, so who wakes, works and sleeps again
        within the span is woken again within it.
        """
        end = self._now + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            if woken.done():  # cancelled in its sleep
                continue
            self._now = at
            woken.set_result(None)
            await _settle()
        self._now = end


async def _settle() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


class _WallClock:
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Call:
    """One prompt that a scripted model was given."""

    prompt: str
    settings: Settings


class ScriptedModel(Model):
    """A model that says what a test wrote down, word by word.

    Args:
        answers: One str for every prompt; or a mapping; or a sequence, whose answers are given
            one after another; or a function from the prompt. In a mapping a prompt finds the key
            that equals it, else the longest key that occurs in it.
        chunk_delay_seconds: The pause before each word.
        failures: An exception, which every call raises; or a sequence, from which each call takes
            the next entry, None and the sequence's end meaning that it succeeds; or a mapping to
            either, in which prompts find their key as in `answers`. A call that fails does so
            before its first word.
        clock: What is slept by; the event loop's own clock if not given.
        name: What the model is called.

    Example:
        >>> cats = ScriptedModel({"joke": "a cat walks in", "poem": "soft paws"})
        >>> cats.invoke("Write a joke").content
        'a cat walks in'
        >>> cats.invoke("Write a poem").usage
        Usage(model='scripted', input_tokens=3, output_tokens=2)
        >>> [call.prompt for call in cats.calls]
        ['Write a joke', 'Write a poem']
        >>> flaky = ScriptedModel("done", failures=[TimeoutError("too slow"), None])
        >>> flaky.invoke("Write")
        Traceback (most recent call last):
        ...
        TimeoutError: too slow
        >>> flaky.invoke("Write").content
        'done'
    """

    def __init__(
        self,
        answers: Answers,
        *,
        chunk_delay_seconds: float = 0.0,
        failures: Failures = (),
        clock: Sleeper | None = None,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.calls: list[Call] = []
        """Every prompt that was given, in order."""
        self.active = 0
        """How many answers are being given now."""
        self.max_active = 0
        """How many answers were being given at once, at most."""
        self._answers = answers
        self._failures = failures
        self._used: dict[str, int] = {}
        self._chunk_delay_seconds = chunk_delay_seconds
        self._clock = clock or _WallClock()

    async def generate(self, prompt: str, settings: Settings) -> AsyncGenerator[Message, None]:
        """Follow the script: fail, or say the answer's words and what they cost."""
        self.calls.append(Call(prompt, settings))
        self.active += 1
        self.max_active = max(self.max_active, self.active)
        try:
            self._fail(prompt)
            answer = self._answer(prompt)
            for word in words(answer):
                await self._clock.sleep(self._chunk_delay_seconds)
                yield Message(word)
            yield Message("", Usage(self.name, len(prompt.split()), len(answer.split())))
        finally:
            self.active -= 1

    def _fail(self, prompt: str) -> None:
        key, script = "", self._failures
        if isinstance(script, Mapping):
            found = _key_of(prompt, script)
            if found is None:
                return
            key, script = found, script[found]
        failure = script if isinstance(script, BaseException) else self._next("fail " + key, script)
        if failure is not None:
            raise failure

    def _answer(self, prompt: str) -> str:
        answers = self._answers
        if isinstance(answers, str):
            return answers
        if callable(answers):
            return answers(prompt)
        if isinstance(answers, Mapping):
            key = _key_of(prompt, answers)
            if key is None:
                raise ModelError(f"{self.name} has no answer to {prompt!r}, but to {[*answers]!r}.")
            return answers[key]
        answer = self._next("answer", answers)
        if answer is None:
            raise ModelError(f"{self.name} has given all of its {len(answers)} answers.")
        return answer

    def _next(self, script: str, entries: Sequence[_T]) -> _T | None:
        """The next entry of a script that no call has used; None when there is no more."""
        used = self._used.get(script, 0)
        self._used[script] = used + 1
        return entries[used] if used < len(entries) else None


def words(text: str) -> list[str]:
    """A text cut into words, each with the white space before it; joined they are the text.

    Example:
        >>> words("soft  paws ")
        ['soft', '  paws', ' ']
    """
    return re.findall(r"\s*\S+|\s+", text)


def _key_of(prompt: str, keys: Mapping[str, Any]) -> str | None:
    """The key that a prompt finds: itself, else the longest one within it."""
    if prompt in keys:
        return prompt
    within = [key for key in keys if key in prompt]
    return max(within, key=len, default=None)
