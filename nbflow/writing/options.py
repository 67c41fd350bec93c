"""The options of a node and of a run: one table of words for headers, decorators and the magic.

Knows what each word takes and says so when it is given something else; knows no syntax.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbflow.core.policies import OnError, Policy, Rate, Retry, RunOptions, Timeout
from nbflow.errors import FlowError, nearest
from nbflow.models import ModelSpec, Settings, model

_NO_POLICY = Policy()


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
        retry_on: Which exceptions are; any if None.
        rate: How many attempts may begin in a time.
        jobs: How many of the node's tasks run at once.
        each: The name of what is iterated, by the parameter that is given the elements.
        votes: How many samples vote on the result.
        min_agreement: The share of the samples, from 0 to 1, that must agree.
        key: What makes two answers the same: equal keys.
        best: Of how many samples the best is the result.
        score: What says how good one is: a function, or a prompt.
        wait: It starts as soon as so many of its input nodes have succeeded; None for all.
        on_error: `pass` if the failure of an input node is a value to it.
        template: Fill the text in and call nothing.
    """

    model: ModelSpec | SideBySide | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    timeout: float | None = None
    retries: int | None = None
    retry_on: Callable[[Exception], bool] | None = None
    rate: Rate | None = None
    jobs: int | None = None
    each: Mapping[str, str] | None = None
    votes: int | None = None
    min_agreement: float | None = None
    key: Callable[[Any], Hashable] | None = None
    best: int | None = None
    score: Any = None
    wait: int | None = None
    on_error: str | None = None
    template: bool = False

    def settings(self, default: FlowOptions) -> Settings:
        """How the node's model should answer."""
        seed = default.seed if self.seed is None else self.seed
        return Settings(temperature=self.temperature, max_tokens=self.max_tokens, seed=seed)

    def policy(self) -> Policy:
        """How the node is attempted."""
        given = (self.timeout, self.retries, self.rate, self.jobs)
        if given == (None, None, None, None):
            return _NO_POLICY
        return Policy(
            timeout=_timeout(self.timeout),
            retry=_retry(self.retries, self.retry_on),
            rate=self.rate,
            jobs=self.jobs,
        )

    def check(self) -> None:
        """Refuse words that say nothing without, or together with, another.

        Raises:
            FlowError: it names both.

        Example:
            >>> NodeOptions(min_agreement=0.5).check()
            Traceback (most recent call last):
            ...
            nbflow.errors.FlowError: min_agreement says nothing without votes.
        """
        for word, other in _NEEDS.items():
            if getattr(self, word) is not None and getattr(self, other) is None:
                raise FlowError(f"{word} says nothing without {other}.")
        for word, other in _EXCLUDES:
            if getattr(self, word) not in (None, False) and getattr(self, other) is not None:
                raise FlowError(f"{word} and {other} can't both be said of one node; keep one.")


_NEEDS = {"min_agreement": "votes", "key": "votes", "best": "score", "score": "best"} | {
    "retry_on": "retries"
}
_EXCLUDES = (("votes", "best"), ("template", "votes"), ("template", "best"))


@dataclass(frozen=True, slots=True)
class FlowOptions:
    """What the magic's line or `flow.options` may say of a whole run.

    Args:
        model: What names the model of every prompt that doesn't name its own.
        jobs: How many tasks run at once; None for no limit.
        timeout: Seconds one attempt of any task may take.
        retries: How often a failed attempt of any task is followed by another.
        rate: How many attempts that use one model may begin in a time.
        on_error: `finish`, `stop` or `keep`.
        seed: For every prompt that doesn't give its own.
    """

    model: ModelSpec | SideBySide | None = None
    jobs: int | None = None
    timeout: float | None = None
    retries: int | None = None
    rate: Rate | None = None
    on_error: str = OnError.FINISH
    seed: int | None = None

    def run_options(self) -> RunOptions:
        """The part that the engine reads."""
        return RunOptions(
            timeout=_timeout(self.timeout),
            retry=_retry(self.retries, None),
            rate=self.rate,
            jobs=self.jobs,
            on_error=OnError(self.on_error),
        )


def _timeout(seconds: float | None) -> Timeout | None:
    return None if seconds is None else Timeout(seconds)


def _retry(retries: int | None, on: Callable[[Exception], bool] | None) -> Retry | None:
    if retries is None:
        return None
    return Retry(retries) if on is None else Retry(retries, on)


