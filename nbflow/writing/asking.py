"""What a prompt's or a template's node calls: its text filled in, and sent to a model or not.

Knows prompts and models; knows nothing of edges, cells or notebooks.
"""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from nbflow.core.context import current_task, emit
from nbflow.core.events import Kind
from nbflow.models import Model, Settings
from nbflow.models.protocol import MAX_SEED
from nbflow.writing.prompt import fill
from nbflow.writing.step import Step

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)")


def filling(text: str) -> Callable[..., str]:
    """What fills a text in.

    Example:
        >>> filling("about {topic}")(topic="cats")
        'about cats'
    """

    def fill_in(**inputs: Any) -> str:
        return fill(text, inputs)

    return fill_in


def asking(
    text: str,
    asked: Model,
    settings: Settings,
    *,
    sampled: bool = False,
    own: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> Callable[..., Any]:
    """What fills a prompt in and streams a model's answer.

    Args:
        text: The prompt.
        asked: The model.
        settings: How it should answer.
        sampled: Whether each task is a sample, and so needs a seed of its own.
        own: Makes of the inputs those of this model.
    """

    async def send(**inputs: Any) -> AsyncIterator[str]:
        prompt = fill(text, own(inputs) if own is not None else inputs)
        how = _sample(settings) if sampled else settings
        async with aclosing(asked.astream(prompt, how)) as messages:
            async for message in messages:
                if message.usage is not None:
                    emit(Kind.USAGE, **dataclasses.asdict(message.usage))
                if message.content:
                    yield message.content

    return send


def _sample(settings: Settings) -> Settings:
    """The settings of one sample: the given seed and its number, or a seed of its own."""
    task = current_task.get()
    if settings.seed is None:
        return settings.replace(seed=random.randint(0, MAX_SEED))  # noqa: S311 - no secret
    number = 0 if task is None else task.sample
    return settings.replace(seed=(settings.seed + number) % (MAX_SEED + 1))


def own_answers(
    label: str, varied: frozenset[str], elements: Mapping[str, str]
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What makes of the inputs those of one model: its own answers, where models were asked before.

    Args:
        label: The model's name.
        varied: The inputs that were answered by several models.
        elements: The input that is iterated, by the parameter that is given the elements.

    Example:
        >>> own_answers("a", frozenset({"joke"}), {})({"joke": {"a": "ha", "b": "hm"}, "n": 1})
        {'joke': 'ha', 'n': 1}
        >>> own_answers("a", frozenset({"joke"}), {})({"joke": [{"a": "ha"}, {"a": "ho"}]})
        {'joke': ['ha', 'ho']}
    """
    names = varied | {name for name, source in elements.items() if source in varied}

    def pick(inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _own(value, label) if name in names else value for name, value in inputs.items()
        }

    return pick


def _own(value: Any, label: str) -> Any:
    if isinstance(value, list):
        return [_own(element, label) for element in value]
    return value[label] if isinstance(value, Mapping) and label in value else value


@dataclass(frozen=True, slots=True)
class Scoring:
    """Scores a result by a prompt: the first number in the model's answer.

    Args:
        step: The prompt, with one placeholder for the result.
        asked: The model.
        settings: How it should answer.

    Raises:
        ValueError: when called, if there is no number in the answer.
    """

    step: Step
    asked: Model
    settings: Settings

    async def __call__(self, result: Any) -> float:
        """The score of one result."""
        (hole,) = self.step.inputs
        text = ""  # not `ainvoke`: it would show the answer in the sample's pane
        prompt = fill(self.step.source, {hole: result})
        async with aclosing(self.asked.astream(prompt, self.settings)) as messages:
            async for message in messages:
                text += message.content
                if message.usage is not None:
                    emit(Kind.USAGE, **dataclasses.asdict(message.usage))
        number = _NUMBER.search(text)
        if number is None:
            raise ValueError(f"the answer of the score {self.step.name!r} has no number in it")
        return float(number[0])
