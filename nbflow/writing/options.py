"""The options of a node and of a run: one table of words for headers, decorators and the magic.

Knows what each word takes and says so when it is given something else; knows no syntax.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.policies import OnError, Policy, RunOptions
from nbflow.errors import FlowError, nearest
from nbflow.models import ModelSpec, Settings


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What a header, a decorator or `ask` may say of one node; None leaves it to the run.

    Args:
        model: What names the model that a prompt is sent to.
        temperature: From 0, always the likeliest word, upwards.
        max_tokens: The longest answer, in the model's tokens.
        seed: The same seed asks for the same answer.
        timeout: Seconds one attempt may take.
        retries: How often a failed attempt is followed by another.
        template: Fill the text in and call nothing.
    """

    model: ModelSpec | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    timeout: float | None = None
    retries: int | None = None
    template: bool = False

    def settings(self, default: FlowOptions) -> Settings:
        """How the node's model should answer."""
        seed = default.seed if self.seed is None else self.seed
        return Settings(temperature=self.temperature, max_tokens=self.max_tokens, seed=seed)

    def policy(self) -> Policy:
        """How the node is attempted."""
        return Policy(timeout=self.timeout, retries=self.retries)


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """What the magic's line or `flow.options` may say of a whole run.

    Args:
        model: What names the model of every prompt that doesn't name its own.
        jobs: How many tasks run at once; None for no limit.
        timeout: Seconds one attempt of any task may take.
        retries: How often a failed attempt of any task is followed by another.
        on_error: `finish`, `stop` or `keep`.
        seed: For every prompt that doesn't give its own.
    """

    model: ModelSpec | None = None
    jobs: int | None = None
    timeout: float | None = None
    retries: int | None = None
    on_error: str = OnError.FINISH
    seed: int | None = None

    def run_options(self) -> RunOptions:
        """The part that the engine reads."""
        policy = Policy(timeout=self.timeout, retries=self.retries)
        return RunOptions(jobs=self.jobs, on_error=OnError(self.on_error), policy=policy)


def node_options(words: Mapping[str, Any]) -> NodeOptions:
    """Options from words and their values; text is read as what the word takes.

    Raises:
        FlowError: there is no such word, it comes later, or it doesn't take that value.

    Example:
        >>> node_options({"retries": "2", "timeout": 1}).policy()
        Policy(timeout=1.0, retries=2)
        >>> node_options({"retry": "2"})
        Traceback (most recent call last):
        ...
        nbflow.errors.FlowError: unknown option 'retry'. Did you mean 'retries'?
    """
    return NodeOptions(**_read(words, NODE_WORDS, LATER_NODE_WORDS))


def flow_options(words: Mapping[str, Any], before: FlowOptions | None = None) -> FlowOptions:
    """Options of a run from words and their values, on top of earlier ones.

    Raises:
        FlowError: there is no such word, it comes later, or it doesn't take that value.
    """
    read = _read(words, FLOW_WORDS, LATER_FLOW_WORDS)
    return dataclasses.replace(before or FlowOptions(), **read)


def _read(
    words: Mapping[str, Any], known: Mapping[str, Callable[[Any], Any]], later: frozenset[str]
) -> dict[str, Any]:
    read = {}
    for word, value in words.items():
        if word in later:
            raise FlowError(f"the option {word!r} is not yet there; it comes with a later version.")
        if word not in known:
            raise FlowError(f"unknown option {word!r}. {nearest(word, [*known, *later])}")
        try:
            read[word] = None if value is None else known[word](value)
        except (TypeError, ValueError) as error:
            raise FlowError(f"{word} {error}, not {value!r}.") from None
    return read


def _positive_seconds(value: Any) -> float:
    seconds = _number(value)
    if not 0 < seconds < math.inf:
        raise ValueError("takes a positive number of seconds")
    return seconds


def _temperature(value: Any) -> float:
    temperature = _number(value)
    if not 0 <= temperature < math.inf:
        raise ValueError("takes a number from 0")
    return temperature


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError("takes a number") from None


def _whole(least: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if number < least:
            raise ValueError(f"takes a whole number from {least}")
        return number

    return read


def _on_error(value: Any) -> str:
    choices = [choice.value for choice in OnError]
    if value not in choices:
        raise ValueError(f"takes one of {', '.join(choices)}")
    return str(value)


def _model(value: Any) -> Any:
    if isinstance(value, str) and "," in value:
        raise ValueError("takes one model (several side by side are not yet there)")
    if isinstance(value, str) and not value:
        raise ValueError("takes the name of a model")
    return value


def _flag(value: Any) -> bool:
    if value is not True:
        raise ValueError("takes no value")
    return True


NODE_WORDS: dict[str, Callable[[Any], Any]] = {
    "model": _model,
    "temperature": _temperature,
    "max_tokens": _whole(1),
    "seed": _whole(0),
    "timeout": _positive_seconds,
    "retries": _whole(0),
    "template": _flag,
}
"""The words that may stand in a header, and how each reads its value."""

FLOW_WORDS: dict[str, Callable[[Any], Any]] = {
    "model": _model,
    "jobs": _whole(1),
    "timeout": _positive_seconds,
    "retries": _whole(0),
    "on_error": _on_error,
    "seed": _whole(0),
}
"""The words that may stand on the magic's line or in `flow.options`."""

LATER_NODE_WORDS = frozenset({"votes", "for", "wait"})
LATER_FLOW_WORDS = frozenset({"reuse", "budget", "rate", "executor"})
"""Words of the contract that no version understands yet: refused, never ignored."""