def node_options(words: Mapping[str, Any]) -> NodeOptions:
    """Options from words and their values; text is read as what the word takes.

    Raises:
        FlowError: there is no such word, it comes later, or it doesn't take that value.

    Example:
        >>> node_options({"retries": "2", "timeout": 1}).policy().timeout.seconds
        1.0
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
            raise FlowError(
                f"unknown option {word!r}. {nearest(word, {*known, *later} - PYTHON_WORDS)}"
            )
        try:
            read[word] = None if value is None else known[word](value)
        except (TypeError, ValueError) as error:
            raise FlowError(f"{word} {error}, not {_quoted(value)}.") from None
    return read


def _quoted(value: Any) -> str:
    """A value as an error may show it; of what isn't plain only the type, for it may hold a key."""
    return repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"


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
    if isinstance(value, str):
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            raise ValueError("takes the name of a model, or several with commas between them")
        return names[0] if len(names) == 1 else side_by_side(names)
    if isinstance(value, list | tuple | Mapping):
        if not value:
            raise ValueError("takes one model or more")
        return value if isinstance(value, SideBySide) else side_by_side(value)
    return value


class SideBySide(dict[str, ModelSpec]):
    """Several models that a prompt is sent to, each by the name that its answer will have."""


def side_by_side(models: Iterable[ModelSpec] | Mapping[str, ModelSpec]) -> SideBySide:
    """Several models by name: a text is its own name, and what comes again gets a number.

    Raises:
        ModelError: what is no text and no model either.

    Example:
        >>> list(side_by_side(["openai:a", "smollm2", "smollm2"]))
        ['openai:a', 'smollm2', 'smollm2 2']
    """
    if isinstance(models, Mapping):
        return SideBySide({str(name): spec for name, spec in models.items()})
    named = SideBySide()
    for spec in models:
        name = own = spec if isinstance(spec, str) else model(spec).name
        number = 1
        while name in named:
            number += 1
            name = f"{own} {number}"
        named[name] = spec
    return named


def _rate(value: Any) -> Rate:
    return value if isinstance(value, Rate) else Rate.parse(str(value))


def _share(value: Any) -> float:
    share = _number(value)
    if not 0 <= share <= 1:
        raise ValueError("takes a number from 0 to 1")
    return share


def _wait(value: Any) -> int | None:
    if value == "all":
        return None
    try:
        return 1 if value == "any" else _whole(1)(value)
    except ValueError:
        raise ValueError("takes all, any or how many inputs it takes, from 1") from None


def _pass(value: Any) -> str:
    if value != "pass":
        raise ValueError("of a node takes only pass")
    return "pass"


def _function(value: Any) -> Any:
    if not callable(value):
        raise ValueError("takes a function")  # noqa: TRY004 - as for every other word
    return value


def _score(value: Any) -> Any:
    if not (callable(value) or hasattr(value, "inputs")):
        raise ValueError("takes a function, or a prompt made by ask(...)")
    return value


def _each(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("takes the name of what is iterated, by parameter")
    for name in (*value, *value.values()):
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError('takes the names of inputs, as text: each(doc="docs")')
    return dict(value)


def _retry_on(value: Any) -> Callable[[Exception], bool]:
    kinds = value if isinstance(value, tuple) else (value,)
    if kinds and all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        return lambda error: isinstance(error, kinds)
    if isinstance(value, type) or not callable(value):
        raise ValueError("takes an exception's type, several, or a function")  # noqa: TRY004
    return value  # type: ignore[no-any-return]


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
    "retry_on": _retry_on,
    "rate": _rate,
    "jobs": _whole(1),
    "each": _each,
    "votes": _whole(1),
    "min_agreement": _share,
    "key": _function,
    "best": _whole(1),
    "score": _score,
    "wait": _wait,
    "on_error": _pass,
    "template": _flag,
}
"""The words of a node, and how each reads its value."""

PYTHON_WORDS = frozenset({"retry_on", "each", "key", "best", "score"})
"""Those of them that take what only Python can say; no header has them."""

FLOW_WORDS: dict[str, Callable[[Any], Any]] = {
    "model": _model,
    "jobs": _whole(1),
    "timeout": _positive_seconds,
    "retries": _whole(0),
    "rate": _rate,
    "on_error": _on_error,
    "seed": _whole(0),
}
"""The words that may stand on the magic's line or in `flow.options`."""

LATER_NODE_WORDS: frozenset[str] = frozenset()
LATER_FLOW_WORDS = frozenset({"reuse", "budget", "executor"})
"""Words of the contract that no version understands yet: refused, never ignored."""
